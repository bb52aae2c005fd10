"""The four toeslagen of a household in one year, from the figures of that year alone.

`toeslagen` is the hot path: whole numbers in, four awards out, nothing else built. `receipts` says
afterwards, for those who ask, which figure of the law each amount comes from.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache

from notifier import huurtoeslag as rent
from notifier import kinderopvangtoeslag as care
from notifier import kindgebonden_budget as children
from notifier import zorgtoeslag as health
from notifier.award import Award, ToeslagName, total_awarded
from notifier.toeslag_household import (
    AgeLimits,
    AssetsAbove,
    ChildIncomeUnknown,
    Stretch,
    ToeslagHousehold,
    stretches,
)
from notifier.year_law import PartUnknown, YearLaw, of_year
from shared.errors import BufferbudgetError
from shared.law import Law, ParameterMissing, ReceiptLine
from shared.money import Cents

AOW_AGE = "aow/first_age"
CHILD_EXEMPT = "awir/child_income_exempt"
CHILD_AGE = "awir/child_income_age"

__all__ = ["PartUnknown", "ToeslagRules", "Toeslagen", "receipts", "toeslag_rules", "toeslagen"]


class NotComputable(BufferbudgetError):
    """This household's year needs a figure that nobody has found; the message says which."""


@dataclass(frozen=True, slots=True)
class ToeslagRules:
    """Everything the law says about the toeslagen of one year."""

    year: int
    zorgtoeslag: health.ZorgtoeslagRules
    huurtoeslag: rent.HuurtoeslagRules
    kindgebonden_budget: children.KindgebondenBudgetRules
    kinderopvangtoeslag: care.KinderopvangtoeslagRules
    ages: AgeLimits
    aow_age: int

    def assets_above(self, assets_cents: int, *, partner: bool) -> AssetsAbove:
        """Above which limits the joint assets of 1 January lie."""
        health_rules, child_rules, rent_rules = self.zorgtoeslag, self.kindgebonden_budget, self.huurtoeslag
        if partner:
            return AssetsAbove(
                zorgtoeslag=assets_cents > health_rules.assets_partners_cents,
                huurtoeslag=assets_cents > rent_rules.assets_partners_cents,
                kindgebonden_budget=assets_cents > child_rules.assets_partners_cents,
            )
        return AssetsAbove(
            zorgtoeslag=assets_cents > health_rules.assets_single_cents,
            huurtoeslag=assets_cents > rent_rules.assets_cents,
            kindgebonden_budget=assets_cents > child_rules.assets_single_cents,
        )


@dataclass(frozen=True, slots=True)
class Toeslagen:
    """The four in one year; None for the two that were not asked about: no home, no childcare."""

    zorgtoeslag: Award
    huurtoeslag: Award | None
    kindgebonden_budget: Award
    kinderopvangtoeslag: Award | None

    def named(self) -> dict[ToeslagName, Award]:
        """Those that were asked about, in the order callers see."""
        found: dict[ToeslagName, Award | None] = {
            "zorgtoeslag": self.zorgtoeslag,
            "huurtoeslag": self.huurtoeslag,
            "kindgebondenBudget": self.kindgebonden_budget,
            "kinderopvangtoeslag": self.kinderopvangtoeslag,
        }
        return {name: award for name, award in found.items() if award is not None}

    @property
    def total_awarded_cents(self) -> Cents:
        return total_awarded(self.named().values())


@lru_cache(maxsize=64)
def toeslag_rules(law: Law, year: int) -> ToeslagRules:
    """The rules of a year; raises YearUnknown naming the years there are."""
    return of_year(law, year, _rules)


def toeslagen(rules: ToeslagRules, household: ToeslagHousehold, income_cents: int) -> Toeslagen:
    """The four on the joint income of applicant and partner. Raises NotComputable and PartUnknown."""
    return of_stretches(rules, household, year_of(rules, household), income_cents)


def year_of(rules: ToeslagRules, household: ToeslagHousehold) -> tuple[Stretch, ...]:
    """The year of a household, cut where something changes; the same for every income. Raises
    NotComputable."""
    if rules.year == rent.LIMITED_CUT_OFF_YEAR and household.homes and _has_aow(rules, household):
        raise NotComputable(
            f"huurtoeslag of {rules.year} from AOW age on had figures of its own, which are not known here"
        )
    try:
        return stretches(household, rules.year, rules.ages)
    except ChildIncomeUnknown:
        raise NotComputable(
            f"{CHILD_EXEMPT} has no value for {rules.year}: a child who lives in and has an income cannot be "
            "counted"
        ) from None


def of_stretches(
    rules: ToeslagRules, household: ToeslagHousehold, year: tuple[Stretch, ...], income_cents: int
) -> Toeslagen:
    """The four on a year that is cut already."""
    return Toeslagen(
        health.zorgtoeslag(rules.zorgtoeslag, household, year, income_cents),
        rent.huurtoeslag(rules.huurtoeslag, household, year, income_cents) if household.homes else None,
        children.kindgebonden_budget(rules.kindgebonden_budget, household, year, income_cents),
        care.kinderopvangtoeslag(rules.kinderopvangtoeslag, household, year, income_cents)
        if household.care
        else None,
    )


def receipts(
    law: Law, year: int, household: ToeslagHousehold, income_cents: int
) -> dict[ToeslagName, tuple[ReceiptLine, ...]]:
    """Which figures each of the four comes from."""
    figures = YearLaw(law, year)
    cut = year_of(toeslag_rules(law, year), household)
    found: dict[ToeslagName, tuple[ReceiptLine, ...]] = {
        "zorgtoeslag": health.zorgtoeslag_receipt(figures, household)
    }
    if household.homes:
        found["huurtoeslag"] = rent.huurtoeslag_receipt(figures, household, cut)
    found["kindgebondenBudget"] = children.kindgebonden_budget_receipt(figures, household, cut)
    if household.care:
        found["kinderopvangtoeslag"] = care.kinderopvangtoeslag_receipt(figures, household, income_cents)
    return found


def _rules(law: YearLaw) -> ToeslagRules:
    health_rules = health.zorgtoeslag_rules(law)
    rent_rules = rent.huurtoeslag_rules(law)
    child_rules = children.kindgebonden_budget_rules(law)
    ages = AgeLimits(
        zorgtoeslag=health_rules.first_age,
        huurtoeslag=rent_rules.first_age,
        youth=rent_rules.youth_age,
        first_extra=child_rules.first_age,
        second_extra=child_rules.second_age,
        last=child_rules.last_age,
        child_income=None,
        child_income_exempt_cents=0,
    )
    # Not known for every year, and seldom needed: refused where it is.
    with suppress(ParameterMissing):
        ages = replace(
            ages, child_income=law.number(CHILD_AGE), child_income_exempt_cents=law.cents(CHILD_EXEMPT)
        )
    return ToeslagRules(
        year=law.year,
        zorgtoeslag=health_rules,
        huurtoeslag=rent_rules,
        kindgebonden_budget=child_rules,
        kinderopvangtoeslag=care.kinderopvangtoeslag_rules(law),
        ages=ages,
        aow_age=law.number(AOW_AGE),
    )


def _has_aow(rules: ToeslagRules, household: ToeslagHousehold) -> bool:
    ages = [household.applicant, household.partner_age]
    return any(
        (rules.year - age.year if not isinstance(age, int) else age) >= rules.aow_age
        for age in ages
        if age is not None
    )
