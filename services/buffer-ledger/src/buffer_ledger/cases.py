"""What an official is to look at: a difference with the municipality's own decision, a couple that a person
has to compute. A case is opened once, stays until somebody resolves it, and books nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import Row, insert, select, update

from buffer_ledger import circumstances, store
from buffer_ledger.attribution import rules_in_force
from buffer_ledger.casefiles import CaseFile, Enrolment, enrolments_touched, load
from buffer_ledger.entitlement import OffsetStatement
from buffer_ledger.settling import Outcome, active
from buffer_ledger.tables import CASE
from buffer_ledger.timeline import MonthRow, run
from shared.database import ReadTx, Tx, among
from shared.errors import Conflict, Fault, Invalid, NotFound
from shared.law import Law
from shared.months import Month, amsterdam_date
from shared.tokens import Caller

CaseKind = Literal["OFFSET_DIFFERENCE", "PARTNER_NOT_ENTITLED", "RECLAIM", "NEEDS_COLLEGE_VIEW"]
CaseState = Literal["OPEN", "RESOLVED"]


@dataclass(frozen=True, slots=True)
class LedgerCase:
    """A case about a person's month; `details` are its figures, in cents where their names say so."""

    case_id: str
    municipality: str
    participant_id: str
    month: Month
    kind: CaseKind
    state: CaseState
    details: Mapping[str, Any]
    opened_at: datetime
    resolution: str | None = None
    resolved_by: str | None = None
    resolved_at: datetime | None = None


async def open_case(
    tx: Tx,
    *,
    municipality: str,
    participant_id: str,
    month: Month,
    kind: CaseKind,
    details: Mapping[str, Any],
) -> str | None:
    """Open a case, or bring the figures of the open one up to date. Returns the id of a new one."""
    same = (
        (CASE.c.participant_id == participant_id)
        & (CASE.c.month == str(month))
        & (CASE.c.kind == kind)
        & (CASE.c.state == "OPEN")
    )
    known = await tx.first(select(CASE.c.case_id, CASE.c.details).where(same).with_for_update())
    if known is not None:
        if known.details != dict(details):
            await tx.execute(
                update(CASE).where(CASE.c.case_id == known.case_id).values(details=dict(details))
            )
        return None
    row = {
        "case_id": tx.new_id(),
        "municipality": municipality,
        "participant_id": participant_id,
        "month": str(month),
        "kind": kind,
        "state": "OPEN",
        "details": dict(details),
        "resolution": None,
        "resolved_by": None,
        "resolved_at": None,
        "recorded_at": tx.now,
    }
    await tx.execute(insert(CASE), [row])
    return str(row["case_id"])


async def compare(tx: Tx, files: Sequence[CaseFile], outcome: Outcome) -> None:
    """Open a case for each month in which the municipality decided otherwise than we compute."""
    for file in files:
        if file.case.statements:
            await _compare_rows(tx, file, outcome.rows[file.enrolment.enrolment_id])


async def _compare_rows(tx: Tx, file: CaseFile, rows: Sequence[MonthRow]) -> None:
    for row in rows:
        tolerance = rules_in_force(file.case.rules, row.month).case_tolerance_cents
        details = difference(row, tolerance)
        if details is None:
            continue
        if await _resolved_as(tx, file.enrolment, row.month, details):
            continue
        await open_case(
            tx,
            municipality=file.enrolment.municipality,
            participant_id=file.enrolment.participant_id,
            month=row.month,
            kind="OFFSET_DIFFERENCE",
            details=details,
        )


def difference(row: MonthRow, tolerance_cents: int) -> dict[str, Any] | None:
    """The figures of a month whose decision differs by more than a tolerance; None where it does not, where
    there is no decision, or where ours is not certain yet."""
    if not row.official or row.held:
        return None
    apart = max(
        abs(row.benefit_paid_cents - row.shadow_paid_cents), abs(row.counted_cents - row.shadow_counted_cents)
    )
    if apart <= tolerance_cents:
        return None
    return {
        "countedCents": row.counted_cents,
        "benefitPaidCents": row.benefit_paid_cents,
        "expectedCountedCents": row.shadow_counted_cents,
        "expectedBenefitPaidCents": row.shadow_paid_cents,
        "overpaidCents": row.benefit_paid_cents - row.shadow_paid_cents,
    }


