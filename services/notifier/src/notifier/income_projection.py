"""The toetsingsinkomen a year comes to, from the months so far: gross wages plus the benefit made gross.

Toeslagen look at the taxable income of the whole calendar year (Awir art. 8). A municipality pays a net
norm and owes the tax on top (Participatiewet art. 19(4)), so the benefit counts for more than what arrives.
A wage that is offset takes as much off the gross benefit as it adds, as long as some benefit is left and
the municipality applies the tax credit. What moves the year: an exempt part of the wage, the tax credit at
another place, leaving the benefit, and holiday pay. This is a model, not an official table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from typing import Final, Literal

from notifier.toeslag_household import MONTHS_IN_YEAR, ToeslagHouseholdKind
from notifier.wage_tax import TaxRules, gross_parts, tax_rules
from notifier.year_law import SHARE_SCALE, of_year
from shared.law import Law, ReceiptLine
from shared.money import Cents, half_up

HOLIDAY_PAY = "minimumloon/holiday_pay_share"
TaxCreditAt = Literal["MUNICIPALITY", "EMPLOYER", "BOTH", "NONE"]

GROSS_UP_TOLERANCE_CENTS: Final = 35_000
"""How far a year of the gross-up may be off: withholding goes by the month and by rounded tables."""
SPREAD_WITHOUT_HISTORY: Final = Fraction(1, 4)
"""How much a wage may rise or fall after a single month without benefit, for want of anything better."""
RECENT_MONTHS: Final = 3
HOLIDAY_PAY_MONTH: Final = 5
"""The month in which holiday pay is paid as a rule."""


class Sign(StrEnum):
    """Something about the year that the person should know."""

    LEFT_BENEFIT = "LEFT_BENEFIT"
    """There was benefit, and now there is a wage without it: later wages count for the whole year."""
    TAX_CREDIT_AT_EMPLOYER = "TAX_CREDIT_AT_EMPLOYER"
    """The benefit is paid without the credit: a higher toetsingsinkomen at the same spendable income. The
    difference comes back as a refund later, which is income for the benefit, never a gain."""
    TAX_CREDIT_TWICE = "TAX_CREDIT_TWICE"
    """Applied in two places: tax has to be paid after the year."""
    TAX_CREDIT_NOWHERE = "TAX_CREDIT_NOWHERE"
    """Applied nowhere: too much tax is withheld."""
    EXEMPT_WAGE = "EXEMPT_WAGE"
    """Part of the wage was not offset, which raises the toetsingsinkomen."""


@dataclass(frozen=True, slots=True)
class IncomeMonth:
    """What is known of one month, for applicant and partner together.

    `net_benefit_cents` is the benefit that was granted after the offset, holiday part included; what an
    exempt wage leaves of it is in. `exempt_net_cents` says how much of the net wage was not offset.
    """

    number: int
    gross_wage_cents: int
    net_benefit_cents: int
    exempt_net_cents: int = 0


@dataclass(frozen=True, slots=True)
class Projection:
    """The year, in whole cents."""

    wage_gross_cents: Cents
    benefit_gross_cents: Cents
    toetsingsinkomen_cents: Cents
    lower_cents: Cents
    upper_cents: Cents
    known_months: int
    projected_holiday_pay_cents: Cents
    """Part of the wage: holiday pay that is expected in a month to come."""
    exempt_effect_cents: Cents
    """How much of the known months' toetsingsinkomen comes from wage that was not offset."""
    tax_credit_effect_cents: Cents
    """How much higher the toetsingsinkomen is than with the credit at the municipality."""
    signs: tuple[Sign, ...]
    receipt: tuple[ReceiptLine, ...]


@dataclass(frozen=True, slots=True)
class _Figures:
    tax: TaxRules
    holiday_share: Fraction
    receipt: tuple[ReceiptLine, ...]


@dataclass(frozen=True, slots=True)
class _HolidayPay:
    """Holiday pay of months to come; at the lower bound there is none."""

    expected: Fraction
    upper: Fraction


