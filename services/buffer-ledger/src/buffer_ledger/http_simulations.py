"""The HTTP call for simulations."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Request, Response
from pydantic import Field, Strict, StringConstraints

from buffer_ledger import simulations
from buffer_ledger.attribution import Part, PayPeriod, SlipFact, current
from buffer_ledger.benefit_periods import BenefitPeriod
from buffer_ledger.circumstances import HouseholdChange
from buffer_ledger.exemptions import Person
from buffer_ledger.household_request import (
    BenefitPeriodRequest,
    ExemptionRequest,
    HouseholdRequest,
    exemption_faults,
    kept_household,
    period_faults,
)
from buffer_ledger.http_circumstances import HouseholdChangeRequest
from buffer_ledger.http_parts import BackOffice, MonthAnswer, Parts, months_answer
from buffer_ledger.offset_request import OffsetRequest
from buffer_ledger.policy_request import Name, SimulatedPolicyRequest
from buffer_ledger.simulations import Scenario, Simulated
from buffer_ledger.timeline import Exemption
from shared.api import ServiceRouter
from shared.commands import Answer, command
from shared.database import Tx
from shared.dates import CalendarMonth, Day
from shared.errors import Fault
from shared.money import AnyCents, Cents, Share, StrictCents
from shared.months import Month
from shared.requests import RequestModel, ResponseModel, items_of

MONTHS_MAX = 36
PERIOD_DAYS_MAX = 35
WAGE_MAX = 100_000_000
"""EUR 1,000,000: above any wage that needs a buffer; 400 of them in one month still add up (reading 37)."""


_AMOUNTS = (
    ("net_cents", "netCents"),
    ("gross_cents", "grossCents"),
    ("holiday_pay_cents", "holidayPayCents"),
    ("year_end_pay_cents", "yearEndPayCents"),
)


class SimulatedExemption(RequestModel):
    """A share of wage that is not counted, in every month, without legal counters or ceilings."""

    share: Share
    cap_cents: StrictCents | None = None


class SimulatedWage(RequestModel):
    """A wage: `month` and `netCents`, received in that month; or a slip by its period."""

    unbuilt = ("lines",)
    month: CalendarMonth | None = None
    net_cents: AnyCents | None = None
    period_from: Day | None = None
    period_to: Day | None = None
    pay_date: Day | None = None
    source: Literal["SLIP", "OIB", "EMPLOYER_FEED", "DECLARATION", "ESTIMATE"] = "SLIP"
    employer_number: Annotated[str, StringConstraints(min_length=1, max_length=40)] | None = None
    employer_name: Name | None = None
    slip_number: Annotated[int, Strict(), Field(ge=1, le=99)] = 1
    version: Annotated[int, Strict(), Field(ge=1)] | None = Field(
        None, description="The highest counts; of slips without one, the last in the list with new content."
    )
    lines: list[Any] | None = Field(None, description="Not built yet: give netCents.")
    gross_cents: AnyCents | None = None
    hours: Annotated[str, StringConstraints(max_length=20)] | None = None
    tax_credit_applied: Annotated[bool, Strict()] | None = None
    person: Person = Field("APPLICANT", description="Who earns it; PARTNER in a couple.")
    pay_period: PayPeriod | None = Field(
        None, description="Default: 28 or 35 days are FOUR_WEEKS and 7 or 14 days WEEK, others MONTH."
    )
    holiday_pay_cents: AnyCents | None = Field(None, description="Holiday pay, net, beside netCents.")
    year_end_pay_cents: AnyCents | None = Field(None, description="Year-end pay, net, beside netCents.")

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        faults = []
        given = ("net_cents", "holiday_pay_cents", "year_end_pay_cents")
        if parsed.get("lines", ()) is None and all(parsed.get(name, 0) is None for name in given):
            faults.append(Fault("G001", "/netCents", "is required"))
        for name, member in _AMOUNTS:
            if abs(parsed.get(name) or 0) > WAGE_MAX:
                faults.append(Fault("L014", f"/{member}", f"must be {WAGE_MAX} cents at most"))
        return faults + _period_faults(parsed)


class OtherCashRequest(RequestModel):
    """Money received in a month that counts for nothing, such as the municipality's holiday allowance."""

    month: CalendarMonth
    amount_cents: StrictCents


class BenefitPaid(RequestModel):
    """The day on which the benefit of a month landed; without one it landed in its own month."""

    month: CalendarMonth
    paid_on: Day


