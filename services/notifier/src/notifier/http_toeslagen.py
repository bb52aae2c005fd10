"""The calculators of the notifier: toeslagen of a year, known against projected income, and the year's
income.

They store nothing. Only under an Idempotency-Key the answer is kept, encrypted, for as long as answers are
kept.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from pydantic import Field, Strict

from notifier import reconciliation
from notifier.award import Award, Reason
from notifier.income_projection import IncomeMonth, Projection, Sign, TaxCreditAt, project
from notifier.income_room import Room, income_room
from notifier.reconciliation import Difference, SmallAmount, reconcile
from notifier.toeslag_forms import (
    HouseholdYearForm,
    IncomeCents,
    Year,
    outside,
)
from notifier.toeslag_household import ToeslagHouseholdKind
from notifier.toeslagen import NotComputable, receipts, toeslag_rules, toeslagen
from notifier.wage_tax import tax_rules
from notifier.year_law import PartUnknown, YearUnknown
from shared.api import ServiceRouter
from shared.commands import Answer, command, idempotency_key
from shared.database import Database, Tx
from shared.dates import CalendarMonth, Day
from shared.errors import Fault, Invalid
from shared.law import Law, ReceiptLine
from shared.money import Cents
from shared.requests import RequestModel, ResponseModel, items_of, members_of
from shared.tokens import Caller, Role, allow

BackOffice = Annotated[Caller, Depends(allow(Role.BACKOFFICE))]


# ---- what is asked ----------------------------------------------------------------------------------------


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
        if kind is not None and kind != "COUPLE" and given is not None:
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
        return faults


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
        description="How much of the net wage was not offset. It is in the benefit already; it says what "
        "that does to the year.",
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
            try:
                tax_rules(Law.load(), year)
            except YearUnknown as unknown:
                faults.append(Fault("T001", "/year", unknown.detail))
        return faults


# ---- what is answered -------------------------------------------------------------------------------------


class ReceiptLineView(ResponseModel):
    """A figure of the law as it was used; of a table the row that applied."""

    parameter: str
    value: Any
    unit: str
    since: str
    source: str


class AwardView(ResponseModel):
    """One toeslag in a year."""

    annual_exact_cents: int = Field(description="The year by the law, before it is rounded to whole euros.")
    annual_awarded_cents: int = Field(description="Whole euros; nil below the least award.")
    monthly_paid_cents: int = Field(
        description="What is paid in a month, in whole euros; the practices differ by a euro."
    )
    months: list[int] = Field(description="The exact amount of each month from January on, in cents.")
    reason: Reason | None = Field(None, description="Why it is nil.")
    receipt: list[ReceiptLineView]


class ToeslagCalculationAnswer(ResponseModel):
    """The toeslagen of a year. Expected amounts: Dienst Toeslagen decides."""

    zorgtoeslag: AwardView
    huurtoeslag: AwardView | None = None
    kindgebonden_budget: AwardView
    kinderopvangtoeslag: AwardView | None = None
    total_annual_awarded_cents: int


class ReportingView(ResponseModel):
    """What it changes when the income is reported now."""

    monthly_paid_cents: int = Field(description="What is paid in a month from then on.")
    repayable_cents: int = Field(
        description="Paid too much so far: repaid as a revised advance, also if small."
    )
    avoided_cents: int = Field(description="Not paid too much in the months to come.")


class DifferenceView(ResponseModel):
    """One toeslag on two incomes; negative: paid too little."""

    known_annual_cents: int
    known_monthly_paid_cents: int
    actual_annual_cents: int
    actual_monthly_paid_cents: int
    overpayment_year_cents: int = Field(description="Difference of the awarded year amounts.")
    overpayment_so_far_cents: int = Field(description="Difference of what the elapsed months paid.")
    overpayment_against_paid_cents: int = Field(
        description="What twelve months pay less the award on the projected income; compared with the small "
        "amount."
    )
    reclaimed_cents: int = Field(
        description="Claimed back after the year if nothing is reported; nil up to the small amount."
    )
    reporting_now: ReportingView
    unaffected_up_to_income_cents: int | None = Field(
        None, description="Up to this joint income it does not fall; absent where there is nothing to lose."
    )
    can_lose: bool = Field(description="Whether a rise from the known to the projected income can cost it.")
    receipt: list[ReceiptLineView]


class SmallAmountView(ResponseModel):
    """What is left alone per toeslag on a definitive calculation."""

    cents: int
    decision_year: int
    figure_of: int
    published: bool = Field(description="False: the figure of the decision year is not published yet.")


class ToeslagReconciliationAnswer(ResponseModel):
    """Known against projected income. Totals inform; each toeslag is decided by itself."""

    zorgtoeslag: DifferenceView
    huurtoeslag: DifferenceView | None = None
    kindgebonden_budget: DifferenceView
    kinderopvangtoeslag: DifferenceView | None = None
    total_overpayment_year_cents: int
    total_overpayment_so_far_cents: int
    total_reclaimed_cents: int
    small_amount: SmallAmountView
    report_by: date | None = Field(None, description="The last day to report in time; with `changedOn`.")


class IncomeProjectionAnswer(ResponseModel):
    """The income of the year: a model with bounds, not an official figure."""

    wage_gross_cents: int
    benefit_gross_cents: int
    toetsingsinkomen_cents: int
    lower_cents: int
    upper_cents: int
    known_months: int
    projected_holiday_pay_cents: int
    exempt_effect_cents: int = Field(
        description="How much of the income comes from wage that was not offset."
    )
    tax_credit_effect_cents: int = Field(
        description="How much higher the income is than with the tax credit at the municipality."
    )
    signs: list[Sign] = Field(description="What the person should know about this year.")
    receipt: list[ReceiptLineView]


# ---- the calls --------------------------------------------------------------------------------------------


def toeslag_calls(routes: ServiceRouter, database: Database, law: Law) -> None:
    """Add the calculators to the service's routes."""

    @routes.post("/toeslag-calculations", response_model=ToeslagCalculationAnswer)
    async def calculate_toeslagen(
        request: Request, body: ToeslagCalculationRequest, caller: BackOffice
    ) -> Response:
        """The toeslagen of a household in a year, each with the figures of the law it comes from."""
        return await answered(request, database, caller, calculated(law, body))

    @routes.post("/toeslag-reconciliations", response_model=ToeslagReconciliationAnswer)
    async def reconcile_toeslagen(
        request: Request, body: ToeslagReconciliationRequest, caller: BackOffice
    ) -> Response:
        """What the toeslagen are on the income Dienst Toeslagen knows, against the projected one."""
        return await answered(request, database, caller, reconciled(law, body))

    @routes.post("/income-projections", response_model=IncomeProjectionAnswer)
    async def project_income(request: Request, body: IncomeProjectionRequest, caller: BackOffice) -> Response:
        """The toetsingsinkomen a year comes to, from its months so far, with bounds."""
        return await answered(request, database, caller, projected(law, body))


