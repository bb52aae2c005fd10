"""The HTTP calls of income-intake and the bodies they take and give."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import Body, Path, Request, Response
from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from income_intake import batches, intake, participants, slip_view
from income_intake.http_batches import batch_calls
from income_intake.http_parts import BackOffice, Parts, PathId
from income_intake.intake import PURPOSE, Outcome
from income_intake.participants import Employer, Registration
from income_intake.slip_form import (
    Bsn,
    EmployerName,
    EmployerNumber,
    ExternalReference,
    MunicipalityCode,
    SlipForm,
    Uuid,
    read_slip,
)
from income_intake.slips import employer_faults, employer_identity, person_faults
from income_intake.versions import Status
from shared import access_log
from shared.api import ServiceRouter, known
from shared.commands import About, Answer, command
from shared.contracts.events import DeclarationKind, PayPeriod
from shared.database import Tx
from shared.dates import CalendarMonth
from shared.errors import Fault
from shared.months import Month, amsterdam_date
from shared.requests import RequestModel, ResponseModel, items_of

# ---- bodies


class EmploymentRequest(RequestModel):
    """A job that is expected to send slips."""

    employer_number: EmployerNumber | None = None
    employer_name: EmployerName
    pay_period: PayPeriod

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        return employer_faults(parsed)


class ParticipantRequest(RequestModel):
    """A person by bsn, or by a reference of the municipality's own, and the jobs known now."""

    municipality: MunicipalityCode
    bsn: Bsn | None = None
    external_reference: ExternalReference | None = None
    employments: Annotated[list[EmploymentRequest], Field(max_length=50)] | None = Field(
        None, description="All jobs known now. Left out: those known stay."
    )

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        faults = person_faults(parsed)
        if all(name in parsed and parsed[name] is None for name in ("bsn", "external_reference")):
            faults.append(Fault("W012", "", "name the person: give bsn or externalReference"))
        seen = set()
        for index, job in items_of(parsed, "employments"):
            employer = employer_identity(job.employer_number, job.employer_name)
            if employer in seen:
                faults.append(Fault("W025", f"/employments/{index}", "this employer is listed before"))
            seen.add(employer)
        return faults


class ParticipantAnswer(ResponseModel):
    """The person's id, which tells nothing about the person."""

    participant_id: str


class ErasureAnswer(ResponseModel):
    """The erasure is recorded; every service destroys its key of the person."""

    participant_id: str


class WageSlipAnswer(ResponseModel):
    """What became of a slip."""

    wage_slip_id: str = Field(description="Of a DUPLICATE: the version that has this content already.")
    status: Literal["ACCEPTED", "CORRECTION", "DUPLICATE"] = Field(
        description="ACCEPTED: the first of this slip. CORRECTION: other content, or a version not seen "
        "before. DUPLICATE: known, so nothing was recorded; with supersededBy it is known and does not count."
    )
    supersedes: str | None = Field(None, description="The version that counted until now.")
    superseded_by: str | None = Field(
        None,
        description="The version that counts, because this one does not. A DUPLICATE has it when its content "
        "was corrected since (A, then B, then A again without version): B still counts, and the amount did "
        "not go back. To return to the earlier content, give it a version higher than those before.",
    )
    net_cents: int = Field(description="The countable net wage of what was sent; with lines it is computed.")


class DeclarationRequest(RequestModel):
    """The person (or an official for them) declares a month without work (ZERO), or one in which nothing
    changed so that no slip is due (UNCHANGED)."""

    participant_id: Uuid
    month: CalendarMonth
    kind: DeclarationKind


class DeclarationAnswer(ResponseModel):
    """The declaration as it is recorded."""

    declaration_id: str
    participant_id: str
    month: Month
    kind: DeclarationKind
    recorded_at: datetime


