"""The call for what-ifs: hours or wage changed from a month on, month by month and for the year."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Annotated, Any

from fastapi import Request, Response
from pydantic import Field, Strict, StringConstraints

from notifier import reconciliation
from notifier.award import ToeslagName
from notifier.benefit_month import ExemptWage, benefit_receipt
from notifier.http_toeslagen import BackOffice, ReceiptLineView, answered, receipt_view
from notifier.income_projection import TaxCreditAt
from notifier.local_schemes import LocalScheme, SchemeKind, local_schemes
from notifier.toeslag_forms import ChildcareForm, Hours, HouseholdYearForm, IncomeCents, outside
from notifier.toeslag_household import MONTHS_IN_YEAR, ToeslagHousehold
from notifier.toeslagen import NotComputable, receipts, toeslag_rules
from notifier.wage_tax import tax_rules
from notifier.what_ifs import (
    Circumstances,
    OffsetMethod,
    Plan,
    PlanMonth,
    WhatIf,
    Work,
    monthly_wage,
    what_if,
)
from notifier.year_law import PartUnknown, YearUnknown, months_of
from shared.api import ServiceRouter
from shared.contracts.events import MunicipalityCode
from shared.database import Database
from shared.dates import CalendarMonth, Day
from shared.errors import Fault, Invalid
from shared.law import Law, ParameterMissing
from shared.money import Cents, Share, StrictCents
from shared.months import Month
from shared.requests import RequestModel, ResponseModel, items_of

MINIMUM_WAGE = "minimumloon/hourly_wage"
HourlyCents = Annotated[StrictCents, Field(le=100_000)]


# ---- what is asked ----------------------------------------------------------------------------------------


class JobForm(RequestModel):
    """A job as it is: a gross wage per month, or hours a week with a wage per hour."""

    gross_wage_cents: IncomeCents | None = Field(None, description="Per month, holiday pay not included.")
    hours_per_week: Hours | None = None
    hourly_wage_cents: HourlyCents | None = Field(
        None, description="Gross. Default: the statutory minimum wage of the month."
    )

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        if not {"gross_wage_cents", "hours_per_week"} <= parsed.keys():
            return []
        wage, hours = parsed["gross_wage_cents"], parsed["hours_per_week"]
        if (wage is None) == (hours is None):
            return [Fault("T010", "/grossWageCents", "give a wage or hoursPerWeek")]
        return []

    def wage(self, law: Law, month: Month) -> int:
        """The gross wage of a month; raises ParameterMissing without a minimum wage."""
        if self.gross_wage_cents is not None:
            return self.gross_wage_cents
        hourly = self.hourly_wage_cents
        if hourly is None:
            hourly = law.value(MINIMUM_WAGE, month).cents
        return monthly_wage(self.hours_per_week or 0, hourly)


class JobChangeForm(JobForm):
    """The job from a month on; childcare and the place of the tax credit stay unless they are given."""

    from_month: CalendarMonth
    tax_credit_at: TaxCreditAt | None = None
    childcare: list[ChildcareForm] | None = Field(
        None, max_length=20, description="Instead of the childcare before, from this month on."
    )
    known_on: Day | None = Field(
        None, description="When the change became known: for the last day to report it."
    )


class ExemptWageForm(RequestModel):
    """A share of the net wage that is not offset, in some months of the year."""

    share: Share
    cap_cents: StrictCents | None = None
    from_month: CalendarMonth | None = Field(None, description="Default: January.")
    to_month: CalendarMonth | None = Field(None, description="The last month. Default: December.")


class BufferForm(RequestModel):
    """A buffer that tops a month up to the paid part of the norm."""

    balance_cents: StrictCents


class LocalSchemeForm(RequestModel):
    """A local scheme, beside those that are recorded of the municipality."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f]+$")]
    kind: SchemeKind
    share: Annotated[
        str,
        StringConstraints(pattern=r"^[0-9](\.[0-9]{1,4})?$"),
        Field(examples=["1.20"], description="Income limit as a share of the norm, or share of the costs."),
    ]
    amount_year_cents: StrictCents = Cents(0)

    def scheme(self) -> LocalScheme:
        return LocalScheme(self.name, self.kind, Fraction(self.share), self.amount_year_cents)


class WhatIfRequest(HouseholdYearForm):
    """A household, its work now, and its work from a month on."""

    municipality: MunicipalityCode | None = Field(None, description="Default: the caller's own.")
    now: JobForm
    change: JobChangeForm
    tax_credit_at: TaxCreditAt
    on_benefit: Annotated[bool, Strict()] = True
    offset_method: OffsetMethod = "M0"
    exempt_wage: ExemptWageForm | None = None
    partner_gross_wage_cents: IncomeCents = Field(default=Cents(0), description="Per month, all year.")
    buffer: BufferForm | None = None
    local_schemes: list[LocalSchemeForm] = Field(default_factory=list, max_length=20)

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        faults = super().cross_faults(parsed)
        names = [scheme.name for _, scheme in items_of(parsed, "local_schemes")]
        if len(set(names)) < len(names):
            faults.append(Fault("T011", "/localSchemes", "has a name twice"))
        household = parsed.get("household")
        if household is not None and household.kind != "COUPLE" and parsed.get("partner_gross_wage_cents"):
            faults.append(Fault("T008", "/partnerGrossWageCents", "there is no partner"))
        year = parsed.get("year")
        if year is None:
            return faults
        return faults + _month_faults(parsed, year) + _tax_faults(year)


