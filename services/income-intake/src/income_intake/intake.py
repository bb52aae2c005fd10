"""Taking in wage slips and declared months: one function is (part of) one transaction.

A single slip and a piece of a batch go the same way, `take_in`: however many slips, a handful of statements.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from income_intake import store
from income_intake.keys import SLIP, Keys, packed
from income_intake.slip_form import SlipForm
from income_intake.slips import Slip, employer_identity, month_faults, name_identity, pay_period_of
from income_intake.store import Job, Person
from income_intake.versions import Decision, Known, Status, decide, version_fault
from shared import access_log
from shared.contracts.events import (
    DeclarationKind,
    MonthDeclared,
    WageSlipCorrected,
    WageSlipFact,
    WageSlipPart,
    WageSlipReported,
)
from shared.database import Tx
from shared.errors import Fault, Invalid, NotFound
from shared.months import Month

PURPOSE: Final = "income-intake"
"""Why people's data is read here, for the access log."""
BATCH_PURPOSE: Final = "batch"
"""The same for what came in or is read as a batch."""
REPORT: Final = "report-wage-slip"
"""The action of taking in a slip, singly or in a batch."""
_UNKNOWN_ID: Final = Fault(
    "W011",
    "/participantId",
    "no such person is registered in this municipality: register the person first",
)
"""An id that nobody has, an erased person's and one of another municipality: nobody can tell them apart."""
_YIELD_EVERY: Final = 100
"""After this many slips others on the event loop get their turn."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a slip; ids of versions, and the countable net wage it carries (0 when refused)."""

    status: Status
    participant_id: str | None = None
    wage_slip_id: str | None = None
    supersedes: str | None = None
    superseded_by: str | None = None
    net_cents: int = 0
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class _Incoming:
    """A slip whose person is known."""

    index: int
    person: Person
    slip: Slip
    slip_key: str
    content_key: str


Read = SlipForm | Sequence[Fault]
"""A slip that was read, or the faults for which it could not be."""


def refused(faults: Sequence[Fault]) -> Outcome:
    """The outcome of a slip with faults."""
    return Outcome(Status.REFUSED, faults=tuple(faults))


async def take_in(
    tx: Tx, keys: Keys, municipality: str, read: Sequence[Read], batch_id: str | None = None
) -> list[Outcome]:
    """Take in slips of one municipality in the order given; the outcomes stand in the same order.

    Records versions, emits what counts from now on, refuses what names a person or municipality that is not
    the caller's. The same slip twice among them is handled like one after the other.
    """
    people = await _people(tx, keys, municipality, read)
    outcomes: list[Outcome] = [refused(one) if not isinstance(one, SlipForm) else refused(()) for one in read]
    incoming: list[_Incoming] = []
    for index, form in enumerate(read):
        await _breathe(index)
        if not isinstance(form, SlipForm):
            continue
        if form.municipality not in (None, municipality):
            detail = "the token is not of this municipality"
            outcomes[index] = refused([Fault("W017", "/municipality", detail)])
            continue
        person = people.get(_naming(keys, municipality, form))
        if person is None:
            outcomes[index] = refused([_unknown(form)])
            continue
        slip = form.slip()
        slip_key = keys.slip_key(slip.identity(person.participant_id))
        content_key = keys.content_key(slip_key, slip.content())
        incoming.append(_Incoming(index, person, slip, slip_key, content_key))
    await _record(tx, keys, incoming, outcomes, batch_id)
    return outcomes


