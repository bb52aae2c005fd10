"""Where time comes from: rules never ask a clock, they are given an instant."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """Tells the present instant, always in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class FixedClock:
    """Stands still until it is set; for tests and for a server that must live on one day."""

    def __init__(self, instant: datetime) -> None:
        self.set(instant)

    def set(self, instant: datetime) -> None:
        if instant.tzinfo is None:
            raise ValueError("an instant must know its time zone")
        self._instant = instant.astimezone(UTC)

    def now(self) -> datetime:
        return self._instant


class FileClock:
    """Reads the instant from a file each time, so that a simulated year can pass while a server runs.

    While the file is being written, and so is empty or half there, the last instant stands. At the start
    there must be one: ValueError or OSError otherwise.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = self._read()

    def now(self) -> datetime:
        with suppress(ValueError, OSError):
            self._last = self._read()
        return self._last

    def _read(self) -> datetime:
        return parse_instant(self._path.read_text(encoding="utf-8").strip())


def parse_instant(text: str) -> datetime:
    """Read an RFC 3339 instant with its offset; it comes back in UTC."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone: write for example 2026-03-02T09:00:00Z")
    return instant.astimezone(UTC)


def format_instant(instant: datetime) -> str:
    """Write an instant as RFC 3339 in UTC with microseconds, so that texts sort as instants do."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def clock_from(setting: str) -> Clock:
    """Make the clock that the setting CLOCK names: `system`, `file:<path>` or one RFC 3339 instant."""
    if setting == "system":
        return SystemClock()
    if setting.startswith("file:"):
        return FileClock(Path(setting.removeprefix("file:")))
    return FixedClock(parse_instant(setting))