# ---- what is answered -------------------------------------------------------------------------------------


class ToeslagAmounts(ResponseModel):
    """An amount per toeslag."""

    zorgtoeslag: int = 0
    huurtoeslag: int = 0
    kindgebonden_budget: int = 0
    kinderopvangtoeslag: int = 0


class PlanMonthView(ResponseModel):
    """One month in whole cents; net is what there is to spend."""

    month: Month
    gross_wage_cents: int
    net_wage_cents: int
    benefit_paid_cents: int
    exempt_cents: int
    buffer_cents: int
    toeslagen_cents: ToeslagAmounts
    local_schemes: list[str]
    local_schemes_cents: int
    childcare_costs_cents: int
    net_cents: int
    reserved_cents: int = Field(
        description="Earned, paid later: the holiday part of the benefit and the net holiday pay of the wage."
    )


class PlanView(ResponseModel):
    """A year: expected amounts."""

    months: list[PlanMonthView]
    toetsingsinkomen_cents: int
    toeslagen_awarded_cents: ToeslagAmounts
    settled_later_cents: int = Field(
        description="Toeslagen of the year less what its months paid; below nil: repaid after it."
    )
    net_year_cents: int = Field(description="Everything, with what is reserved and what is settled later.")


class SchemeChangeView(ResponseModel):
    """A local scheme that is there in other months than before."""

    name: str
    months_before: int
    months_after: int
    year_difference_cents: int


class WhatIfAnswer(ResponseModel):
    """The year as it goes on, and as it would become; differences are after less before."""

    before: PlanView
    after: PlanView
    net_month_difference_cents: list[int]
    net_year_difference_cents: int
    toetsingsinkomen_difference_cents: int
    local_schemes: list[SchemeChangeView]
    report_by: str | None = Field(None, description="The last day to report in time; with `change.knownOn`.")
    receipt: list[ReceiptLineView]


# ---- the call ---------------------------------------------------------------------------------------------


def what_if_call(routes: ServiceRouter, database: Database, law: Law) -> None:
    """Add the call to the service's routes."""

    @routes.post("/what-ifs", response_model=WhatIfAnswer)
    async def ask_what_if(request: Request, body: WhatIfRequest, caller: BackOffice) -> Response:
        """What changes in a month and in the year when hours or wage change: everything that moves."""
        municipality = body.municipality or caller.of_municipality
        caller.must_be_of(municipality)
        return await answered(request, database, caller, computed(law, body, municipality))


def computed(law: Law, body: WhatIfRequest, municipality: str) -> WhatIfAnswer:
    """Compute both years; what cannot be computed is a fault that names the figure."""
    rules = toeslag_rules(law, body.year)
    household = body.built(rules)
    first = body.change.from_month.number
    exempt = body.exempt_wage
    recorded = local_schemes(law, municipality, body.year)
    circumstances = Circumstances(
        year=body.year,
        kind=body.household.kind,
        on_benefit=body.on_benefit,
        offset_method=body.offset_method,
        exempt=None if exempt is None else _exempt(exempt),
        partner_gross_wage_cents=body.partner_gross_wage_cents,
        buffer_cents=0 if body.buffer is None else body.buffer.balance_cents,
        schemes=(*recorded, *(one.scheme() for one in body.local_schemes)),
    )
    try:
        wages = [body.now.wage(law, month) for month in months_of(body.year)]
        changed = [body.change.wage(law, month) for month in months_of(body.year)]
        before = Work(tuple(wages), (body.tax_credit_at,) * MONTHS_IN_YEAR, household)
        credit = body.change.tax_credit_at or body.tax_credit_at
        after = Work(
            (*wages[: first - 1], *changed[first - 1 :]),
            (*before.credit_at[: first - 1], *(credit,) * (MONTHS_IN_YEAR + 1 - first)),
            _with_care(household, body.change, first),
        )
        found = what_if(law, circumstances, before, after, first)
        lines = _lines(law, body, found, after.household)
    except (NotComputable, PartUnknown, ParameterMissing) as unknown:
        raise Invalid([Fault("T002", "/year", unknown.detail)]) from None
    return _answer(law, body, found, lines)


