"""Double entry as values: which transfers an event of the scheme makes, and what must always hold.

A transfer moves an amount from its debit to its credit account, so it balances by itself. The balance of an
account is its credits minus its debits: a fund's free money and a person's buffer are positive, the bank,
which the donations came from, is the negative of what is really there. The sum over all accounts is nil.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from shared.errors import BufferbudgetError
from shared.money import Cents
from shared.months import Month

CHART_VERSION = 2
"""Counts up when an account kind or a transaction kind is added; stored with each transaction."""

AccountKind = Literal["bank", "fund-free", "buffer", "payable"]
OwnerKind = Literal["FUND", "ENROLMENT"]
TransactionKind = Literal[
    "DONATION", "COMMITMENT", "DRAW", "CLAIM", "REVERSAL", "EXECUTION", "REPAYMENT", "RETURN", "EXPIRY"
]


class UnknownAccount(BufferbudgetError):
    """An account or a transaction of a kind that the chart does not have."""


@dataclass(frozen=True, slots=True)
class AccountRule:
    """What the chart says about a kind of account.

    A `limited` account has a row with balance, floor nil and cap that the database checks and locks. The
    others are counters: they may pass below nil and no shared row serialises those who post to them.
    """

    owner: OwnerKind
    limited: bool
    meaning: str


CHART: Mapping[AccountKind, AccountRule] = {
    "bank": AccountRule("FUND", False, "the fund's money at its bank, as a negative amount"),
    "fund-free": AccountRule("FUND", True, "donated money that no buffer holds"),
    "buffer": AccountRule("ENROLMENT", True, "what one enrolment may still draw, at most its cap"),
    "payable": AccountRule("FUND", False, "drawn, and not yet reported as paid out"),
}

_MOVES: Mapping[TransactionKind, tuple[AccountKind, AccountKind]] = {
    "DONATION": ("bank", "fund-free"),
    "COMMITMENT": ("fund-free", "buffer"),
    "DRAW": ("buffer", "payable"),
    "CLAIM": ("buffer", "payable"),
    "REVERSAL": ("payable", "buffer"),
    "EXECUTION": ("payable", "bank"),
    "REPAYMENT": ("bank", "buffer"),
    "RETURN": ("buffer", "fund-free"),
    "EXPIRY": ("buffer", "fund-free"),
}
"""The one move each kind of transaction is allowed to make: from debit to credit."""


@dataclass(frozen=True, slots=True)
class Account:
    """One account of the chart; `key` is its name in the database, such as `buffer:<enrolment id>`."""

    kind: AccountKind
    owner: str

    def __post_init__(self) -> None:
        if self.kind not in CHART:
            raise UnknownAccount(f"the chart has no account of kind {self.kind!r}: it has {sorted(CHART)}")
        if not self.owner:
            raise UnknownAccount(f"an account of kind {self.kind} needs an owner")

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.owner}"

    @property
    def limited(self) -> bool:
        return CHART[self.kind].limited

    @classmethod
    def parse(cls, key: str) -> "Account":
        """Read what `key` wrote; another text is an UnknownAccount."""
        kind, _, owner = key.partition(":")
        for known in CHART:
            if known == kind:
                return cls(known, owner)
        raise UnknownAccount(f"the chart has no account {key!r}")


@dataclass(frozen=True, slots=True)
class Transfer:
    """An amount above nil, in cents, from one account to another."""

    debit: Account
    credit: Account
    amount_cents: Cents

    def __post_init__(self) -> None:
        if self.amount_cents <= 0:
            raise ValueError(f"a transfer moves an amount above nil, not {self.amount_cents}")
        if self.debit == self.credit:
            raise ValueError(f"a transfer moves between two accounts, not from {self.debit.key} to itself")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """A group of transfers that stand or fall together, with their reason.

    `effective_month` is the month it belongs to, whenever it was recorded. `reverses` is the id of the
    transaction that it undoes; the database lets each be undone once.
    """

    kind: TransactionKind
    reason: str
    effective_month: Month
    transfers: tuple[Transfer, ...]
    evidence: tuple[str, ...] = ()
    reverses: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in _MOVES:
            raise UnknownAccount(f"there is no transaction of kind {self.kind!r}: there is {sorted(_MOVES)}")
        if not self.transfers:
            raise ValueError("a transaction has at least one transfer")
        move = _MOVES[self.kind]
        for transfer in self.transfers:
            if (transfer.debit.kind, transfer.credit.kind) != move:
                raise UnknownAccount(f"a {self.kind} moves from {move[0]} to {move[1]}, not {transfer}")
        if (self.kind == "REVERSAL") != (self.reverses is not None):
            raise ValueError("a reversal names the transaction it undoes, and nothing else does")
        if self.kind == "DRAW" and not self.reason:
            raise ValueError("a draw has a cause")

    @property
    def amount_cents(self) -> Cents:
        return Cents(sum(transfer.amount_cents for transfer in self.transfers))


def bank(fund_id: str) -> Account:
    return Account("bank", fund_id)


def fund_free(fund_id: str) -> Account:
    return Account("fund-free", fund_id)


def buffer(enrolment_id: str) -> Account:
    return Account("buffer", enrolment_id)


def payable(fund_id: str) -> Account:
    return Account("payable", fund_id)


def donation(fund_id: str, amount_cents: Cents, month: Month, *, reason: str) -> Transaction:
    """A donor's money reached the fund; `month` is the month of its value date."""
    return _single("DONATION", bank(fund_id), fund_free(fund_id), amount_cents, month, reason)


