"""Which cap a draw uses: the cap year of a month, by its cause or by the day it was decided (reading 22)."""

from datetime import date, timedelta

from buffer_ledger.policy import Policy
from shared.months import Month

MONTHS_OF_A_PERIOD = 12


def period_of(policy: Policy, first_month: Month, month: Month, decided_on: date | None = None) -> int:
    """The number of the cap period that a draw for `month` uses; draws of one period share one cap.

    A calendar year is its own number. An enrolment year counts from nought. BY_BOOKING looks at the day of
    the approving decision in Amsterdam, BY_CAUSE at the row month of the shortfall, never the wage month. An
    undecided draw is taken to be decided in the month after its own, when that is closed.
    """
    used = month
    if policy.year_attribution == "BY_BOOKING":
        used = month.plus(1) if decided_on is None else Month.of(decided_on)
    if policy.period == "CALENDAR_YEAR":
        return used.year
    return max(0, used - first_month) // MONTHS_OF_A_PERIOD


def last_month_of_period(policy: Policy, first_month: Month) -> Month:
    """The last month an enrolment from `first_month` can have: the end of its first cap period."""
    number = period_of(policy, first_month, first_month)
    last = first_month
    while last - first_month < MONTHS_OF_A_PERIOD - 1:
        if period_of(policy, first_month, last.plus(1)) != number:
            break
        last = last.plus(1)
    return last


def late_window_ends(policy: Policy, last_month: Month) -> date:
    """The last day on which a draw for a month of the period may still be booked: the window counts from the
    last day of the period, which under BY_BOOKING is a month later than its last row month."""
    last = last_month.plus(1) if policy.year_attribution == "BY_BOOKING" else last_month
    return last.last_day + timedelta(days=policy.late_window_days)
