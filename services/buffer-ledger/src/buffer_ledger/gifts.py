"""What a person may be given in a calendar year before the college has to look at it (reading 28).

A draw from a private fund is a gift (Participatiewet art. 31(2)(m)); up to a limit a year, of all buffers
together, gifts are free. Above it the college views the single case (art. 31(2)(s)): a draw that would pass
the limit waits for that view, unless the scheme only warns or switched the guard off.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from buffer_ledger.policy import Policy
from shared.law import Law, ParameterMissing, ParameterValue
from shared.months import Month

GIFT_LIMIT = "participatiewet/gift_limit"


@dataclass(frozen=True, slots=True)
class GiftLimit:
    """The limit of a calendar year, in cents; `taken_from` is the year it was published for."""

    year: int
    cents: int
    taken_from: int


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


def room_by_year(law: Law, policy: Policy, years: Iterable[int], given: Mapping[int, int]) -> dict[int, int]:
    """What a scheme may still give in each calendar year before the college has to look, in cents: the limit
    less what was given beside it. Empty when the policy does not watch the limit."""
    if policy.gift_guard == "OFF" or policy.statutory:
        return {}
    return {
        year: (gift_limit(law, year).cents if policy.gift_limit_cents is None else policy.gift_limit_cents)
        - given.get(year, 0)
        for year in years
    }


def _nearest(known: Sequence[ParameterValue], year: int) -> ParameterValue:
    before = [value for value in known if value.since.year <= year]
    return before[-1] if before else known[0]
