"""Enrolling a person in a scheme, and the account their draws are paid to."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from buffer_ledger import store
from buffer_ledger.bookkeeping import commitment, fund_free
from buffer_ledger.books import Entry, NotEnough, balances, book, open_buffer
from buffer_ledger.casefiles import Enrolment, add_enrolment, enrolments
from buffer_ledger.funds import fund_for, scheme_for, tell_if_low
from buffer_ledger.iban import masked_iban, masked_name
from buffer_ledger.periods import last_month_of_period
from buffer_ledger.tables import PAYEE
from shared.contracts.events import CapitalCommitted, Enrolled
from shared.database import ReadTx, Tx, upsert
from shared.errors import Conflict, Fault, Invalid, NotFound
from shared.months import Month
from shared.personal_keys import KeyStore
from shared.tokens import Caller


@dataclass(frozen=True, slots=True)
class Payee:
    """Where draws are paid to, masked: nobody reads a whole account number back."""

    kind: str
    iban_masked: str
    holder_masked: str


async def enrol(
    tx: Tx,
    caller: Caller,
    *,
    participant_id: str,
    scheme_id: str,
    household: Mapping[str, Any],
    exemptions: Sequence[Mapping[str, Any]] = (),
    first_month: Month,
    last_month: Month | None,
) -> Enrolment:
    """Enrol a person and set the whole cap apart from the fund.

    An id that nobody registered yet is taken; nothing is settled for it until it is. Raises NotFound, and
    Conflict: overlapping enrolment, scheme not running, no settings of the municipality, too little money.
    Raises Invalid for a last month beyond the cap period of the first.
    """
    scheme = await scheme_for(tx, caller, scheme_id, lock=True)
    if not await store.municipality_rules(tx, scheme.municipality):
        raise Conflict(f"municipality {scheme.municipality} has no settings yet: set its offset method first")
    _must_run(scheme, first_month)
    last_month = _last_month(scheme, first_month, last_month)
    person = await store.lock_participant(tx, participant_id)
    if person.municipality not in (None, scheme.municipality) or person.erased:
        raise NotFound("there is no such participant")
    others = [
        other
        for other in await enrolments(tx, participant_ids=[participant_id])
        # While nobody registered the id, anybody may hold one to it: where it is registered decides, and
        # until then a municipality may not learn of another's.
        if other.municipality == scheme.municipality
    ]
    for other in others:
        if other.first_month <= last_month and first_month <= other.last_month and _counts(other):
            raise Conflict(
                f"enrolment {other.enrolment_id} of this person runs from {other.first_month} to "
                f"{other.last_month}: enrolments of one person may not overlap in this version"
            )
    await _one_per_household(tx, scheme, household, first_month, last_month)
    enrolment = Enrolment(
        enrolment_id=tx.new_id(),
        participant_id=participant_id,
        municipality=scheme.municipality,
        scheme_id=scheme_id,
        fund_id=scheme.fund_id,
        policy_version=scheme.policy_version,
        cap_cents=scheme.policy.cap_cents,
        first_month=first_month,
        last_month=last_month,
        household=household,
        exemptions=exemptions,
    )
    await add_enrolment(tx, enrolment)
    free = await _commit_cap(tx, enrolment)
    await _tell(tx, caller, enrolment, free)
    return enrolment


async def enrolment_for(
    reading: ReadTx, caller: Caller, enrolment_id: str, *, lock: bool = False
) -> Enrolment:
    """The enrolment, for its own municipality; raises NotFound."""
    found = await enrolments(reading, enrolment_ids=[enrolment_id], lock=lock)
    if not found:
        raise NotFound("there is no such enrolment")
    caller.must_see(found[0].municipality, "enrolment")
    return found[0]


async def put_payee(
    tx: Tx, keys: KeyStore, enrolment: Enrolment, *, iban: str, holder: str, kind: str
) -> Payee:
    """Keep the account draws are paid to, sealed with the person's key; raises Conflict once erased."""
    person = await store.lock_participant(tx, enrolment.participant_id)
    if person.erased:
        raise Conflict("this person has been erased: nothing can be kept about them any more")
    content = json.dumps({"iban": iban, "holder": holder})
    row = {
        "enrolment_id": enrolment.enrolment_id,
        "participant_id": enrolment.participant_id,
        "kind": kind,
        "sealed": await keys.encrypt(enrolment.participant_id, "payee", content),
        "recorded_at": tx.now,
    }
    await tx.execute(upsert(tx, PAYEE, ["enrolment_id"], ["kind", "sealed", "recorded_at"]), [row])
    return Payee(kind, masked_iban(iban), masked_name(holder))