async def _record(
    tx: Tx, keys: Keys, incoming: Sequence[_Incoming], outcomes: list[Outcome], batch_id: str | None
) -> None:
    """Decide on each slip in turn, then record all new versions at once."""
    if not incoming:
        return
    known = await store.known_versions(tx, {one.slip_key for one in incoming})
    jobs = await store.jobs_of(tx, {one.person.participant_id for one in incoming})
    rows: list[dict[str, Any]] = []
    for count, one in enumerate(incoming):
        await _breathe(count)
        versions = known.setdefault(one.slip_key, [])
        decision = decide(versions, one.slip.version, one.content_key)
        if decision.status is Status.REFUSED:
            outcomes[one.index] = refused([version_fault(decision.rank.version)])
            continue
        if decision.same is not None:
            wage_slip_id = decision.same.wage_slip_id
        else:
            wage_slip_id = tx.new_id()
            versions.append(Known(wage_slip_id, decision.rank, decision.told, one.content_key))
            own_jobs = jobs.get(one.person.participant_id, ())
            employer_key = _employer_key(keys, one, own_jobs)
            rows.append(_row(tx, one, decision, wage_slip_id, employer_key, batch_id))
            if decision.told is not None:
                tx.emit(_fact(one, decision, wage_slip_id, employer_key, own_jobs))
        outcomes[one.index] = Outcome(
            decision.status,
            one.person.participant_id,
            wage_slip_id,
            decision.supersedes.wage_slip_id if decision.supersedes else None,
            decision.superseded_by.wage_slip_id if decision.superseded_by else None,
            one.slip.net_cents,
        )
    private = await keys.seal(SLIP, [(row["participant_id"], row["private"]) for row in rows])
    for row, ciphertext in zip(rows, private, strict=True):
        row["private"] = ciphertext
    await store.add_versions(tx, rows)


async def _people(tx: Tx, keys: Keys, municipality: str, read: Sequence[Read]) -> dict[str, Person]:
    """The people the slips name, locked, by whatever they are named by."""
    ids, bsns, references = set(), set(), set()
    for form in read:
        if isinstance(form, SlipForm):
            if form.participant_id is not None:
                ids.add(form.participant_id)
            elif form.bsn is not None:
                bsns.add(keys.bsn_index(municipality, form.bsn))
            elif form.external_reference is not None:
                references.add(keys.reference_index(municipality, form.external_reference))
    people = await store.lock_people(tx, municipality, ids, bsns, references)
    found: dict[str, Person] = {}
    for person in people:
        for name in (person.participant_id, person.bsn_index, person.reference_index):
            if name is not None:
                found[name] = person
    return found


def _naming(keys: Keys, municipality: str, form: SlipForm) -> str:
    if form.participant_id is not None:
        return form.participant_id
    if form.bsn is not None:
        return keys.bsn_index(municipality, form.bsn)
    return keys.reference_index(municipality, form.external_reference or "")


def _unknown(form: SlipForm) -> Fault:
    if form.participant_id is not None:
        return _UNKNOWN_ID
    pointer = "/bsn" if form.bsn is not None else "/externalReference"
    return Fault("W011", pointer, _UNKNOWN_ID.detail)


def _employer_key(keys: Keys, one: _Incoming, jobs: Sequence[Job]) -> str:
    """The opaque key of the slip's employer: that of the registered job it belongs to, else one of its own.

    A job belongs to the slip by number, or without number by name. Where only one of the two has a number the
    name decides, if it points to a single job: otherwise a slip that lacks the number would never be the one
    that the job is waiting for.
    """
    participant_id, slip = one.person.participant_id, one.slip
    own = keys.employer_key(participant_id, employer_identity(slip.employer_number, slip.employer_name))
    if any(job.employer_key == own for job in jobs):
        return own
    name_key = keys.employer_key(participant_id, name_identity(slip.employer_name))
    has_number = slip.employer_number is not None
    by_name = [job for job in jobs if job.name_key == name_key and job.has_number != has_number]
    return by_name[0].employer_key if len(by_name) == 1 else own


