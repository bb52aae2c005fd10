"""Turning computed months into booked ones: one path for close, late facts, payments and simulations.

`settle` runs the rules over each file, compares with what stands and books only the differences, all files
together in the same few statements. Nothing here knows why it is called.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from buffer_ledger.approvals import ApprovalNeed
from buffer_ledger.bookkeeping import (
    Account,
    Transaction,
    buffer,
    draw,
    expiry,
    rebooking,
    repayment,
    returned,
)
from buffer_ledger.books import Entry, balances, book, free_balances, hold
from buffer_ledger.casefiles import CaseFile, ClosedBy, Enrolment, Level, Order, Settled
from buffer_ledger.drawing import is_exhausted, is_low, low_threshold
from buffer_ledger.policy import DrawAmount, Policy
from buffer_ledger.proposal_store import Proposal, ProposalFlag, leave_pending, pending_of
from buffer_ledger.proposal_store import add as add_proposals
from buffer_ledger.tables import ENROLMENT, FUND, PAYMENT_ORDER, SETTLED_MONTH
from buffer_ledger.timeline import HeldReason, MonthRow, run
from shared.contracts.events import (
    BufferDrawn,
    BufferExhausted,
    BufferLow,
    BufferReplenished,
    DrawProposed,
    EnrolmentEnded,
    Event,
    MonthSettled,
)
from shared.database import ReadTx, Tx, among
from shared.law import Law
from shared.money import Cents
from shared.months import Month

NO_ORDERS: Mapping[tuple[str, Month], str] = {}


@dataclass(slots=True)
class Change:
    """A month that is settled or rebooked, and what that does to the books."""

    enrolment: Enrolment
    row: MonthRow
    revision: int
    previous: Settled | None
    order_before: Order | None
    policy: Policy
    waiting: Proposal | None = None
    """The proposal that waits for this month, as it was before."""
    undo: Entry | None = None
    take: Entry | None = None
    give_back: Entry | None = None
    order_id: str | None = None
    """The payment order made for the new draw."""
    proposal: Proposal | None = None
    """The proposal made for what waits for a person."""

    @property
    def keeps_waiting(self) -> bool:
        """Whether what waited for this month before still says what is to be agreed to."""
        waiting, row = self.waiting, self.row
        return waiting is not None and (waiting.amount_cents, waiting.need, waiting.total_cents) == (
            row.proposed_cents,
            row.need,
            row.draw_cents + row.proposed_cents,
        )

    @property
    def is_quiet(self) -> bool:
        """Whether nobody is told of it yet: a person decides first, and of a statutory draw the municipality
        announces that decision itself before anybody writes about it (Awb 3:41)."""
        return self.policy.statutory or self.row.proposed_cents > 0

    @property
    def is_first_told(self) -> bool:
        """Whether this is the first that is told of the month: nothing was told while it waited undrawn."""
        before = None if self.previous is None else self.previous.row
        return before is None or (before.proposed_cents > 0 and before.draw_cents == 0)

    @property
    def is_first(self) -> bool:
        return self.previous is None

    @property
    def draw_before(self) -> Cents:
        return Cents(0) if self.previous is None else self.previous.row.draw_cents


@dataclass(slots=True)
class Outcome:
    """What `settle` did: the rows that stand per enrolment, and those that stay held and were never settled.

    `held` counts the latter by reason; a row that is held for two reasons counts under both.
    """

    changes: list[Change] = field(default_factory=list)
    rows: dict[str, tuple[MonthRow, ...]] = field(default_factory=dict)
    held_rows: dict[str, tuple[MonthRow, ...]] = field(default_factory=dict)

    @property
    def held(self) -> Counter[HeldReason]:
        return Counter(reason for rows in self.held_rows.values() for row in rows for reason in row.held)

    @property
    def newly_settled(self) -> list[Change]:
        return [change for change in self.changes if change.is_first]

    @property
    def rebooked(self) -> list[Change]:
        return [change for change in self.changes if not change.is_first]


async def settle(
    tx: Tx,
    files: Sequence[CaseFile],
    law: Law,
    closed_by: ClosedBy,
    *,
    actor: str,
    paid_by: Mapping[tuple[str, Month], str] = NO_ORDERS,
) -> Outcome:
    """Settle every month of each file up to `case.until` that is not held, and rebook what differs.

    The caller holds the locks of the enrolments. Paid months come out as they went in. A month that was
    settled once stays so: facts that would hold it today change neither its state nor its draw. Statements:
    about ten, however many files and months. `paid_by` names the payment order by which a month's new draw
    was paid already (by enrolment and month): no order is made for it. `actor` is who proposes what waits for
    another to agree.
    """
    for file in files:
        tx.not_before(max((settled.recorded_at for settled in file.settled.values()), default=None))
    outcome = Outcome()
    grouped: list[tuple[CaseFile, list[Change]]] = []
    for number, file in enumerate(files, start=1):
        if number % 25 == 0:
            await asyncio.sleep(0)  # a long batch may not keep health checks waiting
        rows = run(file.case, law)
        outcome.rows[file.enrolment.enrolment_id] = rows
        changes = _changes(tx, file, rows)
        settled = file.settled.keys() | {change.row.month for change in changes}
        outcome.held_rows[file.enrolment.enrolment_id] = tuple(
            row for row in rows if row.month not in settled
        )
        if changes:
            grouped.append((file, changes))
            outcome.changes += changes
    if not grouped:
        return outcome
    await _leave_proposals(tx, outcome.changes)
    await _book(tx, outcome.changes)
    await _keep_months(tx, outcome.changes, closed_by)
    await _keep_orders(tx, outcome.changes, paid_by)
    await _keep_proposals(tx, outcome.changes, actor)
    after = await free_balances(tx, {buffer(change.enrolment.enrolment_id) for change in outcome.changes})
    await _tell(tx, grouped, after, closed_by)
    return outcome


def released(row: MonthRow) -> MonthRow:
    """The row as it is booked: whatever would hold it is no longer part of it."""
    return replace(row, held=(), missing_slips=0, missing_parameters=())


def _changes(tx: Tx, file: CaseFile, rows: Sequence[MonthRow]) -> list[Change]:
    waits = file.case.parked or not file.case.registered
    changes = []
    for row in rows:
        standing = file.settled.get(row.month)
        if row.held and (standing is None or waits or "PARAMETER_MISSING" in row.held):
            continue
        new = released(row)
        if standing is not None and standing.row == _as_it_stands(file, new, standing.row):
            continue
        change = Change(
            enrolment=file.enrolment,
            row=new,
            revision=1 if standing is None else standing.revision + 1,
            previous=standing,
            order_before=file.orders.get(row.month),
            policy=file.case.policy,
            waiting=file.agreement.pending.get(row.month),
        )
        _plan(tx, change)
        changes.append(change)
    return changes


def _as_it_stands(file: CaseFile, new: MonthRow, standing: MonthRow) -> MonthRow:
    """The row to compare with what stands: a paid month's running balance is told anew by every statement
    and makes no revision of it."""
    return replace(new, balance_cents=standing.balance_cents) if new.month in file.case.paid else new


def _plan(tx: Tx, change: Change) -> None:
    """The transactions of a change: the standing draw undone, the new one made, a simulated repayment."""
    enrolment, row, before = change.enrolment, change.row, change.order_before
    standing = None
    if before is not None and change.previous is not None:
        first = draw(
            enrolment.fund_id,
            enrolment.enrolment_id,
            before.amount_cents,
            row.month,
            reason="CORRECTION",
            evidence=_evidence(enrolment, change.previous.row),
        )
        standing = (before.draw_transaction_id, first)
    for transaction in rebooking(
        standing,
        enrolment.fund_id,
        enrolment.enrolment_id,
        row.draw_cents,
        row.month,
        reason=_REASONS[row.draw_amount],
        evidence=_evidence(enrolment, row),
    ):
        entry = _entry(tx, change, transaction)
        if transaction.kind == "REVERSAL":
            change.undo = entry
        else:
            change.take = entry
    paid_back = row.repayment_cents - (change.previous.row.repayment_cents if change.previous else 0)
    if paid_back > 0:
        given = repayment(enrolment.fund_id, enrolment.enrolment_id, Cents(paid_back), row.month)
        change.give_back = _entry(tx, change, given)


def _evidence(enrolment: Enrolment, row: MonthRow) -> tuple[str, ...]:
    """What a draw rests on: the slips of its months, else the policy that gives it without any wage."""
    return row.evidence or (f"policy:{enrolment.scheme_id}/{enrolment.policy_version}",)


_REASONS: Mapping[DrawAmount, str] = {
    "TOPUP": "SHORTFALL",
    "REPLACE": "OFFSET",
    "EXCESS": "OFFSET_ABOVE_NORMAL",
    "FIXED": "FIXED_ALLOWANCE",
}
"""Why a month draws, as its transaction says it."""


def _entry(tx: Tx, change: Change, transaction: Transaction) -> Entry:
    return Entry(
        transaction_id=tx.new_id(),
        transaction=transaction,
        fund_id=change.enrolment.fund_id,
        enrolment_id=change.enrolment.enrolment_id,
        policy_version=change.enrolment.policy_version,
        receipt_revision=change.revision,
    )


async def _book(tx: Tx, changes: Sequence[Change]) -> None:
    """Book all changes, what gives back first, then by month."""
    undone = [change.undo for change in changes if change.undo is not None]
    rest = [entry for change in changes for entry in (change.take, change.give_back) if entry is not None]
    await book(tx, [*undone, *rest])


async def _keep_months(tx: Tx, changes: Sequence[Change], closed_by: ClosedBy) -> None:
    rows = [
        {
            "enrolment_id": change.enrolment.enrolment_id,
            "month": str(change.row.month),
            "revision": change.revision,
            "closed_by": closed_by,
            "draw_cents": change.row.draw_cents,
            "rule_cents": change.row.rule_cents,
            "row": change.row.to_json(),
            "recorded_at": tx.now,
        }
        for change in changes
    ]
    await tx.execute(insert(SETTLED_MONTH), rows)


_LEAVE_ORDER = (
    update(PAYMENT_ORDER)
    .where(PAYMENT_ORDER.c.order_id == bindparam("b_order"), PAYMENT_ORDER.c.state == "OPEN")
    .values(state="SUPERSEDED", replaced_by=bindparam("b_replaced_by"))
)


async def _keep_orders(tx: Tx, changes: Sequence[Change], paid_by: Mapping[tuple[str, Month], str]) -> None:
    """Supersede the orders of draws that were undone, then make those of the new draws."""
    left, made = [], []
    for change in changes:
        change.order_id = paid_by.get((change.enrolment.enrolment_id, change.row.month))
        if change.take is not None and change.order_id is None:
            change.order_id = tx.new_id()
            made.append(_order_row(tx, change, change.order_id, change.take))
        if change.undo is not None and change.order_before is not None:
            left.append({"b_order": change.order_before.order_id, "b_replaced_by": change.order_id})
    await tx.execute(_LEAVE_ORDER, left)
    await tx.execute(insert(PAYMENT_ORDER), made)


def _order_row(tx: Tx, change: Change, order_id: str, take: Entry) -> dict[str, Any]:
    enrolment = change.enrolment
    return {
        "order_id": order_id,
        "enrolment_id": enrolment.enrolment_id,
        "participant_id": enrolment.participant_id,
        "municipality": enrolment.municipality,
        "fund_id": enrolment.fund_id,
        "scheme_id": enrolment.scheme_id,
        "month": str(change.row.month),
        "revision": change.revision,
        "kind": "DRAW",
        "pay_to": "PERSON",
        "amount_cents": change.row.draw_cents,
        "state": "OPEN",
        "draw_transaction_id": take.transaction_id,
        "replaced_by": None,
        "executed_on": None,
        "recorded_at": tx.now,
    }


# ---- what waits for a person -----------------------------------------------------------------------------


async def _leave_proposals(tx: Tx, changes: Sequence[Change]) -> None:
    """Withdraw what waits for a month that became another, and release its hold."""
    left = [change.waiting for change in changes if change.waiting and not change.keeps_waiting]
    held: dict[Account, int] = {}
    for proposal in left:
        account = buffer(proposal.enrolment_id)
        held[account] = held.get(account, 0) - proposal.amount_cents
    await leave_pending(tx, [proposal.proposal_id for proposal in left], "WITHDRAWN")
    await hold(tx, held)


async def _keep_proposals(tx: Tx, changes: Sequence[Change], actor: str) -> None:
    """Propose what waits, and hold it so that nobody else can take it."""
    made: list[Proposal] = []
    held: dict[Account, int] = {}
    for change in changes:
        if change.row.proposed_cents == 0 or change.keeps_waiting or change.row.need is None:
            continue
        change.proposal = _proposal(tx, change, change.row.need, actor)
        made.append(change.proposal)
        account = buffer(change.enrolment.enrolment_id)
        held[account] = held.get(account, 0) + change.row.proposed_cents
    await add_proposals(tx, made)
    await hold(tx, held)


def _proposal(tx: Tx, change: Change, need: ApprovalNeed, actor: str) -> Proposal:
    enrolment, row = change.enrolment, change.row
    flags: list[ProposalFlag] = ["ABOVE_GIFT_LIMIT"] if need == "NEEDS_COLLEGE_VIEW" else []
    if change.policy.statutory and row.benefit_paid_cents == 0:
        flags.append("BENEFIT_NIL")
    if change.policy.statutory and row.wage_cents == 0:
        flags.append("WAGE_NIL")
    return Proposal(
        proposal_id=tx.new_id(),
        enrolment_id=enrolment.enrolment_id,
        participant_id=enrolment.participant_id,
        municipality=enrolment.municipality,
        fund_id=enrolment.fund_id,
        scheme_id=enrolment.scheme_id,
        month=row.month,
        revision=change.revision,
        kind="PAYMENT",
        amount_cents=row.proposed_cents,
        total_cents=Cents(row.draw_cents + row.proposed_cents),
        need=need,
        statutory=change.policy.statutory,
        flags=tuple(flags),
        state="PENDING",
        proposed_by=actor[:200],
        recorded_at=tx.now,
    )


# ---- what is told ----------------------------------------------------------------------------------------


async def _tell(
    tx: Tx,
    grouped: Sequence[tuple[CaseFile, Sequence[Change]]],
    after: Mapping[Account, int],
    closed_by: ClosedBy,
) -> None:
    """Events per person in the order its messages need: corrections, draws, state of the buffer, and the
    newly settled month last of all."""
    levels = []
    for file, changes in grouped:
        tx.emit(*(_proposed(change) for change in changes if change.proposal is not None))
        ordered = sorted(changes, key=lambda change: (change.is_first_told, change.row.month))
        spoken = [change for change in ordered if not change.is_quiet]
        if not spoken:
            continue
        enrolment, policy = file.enrolment, file.case.policy
        balance = after[buffer(enrolment.enrolment_id)]
        level = level_of(balance, enrolment.cap_cents, policy)
        for change in spoken[:-1]:
            tx.emit(*_events_of(change), _settled(change, closed_by))
        last = spoken[-1]
        crossing = _crossing(enrolment, last.row.month, level, balance)
        tx.emit(*_events_of(last), *crossing, _settled(last, closed_by))
        if level != enrolment.told_level:
            levels.append({"b_enrolment": enrolment.enrolment_id, "b_level": level})
    await tx.execute(_SET_LEVEL, levels)


def announced(enrolment: Enrolment, settled: Settled) -> tuple[Event, ...]:
    """What is told of a month once the municipality announced its decision on it: as if it were the first."""
    row = settled.row
    shared = {**_who(enrolment), "month": row.month, "revision": settled.revision}
    drawn = BufferDrawn(
        **shared, draw_cents=row.draw_cents, previous_draw_cents=Cents(0), balance_cents=row.balance_cents
    )
    return drawn, _told_of(enrolment, row, settled.revision, "CLOSE", None)


def _proposed(change: Change) -> DrawProposed:
    proposal = change.proposal
    if proposal is None:
        raise ValueError("a change without a proposal proposes nothing")
    return DrawProposed(
        **_who(change.enrolment),
        month=proposal.month,
        revision=proposal.revision,
        proposal_id=proposal.proposal_id,
        kind=proposal.kind,
        amount_cents=proposal.amount_cents,
        total_cents=proposal.total_cents,
        need=proposal.need,
        statutory=proposal.statutory,
        flags=proposal.flags,
    )


_SET_LEVEL = (
    update(ENROLMENT)
    .where(ENROLMENT.c.enrolment_id == bindparam("b_enrolment"))
    .values(told_level=bindparam("b_level"))
)


def level_of(balance_cents: int, cap_cents: int, policy: Policy) -> Level:
    """The state of a buffer that its owner is told of when it gets worse."""
    if is_exhausted(balance_cents, policy.min_draw_cents):
        return "EXHAUSTED"
    return "LOW" if is_low(balance_cents, cap_cents) else "NORMAL"


_WORSE: Mapping[Level, int] = {"NORMAL": 0, "LOW": 1, "EXHAUSTED": 2}


def _crossing(enrolment: Enrolment, month: Month, level: Level, balance_cents: int) -> list[Event]:
    """One event for each threshold the balance fell below since the last time."""
    told, now = _WORSE[enrolment.told_level], _WORSE[level]
    events: list[Event] = []
    if told < 1 <= now:
        threshold = low_threshold(enrolment.cap_cents)
        events.append(
            BufferLow(
                **_who(enrolment),
                month=month,
                balance_cents=Cents(balance_cents),
                threshold_cents=threshold,
            )
        )
    if told < 2 <= now:
        events.append(BufferExhausted(**_who(enrolment), month=month))
    return events


def _events_of(change: Change) -> list[Event]:
    """What a change of a month's draw is to the person: drawn, and replenished where it became less."""
    row, before = change.row, change.draw_before
    events: list[Event] = []
    shared = {**_who(change.enrolment), "month": row.month, "revision": change.revision}
    if change.give_back is not None:
        amount = change.give_back.transaction.amount_cents
        events.append(BufferReplenished(**shared, amount_cents=amount, balance_cents=row.balance_cents))
    if row.draw_cents == before:
        return events
    if row.draw_cents < before:
        amount = Cents(before - row.draw_cents)
        events.append(BufferReplenished(**shared, amount_cents=amount, balance_cents=row.balance_cents))
    events.append(
        BufferDrawn(
            **shared,
            draw_cents=row.draw_cents,
            previous_draw_cents=before,
            balance_cents=row.balance_cents,
            payment_order_id=change.order_id,
        )
    )
    return events


