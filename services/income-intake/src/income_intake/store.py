"""Queries on income-intake's tables; rows become values of this module before they leave it.

Whoever changes something of a person locks the person's row first (`lock_people`): that keeps what is told
about a person in order, and makes two requests at once for one person one after the other.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, func, insert, or_, select, update

from income_intake.tables import EMPLOYMENT, MONTH_DECLARATION, PARTICIPANT, WAGE_SLIP
from income_intake.versions import Known, Rank
from shared.contracts.events import PayPeriod
from shared.database import ReadTx, Tx, among, insert_ignore
from shared.months import Month


@dataclass(frozen=True, slots=True)
class Person:
    """A registered person who is not erased."""

    participant_id: str
    municipality: str
    bsn_index: str | None
    reference_index: str | None
    private: bytes | None


@dataclass(frozen=True, slots=True)
class Job:
    """A registered employment; names and numbers only as keyed hashes and ciphertext."""

    participant_id: str
    employer_key: str
    name_key: str
    has_number: bool
    pay_period: PayPeriod


@dataclass(frozen=True, slots=True)
class SlipVersion:
    """A recorded version of a slip."""

    rank: Rank
    wage_slip_id: str
    slip_key: str
    participant_id: str
    municipality: str
    status: str
    supersedes: str | None
    source: str
    period_from: date
    period_to: date
    pay_date: date
    slip_number: int
    parts: list[list[Any]]
    net_cents: int
    gross_cents: int | None
    tax_credit_applied: bool | None
    private: bytes
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Declaration:
    """A month that a person declared, and when that was recorded."""

    declaration_id: str
    participant_id: str
    month: Month
    kind: str
    recorded_at: datetime


_PERSON = (
    PARTICIPANT.c.participant_id,
    PARTICIPANT.c.municipality,
    PARTICIPANT.c.bsn_index,
    PARTICIPANT.c.reference_index,
    PARTICIPANT.c.private,
)
_RANK = (WAGE_SLIP.c.rank_version, WAGE_SLIP.c.rank_arrival)
_VERSION = (
    WAGE_SLIP.c.wage_slip_id,
    WAGE_SLIP.c.slip_key,
    WAGE_SLIP.c.participant_id,
    PARTICIPANT.c.municipality,
    WAGE_SLIP.c.status,
    WAGE_SLIP.c.supersedes,
    WAGE_SLIP.c.source,
    WAGE_SLIP.c.period_from,
    WAGE_SLIP.c.period_to,
    WAGE_SLIP.c.pay_date,
    WAGE_SLIP.c.slip_number,
    WAGE_SLIP.c.parts,
    WAGE_SLIP.c.net_cents,
    WAGE_SLIP.c.gross_cents,
    WAGE_SLIP.c.tax_credit_applied,
    WAGE_SLIP.c.private,
    WAGE_SLIP.c.recorded_at,
)


async def lock_people(
    tx: Tx,
    municipality: str,
    ids: Collection[str] = (),
    bsn_indexes: Collection[str] = (),
    reference_indexes: Collection[str] = (),
) -> list[Person]:
    """The people of a municipality who go by one of these, not erased, locked in one order for all."""
    ways = [
        among(column, sorted(values))
        for column, values in (
            (PARTICIPANT.c.participant_id, ids),
            (PARTICIPANT.c.bsn_index, bsn_indexes),
            (PARTICIPANT.c.reference_index, reference_indexes),
        )
        if values
    ]
    if not ways:
        return []
    found = (
        select(*_PERSON)
        .where(or_(*ways), PARTICIPANT.c.municipality == municipality, PARTICIPANT.c.erased_at.is_(None))
        .order_by(PARTICIPANT.c.participant_id)
        .with_for_update()
    )
    return [Person(*tuple(row)) for row in await tx.rows(found)]


async def add_person(tx: Tx, person: Person) -> bool:
    """Add a person; False when somebody else has just registered the same number or reference."""
    row = {
        "participant_id": person.participant_id,
        "municipality": person.municipality,
        "bsn_index": person.bsn_index,
        "reference_index": person.reference_index,
        "registered_at": tx.now,
    }
    statement = insert_ignore(tx, PARTICIPANT).returning(PARTICIPANT.c.participant_id)
    return bool(await tx.rows(statement, [row]))


async def set_identifiers(tx: Tx, person: Person, private: bytes) -> None:
    """Set by what a (locked) person is found, and the ciphertext of it."""
    await tx.execute(
        update(PARTICIPANT)
        .where(PARTICIPANT.c.participant_id == person.participant_id)
        .values(bsn_index=person.bsn_index, reference_index=person.reference_index, private=private)
    )


async def jobs_of(tx: ReadTx, participant_ids: Collection[str]) -> Mapping[str, list[Job]]:
    """The registered jobs of some people, by person, in a fixed order."""
    columns = (
        EMPLOYMENT.c.participant_id,
        EMPLOYMENT.c.employer_key,
        EMPLOYMENT.c.name_key,
        EMPLOYMENT.c.has_number,
        EMPLOYMENT.c.pay_period,
    )
    found = (
        select(*columns)
        .where(among(EMPLOYMENT.c.participant_id, sorted(participant_ids)))
        .order_by(EMPLOYMENT.c.participant_id, EMPLOYMENT.c.employer_key)
    )
    jobs: dict[str, list[Job]] = {}
    for row in await tx.rows(found):
        jobs.setdefault(row.participant_id, []).append(Job(*tuple(row)))
    return jobs


async def replace_jobs(tx: Tx, participant_id: str, jobs: Iterable[tuple[Job, bytes]]) -> None:
    """Set the jobs of a (locked) person, each with the ciphertext of its employer."""
    await tx.execute(delete(EMPLOYMENT).where(EMPLOYMENT.c.participant_id == participant_id))
    rows = [
        {
            "participant_id": participant_id,
            "employer_key": job.employer_key,
            "name_key": job.name_key,
            "has_number": job.has_number,
            "pay_period": job.pay_period,
            "private": private,
            "recorded_at": tx.now,
        }
        for job, private in jobs
    ]
    await tx.execute(insert(EMPLOYMENT), rows)


async def known_versions(tx: ReadTx, slip_keys: Collection[str]) -> dict[str, list[Known]]:
    """The recorded versions of some slips, by slip."""
    columns = (WAGE_SLIP.c.wage_slip_id, *_RANK, WAGE_SLIP.c.told_version, WAGE_SLIP.c.content_key)
    found = select(WAGE_SLIP.c.slip_key, *columns).where(among(WAGE_SLIP.c.slip_key, sorted(slip_keys)))
    known: dict[str, list[Known]] = {}
    for slip_key, wage_slip_id, version, arrival, told, content in await tx.rows(found):
        one = Known(wage_slip_id, Rank(version, arrival), told, content)
        known.setdefault(slip_key, []).append(one)
    return known


async def add_versions(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Record versions of slips, in one statement."""
    await tx.execute(insert(WAGE_SLIP), rows)


