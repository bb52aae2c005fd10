"""How many slips a month still waits for, by the pay period of each job (readings 13 and 25)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from buffer_ledger.attribution import (
    ESTIMATE,
    MunicipalityRules,
    PayPeriod,
    SlipFact,
    rules_in_force,
)
from buffer_ledger.benefit_periods import days_between
from buffer_ledger.earnings import FOUR_WEEKS_DAYS, pieces
from shared.months import Month

_WORKING_DAYS: Mapping[PayPeriod, int] = {"WEEK": 5, "FOUR_WEEKS": 20, "MONTH": 20}


class JobSlips:
    """Slips in order by job, with how many feed each month: worked out once, asked for every month."""

    def __init__(self, slips: Sequence[SlipFact], rules: Sequence[MunicipalityRules]) -> None:
        self.rules = rules
        self._own: dict[str, list[SlipFact]] = {}
        for slip in slips:
            self._own.setdefault(slip.employer_key, []).append(slip)
        self._pieces = {
            employer: Counter(piece.month for piece in pieces(own, rules) if piece.is_slip)
            for employer, own in self._own.items()
        }

    def of(self, employer: str) -> Sequence[SlipFact]:
        """The slips of one job."""
        return self._own.get(employer, ())

    def pieces(self, employer: str, month: Month) -> int:
        """How many slips of a job feed a month."""
        return self._pieces[employer][month] if employer in self._pieces else 0


def real_slips(slips: Sequence[SlipFact], rules: Sequence[MunicipalityRules]) -> JobSlips:
    """The slips that settle what a job owes: an estimate is none."""
    return JobSlips([slip for slip in slips if slip.source != ESTIMATE], rules)


def missing_slips(slips: JobSlips, expected: Mapping[str, PayPeriod], month: Month) -> int:
    """How many slips of registered jobs a wage month lacks, of those that `real_slips` gave.

    A monthly job owes one slip. A weekly one owes every working day of the month, from the first day of its
    first slip on where the job began within the month. A four-weekly one owes what the municipality's method
    counts in the month: a numbered period, the pay days that fall in it, or all working days.
    """
    method = rules_in_force(slips.rules, month).four_week_method
    missing = 0
    for employer, period in expected.items():
        own, fed = slips.of(employer), slips.pieces(employer, month)
        if period == "MONTH" or not own:
            missing += fed == 0
        elif period == "WEEK" or method == "DAY20":
            missing += _uncovered(own, month, period)
        elif method == "AS_RECEIVED":
            missing += _pay_days_missing(own, month)
        elif method == "X13_12_QUARTERLY" and month.number % 3 == 0:
            missing += max(_uncovered(own, month, period), int(fed == 0))
        elif method == "AS_RECEIVED_DEC" and month.number == 12:
            missing += max(0, 2 - fed)
        else:
            missing += fed == 0
    return missing


def without_pay(slips: JobSlips, expected: Mapping[str, PayPeriod], month: Month) -> list[str]:
    """The jobs of which a month has no pay at all, in order."""
    return [employer for employer in sorted(expected) if slips.pieces(employer, month) == 0]


def _uncovered(own: Sequence[SlipFact], month: Month, period: PayPeriod) -> int:
    """How many slips the working days without a slip amount to."""
    begun = min(slip.period_from for slip in own)
    first = begun if month.first_day < begun <= month.last_day else month.first_day
    covered: set[date] = set()
    for slip in own:
        day = max(slip.period_from, first)
        while day <= min(slip.period_to, month.last_day):
            covered.add(day)
            day += timedelta(days=1)
    open_days = days_between(first, month.last_day, working_only=True)
    open_days -= sum(day.weekday() < 5 for day in covered)
    return -(-open_days // _WORKING_DAYS[period])


def _pay_days_missing(own: Sequence[SlipFact], month: Month) -> int:
    """How many pay days of the month have no slip, from the rhythm of those that are known."""
    begun = min(slip.paid_on for slip in own)
    offset = (month.first_day - begun).days % FOUR_WEEKS_DAYS
    first = month.first_day + timedelta(days=-offset % FOUR_WEEKS_DAYS)
    days = [first, first + timedelta(days=FOUR_WEEKS_DAYS)]
    began_here = Month.of(begun) == month
    due = sum(day <= month.last_day and (not began_here or day >= begun) for day in days)
    return max(0, due - sum(slip.received_month == month for slip in own))
