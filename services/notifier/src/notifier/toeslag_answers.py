"""What the calculators answer: awards, differences and the income of a year, with their receipts."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from pydantic import Field

from notifier.award import Award, Reason
from notifier.income_projection import Sign
from notifier.income_room import Room
from notifier.reconciliation import Difference, SmallAmount
from shared.law import ReceiptLine
from shared.months import Month
from shared.requests import ResponseModel


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
    exempt_added_in: list[Month] = Field(
        description="Months whose benefit was the norm less the whole net wage: the exempt part was added."
    )
    exempt_effect_cents: int = Field(
        description="How much of the income comes from wage that was not offset."
    )
    tax_credit_effect_cents: int = Field(
        description="How much higher the income is than with the tax credit at the municipality."
    )
    signs: list[Sign] = Field(description="What the person should know about this year.")
    receipt: list[ReceiptLineView]


def receipt_view(lines: Sequence[ReceiptLine]) -> list[ReceiptLineView]:
    return [ReceiptLineView.model_validate(line.to_json()) for line in lines]


def award_view(award: Award, lines: Sequence[ReceiptLine]) -> AwardView:
    return AwardView(
        annual_exact_cents=award.exact_cents,
        annual_awarded_cents=award.awarded_cents,
        monthly_paid_cents=award.monthly_paid_cents,
        months=list(award.months_cents),
        reason=award.reason,
        receipt=receipt_view(lines),
    )


def difference_view(one: Difference, room: Room | None, lines: Sequence[ReceiptLine]) -> DifferenceView:
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


def small_amount_view(small: SmallAmount) -> SmallAmountView:
    return SmallAmountView(
        cents=small.cents,
        decision_year=small.decision_year,
        figure_of=small.figure_of,
        published=small.published,
    )