async def answered(request: Request, database: Database, caller: Caller, answer: ResponseModel) -> Response:
    """Send a computed answer; only a request with an Idempotency-Key touches the database."""
    if idempotency_key(request) is None:
        content = answer.model_dump_json(by_alias=True, exclude_none=True)
        return Response(content, media_type="application/json")

    async def run(tx: Tx) -> Answer:
        return Answer(answer)

    return await command(request, database, caller, run)


def calculated(law: Law, body: ToeslagCalculationRequest) -> ToeslagCalculationAnswer:
    """Compute; what cannot be computed is a fault that names the figure."""
    rules = toeslag_rules(law, body.year)
    household = body.built(rules)
    try:
        found = toeslagen(rules, household, body.joint_cents)
        lines = receipts(law, body.year, household, body.joint_cents)
    except (NotComputable, PartUnknown) as unknown:
        raise not_computable(unknown) from None
    views = {name: _award_view(award, lines[name]) for name, award in found.named().items()}
    return ToeslagCalculationAnswer(
        zorgtoeslag=views["zorgtoeslag"],
        huurtoeslag=views.get("huurtoeslag"),
        kindgebonden_budget=views["kindgebondenBudget"],
        kinderopvangtoeslag=views.get("kinderopvangtoeslag"),
        total_annual_awarded_cents=found.total_awarded_cents,
    )