class SimulationRequest(RequestModel):
    """What a buffer would do: how the municipality offsets, who, which policy, which wages."""

    municipality: OffsetRequest
    household: HouseholdRequest
    policy: SimulatedPolicyRequest
    household_changes: Annotated[list[HouseholdChangeRequest], Field(max_length=MONTHS_MAX)] = Field(
        default_factory=list
    )
    benefit_periods: Annotated[list[BenefitPeriodRequest], Field(max_length=MONTHS_MAX)] | None = Field(
        None, description="The days with right to bijstand; absent: all of them."
    )
    exemption: SimulatedExemption | None = None
    exemptions: Annotated[list[ExemptionRequest], Field(max_length=20)] = Field(
        default_factory=list, description="Grants with their legal counters, as for an enrolment."
    )
    other_cash: Annotated[list[OtherCashRequest], Field(max_length=MONTHS_MAX)] = Field(default_factory=list)
    norm_month: CalendarMonth | None = Field(None, description="Pins every dated parameter to this month's.")
    first_month: CalendarMonth
    last_month: CalendarMonth | None = Field(None, description="Default: the month of the last wage.")
    wages: Annotated[list[SimulatedWage], Field(max_length=400)]
    benefit_paid_on: Annotated[list[BenefitPaid], Field(max_length=MONTHS_MAX)] = Field(default_factory=list)

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        first, last = parsed.get("first_month"), parsed.get("last_month")
        faults = _days_of_payment_faults(parsed.get("benefit_paid_on"))
        faults += period_faults(parsed.get("benefit_periods") or (), "/benefitPeriods")
        faults += _people_faults(parsed)
        if first is None or "wages" not in parsed:
            return faults
        if last is not None and last < first:
            faults.append(Fault("L002", "/lastMonth", f"lies before firstMonth, which is {first}"))
        end = last or max([first, *(_month_of(wage) or first for wage in parsed["wages"])])
        if end - first >= MONTHS_MAX:
            place = "/wages" if last is None else "/lastMonth"
            faults.append(Fault("L009", place, f"at most {MONTHS_MAX} months can be simulated at once"))
        for index, wage in enumerate(parsed["wages"]):
            month = _month_of(wage)
            if month is not None and not first <= month <= max(end, first):
                detail = f"{month} lies outside the simulated months {first} to {end}"
                faults.append(Fault("L009", f"/wages/{index}", detail))
        return faults


def _people_faults(parsed: Mapping[str, Any]) -> list[Fault]:
    """Wages and exempt shares of a partner need a couple."""
    household = parsed.get("household")
    if not isinstance(household, HouseholdRequest) or household.kind == "COUPLE":
        return []
    faults = exemption_faults(items_of(parsed, "exemptions"), household.kind)
    return faults + [
        Fault("L061", f"/wages/{index}/person", "only a couple has a partner")
        for index, wage in items_of(parsed, "wages")
        if wage.person == "PARTNER"
    ]


def _days_of_payment_faults(days: Sequence[BenefitPaid] | None) -> list[Fault]:
    faults = []
    for index, paid in enumerate(days or ()):
        if paid.paid_on < paid.month.first_day:
            detail = f"lies before {paid.month}, the month the benefit is for"
            faults.append(Fault("L005", f"/benefitPaidOn/{index}/paidOn", detail))
    months = [paid.month for paid in days or ()]
    if len(set(months)) != len(months):
        faults.append(Fault("L012", "/benefitPaidOn", "names a month twice"))
    return faults


class SimulationAnswer(ResponseModel):
    """The months as a close would settle them, what was drawn and is left, and months below the floor."""

    months: list[MonthAnswer]
    drawn_cents: int
    balance_cents: int
    months_below_floor_before: int
    months_below_floor_after: int


def simulation_calls(routes: ServiceRouter, parts: Parts) -> None:
    """Add the call to the service's routes."""

    @routes.post("/simulations", response_model=SimulationAnswer)
    async def simulate(request: Request, caller: BackOffice, body: SimulationRequest) -> Response:
        """Settle invented months exactly as real ones are, and undo it all."""
        scenario = _scenario(body)

        async def run(tx: Tx) -> Answer:
            return Answer(_answer(await simulations.simulate(tx, scenario, parts.law)))

        return await command(request, parts.database, caller, run)


def _scenario(body: SimulationRequest) -> Scenario:
    months = [body.first_month, *(month for wage in body.wages if (month := _month_of(wage)) is not None)]
    exemption = body.exemption
    return Scenario(
        rules=body.municipality.rules(),
        household=body.household,
        policy=body.policy.rules(),
        exemption=None if exemption is None else Exemption(exemption.share, exemption.cap_cents),
        norm_month=body.norm_month,
        first_month=body.first_month,
        last_month=body.last_month or max(months),
        slips=simulated_slips([wage for wage in body.wages if wage.person == "APPLICANT"]),
        partner_slips=simulated_slips([wage for wage in body.wages if wage.person == "PARTNER"]),
        household_changes=[
            HouseholdChange(change.from_, kept_household(change.household))
            for change in body.household_changes
        ],
        benefit_periods=_periods(body.benefit_periods),
        exemptions=[exemption.ground() for exemption in body.exemptions],
        other_cash=_by_month(body.other_cash),
        benefit_paid_on={late.month: late.paid_on for late in body.benefit_paid_on},
    )