def _settled(change: Change, closed_by: ClosedBy) -> MonthSettled:
    first = change.is_first_told
    return _told_of(
        change.enrolment,
        change.row,
        change.revision,
        "CLOSE" if first and not change.is_first else closed_by,
        None if first else change.draw_before,
    )


def _told_of(
    enrolment: Enrolment, row: MonthRow, revision: int, closed_by: ClosedBy, draw_before: Cents | None
) -> MonthSettled:
    return MonthSettled(
        **_who(enrolment),
        month=row.month,
        revision=revision,
        closed_by=closed_by,
        wage_cents=row.wage_cents,
        benefit_paid_cents=row.benefit_paid_cents,
        other_cash_cents=row.other_cash_cents,
        cash_cents=row.cash_cents,
        floor_cents=row.floor_cents,
        shortfall_cents=row.shortfall_cents,
        draw_cents=row.draw_cents,
        previous_draw_cents=draw_before,
        balance_cents=row.balance_cents,
        cash_after_cents=row.cash_after_cents,
    )


def _who(enrolment: Enrolment) -> dict[str, Any]:
    return {
        "participant_id": enrolment.participant_id,
        "municipality": enrolment.municipality,
        "enrolment_id": enrolment.enrolment_id,
        "scheme_id": enrolment.scheme_id,
        "fund_id": enrolment.fund_id,
    }


