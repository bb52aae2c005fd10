"""Months: values that sort by time, written as YYYY-MM, in Amsterdam."""

from datetime import UTC, date, datetime

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from shared.months import Month, amsterdam_date


class Dated(BaseModel):
    month: Month


def test_a_month_is_written_as_it_is_read() -> None:
    assert str(Month.parse("2026-03")) == "2026-03"
    assert Month.parse("2026-12") == Month(2026, 12)


@pytest.mark.parametrize(
    "text", ["2026-3", "2026-13", "2026-00", "2026-03-01", "03-2026", " 2026-03", "٢٠٢٦-٠٣", ""]
)
def test_any_other_text_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="YYYY-MM"):
        Month.parse(text)


def test_months_add_and_subtract_over_the_turn_of_the_year() -> None:
    assert Month(2026, 11).plus(3) == Month(2027, 2)
    assert Month(2026, 1).plus(-1) == Month(2025, 12)
    assert Month(2027, 2) - Month(2026, 11) == 3


def test_a_span_holds_both_its_ends_and_is_empty_backwards() -> None:
    assert [str(month) for month in Month.span(Month(2026, 12), Month(2027, 2))] == [
        "2026-12",
        "2027-01",
        "2027-02",
    ]
    assert list(Month.span(Month(2026, 2), Month(2026, 1))) == []


def test_february_knows_its_leap_year() -> None:
    assert Month(2028, 2).days == 29
    assert Month(2026, 2).last_day == date(2026, 2, 28)
    assert Month(2026, 2).first_day == date(2026, 2, 1)


def test_months_sort_as_their_texts_do() -> None:
    months = [Month(2026, 10), Month(2026, 2), Month(2025, 12)]

    assert [str(month) for month in sorted(months)] == sorted(str(month) for month in months)


def test_the_last_evening_of_utc_is_the_next_month_in_amsterdam() -> None:
    instant = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)

    assert amsterdam_date(instant) == date(2026, 2, 1)
    assert Month.of_instant(instant) == Month(2026, 2)


def test_an_instant_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        amsterdam_date(datetime(2026, 1, 31, 23, 30))  # noqa: DTZ001


def test_a_month_is_a_field_of_a_model_and_has_a_pattern_in_its_schema() -> None:
    read = Dated.model_validate_json('{"month": "2026-03"}')

    assert read.month == Month(2026, 3)
    assert read.model_dump_json() == '{"month":"2026-03"}'
    assert "pattern" in TypeAdapter(Month).json_schema()
    with pytest.raises(ValidationError, match="YYYY-MM"):
        Dated.model_validate({"month": 202603})


@pytest.mark.parametrize(("year", "number"), [(2026, 0), (2026, 13), (1899, 12), (3000, 1)])
def test_there_is_no_such_month(year: int, number: int) -> None:
    with pytest.raises(ValueError, match="not a month"):
        Month(year, number)
