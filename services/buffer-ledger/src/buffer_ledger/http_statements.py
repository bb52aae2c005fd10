"""The HTTP calls that show what the books say of a person, now and as they said it at an earlier instant."""

from datetime import datetime
from typing import Annotated

from fastapi import Path, Query
from pydantic import Field

from buffer_ledger import statements
from buffer_ledger.bookkeeping import buffer
from buffer_ledger.enrolments import enrolment_for
from buffer_ledger.http_parts import BackOffice, Limit, MonthAnswer, Parts, PathId, months_answer, note
from buffer_ledger.transfers import Movement, movements
from shared.api import ServiceRouter
from shared.dates import InstantParameter, MonthParameter
from shared.months import Month
from shared.requests import ResponseModel

EnrolmentId = Annotated[PathId, Path(alias="enrolmentId")]
AsOf = Annotated[
    InstantParameter | None,
    Query(alias="asOf", description="Show what was recorded by this instant, and nothing later."),
]
Version = Annotated[str, Query(pattern=r"^[0-9]{0,9}$", description="nextCursor of the page before.")]


class StatementAnswer(ResponseModel):
    """An enrolment's months; drawn and balance are what is booked, provisional months left out.

    With `asOf` everything is as the books said it at that instant: the revision of each month that stood
    then, what was drawn by then and the balance of then. There are no provisional months in it, because a
    projection is never recorded. An instant that lies further back than a transaction can last has one answer
    for ever.
    """

    enrolment_id: str
    participant_id: str
    cap_cents: int
    drawn_cents: int
    balance_cents: int
    as_of: datetime | None = None
    months: list[MonthAnswer]


class TransferAnswer(ResponseModel):
    """One transfer of the buffer: what it changed and the balance after it, in cents. Versions have no
    gap."""

    version: int
    transaction_id: str
    kind: str
    reason: str
    effective_month: Month | None = Field(None, description="The month it belongs to.")
    recorded_at: datetime = Field(description="When the books learnt of it; never goes back along versions.")
    change_cents: int
    balance_after_cents: int
    policy_version: int | None = None
    revision: int | None = Field(None, description="The revision of the month whose receipt it rests on.")
    evidence: list[str]
    reverses: str | None = Field(None, description="The transaction it undoes; each can be undone once.")


class TransfersAnswer(ResponseModel):
    """A page of transfers, oldest first; `nextCursor` leads to the next one."""

    items: list[TransferAnswer]
    next_cursor: str | None = None


def statement_calls(routes: ServiceRouter, parts: Parts) -> None:
    """Add the calls to the service's routes."""
    _statement(routes, parts)
    _transfers(routes, parts)


def _statement(routes: ServiceRouter, parts: Parts) -> None:
    @routes.get("/enrolments/{enrolmentId}/statement", response_model=StatementAnswer)
    async def read_statement(
        caller: BackOffice,
        enrolment_id: EnrolmentId,
        since: Annotated[MonthParameter | None, Query(alias="from")] = None,
        to: Annotated[MonthParameter | None, Query()] = None,
        as_of: AsOf = None,
    ) -> StatementAnswer:
        """The months of an enrolment: settled ones as booked, the others as they look now; with `asOf` only
        what had been recorded by then."""
        async with parts.database.write() as tx:
            enrolment = await enrolment_for(tx, caller, enrolment_id)
            if as_of is None:
                found = await statements.statement(
                    tx, enrolment, parts.law, this_month=Month.of_instant(tx.now), since=since, to=to
                )
            else:
                found = await statements.recorded_by(tx, enrolment, as_of, since=since, to=to)
            await note(tx, caller, "read-statement", enrolment.participant_id)
        return StatementAnswer(
            enrolment_id=enrolment.enrolment_id,
            participant_id=enrolment.participant_id,
            cap_cents=enrolment.cap_cents,
            drawn_cents=found.drawn_cents,
            balance_cents=found.balance_cents,
            as_of=as_of,
            months=months_answer(found),
        )


def _transfers(routes: ServiceRouter, parts: Parts) -> None:
    @routes.get("/enrolments/{enrolmentId}/transfers", response_model=TransfersAnswer)
    async def list_transfers(
        caller: BackOffice,
        enrolment_id: EnrolmentId,
        as_of: AsOf = None,
        cursor: Version = "",
        limit: Limit = 100,
    ) -> TransfersAnswer:
        """Everything that moved on the buffer, with version and balance after each transfer."""
        async with parts.database.write() as tx:
            enrolment = await enrolment_for(tx, caller, enrolment_id)
            if as_of is not None:
                statements.must_have_been(as_of, tx.now)
            account = buffer(enrolment.enrolment_id)
            found = await movements(tx, account, after=int(cursor or 0), limit=limit + 1, as_of=as_of)
            await note(tx, caller, "list-transfers", enrolment.participant_id)
        shown = found[:limit]
        more = str(shown[-1].version) if len(found) > limit else None
        return TransfersAnswer(items=[_transfer(moved) for moved in shown], next_cursor=more)


def _transfer(moved: Movement) -> TransferAnswer:
    return TransferAnswer(
        version=moved.version,
        transaction_id=moved.transaction_id,
        kind=moved.kind,
        reason=moved.reason,
        effective_month=moved.effective_month,
        recorded_at=moved.recorded_at,
        change_cents=moved.change_cents,
        balance_after_cents=moved.balance_after_cents,
        policy_version=moved.policy_version,
        revision=moved.revision,
        evidence=list(moved.evidence),
        reverses=moved.reverses,
    )
