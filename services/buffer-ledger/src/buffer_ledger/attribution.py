"""What slips say and how a municipality works (Participatiewet art. 32: income counts where it was earned).

Two questions have two answers: the month a wage was *earned* in (it lowers the benefit, `earnings.py`) and
the month it was *received* in (it is what a person has at hand). Both are read off the version that counts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, get_args

from buffer_ledger.benefit_periods import BenefitPeriod, lies_in
from shared.money import Cents
from shared.months import Month

PartKind = Literal["WAGE", "HOLIDAY_PAY", "BONUS", "ALLOWANCE"]
PayPeriod = Literal["MONTH", "FOUR_WEEKS", "WEEK"]
OffsetMethod = Literal["M0", "M1", "EST", "SURPLUS", "OIB"]
"""M0: the wage of a month lowers the benefit of that month. M1: it lowers the benefit of the next month.
EST: as M0, on an agreed estimate until the slip comes. SURPLUS: as M0, while the employer pays the wage to
the municipality, which pays a fixed amount. OIB: as M1, on the net figure of the polisadministratie."""
FourWeekMethod = Literal["X13_12", "DAY20", "AS_RECEIVED", "AS_RECEIVED_DEC", "X13_12_QUARTERLY"]
HolidayClaim = Literal["MONTHLY", "WHEN_PAID"]
YearEndPay = Literal["SPREAD_BACK", "WHEN_PAID_NEXT_MONTH"]
LateSlip = Literal["HOLD", "ESTIMATE", "CARRY_LAST", "ADVANCE"]

ESTIMATE = "ESTIMATE"
CARRIED = "CARRIED"
"""The source of a slip that stands in for one that did not come: last month's amounts, provisionally."""
UNCHANGED = "UNCHANGED"
"""The same for a month that was declared to be as the one before: no slip is due then (BW 7:626)."""

DEFAULT_TOLERANCE_CENTS = 100

