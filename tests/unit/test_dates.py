"""Days and months as callers write them: one form, and bounds within which every rule can reckon."""

from datetime import date, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter

from shared.dates import CalendarMonth, Day, MonthParameter
from shared.errors import Invalid
from shared.months import Month
from shared.requests import RequestModel, parse_request


class Dated(RequestModel):
    day: Day
    month: CalendarMonth


def _faults(day: Any, month: Any) -> dict[str, tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        parse_request(Dated, {"day": day, "month": month})
    return {fault.pointer: (fault.rule, fault.detail) for fault in caught.value.faults}


@pytest.mark.parametrize("text", ["1900-01-01", "2026-02-28", "2199-12-31"])
def test_a_day_is_read_as_it_is_written(text: str) -> None:
    assert str(parse_request(Dated, {"day": text, "month": "2026-03"}).day) == text


@pytest.mark.parametrize("text", ["2000-01", "2026-03", "2199-12"])
def test_a_month_within_the_bounds_is_read_as_it_is_written(text: str) -> None:
    assert str(parse_request(Dated, {"day": "2026-03-01", "month": text}).month) == text
    assert TypeAdapter(MonthParameter).validate_python(text) == Month.parse(text)


@pytest.mark.parametrize(
    "value",
    [
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00Z",
        "2026-W01-1",
        "20260101",
        "01-03-2026",
        "2026-1-1",
        " 2026-01-01 x",
        "٢٠٢٦-٠١-٠١",
        "",
        20260101,
        1767225600,
        1.5,
        True,
        None,
        [],
    ],
)
def test_any_other_form_of_a_day_is_refused_with_an_example(value: Any) -> None:
    assert _faults(value, "2026-03") == {
        "/day": ("G005", "a date is written as YYYY-MM-DD, for example 2026-03-31")
    }


def test_a_day_that_no_calendar_has_is_refused() -> None:
    assert _faults("2026-02-30", "2026-03") == {"/day": ("G005", "there is no such day in the calendar")}


@pytest.mark.parametrize("value", ["0001-01-01", "1899-12-31", "2200-01-01", "9999-12-31"])
def test_a_day_out_of_reach_is_outside_its_limits(value: str) -> None:
    assert _faults(value, "2026-03") == {"/day": ("G004", "must be a day from 1900-01-01 to 2199-12-31")}


@pytest.mark.parametrize("value", ["1900-01", "1999-12", "2200-01", "2999-12"])
def test_a_month_out_of_reach_is_outside_its_limits(value: str) -> None:
    assert _faults("2026-03-01", value) == {"/month": ("G004", "must be a month from 2000-01 to 2199-12")}


def test_values_of_our_own_pass() -> None:
    mine = Dated.model_validate({"day": date(2026, 3, 1), "month": Month(2026, 3)})
    assert (mine.day, mine.month) == (date(2026, 3, 1), Month(2026, 3))


def test_an_instant_is_no_day() -> None:
    with pytest.raises(Invalid):
        parse_request(Dated, {"day": datetime(2026, 3, 1), "month": "2026-03"})  # noqa: DTZ001
