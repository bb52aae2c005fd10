"""What a year looks like when hours or wage change from a month on: before and after, month by month.

Everything that moves is in: wage and tax, the benefit and its offset, a buffer, the four toeslagen on the
year's income, childcare costs, local schemes. The year is indivisible for toeslagen, so a change in July
also changes what January to June were worth: that part is settled later and shown apart. Amounts are
expected, not decided.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from notifier.award import Award, ToeslagName
from notifier.benefit_month import BenefitMonth, ExemptWage, benefit_month, norm_of
from notifier.income_projection import HOLIDAY_PAY, TaxCreditAt
from notifier.local_schemes import LocalScheme
from notifier.toeslag_household import (
    HOUR_SCALE,
    MONTHS_IN_YEAR,
    ToeslagHousehold,
    ToeslagHouseholdKind,
)
from notifier.toeslagen import Toeslagen, toeslag_rules, toeslagen
from notifier.wage_tax import TaxRules, gross_parts, net_month_cents, tax_rules
from notifier.year_law import months_of
from shared.law import Law
from shared.money import Cents, half_up

OffsetMethod = Literal["M0", "M1"]
WEEKS_IN_YEAR: Final = 52


@dataclass(frozen=True, slots=True)
class Work:
    """A year of work: the applicant's gross wage per month, where the credit is, the household with its
    care."""

    gross_wages: tuple[int, ...]
    credit_at: tuple[TaxCreditAt, ...]
    household: ToeslagHousehold


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What stays the same: whose benefit, how it is offset, the buffer and the schemes."""

    year: int
    kind: ToeslagHouseholdKind
    on_benefit: bool = True
    offset_method: OffsetMethod = "M0"
    exempt: ExemptWage | None = None
    partner_gross_wage_cents: int = 0
    buffer_cents: int = 0
    schemes: tuple[LocalScheme, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanMonth:
    """One month in whole cents; net is what there is to spend."""

    number: int
    gross_wage_cents: Cents
    net_wage_cents: Cents
    benefit_paid_cents: Cents
    reserved_cents: Cents
    """Earned, paid later: the holiday part of the benefit and the net holiday pay of the wage."""
    buffer_cents: Cents
    toeslagen_cents: Mapping[ToeslagName, Cents]
    schemes: tuple[str, ...]
    schemes_cents: Cents
    childcare_costs_cents: Cents
    exempt_cents: Cents

    @property
    def net_cents(self) -> Cents:
        income = self.net_wage_cents + self.benefit_paid_cents + self.buffer_cents
        return Cents(
            income + sum(self.toeslagen_cents.values()) + self.schemes_cents - self.childcare_costs_cents
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """A year: its months, its income and toeslagen, and what is paid or repaid after it."""

    months: tuple[PlanMonth, ...]
    toetsingsinkomen_cents: Cents
    toeslagen: Toeslagen
    settled_later_cents: Cents
    """Toeslagen of the year less what its months paid; below nil: repaid."""

    @property
    def net_year_cents(self) -> Cents:
        """Everything of the year, holiday parts and what is settled later included."""
        months = sum(month.net_cents + month.reserved_cents for month in self.months)
        return Cents(months + self.settled_later_cents)


@dataclass(frozen=True, slots=True)
class SchemeChange:
    """A local scheme that is there in other months than before."""

    name: str
    months_before: int
    months_after: int
    year_difference_cents: Cents


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A year as it goes on, and as it would become."""

    before: Plan
    after: Plan
    schemes: tuple[SchemeChange, ...]

    @property
    def net_year_difference_cents(self) -> Cents:
        return Cents(self.after.net_year_cents - self.before.net_year_cents)


def what_if(law: Law, circumstances: Circumstances, before: Work, after: Work, from_month: int) -> WhatIf:
    """Compute both years. Until `from_month` toeslagen are paid as they were known. Raises YearUnknown,
    ParameterMissing, NotComputable and PartUnknown."""
    old = _plan(law, circumstances, before, None, from_month)
    new = _plan(law, circumstances, after, old.toeslagen, from_month)
    return WhatIf(old, new, _scheme_changes(circumstances.schemes, old, new))


def monthly_wage(hundredths_of_hours: int, hourly_cents: int) -> Cents:
    """The gross wage of a month from hours a week: 52 weeks over 12 months, half up to the cent."""
    return half_up(Fraction(hundredths_of_hours * hourly_cents * WEEKS_IN_YEAR, HOUR_SCALE * MONTHS_IN_YEAR))


@dataclass(frozen=True, slots=True)
class _Earned:
    """A month before toeslagen."""

    gross: int
    net: int
    holiday_gross: Fraction
    holiday_net: int
    benefit: BenefitMonth | None
    granted: int
    credited: bool
    norm: int


def _plan(
    law: Law, circumstances: Circumstances, work: Work, paid_before: Toeslagen | None, from_month: int
) -> Plan:
    tax = tax_rules(law, circumstances.year)
    earned = _earned(law, circumstances, work, tax)
    people = 2 if circumstances.kind == "COUPLE" else 1
    gross = sum(gross_parts(tax, one.granted, people, credit_applied=one.credited) for one in earned)
    wages = sum((one.gross + one.holiday_gross for one in earned), Fraction(0))
    income = half_up(wages + Fraction(gross, tax.parts_per_cent))
    rules = toeslag_rules(law, circumstances.year)
    found = toeslagen(rules, work.household, income)
    paid = [
        _paid(found if paid_before is None or number >= from_month else paid_before, number)
        for number in range(1, MONTHS_IN_YEAR + 1)
    ]
    months = _months(circumstances, work, earned, paid)
    all_paid = sum(sum(month.values()) for month in paid)
    return Plan(months, income, found, Cents(found.total_awarded_cents - all_paid))


def _earned(law: Law, circumstances: Circumstances, work: Work, tax: TaxRules) -> list[_Earned]:
    """Wages and benefit of each month. Without benefit in a month the credit can only be at the employer."""
    share = Fraction(law.value(HOLIDAY_PAY, months_of(circumstances.year)[0]).share)
    found: list[_Earned] = []
    wages_before: list[int] | None = None
    for place, month in enumerate(months_of(circumstances.year)):
        credit = work.credit_at[place]
        grosses = [work.gross_wages[place], circumstances.partner_gross_wage_cents]
        at_employer = credit in {"EMPLOYER", "BOTH"}
        wages = [_net(tax, gross, at_employer) for gross in grosses]
        benefit = None
        if circumstances.on_benefit:
            # The December before is taken to be like January: nothing else is known of it.
            base = wages if circumstances.offset_method == "M0" or wages_before is None else wages_before
            benefit = benefit_month(
                law, circumstances.kind, month, base, circumstances.exempt, credit_at_employer=at_employer
            )
        granted = 0 if benefit is None else benefit.granted_cents
        if granted == 0 and not at_employer and credit == "MUNICIPALITY":
            at_employer = True
            wages = [_net(tax, gross, True) for gross in grosses]
        holiday = [
            _net(tax, gross + int(half_up(gross * share)), at_employer) - wage
            for gross, wage in zip(grosses, wages, strict=True)
        ]
        found.append(
            _Earned(
                gross=sum(grosses),
                net=sum(wages),
                holiday_gross=sum(grosses) * share,
                holiday_net=sum(holiday),
                benefit=benefit,
                granted=granted,
                credited=credit in {"MUNICIPALITY", "BOTH"},
                norm=norm_of(law, circumstances.kind, month),
            )
        )
        wages_before = wages
    return found


def _net(tax: TaxRules, gross_cents: int, credited: bool) -> int:
    return net_month_cents(tax, gross_cents, credit_applied=credited)


def _paid(found: Toeslagen, number: int) -> dict[ToeslagName, Cents]:
    """What each toeslag pays in a month."""
    return {name: _paid_in(award, number) for name, award in found.named().items()}


def _paid_in(award: Award, number: int) -> Cents:
    return Cents(award.paid_until(number) - award.paid_until(number - 1))


def _months(
    circumstances: Circumstances,
    work: Work,
    earned: Sequence[_Earned],
    paid: Sequence[Mapping[ToeslagName, Cents]],
) -> tuple[PlanMonth, ...]:
    buffer = circumstances.buffer_cents
    found = []
    for place, one in enumerate(earned):
        costs = _childcare_costs(work.household, place + 1)
        benefit_paid = 0 if one.benefit is None else one.benefit.paid_cents
        draw = 0
        if one.benefit is not None:
            draw = min(buffer, max(0, one.benefit.floor_cents - one.net - benefit_paid))
        buffer -= draw
        held = _held(circumstances.schemes, one)
        found.append(
            PlanMonth(
                number=place + 1,
                gross_wage_cents=Cents(one.gross),
                net_wage_cents=Cents(one.net),
                benefit_paid_cents=Cents(benefit_paid),
                reserved_cents=Cents(one.granted - benefit_paid + one.holiday_net),
                buffer_cents=Cents(draw),
                toeslagen_cents=paid[place],
                schemes=tuple(scheme.name for scheme in held),
                schemes_cents=Cents(sum(scheme.month_cents(costs) for scheme in held)),
                childcare_costs_cents=Cents(costs),
                exempt_cents=Cents(0) if one.benefit is None else one.benefit.exempt_cents,
            )
        )
    return tuple(found)


def _held(schemes: Sequence[LocalScheme], one: _Earned) -> list[LocalScheme]:
    income = one.net + one.granted
    return [scheme for scheme in schemes if scheme.holds(income, one.norm, one.granted)]


def _childcare_costs(household: ToeslagHousehold, number: int) -> int:
    """What is paid to the childcare in a month, also above the hours and price that count."""
    exact = sum(
        care.hundredths_of_hours * care.hourly_rate_cents
        for care in household.care
        if care.from_month <= number <= care.to_month
    )
    return half_up(Fraction(exact, HOUR_SCALE))


def _scheme_changes(schemes: Sequence[LocalScheme], old: Plan, new: Plan) -> tuple[SchemeChange, ...]:
    found = []
    for scheme in schemes:
        had, has = ([month for month in plan.months if scheme.name in month.schemes] for plan in (old, new))
        worth = [
            sum(scheme.month_cents(month.childcare_costs_cents) for month in months) for months in (had, has)
        ]
        if len(had) != len(has) or worth[0] != worth[1]:
            found.append(SchemeChange(scheme.name, len(had), len(has), Cents(worth[1] - worth[0])))
    return tuple(found)
