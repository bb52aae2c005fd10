"""What callers ask of the calculators: a household's toeslagen, a reconciliation, the income of a year."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, Strict

from notifier.income_projection import TaxCreditAt
from notifier.toeslag_forms import HouseholdYearForm, IncomeCents, Year, early, outside, tax_year_faults
from notifier.toeslag_household import ToeslagHouseholdKind
from shared.dates import CalendarMonth, Day
from shared.errors import Fault
from shared.money import Cents
from shared.requests import RequestModel, items_of, members_of


class IncomeForm(RequestModel):
    """The toetsingsinkomen of the whole year."""

    applicant_cents: IncomeCents
    partner_cents: IncomeCents | None = None


class ToeslagCalculationRequest(HouseholdYearForm):
    """A household and its income in a year."""

    income: IncomeForm

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        faults = super().cross_faults(parsed)
        kind = members_of(parsed, "household").get("kind")
        given = members_of(parsed, "income").get("partner_cents")
        if kind is not None and kind != "COUPLE" and given:
            faults.append(Fault("T008", "/income/partnerCents", "there is no partner"))
        return faults

    @property
    def joint_cents(self) -> int:
        return self.income.applicant_cents + (self.income.partner_cents or 0)


class ToeslagReconciliationRequest(HouseholdYearForm):
    """A household in a year, the income Dienst Toeslagen knows and the one the year comes to."""

    known_income_cents: IncomeCents = Field(description="Joint; as the advance says, not last year's income.")
    projected_income_cents: IncomeCents = Field(description="Joint.")
    months_elapsed: Annotated[int, Strict(), Field(ge=0, le=12)]
    decision_year: Year | None = Field(
        None, description="When the definitive calculation is received. Default: the year after."
    )
    changed_on: Day | None = Field(
        None, description="When the income changed: gives the last day to report it."
    )

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        faults = super().cross_faults(parsed)
        year, decided = parsed.get("year"), parsed.get("decision_year")
        if year is not None and decided is not None and decided < year:
            faults.append(Fault("T006", "/decisionYear", f"lies before the year itself, {year}"))
        return faults + early(parsed.get("changed_on"), year, "/changedOn")


class ProjectionHouseholdForm(RequestModel):
    """Whose benefit it is: of a couple each has half of it."""

    kind: ToeslagHouseholdKind


class IncomeMonthForm(RequestModel):
    """One month of the year as far as it is known, of applicant and partner together."""

    month: CalendarMonth
    gross_wage_cents: IncomeCents = Field(description="Gross wage paid in the month, holiday pay included.")
    net_benefit_cents: IncomeCents = Field(
        description="The benefit granted for the month after the offset, its holiday part included and also "
        "what is left of it because part of the wage is exempt."
    )
    exempt_net_cents: IncomeCents = Field(
        default=Cents(0),
        description="How much of the net wage was not offset. It is in the benefit already, and says what it "
        "does to the year; only where the benefit is the norm less the whole net wage it is added.",
    )


class IncomeProjectionRequest(RequestModel):
    """The months so far; those that are left out are projected."""

    year: Year
    household: ProjectionHouseholdForm
    months: Annotated[list[IncomeMonthForm], Field(min_length=1, max_length=12)]
    tax_credit_at: TaxCreditAt

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        faults: list[Fault] = []
        seen = set()
        year = parsed.get("year")
        for index, one in items_of(parsed, "months"):
            if one.month in seen:
                faults.append(Fault("T009", f"/months/{index}/month", f"{one.month} stands there before"))
            seen.add(one.month)
            if year is not None:
                faults += outside(one.month, year, f"/months/{index}/month")
        if year is not None:
            faults += tax_year_faults(year)
        return faults
