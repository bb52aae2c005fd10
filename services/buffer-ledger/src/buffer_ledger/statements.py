"""A person's statement: what was settled, as it was booked, and what the other months look like now."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import case, func, select

from buffer_ledger.bookkeeping import buffer
from buffer_ledger.books import free_balances
from buffer_ledger.casefiles import CaseFile, Enrolment, load, settled_months
from buffer_ledger.tables import ENROLMENT, LEDGER_TRANSACTION, TRANSFER
from buffer_ledger.timeline import MonthRow, run
from buffer_ledger.transfers import balances_as_of
from shared.clock import format_instant
from shared.database import ReadTx, Tx, among
from shared.errors import Fault, NotFound
from shared.law import Law
from shared.money import Cents
from shared.months import Month
from shared.requests import InvalidParameters


@dataclass(frozen=True, slots=True)
class StatementMonth:
    """A month of a statement; a provisional one is a projection that was never booked (revision 0).

    An expired one never will be: the enrolment ended before it was settled.
    """

    row: MonthRow
    provisional: bool
    revision: int
    expired: bool = False
    recorded_at: datetime | None = None
    """When the revision that is shown was recorded; None for a projection."""

    @property
    def held_reasons(self) -> tuple[str, ...]:
        """What keeps it from being settled."""
        return (*self.row.held, "EXPIRED") if self.expired else self.row.held


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
    _must_be_in_order(since, to)
    until = to or max(this_month, enrolment.closed_through or this_month)
    until = min(until, enrolment.last_month)
    (file,) = await load(reading, [enrolment], law)
    account = buffer(enrolment.enrolment_id)
    carried = (await free_balances(reading, [account]))[account]
    months = _months(file, law, max([until, *file.settled]))
    shown = tuple(
        month for month in months if (since is None or month.row.month >= since) and month.row.month <= until
    )
    total = sum(settled.row.draw_cents for settled in file.settled.values())
    return Statement(enrolment, total, carried, shown)


async def recorded_by(
    reading: Tx,
    enrolment: Enrolment,
    instant: datetime,
    *,
    since: Month | None = None,
    to: Month | None = None,
) -> Statement:
    """What the books said at an instant: the revision of each month that stood then, and the sums of what had
    been booked by then. Projections are never recorded, so there are none.

    Raises InvalidParameters, for an instant to come too, and NotFound when the enrolment was not there yet.
    """
    _must_be_in_order(since, to)
    must_have_been(instant, reading.now)
    enrolment_id = enrolment.enrolment_id
    made = await reading.scalar(
        select(ENROLMENT.c.recorded_at).where(ENROLMENT.c.enrolment_id == enrolment_id)
    )
    if instant < made:
        raise NotFound(f"this enrolment was recorded at {format_instant(made)}: there was none then")
    settled = (await settled_months(reading, [enrolment_id], as_of=instant)).get(enrolment_id, {})
    months = _with_balances(
        enrolment.cap_cents,
        [
            StatementMonth(found.row, False, found.revision, recorded_at=found.recorded_at)
            for _, found in sorted(settled.items())
        ],
    )
    account = buffer(enrolment_id)
    carried = (await balances_as_of(reading, [account], instant))[account]
    held = sum(found.row.proposed_cents for found in settled.values())
    return Statement(
        enrolment,
        sum(found.row.draw_cents for found in settled.values()),
        # Once an enrolment has ended nothing is carried, and what its months proposed is held no more.
        max(0, carried - held),
        tuple(
            month
            for month in months
            if (since is None or month.row.month >= since) and (to is None or month.row.month <= to)
        ),
    )


def must_have_been(instant: datetime, now: datetime) -> None:
    """Refuse an instant to come: what will have been recorded by then nobody knows."""
    if instant > now:
        detail = f"lies ahead: it is {format_instant(now)}"
        raise InvalidParameters("query", [Fault("L030", "/asOf", detail)])


def _must_be_in_order(since: Month | None, to: Month | None) -> None:
    if since is not None and to is not None and to < since:
        raise InvalidParameters("query", [Fault("L005", "/to", f"lies before from, which is {since}")])


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
    carried = await free_balances(reading, [buffer(enrolment.enrolment_id)])
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

    The run starts from the settled months, so what it projects fits what is booked. Of an enrolment whose
    period is over, the months that were never settled stay to be seen; one that ended otherwise (a person
    erased, or registered elsewhere) has no projection. Balances are the running ones, of paid months too.
    """
    ended = file.enrolment.state == "ENDED"
    expired = file.enrolment.ended_reason == "EXPIRED"
    shown = {
        month: StatementMonth(settled.row, False, settled.revision, recorded_at=settled.recorded_at)
        for month, settled in file.settled.items()
    }
    if expired or not ended:
        booked = {month: settled.row for month, settled in file.settled.items()}
        for row in run(replace(file.case, until=until, paid=booked), law):
            shown.setdefault(row.month, StatementMonth(row, True, 0, expired))
    return _with_balances(file.case.cap_cents, [shown[month] for month in sorted(shown)])


def _with_balances(cap_cents: int, months: Sequence[StatementMonth]) -> list[StatementMonth]:
    """The months with the cap less what was used up to each; a draw that will never be booked uses nothing.

    A paid month keeps the balance it was paid at in its row; what is left after it may have changed since.
    """
    told, used = [], 0
    for month in months:
        if not month.expired:
            used += month.row.draw_cents + month.row.proposed_cents - month.row.repayment_cents
        row = replace(month.row, balance_cents=Cents(max(0, cap_cents - used)))
        told.append(replace(month, row=row))
    return told