def _answer(law: Law, body: WhatIfRequest, found: WhatIf, lines: list[ReceiptLineView]) -> WhatIfAnswer:
    known_on = body.change.known_on
    return WhatIfAnswer(
        before=_plan_view(body.year, found.before),
        after=_plan_view(body.year, found.after),
        net_month_difference_cents=[
            new.net_cents - old.net_cents
            for old, new in zip(found.before.months, found.after.months, strict=True)
        ],
        net_year_difference_cents=found.net_year_difference_cents,
        toetsingsinkomen_difference_cents=(
            found.after.toetsingsinkomen_cents - found.before.toetsingsinkomen_cents
        ),
        local_schemes=[
            SchemeChangeView(
                name=one.name,
                months_before=one.months_before,
                months_after=one.months_after,
                year_difference_cents=one.year_difference_cents,
            )
            for one in found.schemes
        ],
        report_by=None if known_on is None else reconciliation.report_by(law, known_on)[0].isoformat(),
        receipt=lines,
    )


def _lines(
    law: Law, body: WhatIfRequest, found: WhatIf, household: ToeslagHousehold
) -> list[ReceiptLineView]:
    """Norms, taxes and toeslag figures, each once."""
    lines = list(tax_rules(law, body.year).receipt)
    for month in months_of(body.year):
        lines += benefit_receipt(law, body.household.kind, month)
    for of_toeslag in receipts(law, body.year, household, found.after.toetsingsinkomen_cents).values():
        lines += of_toeslag
    return receipt_view(list(dict.fromkeys(lines)))


def _plan_view(year: int, plan: Plan) -> PlanView:
    awards = {name: award.awarded_cents for name, award in plan.toeslagen.named().items()}
    return PlanView(
        months=[_month_view(year, month) for month in plan.months],
        toetsingsinkomen_cents=plan.toetsingsinkomen_cents,
        toeslagen_awarded_cents=_amounts(awards),
        settled_later_cents=plan.settled_later_cents,
        net_year_cents=plan.net_year_cents,
    )


def _month_view(year: int, month: PlanMonth) -> PlanMonthView:
    return PlanMonthView(
        month=Month(year, month.number),
        gross_wage_cents=month.gross_wage_cents,
        net_wage_cents=month.net_wage_cents,
        benefit_paid_cents=month.benefit_paid_cents,
        exempt_cents=month.exempt_cents,
        buffer_cents=month.buffer_cents,
        toeslagen_cents=_amounts(month.toeslagen_cents),
        local_schemes=list(month.schemes),
        local_schemes_cents=month.schemes_cents,
        childcare_costs_cents=month.childcare_costs_cents,
        net_cents=month.net_cents,
        reserved_cents=month.reserved_cents,
    )


def _amounts(cents: Mapping[ToeslagName, Cents]) -> ToeslagAmounts:
    return ToeslagAmounts(
        zorgtoeslag=cents.get("zorgtoeslag", 0),
        huurtoeslag=cents.get("huurtoeslag", 0),
        kindgebonden_budget=cents.get("kindgebondenBudget", 0),
        kinderopvangtoeslag=cents.get("kinderopvangtoeslag", 0),
    )


def _exempt(form: ExemptWageForm) -> ExemptWage:
    return ExemptWage(
        Fraction(form.share),
        form.cap_cents,
        1 if form.from_month is None else form.from_month.number,
        MONTHS_IN_YEAR if form.to_month is None else form.to_month.number,
    )


def _with_care(household: ToeslagHousehold, change: JobChangeForm, first: int) -> ToeslagHousehold:
    """The household with other childcare from a month on; the childcare before it ends the month before."""
    if change.childcare is None:
        return household
    kept = [
        replace(one, to_month=min(one.to_month, first - 1))
        for one in household.care
        if one.from_month < first
    ]
    new = [
        replace(care, from_month=max(care.from_month, first))
        for care in (one.care() for one in change.childcare)
    ]
    return replace(household, care=(*kept, *new))


def _month_faults(parsed: Mapping[str, Any], year: int) -> list[Fault]:
    faults: list[Fault] = []
    change: JobChangeForm | None = parsed.get("change")
    if change is not None:
        faults += outside(change.from_month, year, "/change/fromMonth")
        for index, care in enumerate(change.childcare or ()):
            faults += outside(care.from_month, year, f"/change/childcare/{index}/fromMonth")
            faults += outside(care.to_month, year, f"/change/childcare/{index}/toMonth")
            if care.to_month is not None and care.to_month < change.from_month:
                detail = f"lies before the change, which is of {change.from_month}"
                faults.append(Fault("T007", f"/change/childcare/{index}/toMonth", detail))
    exempt: ExemptWageForm | None = parsed.get("exempt_wage")
    if exempt is not None:
        faults += outside(exempt.from_month, year, "/exemptWage/fromMonth")
        faults += outside(exempt.to_month, year, "/exemptWage/toMonth")
    return faults


def _tax_faults(year: int) -> list[Fault]:
    try:
        tax_rules(Law.load(), year)
    except YearUnknown as unknown:
        return [Fault("T001", "/year", unknown.detail)]
    return []