# ---- the end of an enrolment -----------------------------------------------------------------------------


async def end(tx: Tx, ended: Sequence[Enrolment], reason: str) -> dict[str, int]:
    """End enrolments: what is left goes back to the fund. Returns the cents that came back, by fund.

    Their months stay as settled; later facts book nothing for them. Months that a close has gone through and
    that were never settled are named in what is told: they never will be.
    """
    if not ended:
        return {}
    unsettled = await _unsettled_months(tx, ended)
    await _expire_proposals(tx, ended)
    held = await balances(tx, [buffer(enrolment.enrolment_id) for enrolment in ended])
    # A place in a statutory scheme is a reservation that confers no right: nobody is written to about it.
    silent = await _statutory_funds(tx, {enrolment.fund_id for enrolment in ended})
    came_back: dict[str, int] = {}
    entries = []
    for enrolment in ended:
        rest = held[buffer(enrolment.enrolment_id)]
        came_back[enrolment.fund_id] = came_back.get(enrolment.fund_id, 0) + rest
        if rest > 0:
            entries.append(_return(tx, enrolment, Cents(rest), reason))
        if enrolment.fund_id in silent:
            continue
        told = EnrolmentEnded(
            **_who(enrolment),
            last_month=enrolment.last_month,
            returned_cents=Cents(rest),
            reason=reason,
            unsettled_months=unsettled[enrolment.enrolment_id],
        )
        tx.emit(told)
    await book(tx, entries)
    left = [{"b_enrolment": enrolment.enrolment_id, "b_reason": reason} for enrolment in ended]
    await tx.execute(_SET_ENDED, left)
    return came_back


