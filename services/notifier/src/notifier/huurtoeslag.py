"""Huurtoeslag (Wet op de huurtoeslag): two laws under one name, before and from the reform of 2026.

Rent counts in three pieces: in full above the own share up to the quality limit, for a part up to the
cut-off and for a smaller part above it (art. 21). Until 2025 the own share is the norm rent, a curve of the
income (art. 17 to 19), less a reduction, and a rent above the maximum gives nothing. From 2026 the own
share is fixed, the sum falls in a straight line with the income, and the maximum rent is a cap (art. 13, 17
and 21).
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from notifier.award import MINIMUM_AWARD, PARTS, Award, Reason, award, nil
from notifier.toeslag_household import MONTHS_IN_YEAR, Home, Stretch, ToeslagHousehold
from notifier.year_law import SHARE_SCALE, YearLaw
from shared.law import ReceiptLine

REFORM_YEAR: Final = 2026
"""The first year of the straight line and of the maximum rent as a cap."""
LIMITED_CUT_OFF_YEAR: Final = 2024
"""The last year in which rent above the cut-off counted for some households only."""
LARGE_FROM: Final = 3
"""From this many persons on the higher cut-off holds (art. 20)."""

_FACTOR_SCALE: Final = 10**12
_MONTH_PARTS: Final = PARTS // SHARE_SCALE
"""A hundred-thousandth of a cent, in parts."""
_TWELFTH_PARTS: Final = PARTS // (MONTHS_IN_YEAR * SHARE_SCALE)
"""A twelfth of that."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Until 2025: the norm rent of a kind of household by its income."""

    lowest_cents: int
    factor_a: int
    factor_b: int
    """Both in million-millionths; incomes and rents in euros."""
    reduction_cents: int

    def own_share_cents(self, income_cents: int, threshold_cents: int) -> int:
        """The part of the rent that the household pays by itself: the norm rent, up to a whole cent, less
        the reduction."""
        if income_cents <= threshold_cents:
            return self.lowest_cents - self.reduction_cents
        exact = self.factor_a * income_cents * income_cents + 100 * self.factor_b * income_cents
        return -(-exact // (100 * _FACTOR_SCALE)) - self.reduction_cents


@dataclass(frozen=True, slots=True)
class Kind:
    """What differs between a household of one person and of more persons."""

    threshold_cents: int
    """Yearly income up to which nothing falls."""
    curve: Curve | None
    """Until 2025."""
    fixed_share_cents: int
    """From 2026: the rent per month that the household pays by itself."""
    income_share: int
    """From 2026, in hundred-thousandths."""


@dataclass(frozen=True, slots=True)
class HuurtoeslagRules:
    """The figures of a year; rents in cents per month, shares in hundred-thousandths."""

    year: int
    single: Kind
    shared: Kind
    quality_limit_cents: int
    cut_off_small_cents: int
    cut_off_large_cents: int
    quality_share: int
    above_share: int
    maximum_cents: int
    maximum_young_cents: int
    youth_age: int
    first_age: int
    service_maximum_cents: int
    assets_cents: int
    assets_partners_cents: int
    minimum_cents: int

    def kind(self, persons: int) -> Kind:
        return self.single if persons == 1 else self.shared


def huurtoeslag_rules(law: YearLaw) -> HuurtoeslagRules:
    """Read a year; raises ParameterMissing."""
    return HuurtoeslagRules(
        year=law.year,
        single=_kind(law, "single"),
        shared=_kind(law, "shared"),
        quality_limit_cents=law.cents("huurtoeslag/quality_limit"),
        cut_off_small_cents=law.cents("huurtoeslag/cut_off_small"),
        cut_off_large_cents=law.cents("huurtoeslag/cut_off_large"),
        quality_share=law.share("huurtoeslag/quality_share"),
        above_share=law.share("huurtoeslag/above_cut_off_share"),
        maximum_cents=law.cents("huurtoeslag/maximum_rent"),
        maximum_young_cents=law.cents("huurtoeslag/maximum_rent_young"),
        youth_age=law.number("huurtoeslag/youth_age"),
        first_age=law.number("huurtoeslag/first_age"),
        service_maximum_cents=law.cents("huurtoeslag/service_costs_maximum"),
        assets_cents=law.cents("huurtoeslag/assets_limit"),
        assets_partners_cents=law.cents("huurtoeslag/assets_limit_partners"),
        minimum_cents=law.cents(MINIMUM_AWARD),
    )


def huurtoeslag(
    rules: HuurtoeslagRules, household: ToeslagHousehold, year: tuple[Stretch, ...], income_cents: int
) -> Award:
    """The year of one household on the joint income of applicant and partner; what the income of others who
    live in adds is in the stretches."""
    if household.assets.huurtoeslag:
        return nil(Reason.ASSETS_ABOVE_LIMIT)
    reason = Reason.RENT_BELOW_OWN_SHARE
    runs = []
    for stretch in year:
        month: int | Reason = _month(rules, stretch, income_cents)
        if isinstance(month, Reason):
            reason, month = month, 0
        runs.append((stretch.months, month))
    return award(runs, rules.minimum_cents, "MONTH_ROUNDED_DOWN", reason)


def counted_rent_cents(rules: HuurtoeslagRules, home: Home, *, grown: bool) -> int | None:
    """The rent of a month that counts; None where it is so high that there is no right (until 2025)."""
    maximum = rules.maximum_cents if grown or home.adapted else rules.maximum_young_cents
    rent = home.rent_cents + min(home.service_cents, rules.service_maximum_cents)
    if rent <= maximum:
        return rent
    return maximum if rules.year >= REFORM_YEAR else None


def _month(rules: HuurtoeslagRules, stretch: Stretch, income_cents: int) -> int | Reason:
    """The exact parts of a month, or why there are none."""
    home = stretch.home
    if home is None:
        return Reason.RENT_BELOW_OWN_SHARE
    if not stretch.tenant_age:
        return Reason.UNDER_AGE
    if stretch.co_resident_assets:
        return Reason.ASSETS_ABOVE_LIMIT
    rent = counted_rent_cents(rules, home, grown=stretch.grown)
    if rent is None:
        return Reason.RENT_ABOVE_MAXIMUM
    kind = rules.kind(stretch.persons)
    income = income_cents + stretch.co_resident_cents
    if kind.curve is None:
        return _straight(rules, stretch, home, kind, rent, income)
    own_share = kind.curve.own_share_cents(income, kind.threshold_cents)
    if rent <= own_share:
        lowest = kind.curve.own_share_cents(0, kind.threshold_cents)
        return Reason.RENT_BELOW_OWN_SHARE if rent <= lowest else Reason.INCOME_TOO_HIGH
    return _pieces(rules, stretch, home, rent, own_share) * _MONTH_PARTS


def _straight(
    rules: HuurtoeslagRules, stretch: Stretch, home: Home, kind: Kind, rent: int, income: int
) -> int | Reason:
    """From 2026: the pieces above a fixed share, less a twelfth of a share of the income above a limit."""
    full = _pieces(rules, stretch, home, rent, kind.fixed_share_cents)
    if full <= 0:
        return Reason.RENT_BELOW_OWN_SHARE
    fall = kind.income_share * max(0, income - kind.threshold_cents)
    left = full * _MONTH_PARTS - fall * _TWELFTH_PARTS
    return left if left > 0 else Reason.INCOME_TOO_HIGH


def _pieces(rules: HuurtoeslagRules, stretch: Stretch, home: Home, rent: int, own_share: int) -> int:
    """The three pieces of a rent above an own share (art. 21(1)-(3)), in hundred-thousandths of cents."""
    quality = rules.quality_limit_cents
    cut_off = rules.cut_off_large_cents if stretch.persons >= LARGE_FROM else rules.cut_off_small_cents
    pieces = max(0, min(rent, quality) - own_share) * SHARE_SCALE
    pieces += max(0, min(rent, cut_off) - max(quality, own_share)) * rules.quality_share
    if rules.year > LIMITED_CUT_OFF_YEAR or stretch.persons == 1 or home.adapted:
        pieces += max(0, rent - max(cut_off, own_share)) * rules.above_share
    return pieces


def huurtoeslag_receipt(
    law: YearLaw, household: ToeslagHousehold, year: tuple[Stretch, ...]
) -> tuple[ReceiptLine, ...]:
    """The figures that the amount comes from."""
    names: dict[str, None] = {}
    for stretch in year:
        suffix = "single" if stretch.persons == 1 else "shared"
        own = (
            ["basishuur", "income_threshold", "income_share"]
            if law.year >= REFORM_YEAR
            else ["income_threshold", "norm_rent_lowest", "norm_rent_factor_a", "norm_rent_factor_b"]
        )
        names |= dict.fromkeys(f"{name}_{suffix}" for name in own)
        if law.year < REFORM_YEAR:
            names |= dict.fromkeys(["own_share_reduction", "service_costs_maximum"])
        cut_off = "cut_off_large" if stretch.persons >= LARGE_FROM else "cut_off_small"
        grown = stretch.grown or (stretch.home is not None and stretch.home.adapted)
        names |= dict.fromkeys(["quality_limit", "quality_share", cut_off, "above_cut_off_share"])
        names |= dict.fromkeys(["maximum_rent" if grown else "maximum_rent_young", "youth_age", "first_age"])
    names["assets_limit_partners" if household.partner else "assets_limit"] = None
    shared_rules = [MINIMUM_AWARD]
    if any(one.relation == "CHILD" for residents in household.residents for one in residents.co_residents):
        shared_rules += ["awir/child_income_exempt", "awir/child_income_age"]
    return tuple(law.line(name) for name in [*(f"huurtoeslag/{name}" for name in names), *shared_rules])


def _kind(law: YearLaw, suffix: str) -> Kind:
    threshold = law.cents(f"huurtoeslag/income_threshold_{suffix}")
    if law.year >= REFORM_YEAR:
        fixed = law.cents(f"huurtoeslag/basishuur_{suffix}")
        return Kind(threshold, None, fixed, law.share(f"huurtoeslag/income_share_{suffix}"))
    curve = Curve(
        lowest_cents=law.cents(f"huurtoeslag/norm_rent_lowest_{suffix}"),
        factor_a=_factor(law.value(f"huurtoeslag/norm_rent_factor_a_{suffix}").share),
        factor_b=_factor(law.value(f"huurtoeslag/norm_rent_factor_b_{suffix}").share),
        reduction_cents=law.cents("huurtoeslag/own_share_reduction"),
    )
    return Kind(threshold, curve, 0, 0)


def _factor(value: Decimal) -> int:
    whole = value * _FACTOR_SCALE
    if whole != whole.to_integral_value():
        raise ValueError(f"the factor {value} is finer than a million-millionth")
    return int(whole)
