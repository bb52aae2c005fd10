"""Kindgebonden budget (Wet op het kindgebonden budget art. 1-2): per child, more from 12 and 16, more
without a partner, less a share of the income above a threshold; set per calendar month.

The fall by income is spread evenly over the months: the law says no more than that each month is set by
itself.
"""

from dataclasses import dataclass
from typing import Final

from notifier.award import MINIMUM_AWARD, PARTS, Award, Reason, award, nil
from notifier.toeslag_household import MONTHS_IN_YEAR, Stretch, ToeslagHousehold
from notifier.year_law import SHARE_SCALE, YearLaw
from shared.law import ReceiptLine

PER_CHILD = "kindgebonden_budget/per_child"
FIRST_EXTRA = "kindgebonden_budget/extra_from_12"
SECOND_EXTRA = "kindgebonden_budget/extra_from_16"
SINGLE_PARENT = "kindgebonden_budget/single_parent"
THRESHOLD_SINGLE = "kindgebonden_budget/income_threshold_single"
THRESHOLD_PARTNERS = "kindgebonden_budget/income_threshold_partners"
INCOME_SHARE = "kindgebonden_budget/income_share"
FIRST_AGE = "kindgebonden_budget/first_extra_age"
SECOND_AGE = "kindgebonden_budget/second_extra_age"
LAST_AGE = "kindgebonden_budget/last_age"
ASSETS_SINGLE = "kindgebonden_budget/assets_limit_single"
ASSETS_PARTNERS = "kindgebonden_budget/assets_limit_partners"

_MONTH_PARTS: Final = PARTS // (MONTHS_IN_YEAR * SHARE_SCALE)
"""A twelfth of a hundred-thousandth of a cent, in parts."""


@dataclass(frozen=True, slots=True)
class KindgebondenBudgetRules:
    """The figures of a year; amounts in cents a year, shares in hundred-thousandths."""

    per_child_cents: int
    first_extra_cents: int
    second_extra_cents: int
    single_parent_cents: int
    threshold_single_cents: int
    threshold_partners_cents: int
    income_share: int
    first_age: int
    second_age: int
    last_age: int
    assets_single_cents: int
    assets_partners_cents: int
    minimum_cents: int

    def threshold_cents(self, partner: bool) -> int:
        return self.threshold_partners_cents if partner else self.threshold_single_cents


def kindgebonden_budget_rules(law: YearLaw) -> KindgebondenBudgetRules:
    """Read a year; raises ParameterMissing."""
    return KindgebondenBudgetRules(
        per_child_cents=law.cents(PER_CHILD),
        first_extra_cents=law.cents(FIRST_EXTRA),
        second_extra_cents=law.cents(SECOND_EXTRA),
        single_parent_cents=law.cents(SINGLE_PARENT),
        threshold_single_cents=law.cents(THRESHOLD_SINGLE),
        threshold_partners_cents=law.cents(THRESHOLD_PARTNERS),
        income_share=law.share(INCOME_SHARE),
        first_age=law.number(FIRST_AGE),
        second_age=law.number(SECOND_AGE),
        last_age=law.number(LAST_AGE),
        assets_single_cents=law.cents(ASSETS_SINGLE),
        assets_partners_cents=law.cents(ASSETS_PARTNERS),
        minimum_cents=law.cents(MINIMUM_AWARD),
    )


def kindgebonden_budget(
    rules: KindgebondenBudgetRules, household: ToeslagHousehold, year: tuple[Stretch, ...], income_cents: int
) -> Award:
    """The year of one household on the joint income of applicant and partner."""
    if not household.children:
        return nil(Reason.NO_CHILD)
    if household.assets.kindgebonden_budget:
        return nil(Reason.ASSETS_ABOVE_LIMIT)
    excess = max(0, income_cents - rules.threshold_cents(household.partner))
    fall = rules.income_share * excess
    runs = []
    any_child = False
    for stretch in year:
        plain, first, second = stretch.children
        count = plain + first + second
        if not count:
            runs.append((stretch.months, 0))
            continue
        any_child = True
        amount = (
            count * rules.per_child_cents
            + first * rules.first_extra_cents
            + second * rules.second_extra_cents
        )
        if not household.partner:
            amount += rules.single_parent_cents
        runs.append((stretch.months, max(0, amount * SHARE_SCALE - fall) * _MONTH_PARTS))
    reason = Reason.INCOME_TOO_HIGH if any_child else Reason.NO_CHILD
    return award(runs, rules.minimum_cents, "MONTH_ROUNDED_DOWN", reason)


def kindgebonden_budget_receipt(
    law: YearLaw, household: ToeslagHousehold, year: tuple[Stretch, ...]
) -> tuple[ReceiptLine, ...]:
    """The figures that the amount comes from."""
    first = any(stretch.children[1] for stretch in year)
    second = any(stretch.children[2] for stretch in year)
    partner = household.partner
    names = [
        PER_CHILD,
        *([FIRST_EXTRA, FIRST_AGE] if first else []),
        *([SECOND_EXTRA, SECOND_AGE] if second else []),
        *([] if partner else [SINGLE_PARENT]),
        LAST_AGE,
        THRESHOLD_PARTNERS if partner else THRESHOLD_SINGLE,
        INCOME_SHARE,
        ASSETS_PARTNERS if partner else ASSETS_SINGLE,
        MINIMUM_AWARD,
    ]
    return tuple(law.line(name) for name in names)
