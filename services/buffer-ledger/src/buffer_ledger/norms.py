"""The norm of a household for a month, or for the days of it with right (Participatiewet art. 20 to 22a).

A norm is an amount of the law, or follows from one by the shares of people who share costs. Over part of a
month, and where the household changes within one, it counts by days.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import lru_cache
from typing import Literal, get_args

from shared.law import Law, ReceiptLine
from shared.money import Cents, half_up
from shared.months import Month

HouseholdKind = Literal["SINGLE", "SINGLE_PARENT", "COUPLE"]
AgeBand = Literal["Y18_20", "Y21_AOW", "AOW"]
_NIL, _WHOLE, _NOTHING = Cents(0), Fraction(1), Fraction(0)

Span = tuple[date, date]
"""Days from the first to the last, both included."""

SINGLE: dict[AgeBand, str] = {
    "Y18_20": "participatiewet/norm_alleenstaande_18_20",
    "Y21_AOW": "participatiewet/norm_alleenstaande",
    "AOW": "participatiewet/norm_alleenstaande_aow",
}
COUPLE: dict[AgeBand, str] = {
    "Y18_20": "participatiewet/norm_gehuwden_18_20",
    "Y21_AOW": "participatiewet/norm_gehuwden",
    "AOW": "participatiewet/norm_gehuwden_aow",
}
"""A single parent has the norm of a single person (art. 21); what children cost is in kindgebonden budget.
Couples and parents of 18 to 20 have figures of their own that are not among ours."""

YOUTH_TOP_UP = "participatiewet/norm_18_20_top_up"
HOLIDAY_SHARE = "participatiewet/holiday_allowance_share"
FIXED_SHARE = "participatiewet/kostendelers_fixed_share"
SHARE_PER_ADULT = "participatiewet/kostendelers_share_per_adult"


@dataclass(frozen=True, slots=True)
class Household:
    """A household from a month on, or from `from_day` where it changed within that month.

    `adults_sharing_costs` counts the person and the partner, and others from 27 years who are no students and
    no commercial tenants (reading 5); None means nobody else. `youth_top_up` says that the parents of a
    person of 18 to 20 cannot help (art. 20(3)). A couple of which one has no right of their own
    (`partner_entitled` False, art. 32(3) and (4)) is for a person to compute. Another kind is a ValueError,
    never computed as one of these.
    """

    kind: HouseholdKind
    from_month: Month
    age_band: AgeBand = "Y21_AOW"
    adults_sharing_costs: int | None = None
    youth_top_up: bool = False
    partner_entitled: bool = True
    child_under_12_until: date | None = None
    from_day: date | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(HouseholdKind) or self.age_band not in get_args(AgeBand):
            raise ValueError(f"no norm is known for a household {self.kind!r} of {self.age_band!r}")

    @property
    def begins(self) -> date:
        """The day from which it is so."""
        return self.from_day or self.from_month.first_day

    @property
    def adults(self) -> int:
        """How many adults count for the norm: at least those the household consists of."""
        alone = 2 if self.kind == "COUPLE" else 1
        return max(alone, self.adults_sharing_costs or alone)


@dataclass(frozen=True, slots=True)
class LawMonth:
    """The norm of a month and what follows from it alone, in cents; for part of a month, that part.

    `full_payment_cents` is the benefit paid in a month without income: the norm without its holiday part.
    `floor_cents` is the same of the whole month, times the days of right over the days of the month.
    """

    norm_cents: Cents
    full_payment_cents: Cents
    paid_share: Fraction
    receipt: tuple[ReceiptLine, ...]
    floor_cents: Cents = _NIL
    share_of_month: Fraction = _WHOLE
    """Days with right over days of the month."""
    whole_norm: Fraction = _NOTHING
    """The norm of a whole month, unrounded where the household changes within it."""


def household_on(households: Sequence[Household], day: date) -> Household:
    """The household of a day: the last one that began not after it; the first one before that."""
    ordered = sorted(households, key=lambda household: household.begins)
    if not ordered:
        raise ValueError("an enrolment has at least one household")
    chosen = ordered[0]
    for household in ordered:
        if household.begins <= day:
            chosen = household
    return chosen


def household_in(households: Sequence[Household], month: Month) -> Household:
    """The household that a month begins with."""
    return household_on(households, month.first_day)


@lru_cache(maxsize=4096)
def law_month(
    law: Law,
    month: Month,
    kind: HouseholdKind,
    age_band: AgeBand = "Y21_AOW",
    adults: int | None = None,
    youth_top_up: bool = False,
) -> LawMonth:
    """The norm of a whole month and the paid share of it (art. 19(3)); raises ParameterMissing."""
    norm, lines = _norm(law, month, kind, age_band, adults, youth_top_up)
    holiday = law.value(HOLIDAY_SHARE, month)
    paid_share = 1 - Fraction(holiday.share)
    full = half_up(paid_share * norm)
    return LawMonth(
        norm_cents=norm,
        full_payment_cents=full,
        paid_share=paid_share,
        receipt=(*lines, holiday.receipt()),
        floor_cents=full,
        whole_norm=Fraction(norm),
    )


def norm_for_days(
    law: Law, month: Month, households: Sequence[Household], right: Sequence[Span], *, pinned: Month | None
) -> LawMonth:
    """The norm for the days of a month on which there is right to bijstand (art. 45; reading 16).

    `right` holds spans inside the month; `pinned` is the month whose figures are used instead of its own. A
    month without any such day has a norm of nil. Raises ParameterMissing.
    """
    parts = [(h, days) for h, days in _days_by_household(month, households, right) if days > 0]
    figures = pinned or month
    if not parts:
        nil = _of(law, figures, household_in(households, month))
        return LawMonth(Cents(0), Cents(0), nil.paid_share, (), share_of_month=Fraction(0))
    wholes = [(_of(law, figures, household), days) for household, days in parts]
    if len(wholes) == 1 and wholes[0][1] == month.days:
        return wholes[0][0]
    days = sum(count for _, count in wholes)
    norm = sum((Fraction(whole.norm_cents * count, month.days) for whole, count in wholes), Fraction(0))
    floor = sum((Fraction(whole.floor_cents * count, month.days) for whole, count in wholes), Fraction(0))
    paid_share = wholes[0][0].paid_share
    rounded = half_up(norm)
    return LawMonth(
        norm_cents=rounded,
        full_payment_cents=half_up(paid_share * rounded),
        paid_share=paid_share,
        receipt=tuple(dict.fromkeys(line for whole, _ in wholes for line in whole.receipt)),
        floor_cents=half_up(floor),
        share_of_month=Fraction(days, month.days),
        whole_norm=norm * month.days / days,
    )


def _of(law: Law, figures: Month, household: Household) -> LawMonth:
    return law_month(
        law, figures, household.kind, household.age_band, household.adults, household.youth_top_up
    )


def _days_by_household(
    month: Month, households: Sequence[Household], right: Sequence[Span]
) -> list[tuple[Household, int]]:
    """How many days of right each household of the month has, in order."""
    changes = sorted(h.begins for h in households if month.first_day < h.begins <= month.last_day)
    found = []
    for first, last in right:
        inside = [first, *(day for day in changes if first < day <= last)]
        ends = [*(date.fromordinal(day.toordinal() - 1) for day in inside[1:]), last]
        found += [
            (household_on(households, begins), (ends_on - begins).days + 1)
            for begins, ends_on in zip(inside, ends, strict=True)
        ]
    return found


def _norm(
    law: Law, month: Month, kind: HouseholdKind, age_band: AgeBand, adults: int | None, youth_top_up: bool
) -> tuple[Cents, tuple[ReceiptLine, ...]]:
    alone = 2 if kind == "COUPLE" else 1
    sharing = adults or alone
    if age_band == "Y18_20":
        return _norm_18_20(law, month, kind, youth_top_up)
    if sharing <= alone:
        norm = law.value((COUPLE if kind == "COUPLE" else SINGLE)[age_band], month)
        return norm.cents, (norm.receipt(),)
    couple = law.value(COUPLE[age_band], month)
    fixed, each = law.value(FIXED_SHARE, month), law.value(SHARE_PER_ADULT, month)
    share = (Fraction(fixed.share) + Fraction(each.share) * sharing) / sharing
    return half_up(alone * share * couple.cents), (couple.receipt(), fixed.receipt(), each.receipt())


def _norm_18_20(
    law: Law, month: Month, kind: HouseholdKind, youth_top_up: bool
) -> tuple[Cents, tuple[ReceiptLine, ...]]:
    """The norm below 21 (art. 20), which knows no sharing of costs."""
    norm = law.value((COUPLE if kind == "COUPLE" else SINGLE)["Y18_20"], month)
    if not youth_top_up:
        return norm.cents, (norm.receipt(),)
    top_up = law.value(YOUTH_TOP_UP, month)
    return Cents(norm.cents + top_up.cents), (norm.receipt(), top_up.receipt())