async def _statutory_funds(reading: ReadTx, fund_ids: Collection[str]) -> set[str]:
    found = select(FUND.c.fund_id).where(among(FUND.c.fund_id, fund_ids), FUND.c.kind == "STATUTORY")
    return {row.fund_id for row in await reading.rows(found)}


async def _expire_proposals(tx: Tx, ended: Sequence[Enrolment]) -> None:
    """Let what still waits go: its holds are released and it can no longer be agreed to."""
    waiting = await pending_of(tx, [enrolment.enrolment_id for enrolment in ended])
    held: dict[Account, int] = {}
    for proposal in waiting:
        account = buffer(proposal.enrolment_id)
        held[account] = held.get(account, 0) - proposal.amount_cents
    await leave_pending(tx, [proposal.proposal_id for proposal in waiting], "EXPIRED")
    await hold(tx, held)


async def _unsettled_months(reading: ReadTx, ended: Sequence[Enrolment]) -> dict[str, tuple[Month, ...]]:
    """The months of each enrolment that a close has gone through and left unsettled. One query."""
    ids = [enrolment.enrolment_id for enrolment in ended]
    found = select(SETTLED_MONTH.c.enrolment_id, SETTLED_MONTH.c.month).distinct()
    rows = await reading.rows(found.where(among(SETTLED_MONTH.c.enrolment_id, ids)))
    settled = {(row.enrolment_id, row.month) for row in rows}
    return {
        enrolment.enrolment_id: tuple(
            month for month in enrolment.closed_months if (enrolment.enrolment_id, str(month)) not in settled
        )
        for enrolment in ended
    }


_SET_ENDED = (
    update(ENROLMENT)
    .where(ENROLMENT.c.enrolment_id == bindparam("b_enrolment"))
    .values(state="ENDED", ended_reason=bindparam("b_reason"))
)


def _return(tx: Tx, enrolment: Enrolment, rest_cents: Cents, reason: str) -> Entry:
    fund_id, enrolment_id = enrolment.fund_id, enrolment.enrolment_id
    if reason == "EXPIRED":
        transaction = expiry(fund_id, enrolment_id, rest_cents, enrolment.last_month)
    else:
        transaction = returned(fund_id, enrolment_id, rest_cents, enrolment.last_month, reason=reason)
    return Entry(
        transaction_id=tx.new_id(),
        transaction=transaction,
        fund_id=fund_id,
        enrolment_id=enrolment_id,
        policy_version=enrolment.policy_version,
    )


def active(listed: Collection[Enrolment]) -> list[Enrolment]:
    """The enrolments that are not ended."""
    return [enrolment for enrolment in listed if enrolment.state == "ACTIVE"]
