"""Days and months as callers write them: one form each, and bounds within which every rule can reckon.

Beyond them lies no wage slip and no buffer, but a slip of the pen or somebody who tries the edges.
"""

import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from shared.months import Month

FIRST_DAY: Final = date(1900, 1, 1)
LAST_DAY: Final = date(2199, 12, 31)
FIRST_MONTH: Final = Month(2000, 1)
LAST_MONTH: Final = Month(2199, 12)

_INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MONTH_SCHEMA: Final = WithJsonSchema(
    {"type": "string", "pattern": "^2[01][0-9]{2}-(0[1-9]|1[0-2])$", "examples": ["2026-03"]}
)


def day_of(text: str) -> date:
    """Read `YYYY-MM-DD`; anything else, and a day that no calendar has, is a ValueError that says so."""
    if _DAY.fullmatch(text) is None:
        raise ValueError("a date is written as YYYY-MM-DD, for example 2026-03-31")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("there is no such day in the calendar") from None


def _day(value: object) -> object:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    return day_of(value if isinstance(value, str) else "")


def _within_calendar(day: date) -> date:
    if not FIRST_DAY <= day <= LAST_DAY:
        raise PydanticCustomError("out_of_range", f"must be a day from {FIRST_DAY} to {LAST_DAY}")
    return day


def _within_reach(month: Month) -> Month:
    if not FIRST_MONTH <= month <= LAST_MONTH:
        raise PydanticCustomError("out_of_range", f"must be a month from {FIRST_MONTH} to {LAST_MONTH}")
    return month


def _month(text: str) -> Month:
    return _within_reach(Month.parse(text))


Day = Annotated[
    date,
    BeforeValidator(_day),
    AfterValidator(_within_calendar),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-03-31"]}),
]
"""A calendar day in a body; instants and numbers are refused, for they would be guessed at."""

CalendarMonth = Annotated[Month, AfterValidator(_within_reach), _MONTH_SCHEMA]
"""A month in a body."""


def instant_of(text: str) -> datetime:
    """Read an RFC 3339 instant with its offset, into UTC; else a ValueError says how to write one."""
    if _INSTANT.fullmatch(text) is None:
        raise ValueError(
            "an instant is written as YYYY-MM-DDThh:mm:ssZ, or with an offset such as +01:00 (in a query "
            "%2B01:00)"
        )
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("there is no such instant in the calendar") from None


if TYPE_CHECKING:
    MonthParameter = Month
    InstantParameter = datetime
else:
    # FastAPI takes scalars alone as parameters, and Month is a class of our own.
    MonthParameter = Annotated[str, AfterValidator(_month), _MONTH_SCHEMA]
    # A datetime of FastAPI's own would take numbers, and instants of no zone at all.
    InstantParameter = Annotated[
        str,
        AfterValidator(instant_of),
        WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-03-02T09:00:00Z"]}),
    ]
"""A month in a path or query: `month: Annotated[MonthParameter, Path()]` gives a Month."""
