"""Draw proposals and the decisions on them, as rows: many at a time, in a statement or two."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import Row, Select, bindparam, insert, select, update

from buffer_ledger.approvals import ApprovalNeed
from buffer_ledger.store import month_of
from buffer_ledger.tables import DECISION_ANNOUNCEMENT, DRAW_DECISION, DRAW_PROPOSAL
from shared.database import ReadTx, Tx, among
from shared.money import Cents
from shared.months import Month

ProposalState = Literal["PENDING", "APPROVED", "REJECTED", "WITHDRAWN", "EXPIRED"]
ProposalKind = Literal["PAYMENT", "CLAIM_SETTLED"]
ProposalFlag = Literal["BENEFIT_NIL", "WAGE_NIL", "ABOVE_GIFT_LIMIT", "CLAIM_BEFORE_2027"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided on a proposal. `amount_cents` is what was agreed to: nil when it was rejected."""

    outcome: Literal["APPROVED", "REJECTED"]
    amount_cents: Cents
    reasons: Mapping[str, str]
    decision_reference: str | None
    decided_by: str
    decided_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A draw that waits, or waited, for a person."""

    proposal_id: str
    enrolment_id: str
    participant_id: str
    municipality: str
    fund_id: str
    scheme_id: str
    month: Month
    revision: int
    kind: ProposalKind
    amount_cents: Cents
    total_cents: Cents
    need: ApprovalNeed
    statutory: bool
    flags: tuple[ProposalFlag, ...]
    state: ProposalState
    proposed_by: str
    recorded_at: datetime
    decision: Decision | None = None
    announced_on: date | None = None


@dataclass(frozen=True, slots=True)
class Agreement:
    """What people decided about one enrolment's months: totals agreed to and last refused, with their days,
    and the proposals that still wait."""

    approved: Mapping[Month, int] = field(default_factory=dict)
    rejected: Mapping[Month, int] = field(default_factory=dict)
    decided_on: Mapping[Month, date] = field(default_factory=dict)
    pending: Mapping[Month, Proposal] = field(default_factory=dict)


NOTHING_AGREED = Agreement()


def _with_decisions() -> Select[Any]:
    decision, announced = DRAW_DECISION.c, DECISION_ANNOUNCEMENT.c
    return (
        select(
            DRAW_PROPOSAL,
            decision.outcome,
            decision.amount_cents.label("agreed_cents"),
            decision.reasons,
            decision.decision_reference,
            decision.decided_by,
            decision.decided_on,
            announced.announced_on,
        )
        .outerjoin(DRAW_DECISION, decision.proposal_id == DRAW_PROPOSAL.c.proposal_id)
        .outerjoin(DECISION_ANNOUNCEMENT, announced.proposal_id == DRAW_PROPOSAL.c.proposal_id)
        .order_by(DRAW_PROPOSAL.c.proposal_id)
    )


async def agreements(reading: ReadTx, enrolment_ids: Collection[str]) -> dict[str, Agreement]:
    """What was decided about the months of enrolments, and what waits; one query."""
    ids = list(enrolment_ids)
    found = _with_decisions().where(
        among(DRAW_PROPOSAL.c.enrolment_id, ids), DRAW_PROPOSAL.c.kind == "PAYMENT"
    )
    grouped: dict[str, list[Proposal]] = {}
    for row in await reading.rows(found.order_by(None).order_by(DRAW_PROPOSAL.c.revision)) if ids else ():
        grouped.setdefault(row.enrolment_id, []).append(_proposal_of(row))
    return {enrolment_id: _agreement(proposals) for enrolment_id, proposals in grouped.items()}


def _agreement(proposals: Sequence[Proposal]) -> Agreement:
    """By revision: a later decision of a month counts over an earlier one."""
    approved: dict[Month, int] = {}
    rejected: dict[Month, int] = {}
    decided_on: dict[Month, date] = {}
    pending = {each.month: each for each in proposals if each.state == "PENDING"}
    for proposal in proposals:
        decision, month = proposal.decision, proposal.month
        if decision is None:
            continue
        rejected.pop(month, None)
        if decision.amount_cents > 0:
            before = proposal.total_cents - proposal.amount_cents
            approved[month] = max(approved.get(month, 0), before + decision.amount_cents)
            decided_on[month] = decision.decided_on
        if decision.amount_cents < proposal.amount_cents:
            rejected[month] = proposal.total_cents
    return Agreement(approved, rejected, decided_on, pending)


async def add(tx: Tx, proposals: Sequence[Proposal]) -> None:
    """Keep new proposals."""
    rows = [
        {
            "proposal_id": each.proposal_id,
            "enrolment_id": each.enrolment_id,
            "participant_id": each.participant_id,
            "municipality": each.municipality,
            "fund_id": each.fund_id,
            "scheme_id": each.scheme_id,
            "month": str(each.month),
            "revision": each.revision,
            "kind": each.kind,
            "amount_cents": each.amount_cents,
            "total_cents": each.total_cents,
            "need": each.need,
            "statutory": each.statutory,
            "flags": list(each.flags),
            "state": each.state,
            "proposed_by": each.proposed_by,
            "recorded_at": each.recorded_at,
        }
        for each in proposals
    ]
    await tx.execute(insert(DRAW_PROPOSAL), rows)


_LEAVE = (
    update(DRAW_PROPOSAL)
    .where(DRAW_PROPOSAL.c.proposal_id == bindparam("b_proposal"), DRAW_PROPOSAL.c.state == "PENDING")
    .values(state=bindparam("b_state"))
)


async def leave_pending(tx: Tx, proposal_ids: Collection[str], state: ProposalState) -> None:
    """Let pending proposals become something else, once; the caller holds their enrolments' locks."""
    rows = [{"b_proposal": proposal_id, "b_state": state} for proposal_id in proposal_ids]
    await tx.execute(_LEAVE, rows)


