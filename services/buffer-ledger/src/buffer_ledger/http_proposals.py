"""The HTTP calls for draw proposals: what waits for a person, and what that person decides."""

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request, Response
from pydantic import Field, StringConstraints

from buffer_ledger import proposal_store, proposals
from buffer_ledger.casefiles import settled_revision
from buffer_ledger.draw_log import PURPOSE
from buffer_ledger.http_parts import Cursor, Limit, Parts, PathId, note
from buffer_ledger.proposal_store import Proposal, ProposalState
from buffer_ledger.proposals import Given
from buffer_ledger.statutory import objection_until
from shared.api import ServiceRouter
from shared.commands import About, Answer, command
from shared.database import ReadTx, Tx
from shared.dates import Day, MonthParameter
from shared.ids import UuidText
from shared.money import PositiveCents
from shared.months import Month
from shared.requests import RequestModel, ResponseModel
from shared.tokens import Caller, Role, allow

ProposalId = Annotated[PathId, Path(alias="proposalId")]
Official = Annotated[Caller, Depends(allow(Role.OFFICIAL))]
OfficialOrBackOffice = Annotated[Caller, Depends(allow(Role.OFFICIAL, Role.BACKOFFICE))]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True)]
Reference = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]


class ApprovalRequest(RequestModel):
    """What an official says to agree. Statutory money needs every reason and the decision; a view of the
    college its reference; a second pair of eyes nothing."""

    reason_a: Reason | None = Field(None, description="Why 34b(1)(a) is met: less than the norm at hand.")
    reason_b: Reason | None = Field(None, description="Why 34b(1)(b) is met: it helps to work.")
    reason2: Reason | None = Field(None, description="Why 34b(2) is met: it helps stability of income.")
    flag_reasons: dict[str, Reason] = Field(
        default_factory=dict, description="A reason of its own for each flag of the proposal."
    )
    decision_reference: Reference | None = None
    amount_cents: PositiveCents | None = Field(None, description="To agree to less than is proposed.")

    def given(self) -> Given:
        """The reasons by the names under which they are kept."""
        named = {"reasonA": self.reason_a, "reasonB": self.reason_b, "reason2": self.reason2}
        reasons = {name: reason for name, reason in named.items() if reason is not None}
        return Given({**reasons, **self.flag_reasons}, self.decision_reference, self.amount_cents)


class RejectionRequest(RequestModel):
    """Why a proposal is refused."""

    reason: Reason


class AnnouncementRequest(RequestModel):
    """The day on which the municipality announced its decision to the person."""

    announced_on: Day


class DecisionAnswer(ResponseModel):
    """What was decided, by whom, when and why."""

    outcome: str
    amount_cents: int
    reasons: dict[str, Any]
    decision_reference: str | None = None
    decided_by: str
    decided_on: date
    announced_on: date | None = None
    objection_until: date | None = Field(
        None, description="Six weeks after the announcement of a statutory decision (Awb 6:7)."
    )


class ProposalAnswer(ResponseModel):
    """A draw that waits, or waited, for a person. Both floors are shown: 34b(1)(a) may mean either."""

    proposal_id: str
    enrolment_id: str
    participant_id: str
    fund_id: str
    scheme_id: str
    month: Month
    revision: int
    kind: str
    amount_cents: int
    total_cents: int
    approval_needed: str
    statutory: bool
    flags: list[str]
    state: ProposalState
    proposed_by: str
    recorded_at: datetime
    wage_cents: int | None = None
    benefit_paid_cents: int | None = None
    cash_cents: int | None = None
    floor_cents: int | None = None
    shortfall_cents: int | None = None
    norm_cents: int | None = Field(None, description="The norm with its holiday part.")
    decision: DecisionAnswer | None = None


class ProposalsAnswer(ResponseModel):
    """A page of proposals; `nextCursor` leads to the next one."""

    items: list[ProposalAnswer]
    next_cursor: str | None = None


def proposal_calls(routes: ServiceRouter, parts: Parts) -> None:
    """Add the calls to the service's routes."""
    _reading(routes, parts)
    _deciding(routes, parts)