async def payee_of(reading: ReadTx, keys: KeyStore, enrolment: Enrolment) -> Payee:
    """Where draws are paid to, masked; raises NotFound when nobody said so yet."""
    row = await reading.first(select(PAYEE).where(PAYEE.c.enrolment_id == enrolment.enrolment_id))
    if row is None:
        raise NotFound("this enrolment has no payee yet")
    opened = json.loads(await keys.decrypt(row.participant_id, "payee", row.sealed))
    return Payee(row.kind, masked_iban(opened["iban"]), masked_name(opened["holder"]))


async def with_payee(reading: ReadTx, enrolment_ids: Collection[str]) -> set[str]:
    """Which of these enrolments have an account to pay to."""
    found = select(PAYEE.c.enrolment_id).where(PAYEE.c.enrolment_id.in_(list(enrolment_ids)))
    return {row.enrolment_id for row in await reading.rows(found)} if enrolment_ids else set()


async def _commit_cap(tx: Tx, enrolment: Enrolment) -> tuple[int, int]:
    """Book the commitment; returns what was free in the fund before and after."""
    fund_id, account = enrolment.fund_id, fund_free(enrolment.fund_id)
    await open_buffer(tx, fund_id, enrolment.enrolment_id, enrolment.cap_cents)
    if enrolment.cap_cents == 0:
        free = (await balances(tx, [account]))[account]
        return free, free
    transaction = commitment(fund_id, enrolment.enrolment_id, enrolment.cap_cents, enrolment.first_month)
    entry = Entry(
        transaction_id=tx.new_id(),
        transaction=transaction,
        fund_id=fund_id,
        enrolment_id=enrolment.enrolment_id,
        policy_version=enrolment.policy_version,
    )
    try:
        after = (await book(tx, [entry]))[account]
    except NotEnough as short:
        raise Conflict(
            f"the fund has {short.free_cents} cents free and this enrolment needs {short.asked_cents} cents"
        ) from short
    return after + enrolment.cap_cents, after


async def _tell(tx: Tx, caller: Caller, enrolment: Enrolment, free: tuple[int, int]) -> None:
    fund = await fund_for(tx, caller, enrolment.fund_id)
    before, after = free
    tx.emit(
        Enrolled(
            participant_id=enrolment.participant_id,
            municipality=enrolment.municipality,
            enrolment_id=enrolment.enrolment_id,
            scheme_id=enrolment.scheme_id,
            fund_id=enrolment.fund_id,
            first_month=enrolment.first_month,
            last_month=enrolment.last_month,
            cap_cents=enrolment.cap_cents,
        )
    )
    if enrolment.cap_cents > 0:
        committed = CapitalCommitted(
            municipality=enrolment.municipality,
            fund_id=enrolment.fund_id,
            amount_cents=enrolment.cap_cents,
            available_cents=type(enrolment.cap_cents)(after),
        )
        tx.emit(committed)
    tell_if_low(tx, fund, before, after)


def _last_month(scheme: store.Scheme, first_month: Month, given: Month | None) -> Month:
    """The last month of an enrolment: one enrolment is one cap period with a buffer of its own."""
    latest = last_month_of_period(scheme.policy, first_month)
    if given is not None and given > latest:
        detail = f"the cap period of {first_month} ends with {latest}: enrol again for the next one"
        raise Invalid([Fault("L003", "/lastMonth", detail)])
    return latest if given is None else given


async def _one_per_household(
    tx: Tx, scheme: store.Scheme, household: Mapping[str, Any], first_month: Month, last_month: Month
) -> None:
    """With a cap per household the partner's enrolment is the household's: no second one beside it."""
    partner = household.get("partnerParticipantId")
    if scheme.policy.cap_unit != "HOUSEHOLD" or partner is None:
        return
    for other in await enrolments(tx, participant_ids=[partner]):
        overlap = other.first_month <= last_month and first_month <= other.last_month
        if other.scheme_id == scheme.scheme_id and overlap and _counts(other):
            raise Conflict(
                f"this scheme has one buffer per household: enrolment {other.enrolment_id} of the partner"
            )


def _must_run(scheme: store.Scheme, first_month: Month) -> None:
    if first_month < scheme.valid_from or (scheme.valid_to is not None and first_month > scheme.valid_to):
        until = "" if scheme.valid_to is None else f" to {scheme.valid_to}"
        raise Conflict(f"the scheme runs from {scheme.valid_from}{until}: {first_month} lies outside it")


def _counts(enrolment: Enrolment) -> bool:
    """Whether an enrolment stands in the way of another; one that was refused never held."""
    return enrolment.ended_reason != "MUNICIPALITY_MISMATCH"
