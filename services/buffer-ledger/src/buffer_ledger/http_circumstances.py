"""The HTTP calls for what changes during an enrolment: the household and the days with right to bijstand."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from fastapi import Body, Request, Response
from pydantic import Field

from buffer_ledger import circumstances
from buffer_ledger.casefiles import Enrolment, set_partner
from buffer_ledger.cases import open_case
from buffer_ledger.circumstances import HouseholdChange
from buffer_ledger.draw_log import PURPOSE
from buffer_ledger.enrolments import enrolment_for
from buffer_ledger.household_request import (
    BenefitPeriodRequest,
    HouseholdRequest,
    kept_household,
    period_faults,
)
from buffer_ledger.http_parts import BackOffice, EnrolmentId, Parts, note
from buffer_ledger.resettling import resettle
from shared.api import NO_SUCH, ServiceRouter
from shared.commands import About, Answer, command
from shared.database import Tx
from shared.dates import Day
from shared.errors import Conflict, Fault, Invalid
from shared.months import Month
from shared.requests import RequestModel, ResponseModel

PERIODS_MAX = 60


class HouseholdChangeRequest(RequestModel):
    """The household from a day on, whole; within a month each household counts for its own days."""

    from_: Day = Field(alias="from")
    household: HouseholdRequest


class HouseholdChangeAnswer(ResponseModel):
    """A household from a day on."""

    from_: date = Field(alias="from")
    household: dict[str, Any]


class HouseholdsAnswer(ResponseModel):
    """The household the enrolment began with, and what changed since."""

    enrolment_id: str
    household: dict[str, Any]
    changes: list[HouseholdChangeAnswer]


class PeriodAnswer(ResponseModel):
    """Days with right to bijstand; without `to` they go on."""

    from_: date = Field(alias="from")
    to: date | None = None


class PeriodsAnswer(ResponseModel):
    """The days of right of an enrolment; an empty list means all the time."""

    enrolment_id: str
    benefit_periods: list[PeriodAnswer]


def circumstance_calls(routes: ServiceRouter, parts: Parts) -> None:
    """Add the calls to the service's routes."""
    _households(routes, parts)
    _periods(routes, parts)


def _households(routes: ServiceRouter, parts: Parts) -> None:
    @routes.post(
        "/enrolments/{enrolmentId}/household-changes",
        status_code=201,
        response_model=HouseholdsAnswer,
        responses=NO_SUCH,
    )
    async def change_household(
        request: Request, caller: BackOffice, enrolment_id: EnrolmentId, body: HouseholdChangeRequest
    ) -> Response:
        """Say that the household is another one from a day on; closed months are settled again."""

        async def run(tx: Tx) -> Answer:
            enrolment = await enrolment_for(tx, caller, enrolment_id, lock=True)
            _must_run(enrolment)
            if body.from_ <= enrolment.first_month.first_day:
                detail = f"must lie after the first day of the enrolment, {enrolment.first_month.first_day}"
                raise Invalid([Fault("L064", "/from", detail)])
            household = kept_household(body.household)
            await circumstances.keep_household_change(
                tx, enrolment.enrolment_id, HouseholdChange(body.from_, household)
            )
            if body.household.partner_participant_id is not None:
                await set_partner(tx, enrolment.enrolment_id, body.household.partner_participant_id)
            await review_partner(tx, enrolment, household, Month.of(body.from_))
            await _again(tx, caller, parts, enrolment_id, Month.of(body.from_))
            await note(tx, caller, "change-household", enrolment.participant_id)
            changes = (await circumstances.household_changes(tx, [enrolment_id]))[enrolment_id]
            answer = HouseholdsAnswer(
                enrolment_id=enrolment_id,
                household=dict(enrolment.household),
                changes=[
                    HouseholdChangeAnswer(from_=change.from_day, household=dict(change.household))
                    for change in changes
                ],
            )
            return Answer(answer, 201, about=About(enrolment.participant_id, PURPOSE, "change-household"))

        return await command(request, parts.database, caller, run)


def _periods(routes: ServiceRouter, parts: Parts) -> None:
    @routes.put("/enrolments/{enrolmentId}/benefit-periods", response_model=PeriodsAnswer, responses=NO_SUCH)
    async def put_periods(
        request: Request,
        caller: BackOffice,
        enrolment_id: EnrolmentId,
        body: Annotated[list[BenefitPeriodRequest], Body(max_length=PERIODS_MAX)],
    ) -> Response:
        """Set the days with right to bijstand as a whole; closed months are settled again."""
        if faults := period_faults(body):
            raise Invalid(faults)

        async def run(tx: Tx) -> Answer:
            enrolment = await enrolment_for(tx, caller, enrolment_id, lock=True)
            _must_run(enrolment)
            periods = [each.period() for each in body]
            await circumstances.put_benefit_periods(tx, enrolment.enrolment_id, periods)
            await _again(tx, caller, parts, enrolment_id, enrolment.first_month)
            await note(tx, caller, "put-benefit-periods", enrolment.participant_id)
            answer = PeriodsAnswer(
                enrolment_id=enrolment_id,
                benefit_periods=[PeriodAnswer(from_=each.first, to=each.last) for each in periods],
            )
            return Answer(answer, about=About(enrolment.participant_id, PURPOSE, "put-benefit-periods"))

        return await command(request, parts.database, caller, run)


async def review_partner(tx: Tx, enrolment: Enrolment, household: Mapping[str, Any], month: Month) -> None:
    """Open a case for a couple of which one has no right of their own: a person computes it (reading 15)."""
    if household.get("partnerEntitled", True):
        return
    await open_case(
        tx,
        municipality=enrolment.municipality,
        participant_id=enrolment.participant_id,
        month=month,
        kind="PARTNER_NOT_ENTITLED",
        details={"enrolmentId": enrolment.enrolment_id},
    )


async def _again(tx: Tx, caller: BackOffice, parts: Parts, enrolment_id: str, since: Month) -> None:
    """Settle again what a close has gone through from a month on."""
    enrolment = await enrolment_for(tx, caller, enrolment_id, lock=True)
    if enrolment.closed_through is not None and since <= enrolment.closed_through:
        await resettle(tx, [enrolment], parts.law, parts.figures)


def _must_run(enrolment: Enrolment) -> None:
    if enrolment.state != "ACTIVE":
        raise Conflict("this enrolment has ended: nothing about it changes any more")
