"""Deciding on draw proposals: agreed to, whole or in part, or refused, once, by a person with a mandate."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from buffer_ledger import proposal_store
from buffer_ledger.bookkeeping import buffer
from buffer_ledger.books import hold
from buffer_ledger.casefiles import CaseFile, enrolments, load, settled_months
from buffer_ledger.draw_log import draws_of, note_draws
from buffer_ledger.exits import finish
from buffer_ledger.figures import Figures
from buffer_ledger.funds import tell_returned
from buffer_ledger.periods import period_of
from buffer_ledger.proposal_store import Decision, Proposal
from buffer_ledger.settling import announced, settle
from buffer_ledger.statutory import in_force, missing_reasons
from shared.database import ReadTx, Tx
from shared.errors import Conflict, Fault, Invalid, NotAllowed, NotFound
from shared.law import Law
from shared.money import Cents
from shared.months import Month, amsterdam_date
from shared.tokens import Caller


@dataclass(frozen=True, slots=True)
class Given:
    """What an official says to agree: the reasons by name, the decision, and an amount for less than all."""

    reasons: Mapping[str, str]
    decision_reference: str | None
    amount_cents: Cents | None = None


async def get(reading: ReadTx, caller: Caller, proposal_id: str) -> Proposal:
    """One proposal with its decision; raises NotFound."""
    found = await proposal_store.find(reading, proposal_id)
    if found is None:
        raise NotFound("there is no such draw proposal")
    caller.must_see(found.municipality, "draw proposal")
    return found


async def approve(
    tx: Tx, caller: Caller, proposal_id: str, given: Given, law: Law, figures: Figures
) -> Proposal:
    """Agree to a proposal: its hold is released and the month draws what was agreed to.

    What is left of the proposal counts as refused. Raises NotFound; NotAllowed for who proposed it; Conflict
    for one that was decided before, statutory money before its date, or a cap year that is over; Invalid for
    missing reasons or an amount above what is proposed.
    """
    proposal, file = await _locked(tx, caller, proposal_id, law)
    today = amsterdam_date(tx.now)
    faults = _faults(proposal, given)
    if faults:
        raise Invalid(faults)
    _must_be_possible(proposal, file, law, today)
    amount = proposal.amount_cents if given.amount_cents is None else given.amount_cents
    decision = Decision("APPROVED", amount, given.reasons, given.decision_reference, caller.subject, today)
    return await _decide(tx, caller, proposal, decision, law, figures)


async def reject(
    tx: Tx, caller: Caller, proposal_id: str, reason: str, law: Law, figures: Figures
) -> Proposal:
    """Refuse a proposal with a reason: its hold is released and the same total is not proposed again.

    Raises NotFound, NotAllowed and Conflict as `approve` does.
    """
    proposal, _ = await _locked(tx, caller, proposal_id, law)
    today = amsterdam_date(tx.now)
    decision = Decision("REJECTED", Cents(0), {"reason": reason}, None, caller.subject, today)
    return await _decide(tx, caller, proposal, decision, law, figures)


async def announce(tx: Tx, caller: Caller, proposal_id: str, announced_on: date) -> Proposal:
    """Note that the municipality announced its decision on a statutory draw: only now is the person told.

    The same day again changes nothing. Raises NotFound, Conflict, and Invalid for a day on which it cannot
    have been announced.
    """
    proposal = await get(tx, caller, proposal_id)
    (enrolment,) = await enrolments(tx, enrolment_ids=[proposal.enrolment_id], lock=True)
    proposal = await get(tx, caller, proposal_id)
    decision = proposal.decision
    if decision is None or not proposal.statutory:
        raise Conflict("only a decision on a statutory draw is announced")
    if proposal.announced_on is not None:
        if proposal.announced_on == announced_on:
            return proposal
        raise Conflict(f"this decision was announced on {proposal.announced_on} already")
    if not decision.decided_on <= announced_on <= amsterdam_date(tx.now):
        detail = f"must be a day from {decision.decided_on}, when it was decided, to today"
        raise Invalid([Fault("L038", "/announcedOn", detail)])
    await proposal_store.announce(tx, proposal_id, announced_on, caller.subject)
    settled = (await settled_months(tx, [enrolment.enrolment_id])).get(enrolment.enrolment_id, {})
    if decision.outcome == "APPROVED" and proposal.month in settled:
        tx.emit(*announced(enrolment, settled[proposal.month]))
    return await get(tx, caller, proposal_id)


async def _locked(tx: Tx, caller: Caller, proposal_id: str, law: Law) -> tuple[Proposal, CaseFile]:
    """The proposal as it is now that nobody else can decide on it, with the file of its enrolment."""
    seen = await get(tx, caller, proposal_id)
    (enrolment,) = await enrolments(tx, enrolment_ids=[seen.enrolment_id], lock=True)
    proposal = await get(tx, caller, proposal_id)
    if proposal.state != "PENDING":
        raise Conflict(f"this proposal is {proposal.state} already: it is decided on once")
    if proposal.proposed_by == caller.subject:
        raise NotAllowed("who proposed a draw does not decide on it")
    (file,) = await load(tx, [enrolment], law)
    return proposal, file


def _faults(proposal: Proposal, given: Given) -> list[Fault]:
    faults = []
    if given.amount_cents is not None and given.amount_cents > proposal.amount_cents:
        detail = f"at most what is proposed: {proposal.amount_cents} cents"
        faults.append(Fault("L037", "/amountCents", detail))
    if proposal.statutory:
        return faults + missing_reasons(given.reasons, proposal.flags, given.decision_reference)
    if proposal.need == "NEEDS_COLLEGE_VIEW" and not given.decision_reference:
        detail = "is required: the view of the college on gifts above the limit (31(2)(s))"
        faults.append(Fault("L036", "/decisionReference", detail))
    return faults


def _must_be_possible(proposal: Proposal, file: CaseFile, law: Law, today: date) -> None:
    # A claim may be older than the article: it is settled on the day of the decision (reading 30).
    month_in_force = proposal.kind == "CLAIM_SETTLED" or in_force(law, proposal.month)
    if proposal.statutory and not (in_force(law, Month.of(today)) and month_in_force):
        raise Conflict("article 34b is in force from 1 January 2027: nothing of it is executed before")
    policy, first = file.case.policy, file.enrolment.first_month
    if policy.year_attribution != "BY_BOOKING":
        return
    used, own = period_of(policy, first, proposal.month, today), period_of(policy, first, first)
    if used != own:
        raise Conflict(
            f"a decision of today uses the cap of {used} and this buffer is that of {own}: its year is over"
        )


async def _decide(
    tx: Tx, caller: Caller, proposal: Proposal, decision: Decision, law: Law, figures: Figures
) -> Proposal:
    """Keep the decision, release the hold, and let the months be what they now are."""
    await proposal_store.decide(tx, proposal, decision)
    await hold(tx, {buffer(proposal.enrolment_id): -proposal.amount_cents})
    (enrolment,) = await enrolments(tx, enrolment_ids=[proposal.enrolment_id])
    if proposal.kind == "CLAIM_SETTLED":
        await tell_returned(tx, await finish(tx, enrolment, proposal.month, decision.amount_cents))
        return await get(tx, caller, proposal.proposal_id)
    (file,) = await load(tx, [enrolment], law)
    through = enrolment.closed_through or proposal.month
    outcome = await settle(tx, [file.until(through)], law, "LATE_FACT", actor=caller.subject)
    figures.count(tx, outcome, "LATE_FACT")
    await note_draws(tx, caller.subject, draws_of(outcome))
    return await get(tx, caller, proposal.proposal_id)
