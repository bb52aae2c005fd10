"""Verifying an export of a fund's books by itself: the chain, then every rule the books promise to keep.

The input is lines of JSON as `ledger_export` writes them. Nothing is believed: hashes, versions, balances and
sums are made anew from the transfers and held against what the export says. `verify` never raises; what is
wrong comes back as sentences, each with the line it was found on.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from buffer_ledger.bookkeeping import Account, Transaction, TransactionKind, Transfer, check_used
from buffer_ledger.chain import FIRST, link_hash
from shared.errors import BufferbudgetError
from shared.money import Cents
from shared.months import Month

EXPORT_FORMAT: Final = 1
FAULTS_TOLD: Final = 50
"""After a broken link much does not fit; the first faults say where it began."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found: `faults` is empty when all is well. `head` is the hash of the last sealed link."""

    faults: tuple[str, ...]
    fund_id: str
    sealed: int
    waiting: int
    head: str
    balances: Mapping[str, int]


@dataclass(slots=True)
class _Standing:
    """An account while its transfers are followed."""

    balance: int = 0
    version: int = 0


@dataclass(slots=True)
class _Books:
    """Everything known after the lines so far."""

    fund_id: str = ""
    faults: list[str] = field(default_factory=list)
    listed: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    standings: dict[str, _Standing] = field(default_factory=dict)
    booked: dict[str, Transaction] = field(default_factory=dict)
    enrolments: dict[str, str | None] = field(default_factory=dict)
    reversed: set[str] = field(default_factory=set)
    used: dict[str, dict[str, int]] = field(default_factory=dict)
    sealed: int = 0
    waiting: int = 0
    head: str = FIRST
    ended: bool = False

    def fault(self, line: int, sentence: str) -> None:
        self.faults.append(f"line {line}: {sentence}")


def verify(lines: Iterable[str], *, expected_head: str | None = None) -> Verdict:
    """Verify an export; `expected_head` is a hash kept elsewhere that must be in its chain.

    Without one, an export whose last links were cut off and whose end was written anew cannot be told from a
    shorter one: that is why heads are kept outside (log, earlier exports).
    """
    books = _Books()
    heads = set()
    number = 0
    for number, text in enumerate(lines, start=1):
        line = _read(text)
        if line is None:
            books.fault(number, "is no JSON object")
            continue
        with _told(books, number):
            _take(books, number, line)
        heads.add(books.head)
    if not books.ended:
        books.fault(number, "the export stops before its end")
    with _told(books, number):
        _at_the_end(books, number)
    if expected_head is not None and expected_head not in heads:
        books.faults.append(
            f"the hash {expected_head} is not in this chain: what it sealed was changed or is gone"
        )
    faults = books.faults
    if len(faults) > FAULTS_TOLD:
        faults = [*faults[:FAULTS_TOLD], f"and {len(faults) - FAULTS_TOLD} more"]
    balances = {account: standing.balance for account, standing in sorted(books.standings.items())}
    return Verdict(tuple(faults), books.fund_id, books.sealed, books.waiting, books.head, balances)


