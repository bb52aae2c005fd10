"""Registering and erasing people: one function is one transaction."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from income_intake import store
from income_intake.intake import PURPOSE
from income_intake.keys import EMPLOYER, IDENTIFIERS, Keys, packed
from income_intake.slips import employer_identity, name_identity
from income_intake.store import Job, Person
from shared import access_log
from shared.contracts.events import Employment, ParticipantErased, ParticipantRegistered, PayPeriod
from shared.database import Database, Tx
from shared.errors import Conflict, NotFound, TooEarly, TryAgain
from shared.months import AMSTERDAM, amsterdam_date

_ATTEMPTS: Final = 3
_DESTROYED_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Employer:
    """A job that somebody registers: it is expected to send slips every pay period."""

    name: str
    number: str | None
    pay_period: PayPeriod


@dataclass(frozen=True, slots=True)
class Registration:
    """Who is registered. `employments` None leaves the jobs as they are; an empty list ends them all."""

    municipality: str
    bsn: str | None
    external_reference: str | None
    employments: Sequence[Employer] | None


@dataclass(frozen=True, slots=True)
class Retention:
    """How long each kind of data is kept before an erasure may take it away; days, 0 for not at all."""

    registration_days: int
    wage_slip_days: int


async def register(tx: Tx, keys: Keys, registration: Registration, actor: str) -> tuple[str, bool]:
    """Register a person, or find the one registered with this number or reference and update the jobs.

    Returns the participantId and whether it is new. What has changed for others goes out. Raises Conflict
    when number and reference belong to two people, or the reference to a person with another number.
    """
    bsn, reference = registration.bsn, registration.external_reference
    bsn_index = None if bsn is None else keys.bsn_index(registration.municipality, bsn)
    reference_index = (
        None if reference is None else keys.reference_index(registration.municipality, reference)
    )
    for _ in range(_ATTEMPTS):
        people = await store.lock_people(
            tx,
            registration.municipality,
            bsn_indexes=[bsn_index] if bsn_index else (),
            reference_indexes=[reference_index] if reference_index else (),
        )
        if people:
            break
        participant_id = tx.ids.random()
        person = Person(participant_id, registration.municipality, bsn_index, reference_index, None)
        if await store.add_person(tx, person):
            await _keep_identifiers(tx, keys, person, bsn, reference)
            await _set_jobs(tx, keys, person, registration.employments or (), new=True)
            await _note(tx, actor, "register", participant_id)
            return participant_id, True
        # Somebody else registered the same number or reference just now, and we have waited for it.
    else:
        raise TryAgain("the same person is being registered elsewhere")
    person = _the_one(people, bsn_index)
    await _keep_identifiers(tx, keys, _with(person, bsn_index, reference_index), bsn, reference)
    if registration.employments is not None:
        await _set_jobs(tx, keys, person, registration.employments, new=False)
    await _note(tx, actor, "register-again", person.participant_id)
    return person.participant_id, False


def _the_one(people: Sequence[Person], bsn_index: str | None) -> Person:
    if len(people) > 1:
        raise Conflict("bsn and externalReference belong to two different participants")
    (person,) = people
    if bsn_index is not None and person.bsn_index not in (None, bsn_index):
        raise Conflict("this externalReference belongs to a participant with another bsn")
    return person


def _with(person: Person, bsn_index: str | None, reference_index: str | None) -> Person:
    """The person as it is found from now on; the number and reference that are not given stay."""
    return Person(
        person.participant_id,
        person.municipality,
        bsn_index or person.bsn_index,
        reference_index or person.reference_index,
        person.private,
    )


async def _keep_identifiers(
    tx: Tx, keys: Keys, person: Person, bsn: str | None, reference: str | None
) -> None:
    """Encrypt number and reference beside those that are known already."""
    known: dict[str, str] = {}
    if person.private is not None:
        (opened,) = await keys.unseal(IDENTIFIERS, [(person.participant_id, person.private)])
        known = json.loads(opened)
    given = {
        name: value for name, value in (("bsn", bsn), ("externalReference", reference)) if value is not None
    }
    if known | given == known:
        return
    (private,) = await keys.seal(IDENTIFIERS, [(person.participant_id, packed(known | given))])
    await store.set_identifiers(tx, person, private)


async def _set_jobs(tx: Tx, keys: Keys, person: Person, employers: Sequence[Employer], *, new: bool) -> None:
    """Set the jobs; tell the others when the person is new or the jobs are not what they were."""
    participant_id = person.participant_id
    jobs = [
        Job(
            participant_id,
            keys.employer_key(participant_id, employer_identity(employer.number, employer.name)),
            keys.employer_key(participant_id, name_identity(employer.name)),
            employer.number is not None,
            employer.pay_period,
        )
        for employer in employers
    ]
    before = () if new else (await store.jobs_of(tx, [participant_id])).get(participant_id, ())
    if set(before) != set(jobs):
        names = [
            (participant_id, packed({"employerName": employer.name, "employerNumber": employer.number}))
            for employer in employers
        ]
        private = await keys.seal(EMPLOYER, names)
        await store.replace_jobs(tx, participant_id, list(zip(jobs, private, strict=True)))
    told = [Employment(employer_key=job.employer_key, pay_period=job.pay_period) for job in jobs]
    told.sort(key=lambda employment: employment.employer_key)
    if new or [(job.employer_key, job.pay_period) for job in before] != [
        (employment.employer_key, employment.pay_period) for employment in told
    ]:
        registered = ParticipantRegistered(
            municipality=person.municipality, participant_id=participant_id, employments=tuple(told)
        )
        tx.emit(registered)


async def erase(
    tx: Tx, municipality: str, participant_id: str, retention: Retention, actor: str
) -> datetime | None:
    """Erase a person: nothing about the person stays findable, and the others are told to do the same.

    The key is destroyed after the commit (`destroy_keys`). A person who is erased already stays so. Raises
    NotFound for a person of another municipality, TooEarly while a kind of data must still be kept.
    """
    people = await store.lock_people(tx, municipality, [participant_id])
    if not people:
        if await store.is_erased(tx, participant_id, municipality):
            await _note(tx, actor, "erase", participant_id)
            return None
        raise NotFound("there is no such participant")
    await _must_be_over(tx, participant_id, retention)
    await store.mark_erased(tx, participant_id)
    tx.emit(ParticipantErased(municipality=municipality, participant_id=participant_id))
    await _note(tx, actor, "erase", participant_id)
    return tx.now


async def _must_be_over(tx: Tx, participant_id: str, retention: Retention) -> None:
    """Raise TooEarly, naming each kind of data whose term has not ended."""
    registered = amsterdam_date(await store.registered_at(tx, participant_id))
    terms = [("registration", registered, retention.registration_days)]
    if (last := await store.last_period_end(tx, participant_id)) is not None:
        terms.append(("wage slips", last, retention.wage_slip_days))
    if (month := await store.last_declared_month(tx, participant_id)) is not None:
        terms.append(("declared months", month.last_day, retention.wage_slip_days))
    today = amsterdam_date(tx.now)
    ends = [(kind, since + timedelta(days=days), days) for kind, since, days in terms]
    running = [(kind, end, days) for kind, end, days in ends if today < end]
    if not running:
        return
    told = "; ".join(f"{kind} are kept for {days} days, until {end}" for kind, end, days in running)
    raise TooEarly(f"not yet: {told}", _midnight(max(end for _, end, _ in running)))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), AMSTERDAM)


async def destroy_keys(database: Database, keys: Keys) -> bool:
    """Destroy the keys of people who were erased, some at a time; says whether there were any.

    Apart from the erasure because the keys lie in another database: whatever fails, it is done again until
    the key is gone.
    """
    async with database.read() as reading:
        erased = await store.erased_with_key(reading, _DESTROYED_AT_ONCE)
    for participant_id in erased:
        await keys.store.destroy(participant_id)
    if erased:
        async with database.write() as tx:
            await store.mark_keys_destroyed(tx, erased)
    return bool(erased)


async def _note(tx: Tx, actor: str, action: str, participant_id: str) -> None:
    await access_log.record(tx, actor=actor, purpose=PURPOSE, action=action, participant_ids=[participant_id])
