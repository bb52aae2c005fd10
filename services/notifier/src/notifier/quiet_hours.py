"""When no telephone should ring: the hours of the night, in Amsterdam's time.

Pure. Quiet hours hold back what lights up a telephone (e-mail and text messages), never a letter or a task.
"""

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final

from shared.months import AMSTERDAM

_WRITTEN: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `begin` until `end` on the clock, over midnight when `end` is earlier."""

    begin: time
    end: time

    @classmethod
    def parse(cls, written: str) -> "QuietHours | None":
        """Read `21:00-08:00`, or `none`. Raises ValueError."""
        if written.strip().lower() == "none":
            return None
        match = _WRITTEN.fullmatch(written.strip())
        if match is None or match.group(1, 2) == match.group(3, 4):
            raise ValueError("QUIET_HOURS is written as 21:00-08:00, or as none")
        hour, minute, end_hour, end_minute = map(int, match.groups())
        return cls(time(hour, minute), time(end_hour, end_minute))

    def hold(self, instant: datetime) -> bool:
        """Whether it is quiet at an instant."""
        now = instant.astimezone(AMSTERDAM).time()
        if self.begin < self.end:
            return self.begin <= now < self.end
        return now >= self.begin or now < self.end

    def last_end(self, instant: datetime) -> datetime:
        """When the latest quiet hours ended, at or before an instant; waiting is counted from there."""
        local = instant.astimezone(AMSTERDAM)
        today = datetime.combine(local.date(), self.end, AMSTERDAM)
        ended = (
            today
            if today <= local
            else datetime.combine(local.date() - timedelta(days=1), self.end, AMSTERDAM)
        )
        return ended.astimezone(instant.tzinfo)