class _DescribedAsSlip:
    """Any JSON value, described as a slip: read with the day it came, so that one answer has all faults."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        described = handler.generate_schema(SlipForm)
        return core_schema.no_info_wrap_validator_function(lambda value, _: value, described)


SlipBody = Annotated[Any, _DescribedAsSlip, Body()]


# ---- routes

_UNKNOWN_PERSON: Final[dict[int | str, dict[str, Any]]] = {
    404: {
        "description": "No such person is registered in this municipality (W011 at /participantId). The "
        "id is unknown, of another municipality or of somebody erased; which of these is not told."
    }
}


def router(parts: Parts) -> ServiceRouter:
    """All calls of the service."""
    routes = ServiceRouter("income-intake")
    _people(routes, parts)
    _slips(routes, parts)
    batch_calls(routes, parts)
    return routes


def _people(routes: ServiceRouter, parts: Parts) -> None:
    @routes.post(
        "/participants", status_code=201, response_model=ParticipantAnswer, responses=known(ParticipantAnswer)
    )
    async def register_participant(
        request: Request, caller: BackOffice, body: ParticipantRequest
    ) -> Response:
        """Register a person. The same number or reference again: 200, the same id, the jobs as sent now."""
        caller.must_be_of(body.municipality)
        employments = body.employments
        registration = Registration(
            body.municipality,
            body.bsn,
            body.external_reference,
            None
            if employments is None
            else [Employer(job.employer_name, job.employer_number, job.pay_period) for job in employments],
        )

        async def run(tx: Tx) -> Answer:
            participant_id, new = await participants.register(tx, parts.keys, registration, caller.subject)
            # The id alone tells nothing; beside the hash of its input it would still link a BSN to it.
            about = About(participant_id, PURPOSE, "register")
            return Answer(ParticipantAnswer(participant_id=participant_id), 201 if new else 200, about=about)

        return await command(request, parts.database, caller, run)

    @routes.post("/participants/{participantId}/_erase", status_code=202, response_model=ErasureAnswer)
    async def erase_participant(
        request: Request, caller: BackOffice, participant_id: Annotated[PathId, Path(alias="participantId")]
    ) -> Response:
        """Erase a person in every service; 409 with the reason while data about the person must be kept."""
        municipality = caller.of_municipality

        async def run(tx: Tx) -> Answer:
            await participants.erase(tx, municipality, participant_id, parts.retention, caller.subject)
            tx.on_commit(parts.wake_erasures)
            # Not kept under the person's key: whoever asks again after the erasure is told that it was taken.
            return Answer(ErasureAnswer(participant_id=participant_id), 202)

        return await command(request, parts.database, caller, run)


def _slips(routes: ServiceRouter, parts: Parts) -> None:
    @routes.post(
        "/wage-slips",
        status_code=201,
        response_model=WageSlipAnswer,
        responses={**known(WageSlipAnswer), **_UNKNOWN_PERSON},
    )
    async def report_wage_slip(request: Request, caller: BackOffice, body: SlipBody) -> Response:
        """Take in one slip: 201 when it is new or a correction, 200 when it is known."""
        municipality = caller.of_municipality
        form = read_slip(body, amsterdam_date(parts.database.clock.now()))
        if form.municipality is not None:
            caller.must_be_of(form.municipality)

        async def run(tx: Tx) -> Answer:
            outcome = await intake.take_in_one(tx, parts.keys, municipality, form, caller.subject)
            tx.on_commit(lambda: batches.count(parts.metrics, [outcome]))
            status = 200 if outcome.status is Status.DUPLICATE else 201
            about = About(outcome.participant_id or "", PURPOSE, "report-wage-slip")
            return Answer(_wage_slip_answer(outcome), status, about=about)

        return await command(request, parts.database, caller, run)

    @routes.get("/wage-slips/{wageSlipId}", response_model=slip_view.WageSlip)
    async def read_wage_slip(
        caller: BackOffice, wage_slip_id: Annotated[PathId, Path(alias="wageSlipId")]
    ) -> slip_view.WageSlip:
        """One version of a slip, and all versions of that slip."""
        async with parts.database.write() as tx:
            slip = await slip_view.read(tx, parts.keys, caller.of_municipality, wage_slip_id)
            await access_log.record(
                tx,
                actor=caller.subject,
                purpose=PURPOSE,
                action="read-wage-slip",
                participant_ids=[slip.participant_id],
            )
        return slip

    @routes.post(
        "/month-declarations",
        status_code=201,
        response_model=DeclarationAnswer,
        responses={**known(DeclarationAnswer), **_UNKNOWN_PERSON},
    )
    async def declare_month(request: Request, caller: BackOffice, body: DeclarationRequest) -> Response:
        """Declare a month without work: 201, or 200 when it was declared before."""
        municipality = caller.of_municipality

        async def run(tx: Tx) -> Answer:
            declared, new = await intake.declare_month(
                tx, municipality, body.participant_id, body.month, body.kind, caller.subject
            )
            answer = DeclarationAnswer(
                declaration_id=declared.declaration_id,
                participant_id=declared.participant_id,
                month=declared.month,
                kind=body.kind,
                recorded_at=declared.recorded_at,
            )
            about = About(body.participant_id, PURPOSE, "declare-month")
            return Answer(answer, 201 if new else 200, about=about)

        return await command(request, parts.database, caller, run)


def _wage_slip_answer(outcome: Outcome) -> WageSlipAnswer:
    return WageSlipAnswer(
        wage_slip_id=outcome.wage_slip_id or "",
        status=outcome.status.value,
        supersedes=outcome.supersedes,
        superseded_by=outcome.superseded_by,
        net_cents=outcome.net_cents,
    )
