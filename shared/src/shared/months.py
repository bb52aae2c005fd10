"""Calendar months as values; a month of this system is a month in Amsterdam."""

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
_PATTERN = re.compile(r"(?P<year>[0-9]{4})-(?P<month>0[1-9]|1[0-2])")


@dataclass(frozen=True, order=True, slots=True)
class Month:
    """One calendar month. Sorts by time, and so does its text `2026-03`, which databases keep."""

    year: int
    number: int

    def __post_init__(self) -> None:
        if not (1 <= self.number <= 12 and 1900 <= self.year <= 2999):
            raise ValueError(f"{self.year}-{self.number} is not a month between 1900 and 2999")

    @classmethod
    def parse(cls, text: str) -> "Month":
        """Read `YYYY-MM`; anything else is a ValueError that says so."""
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise ValueError("a month is written as YYYY-MM, for example 2026-03")
        return cls(int(match["year"]), int(match["month"]))

    @classmethod
    def of(cls, day: date) -> "Month":
        """The month a day lies in."""
        return cls(day.year, day.month)

    @classmethod
    def of_instant(cls, instant: datetime) -> "Month":
        """The month it was in Amsterdam at an instant (which must know its time zone)."""
        return cls.of(amsterdam_date(instant))

    @classmethod
    def span(cls, first: "Month", last: "Month") -> Iterator["Month"]:
        """Every month from first to last, both included; none when last is before first."""
        month = first
        while month <= last:
            yield month
            month = month.plus(1)

    def plus(self, months: int) -> "Month":
        index = self.year * 12 + self.number - 1 + months
        return Month(index // 12, index % 12 + 1)

    def __sub__(self, other: "Month") -> int:
        return (self.year - other.year) * 12 + self.number - other.number

    @property
    def first_day(self) -> date:
        return date(self.year, self.number, 1)

    @property
    def last_day(self) -> date:
        return date(self.year, self.number, self.days)

    @property
    def days(self) -> int:
        return calendar.monthrange(self.year, self.number)[1]

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def read(value: object) -> Month:
            if isinstance(value, Month):
                return value
            if isinstance(value, str):
                return Month.parse(value)
            raise ValueError("a month is written as YYYY-MM, for example 2026-03")

        return core_schema.no_info_plain_validator_function(
            read,
            serialization=core_schema.plain_serializer_function_ser_schema(
                str, return_schema=core_schema.str_schema()
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])$", "examples": ["2026-03"]}


def amsterdam_date(instant: datetime) -> date:
    """The calendar day it was in Amsterdam at an instant; a naive instant is refused."""
    if instant.tzinfo is None:
        raise ValueError("an instant must know its time zone")
    return instant.astimezone(AMSTERDAM).date()
