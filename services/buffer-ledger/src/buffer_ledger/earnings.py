"""What was earned in which month: pay periods become months, cents conserved (readings 25 and 26).

A monthly slip inside one month is that month's. Weekly pay is split over the months by its working days
(Monday to Friday), a monthly slip across months by its days, four-weekly pay by the municipality's method.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction
from typing import Final

from buffer_ledger.attribution import (
    CARRIED,
    ESTIMATE,
    FourWeekMethod,
    MunicipalityRules,
    SlipFact,
    rules_in_force,
)
from buffer_ledger.benefit_periods import BenefitPeriod, days_between, days_in, joined
from shared.money import half_up
from shared.months import Month

FOUR_WEEKS_DAYS: Final = 28
ACCRUAL_MONTHS: Final = 12
"""Year-end pay is earned over the twelve months that end with the one it is paid for."""
_BY_NUMBER = frozenset({"X13_12", "X13_12_QUARTERLY"})


@dataclass(frozen=True, slots=True)
class Piece:
    """What one employer's pay adds to the wage of one month, in cents.

    It was earned on the days from `first` to `last`; `working` says that Monday to Friday alone carry it.
    `is_slip` is False for pay that no slip of that month is expected for, such as year-end pay.
    """

    month: Month
    wage_cents: int
    first: date
    last: date
    working: bool
    employer_key: str
    evidence: tuple[str, ...]
    credit: bool | None
    estimated: bool = False
    is_slip: bool = True


@dataclass(frozen=True, slots=True)
class Earned:
    """What was earned in one month, all employers together."""

    wage_cents: int
    credit_not_applied: bool
    employers: frozenset[str]
    evidence: tuple[str, ...]
    estimated: bool = False


NOTHING_EARNED = Earned(0, False, frozenset(), ())


def earned_by_month(
    slips: Sequence[SlipFact],
    rules: Sequence[MunicipalityRules] = (),
    periods: Sequence[BenefitPeriod] | None = None,
) -> dict[Month, Earned]:
    """E of each month: the net work income earned in it on days of right, from slips that count.

    `credit_not_applied` is true only if every slip of the month says so: the table of art. 11 holds as soon
    as one slip applies the general tax credit or does not tell (reading 4).
    """
    grouped: dict[Month, list[Piece]] = {}
    for piece in pieces(slips, rules):
        grouped.setdefault(piece.month, []).append(piece)
    return {month: _earned(group, periods) for month, group in grouped.items()}


def pieces(slips: Sequence[SlipFact], rules: Sequence[MunicipalityRules]) -> tuple[Piece, ...]:
    """What each slip adds to which month, before days without right are left out."""
    made: list[Piece] = []
    numbered: dict[tuple[str, FourWeekMethod], list[SlipFact]] = {}
    for slip in slips:
        method = rules_in_force(rules, Month.of(slip.period_to)).four_week_method
        if slip.pay_period == "MONTH":
            made += _split(slip, working=False)
        elif slip.pay_period == "WEEK" or method == "DAY20":
            made += _split(slip, working=True)
        elif method == "AS_RECEIVED":
            made.append(_whole(slip, slip.received_month))
        elif method == "AS_RECEIVED_DEC":
            year, number = payroll_period(slip)
            made.append(_whole(slip, Month(year, min(number, 12))))
        else:
            numbered.setdefault((slip.employer_key, method), []).append(slip)
        if slip.net("BONUS") != 0:
            made += _spread_back(slip, rules)
    for (_, method), group in numbered.items():
        made += _by_number(group)
        if method == "X13_12_QUARTERLY":
            made += _quarterly(group)
    return tuple(made)


def payroll_period(slip: SlipFact) -> tuple[int, int]:
    """The payroll year of a four-weekly period and its number in it, by the day in its middle.

    By dates and not by week numbers, so that a year of 53 weeks needs no rule of its own.
    """
    middle = slip.period_from + timedelta(days=((slip.period_to - slip.period_from).days + 1) // 2)
    return middle.year, (middle - date(middle.year, 1, 1)).days // FOUR_WEEKS_DAYS + 1


def other_income(
    slips: Sequence[SlipFact], rules: Sequence[MunicipalityRules]
) -> tuple[dict[Month, int], dict[Month, int]]:
    """What counts as a whole when it was paid, in cents: by wage month, and by the month of the row.

    Holiday pay of a municipality that counts it when paid belongs to the wage month it was paid in. Year-end
    pay that counts in the month after (reading 26) belongs to that row under every method. Neither has an
    exempt share or a claim.
    """
    by_base: dict[Month, int] = {}
    by_row: dict[Month, int] = {}
    for slip in slips:
        month = slip.received_month
        chosen = rules_in_force(rules, month)
        if chosen.holiday_claim == "WHEN_PAID" and (paid := slip.net("HOLIDAY_PAY")) != 0:
            by_base[month] = by_base.get(month, 0) + paid
        if chosen.year_end_pay == "WHEN_PAID_NEXT_MONTH" and (paid := slip.net("BONUS")) != 0:
            by_row[month.plus(1)] = by_row.get(month.plus(1), 0) + paid
    return by_base, by_row


def carried_debts(earned: Mapping[Month, Earned]) -> dict[Month, int]:
    """What earlier months below nil take off each month's wage, in cents, nil or less (note 5.6).

    A wage below nil makes no benefit above the norm; the rest waits for the next months with wage, the oldest
    first, until it is gone.
    """
    debt = 0
    taken: dict[Month, int] = {}
    for month in sorted(earned):
        wage = earned[month].wage_cents
        if wage < 0:
            debt += wage
        elif debt < 0 < wage:
            taken[month] = max(debt, -wage)
            debt -= taken[month]
    return taken


def stand_in(
    slips: Sequence[SlipFact],
    rules: Sequence[MunicipalityRules],
    employers: Iterable[str],
    month: Month,
    source: str,
) -> list[SlipFact]:
    """For each employer without pay in a month, a slip that repeats what the last month with pay was."""
    made = []
    for employer in sorted(employers):
        own = [slip for slip in slips if slip.employer_key == employer]
        parts = [piece for piece in pieces(own, rules) if piece.is_slip]
        before = [piece.month for piece in parts if piece.month < month]
        if not before or any(piece.month == month for piece in parts):
            continue
        last = [piece for piece in parts if piece.month == max(before)]
        model = next(slip for slip in own if slip.wage_slip_id in last[-1].evidence)
        wage = sum(piece.wage_cents for piece in last)
        made.append(
            replace(
                model,
                slip_key=f"{source}/{employer}/{month}",
                period_from=month.first_day,
                period_to=month.last_day,
                pay_date=month.last_day,
                parts=tuple(replace(part, net_cents=type(part.net_cents)(wage)) for part in model.parts[:1]),
                pay_period="MONTH",
                source=source,
            )
        )
    return made


def touched_rows(
    slip: SlipFact, rules: Sequence[MunicipalityRules], superseded: SlipFact | None = None
) -> tuple[Month, ...]:
    """The month rows that a slip can change by itself, in order: those it was received and earned in and the
    one its wage counts in, which under M1 is the one after. Later rows change through the balance alone, and
    through what a month below nil leaves over.

    A correction may move the pay day, so `superseded` is the version that counted until now, if any.
    """
    touched = set()
    for version in (slip, superseded):
        if version is None:
            continue
        months = {piece.month for piece in pieces([version], rules)}
        if version.pay_period == "FOUR_WEEKS":
            days = Month.span(Month.of(version.period_from), Month.of(version.period_to))
            months |= {_quarter_end(month) for month in (*months, *days)}
        by_base, by_row = other_income([version], rules)
        for month in months | by_base.keys():
            touched |= {month, rules_in_force(rules, month).counts_in(month)}
        touched |= {version.received_month, *by_row}
    return tuple(sorted(touched))


def affected_from(
    slip: SlipFact, rules: Sequence[MunicipalityRules], superseded: SlipFact | None = None
) -> Month:
    """The first row that a slip, and the version it replaces, can change: no row before it needs to be
    computed again."""
    return touched_rows(slip, rules, superseded)[0]


def earliest_month(slip: SlipFact) -> Month:
    """No row before this month can change by a slip, whatever the municipality's rules are."""
    first = min(Month.of(slip.period_from), slip.received_month)
    if slip.net("BONUS") != 0:
        first = min(first, Month.of(slip.period_to).plus(1 - ACCRUAL_MONTHS))
    return first