def _reading(routes: ServiceRouter, parts: Parts) -> None:
    @routes.get("/draw-proposals", response_model=ProposalsAnswer)
    async def list_proposals(
        caller: OfficialOrBackOffice,
        state: ProposalState | None = None,
        month: Annotated[MonthParameter | None, Query()] = None,
        enrolment_id: Annotated[UuidText | None, Query(alias="enrolmentId")] = None,
        cursor: Cursor = "",
        limit: Limit = 100,
    ) -> ProposalsAnswer:
        """The municipality's draw proposals, oldest first."""
        async with parts.database.write() as tx:
            found = await proposal_store.page(
                tx,
                caller.of_municipality,
                after=cursor,
                limit=limit + 1,
                state=state,
                month=month,
                enrolment_id=enrolment_id,
            )
            shown, more = found[:limit], len(found) > limit
            await note(tx, caller, "list-draw-proposals", *(each.participant_id for each in shown))
            items = [_answer(each) for each in shown]
        return ProposalsAnswer(items=items, next_cursor=shown[-1].proposal_id if more else None)

    @routes.get("/draw-proposals/{proposalId}", response_model=ProposalAnswer)
    async def read_proposal(caller: OfficialOrBackOffice, proposal_id: ProposalId) -> ProposalAnswer:
        """One proposal with the month it is for."""
        async with parts.database.write() as tx:
            found = await proposals.get(tx, caller, proposal_id)
            await note(tx, caller, "read-draw-proposal", found.participant_id)
            return await _with_month(tx, found)


def _deciding(routes: ServiceRouter, parts: Parts) -> None:
    @routes.post("/draw-proposals/{proposalId}/_approve", response_model=ProposalAnswer)
    async def approve(
        request: Request, caller: Official, proposal_id: ProposalId, body: ApprovalRequest
    ) -> Response:
        """Agree to a proposal under a mandate: once (409), and not by who proposed it (403)."""

        async def run(tx: Tx) -> Answer:
            decided = await proposals.approve(tx, caller, proposal_id, body.given(), parts.law, parts.figures)
            return await _decided(tx, caller, decided, "approve-draw-proposal")

        return await command(request, parts.database, caller, run)

    @routes.post("/draw-proposals/{proposalId}/_reject", response_model=ProposalAnswer)
    async def reject(
        request: Request, caller: Official, proposal_id: ProposalId, body: RejectionRequest
    ) -> Response:
        """Refuse a proposal with a reason: once (409), and not by who proposed it (403)."""

        async def run(tx: Tx) -> Answer:
            decided = await proposals.reject(tx, caller, proposal_id, body.reason, parts.law, parts.figures)
            return await _decided(tx, caller, decided, "reject-draw-proposal")

        return await command(request, parts.database, caller, run)

    @routes.post("/draw-proposals/{proposalId}/_announced", response_model=ProposalAnswer)
    async def announced(
        request: Request, caller: OfficialOrBackOffice, proposal_id: ProposalId, body: AnnouncementRequest
    ) -> Response:
        """Report that a statutory decision was announced: from now on the person may be told of the draw."""

        async def run(tx: Tx) -> Answer:
            told = await proposals.announce(tx, caller, proposal_id, body.announced_on)
            return await _decided(tx, caller, told, "announce-draw-decision")

        return await command(request, parts.database, caller, run)


async def _decided(tx: Tx, caller: Caller, proposal: Proposal, action: str) -> Answer:
    await note(tx, caller, action, proposal.participant_id)
    about = About(proposal.participant_id, PURPOSE, action)
    return Answer(await _with_month(tx, proposal), about=about)


async def _with_month(reading: ReadTx, proposal: Proposal) -> ProposalAnswer:
    """The proposal with the month as it was when it was proposed."""
    answer = _answer(proposal)
    settled = await settled_revision(reading, proposal.enrolment_id, proposal.month, proposal.revision)
    if settled is None:
        return answer
    row = settled.row
    return answer.model_copy(
        update={
            "wage_cents": row.wage_cents,
            "benefit_paid_cents": row.benefit_paid_cents,
            "cash_cents": row.cash_cents,
            "floor_cents": row.floor_cents,
            "shortfall_cents": row.shortfall_cents,
            "norm_cents": row.norm_cents,
        }
    )


def _answer(proposal: Proposal) -> ProposalAnswer:
    return ProposalAnswer(
        proposal_id=proposal.proposal_id,
        enrolment_id=proposal.enrolment_id,
        participant_id=proposal.participant_id,
        fund_id=proposal.fund_id,
        scheme_id=proposal.scheme_id,
        month=proposal.month,
        revision=proposal.revision,
        kind=proposal.kind,
        amount_cents=proposal.amount_cents,
        total_cents=proposal.total_cents,
        approval_needed=proposal.need,
        statutory=proposal.statutory,
        flags=list(proposal.flags),
        state=proposal.state,
        proposed_by=proposal.proposed_by,
        recorded_at=proposal.recorded_at,
        decision=_decision(proposal),
    )


def _decision(proposal: Proposal) -> DecisionAnswer | None:
    decision, announced = proposal.decision, proposal.announced_on
    if decision is None:
        return None
    return DecisionAnswer(
        outcome=decision.outcome,
        amount_cents=decision.amount_cents,
        reasons=dict(decision.reasons),
        decision_reference=decision.decision_reference,
        decided_by=decision.decided_by,
        decided_on=decision.decided_on,
        announced_on=announced,
        objection_until=None if announced is None else objection_until(announced),
    )
