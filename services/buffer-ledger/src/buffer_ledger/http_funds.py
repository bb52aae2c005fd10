"""The HTTP calls for funds, donations and schemes."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Path, Request, Response
from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema

from buffer_ledger import funds
from buffer_ledger.funds import FundView
from buffer_ledger.http_parts import BackOffice, BackOfficeOrFund, Parts, PathId
from buffer_ledger.policy_request import LivePolicyRequest, MunicipalityCode, Name, Uuid
from buffer_ledger.references import REFERENCE_MAX, REFERENCE_PATTERN, reference_fault
from buffer_ledger.store import Scheme
from shared.api import ServiceRouter, made
from shared.commands import Answer, command
from shared.database import Tx
from shared.dates import CalendarMonth, Day, day_of
from shared.errors import Fault
from shared.money import Cents, PositiveCents, StrictCents
from shared.months import Month
from shared.requests import RequestModel, ResponseModel
from shared.tokens import Role

FundId = Annotated[PathId, Path(alias="fundId")]
SchemeId = Annotated[PathId, Path(alias="schemeId")]


DonorReference = Annotated[
    str,
    StringConstraints(min_length=1, max_length=REFERENCE_MAX),
    # Looked at in cross_faults: the answer tells what is wrong with it, and never repeats it.
    Field(json_schema_extra={"pattern": REFERENCE_PATTERN}, examples=["GIFT-2026/0042"]),
]


class FundRequest(RequestModel):
    """A fund that pays draws."""

    name: Name
    type: Literal["PRIVATE", "STATUTORY"]
    municipalities: Annotated[list[MunicipalityCode], Field(min_length=1, max_length=50)]
    low_threshold_cents: StrictCents = Field(
        Cents(100_000), description="Free capital below which fund-low is told."
    )

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        faults = []
        codes = parsed.get("municipalities") or []
        if len(set(codes)) != len(codes):
            faults.append(Fault("L012", "/municipalities", "names a municipality twice"))
        return faults


class FundAnswer(ResponseModel):
    """A fund and its figures in cents. `asOf` is the month of the close they come from; absent when live."""

    fund_id: str
    name: str
    type: str
    municipalities: list[str]
    low_threshold_cents: int
    donated_cents: int
    committed_cents: int
    drawn_cents: int
    returned_cents: int
    available_cents: int
    as_of: Month | None = None


class FundsAnswer(ResponseModel):
    """The funds of a municipality."""

    items: list[FundAnswer]


class DonationRequest(RequestModel):
    """Money that came in."""

    amount_cents: PositiveCents
    value_date: Day
    donor_reference: DonorReference | None = Field(
        None,
        description="The donor's own reference. It is kept for ever and must not name a person: an account "
        "number, BSN or e-mail address is refused (L016).",
    )

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        reference = parsed.get("donor_reference")
        fault = None if reference is None else reference_fault(reference)
        return [] if fault is None else [Fault("L016", "/donorReference", fault)]


class DonationAnswer(ResponseModel):
    """The donation is booked."""

    donation_id: str
    fund_id: str
    amount_cents: int
    value_date: date


def _first(value: object) -> object:
    """A month, or the first day of one."""
    return _month_of_day(value, first=True)


def _last(value: object) -> object:
    """A month, or the last day of one."""
    return _month_of_day(value, first=False)


def _month_of_day(value: object, *, first: bool) -> object:
    if not isinstance(value, str) or len(value) != len("2026-01-31"):
        return value
    day = day_of(value)
    month = Month.of(day)
    if day != (month.first_day if first else month.last_day):
        raise ValueError(f"must be a month, or the {'first' if first else 'last'} day of one")
    return month


_MONTH_OR_DAY = WithJsonSchema(
    {"type": "string", "pattern": "^2[01][0-9]{2}-(0[1-9]|1[0-2])(-[0-9]{2})?$", "examples": ["2026-01"]}
)
FirstMonth = Annotated[CalendarMonth, BeforeValidator(_first), _MONTH_OR_DAY]
LastMonth = Annotated[CalendarMonth, BeforeValidator(_last), _MONTH_OR_DAY]


class SchemeRequest(RequestModel):
    """A programme: whose money, for which municipality, under which policy, from when to when."""

    fund_id: Uuid
    municipality: MunicipalityCode
    policy: LivePolicyRequest
    valid_from: FirstMonth
    valid_to: LastMonth | None = None

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        begins, ends = parsed.get("valid_from"), parsed.get("valid_to")
        faults = []
        if begins is not None and ends is not None and ends < begins:
            faults.append(Fault("L007", "/validTo", f"lies before validFrom, which is {begins}"))
        return faults


class SchemeAnswer(ResponseModel):
    """A scheme with its policy, defaults filled in."""

    scheme_id: str
    fund_id: str
    municipality: str
    policy_version: int
    policy: dict[str, Any]
    valid_from: Month
    valid_to: Month | None = None


def fund_calls(routes: ServiceRouter, parts: Parts) -> None:
    """Add the calls to the service's routes."""
    _funds(routes, parts)
    _schemes(routes, parts)