def commitment(fund_id: str, enrolment_id: str, cap_cents: Cents, month: Month) -> Transaction:
    """A new enrolment sets its whole cap apart, so that nobody can be promised the same euro."""
    return _single("COMMITMENT", fund_free(fund_id), buffer(enrolment_id), cap_cents, month, "ENROLLED")


def draw(
    fund_id: str,
    enrolment_id: str,
    amount_cents: Cents,
    month: Month,
    *,
    reason: str,
    evidence: Sequence[str] = (),
) -> Transaction:
    """A settled month takes its whole draw from the buffer; `reason` is its cause, such as SHORTFALL."""
    return _single(
        "DRAW", buffer(enrolment_id), payable(fund_id), amount_cents, month, reason, tuple(evidence)
    )


def claim_settled(fund_id: str, enrolment_id: str, amount_cents: Cents, month: Month) -> Transaction:
    """A buffer settles what was paid too much up to the end of bijstand; it goes to the municipality."""
    evidence = (f"exit:{enrolment_id}",)
    return _single(
        "CLAIM", buffer(enrolment_id), payable(fund_id), amount_cents, month, "CLAIM_SETTLED", evidence
    )


def reversal(transaction_id: str, first: Transaction, *, reason: str) -> Transaction:
    """Undo a draw that was never paid, whole: the buffer gets back what it gave."""
    if first.kind != "DRAW":
        raise ValueError(f"only a draw can be undone, not a {first.kind}")
    return Transaction(
        kind="REVERSAL",
        reason=reason,
        effective_month=first.effective_month,
        transfers=tuple(Transfer(move.credit, move.debit, move.amount_cents) for move in first.transfers),
        evidence=first.evidence,
        reverses=transaction_id,
    )


def execution(fund_id: str, amount_cents: Cents, month: Month, *, payment_order_id: str) -> Transaction:
    """The fund's bank reported that a draw was really paid."""
    return _single(
        "EXECUTION", payable(fund_id), bank(fund_id), amount_cents, month, "EXECUTED", (payment_order_id,)
    )


def repayment(fund_id: str, enrolment_id: str, amount_cents: Cents, month: Month) -> Transaction:
    """A revolving buffer took back part of a month above the floor (reading 20); so far in simulations."""
    return _single("REPAYMENT", bank(fund_id), buffer(enrolment_id), amount_cents, month, "SURPLUS")


def returned(
    fund_id: str, enrolment_id: str, amount_cents: Cents, month: Month, *, reason: str
) -> Transaction:
    """An enrolment was refused or ended before its last month: its money is free again."""
    return _single("RETURN", buffer(enrolment_id), fund_free(fund_id), amount_cents, month, reason)


def expiry(fund_id: str, enrolment_id: str, amount_cents: Cents, month: Month) -> Transaction:
    """The period and its late window are over: what is left goes back to the fund (RETURN_TO_POT)."""
    return _single("EXPIRY", buffer(enrolment_id), fund_free(fund_id), amount_cents, month, "EXPIRED")