@contextmanager
def _told(books: _Books, number: int) -> Iterator[None]:
    """Make a fault of whatever cannot be read as books: an export may hold anything."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, BufferbudgetError) as refused:
        books.fault(number, f"cannot be read as part of the books ({type(refused).__name__}: {refused})")


def _read(text: str) -> dict[str, Any] | None:
    try:
        line = json.loads(text, parse_float=_refuse_float)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) else None


def _refuse_float(text: str) -> Any:
    raise ValueError(f"{text} is no whole number of cents")


def _take(books: _Books, number: int, line: Mapping[str, Any]) -> None:
    kind = line["line"]
    if books.ended:
        books.fault(number, "stands after the end")
    if (number == 1) != (kind == "BOOKS"):
        books.fault(number, "the first line, and no other, says whose books these are")
    if kind == "BOOKS":
        books.fund_id = line["fundId"]
        if line["format"] != EXPORT_FORMAT:
            books.fault(number, f"is of format {line['format']}; this program reads {EXPORT_FORMAT}")
    elif kind == "ACCOUNT":
        key = Account.parse(line["account"]).key
        books.listed[key] = line
        books.standings.setdefault(key, _Standing())
    elif kind == "TRANSACTION":
        _link(books, number, line)
        _book(books, number, line["transaction"])
    elif kind == "END":
        books.ended = True
        told = (line["sealed"], line["waiting"], line["head"])
        if told != (books.sealed, books.waiting, books.head):
            books.fault(number, f"the end says {told} and the lines before it add up otherwise")
    else:
        books.fault(number, f"is of an unknown kind {kind!r}")


def _link(books: _Books, number: int, line: Mapping[str, Any]) -> None:
    """Hold a line against the chain: the next number, and the hash over its content and the link before."""
    if line["number"] is None:
        books.waiting += 1
        if line["hash"] is not None:
            books.fault(number, "has a hash and no place in the chain")
        return
    if books.waiting:
        books.fault(number, "is sealed and stands behind what is not sealed yet")
    expected = books.sealed + 1
    if line["number"] != expected:
        books.fault(number, f"is link {line['number']} where link {expected} belongs")
    made = link_hash(books.head, books.fund_id, line["number"], line["transaction"])
    if made != line["hash"]:
        books.fault(
            number, f"link {line['number']} does not fit its hash: it, or what it follows, was changed"
        )
    books.sealed = line["number"]
    books.head = line["hash"]


def _book(books: _Books, number: int, told: Mapping[str, Any]) -> None:
    """Follow a transaction through its accounts and hold it against the rules of the books."""
    transaction = _transaction(told)
    transaction_id, enrolment = told["transactionId"], told["enrolmentId"]
    if told["fundId"] != books.fund_id:
        books.fault(number, f"belongs to the books of fund {told['fundId']}")
    if transaction_id in books.booked:
        books.fault(number, f"transaction {transaction_id} was booked before")
    if transaction.kind == "DRAW" and not transaction.evidence:
        books.fault(number, "is a draw without evidence")
    if transaction.reverses is not None:
        _reverse(books, number, transaction, enrolment)
    for sentence in _moved(books, told["transfers"]):
        books.fault(number, sentence)
    if enrolment is not None:
        used = books.used.setdefault(enrolment, {})
        used[transaction.kind] = used.get(transaction.kind, 0) + transaction.amount_cents
    books.booked[transaction_id] = transaction
    books.enrolments[transaction_id] = enrolment


def _transaction(told: Mapping[str, Any]) -> Transaction:
    """The transaction as a value; the chart refuses what it does not know and moves it does not allow."""
    kind: TransactionKind = told["kind"]
    positions = [moved["position"] for moved in told["transfers"]]
    if positions != list(range(len(positions))):
        raise ValueError(f"its transfers are numbered {positions}")
    return Transaction(
        kind=kind,
        reason=told["reason"],
        effective_month=Month.parse(told["effectiveMonth"]),
        transfers=tuple(
            Transfer(
                Account.parse(moved["debit"]), Account.parse(moved["credit"]), Cents(moved["amountCents"])
            )
            for moved in told["transfers"]
        ),
        evidence=tuple(told["evidence"]),
        reverses=told["reverses"],
    )


def _reverse(books: _Books, number: int, undoing: Transaction, enrolment: str | None) -> None:
    first_id = str(undoing.reverses)
    first = books.booked.get(first_id)
    if first is None:
        books.fault(number, f"reverses {first_id}, which is not booked before it")
        return
    if first_id in books.reversed:
        books.fault(number, f"reverses {first_id} a second time")
    books.reversed.add(first_id)
    mirrored = tuple(Transfer(moved.credit, moved.debit, moved.amount_cents) for moved in first.transfers)
    same = (first.kind, books.enrolments[first_id], first.effective_month) == (
        "DRAW",
        enrolment,
        undoing.effective_month,
    )
    if not same or undoing.transfers != mirrored:
        books.fault(number, f"is not what it reverses: {first_id}")


def _moved(books: _Books, transfers: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Move each amount; accounts that carry a balance must say the version and balance that follow."""
    for moved in transfers:
        amount = moved["amountCents"]
        for side, signed in (("debit", -amount), ("credit", amount)):
            key = moved[side]
            standing = books.standings.setdefault(key, _Standing())
            standing.balance += signed
            standing.version += 1
            if key not in books.listed:
                yield f"the account {key} is not among the accounts of these books"
            if not Account.parse(key).limited:
                continue
            told = (moved[f"{side}Version"], moved[f"{side}BalanceAfter"])
            if told != (standing.version, standing.balance):
                yield (
                    f"{key} would be at version {told[0]} with {told[1]} cents; its transfers make version "
                    f"{standing.version} with {standing.balance}"
                )
            cap = books.listed.get(key, {}).get("capCents")
            if standing.balance < 0 or (cap is not None and standing.balance > cap):
                yield f"{key} stands at {standing.balance} cents, outside nil and its cap of {cap}"


def _at_the_end(books: _Books, number: int) -> None:
    total = sum(standing.balance for standing in books.standings.values())
    if total != 0:
        books.fault(number, f"all balances add up to {total} cents instead of 0")
    for key, listed in books.listed.items():
        standing = books.standings[key]
        told = (listed["balanceCents"], listed["version"])
        account = Account.parse(key)
        if account.kind == "buffer" and not isinstance(listed["capCents"], int):
            books.fault(number, f"{key} is listed without its cap")
        if account.limited and told != (standing.balance, standing.version):
            books.fault(
                number,
                f"{key} is listed at version {told[1]} with {told[0]} cents; its transfers make version "
                f"{standing.version} with {standing.balance}",
            )
    for enrolment, used in books.used.items():
        cap = books.listed.get(f"buffer:{enrolment}", {}).get("capCents") or 0
        for sentence in check_used(
            cap,
            draws_cents=used.get("DRAW", 0) + used.get("CLAIM", 0),
            reversals_cents=used.get("REVERSAL", 0),
            repayments_cents=used.get("REPAYMENT", 0),
        ):
            books.fault(number, f"enrolment {enrolment}: {sentence}")
    owed = books.standings.get(f"payable:{books.fund_id}", _Standing()).balance
    if owed < 0:
        books.fault(number, f"{-owed} cents more were paid than drawn")
