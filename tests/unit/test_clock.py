"""Clocks: where time comes from is a setting, and every instant knows its time zone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.clock import FileClock, FixedClock, SystemClock, clock_from, format_instant, parse_instant

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_the_system_clock_tells_utc() -> None:
    assert clock_from("system").now().tzinfo is UTC
    assert isinstance(clock_from("system"), SystemClock)


def test_a_fixed_clock_stands_still_until_it_is_set() -> None:
    clock = FixedClock(NOON)

    assert clock.now() == clock.now() == NOON
    clock.set(NOON + timedelta(days=1))
    assert clock.now() == NOON + timedelta(days=1)


def test_a_file_clock_follows_its_file(tmp_path: Path) -> None:
    file = tmp_path / "instant"
    file.write_text("2026-03-02T12:00:00Z\n", encoding="utf-8")
    clock = clock_from(f"file:{file}")

    assert clock.now() == NOON
    file.write_text("2026-04-02T14:00:00+02:00\n", encoding="utf-8")
    assert clock.now() == datetime(2026, 4, 2, 12, tzinfo=UTC)


def test_a_file_clock_without_its_file_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FileClock(tmp_path / "nowhere")


def test_while_the_clock_file_is_being_written_the_last_instant_stands(tmp_path: Path) -> None:
    path = tmp_path / "clock"
    path.write_text(format_instant(NOON))
    clock = FileClock(path)
    for half_written in ("", "2026-03-0"):
        path.write_text(half_written)
        assert clock.now() == NOON
    path.write_text(format_instant(NOON + timedelta(days=1)))
    assert clock.now() == NOON + timedelta(days=1)


def test_an_instant_may_be_given_as_the_setting() -> None:
    assert clock_from("2026-03-02T13:00:00+01:00").now() == NOON


@pytest.mark.parametrize("text", ["2026-03-02T12:00:00", "2026-03-02", "yesterday"])
def test_an_instant_without_its_offset_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"time zone|Invalid isoformat"):
        parse_instant(text)
    with pytest.raises(ValueError, match="time zone"):
        FixedClock(NOON.replace(tzinfo=None))


def test_texts_of_instants_sort_as_the_instants_do() -> None:
    earlier, later = NOON, NOON + timedelta(microseconds=1)

    assert format_instant(earlier) == "2026-03-02T12:00:00.000000Z"
    assert format_instant(earlier) < format_instant(later)
    assert parse_instant(format_instant(later)) == later