async def decide(tx: Tx, proposal: Proposal, decision: Decision) -> None:
    """Keep the decision on a pending proposal; the key of its row lets there be one only."""
    row = {
        "proposal_id": proposal.proposal_id,
        "outcome": decision.outcome,
        "amount_cents": decision.amount_cents,
        "reasons": dict(decision.reasons),
        "decision_reference": decision.decision_reference,
        "decided_by": decision.decided_by,
        "decided_on": decision.decided_on,
        "recorded_at": tx.now,
    }
    await tx.execute(insert(DRAW_DECISION), [row])
    await leave_pending(tx, [proposal.proposal_id], decision.outcome)


async def announce(tx: Tx, proposal_id: str, announced_on: date, recorded_by: str) -> None:
    """Keep the day on which a decision was announced."""
    row = {
        "proposal_id": proposal_id,
        "announced_on": announced_on,
        "recorded_by": recorded_by,
        "recorded_at": tx.now,
    }
    await tx.execute(insert(DECISION_ANNOUNCEMENT), [row])


async def find(reading: ReadTx, proposal_id: str) -> Proposal | None:
    """One proposal with its decision, or None."""
    row = await reading.first(_with_decisions().where(DRAW_PROPOSAL.c.proposal_id == proposal_id))
    return None if row is None else _proposal_of(row)


async def page(
    reading: ReadTx,
    municipality: str,
    *,
    after: str = "",
    limit: int,
    state: ProposalState | None = None,
    month: Month | None = None,
    enrolment_id: str | None = None,
) -> list[Proposal]:
    """A municipality's proposals, oldest first, from after an id."""
    columns = DRAW_PROPOSAL.c
    found = _with_decisions().where(columns.municipality == municipality, columns.proposal_id > after)
    if state is not None:
        found = found.where(columns.state == state)
    if month is not None:
        found = found.where(columns.month == str(month))
    if enrolment_id is not None:
        found = found.where(columns.enrolment_id == enrolment_id)
    return [_proposal_of(row) for row in await reading.rows(found.limit(limit))]


async def pending_of(reading: ReadTx, enrolment_ids: Collection[str]) -> list[Proposal]:
    """The proposals of enrolments that still wait."""
    found = _with_decisions().where(
        among(DRAW_PROPOSAL.c.enrolment_id, enrolment_ids), DRAW_PROPOSAL.c.state == "PENDING"
    )
    return [_proposal_of(row) for row in await reading.rows(found)] if enrolment_ids else []


def _proposal_of(row: Row[Any]) -> Proposal:
    decision = None
    if row.outcome is not None:
        decision = Decision(
            row.outcome,
            Cents(row.agreed_cents),
            row.reasons,
            row.decision_reference,
            row.decided_by,
            row.decided_on,
        )
    return Proposal(
        proposal_id=row.proposal_id,
        enrolment_id=row.enrolment_id,
        participant_id=row.participant_id,
        municipality=row.municipality,
        fund_id=row.fund_id,
        scheme_id=row.scheme_id,
        month=month_of(row.month),
        revision=row.revision,
        kind=row.kind,
        amount_cents=Cents(row.amount_cents),
        total_cents=Cents(row.total_cents),
        need=row.need,
        statutory=row.statutory,
        flags=tuple(row.flags),
        state=row.state,
        proposed_by=row.proposed_by,
        recorded_at=row.recorded_at,
        decision=decision,
        announced_on=row.announced_on,
    )
