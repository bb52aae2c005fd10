"""The HTTP call for money that a person gave back."""

from datetime import date
from typing import Annotated

from fastapi import Path, Request, Response

from buffer_ledger import repayments
from buffer_ledger.draw_log import PURPOSE
from buffer_ledger.enrolments import enrolment_for
from buffer_ledger.http_parts import BackOffice, Parts, PathId, note
from shared.api import ServiceRouter
from shared.commands import About, Answer, command
from shared.database import Tx
from shared.dates import CalendarMonth, Day
from shared.money import PositiveCents
from shared.months import Month
from shared.requests import RequestModel, ResponseModel

EnrolmentId = Annotated[PathId, Path(alias="enrolmentId")]


class RepaymentRequest(RequestModel):
    """Money that came back: the month it belongs to, the amount and the day it was received."""

    month: CalendarMonth
    amount_cents: PositiveCents
    received_on: Day


class RepaymentAnswer(ResponseModel):
    """The repayment is kept, and booked once its month is closed."""

    repayment_id: str
    enrolment_id: str
    month: Month
    amount_cents: int
    received_on: date


def repayment_calls(routes: ServiceRouter, parts: Parts) -> None:
    """Add the call to the service's routes."""

    @routes.post("/enrolments/{enrolmentId}/repayments", status_code=201, response_model=RepaymentAnswer)
    async def repay(
        request: Request, caller: BackOffice, enrolment_id: EnrolmentId, body: RepaymentRequest
    ) -> Response:
        """Report that money came back: it is in the buffer again, never above its cap."""

        async def run(tx: Tx) -> Answer:
            enrolment = await enrolment_for(tx, caller, enrolment_id)
            repayment_id = await repayments.repay(
                tx,
                caller,
                enrolment_id,
                month=body.month,
                amount_cents=body.amount_cents,
                received_on=body.received_on,
                law=parts.law,
                figures=parts.figures,
            )
            await note(tx, caller, "report-repayment", enrolment.participant_id)
            answer = RepaymentAnswer(
                repayment_id=repayment_id,
                enrolment_id=enrolment_id,
                month=body.month,
                amount_cents=body.amount_cents,
                received_on=body.received_on,
            )
            about = About(enrolment.participant_id, PURPOSE, "report-repayment")
            return Answer(answer, 201, about=about)

        return await command(request, parts.database, caller, run)
