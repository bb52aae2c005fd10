"""A whole payment run reported at once: what a bank's file says was paid on one day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Row, bindparam, select, update

from buffer_ledger import payments
from buffer_ledger.bookkeeping import execution
from buffer_ledger.books import Entry, book
from buffer_ledger.casefiles import enrolments, order_of
from buffer_ledger.figures import Figures
from buffer_ledger.tables import PAYMENT_ORDER
from shared.database import Tx, among
from shared.errors import Conflict, Invalid, NotFound
from shared.law import Law
from shared.months import amsterdam_date
from shared.tokens import Caller


@dataclass(frozen=True, slots=True)
class RunLine:
    """What became of one order of a run: `refused` says why it was not booked; None when it was."""

    order_id: str
    participant_id: str | None
    refused: str | None = None


async def execute_run(
    tx: Tx, caller: Caller, order_ids: Sequence[str], executed_on: date, law: Law, figures: Figures
) -> list[RunLine]:
    """Take the report that these orders were paid on one day; a line for each, in their order.

    Each order has the outcome it would have had alone (`payments.execute`), the open ones first; one that is
    refused does not hold up the others. Open orders, which is nearly all of a run, are booked together.
    """
    open_ids = await _executed_together(tx, caller, order_ids, executed_on)
    lines = []
    for order_id in order_ids:
        if order_id in open_ids:
            lines.append(RunLine(order_id, open_ids[order_id]))
        else:
            lines.append(await _executed_alone(tx, caller, order_id, executed_on, law, figures))
    return lines


async def _executed_together(
    tx: Tx, caller: Caller, order_ids: Sequence[str], executed_on: date
) -> dict[str, str]:
    """Book every order that simply is open; returns these, with the person each is about."""
    found = select(PAYMENT_ORDER).where(
        among(PAYMENT_ORDER.c.order_id, order_ids),
        PAYMENT_ORDER.c.municipality == caller.of_municipality,
    )
    known = [row.enrolment_id for row in await tx.rows(found)]
    await enrolments(tx, enrolment_ids=sorted(set(known)), lock=True)
    today = amsterdam_date(tx.now)
    # Asked again, as they are now that nobody else can change them.
    rows = [row for row in await tx.rows(found) if _is_plain(row, executed_on, today)]
    await book(tx, [_entry(tx, row) for row in rows])
    paid = update(PAYMENT_ORDER).where(PAYMENT_ORDER.c.order_id == bindparam("paid_order"))
    paid = paid.values(state="EXECUTED", executed_on=executed_on, replaced_by=None)
    await tx.execute(paid, [{"paid_order": row.order_id} for row in rows])
    return {row.order_id: row.participant_id for row in rows}


def _is_plain(row: Row[Any], executed_on: date, today: date) -> bool:
    order = order_of(row)
    return order.state == "OPEN" and payments.could_be_paid(executed_on, order.month, today)


def _entry(tx: Tx, row: Row[Any]) -> Entry:
    order = order_of(row)
    paid = execution(row.fund_id, order.amount_cents, order.month, payment_order_id=order.order_id)
    return Entry(
        transaction_id=tx.new_id(), transaction=paid, fund_id=row.fund_id, enrolment_id=row.enrolment_id
    )


async def _executed_alone(
    tx: Tx, caller: Caller, order_id: str, executed_on: date, law: Law, figures: Figures
) -> RunLine:
    try:
        async with tx.savepoint():
            order = await payments.execute(tx, caller, order_id, executed_on, law, figures)
    except (Conflict, NotFound) as refused:
        return RunLine(order_id, None, refused.detail)
    except Invalid as refused:
        return RunLine(order_id, None, "; ".join(fault.detail for fault in refused.faults))
    return RunLine(order_id, order.participant_id)