def _row(
    tx: Tx, one: _Incoming, decision: Decision, wage_slip_id: str, employer_key: str, batch_id: str | None
) -> dict[str, Any]:
    slip = one.slip
    private = {
        "employerName": slip.employer_name,
        "employerNumber": slip.employer_number,
        "hours": None if slip.hours is None else str(slip.hours),
        "lines": [[line.kind, line.amount_cents] for line in slip.lines] or None,
        "consentId": slip.consent_id,
    }
    return {
        "wage_slip_id": wage_slip_id,
        "slip_key": one.slip_key,
        "rank_version": decision.rank.version,
        "rank_arrival": decision.rank.arrival,
        "told_version": decision.told,
        "participant_id": one.person.participant_id,
        "employer_key": employer_key,
        "content_key": one.content_key,
        "status": decision.status.value,
        "supersedes": decision.supersedes.wage_slip_id if decision.supersedes else None,
        "source": slip.source,
        "period_from": slip.period_from,
        "period_to": slip.period_to,
        "pay_date": slip.pay_date,
        "slip_number": slip.slip_number,
        "parts": [[part.kind, part.net_cents] for part in slip.parts],
        "net_cents": slip.net_cents,
        "gross_cents": slip.gross_cents,
        "tax_credit_applied": slip.tax_credit_applied,
        "private": packed(private),
        "batch_id": batch_id,
        "recorded_at": tx.now,
    }


def _fact(
    one: _Incoming, decision: Decision, wage_slip_id: str, employer_key: str, jobs: Sequence[Job]
) -> WageSlipFact:
    slip = one.slip
    registered = next((job.pay_period for job in jobs if job.employer_key == employer_key), None)
    facts: dict[str, Any] = {
        "municipality": one.person.municipality,
        "participant_id": one.person.participant_id,
        "wage_slip_id": wage_slip_id,
        "slip_key": one.slip_key,
        "employer_key": employer_key,
        "version": decision.told,
        "source": slip.source,
        "period_from": slip.period_from,
        "period_to": slip.period_to,
        "pay_period": pay_period_of(slip.period_from, slip.period_to, registered),
        "pay_date": slip.pay_date,
        "parts": tuple(WageSlipPart(kind=part.kind, net_cents=part.net_cents) for part in slip.parts),
        "gross_cents": slip.gross_cents,
        "tax_credit_applied": slip.tax_credit_applied,
    }
    if decision.supersedes is None:
        return WageSlipReported(**facts)
    return WageSlipCorrected(**facts, supersedes=decision.supersedes.wage_slip_id)


async def _breathe(count: int) -> None:
    if count % _YIELD_EVERY == _YIELD_EVERY - 1:
        await asyncio.sleep(0)


async def take_in_one(tx: Tx, keys: Keys, municipality: str, form: SlipForm, actor: str) -> Outcome:
    """Take in one slip; raises NotFound for a participantId that is not the municipality's, else Invalid."""
    (outcome,) = await take_in(tx, keys, municipality, [form])
    if outcome.status is Status.REFUSED:
        if outcome.faults == (_UNKNOWN_ID,):
            raise NotFound(_UNKNOWN_ID.detail, outcome.faults)
        raise Invalid(outcome.faults)
    await _note(tx, actor, REPORT, outcome.participant_id or "")
    return outcome


async def declare_month(
    tx: Tx, municipality: str, participant_id: str, month: Month, kind: DeclarationKind, actor: str
) -> tuple[store.Declaration, bool]:
    """Record that a person declares a month without work (ZERO) or as the month before (UNCHANGED); the same
    again changes nothing.

    Returns the declaration and whether it is new. Raises NotFound for a person who is not the municipality's,
    Invalid for a month too far from now.
    """
    if faults := month_faults(month, Month.of_instant(tx.now)):
        raise Invalid(faults)
    if not await store.lock_people(tx, municipality, [participant_id]):
        raise NotFound(_UNKNOWN_ID.detail, [_UNKNOWN_ID])
    await _note(tx, actor, "declare-month", participant_id)
    known = await store.declaration(tx, participant_id, month, kind)
    if known is not None:
        return known, False
    declared = store.Declaration(tx.new_id(), participant_id, month, kind, tx.now)
    await store.add_declaration(tx, declared)
    told = MonthDeclared(municipality=municipality, participant_id=participant_id, month=month, kind=kind)
    tx.emit(told)
    return declared, True


async def _note(tx: Tx, actor: str, action: str, participant_id: str) -> None:
    """Log who did this."""
    await access_log.record(tx, actor=actor, purpose=PURPOSE, action=action, participant_ids=[participant_id])
