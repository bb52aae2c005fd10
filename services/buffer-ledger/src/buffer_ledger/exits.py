"""The end of bijstand: noted, settled once everything is known, and opened again within a year.

An exit is settled by the close after its last month is known, not before a gap can no longer be a short one
and not later than ninety-two days after the end. What a buffer settles is paid to the municipality.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, insert, select, update

from buffer_ledger.approvals import ApprovalNeed, needs_approval
from buffer_ledger.benefit_periods import BenefitPeriod
from buffer_ledger.bookkeeping import buffer, claim_settled, commitment, fund_free
from buffer_ledger.books import Entry, NotEnough, balances, book, free_balances, hold
from buffer_ledger.casefiles import CaseFile, Enrolment, enrolments, load
from buffer_ledger.circumstances import put_benefit_periods
from buffer_ledger.draw_log import draws_of, note_draws
from buffer_ledger.enrolments import enrolment_for
from buffer_ledger.exit_settlement import (
    ExitSettlement,
    exit_settlement,
    risks_gross_up,
    settles_from,
    waits_until,
)
from buffer_ledger.figures import Figures
from buffer_ledger.funds import tell_returned
from buffer_ledger.periods import late_window_ends
from buffer_ledger.proposal_store import Proposal, ProposalFlag
from buffer_ledger.proposal_store import add as add_proposals
from buffer_ledger.settling import end, settle
from buffer_ledger.tables import (
    ENROLMENT,
    EXIT_SETTLEMENT,
    LEDGER_TRANSACTION,
    PAYMENT_ORDER,
    TRANSFER,
)
from shared.database import ReadTx, Tx
from shared.errors import Conflict, Fault, Invalid
from shared.law import Law
from shared.money import Cents
from shared.months import Month, amsterdam_date
from shared.tokens import Caller

BENEFIT_ENDED = "BENEFIT_ENDED"
RETURN_DAYS = 366
"""Within a year (art. 43a re-uses the data) the same buffer is opened again."""


@dataclass(frozen=True, slots=True)
class Exit:
    """An exit as it stands: what it comes to with what is known, and what was settled of it."""

    enrolment: Enrolment
    benefit_ended_on: date
    reason: str
    settlement: ExitSettlement
    offered_cents: int
    settled_cents: int | None
    """None while it waits: for its last month, for a gap that may be short, or for a decision."""
    recorded_at: datetime | None
    gross_up_risk: bool


async def end_benefit(
    tx: Tx,
    caller: Caller,
    enrolment_id: str,
    *,
    benefit_ended_on: date,
    reason: str,
    set_off: bool,
    law: Law,
    figures: Figures,
) -> Exit:
    """Note that bijstand ended: `benefit_ended_on` is the first day without it.

    The months after it have no floor and draw nothing; months that were closed are settled anew. The same
    again changes nothing. Raises NotFound, Conflict for another day or an enrolment that is over, and Invalid
    for a day outside the enrolment or in the future.
    """
    enrolment = await enrolment_for(tx, caller, enrolment_id, lock=True)
    if enrolment.state != "ACTIVE":
        raise Conflict("this enrolment is over already")
    if enrolment.benefit_ended_on is not None:
        if enrolment.benefit_ended_on == benefit_ended_on:
            return await exit_of(tx, enrolment, law)
        raise Conflict(f"the benefit ended on {enrolment.benefit_ended_on} already: reopen it first")
    _must_lie_in(enrolment, benefit_ended_on, amsterdam_date(tx.now))
    ended = update(ENROLMENT).where(ENROLMENT.c.enrolment_id == enrolment_id)
    await tx.execute(
        ended.values(benefit_ended_on=benefit_ended_on, exit_reason=reason, allowance_set_off=set_off)
    )
    (enrolment,) = await enrolments(tx, enrolment_ids=[enrolment_id])
    (file,) = await load(tx, [enrolment], law)
    if enrolment.closed_through is not None:
        outcome = await settle(
            tx, [file.until(enrolment.closed_through)], law, "LATE_FACT", actor=caller.subject
        )
        figures.count(tx, outcome, "LATE_FACT")
        await note_draws(tx, caller.subject, draws_of(outcome))
    await tell_returned(tx, await settle_exits(tx, [enrolment], law, actor=caller.subject))
    (enrolment,) = await enrolments(tx, enrolment_ids=[enrolment_id])
    return await exit_of(tx, enrolment, law)


async def reopen(tx: Tx, caller: Caller, enrolment_id: str, benefit_from: date, law: Law) -> Enrolment:
    """Open an enrolment again for a person who is back: same period, same account, same cap.

    Raises NotFound; Conflict for one that goes on, was not ended by an exit, lies over a year back, whose
    period is over, or whose fund has too little free; Invalid for a day before the benefit ended.
    """
    enrolment = await enrolment_for(tx, caller, enrolment_id, lock=True)
    ended_on = enrolment.benefit_ended_on
    if ended_on is None or (enrolment.state == "ENDED" and enrolment.ended_reason != BENEFIT_ENDED):
        raise Conflict("only an enrolment whose benefit ended can be opened again")
    if benefit_from < ended_on:
        raise Invalid([Fault("L040", "/benefitFrom", f"must be {ended_on}, the day it ended, or later")])
    (file,) = await load(tx, [enrolment], law)
    if (benefit_from - ended_on).days > RETURN_DAYS:
        raise Conflict("the benefit ended more than a year before: enrol the person again")
    if amsterdam_date(tx.now) > late_window_ends(file.case.policy, enrolment.last_month):
        raise Conflict("the period of this buffer is over: enrol the person again")
    if enrolment.state == "ENDED":
        await _commit_again(tx, enrolment)
    await _keep_periods(tx, file, ended_on, benefit_from)
    opened = update(ENROLMENT).where(ENROLMENT.c.enrolment_id == enrolment_id)
    await tx.execute(
        opened.values(state="ACTIVE", ended_reason=None, benefit_ended_on=None, exit_reason=None)
    )
    return await enrolment_for(tx, caller, enrolment_id)


async def settle_exits(tx: Tx, listed: Sequence[Enrolment], law: Law, *, actor: str) -> dict[str, int]:
    """Settle the exits among these enrolments that can be settled now, and end what has nothing left to wait
    for. Returns the cents that went back, by fund."""
    today = amsterdam_date(tx.now)
    due = [each for each in listed if each.benefit_ended_on and settles_from(each.benefit_ended_on) <= today]
    over = []
    for file in await load(tx, due, law):
        enrolment = file.enrolment
        ended_on = enrolment.benefit_ended_on
        if ended_on is None or await _last(tx, enrolment) is not None:
            continue
        settlement = exit_settlement(file.case, law, _last_day(ended_on))
        if not _is_known(file, settlement) and today < waits_until(ended_on):
            continue
        if await _settle(tx, file, settlement, actor):
            over.append(enrolment)
    return await end(tx, over, BENEFIT_ENDED)


async def finish(tx: Tx, enrolment: Enrolment, month: Month, amount_cents: Cents) -> dict[str, int]:
    """What a decision on a claim does: what was agreed to is booked and ordered; the enrolment is over."""
    if amount_cents > 0:
        await _pay_claim(tx, enrolment, month, amount_cents)
    return await end(tx, [enrolment], BENEFIT_ENDED)


async def exit_of(reading: Tx, enrolment: Enrolment, law: Law) -> Exit:
    """An exit as it stands; raises Conflict when the benefit goes on."""
    ended_on = enrolment.benefit_ended_on
    if ended_on is None:
        raise Conflict("the benefit of this enrolment goes on")
    (file,) = await load(reading, [enrolment], law)
    settlement = exit_settlement(file.case, law, _last_day(ended_on))
    last = await _last(reading, enrolment)
    settled = None if last is None else await _claims_paid(reading, enrolment)
    waits = last is not None and enrolment.state == "ACTIVE"
    now = last.recorded_at if last is not None else None
    open_claim = settlement.claim_cents > 0 and not settled
    return Exit(
        enrolment=enrolment,
        benefit_ended_on=ended_on,
        reason=enrolment.exit_reason or BENEFIT_ENDED,
        settlement=settlement,
        offered_cents=_offered(file, settlement),
        settled_cents=None if waits else settled,
        recorded_at=now,
        gross_up_risk=open_claim and risks_gross_up(ended_on, amsterdam_date(reading.now)),
    )


def _must_lie_in(enrolment: Enrolment, ended_on: date, today: date) -> None:
    first, last = enrolment.first_month.first_day, enrolment.last_month.plus(1).first_day
    if not first < ended_on <= min(last, today):
        detail = (
            f"must be a day after {first} and not after {min(last, today)}: the first day without benefit"
        )
        raise Invalid([Fault("L039", "/benefitEndedOn", detail)])


def _last_day(ended_on: date) -> date:
    return date.fromordinal(ended_on.toordinal() - 1)


def _is_known(file: CaseFile, settlement: ExitSettlement) -> bool:
    """Whether every month with bijstand was settled, and nothing of it is missing."""
    return settlement.complete and all(month.month in file.settled for month in settlement.months)


def _offered(file: CaseFile, settlement: ExitSettlement) -> int:
    """What the policy offers to the buffer: nothing unless a claim is among its triggers."""
    if "CLAIM" not in file.case.policy.triggers:
        return 0
    return settlement.offered_cents(set_off=file.enrolment.allowance_set_off)


async def _settle(tx: Tx, file: CaseFile, settlement: ExitSettlement, actor: str) -> bool:
    """Settle one exit; says whether nothing is left to wait for."""
    enrolment, policy = file.enrolment, file.case.policy
    account = buffer(enrolment.enrolment_id)
    free = (await free_balances(tx, [account]))[account]
    offered = _offered(file, settlement)
    amount = min(offered, free)
    if amount < policy.min_draw_cents:
        amount = 0
    need = _need(file, amount, amsterdam_date(tx.now))
    proposal_id = None
    if amount > 0 and need is not None:
        proposal_id = await _propose(tx, file, settlement, Cents(amount), need, actor)
    elif amount > 0:
        await _pay_claim(tx, enrolment, settlement.months[-1].month, Cents(amount))
    await tx.execute(insert(EXIT_SETTLEMENT), [_row(tx, enrolment, settlement, offered, amount, proposal_id)])
    return proposal_id is None


def _need(file: CaseFile, amount_cents: int, today: date) -> ApprovalNeed | None:
    """Whom the policy asks; above the gift limit the college, also for money the municipality gets."""
    room = file.case.gift_room.get(today.year)
    given = sum(
        order.amount_cents
        for order in file.orders.values()
        if file.case.received_in.get(order.month, order.month.plus(1).year) == today.year
    )
    if room is not None and file.case.policy.gift_guard == "BLOCK" and given + amount_cents > room:
        return "NEEDS_COLLEGE_VIEW"
    return needs_approval(file.case.policy, amount_cents)


async def _propose(
    tx: Tx,
    file: CaseFile,
    settlement: ExitSettlement,
    amount_cents: Cents,
    need: ApprovalNeed,
    actor: str,
) -> str:
    enrolment, statutory = file.enrolment, file.case.policy.statutory
    flags: list[ProposalFlag] = ["ABOVE_GIFT_LIMIT"] if need == "NEEDS_COLLEGE_VIEW" else []
    if statutory and settlement.months[-1].month < Month(2027, 1):
        flags.append("CLAIM_BEFORE_2027")
    proposal = Proposal(
        proposal_id=tx.new_id(),
        enrolment_id=enrolment.enrolment_id,
        participant_id=enrolment.participant_id,
        municipality=enrolment.municipality,
        fund_id=enrolment.fund_id,
        scheme_id=enrolment.scheme_id,
        month=settlement.months[-1].month,
        revision=1,
        kind="CLAIM_SETTLED",
        amount_cents=amount_cents,
        total_cents=amount_cents,
        need=need,
        statutory=statutory,
        flags=tuple(flags),
        state="PENDING",
        proposed_by=actor[:200],
        recorded_at=tx.now,
    )
    await add_proposals(tx, [proposal])
    await hold(tx, {buffer(enrolment.enrolment_id): int(amount_cents)})
    return proposal.proposal_id


async def _pay_claim(tx: Tx, enrolment: Enrolment, month: Month, amount_cents: Cents) -> None:
    """Book what the buffer settles and order its payment to the municipality."""
    transaction = claim_settled(enrolment.fund_id, enrolment.enrolment_id, amount_cents, month)
    entry = Entry(
        transaction_id=tx.new_id(),
        transaction=transaction,
        fund_id=enrolment.fund_id,
        enrolment_id=enrolment.enrolment_id,
        policy_version=enrolment.policy_version,
    )
    await book(tx, [entry])
    order = {
        "order_id": tx.new_id(),
        "enrolment_id": enrolment.enrolment_id,
        "participant_id": enrolment.participant_id,
        "municipality": enrolment.municipality,
        "fund_id": enrolment.fund_id,
        "scheme_id": enrolment.scheme_id,
        "month": str(month),
        "revision": 1,
        "kind": "CLAIM",
        "pay_to": "MUNICIPALITY",
        "amount_cents": amount_cents,
        "state": "OPEN",
        "draw_transaction_id": entry.transaction_id,
        "replaced_by": None,
        "executed_on": None,
        "recorded_at": tx.now,
    }
    await tx.execute(insert(PAYMENT_ORDER), [order])


def _row(
    tx: Tx,
    enrolment: Enrolment,
    settlement: ExitSettlement,
    offered_cents: int,
    settled_cents: int,
    proposal_id: str | None,
) -> dict[str, Any]:
    return {
        "exit_id": tx.new_id(),
        "enrolment_id": enrolment.enrolment_id,
        "benefit_ended_on": enrolment.benefit_ended_on,
        "reason": enrolment.exit_reason,
        "paid_cents": settlement.paid_cents,
        "entitled_cents": settlement.entitled_cents,
        "claim_cents": settlement.claim_cents,
        "holiday_allowance_cents": settlement.holiday_allowance_cents,
        "offered_cents": offered_cents,
        "settled_cents": settled_cents,
        "complete": settlement.complete,
        "proposal_id": proposal_id,
        "recorded_at": tx.now,
    }


async def _last(reading: ReadTx, enrolment: Enrolment) -> Any:
    """The settlement of this exit, None while there is none."""
    found = select(EXIT_SETTLEMENT).where(
        EXIT_SETTLEMENT.c.enrolment_id == enrolment.enrolment_id,
        EXIT_SETTLEMENT.c.benefit_ended_on == enrolment.benefit_ended_on,
    )
    return await reading.first(found.order_by(EXIT_SETTLEMENT.c.recorded_at.desc()))


async def _claims_paid(reading: ReadTx, enrolment: Enrolment) -> int:
    return await _booked(reading, enrolment, "CLAIM")


async def _booked(reading: ReadTx, enrolment: Enrolment, *kinds: str) -> int:
    """What is booked of some kinds for an enrolment, in cents."""
    found = (
        select(func.coalesce(func.sum(TRANSFER.c.amount_cents), 0))
        .join(LEDGER_TRANSACTION, LEDGER_TRANSACTION.c.transaction_id == TRANSFER.c.transaction_id)
        .where(
            LEDGER_TRANSACTION.c.enrolment_id == enrolment.enrolment_id, LEDGER_TRANSACTION.c.kind.in_(kinds)
        )
    )
    return int(await reading.scalar(found))


async def _commit_again(tx: Tx, enrolment: Enrolment) -> None:
    """Set what the buffer gave back apart again: the same cap, less what was used of it."""
    used = await _booked(tx, enrolment, "COMMITMENT") - await _booked(tx, enrolment, "RETURN", "EXPIRY")
    account = buffer(enrolment.enrolment_id)
    missing = enrolment.cap_cents - used - (await balances(tx, [account]))[account]
    if missing <= 0:
        return
    month = Month.of(amsterdam_date(tx.now))
    entry = Entry(
        transaction_id=tx.new_id(),
        transaction=commitment(enrolment.fund_id, enrolment.enrolment_id, Cents(missing), month),
        fund_id=enrolment.fund_id,
        enrolment_id=enrolment.enrolment_id,
        policy_version=enrolment.policy_version,
    )
    try:
        await book(tx, [entry])
    except NotEnough as short:
        free = (await balances(tx, [fund_free(enrolment.fund_id)]))[fund_free(enrolment.fund_id)]
        raise Conflict(f"the fund has {free} cents free and this buffer needs {missing} cents") from short


async def _keep_periods(tx: Tx, file: CaseFile, ended_on: date, benefit_from: date) -> None:
    """The days with bijstand as they now are: until the end, and again from the return."""
    known = file.case.right or (BenefitPeriod(file.enrolment.first_month.first_day, _last_day(ended_on)),)
    await put_benefit_periods(tx, file.enrolment.enrolment_id, [*known, BenefitPeriod(benefit_from)])
