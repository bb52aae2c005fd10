"""A person's statement: what was settled, as it was booked, and what the other months look like now."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import case, func, select

from buffer_ledger.bookkeeping import buffer
from buffer_ledger.books import balances
from buffer_ledger.casefiles import CaseFile, Enrolment, load, settled_months
from buffer_ledger.tables import LEDGER_TRANSACTION, TRANSFER
from buffer_ledger.timeline import MonthRow, run
from shared.database import ReadTx, among
from shared.errors import Fault
from shared.law import Law
from shared.months import Month
from shared.requests import InvalidParameters


@dataclass(frozen=True, slots=True)
class StatementMonth:
    """A month of a statement; a provisional one is a projection that was never booked (revision 0)."""

    row: MonthRow
    provisional: bool
    revision: int


@dataclass(frozen=True, slots=True)
class Statement:
    """An enrolment with its months. Drawn and balance are what is booked, whatever months are shown."""

    enrolment: Enrolment
    drawn_cents: int
    balance_cents: int
    months: tuple[StatementMonth, ...]


async def statement(
    reading: ReadTx,
    enrolment: Enrolment,
    law: Law,
    *,
    this_month: Month,
    since: Month | None = None,
    to: Month | None = None,
) -> Statement:
    """The months from the first one (or `since`) to `to`: else the present one or the last one closed.

    Queries: ten, whatever the number of months. Raises InvalidParameters.
    """
    if since is not None and to is not None and to < since:
        raise InvalidParameters("query", [Fault("L005", "/to", f"lies before from, which is {since}")])
    until = to or max(this_month, enrolment.closed_through or this_month)
    until = min(until, enrolment.last_month)
    (file,) = await load(reading, [enrolment])
    carried = (await balances(reading, [buffer(enrolment.enrolment_id)]))[buffer(enrolment.enrolment_id)]
    months = _months(file, law, max([until, *file.settled]))
    shown = tuple(
        month for month in months if (since is None or month.row.month >= since) and month.row.month <= until
    )
    total = sum(settled.row.draw_cents for settled in file.settled.values())
    return Statement(enrolment, total, carried, shown)


async def drawn(reading: ReadTx, enrolment_ids: Sequence[str]) -> dict[str, int]:
    """What is booked as drawn for each enrolment, net of rebooking and before repayments; nil left out."""
    kind = LEDGER_TRANSACTION.c.kind
    signed = case((kind == "DRAW", TRANSFER.c.amount_cents), else_=-TRANSFER.c.amount_cents)
    enrolment = LEDGER_TRANSACTION.c.enrolment_id
    sums = (
        select(enrolment, func.sum(signed))
        .join(TRANSFER, TRANSFER.c.transaction_id == LEDGER_TRANSACTION.c.transaction_id)
        .where(among(enrolment, enrolment_ids), kind.in_(("DRAW", "REVERSAL")))
        .group_by(enrolment)
    )
    return {row[0]: int(row[1]) for row in await reading.rows(sums)} if enrolment_ids else {}


async def booked(reading: ReadTx, enrolment: Enrolment) -> Statement:
    """What stands in the books alone, without projections."""
    settled = (await settled_months(reading, [enrolment.enrolment_id])).get(enrolment.enrolment_id, {})
    carried = await balances(reading, [buffer(enrolment.enrolment_id)])
    return Statement(
        enrolment,
        sum(standing.row.draw_cents for standing in settled.values()),
        carried[buffer(enrolment.enrolment_id)],
        tuple(
            StatementMonth(settled[month].row, False, settled[month].revision) for month in sorted(settled)
        ),
    )


def _months(file: CaseFile, law: Law, until: Month) -> list[StatementMonth]:
    """Settled months as they stand in the books; the others as one run over all facts gives them now.

    The run starts from the same facts, so a settled month is the same in both; an ended enrolment has no
    projection.
    """
    shown = {
        month: StatementMonth(settled.row, False, settled.revision) for month, settled in file.settled.items()
    }
    if file.enrolment.state == "ACTIVE":
        for row in run(file.until(until).case, law):
            shown.setdefault(row.month, StatementMonth(row, True, 0))
    return [shown[month] for month in sorted(shown)]