def _earned(group: Sequence[Piece], periods: Sequence[BenefitPeriod] | None) -> Earned:
    slips = [piece for piece in group if piece.is_slip]
    return Earned(
        wage_cents=sum(_on_days_of_right(piece, periods) for piece in group),
        credit_not_applied=all(piece.credit is False for piece in slips or group),
        employers=frozenset(piece.employer_key for piece in slips),
        evidence=tuple(dict.fromkeys(one for piece in group for one in piece.evidence)),
        estimated=any(piece.estimated for piece in group),
    )


def _on_days_of_right(piece: Piece, periods: Sequence[BenefitPeriod] | None) -> int:
    if periods is None:
        return piece.wage_cents
    days = days_between(piece.first, piece.last, working_only=piece.working)
    spans = [(period.first, period.last or date.max) for period in joined(periods)]
    right = days_in(spans, piece.first, piece.last, working_only=piece.working)
    return piece.wage_cents if right == days else half_up(Fraction(piece.wage_cents * right, days))


def _whole(slip: SlipFact, month: Month) -> Piece:
    return _piece(slip, month, slip.net("WAGE"), slip.period_from, slip.period_to, working=True)


def _split(slip: SlipFact, *, working: bool) -> list[Piece]:
    """The wage of a slip over the months its period lies in, by days; the parts add up to it."""
    months = list(Month.span(Month.of(slip.period_from), Month.of(slip.period_to)))
    if len(months) == 1:
        days = days_between(slip.period_from, slip.period_to, working_only=working)
        return [
            _piece(slip, months[0], slip.net("WAGE"), slip.period_from, slip.period_to, days > 0 and working)
        ]
    working = working and days_between(slip.period_from, slip.period_to, working_only=True) > 0
    total = days_between(slip.period_from, slip.period_to, working_only=working)
    made, given, done = [], 0, 0
    for month in months:
        first, last = max(slip.period_from, month.first_day), min(slip.period_to, month.last_day)
        days = days_between(first, last, working_only=working)
        done += days
        share = half_up(Fraction(slip.net("WAGE") * done, total)) - given
        given += share
        if days > 0:
            made.append(_piece(slip, month, share, first, last, working))
    return made


