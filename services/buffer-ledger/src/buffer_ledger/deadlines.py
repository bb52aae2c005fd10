"""Days after which a difference between paid and entitled bijstand becomes hard to set right. Pure.

Within six months the college may offset what was paid too much against running bijstand (Participatiewet art.
58(4)); later it takes a decision of recovery. What is still open when the tax year has ended can be reclaimed
with tax and premiums on top (art. 58(5)).
"""

from datetime import date
from typing import Final, Literal

from shared.months import Month

Flag = Literal["SIX_MONTHS_NEAR", "SIX_MONTHS_PAST", "GROSS_UP_NEAR", "GROSS_UP_PAST"]

OFFSET_MONTHS: Final = 6
WARNED_MONTHS: Final = 5
"""One month before the end there is still time to act."""
GROSS_UP_WARNED_FROM: Final = 12
"""From 1 December an open claim of the year is warned of."""


def flags(month: Month, today: date, *, overpaid: bool) -> tuple[Flag, ...]:
    """What to know today about a difference in a month: whether the simple offset is about to end or has
    ended, and, where too much was paid, whether the tax year is about to end or has ended."""
    raised: list[Flag] = []
    age = Month.of(today) - month
    if age >= OFFSET_MONTHS:
        raised.append("SIX_MONTHS_PAST")
    elif age >= WARNED_MONTHS:
        raised.append("SIX_MONTHS_NEAR")
    if overpaid and today.year > month.year:
        raised.append("GROSS_UP_PAST")
    elif overpaid and today.year == month.year and today.month >= GROSS_UP_WARNED_FROM:
        raised.append("GROSS_UP_NEAR")
    return tuple(raised)
