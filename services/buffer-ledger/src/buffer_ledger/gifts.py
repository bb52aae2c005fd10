"""What a person may be given in a calendar year before the college has to look at it (reading 28).

A draw from a private fund is a gift (Participatiewet art. 31(2)(m)); up to a limit a year, of all buffers
together, gifts are free. Above it the college views the single case (art. 31(2)(s)), which is not built: so
a buffer that could lift a year above the limit is refused, unless its scheme switched the guard off.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.law import Law, ParameterMissing, ParameterValue
from shared.months import Month

GIFT_LIMIT = "participatiewet/gift_limit"


@dataclass(frozen=True, slots=True)
class GiftLimit:
    """The limit of a calendar year, in cents; `taken_from` is the year it was published for."""

    year: int
    cents: int
    taken_from: int


@dataclass(frozen=True, slots=True)
class GivenBuffer:
    """What one enrolment of a person can give: a running one its whole cap in each year that its months lie
    in, an ended one what was drawn for the months of that year."""

    first_month: Month
    last_month: Month
    cap_cents: int
    ended: bool
    drawn_by_month: Mapping[Month, int]

    def most_in(self, year: int) -> int:
        """The most that can be given in a calendar year, in cents."""
        if self.ended:
            return sum(cents for month, cents in self.drawn_by_month.items() if month.year == year)
        return self.cap_cents if self.first_month.year <= year <= self.last_month.year else 0


def guards(policy_as_given: Mapping[str, Any]) -> bool:
    """Whether a scheme's policy watches the limit: it does unless it was switched off."""
    guard = policy_as_given.get("giftGuard")
    return (guard.get("mode") if isinstance(guard, Mapping) else guard) != "OFF"


def gift_limit(law: Law, year: int) -> GiftLimit:
    """The limit of a year. A year whose limit is not known here has that of the last year before it that is
    known, else of the first: this asks a question earlier or later, and nobody is paid by it. Raises
    ParameterMissing when no year has one."""
    try:
        return GiftLimit(year, law.value(GIFT_LIMIT, Month(year, 1)).cents, year)
    except ParameterMissing:
        known = law.values(GIFT_LIMIT)
        if not known:
            raise
        nearest = _nearest(known, year)
        return GiftLimit(year, nearest.cents, nearest.since.year)


def sentence_above_limit(
    law: Law, cap_cents: int, first_month: Month, last_month: Month, others: Sequence[GivenBuffer]
) -> str | None:
    """Why a new buffer may not be given without a view of the college, naming the amounts; None if it may.

    Looks at each calendar year that the months of the new buffer lie in, the first that fails.
    """
    for year in range(first_month.year, last_month.year + 1):
        given = sum(other.most_in(year) for other in others)
        limit = gift_limit(law, year)
        if given + cap_cents > limit.cents:
            return (
                f"in {year} this person could be given {given + cap_cents} cents from buffers: {cap_cents} "
                f"cents of this one and {given} cents of other enrolments; {_limit_in_words(limit)}. Above "
                "that a view of the college is needed first (Participatiewet art. 31(2)(s)), which is not "
                "built yet"
            )
    return None


def _limit_in_words(limit: GiftLimit) -> str:
    if limit.taken_from == limit.year:
        return f"gifts are free up to {limit.cents} cents a year"
    return (
        f"gifts are free up to {limit.cents} cents a year, the limit of {limit.taken_from}: this system has "
        f"none for {limit.year}"
    )


def _nearest(known: Sequence[ParameterValue], year: int) -> ParameterValue:
    before = [value for value in known if value.since.year <= year]
    return before[-1] if before else known[0]