def _periods(periods: Sequence[BenefitPeriodRequest] | None) -> tuple[BenefitPeriod, ...] | None:
    return None if periods is None else tuple(each.period() for each in periods)


def _by_month(given: Sequence[OtherCashRequest]) -> dict[Month, int]:
    sums: dict[Month, int] = {}
    for cash in given:
        sums[cash.month] = sums.get(cash.month, 0) + cash.amount_cents
    return sums


def simulated_slips(wages: Sequence[SimulatedWage]) -> tuple[SlipFact, ...]:
    """The slips that count, as if the wages had come in one after the other: a slip without a version that
    repeats what was said before changes nothing, and one that says something else is the next version. A
    version that is given twice counts as it was given first."""
    known: dict[str, list[SlipFact]] = {}
    for index, wage in enumerate(wages):
        slip = _slip(index, wage)
        before = known.setdefault(slip.slip_key, [])
        if wage.version is None and before:
            if any(_content(slip) == _content(other) for other in before):
                continue
            slip = replace(slip, version=max(other.version for other in before) + 1)
        elif any(slip.version == other.version for other in before):
            continue
        before.append(slip)
    return current(slip for versions in known.values() for slip in versions)


def _content(slip: SlipFact) -> tuple[object, ...]:
    return slip.pay_date, slip.parts, slip.tax_credit_applied


def _slip(index: int, wage: SimulatedWage) -> SlipFact:
    """The wage as a slip: of a month it is a slip over that month, paid on its last day."""
    begins, ends = _period(wage)
    employer = wage.employer_number or (wage.employer_name or "").casefold()
    identity = f"{employer}/{begins}/{ends}/{wage.slip_number}" if wage.month is None else f"wage-{index}"
    return SlipFact(
        wage_slip_id=f"wages-{index}",
        slip_key=identity,
        employer_key=employer or "employer",
        version=wage.version or 1,
        period_from=begins,
        period_to=ends,
        pay_date=wage.pay_date or Month.of(ends).last_day,
        parts=_parts(wage),
        tax_credit_applied=wage.tax_credit_applied,
        pay_period=wage.pay_period or _pay_period(wage, begins, ends),
        source=wage.source,
    )


def _parts(wage: SimulatedWage) -> tuple[Part, ...]:
    beside = (("HOLIDAY_PAY", wage.holiday_pay_cents), ("BONUS", wage.year_end_pay_cents))
    return (
        Part("WAGE", wage.net_cents or Cents(0)),
        *(Part(kind, cents) for kind, cents in beside if cents is not None),
    )


def _pay_period(wage: SimulatedWage, begins: date, ends: date) -> PayPeriod:
    """Weeks by their length, unless they touch the end of the one month they lie in (a job that began or
    ended)."""
    days = (ends - begins).days + 1
    touches = begins.day == 1 or ends == Month.of(ends).last_day
    if wage.month is not None or (Month.of(begins) == Month.of(ends) and touches):
        return "MONTH"
    if days in (28, 35):
        return "FOUR_WEEKS"
    return "WEEK" if days in (7, 14) else "MONTH"


def _period(wage: SimulatedWage) -> tuple[date, date]:
    if wage.month is not None:
        return wage.month.first_day, wage.month.last_day
    if wage.period_from is None or wage.period_to is None:
        raise ValueError("a wage without faults has a month or a period")
    return wage.period_from, wage.period_to


def _month_of(wage: SimulatedWage) -> Month | None:
    """The month a wage belongs to, None for one that is at fault."""
    if wage.month is not None:
        return wage.month
    return None if wage.period_to is None else Month.of(wage.pay_date or wage.period_to)


def _period_faults(parsed: Mapping[str, Any]) -> list[Fault]:
    begins, ends = parsed.get("period_from"), parsed.get("period_to")
    if "month" in parsed and parsed["month"] is not None:
        given = [name for name in ("period_from", "period_to", "pay_date") if parsed.get(name) is not None]
        return [Fault("L009", "/month", "give a month or a period, not both")] if given else []
    if not {"month", "period_from", "period_to"} <= parsed.keys():
        return []
    if begins is None or ends is None:
        missing = "periodFrom" if begins is None else "periodTo"
        return [Fault("G001", f"/{missing}", "is required, unless month is given")]
    if ends < begins:
        return [Fault("L005", "/periodTo", f"lies before periodFrom, which is {begins}")]
    if (ends - begins).days >= PERIOD_DAYS_MAX:
        return [Fault("L005", "/periodTo", f"a period is at most {PERIOD_DAYS_MAX} days")]
    return []


def _answer(simulated: Simulated) -> SimulationAnswer:
    return SimulationAnswer(
        months=months_answer(simulated.statement),
        drawn_cents=simulated.statement.drawn_cents,
        balance_cents=simulated.statement.balance_cents,
        months_below_floor_before=simulated.below_floor_before,
        months_below_floor_after=simulated.below_floor_after,
    )
