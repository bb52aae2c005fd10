"""The HTTP calls for enrolments and their payee."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import Request, Response
from pydantic import Field, StringConstraints

from buffer_ledger import enrolments, statements
from buffer_ledger.bookkeeping import buffer
from buffer_ledger.books import free_balances
from buffer_ledger.casefiles import Enrolment, enrolment_page
from buffer_ledger.draw_log import PURPOSE
from buffer_ledger.enrolments import Payee, enrolment_for
from buffer_ledger.household_request import (
    ExemptionRequest,
    HouseholdRequest,
    ParticipantId,
    exemption_faults,
    kept_household,
)
from buffer_ledger.http_circumstances import review_partner
from buffer_ledger.http_parts import (
    BackOffice,
    Cursor,
    EnrolmentId,
    Limit,
    Parts,
    note,
)
from buffer_ledger.iban import compact_iban, iban_fault
from buffer_ledger.periods import MONTHS_OF_A_PERIOD
from buffer_ledger.policy_request import Name, Uuid
from buffer_ledger.timeline import FIRST_COMPUTED
from shared.api import NO_SUCH, ServiceRouter
from shared.commands import About, Answer, command
from shared.database import ReadTx, Tx
from shared.dates import CalendarMonth
from shared.errors import Fault
from shared.months import Month
from shared.requests import RequestModel, ResponseModel, items_of, not_built


class EnrolmentRequest(RequestModel):
    """A person's place in a scheme; without a last month it runs to the end of the cap period of its first
    one: twelve months, or the calendar year."""

    participant_id: ParticipantId
    scheme_id: Uuid
    household: HouseholdRequest
    first_month: CalendarMonth
    last_month: CalendarMonth | None = None
    exemptions: Annotated[list[ExemptionRequest], Field(max_length=20)] = Field(default_factory=list)

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        faults = []
        first, last = parsed.get("first_month"), parsed.get("last_month")
        if first is not None and first < FIRST_COMPUTED:
            faults.append(Fault("L013", "/firstMonth", f"must be {FIRST_COMPUTED} or later"))
        if first is not None and last is not None:
            if last < first:
                faults.append(Fault("L002", "/lastMonth", f"lies before firstMonth, which is {first}"))
            elif last - first >= MONTHS_OF_A_PERIOD:
                longest = first.plus(MONTHS_OF_A_PERIOD - 1)
                faults.append(Fault("L003", "/lastMonth", f"a period is twelve months: at most {longest}"))
        household = parsed.get("household")
        if isinstance(household, HouseholdRequest):
            if household.partner_participant_id == parsed.get("participant_id", ""):
                detail = "a person is not their own partner"
                faults.append(Fault("L061", "/household/partnerParticipantId", detail))
            faults += exemption_faults(items_of(parsed, "exemptions"), household.kind)
        return faults


class EnrolmentAnswer(ResponseModel):
    """An enrolment with what is booked for it, in cents."""

    enrolment_id: str
    participant_id: str
    municipality: str
    scheme_id: str
    fund_id: str
    policy_version: int
    household: dict[str, Any]
    exemptions: list[dict[str, Any]] = Field(default_factory=list)
    first_month: Month
    last_month: Month
    state: Literal["ACTIVE", "ENDED"]
    ended_reason: str | None = None
    closed_through: Month | None = Field(None, description="The last month a close has gone through.")
    cap_cents: int
    drawn_cents: int
    balance_cents: int


class EnrolmentsAnswer(ResponseModel):
    """A page of enrolments; `nextCursor` leads to the next one."""

    items: list[EnrolmentAnswer]
    next_cursor: str | None = None


class PayeeRequest(RequestModel):
    """The account draws are paid to."""

    iban: Annotated[str, StringConstraints(min_length=15, max_length=42)]
    holder: Name
    kind: Literal["PERSON", "ADMINISTRATOR", "MUNICIPALITY"]

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        faults = []
        if "iban" in parsed and (fault := iban_fault(compact_iban(parsed["iban"]))) is not None:
            faults.append(Fault("L004", "/iban", fault))
        if parsed.get("kind") == "MUNICIPALITY":
            # No policy that is built pays a draw to the municipality.
            faults.append(not_built("/kind", "MUNICIPALITY"))
        return faults


class PayeeAnswer(ResponseModel):
    """The account draws are paid to, masked."""

    iban: str = Field(examples=["NL************4300"])
    holder: str = Field(examples=["A*** d*** V***"])
    kind: str


def enrolment_calls(routes: ServiceRouter, parts: Parts) -> None:
    """Add the calls to the service's routes."""
    _enrolments(routes, parts)
    _payee(routes, parts)