_PART_KINDS = frozenset(get_args(PartKind))
_PAY_PERIODS = frozenset(get_args(PayPeriod))
_A_MONTH_LATER = frozenset({"M1", "OIB"})
_KNOWN: tuple[tuple[str, frozenset[str]], ...] = (
    ("offset_method", frozenset(get_args(OffsetMethod))),
    ("four_week_method", frozenset(get_args(FourWeekMethod))),
    ("holiday_claim", frozenset(get_args(HolidayClaim))),
    ("year_end_pay", frozenset(get_args(YearEndPay))),
    ("late_slip", frozenset(get_args(LateSlip))),
)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a slip's net pay, in cents; it is negative where an employer corrects.

    `kind` is WAGE (work income), HOLIDAY_PAY, BONUS (year-end pay, a thirteenth month) or ALLOWANCE (travel
    and expenses: never income, never cash). Another kind is a ValueError: money of a kind that nobody gave a
    meaning may not silently count for nothing.
    """

    kind: str
    net_cents: Cents

    def __post_init__(self) -> None:
        if self.kind not in _PART_KINDS:
            raise ValueError(f"a part of kind {self.kind!r} has no meaning here: {sorted(_PART_KINDS)}")


@dataclass(frozen=True, slots=True)
class SlipFact:
    """One version of one wage slip as income-intake reported it.

    `slip_key` is the slip's identity over its versions; the highest `version` counts, an estimate only while
    no other version is there. `tax_credit_applied` is None when the slip does not say.
    """

    wage_slip_id: str
    slip_key: str
    employer_key: str
    version: int
    period_from: date
    period_to: date
    pay_date: date | None
    parts: tuple[Part, ...]
    tax_credit_applied: bool | None = None
    pay_period: PayPeriod = "MONTH"
    source: str = "SLIP"

    def __post_init__(self) -> None:
        if self.period_to < self.period_from:
            raise ValueError("a slip's period may not end before it begins")
        if self.pay_period not in _PAY_PERIODS:
            raise ValueError(f"a pay period of {self.pay_period!r} is not known here: {sorted(_PAY_PERIODS)}")

    @property
    def paid_on(self) -> date:
        """The day it was paid; without a pay date the last day of the month its period ends in (reading
        8)."""
        return self.pay_date or Month.of(self.period_to).last_day

    @property
    def received_month(self) -> Month:
        """The month it was paid in."""
        return Month.of(self.paid_on)

    def net(self, kind: PartKind) -> int:
        """What of it is of a kind, in cents."""
        return sum(part.net_cents for part in self.parts if part.kind == kind)


@dataclass(frozen=True, slots=True)
class MonthDay:
    """A day that comes back every month: `day` of the wage month, or of a month after it.

    A day that a month lacks is its last one; None is the last day of every month.
    """

    day: int | None
    months_after: int = 0

    def on(self, month: Month) -> date:
        """The day that belongs to a wage month."""
        place = month.plus(self.months_after)
        return place.last_day if self.day is None else place.first_day.replace(day=min(self.day, place.days))


@dataclass(frozen=True, slots=True)
class MunicipalityRules:
    """A municipality's way of working from a month on; without `valid_from` it holds for every month before.

    `deadline` is the day until which a month's slips and forms are to be in, `pay_day` the one on which the
    benefit of a month is paid; None is not known. An offset statement that differs from what we compute by
    more than `case_tolerance_cents` opens a case. A value that is no word here is a ValueError.
    """

    valid_from: Month | None
    offset_method: OffsetMethod
    four_week_method: FourWeekMethod = "X13_12"
    holiday_claim: HolidayClaim = "MONTHLY"
    year_end_pay: YearEndPay = "SPREAD_BACK"
    cut_off_day: int = 1
    late_slip: LateSlip = "HOLD"
    deadline: MonthDay | None = None
    pay_day: MonthDay | None = None
    case_tolerance_cents: int = DEFAULT_TOLERANCE_CENTS

    def __post_init__(self) -> None:
        for name, values in _KNOWN:
            if getattr(self, name) not in values:
                raise ValueError(f"{name} {getattr(self, name)!r} is not built: {sorted(values)}")

    def counts_in(self, wage_month: Month) -> Month:
        """The month whose benefit the wage of `wage_month` lowers, under these rules (reading 8)."""
        return wage_month.plus(1) if self.offset_method in _A_MONTH_LATER else wage_month

    @property
    def takes_estimates(self) -> bool:
        """Whether an agreed estimate stands in for a slip that has not come."""
        return self.offset_method == "EST" or self.late_slip == "ESTIMATE"


_DEFAULT_RULES = (MunicipalityRules(None, "M0"),)


@dataclass(frozen=True, slots=True)
class Received:
    """What was received in one month, all employers together."""

    wage_cents: int
    other_cash_cents: int
    evidence: tuple[str, ...]
    estimated: bool = False


NOTHING_RECEIVED = Received(0, 0, ())


def current(slips: Iterable[SlipFact]) -> tuple[SlipFact, ...]:
    """The version of each slip that counts, in an order that does not depend on arrival: the highest, and an
    estimate only while there is nothing else."""
    latest: dict[str, SlipFact] = {}
    for slip in slips:
        known = latest.get(slip.slip_key)
        if known is None or _rank(slip) > _rank(known):
            latest[slip.slip_key] = slip
    return tuple(sorted(latest.values(), key=lambda slip: (slip.period_from, slip.slip_key)))


def usable(slips: Iterable[SlipFact], rules: Sequence[MunicipalityRules]) -> tuple[SlipFact, ...]:
    """The slips that count, without the estimates of months in which the municipality takes none."""
    return tuple(
        slip
        for slip in current(slips)
        if slip.source != ESTIMATE or rules_in_force(rules, Month.of(slip.period_to)).takes_estimates
    )


def received_by_month(
    slips: Sequence[SlipFact], periods: Sequence[BenefitPeriod] | None = None
) -> dict[Month, Received]:
    """What each month brought in on days of right, from slips that `current` chose.

    An employer whose slips of a month add up to less than nothing paid nothing: what he is still owed is a
    debt, and a buffer never pays a creditor (reading 10). It does lower what was earned.
    """
    grouped: dict[Month, list[SlipFact]] = {}
    for slip in slips:
        if periods is None or lies_in(periods, slip.paid_on):
            grouped.setdefault(slip.received_month, []).append(slip)
    received = {}
    for month, group in grouped.items():
        wage: dict[str, int] = {}
        other: dict[str, int] = {}
        for slip in group:
            extra = slip.net("HOLIDAY_PAY") + slip.net("BONUS")
            wage[slip.employer_key] = wage.get(slip.employer_key, 0) + slip.net("WAGE")
            other[slip.employer_key] = other.get(slip.employer_key, 0) + extra
        received[month] = Received(
            wage_cents=sum(max(0, cents) for cents in wage.values()),
            other_cash_cents=sum(max(0, cents) for cents in other.values()),
            evidence=tuple(slip.wage_slip_id for slip in group),
            estimated=any(slip.source in (ESTIMATE, CARRIED) for slip in group),
        )
    return received


def rules_in_force(rules: Sequence[MunicipalityRules], month: Month) -> MunicipalityRules:
    """The rules that hold in a month: those with the latest `valid_from` not after it."""
    chosen: MunicipalityRules | None = None
    for candidate in rules or _DEFAULT_RULES:
        if candidate.valid_from is not None and candidate.valid_from > month:
            continue
        if chosen is None or _starts(candidate) >= _starts(chosen):
            chosen = candidate
    if chosen is None:
        raise ValueError(
            f"the municipality has no rules for {month}: the first ones must hold for every month"
        )
    return chosen


def base_months(rules: Sequence[MunicipalityRules], month: Month) -> tuple[Month, ...]:
    """The months whose wage lowers the benefit of `month`, in order (reading 8).

    The method in force in a wage's own month decides where that wage counts, so that over any change of
    method each wage counts exactly once: the first month under M1 after M0 has no base month, the first under
    M0 after M1 has two, every other month has one.
    """
    before = month.plus(-1)
    return tuple(base for base in (before, month) if rules_in_force(rules, base).counts_in(base) == month)


def _rank(slip: SlipFact) -> tuple[bool, int, str]:
    return slip.source != ESTIMATE, slip.version, slip.wage_slip_id


def _starts(rules: MunicipalityRules) -> tuple[int, int]:
    return (0, 0) if rules.valid_from is None else (rules.valid_from.year, rules.valid_from.number)
