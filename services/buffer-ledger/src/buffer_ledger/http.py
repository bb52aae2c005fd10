"""The HTTP calls of the ledger: settings of a municipality, and where the other calls are."""

from fastapi import Request, Response

from buffer_ledger import municipalities
from buffer_ledger.attribution import MonthDay
from buffer_ledger.http_books import book_calls
from buffer_ledger.http_cases import case_calls
from buffer_ledger.http_circumstances import circumstance_calls
from buffer_ledger.http_closes import close_calls
from buffer_ledger.http_comparison import comparison_calls
from buffer_ledger.http_enrolments import enrolment_calls
from buffer_ledger.http_exits import exit_calls
from buffer_ledger.http_funds import fund_calls
from buffer_ledger.http_parts import BackOffice, Code, Parts
from buffer_ledger.http_payments import payment_calls
from buffer_ledger.http_proposals import proposal_calls
from buffer_ledger.http_repayments import repayment_calls
from buffer_ledger.http_simulations import simulation_calls
from buffer_ledger.http_statements import statement_calls
from buffer_ledger.municipalities import Municipality
from buffer_ledger.offset_request import OffsetRequest
from buffer_ledger.policy_request import Name
from buffer_ledger.store import DatedRules
from shared.api import ServiceRouter, made
from shared.commands import Answer, command
from shared.database import Tx
from shared.dates import CalendarMonth
from shared.months import Month
from shared.requests import ResponseModel


class MunicipalityRequest(OffsetRequest):
    """How a municipality works from a month on; without a month, for every month."""

    name: Name
    valid_from: CalendarMonth | None = None


class MonthDayAnswer(ResponseModel):
    """A day that comes back every month; without a day the last one."""

    day: int | None = None
    months_after: int


class SettingsAnswer(ResponseModel):
    """Settings with the month they hold from; absent for every month."""

    name: str
    valid_from: Month | None = None
    offset_method: str
    four_week_method: str
    holiday_claim: str
    year_end_pay: str
    cut_off_day: int
    late_slip: str
    deadline: MonthDayAnswer | None = None
    pay_day: MonthDayAnswer | None = None
    case_tolerance_cents: int


class MunicipalityAnswer(SettingsAnswer):
    """The newest settings, and all of them by date."""

    municipality: str
    last_closed_month: Month | None = None
    settings: list[SettingsAnswer]


def router(parts: Parts) -> ServiceRouter:
    """All calls of the service."""
    routes = ServiceRouter("buffer-ledger")
    _municipalities(routes, parts)
    fund_calls(routes, parts)
    enrolment_calls(routes, parts)
    statement_calls(routes, parts)
    book_calls(routes, parts)
    circumstance_calls(routes, parts)
    case_calls(routes, parts)
    exit_calls(routes, parts)
    repayment_calls(routes, parts)
    close_calls(routes, parts)
    payment_calls(routes, parts)
    proposal_calls(routes, parts)
    simulation_calls(routes, parts)
    comparison_calls(routes, parts)
    return routes


def _municipalities(routes: ServiceRouter, parts: Parts) -> None:
    @routes.put(
        "/municipalities/{code}", response_model=MunicipalityAnswer, responses=made(MunicipalityAnswer)
    )
    async def put_municipality(
        request: Request, caller: BackOffice, code: Code, body: MunicipalityRequest
    ) -> Response:
        """Set how the municipality works: 201 the first time, else 200."""
        caller.must_be_of(code)
        wanted = DatedRules(body.name, body.rules(body.valid_from))

        async def run(tx: Tx) -> Answer:
            known, new = await municipalities.put(tx, code, wanted)
            return Answer(_municipality_answer(known), 201 if new else 200)

        return await command(request, parts.database, caller, run)

    @routes.get("/municipalities/{code}", response_model=MunicipalityAnswer)
    async def read_municipality(caller: BackOffice, code: Code) -> MunicipalityAnswer:
        """How the municipality works, by month."""
        caller.must_be_of(code)
        async with parts.database.read() as reading:
            return _municipality_answer(await municipalities.get(reading, code))


def _municipality_answer(known: Municipality) -> MunicipalityAnswer:
    dated = [_settings_answer(each) for each in known.settings]
    newest = dated[-1].model_dump()
    return MunicipalityAnswer(
        **newest, municipality=known.code, last_closed_month=known.last_closed, settings=dated
    )


def _settings_answer(dated: DatedRules) -> SettingsAnswer:
    rules = dated.rules
    return SettingsAnswer(
        name=dated.name,
        valid_from=rules.valid_from,
        offset_method=rules.offset_method,
        four_week_method=rules.four_week_method,
        holiday_claim=rules.holiday_claim,
        year_end_pay=rules.year_end_pay,
        cut_off_day=rules.cut_off_day,
        late_slip=rules.late_slip,
        deadline=_day_answer(rules.deadline),
        pay_day=_day_answer(rules.pay_day),
        case_tolerance_cents=rules.case_tolerance_cents,
    )


def _day_answer(day: MonthDay | None) -> MonthDayAnswer | None:
    return None if day is None else MonthDayAnswer(day=day.day, months_after=day.months_after)
