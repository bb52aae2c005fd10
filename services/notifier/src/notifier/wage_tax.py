"""Wage tax for a small wage or a benefit below AOW age, by the yearly tables of the income tax.

A yearly model: what is withheld in a month is a twelfth of the tax of twelve such months (box 1 less the
general and the labour credit). Payroll uses rounded monthly tables, so expect up to five euro of difference
in a month.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from notifier.toeslag_household import MONTHS_IN_YEAR
from notifier.year_law import SHARE_SCALE, YearLaw, of_year, scaled
from shared.law import Law, ReceiptLine, ShareBand, Slice
from shared.money import Cents, half_up

BOX_1 = "inkomstenbelasting/box1_shares"
GENERAL_CREDIT = "inkomstenbelasting/general_credit"
LABOUR_CREDIT = "inkomstenbelasting/labour_credit"


@dataclass(frozen=True, slots=True)
class TaxRules:
    """The tables of a year."""

    year: int
    bands: tuple[ShareBand, ...]
    general: tuple[Slice, ...]
    labour: tuple[Slice, ...]
    receipt: tuple[ReceiptLine, ...]
    """The first rows: those that a minimum income is in."""

    first_share_scaled: int
    """The tax of the first band, in hundred-thousandths."""
    highest_general_credit_cents: int

    @property
    def parts_per_cent(self) -> int:
        """In how many parts of a cent a gross benefit is reckoned exactly."""
        return MONTHS_IN_YEAR * (SHARE_SCALE - self.first_share_scaled)

    def tax(self, income_cents: int) -> Fraction:
        """Tax and contributions of a year in box 1, before credits."""
        tax = Fraction(0)
        for place, band in enumerate(self.bands):
            if income_cents <= band.from_cents:
                break
            end = self.bands[place + 1].from_cents if place + 1 < len(self.bands) else income_cents
            tax += (min(income_cents, end) - band.from_cents) * _share_of(band)
        return tax

    def credits(self, wage_cents: int) -> Fraction:
        """General and labour credit of a year in which there is this wage alone."""
        return _slice(self.general, wage_cents) + _slice(self.labour, wage_cents)


@lru_cache(maxsize=64)
def tax_rules(law: Law, year: int) -> TaxRules:
    """The tables of a year; raises YearUnknown naming the years there are."""
    return of_year(law, year, _rules)


def net_year_cents(rules: TaxRules, wage_cents: int, *, credit_applied: bool) -> Fraction:
    """What is left of a yearly gross wage: with both credits at this employer, or with none."""
    tax = rules.tax(wage_cents)
    if credit_applied:
        tax = max(Fraction(0), tax - rules.credits(wage_cents))
    return wage_cents - tax


def net_month_cents(rules: TaxRules, wage_cents: int, *, credit_applied: bool) -> Cents:
    """What is left of a monthly gross wage, half up to the cent."""
    year = net_year_cents(rules, wage_cents * MONTHS_IN_YEAR, credit_applied=credit_applied)
    return half_up(year / MONTHS_IN_YEAR)


def gross_parts(rules: TaxRules, net_cents: int, people: int, *, credit_applied: bool) -> int:
    """The gross of a month's net benefit, in `rules.parts_per_cent`th parts of a cent (Participatiewet
    art. 19(4)): the first band, and of each person a twelfth of the general credit where the municipality
    applies it. Two people have half of the benefit each (art. 45(4))."""
    credit = people * rules.highest_general_credit_cents if credit_applied else 0
    if MONTHS_IN_YEAR * net_cents * rules.first_share_scaled <= credit * SHARE_SCALE:
        return net_cents * rules.parts_per_cent
    return (MONTHS_IN_YEAR * net_cents - credit) * SHARE_SCALE


def _rules(law: YearLaw) -> TaxRules:
    box, general, labour = law.value(BOX_1), law.value(GENERAL_CREDIT), law.value(LABOUR_CREDIT)
    receipt = (
        box.receipt(box.bands[0]),
        general.receipt(general.slices[0]),
        labour.receipt(labour.slices[0]),
    )
    return TaxRules(
        year=law.year,
        bands=box.bands,
        general=general.slices,
        labour=labour.slices,
        receipt=receipt,
        first_share_scaled=int(_share_of(box.bands[0]) * SHARE_SCALE),
        highest_general_credit_cents=int(general.slices[0].base_cents),
    )


def _share_of(band: ShareBand) -> Fraction:
    if band.share is None:
        raise ValueError(f"{BOX_1} has a row without a share")
    return Fraction(scaled(band.share), SHARE_SCALE)


def _slice(rows: tuple[Slice, ...], amount_cents: int) -> Fraction:
    found = rows[0]
    for row in rows:
        if row.from_cents > amount_cents:
            break
        found = row
    return max(Fraction(0), found.base_cents + Fraction(found.rate) * (amount_cents - found.from_cents))
