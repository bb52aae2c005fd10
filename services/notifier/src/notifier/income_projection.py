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
from notifier.wage_tax import TaxRules, gross_month, tax_rules
from notifier.year_law import of_year
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
class _Span:
    """A sum with its bounds."""

    expected: Fraction
    lower: Fraction
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
    known = sorted(months, key=lambda month: month.number)
    credited = credit_at in {"MUNICIPALITY", "BOTH"}
    grossed = [_gross(figures.tax, kind, month, credited=credited) for month in known]
    left = MONTHS_IN_YEAR - len(known)
    recent = _alike(known)[-RECENT_MONTHS:]
    wage = Fraction(sum(month.gross_wage_cents for month in known))
    benefit = sum(grossed, Fraction(0))
    coming_wage = _mean([Fraction(month.gross_wage_cents) for month in recent])
    coming_benefit = _mean([_gross(figures.tax, kind, month, credited=credited) for month in recent])
    holiday = _holiday_pay(figures, known, coming_wage)
    rest = _rest(figures, kind, known, credited=credited)
    certain = wage + benefit
    total_wage = wage + left * coming_wage + holiday.expected
    total_benefit = benefit + left * coming_benefit
    tolerance = _tolerance(known, left, benefit_goes_on=coming_benefit > 0)
    lower = certain + rest.lower + holiday.lower - tolerance
    if kind == "COUPLE" and not credited:
        lower -= _credit_effect(figures.tax, kind, known) / 2
    wage_cents, benefit_cents = half_up(total_wage), half_up(total_benefit)
    return Projection(
        wage_gross_cents=wage_cents,
        benefit_gross_cents=benefit_cents,
        toetsingsinkomen_cents=Cents(wage_cents + benefit_cents),
        lower_cents=half_up(max(Fraction(0), min(lower, total_wage + total_benefit))),
        upper_cents=half_up(
            max(certain + rest.upper + holiday.upper + tolerance, total_wage + total_benefit)
        ),
        known_months=len(known),
        projected_holiday_pay_cents=half_up(holiday.expected),
        exempt_effect_cents=half_up(
            sum(month.exempt_net_cents for month in known) / (1 - figures.tax.first_share)
        ),
        tax_credit_effect_cents=Cents(0) if credited else half_up(_credit_effect(figures.tax, kind, known)),
        signs=_signs(known, credit_at),
        receipt=figures.receipt,
    )


@lru_cache(maxsize=64)
def _figures(law: Law, year: int) -> _Figures:
    tax = tax_rules(law, year)
    holiday = of_year(law, year, lambda figures: figures.value(HOLIDAY_PAY))
    return _Figures(tax, Fraction(holiday.share), (*tax.receipt[:2], holiday.receipt()))


def gross_benefit(tax: TaxRules, kind: ToeslagHouseholdKind, net_cents: int, *, credited: bool) -> Fraction:
    """The gross of a month's net benefit; of a couple each has half of it (Participatiewet art. 45(4))."""
    people = 2 if kind == "COUPLE" else 1
    return people * gross_month(tax, Fraction(net_cents, people), credit_applied=credited)


def _gross(tax: TaxRules, kind: ToeslagHouseholdKind, month: IncomeMonth, *, credited: bool) -> Fraction:
    return gross_benefit(tax, kind, month.net_benefit_cents, credited=credited)


def _alike(known: Sequence[IncomeMonth]) -> list[IncomeMonth]:
    """The last months in a row that all have benefit, or all have none."""
    on_benefit = known[-1].net_benefit_cents > 0
    found: list[IncomeMonth] = []
    for month in reversed(known):
        if (month.net_benefit_cents > 0) != on_benefit:
            break
        found.append(month)
    return found[::-1]


def _rest(
    figures: _Figures, kind: ToeslagHouseholdKind, known: Sequence[IncomeMonth], *, credited: bool
) -> _Span:
    """The months to come: between the lowest and the highest of the months that are like the last one."""
    alike = _alike(known)
    sums = [month.gross_wage_cents + _gross(figures.tax, kind, month, credited=credited) for month in alike]
    lowest, highest = min(sums), max(sums)
    if len(alike) == 1 and alike[0].net_benefit_cents == 0:
        lowest, highest = lowest * (1 - SPREAD_WITHOUT_HISTORY), highest * (1 + SPREAD_WITHOUT_HISTORY)
    left = MONTHS_IN_YEAR - len(known)
    return _Span(left * _mean(sums), left * lowest, left * highest)


def _holiday_pay(figures: _Figures, known: Sequence[IncomeMonth], coming_wage: Fraction) -> _Span:
    """Holiday pay in the months to come. In May over this year's wages so far, for of earlier ones nothing is
    known; over the rest of the year only at the upper bound: on leaving a job it is paid within the year."""
    wages: dict[int, Fraction] = {month.number: Fraction(month.gross_wage_cents) for month in known}
    if len(wages) == MONTHS_IN_YEAR:
        return _Span(Fraction(0), Fraction(0), Fraction(0))
    year = {number: wages.get(number, coming_wage) for number in range(1, MONTHS_IN_YEAR + 1)}
    until_may = sum((wage for number, wage in year.items() if number <= HOLIDAY_PAY_MONTH), Fraction(0))
    ahead = HOLIDAY_PAY_MONTH not in wages and max(wages) < HOLIDAY_PAY_MONTH
    expected = figures.holiday_share * until_may if ahead else Fraction(0)
    after_may = figures.holiday_share * (sum(year.values(), Fraction(0)) - until_may)
    return _Span(expected, Fraction(0), expected + after_may)


def _tolerance(known: Sequence[IncomeMonth], left: int, *, benefit_goes_on: bool) -> Fraction:
    months = sum(month.net_benefit_cents > 0 for month in known) + (left if benefit_goes_on else 0)
    return Fraction(GROSS_UP_TOLERANCE_CENTS * months, MONTHS_IN_YEAR)


def _credit_effect(tax: TaxRules, kind: ToeslagHouseholdKind, known: Sequence[IncomeMonth]) -> Fraction:
    return sum(
        (
            _gross(tax, kind, month, credited=False) - _gross(tax, kind, month, credited=True)
            for month in known
        ),
        Fraction(0),
    )


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


def _mean(values: Sequence[Fraction]) -> Fraction:
    return sum(values, Fraction(0)) / len(values)
