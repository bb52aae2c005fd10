"""Quiet hours run on Amsterdam's clock, over midnight and over a change of summer time."""

from datetime import UTC, datetime

import pytest

from notifier.quiet_hours import QuietHours


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NIGHT = QuietHours.parse("21:00-08:00")
NOON = QuietHours.parse("12:00-13:30")


@pytest.mark.parametrize(
    ("instant", "quiet"),
    [
        ("2026-01-10T19:59:59", False),
        ("2026-01-10T20:00", True),
        ("2026-01-11T06:59:59", True),
        ("2026-01-11T07:00", False),
        ("2026-07-10T18:59:59", False),
        ("2026-07-10T19:00", True),
        ("2026-07-11T06:00", False),
        ("2026-03-29T05:59:59", True),
        ("2026-03-29T06:00", False),
        ("2026-10-25T06:30", True),
        ("2026-10-25T07:00", False),
    ],
)
def test_the_night_is_quiet_from_nine_to_eight_in_amsterdam(instant: str, quiet: bool) -> None:
    assert NIGHT is not None
    assert NIGHT.hold(_at(instant)) is quiet


def test_hours_of_one_day_do_not_run_over_midnight() -> None:
    assert NOON is not None
    assert NOON.hold(_at("2026-01-10T11:00"))
    assert not NOON.hold(_at("2026-01-10T12:30"))
    assert not NOON.hold(_at("2026-01-10T23:00"))


def test_waiting_is_counted_from_the_last_end() -> None:
    assert NIGHT is not None
    assert NIGHT.last_end(_at("2026-01-10T08:00")) == _at("2026-01-10T07:00")
    assert NIGHT.last_end(_at("2026-01-10T07:00")) == _at("2026-01-10T07:00")
    assert NIGHT.last_end(_at("2026-01-10T06:00")) == _at("2026-01-09T07:00")
    assert NIGHT.last_end(_at("2026-03-29T08:00")) == _at("2026-03-29T06:00")


def test_none_is_no_quiet_hours_and_anything_else_is_refused() -> None:
    assert QuietHours.parse("none") is None
    for written in ("", "21-8", "21:00-21:00", "25:00-08:00", "21:00 08:00"):
        with pytest.raises(ValueError, match="QUIET_HOURS"):
            QuietHours.parse(written)
