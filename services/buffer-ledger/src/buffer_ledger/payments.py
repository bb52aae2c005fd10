"""Payment orders: what a settled draw asks to be paid, and the report that it really was."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import Row, select, update

from buffer_ledger.bookkeeping import execution
from buffer_ledger.books import Entry, book
from buffer_ledger.casefiles import (
    CaseFile,
    Enrolment,
    OrderState,
    enrolments,
    load,
    order_of,
    settled_revision,
)
from buffer_ledger.draw_log import draws_of, note_draws
from buffer_ledger.figures import Figures
from buffer_ledger.settling import settle
from buffer_ledger.tables import PAYMENT_ORDER
from shared.database import ReadTx, Tx
from shared.errors import Conflict, Fault, Invalid, NotFound
from shared.law import Law
from shared.money import Cents
from shared.months import Month, amsterdam_date
from shared.tokens import Caller

OrderKind = Literal["DRAW", "CLAIM"]
"""What an order pays: a month's draw, or a claim that a buffer settles on exit."""
PayTo = Literal["PERSON", "MUNICIPALITY"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentOrder:
    """A payment order as a back office sees it."""

    order_id: str
    enrolment_id: str
    participant_id: str
    municipality: str
    fund_id: str
    scheme_id: str
    month: Month
    revision: int
    kind: OrderKind
    pay_to: PayTo
    amount_cents: Cents
    state: OrderState
    replaced_by: str | None
    executed_on: date | None
    recorded_at: datetime


async def page(
    reading: ReadTx,
    municipality: str,
    *,
    after: str = "",
    limit: int,
    state: OrderState | None = None,
    month: Month | None = None,
    enrolment_id: str | None = None,
) -> list[PaymentOrder]:
    """A municipality's payment orders, oldest first, from after an id."""
    found = (
        select(PAYMENT_ORDER)
        .where(PAYMENT_ORDER.c.municipality == municipality, PAYMENT_ORDER.c.order_id > after)
        .order_by(PAYMENT_ORDER.c.order_id)
        .limit(limit)
    )
    if state is not None:
        found = found.where(PAYMENT_ORDER.c.state == state)
    if month is not None:
        found = found.where(PAYMENT_ORDER.c.month == str(month))
    if enrolment_id is not None:
        found = found.where(PAYMENT_ORDER.c.enrolment_id == enrolment_id)
    return [_view(row) for row in await reading.rows(found)]


async def get(reading: ReadTx, caller: Caller, order_id: str) -> PaymentOrder:
    """One payment order; raises NotFound."""
    row = await reading.first(select(PAYMENT_ORDER).where(PAYMENT_ORDER.c.order_id == order_id))
    if row is None:
        raise NotFound("there is no such payment order")
    caller.must_see(row.municipality, "payment order")
    return _view(row)


async def execute(
    tx: Tx, caller: Caller, order_id: str, executed_on: date, law: Law, figures: Figures
) -> PaymentOrder:
    """Take the report that an order was paid: its month is fixed from now on.

    Of an order that was superseded the money went out all the same: its month becomes what that order was
    made for, its replacement is cancelled, and later unpaid months are booked anew. The same report again
    changes nothing. Raises NotFound; Conflict: another date, a month paid by another order, or more than the
    cap; and Invalid for a day on which it cannot have been paid, because a report is never taken back
    (reading 36).
    """
    order = await get(tx, caller, order_id)
    (enrolment,) = await enrolments(tx, enrolment_ids=[order.enrolment_id], lock=True)
    order = await get(tx, caller, order_id)  # as it is now that nobody else can change it
    tx.not_before(order.recorded_at)
    if order.state == "EXECUTED":
        if order.executed_on == executed_on:
            return order
        raise Conflict(f"this order was reported as executed on {order.executed_on} already")
    if order.state == "CANCELLED":
        raise Conflict(f"this order was cancelled because order {order.replaced_by} was paid for its month")
    _must_have_been_possible(executed_on, order.month, amsterdam_date(tx.now))
    transaction_id = None
    if order.state == "SUPERSEDED":
        transaction_id = await _reinstate(tx, caller, enrolment, order, law, figures)
    await _mark_paid(tx, order, executed_on, transaction_id)
    return await get(tx, caller, order_id)


def could_be_paid(executed_on: date, month: Month, today: date) -> bool:
    """Whether an order of a month can have been paid on a day (reading 36)."""
    return month.first_day <= executed_on <= today


def _must_have_been_possible(executed_on: date, month: Month, today: date) -> None:
    if could_be_paid(executed_on, month, today):
        return
    detail = (
        f"must be the day on which the bank paid: from {month.first_day}, the first day of the month the "
        f"order is for, to today, {today}"
    )
    raise Invalid([Fault("L010", "/executedOn", detail)])


async def _mark_paid(tx: Tx, order: PaymentOrder, executed_on: date, transaction_id: str | None) -> None:
    paid = execution(order.fund_id, order.amount_cents, order.month, payment_order_id=order.order_id)
    entry = Entry(
        transaction_id=tx.new_id(),
        transaction=paid,
        fund_id=order.fund_id,
        enrolment_id=order.enrolment_id,
    )
    await book(tx, [entry])
    changes: dict[str, Any] = {"state": "EXECUTED", "executed_on": executed_on, "replaced_by": None}
    if transaction_id is not None:
        changes["draw_transaction_id"] = transaction_id
    await tx.execute(
        update(PAYMENT_ORDER).where(PAYMENT_ORDER.c.order_id == order.order_id).values(**changes)
    )


async def _reinstate(
    tx: Tx, caller: Caller, enrolment: Enrolment, order: PaymentOrder, law: Law, figures: Figures
) -> str:
    """Let a superseded order's month be what it was made for; returns the draw that now stands for it."""
    (file,) = await load(tx, [enrolment], law)
    counting = file.orders.get(order.month)
    if counting is not None and counting.state == "EXECUTED":
        raise Conflict(f"{order.month} was paid by order {counting.order_id} already: this was paid twice")
    made_for = await settled_revision(tx, enrolment.enrolment_id, order.month, order.revision)
    if made_for is None:
        raise Conflict("the month this order was made for is not in the books")
    paid = {**file.case.paid, order.month: made_for.row}
    drawn = sum(row.draw_cents for row in paid.values())
    if drawn > enrolment.cap_cents:
        raise Conflict(
            f"with this order {drawn} cents were really paid of a cap of {enrolment.cap_cents} cents: "
            "get the surplus back before it can be booked"
        )
    if enrolment.state != "ACTIVE":
        raise Conflict(
            "this enrolment is over and its rest went back to the fund: nothing more can be booked"
        )
    if counting is not None:
        cancelled = update(PAYMENT_ORDER).where(PAYMENT_ORDER.c.order_id == counting.order_id)
        await tx.execute(cancelled.values(state="CANCELLED", replaced_by=order.order_id))
    fixed = _with_paid(file, paid)
    outcome = await settle(
        tx,
        [fixed],
        law,
        "LATE_FACT",
        actor=caller.subject,
        paid_by={(enrolment.enrolment_id, order.month): order.order_id},
    )
    figures.count(tx, outcome, "LATE_FACT")
    await note_draws(tx, caller.subject, draws_of(outcome))
    for change in outcome.changes:
        if change.row.month == order.month and change.take is not None:
            return change.take.transaction_id
    if counting is None:
        raise Conflict("the month this order was made for has no draw in the books")
    return counting.draw_transaction_id


def _with_paid(file: CaseFile, paid: dict[Month, Any]) -> CaseFile:
    through = file.enrolment.closed_through or file.enrolment.first_month
    return replace(file, case=replace(file.case, paid=paid, until=through))


def _view(row: Row[Any]) -> PaymentOrder:
    order = order_of(row)
    return PaymentOrder(
        order_id=order.order_id,
        enrolment_id=order.enrolment_id,
        participant_id=row.participant_id,
        municipality=row.municipality,
        fund_id=row.fund_id,
        scheme_id=row.scheme_id,
        month=order.month,
        revision=order.revision,
        kind=row.kind,
        pay_to=row.pay_to,
        amount_cents=order.amount_cents,
        state=order.state,
        replaced_by=row.replaced_by,
        executed_on=row.executed_on,
        recorded_at=row.recorded_at,
    )


def people_of(orders: Sequence[PaymentOrder]) -> list[str]:
    """The people a list of orders is about."""
    return [order.participant_id for order in orders]
