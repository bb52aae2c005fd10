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


@dataclass(frozen=True, slots=True)
class _Told:
    """The known months in order with their gross benefits, which are in parts of a cent."""

    months: Sequence[IncomeMonth]
    gross: Sequence[int]
    gross_with_credit: Sequence[int]
    """As if the municipality applied the credit."""
    parts: int
    """So many are a cent."""

    @property
    def left(self) -> int:
        """How many months are to come."""
        return MONTHS_IN_YEAR - len(self.months)

    @property
    def alike(self) -> int:
        """How many of the last months in a row all have benefit, or all have none."""
        on_benefit = self.gross[-1] > 0
        count = 0
        for gross in reversed(self.gross):
            if (gross > 0) != on_benefit:
                break
            count += 1
        return count

    @property
    def credit_effect(self) -> Fraction:
        """How much more gross there is because the municipality does not apply the credit, in cents."""
        return Fraction(sum(self.gross) - sum(self.gross_with_credit), self.parts)


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
    told = _told(figures.tax, kind, months, credit_at)
    recent, parts = min(told.alike, RECENT_MONTHS), told.parts
    known_wage = sum(month.gross_wage_cents for month in told.months)
    coming_wage = Fraction(sum(month.gross_wage_cents for month in told.months[-recent:]), recent)
    holiday = _holiday_pay(figures, told.months, coming_wage)
    wage = known_wage + told.left * coming_wage + holiday.expected
    benefit = Fraction(sum(told.gross) * recent + told.left * sum(told.gross[-recent:]), recent * parts)
    certain = known_wage + Fraction(sum(told.gross), parts)
    lower, upper = _bounds(figures.tax, told, halves=kind == "COUPLE")
    wage_cents, benefit_cents = half_up(wage), half_up(benefit)
    return Projection(
        wage_gross_cents=wage_cents,
        benefit_gross_cents=benefit_cents,
        toetsingsinkomen_cents=Cents(wage_cents + benefit_cents),
        lower_cents=half_up(max(Fraction(0), min(certain + lower, wage + benefit))),
        upper_cents=half_up(max(certain + upper + holiday.upper, wage + benefit)),
        known_months=len(told.months),
        projected_holiday_pay_cents=half_up(holiday.expected),
        exempt_effect_cents=half_up(
            _made_gross(figures.tax, sum(month.exempt_net_cents for month in told.months))
        ),
        tax_credit_effect_cents=half_up(told.credit_effect),
        signs=_signs(told.months, credit_at),
        receipt=figures.receipt,
    )


@lru_cache(maxsize=64)
def _figures(law: Law, year: int) -> _Figures:
    tax = tax_rules(law, year)
    holiday = of_year(law, year, lambda figures: figures.value(HOLIDAY_PAY))
    return _Figures(tax, Fraction(holiday.share), (*tax.receipt[:2], holiday.receipt()))


def _told(
    tax: TaxRules, kind: ToeslagHouseholdKind, months: Sequence[IncomeMonth], credit_at: TaxCreditAt
) -> _Told:
    known = sorted(months, key=lambda month: month.number)
    people = 2 if kind == "COUPLE" else 1
    plain, credited = (
        [gross_parts(tax, month.net_benefit_cents, people, credit_applied=applied) for month in known]
        for applied in (False, True)
    )
    at_municipality = credit_at in {"MUNICIPALITY", "BOTH"}
    return _Told(known, credited if at_municipality else plain, credited, tax.parts_per_cent)


def _bounds(tax: TaxRules, told: _Told, *, halves: bool) -> tuple[Fraction, Fraction]:
    """What comes on top of the known months, at the lowest and at the highest, without holiday pay.

    A month to come lies between the lowest and the highest of those that are like the last one. An exemption
    of the last month may end. Of a couple one may have the credit at the municipality after all.
    """
    alike = told.alike
    sums = [
        month.gross_wage_cents * told.parts + gross
        for month, gross in zip(told.months[-alike:], told.gross[-alike:], strict=True)
    ]
    lowest, highest = Fraction(min(sums), told.parts), Fraction(max(sums), told.parts)
    on_benefit = told.gross[-1] > 0
    if alike == 1 and not on_benefit:
        lowest, highest = lowest * (1 - SPREAD_WITHOUT_HISTORY), highest * (1 + SPREAD_WITHOUT_HISTORY)
    if on_benefit:
        lowest -= _made_gross(tax, told.months[-1].exempt_net_cents)
    months = sum(gross > 0 for gross in told.gross) + (told.left if on_benefit else 0)
    tolerance = Fraction(GROSS_UP_TOLERANCE_CENTS * months, MONTHS_IN_YEAR)
    uncertain = tolerance + (told.credit_effect / 2 if halves else 0)
    return told.left * lowest - uncertain, told.left * highest + tolerance


def _made_gross(tax: TaxRules, net_cents: int) -> Fraction:
    """What a net amount on top of a benefit adds to its gross."""
    return Fraction(net_cents * SHARE_SCALE, SHARE_SCALE - tax.first_share_scaled)


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
