"""What must always hold of the books, worked out from rows alone: a second opinion on `buffer_ledger.checks`.

`touched` looks at single enrolments after a step; `whole` at everything: the production checks, the chain of
every fund, and a replay that must change nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from buffer_ledger import ledger_export
from buffer_ledger.books_check import verify
from buffer_ledger.casefiles import CaseFile, enrolments, load
from buffer_ledger.checks import invariants
from buffer_ledger.settling import settle
from buffer_ledger.tables import (
    ACCOUNT,
    DRAW_PROPOSAL,
    ENROLMENT,
    FUND,
    LEDGER_TRANSACTION,
    PAYMENT_ORDER,
    SETTLED_MONTH,
    TRANSFER,
)
from shared.database import Database, ReadTx, among
from shared.law import Law


@dataclass
class Seen:
    """The rows of one enrolment."""

    enrolment: Any
    account: Any
    transfers: list[Any] = field(default_factory=list)
    months: dict[str, Any] = field(default_factory=dict)
    revisions: set[tuple[str, int]] = field(default_factory=set)
    orders: list[Any] = field(default_factory=list)
    proposals: list[Any] = field(default_factory=list)

    @property
    def key(self) -> str:
        return str(self.account.account)


async def touched(reading: ReadTx, enrolment_ids: Sequence[str]) -> tuple[list[str], dict[str, int]]:
    """What does not hold of these enrolments, in sentences, and the balance of each. Five queries."""
    seen = await _seen(reading, enrolment_ids)
    faults = [f"{enrolment_id}: {fault}" for enrolment_id, one in seen.items() for fault in _faults(one)]
    return faults, {enrolment_id: one.account.balance_cents for enrolment_id, one in seen.items()}


async def _seen(reading: ReadTx, ids: Sequence[str]) -> dict[str, Seen]:
    found = select(ENROLMENT, ACCOUNT).join(ACCOUNT, ACCOUNT.c.enrolment_id == ENROLMENT.c.enrolment_id)
    seen = {
        row.enrolment_id: Seen(row, row)
        for row in await reading.rows(found.where(among(ENROLMENT.c.enrolment_id, ids)))
    }
    booked = (
        select(LEDGER_TRANSACTION, TRANSFER)
        .join(TRANSFER, TRANSFER.c.transaction_id == LEDGER_TRANSACTION.c.transaction_id)
        .where(among(LEDGER_TRANSACTION.c.enrolment_id, ids))
    )
    for row in await reading.rows(booked):
        seen[row.enrolment_id].transfers.append(row)
    months = select(SETTLED_MONTH).where(among(SETTLED_MONTH.c.enrolment_id, ids))
    for row in await reading.rows(months.order_by(SETTLED_MONTH.c.revision)):
        seen[row.enrolment_id].months[row.month] = row
        seen[row.enrolment_id].revisions.add((row.month, row.revision))
    for row in await reading.rows(select(PAYMENT_ORDER).where(among(PAYMENT_ORDER.c.enrolment_id, ids))):
        seen[row.enrolment_id].orders.append(row)
    for row in await reading.rows(select(DRAW_PROPOSAL).where(among(DRAW_PROPOSAL.c.enrolment_id, ids))):
        seen[row.enrolment_id].proposals.append(row)
    return seen


def _faults(seen: Seen) -> Iterator[str]:
    yield from _balance(seen)
    yield from _used(seen)
    yield from _draws(seen)
    yield from _orders(seen)
    yield from _held(seen)


def _balance(seen: Seen) -> Iterator[str]:
    """The balance is the sum of its transfers, each says what stood after it, and time never goes back."""
    moves = []
    for row in seen.transfers:
        if row.debit == seen.key:
            moves.append((row.debit_version, -row.amount_cents, row.debit_balance_after, row.recorded_at))
        elif row.credit == seen.key:
            moves.append((row.credit_version, row.amount_cents, row.credit_balance_after, row.recorded_at))
    moves.sort()
    balance = 0
    for number, (version, change, after, _) in enumerate(moves, start=1):
        balance += change
        if (version, after) != (number, balance):
            yield f"version {version} with {after} cents follows where {number} with {balance} belongs"
        if not 0 <= balance <= seen.account.cap_cents:
            yield f"{balance} cents at version {version}, of a cap of {seen.account.cap_cents}"
    recorded = [move[3] for move in moves]
    if recorded != sorted(recorded):
        yield "something is recorded before what it builds on"
    if (seen.account.balance_cents, seen.account.version) != (balance, len(moves)):
        yield f"carries {seen.account.balance_cents} cents; its transfers add up to {balance}"


def _used(seen: Seen) -> Iterator[str]:
    total: Counter[str] = Counter()
    for row in seen.transfers:
        total[row.kind] += row.amount_cents
    used = total["DRAW"] + total["CLAIM"] - total["REVERSAL"] - total["REPAYMENT"]
    if not 0 <= used <= seen.account.cap_cents:
        yield f"{used} cents are used of a cap of {seen.account.cap_cents}"
    given_back = total["RETURN"] + total["EXPIRY"]
    if seen.account.balance_cents != total["COMMITMENT"] - used - given_back:
        yield "what was committed is not what is left, used and given back"


def _draws(seen: Seen) -> Iterator[str]:
    """Each draw has its cause, evidence and receipt; a month's draws are its row's, within the rule."""
    net: dict[str, int] = defaultdict(int)
    draws = {row.transaction_id: row for row in seen.transfers if row.kind == "DRAW"}
    undone: set[str] = set()
    for row in draws.values():
        net[row.effective_month] += row.amount_cents
        if not row.reason or not row.evidence:
            yield f"draw {row.transaction_id} has no cause or no evidence"
        if (row.effective_month, row.receipt_revision) not in seen.revisions:
            yield f"draw {row.transaction_id} has no receipt"
    for row in seen.transfers:
        if row.kind != "REVERSAL":
            continue
        net[row.effective_month] -= row.amount_cents
        first = draws.get(row.reverses)
        if first is None or row.reverses in undone:
            yield f"reversal {row.transaction_id} undoes nothing, or what was undone already"
        elif (first.effective_month, first.amount_cents) != (row.effective_month, row.amount_cents):
            yield f"reversal {row.transaction_id} is not what it reverses"
        undone.add(row.reverses)
    for month in net.keys() | seen.months.keys():
        row = seen.months.get(month)
        told, rule = (0, 0) if row is None else (row.draw_cents, row.rule_cents)
        if not 0 <= net[month] == told <= rule:
            yield f"{month} drew {net[month]} cents; its row says {told} and its rule {rule}"


def _orders(seen: Seen) -> Iterator[str]:
    """A month with a draw has one order that counts, of the draw's amount; executions are executed orders."""
    counting: dict[str, list[Any]] = defaultdict(list)
    for order in seen.orders:
        if order.state in ("OPEN", "EXECUTED"):
            counting[order.month].append(order)
    for month, row in seen.months.items():
        amounts = [order.amount_cents for order in counting[month]]
        if amounts != ([row.draw_cents] if row.draw_cents else []):
            yield f"{month} drew {row.draw_cents} cents and its orders are of {amounts}"
    executed = sorted(order.amount_cents for order in seen.orders if order.state == "EXECUTED")
    paid = sorted(row.amount_cents for row in seen.transfers if row.kind == "EXECUTION")
    if executed != paid:
        yield f"orders of {executed} cents are executed and {paid} cents were paid"


