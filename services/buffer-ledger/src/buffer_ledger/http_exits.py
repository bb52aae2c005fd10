"""The HTTP calls for the end of bijstand: note it, look at it, open the enrolment again."""

from datetime import date
from typing import Annotated

from fastapi import Path, Request, Response
from pydantic import Field, Strict, StringConstraints

from buffer_ledger import exits
from buffer_ledger.draw_log import PURPOSE
from buffer_ledger.enrolments import enrolment_for
from buffer_ledger.exits import Exit
from buffer_ledger.http_parts import BackOffice, Parts, PathId, ReceiptLineAnswer, note
from shared.api import ServiceRouter
from shared.commands import About, Answer, command
from shared.database import Tx
from shared.dates import Day
from shared.months import Month
from shared.requests import RequestModel, ResponseModel

EnrolmentId = Annotated[PathId, Path(alias="enrolmentId")]
ExitReason = Annotated[
    str, StringConstraints(pattern=r"^[A-Z][A-Z_]{1,39}$"), Field(examples=["WORK", "MOVED", "AOW"])
]


class EndRequest(RequestModel):
    """Bijstand ended: the first day without it, and why."""

    benefit_ended_on: Day = Field(description="The first day without bijstand.")
    reason: ExitReason
    holiday_allowance_set_off: Annotated[bool, Strict()] = Field(
        True, description="Whether the holiday allowance due is set off against the claim, or paid out."
    )


class ReopenRequest(RequestModel):
    """The person is back."""

    benefit_from: Day


class ExitMonthAnswer(ResponseModel):
    """A month with bijstand: what was paid and what its own wage gives a right to, in cents."""

    month: Month
    paid_cents: int
    entitled_cents: int
    holiday_allowance_cents: int


class ExitAnswer(ResponseModel):
    """An exit with what is known now, in cents. `settledCents` is absent while it waits."""

    enrolment_id: str
    state: str
    benefit_ended_on: date
    reason: str
    complete: bool
    paid_cents: int
    entitled_cents: int
    claim_cents: int
    holiday_allowance_due_cents: int
    net_claim_cents: int
    offered_cents: int
    settled_cents: int | None = None
    gross_up_risk: bool = Field(description="The claim is open in December: tax and premiums may follow.")
    months: list[ExitMonthAnswer]
    receipt: list[ReceiptLineAnswer]


class ReopenedAnswer(ResponseModel):
    """The enrolment goes on: same period, same account, same cap."""

    enrolment_id: str
    state: str
    first_month: Month
    last_month: Month
    cap_cents: int


def exit_calls(routes: ServiceRouter, parts: Parts) -> None:
    """Add the calls to the service's routes."""

    @routes.post("/enrolments/{enrolmentId}/_end", response_model=ExitAnswer)
    async def end(
        request: Request, caller: BackOffice, enrolment_id: EnrolmentId, body: EndRequest
    ) -> Response:
        """Note that bijstand ended; it is settled once its months are known, thirty days later at the
        earliest. Again changes nothing."""

        async def run(tx: Tx) -> Answer:
            found = await exits.end_benefit(
                tx,
                caller,
                enrolment_id,
                benefit_ended_on=body.benefit_ended_on,
                reason=body.reason,
                set_off=body.holiday_allowance_set_off,
                law=parts.law,
                figures=parts.figures,
            )
            person = found.enrolment.participant_id
            await note(tx, caller, "end-benefit", person)
            return Answer(_answer(found), about=About(person, PURPOSE, "end-benefit"))

        return await command(request, parts.database, caller, run)

    @routes.post("/enrolments/{enrolmentId}/_reopen", response_model=ReopenedAnswer)
    async def reopen(
        request: Request, caller: BackOffice, enrolment_id: EnrolmentId, body: ReopenRequest
    ) -> Response:
        """Open the enrolment again for a person who is back within a year: same account and same cap."""

        async def run(tx: Tx) -> Answer:
            opened = await exits.reopen(tx, caller, enrolment_id, body.benefit_from, parts.law)
            await note(tx, caller, "reopen-enrolment", opened.participant_id)
            answer = ReopenedAnswer(
                enrolment_id=opened.enrolment_id,
                state=opened.state,
                first_month=opened.first_month,
                last_month=opened.last_month,
                cap_cents=opened.cap_cents,
            )
            return Answer(answer, about=About(opened.participant_id, PURPOSE, "reopen-enrolment"))

        return await command(request, parts.database, caller, run)

    @routes.get("/enrolments/{enrolmentId}/exit", response_model=ExitAnswer)
    async def read_exit(caller: BackOffice, enrolment_id: EnrolmentId) -> ExitAnswer:
        """What an exit comes to, by month."""
        async with parts.database.write() as tx:
            enrolment = await enrolment_for(tx, caller, enrolment_id)
            await note(tx, caller, "read-exit", enrolment.participant_id)
            return _answer(await exits.exit_of(tx, enrolment, parts.law))


def _answer(found: Exit) -> ExitAnswer:
    settlement = found.settlement
    return ExitAnswer(
        enrolment_id=found.enrolment.enrolment_id,
        state=found.enrolment.state,
        benefit_ended_on=found.benefit_ended_on,
        reason=found.reason,
        complete=settlement.complete,
        paid_cents=settlement.paid_cents,
        entitled_cents=settlement.entitled_cents,
        claim_cents=settlement.claim_cents,
        holiday_allowance_due_cents=settlement.holiday_allowance_cents,
        net_claim_cents=settlement.net_claim_cents,
        offered_cents=found.offered_cents,
        settled_cents=found.settled_cents,
        gross_up_risk=found.gross_up_risk,
        months=[
            ExitMonthAnswer(
                month=month.month,
                paid_cents=month.paid_cents,
                entitled_cents=month.entitled_cents,
                holiday_allowance_cents=month.holiday_allowance_cents,
            )
            for month in settlement.months
        ],
        receipt=[ReceiptLineAnswer.model_validate(line.to_json()) for line in settlement.receipt],
    )
