"""Zorgtoeslag (Wet op de zorgtoeslag art. 1-3): what a standard premium costs more than a household can bear.

The norm premium is a share of the threshold income plus a share of the income above it. Partners have one
claim for both premiums; with a partner who is not insured half of it is left (art. 2(4)).
"""

from dataclasses import dataclass
from typing import Final

from notifier.award import MINIMUM_AWARD, PARTS, Award, Reason, award, nil
from notifier.toeslag_household import MONTHS_IN_YEAR, Stretch, ToeslagHousehold
from notifier.year_law import SHARE_SCALE, YearLaw
from shared.law import ReceiptLine

PREMIUM = "zorgtoeslag/standaardpremie"
THRESHOLD = "zorgtoeslag/drempelinkomen"
NORM_SINGLE = "zorgtoeslag/norm_share_single"
NORM_PARTNERS = "zorgtoeslag/norm_share_partners"
NORM_ABOVE = "zorgtoeslag/norm_share_above_threshold"
NOT_INSURED = "zorgtoeslag/partner_not_insured_share"
FIRST_AGE = "zorgtoeslag/first_age"
ASSETS_SINGLE = "zorgtoeslag/assets_limit_single"
ASSETS_PARTNERS = "zorgtoeslag/assets_limit_partners"

_MONTH_PARTS: Final = PARTS // (MONTHS_IN_YEAR * SHARE_SCALE)
"""A twelfth of a hundred-thousandth of a cent, in parts."""


@dataclass(frozen=True, slots=True)
class ZorgtoeslagRules:
    """The figures of a year; amounts in cents, shares in hundred-thousandths."""

    threshold_cents: int
    highest_single: int
    """Premium less the lowest norm premium, in hundred-thousandths of a cent a year."""
    highest_partners: int
    share_above: int
    not_insured_share: int
    first_age: int
    assets_single_cents: int
    assets_partners_cents: int
    minimum_cents: int


def zorgtoeslag_rules(law: YearLaw) -> ZorgtoeslagRules:
    """Read a year; raises ParameterMissing."""
    premium, threshold = law.cents(PREMIUM), law.cents(THRESHOLD)
    return ZorgtoeslagRules(
        threshold_cents=threshold,
        highest_single=premium * SHARE_SCALE - law.share(NORM_SINGLE) * threshold,
        highest_partners=2 * premium * SHARE_SCALE - law.share(NORM_PARTNERS) * threshold,
        share_above=law.share(NORM_ABOVE),
        not_insured_share=law.share(NOT_INSURED),
        first_age=law.number(FIRST_AGE),
        assets_single_cents=law.cents(ASSETS_SINGLE),
        assets_partners_cents=law.cents(ASSETS_PARTNERS),
        minimum_cents=law.cents(MINIMUM_AWARD),
    )


def zorgtoeslag(
    rules: ZorgtoeslagRules, household: ToeslagHousehold, year: tuple[Stretch, ...], income_cents: int
) -> Award:
    """The year of one household on the joint income of applicant and partner."""
    if household.assets.zorgtoeslag:
        return nil(Reason.ASSETS_ABOVE_LIMIT)
    highest = rules.highest_partners if household.partner else rules.highest_single
    excess = income_cents - rules.threshold_cents
    left = highest - rules.share_above * excess if excess > 0 else highest
    month = max(0, left) * _MONTH_PARTS
    if household.partner and not household.partner_insured:
        month = month * rules.not_insured_share // SHARE_SCALE
    runs = [(stretch.months, month if stretch.insured_age else 0) for stretch in year]
    reason = Reason.INCOME_TOO_HIGH if any(one.insured_age for one in year) else Reason.UNDER_AGE
    return award(runs, rules.minimum_cents, "YEAR_DIVIDED", reason)


def zorgtoeslag_receipt(law: YearLaw, household: ToeslagHousehold) -> tuple[ReceiptLine, ...]:
    """The figures that the amount comes from."""
    names = [
        PREMIUM,
        THRESHOLD,
        NORM_PARTNERS if household.partner else NORM_SINGLE,
        NORM_ABOVE,
        *([NOT_INSURED] if household.partner and not household.partner_insured else []),
        FIRST_AGE,
        ASSETS_PARTNERS if household.partner else ASSETS_SINGLE,
        MINIMUM_AWARD,
    ]
    return tuple(law.line(name) for name in names)