def project(
    law: Law,
    year: int,
    kind: ToeslagHouseholdKind,
    months: Sequence[IncomeMonth],
    credit_at: TaxCreditAt,
) -> Projection:
    """The year from its months so far, at least one; months without a report are projected. Raises
    YearUnknown."""
    if not months:
        raise ValueError("a projection needs at least one month")
    figures = _figures(law, year)
    tax, parts = figures.tax, figures.tax.parts_per_cent
    known = sorted(months, key=lambda month: month.number)
    people = 2 if kind == "COUPLE" else 1
    credited = credit_at in {"MUNICIPALITY", "BOTH"}
    grossed = [gross_parts(tax, one.net_benefit_cents, people, credit_applied=credited) for one in known]
    other = [gross_parts(tax, one.net_benefit_cents, people, credit_applied=not credited) for one in known]
    alike = _alike(known)
    recent = min(alike, RECENT_MONTHS)
    left = MONTHS_IN_YEAR - len(known)
    wage = sum(month.gross_wage_cents for month in known)
    coming_wage = Fraction(sum(month.gross_wage_cents for month in known[-recent:]), recent)
    benefit = sum(grossed)
    total_wage = wage + left * coming_wage
    total_benefit = Fraction(benefit * recent + left * sum(grossed[-recent:]), recent * parts)
    holiday = _holiday_pay(figures, known, coming_wage)
    lowest, highest = _rest(known[-alike:], grossed[-alike:], parts)
    tolerance = _tolerance(known, left, benefit_goes_on=grossed[-1] > 0)
    certain = wage + Fraction(benefit, parts)
    expected = total_wage + holiday.expected + total_benefit
    lower = certain + left * lowest - tolerance
    effect = Fraction(0) if credited else Fraction(benefit - sum(other), parts)
    if kind == "COUPLE":
        # One of the two may have the credit at the municipality after all.
        lower -= effect / 2
    wage_cents, benefit_cents = half_up(total_wage + holiday.expected), half_up(total_benefit)
    return Projection(
        wage_gross_cents=wage_cents,
        benefit_gross_cents=benefit_cents,
        toetsingsinkomen_cents=Cents(wage_cents + benefit_cents),
        lower_cents=half_up(max(Fraction(0), min(lower, expected))),
        upper_cents=half_up(max(certain + left * highest + holiday.upper + tolerance, expected)),
        known_months=len(known),
        projected_holiday_pay_cents=half_up(holiday.expected),
        exempt_effect_cents=half_up(
            Fraction(
                sum(month.exempt_net_cents for month in known) * SHARE_SCALE,
                SHARE_SCALE - tax.first_share_scaled,
            )
        ),
        tax_credit_effect_cents=half_up(effect),
        signs=_signs(known, credit_at),
        receipt=figures.receipt,
    )


@lru_cache(maxsize=64)
def _figures(law: Law, year: int) -> _Figures:
    tax = tax_rules(law, year)
    holiday = of_year(law, year, lambda figures: figures.value(HOLIDAY_PAY))
    return _Figures(tax, Fraction(holiday.share), (*tax.receipt[:2], holiday.receipt()))


def _alike(known: Sequence[IncomeMonth]) -> int:
    """How many of the last months in a row all have benefit, or all have none."""
    on_benefit = known[-1].net_benefit_cents > 0
    count = 0
    for month in reversed(known):
        if (month.net_benefit_cents > 0) != on_benefit:
            break
        count += 1
    return count


def _rest(alike: Sequence[IncomeMonth], grossed: Sequence[int], parts: int) -> tuple[Fraction, Fraction]:
    """The lowest and the highest a month to come may be: those of the months that are like the last one."""
    sums = [month.gross_wage_cents * parts + gross for month, gross in zip(alike, grossed, strict=True)]
    lowest, highest = Fraction(min(sums), parts), Fraction(max(sums), parts)
    if len(alike) == 1 and alike[0].net_benefit_cents == 0:
        return lowest * (1 - SPREAD_WITHOUT_HISTORY), highest * (1 + SPREAD_WITHOUT_HISTORY)
    return lowest, highest


def _holiday_pay(figures: _Figures, known: Sequence[IncomeMonth], coming_wage: Fraction) -> _HolidayPay:
    """Holiday pay in the months to come. In May over this year's wages so far, for of earlier ones nothing is
    known; over the rest of the year only at the upper bound: on leaving a job it is paid within the year."""
    left = MONTHS_IN_YEAR - len(known)
    if not left:
        return _HolidayPay(Fraction(0), Fraction(0))
    early = [month for month in known if month.number <= HOLIDAY_PAY_MONTH]
    late_wage = sum(month.gross_wage_cents for month in known if month.number > HOLIDAY_PAY_MONTH)
    early_wage = (
        sum(month.gross_wage_cents for month in early) + (HOLIDAY_PAY_MONTH - len(early)) * coming_wage
    )
    late_left = left - (HOLIDAY_PAY_MONTH - len(early))
    ahead = known[-1].number < HOLIDAY_PAY_MONTH
    expected = figures.holiday_share * early_wage if ahead else Fraction(0)
    return _HolidayPay(expected, expected + figures.holiday_share * (late_wage + late_left * coming_wage))


def _tolerance(known: Sequence[IncomeMonth], left: int, *, benefit_goes_on: bool) -> Fraction:
    months = sum(month.net_benefit_cents > 0 for month in known) + (left if benefit_goes_on else 0)
    return Fraction(GROSS_UP_TOLERANCE_CENTS * months, MONTHS_IN_YEAR)


def _signs(known: Sequence[IncomeMonth], credit_at: TaxCreditAt) -> tuple[Sign, ...]:
    benefit = any(month.net_benefit_cents > 0 for month in known)
    wage = any(month.gross_wage_cents > 0 for month in known)
    found = []
    if benefit and known[-1].net_benefit_cents == 0 and known[-1].gross_wage_cents > 0:
        found.append(Sign.LEFT_BENEFIT)
    if benefit and credit_at == "EMPLOYER":
        found.append(Sign.TAX_CREDIT_AT_EMPLOYER)
    if benefit and wage and credit_at == "BOTH":
        found.append(Sign.TAX_CREDIT_TWICE)
    if credit_at == "NONE":
        found.append(Sign.TAX_CREDIT_NOWHERE)
    if any(month.exempt_net_cents > 0 for month in known):
        found.append(Sign.EXEMPT_WAGE)
    return tuple(found)
