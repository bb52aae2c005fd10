"""Money that people really gave back: it is the buffer's again, in the month it belongs to."""

from datetime import date

from sqlalchemy import func, insert, select

from buffer_ledger.casefiles import load
from buffer_ledger.draw_log import draws_of, note_draws
from buffer_ledger.enrolments import enrolment_for
from buffer_ledger.figures import Figures
from buffer_ledger.settling import settle
from buffer_ledger.tables import PAYMENT_ORDER, REPAYMENT
from shared.database import ReadTx, Tx
from shared.errors import Conflict, Fault, Invalid
from shared.law import Law
from shared.money import Cents
from shared.months import Month, amsterdam_date
from shared.tokens import Caller


async def repay(
    tx: Tx,
    caller: Caller,
    enrolment_id: str,
    *,
    month: Month,
    amount_cents: Cents,
    received_on: date,
    law: Law,
    figures: Figures,
) -> str:
    """Take the report that money came back; returns its id. The balance rises by it, never above the cap.

    Raises NotFound, Conflict for an enrolment that is over or more than was ever paid to the person, and
    Invalid for a month or a day that cannot be.
    """
    enrolment = await enrolment_for(tx, caller, enrolment_id, lock=True)
    if enrolment.state != "ACTIVE":
        raise Conflict("this enrolment is over: what comes back now is a donation to its fund")
    faults = []
    if not enrolment.first_month <= month <= enrolment.last_month:
        detail = f"lies outside the enrolment, {enrolment.first_month} to {enrolment.last_month}"
        faults.append(Fault("L042", "/month", detail))
    if not month.first_day <= received_on <= amsterdam_date(tx.now):
        faults.append(Fault("L042", "/receivedOn", f"must be a day from {month.first_day} to today"))
    if faults:
        raise Invalid(faults)
    paid = await _paid(tx, enrolment_id) - await _given_back(tx, enrolment_id)
    if amount_cents > paid:
        raise Conflict(f"{paid} cents were paid to this person and not given back yet: no more can come back")
    row = {
        "repayment_id": tx.new_id(),
        "enrolment_id": enrolment_id,
        "month": str(month),
        "amount_cents": amount_cents,
        "received_on": received_on,
        "recorded_at": tx.now,
    }
    await tx.execute(insert(REPAYMENT), [row])
    (file,) = await load(tx, [enrolment], law)
    if enrolment.closed_through is not None:
        through = file.until(enrolment.closed_through)
        outcome = await settle(tx, [through], law, "LATE_FACT", actor=caller.subject)
        figures.count(tx, outcome, "LATE_FACT")
        await note_draws(tx, caller.subject, draws_of(outcome))
    return str(row["repayment_id"])


async def _paid(reading: ReadTx, enrolment_id: str) -> int:
    """What was really paid to the person, in cents."""
    order = PAYMENT_ORDER.c
    found = select(func.coalesce(func.sum(order.amount_cents), 0)).where(
        order.enrolment_id == enrolment_id, order.state == "EXECUTED", order.pay_to == "PERSON"
    )
    return int(await reading.scalar(found))


async def _given_back(reading: ReadTx, enrolment_id: str) -> int:
    """What came back before, in cents."""
    found = select(func.coalesce(func.sum(REPAYMENT.c.amount_cents), 0)).where(
        REPAYMENT.c.enrolment_id == enrolment_id
    )
    return int(await reading.scalar(found))