def _funds(routes: ServiceRouter, parts: Parts) -> None:
    @routes.post("/funds", status_code=201, response_model=FundAnswer)
    async def open_fund(request: Request, caller: BackOffice, body: FundRequest) -> Response:
        """Open a fund for the municipality."""
        for code in body.municipalities:
            caller.must_be_of(code)

        async def run(tx: Tx) -> Answer:
            opened = await funds.create(
                tx,
                caller,
                name=body.name,
                kind=body.type,
                municipalities=body.municipalities,
                low_threshold_cents=body.low_threshold_cents,
            )
            headers = {"Location": f"/v1/funds/{opened.fund.fund_id}"}
            return Answer(_fund_answer(opened), 201, headers)

        return await command(request, parts.database, caller, run)

    @routes.get("/funds", response_model=FundsAnswer)
    async def list_funds(caller: BackOfficeOrFund) -> FundsAnswer:
        """The funds of the municipality; a fund's own token sees its own."""
        async with parts.database.read() as reading:
            if caller.role is Role.FUND:
                return FundsAnswer(items=[_fund_answer(await funds.view(reading, caller, caller.of_fund))])
            return FundsAnswer(items=[_fund_answer(each) for each in await funds.views(reading, caller)])

    @routes.get("/funds/{fundId}", response_model=FundAnswer)
    async def read_fund(caller: BackOfficeOrFund, fund_id: FundId) -> FundAnswer:
        """A fund's figures. Its own token sees them move only at a close, in steps of at least ten people."""
        async with parts.database.read() as reading:
            return _fund_answer(await funds.view(reading, caller, fund_id))

    @routes.post("/funds/{fundId}/donations", status_code=201, response_model=DonationAnswer)
    async def donate(
        request: Request, caller: BackOfficeOrFund, fund_id: FundId, body: DonationRequest
    ) -> Response:
        """Book money that came in."""

        async def run(tx: Tx) -> Answer:
            donation_id = await funds.donate(
                tx, caller, fund_id, body.amount_cents, body.value_date, body.donor_reference
            )
            answer = DonationAnswer(
                donation_id=donation_id,
                fund_id=fund_id,
                amount_cents=body.amount_cents,
                value_date=body.value_date,
            )
            return Answer(answer, 201)

        return await command(request, parts.database, caller, run)


def _schemes(routes: ServiceRouter, parts: Parts) -> None:
    @routes.put("/schemes/{schemeId}", response_model=SchemeAnswer, responses=made(SchemeAnswer))
    async def put_scheme(
        request: Request, caller: BackOffice, scheme_id: SchemeId, body: SchemeRequest
    ) -> Response:
        """Set up a scheme under an id of the caller's own: 201 the first time, else 200.

        Once people are enrolled only its end can change (409).
        """

        async def run(tx: Tx) -> Answer:
            scheme, new = await funds.put_scheme(
                tx,
                caller,
                scheme_id,
                fund_id=body.fund_id,
                municipality=body.municipality,
                policy=body.policy.rules(),
                named=body.policy.model_fields_set,
                given=body.policy.as_given(),
                law=parts.law,
                valid_from=body.valid_from,
                valid_to=body.valid_to,
            )
            return Answer(_scheme_answer(scheme), 201 if new else 200)

        return await command(request, parts.database, caller, run)

    @routes.get("/schemes/{schemeId}", response_model=SchemeAnswer)
    async def read_scheme(caller: BackOffice, scheme_id: SchemeId) -> SchemeAnswer:
        """A scheme with the policy that holds."""
        async with parts.database.read() as reading:
            return _scheme_answer(await funds.scheme_for(reading, caller, scheme_id))


def _fund_answer(view: FundView) -> FundAnswer:
    fund, figures = view.fund, view.figures
    return FundAnswer(
        fund_id=fund.fund_id,
        name=fund.name,
        type=fund.kind,
        municipalities=list(fund.municipalities),
        low_threshold_cents=fund.low_threshold_cents,
        donated_cents=figures.donated_cents,
        committed_cents=figures.committed_cents,
        drawn_cents=figures.drawn_cents,
        returned_cents=figures.returned_cents,
        available_cents=figures.available_cents,
        as_of=view.as_of,
    )


def _scheme_answer(scheme: Scheme) -> SchemeAnswer:
    return SchemeAnswer(
        scheme_id=scheme.scheme_id,
        fund_id=scheme.fund_id,
        municipality=scheme.municipality,
        policy_version=scheme.policy_version,
        policy=dict(scheme.given),
        valid_from=scheme.valid_from,
        valid_to=scheme.valid_to,
    )