def _held(seen: Seen) -> Iterator[str]:
    """What is held is what waits for a person, and it is there to be held."""
    asked = sum(row.amount_cents for row in seen.proposals if row.state == "PENDING")
    if not asked == seen.account.pending_cents <= seen.account.balance_cents:
        yield f"{seen.account.pending_cents} cents are held of {seen.account.balance_cents}, {asked} asked"


# ---- everything ------------------------------------------------------------------------------------------


class _Undo(Exception):
    pass


async def whole(database: Database, law: Law) -> list[str]:
    """What does not hold of all books together, in sentences."""
    async with database.read() as reading:
        checked = await invariants(reading)
        ids = [row.enrolment_id for row in await reading.rows(select(ENROLMENT.c.enrolment_id))]
        faults, _ = await touched(reading, ids)
        funds = [row.fund_id for row in await reading.rows(select(FUND.c.fund_id))]
    faults += checked.sentences
    if checked.sum_cents:
        faults.append(f"all balances add up to {checked.sum_cents} cents")
    for fund_id in funds:
        export = [line async for line in ledger_export.lines(database, fund_id)]
        faults += [f"export of {fund_id}: {fault}" for fault in verify(export).faults]
    return faults + await _replayed(database, law)


async def _replayed(database: Database, law: Law) -> list[str]:
    """Run every closed month again from the facts: what stands is what one run gives, nothing is booked."""
    faults: list[str] = []
    try:
        async with database.write() as tx:
            ids = [
                row.enrolment_id
                for row in await tx.rows(
                    select(ENROLMENT.c.enrolment_id).where(
                        ENROLMENT.c.state == "ACTIVE", ENROLMENT.c.closed_through.is_not(None)
                    )
                )
            ]
            files = [_closed(file) for file in await load(tx, await enrolments(tx, enrolment_ids=ids), law)]
            outcome = await settle(tx, files, law, "LATE_FACT", actor="oracle")
            faults = [
                f"{change.enrolment.enrolment_id}: {change.row.month} would be booked again as "
                f"{change.row.draw_cents} cents"
                for change in outcome.changes
            ]
            raise _Undo
    except _Undo:
        return faults


def _closed(file: CaseFile) -> CaseFile:
    through = file.enrolment.closed_through
    assert through is not None
    return file.until(through)
