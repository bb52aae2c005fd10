"""What callers ask when hours or wage may change."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any

from pydantic import Field, Strict, StringConstraints

from notifier.income_projection import TaxCreditAt
from notifier.local_schemes import LocalScheme, SchemeKind
from notifier.toeslag_forms import (
    ChildcareForm,
    Hours,
    HouseholdYearForm,
    IncomeCents,
    early,
    outside,
    tax_year_faults,
)
from notifier.what_ifs import OffsetMethod, monthly_wage
from shared.contracts.events import MunicipalityCode
from shared.dates import CalendarMonth, Day
from shared.errors import Fault
from shared.law import Law
from shared.money import Cents, Share, StrictCents
from shared.months import Month
from shared.requests import RequestModel, items_of

MINIMUM_WAGE = "minimumloon/hourly_wage"
HourlyCents = Annotated[StrictCents, Field(le=100_000)]


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
    local_schemes: Annotated[list[LocalSchemeForm], Field(max_length=20)] | None = None

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
        return faults + _month_faults(parsed, year) + tax_year_faults(year)


def _month_faults(parsed: Mapping[str, Any], year: int) -> list[Fault]:
    faults: list[Fault] = []
    change: JobChangeForm | None = parsed.get("change")
    if change is not None:
        faults += outside(change.from_month, year, "/change/fromMonth")
        faults += early(change.known_on, year, "/change/knownOn")
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
