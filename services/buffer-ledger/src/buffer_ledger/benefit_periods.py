"""The days on which there is right to bijstand (Participatiewet art. 45; reading 16)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from buffer_ledger.norms import Span
from shared.months import Month

SHORT_GAP_DAYS: Final = 30
"""A gap of fewer days without bijstand does not split a month (art. 45(3))."""


@dataclass(frozen=True, slots=True)
class BenefitPeriod:
    """Days with right to bijstand, the last one included; without a last one it goes on."""

    first: date
    last: date | None = None


def joined(periods: Sequence[BenefitPeriod]) -> tuple[BenefitPeriod, ...]:
    """The periods in order, those with a short gap or none between them made one."""
    made: list[BenefitPeriod] = []
    for period in sorted(periods, key=lambda period: period.first):
        before = made[-1] if made else None
        if before is None:
            made.append(period)
        elif before.last is None or (period.first - before.last).days - 1 < SHORT_GAP_DAYS:
            last = None if before.last is None or period.last is None else max(before.last, period.last)
            made[-1] = BenefitPeriod(before.first, last)
        else:
            made.append(period)
    return tuple(made)


def days_of_right(periods: Sequence[BenefitPeriod] | None, month: Month) -> tuple[Span, ...]:
    """The days of a month with right, as spans; without any word about periods, the whole month."""
    if periods is None:
        return ((month.first_day, month.last_day),)
    spans = []
    for period in joined(periods):
        first = max(period.first, month.first_day)
        last = month.last_day if period.last is None else min(period.last, month.last_day)
        if first <= last:
            spans.append((first, last))
    return tuple(spans)


def lies_in(periods: Sequence[BenefitPeriod] | None, day: date) -> bool:
    """Whether there is right on a day."""
    return any(first <= day <= last for first, last in days_of_right(periods, Month.of(day)))


def days_in(spans: Sequence[Span], first: date, last: date, *, working_only: bool) -> int:
    """How many of the days from first to last lie in the spans; of Monday to Friday alone if asked."""
    count = 0
    for begins, ends in spans:
        count += days_between(max(begins, first), min(ends, last), working_only=working_only)
    return count


def days_between(first: date, last: date, *, working_only: bool) -> int:
    """The days from first to last, both included, nil when last is earlier; holidays are working days."""
    length = (last - first).days + 1
    if length <= 0 or not working_only:
        return max(0, length)
    weeks, rest = divmod(length, 7)
    extra = sum((first + timedelta(days=offset)).weekday() < 5 for offset in range(rest))
    return weeks * 5 + extra