def _by_number(group: Sequence[SlipFact]) -> list[Piece]:
    """Period n feeds month n with thirteen twelfths, rounded per employer; later periods feed none."""
    periods: dict[tuple[int, int], list[SlipFact]] = {}
    for slip in group:
        periods.setdefault(payroll_period(slip), []).append(slip)
    made = []
    for (year, number), slips in periods.items():
        if number > 12:
            continue
        month = Month(year, number)
        wage = half_up(Fraction(13, 12) * sum(slip.net("WAGE") for slip in slips))
        made.append(_joined(slips, month, wage, month.first_day, month.last_day, working=False))
    return made


def _quarterly(group: Sequence[SlipFact]) -> list[Piece]:
    """What a quarter's last month takes over so that the quarter counts what was earned in its working days.

    A quarter is recomputed once the period with its last working day is there.
    """
    counted: dict[Month, int] = {}
    for piece in _by_number(group):
        counted[_quarter_end(piece.month)] = counted.get(_quarter_end(piece.month), 0) + piece.wage_cents
    real: dict[Month, int] = {}
    of_quarter: dict[Month, list[SlipFact]] = {}
    for slip in group:
        for piece in _split(slip, working=True):
            end = _quarter_end(piece.month)
            real[end] = real.get(end, 0) + piece.wage_cents
            of_quarter.setdefault(end, []).append(slip)
    made = []
    for end, slips in of_quarter.items():
        whole = any(slip.period_from <= _last_working_day(end) <= slip.period_to for slip in slips)
        if whole and real[end] != counted.get(end, 0):
            difference = real[end] - counted.get(end, 0)
            extra = _joined(slips, end, difference, end.first_day, end.last_day, working=False)
            made.append(replace(extra, is_slip=False))
    return made


def _spread_back(slip: SlipFact, rules: Sequence[MunicipalityRules]) -> list[Piece]:
    """Year-end pay over the months in which it was earned (art. 32(2)); nothing where it counts when paid."""
    if rules_in_force(rules, slip.received_month).year_end_pay != "SPREAD_BACK":
        return []
    last, paid = Month.of(slip.period_to), slip.net("BONUS")
    made, given = [], 0
    for step in range(1, ACCRUAL_MONTHS + 1):
        month = last.plus(step - ACCRUAL_MONTHS)
        share = half_up(Fraction(paid * step, ACCRUAL_MONTHS)) - given
        given += share
        part = _piece(slip, month, share, month.first_day, month.last_day, working=False)
        made.append(replace(part, is_slip=False))
    return made


def _piece(slip: SlipFact, month: Month, wage: int, first: date, last: date, working: bool) -> Piece:
    return _joined([slip], month, wage, first, last, working)


def _joined(
    slips: Sequence[SlipFact], month: Month, wage: int, first: date, last: date, working: bool
) -> Piece:
    credits = [slip.tax_credit_applied for slip in slips]
    return Piece(
        month=month,
        wage_cents=wage,
        first=first,
        last=last,
        working=working,
        employer_key=slips[0].employer_key,
        evidence=tuple(dict.fromkeys(slip.wage_slip_id for slip in slips)),
        credit=False if all(credit is False for credit in credits) else None,
        estimated=any(slip.source in (ESTIMATE, CARRIED) for slip in slips),
    )


def _quarter_end(month: Month) -> Month:
    return Month(month.year, (month.number + 2) // 3 * 3)


def _last_working_day(month: Month) -> date:
    day = month.last_day
    return day - timedelta(days=max(0, day.weekday() - 4))