def _enrolments(routes: ServiceRouter, parts: Parts) -> None:
    @routes.post("/enrolments", status_code=201, response_model=EnrolmentAnswer, responses=NO_SUCH)
    async def enrol(request: Request, caller: BackOffice, body: EnrolmentRequest) -> Response:
        """Enrol a person: the whole cap is set apart, or refused (409) with the amount that is free."""

        async def run(tx: Tx) -> Answer:
            enrolment = await enrolments.enrol(
                tx,
                caller,
                participant_id=body.participant_id,
                scheme_id=body.scheme_id,
                household=kept_household(body.household),
                exemptions=[
                    exemption.model_dump(mode="json", by_alias=True, exclude_none=True)
                    for exemption in body.exemptions
                ],
                first_month=body.first_month,
                last_month=body.last_month,
            )
            await review_partner(tx, enrolment, enrolment.household, enrolment.first_month)
            await note(tx, caller, "enrol", enrolment.participant_id)
            headers = {"Location": f"/v1/enrolments/{enrolment.enrolment_id}"}
            about = About(enrolment.participant_id, PURPOSE, "enrol")
            return Answer((await _answers(tx, [enrolment]))[0], 201, headers, about)

        return await command(request, parts.database, caller, run)

    @routes.get("/enrolments", response_model=EnrolmentsAnswer)
    async def list_enrolments(
        caller: BackOffice, cursor: Cursor = "", limit: Limit = 100
    ) -> EnrolmentsAnswer:
        """The municipality's enrolments with what is booked for each."""
        async with parts.database.write() as tx:
            listed = await enrolment_page(tx, caller.of_municipality, after=cursor, limit=limit + 1)
            shown, more = listed[:limit], len(listed) > limit
            await note(tx, caller, "list-enrolments", *(each.participant_id for each in shown))
            items = await _answers(tx, shown)
        return EnrolmentsAnswer(items=items, next_cursor=shown[-1].enrolment_id if more else None)

    @routes.get("/enrolments/{enrolmentId}", response_model=EnrolmentAnswer)
    async def read_enrolment(caller: BackOffice, enrolment_id: EnrolmentId) -> EnrolmentAnswer:
        """An enrolment with what is booked for it."""
        async with parts.database.write() as tx:
            enrolment = await enrolment_for(tx, caller, enrolment_id)
            await note(tx, caller, "read-enrolment", enrolment.participant_id)
            return (await _answers(tx, [enrolment]))[0]


def _payee(routes: ServiceRouter, parts: Parts) -> None:
    @routes.put("/enrolments/{enrolmentId}/payee", response_model=PayeeAnswer)
    async def put_payee(
        request: Request, caller: BackOffice, enrolment_id: EnrolmentId, body: PayeeRequest
    ) -> Response:
        """Say which account draws are paid to; it is kept encrypted and read back masked."""

        async def run(tx: Tx) -> Answer:
            enrolment = await enrolment_for(tx, caller, enrolment_id)
            payee = await enrolments.put_payee(
                tx,
                parts.keys,
                enrolment,
                iban=compact_iban(body.iban),
                holder=body.holder,
                kind=body.kind,
            )
            await note(tx, caller, "change-payee", enrolment.participant_id)
            return Answer(
                _payee_answer(payee), about=About(enrolment.participant_id, PURPOSE, "change-payee")
            )

        return await command(request, parts.database, caller, run)

    @routes.get("/enrolments/{enrolmentId}/payee", response_model=PayeeAnswer)
    async def read_payee(caller: BackOffice, enrolment_id: EnrolmentId) -> PayeeAnswer:
        """Which account draws are paid to, masked."""
        async with parts.database.write() as tx:
            enrolment = await enrolment_for(tx, caller, enrolment_id)
            payee = await enrolments.payee_of(tx, parts.keys, enrolment)
            await note(tx, caller, "read-payee", enrolment.participant_id)
        return _payee_answer(payee)


async def _answers(reading: ReadTx, listed: list[Enrolment]) -> list[EnrolmentAnswer]:
    """Enrolments with what is booked; two queries for all of them."""
    accounts = {enrolment.enrolment_id: buffer(enrolment.enrolment_id) for enrolment in listed}
    carried = await free_balances(reading, list(accounts.values()))
    drawn = await statements.drawn(reading, list(accounts))
    return [
        EnrolmentAnswer(
            enrolment_id=enrolment.enrolment_id,
            participant_id=enrolment.participant_id,
            municipality=enrolment.municipality,
            scheme_id=enrolment.scheme_id,
            fund_id=enrolment.fund_id,
            policy_version=enrolment.policy_version,
            household=dict(enrolment.household),
            exemptions=[dict(exemption) for exemption in enrolment.exemptions],
            first_month=enrolment.first_month,
            last_month=enrolment.last_month,
            state=enrolment.state,
            ended_reason=enrolment.ended_reason,
            closed_through=enrolment.closed_through,
            cap_cents=enrolment.cap_cents,
            drawn_cents=drawn.get(enrolment.enrolment_id, 0),
            balance_cents=carried.get(accounts[enrolment.enrolment_id], 0),
        )
        for enrolment in listed
    ]


def _payee_answer(payee: Payee) -> PayeeAnswer:
    return PayeeAnswer(iban=payee.iban_masked, holder=payee.holder_masked, kind=payee.kind)