def rebooking(
    previous: tuple[str, Transaction] | None,
    fund_id: str,
    enrolment_id: str,
    amount_cents: Cents,
    month: Month,
    *,
    reason: str,
    evidence: Sequence[str] = (),
) -> tuple[Transaction, ...]:
    """What turns a month's unpaid draw into its new total: nothing when it is the same, else the old draw
    undone and the new one made, in that order.

    So a month has at most one draw that stands, each payment order has its own, and no transaction ever needs
    to be undone twice. `previous` is the draw that stands with its id, or None.
    """
    before = 0 if previous is None else previous[1].amount_cents
    if before == amount_cents:
        return ()
    undone = () if previous is None else (reversal(previous[0], previous[1], reason="CORRECTION"),)
    if amount_cents == 0:
        return undone
    return (*undone, draw(fund_id, enrolment_id, amount_cents, month, reason=reason, evidence=evidence))


def _single(
    kind: TransactionKind,
    debit: Account,
    credit: Account,
    amount_cents: Cents,
    month: Month,
    reason: str,
    evidence: tuple[str, ...] = (),
) -> Transaction:
    return Transaction(
        kind=kind,
        reason=reason,
        effective_month=month,
        transfers=(Transfer(debit, credit, amount_cents),),
        evidence=evidence,
    )


# What must always hold. Each check returns the sentences of what does not; nothing when all is well.


def balances_of(transfers: Iterable[Transfer]) -> dict[Account, int]:
    """Credits minus debits of every account that was touched, in cents."""
    balances: dict[Account, int] = {}
    for transfer in transfers:
        balances[transfer.debit] = balances.get(transfer.debit, 0) - transfer.amount_cents
        balances[transfer.credit] = balances.get(transfer.credit, 0) + transfer.amount_cents
    return balances


def check_sum(balances: Mapping[Account, int]) -> tuple[str, ...]:
    """Money is neither made nor lost: all balances add up to nil."""
    total = sum(balances.values())
    return () if total == 0 else (f"all balances add up to {total} cents instead of 0",)


def check_balances(recorded: Mapping[Account, int], transfers: Iterable[Transfer]) -> tuple[str, ...]:
    """Each recorded balance is the sum of its transfers. Only limited accounts keep one."""
    summed = balances_of(transfers)
    return tuple(
        f"{account.key} is recorded as {balance} cents and its transfers add up to {summed.get(account, 0)}"
        for account, balance in recorded.items()
        if balance != summed.get(account, 0)
    )


def check_limits(balances: Mapping[Account, int], caps: Mapping[Account, int]) -> tuple[str, ...]:
    """No limited account is below nil, and none above its cap where it has one."""
    faults = []
    for account, balance in balances.items():
        if not account.limited:
            continue
        if balance < 0:
            faults.append(f"{account.key} is at {balance} cents, below nil")
        cap = caps.get(account)
        if cap is not None and balance > cap:
            faults.append(f"{account.key} is at {balance} cents, above its cap of {cap}")
    return tuple(faults)


def check_used(
    cap_cents: int, *, draws_cents: int, reversals_cents: int = 0, repayments_cents: int = 0
) -> tuple[str, ...]:
    """Of a buffer no less than nil and no more than its cap is used (reading 17)."""
    used = draws_cents - reversals_cents - repayments_cents
    return () if 0 <= used <= cap_cents else (f"{used} cents are used of a cap of {cap_cents}",)


def check_draws(transactions: Iterable[Transaction], rule_cents: Mapping[Month, int]) -> tuple[str, ...]:
    """One enrolment's draws, net of what was undone: each month no more than its rule's amount, and each with
    its evidence."""
    net: dict[Month, int] = {}
    faults = []
    for transaction in transactions:
        month = transaction.effective_month
        if transaction.kind == "DRAW":
            net[month] = net.get(month, 0) + transaction.amount_cents
            if not transaction.reason:
                faults.append(f"a draw of {month} has no cause")
        elif transaction.kind == "REVERSAL":
            net[month] = net.get(month, 0) - transaction.amount_cents
    faults += [
        f"{month} drew {amount} cents where its rule gives {rule_cents.get(month, 0)}"
        for month, amount in sorted(net.items())
        if not 0 <= amount <= rule_cents.get(month, 0)
    ]
    return tuple(faults)


def check_fund(
    *, available_cents: int, donated_cents: int, committed_cents: int, returned_cents: int
) -> tuple[str, ...]:
    """A fund's free money is what was donated, less what buffers hold, plus what came back."""
    expected = donated_cents - committed_cents + returned_cents
    if available_cents == expected:
        return ()
    return (f"{available_cents} cents are free where donations and buffers leave {expected}",)
