"""What a toeslag comes to: exact months, the year as it is awarded, and what is paid in a month.

Awir art. 14: the exact amount of the year is rounded to whole euros, half up, and nil below the minimum.
What is paid in a month is in whole euros by one of two published practices: zorgtoeslag divides the rounded
year, the other three round the exact month down.

Exact amounts are whole numbers of PARTS: fine enough for a twelfth of a hundred-thousandth of a cent and for
hundredths of an hour, so that nothing is rounded before the law says so.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final, Literal, NamedTuple

from shared.money import Cents

PARTS: Final = 120_000_000
"""So many parts are one cent."""
EURO: Final = 100 * PARTS
MINIMUM_AWARD: Final = "awir/minimum_award"
"""The parameter of the least award of a year, the same for all toeslagen."""

ToeslagName = Literal["zorgtoeslag", "huurtoeslag", "kindgebondenBudget", "kinderopvangtoeslag"]
MonthRule = Literal["YEAR_DIVIDED", "MONTH_ROUNDED_DOWN"]


class Reason(StrEnum):
    """Why a toeslag is nil."""

    UNDER_AGE = "UNDER_AGE"
    ASSETS_ABOVE_LIMIT = "ASSETS_ABOVE_LIMIT"
    RENT_ABOVE_MAXIMUM = "RENT_ABOVE_MAXIMUM"
    RENT_BELOW_OWN_SHARE = "RENT_BELOW_OWN_SHARE"
    NO_CHILD = "NO_CHILD"
    NO_HOURS = "NO_HOURS"
    INCOME_TOO_HIGH = "INCOME_TOO_HIGH"
    BELOW_MINIMUM = "BELOW_MINIMUM"


class Award(NamedTuple):
    """One toeslag in one calendar year."""

    year_parts: int
    """The exact amount of the year."""
    runs: tuple[tuple[int, int], ...]
    """The months in order, as (number of months, exact parts of each); twelve months together."""
    awarded_cents: Cents
    """The year as it is awarded: whole euros, nil below the minimum."""
    monthly_paid_cents: Cents
    """What is paid in a month with a right, in whole euros; when months differ the average of those."""
    reason: Reason | None = None
    """Why it is nil; None for an award above nil."""

    @property
    def exact_cents(self) -> Cents:
        """The exact year in whole cents, half up."""
        return Cents((self.year_parts + PARTS // 2) // PARTS)

    @property
    def months_cents(self) -> tuple[Cents, ...]:
        """The exact amount of each month from January on, each half up to whole cents by itself."""
        return tuple(Cents((parts + PARTS // 2) // PARTS) for count, parts in self.runs for _ in range(count))

    def paid_until(self, months: int) -> Cents:
        """What has been paid after so many months, in whole euros each: as far as the months differ, each by
        itself rounded down."""
        if not self.awarded_cents:
            return Cents(0)
        alike = len({parts for _, parts in self.runs if parts}) == 1
        paid, left = 0, months
        for count, parts in self.runs:
            taken = min(count, left)
            left -= taken
            if parts:
                paid += taken * (self.monthly_paid_cents if alike else parts // EURO * 100)
        return Cents(paid)


NOTHING_IN_A_YEAR: Final = ((12, 0),)


def award(
    runs: Sequence[tuple[int, int]], minimum_cents: int, rule: MonthRule, nil_because: Reason | None
) -> Award:
    """Round a year. `nil_because` says why months are nil, if all of them are."""
    year = entitled = 0
    for count, parts in runs:
        if parts:
            year += count * parts
            entitled += count
    awarded = (year + EURO // 2) // EURO * 100
    if awarded < minimum_cents or not entitled:
        reason = Reason.BELOW_MINIMUM if year else (nil_because or Reason.INCOME_TOO_HIGH)
        return Award(year, tuple(runs), Cents(0), Cents(0), reason)
    whole = awarded // (100 * entitled) if rule == "YEAR_DIVIDED" else year // (EURO * entitled)
    return Award(year, tuple(runs), Cents(awarded), Cents(whole * 100))


def nil(reason: Reason) -> Award:
    """No right in the whole year."""
    return Award(0, NOTHING_IN_A_YEAR, Cents(0), Cents(0), reason)


def total_awarded(awards: Iterable[Award]) -> Cents:
    """All toeslagen of a year together, as awarded."""
    return Cents(sum(one.awarded_cents for one in awards))