async def _resolved_as(tx: Tx, enrolment: Enrolment, month: Month, details: Mapping[str, Any]) -> bool:
    """Whether somebody resolved a case with these very figures already."""
    found = select(CASE.c.details).where(
        CASE.c.participant_id == enrolment.participant_id,
        CASE.c.month == str(month),
        CASE.c.kind == "OFFSET_DIFFERENCE",
        CASE.c.state == "RESOLVED",
    )
    return any(row.details == dict(details) for row in await tx.rows(found))


async def state_offset(
    tx: Tx,
    caller: Caller,
    *,
    participant_id: str,
    month: Month,
    statement: OffsetStatement,
    decided_on: date,
    law: Law,
) -> tuple[str, list[Enrolment], str | None]:
    """Keep the municipality's decision for a month and hold it against ours.

    Returns its id, the enrolments whose months are to be settled again (locked), and the id of the case that
    it opened. Raises NotFound for a person who is not the municipality's, and Invalid for a decision of a day
    to come: it would stand before every one that is really made.
    """
    if decided_on > (today := amsterdam_date(tx.now)):
        raise Invalid([Fault("L065", "/decidedOn", f"must be {today}, which is today, or earlier")])
    known = (await store.participants(tx, [participant_id])).get(participant_id)
    if known is None or known.municipality is None:
        raise NotFound("there is no such participant")
    caller.must_see(known.municipality, "participant")
    person = await store.lock_participant(tx, participant_id)
    if person.erased or person.municipality is None:
        raise NotFound("there is no such participant")
    statement_id = await circumstances.add_statement(
        tx,
        participant_id=participant_id,
        municipality=person.municipality,
        month=month,
        statement=statement,
        decided_on=decided_on,
    )
    touched = active(await enrolments_touched(tx, [participant_id], lock=True))
    before = await _open_case_id(tx, participant_id, month)
    for file in await load(tx, touched, law):
        if file.enrolment.first_month <= month <= file.enrolment.last_month:
            rows = run(file.until(month).case, law)
            await _compare_rows(tx, file, [row for row in rows if row.month == month])
    after = await _open_case_id(tx, participant_id, month)
    return statement_id, touched, after if before is None else None


async def _open_case_id(reading: ReadTx, participant_id: str, month: Month) -> str | None:
    found = select(CASE.c.case_id).where(
        CASE.c.participant_id == participant_id,
        CASE.c.month == str(month),
        CASE.c.kind == "OFFSET_DIFFERENCE",
        CASE.c.state == "OPEN",
    )
    row = await reading.first(found)
    return None if row is None else str(row.case_id)


async def case_page(
    reading: ReadTx, municipality: str, *, state: CaseState | None, after: str, limit: int
) -> list[LedgerCase]:
    """A municipality's cases in id order, from after an id; of one state if asked."""
    found = select(CASE).where(CASE.c.municipality == municipality, CASE.c.case_id > after)
    if state is not None:
        found = found.where(CASE.c.state == state)
    return [_case_of(row) for row in await reading.rows(found.order_by(CASE.c.case_id).limit(limit))]


async def resolve(tx: Tx, caller: Caller, case_id: str, resolution: str) -> LedgerCase:
    """Close a case with what was found. Raises NotFound, and Conflict when it is closed already."""
    row = await tx.first(select(CASE).where(CASE.c.case_id == case_id).with_for_update())
    if row is None:
        raise NotFound("there is no such case")
    caller.must_see(row.municipality, "case")
    if row.state != "OPEN":
        raise Conflict("this case is resolved already")
    closed = {
        "state": "RESOLVED",
        "resolution": resolution,
        "resolved_by": caller.subject[:200],
        "resolved_at": tx.now,
    }
    await tx.execute(update(CASE).where(CASE.c.case_id == case_id).values(**closed))
    return _case_of(await tx.one(select(CASE).where(among(CASE.c.case_id, [case_id]))))


def _case_of(row: Row[Any]) -> LedgerCase:
    return LedgerCase(
        case_id=row.case_id,
        municipality=row.municipality,
        participant_id=row.participant_id,
        month=Month.parse(row.month),
        kind=row.kind,
        state=row.state,
        details=row.details,
        opened_at=row.recorded_at,
        resolution=row.resolution,
        resolved_by=row.resolved_by,
        resolved_at=row.resolved_at,
    )
