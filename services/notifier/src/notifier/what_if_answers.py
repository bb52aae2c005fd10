"""What is answered when hours or wage may change: two years, month by month."""

from collections.abc import Mapping

from pydantic import Field

from notifier.award import ToeslagName
from notifier.toeslag_answers import ReceiptLineView
from notifier.what_ifs import Plan, PlanMonth
from shared.money import Cents
from shared.months import Month
from shared.requests import ResponseModel


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


def plan_view(year: int, plan: Plan) -> PlanView:
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
