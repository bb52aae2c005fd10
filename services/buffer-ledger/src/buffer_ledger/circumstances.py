"""What an enrolment's benefit follows from beside slips: households, days of right, the municipality's own
statements. Kept here and read in bulk; nothing is decided here."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import delete, func, insert, select

from buffer_ledger.benefit_periods import BenefitPeriod
from buffer_ledger.entitlement import OffsetStatement
from buffer_ledger.store import month_of
from buffer_ledger.tables import BENEFIT_PERIOD, HOUSEHOLD_CHANGE, OFFSET_STATEMENT
from shared.database import ReadTx, Tx, among, upsert
from shared.money import Cents
from shared.months import Month


@dataclass(frozen=True, slots=True)
class HouseholdChange:
    """The household from a day on, as JSON members."""

    from_day: date
    household: Mapping[str, Any]


async def household_changes(
    reading: ReadTx, enrolment_ids: Collection[str]
) -> dict[str, list[HouseholdChange]]:
    """The changes of households after the first one, by enrolment, in order of their days."""
    columns = HOUSEHOLD_CHANGE.c
    found = select(HOUSEHOLD_CHANGE).where(among(columns.enrolment_id, enrolment_ids))
    changes: dict[str, list[HouseholdChange]] = {}
    for row in await reading.rows(found.order_by(columns.enrolment_id, columns.from_day)):
        change = HouseholdChange(row.from_day, row.household)
        changes.setdefault(row.enrolment_id, []).append(change)
    return changes


async def keep_household_change(tx: Tx, enrolment_id: str, change: HouseholdChange) -> None:
    """Keep a household from its day on; said again for that day, it replaces what was said."""
    row = {
        "enrolment_id": enrolment_id,
        "from_day": change.from_day,
        "household": dict(change.household),
        "recorded_at": tx.now,
    }
    changed = ["household", "recorded_at"]
    await tx.execute(upsert(tx, HOUSEHOLD_CHANGE, ["enrolment_id", "from_day"], changed), [row])


async def benefit_periods(reading: ReadTx, enrolment_ids: Collection[str]) -> dict[str, list[BenefitPeriod]]:
    """The days of right by enrolment; one that nobody said anything about is left out."""
    columns = BENEFIT_PERIOD.c
    found = select(BENEFIT_PERIOD).where(among(columns.enrolment_id, enrolment_ids))
    periods: dict[str, list[BenefitPeriod]] = {}
    for row in await reading.rows(found.order_by(columns.enrolment_id, columns.first_day)):
        periods.setdefault(row.enrolment_id, []).append(BenefitPeriod(row.first_day, row.last_day))
    return periods


async def put_benefit_periods(tx: Tx, enrolment_id: str, periods: Sequence[BenefitPeriod]) -> None:
    """Set an enrolment's days of right as a whole; none means that there is right all the time."""
    await tx.execute(delete(BENEFIT_PERIOD).where(BENEFIT_PERIOD.c.enrolment_id == enrolment_id))
    rows = [
        {
            "enrolment_id": enrolment_id,
            "first_day": period.first,
            "last_day": period.last,
            "recorded_at": tx.now,
        }
        for period in periods
    ]
    await tx.execute(insert(BENEFIT_PERIOD), rows)


async def add_statement(
    tx: Tx,
    *,
    participant_id: str,
    municipality: str,
    month: Month,
    statement: OffsetStatement,
    decided_on: date,
) -> str:
    """Keep what the municipality decided for a month; the latest decision counts. Returns its id.

    The caller holds the participant's row, so that two of them get their numbers one after the other.
    """
    statement_id = tx.new_id()
    columns = OFFSET_STATEMENT.c
    before = select(func.max(columns.number)).where(
        columns.participant_id == participant_id, columns.month == str(month)
    )
    row = {
        "statement_id": statement_id,
        "participant_id": participant_id,
        "municipality": municipality,
        "month": str(month),
        "number": int(await tx.scalar(before) or 0) + 1,
        "counted_cents": statement.counted_cents,
        "benefit_paid_cents": statement.benefit_paid_cents,
        "holiday_allowance_cents": statement.holiday_allowance_cents,
        "decided_on": decided_on,
        "reference": statement.reference,
        "recorded_at": tx.now,
    }
    await tx.execute(insert(OFFSET_STATEMENT), [row])
    return statement_id


async def statements_of(
    reading: ReadTx, participant_ids: Collection[str]
) -> dict[tuple[str, str], dict[Month, OffsetStatement]]:
    """The statement that counts for each month, by participant and municipality: the latest decision in
    whatever order they were told, of one day the one told last."""
    columns = OFFSET_STATEMENT.c
    found = select(OFFSET_STATEMENT).where(among(columns.participant_id, participant_ids))
    told: dict[tuple[str, str], dict[Month, OffsetStatement]] = {}
    for row in await reading.rows(found.order_by(columns.decided_on, columns.number)):
        statement = OffsetStatement(
            Cents(row.counted_cents),
            Cents(row.benefit_paid_cents),
            Cents(row.holiday_allowance_cents),
            row.reference,
        )
        told.setdefault((row.participant_id, row.municipality), {})[month_of(row.month)] = statement
    return told