async def versions_of_slip(tx: ReadTx, wage_slip_id: str) -> list[SlipVersion]:
    """All versions of the slip that has this id among them, the one that counts last.

    None when the person is erased.
    """
    of_slip = select(WAGE_SLIP.c.slip_key).where(WAGE_SLIP.c.wage_slip_id == wage_slip_id).scalar_subquery()
    found = (
        select(*_RANK, *_VERSION)
        .join(PARTICIPANT, PARTICIPANT.c.participant_id == WAGE_SLIP.c.participant_id)
        .where(WAGE_SLIP.c.slip_key == of_slip, PARTICIPANT.c.erased_at.is_(None))
        .order_by(*_RANK)
    )
    rows = [tuple(row) for row in await tx.rows(found)]
    return [SlipVersion(Rank(version, arrival), *others) for version, arrival, *others in rows]


async def last_period_end(tx: ReadTx, participant_id: str) -> date | None:
    """The last day any slip of a person is about; None when there is no slip."""
    last: date | None = await tx.scalar(
        select(func.max(WAGE_SLIP.c.period_to)).where(WAGE_SLIP.c.participant_id == participant_id)
    )
    return last


async def last_declared_month(tx: ReadTx, participant_id: str) -> Month | None:
    """The last month declared for a person; None when there is no declaration."""
    last: Month | None = await tx.scalar(
        select(func.max(MONTH_DECLARATION.c.month)).where(
            MONTH_DECLARATION.c.participant_id == participant_id
        )
    )
    return last


async def registered_at(tx: ReadTx, participant_id: str) -> datetime:
    """When a person was registered."""
    registered: datetime = await tx.scalar(
        select(PARTICIPANT.c.registered_at).where(PARTICIPANT.c.participant_id == participant_id)
    )
    return registered


async def mark_erased(tx: Tx, participant_id: str) -> None:
    """Take from a (locked) person's row everything about the person, and the jobs with it."""
    await tx.execute(delete(EMPLOYMENT).where(EMPLOYMENT.c.participant_id == participant_id))
    await tx.execute(
        update(PARTICIPANT)
        .where(PARTICIPANT.c.participant_id == participant_id)
        .values(bsn_index=None, reference_index=None, private=None, erased_at=tx.now)
    )


async def is_erased(tx: ReadTx, participant_id: str, municipality: str) -> bool:
    """Whether this person of the municipality has been erased."""
    erased = select(PARTICIPANT.c.participant_id).where(
        PARTICIPANT.c.participant_id == participant_id,
        PARTICIPANT.c.municipality == municipality,
        PARTICIPANT.c.erased_at.is_not(None),
    )
    return await tx.first(erased) is not None


async def erased_with_key(tx: ReadTx, limit: int) -> list[str]:
    """Erased people whose key has not been destroyed yet."""
    found = (
        select(PARTICIPANT.c.participant_id)
        .where(PARTICIPANT.c.erased_at.is_not(None), PARTICIPANT.c.key_destroyed_at.is_(None))
        .order_by(PARTICIPANT.c.participant_id)
        .limit(limit)
    )
    return [row[0] for row in await tx.rows(found)]


async def mark_keys_destroyed(tx: Tx, participant_ids: Collection[str]) -> None:
    """Note that these keys are gone."""
    await tx.execute(
        update(PARTICIPANT)
        .where(among(PARTICIPANT.c.participant_id, sorted(participant_ids)))
        .values(key_destroyed_at=tx.now)
    )


async def declaration(tx: ReadTx, participant_id: str, month: Month, kind: str) -> Declaration | None:
    """The declaration of this kind for this month, if there is one."""
    row = await tx.first(
        select(*MONTH_DECLARATION.c).where(
            MONTH_DECLARATION.c.participant_id == participant_id,
            MONTH_DECLARATION.c.month == month,
            MONTH_DECLARATION.c.kind == kind,
        )
    )
    return None if row is None else Declaration(*tuple(row))


async def add_declaration(tx: Tx, declared: Declaration) -> None:
    """Record a declaration."""
    row = {field.name: getattr(declared, field.name) for field in fields(Declaration)}
    await tx.execute(insert(MONTH_DECLARATION), [row])