def reconciled(law: Law, body: ToeslagReconciliationRequest) -> ToeslagReconciliationAnswer:
    """Compute on both incomes and compare."""
    rules = toeslag_rules(law, body.year)
    household = body.built(rules)
    known, actual = body.known_income_cents, body.projected_income_cents
    small = reconciliation.small_amount(law, body.decision_year or body.year + 1)
    try:
        compared = reconcile(
            toeslagen(rules, household, known),
            toeslagen(rules, household, actual),
            body.months_elapsed,
            small,
        )
        rooms = income_room(rules, household, known, max(known, actual))
    except (NotComputable, PartUnknown) as unknown:
        raise not_computable(unknown) from None
    lines = receipts(law, body.year, household, actual)
    views = {
        name: _difference_view(one, rooms.get(name), (*lines[name], small.receipt))
        for name, one in compared.differences.items()
    }
    return ToeslagReconciliationAnswer(
        zorgtoeslag=views["zorgtoeslag"],
        huurtoeslag=views.get("huurtoeslag"),
        kindgebonden_budget=views["kindgebondenBudget"],
        kinderopvangtoeslag=views.get("kinderopvangtoeslag"),
        total_overpayment_year_cents=compared.overpayment_year_cents,
        total_overpayment_so_far_cents=compared.overpayment_so_far_cents,
        total_reclaimed_cents=compared.reclaimed_cents,
        small_amount=_small_view(small),
        report_by=None if body.changed_on is None else reconciliation.report_by(law, body.changed_on)[0],
    )


def projected(law: Law, body: IncomeProjectionRequest) -> IncomeProjectionAnswer:
    """Project the year."""
    months = [
        IncomeMonth(one.month.number, one.gross_wage_cents, one.net_benefit_cents, one.exempt_net_cents)
        for one in body.months
    ]
    found: Projection = project(law, body.year, body.household.kind, months, body.tax_credit_at)
    return IncomeProjectionAnswer(
        wage_gross_cents=found.wage_gross_cents,
        benefit_gross_cents=found.benefit_gross_cents,
        toetsingsinkomen_cents=found.toetsingsinkomen_cents,
        lower_cents=found.lower_cents,
        upper_cents=found.upper_cents,
        known_months=found.known_months,
        projected_holiday_pay_cents=found.projected_holiday_pay_cents,
        exempt_effect_cents=found.exempt_effect_cents,
        tax_credit_effect_cents=found.tax_credit_effect_cents,
        signs=list(found.signs),
        receipt=receipt_view(found.receipt),
    )


def not_computable(unknown: NotComputable | PartUnknown) -> Invalid:
    """The fault for a household that needs a figure nobody has found."""
    return Invalid([Fault("T002", "/household", unknown.detail)])


def receipt_view(lines: Sequence[ReceiptLine]) -> list[ReceiptLineView]:
    return [ReceiptLineView.model_validate(line.to_json()) for line in lines]


def _award_view(award: Award, lines: Sequence[ReceiptLine]) -> AwardView:
    return AwardView(
        annual_exact_cents=award.exact_cents,
        annual_awarded_cents=award.awarded_cents,
        monthly_paid_cents=award.monthly_paid_cents,
        months=list(award.months_cents),
        reason=award.reason,
        receipt=receipt_view(lines),
    )


def _difference_view(one: Difference, room: Room | None, lines: Sequence[ReceiptLine]) -> DifferenceView:
    return DifferenceView(
        known_annual_cents=one.known.awarded_cents,
        known_monthly_paid_cents=one.known.monthly_paid_cents,
        actual_annual_cents=one.actual.awarded_cents,
        actual_monthly_paid_cents=one.actual.monthly_paid_cents,
        overpayment_year_cents=one.overpayment_year_cents,
        overpayment_so_far_cents=one.overpayment_so_far_cents,
        overpayment_against_paid_cents=one.against_paid_cents,
        reclaimed_cents=one.reclaimed_cents,
        reporting_now=ReportingView(
            monthly_paid_cents=one.actual.monthly_paid_cents,
            repayable_cents=one.repayable_now_cents,
            avoided_cents=one.avoided_cents,
        ),
        unaffected_up_to_income_cents=None if room is None else max(0, room.unaffected_up_to_cents),
        can_lose=room is not None and room.can_lose and one.known.awarded_cents > 0,
        receipt=receipt_view(lines),
    )


def _small_view(small: SmallAmount) -> SmallAmountView:
    return SmallAmountView(
        cents=small.cents,
        decision_year=small.decision_year,
        figure_of=small.figure_of,
        published=small.published,
    )
