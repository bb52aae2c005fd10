"""Which wage slip belongs to which month (Participatiewet art. 32: the month it was earned in).

Two questions have two answers: the month a wage was *earned* in (it lowers the benefit) and the month it was
*received* in (it is what a person has at hand). Both are read off the highest version of each slip.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, get_args

from shared.money import Cents
from shared.months import Month

PartKind = Literal["WAGE", "HOLIDAY_PAY", "ALLOWANCE"]
OffsetMethod = Literal["M0", "M1"]
"""M0: the wage of a month lowers the benefit of that month. M1: it lowers the benefit of the next month."""

_PART_KINDS = frozenset(get_args(PartKind))
_OFFSET_METHODS = frozenset(get_args(OffsetMethod))


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a slip's net pay, in cents; it is negative where an employer corrects.

    `kind` is WAGE (work income), HOLIDAY_PAY (cash, not counted again when its claim was counted every
    month) or ALLOWANCE (travel and expenses: never income, never cash). Another kind is a ValueError: money
    of a kind that nobody gave a meaning may not silently count for nothing.
    """

    kind: str
    net_cents: Cents

    def __post_init__(self) -> None:
        if self.kind not in _PART_KINDS:
            raise ValueError(f"a part of kind {self.kind!r} has no meaning here: {sorted(_PART_KINDS)}")


@dataclass(frozen=True, slots=True)
class SlipFact:
    """One version of one wage slip as income-intake reported it.

    `slip_key` is the slip's identity over its versions; the highest `version` counts. A period lies inside
    one calendar month; `tax_credit_applied` is None when the slip does not say.
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

    def __post_init__(self) -> None:
        if (self.period_from.year, self.period_from.month) != (self.period_to.year, self.period_to.month):
            raise ValueError(
                "a slip's period must lie inside one calendar month; other periods are not built"
            )

    @property
    def earned_month(self) -> Month:
        """The month the wage was earned in."""
        return Month.of(self.period_to)

    @property
    def received_month(self) -> Month:
        """The month it was paid in; without a pay date the month its period ends in (reading 8)."""
        return Month.of(self.pay_date or self.period_to)


@dataclass(frozen=True, slots=True)
class MunicipalityRules:
    """A municipality's way of working from a month on; without `valid_from` it holds for every month before.

    Only what is built can be constructed: another value is a ValueError, so that a method nobody programmed
    cannot be computed as if it were M0.
    """

    valid_from: Month | None
    offset_method: OffsetMethod
    four_week_method: str = "X13_12"
    holiday_claim: Literal["MONTHLY"] = "MONTHLY"
    year_end_pay: Literal["SPREAD_BACK"] = "SPREAD_BACK"
    cut_off_day: int = 1
    late_slip: Literal["HOLD"] = "HOLD"

    def __post_init__(self) -> None:
        built = (
            self.offset_method in _OFFSET_METHODS
            and self.holiday_claim == "MONTHLY"
            and self.year_end_pay == "SPREAD_BACK"
            and self.late_slip == "HOLD"
        )
        if not built:
            raise ValueError(f"these rules are not built: {self}")

    def counts_in(self, wage_month: Month) -> Month:
        """The month whose benefit the wage of `wage_month` lowers, under these rules (reading 8)."""
        return wage_month.plus(1) if self.offset_method == "M1" else wage_month


@dataclass(frozen=True, slots=True)
class Earned:
    """What was earned in one month, all employers together."""

    wage_cents: int
    credit_not_applied: bool
    employers: frozenset[str]
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Received:
    """What was received in one month, all employers together."""

    wage_cents: int
    other_cash_cents: int
    evidence: tuple[str, ...]


NOTHING_EARNED = Earned(0, False, frozenset(), ())
NOTHING_RECEIVED = Received(0, 0, ())


def current(slips: Iterable[SlipFact]) -> tuple[SlipFact, ...]:
    """The highest version of each slip, in an order that does not depend on arrival."""
    latest: dict[str, SlipFact] = {}
    for slip in slips:
        known = latest.get(slip.slip_key)
        if known is None or (slip.version, slip.wage_slip_id) > (known.version, known.wage_slip_id):
            latest[slip.slip_key] = slip
    return tuple(sorted(latest.values(), key=lambda slip: (slip.period_from, slip.slip_key)))


def earned_by_month(slips: Sequence[SlipFact]) -> dict[Month, Earned]:
    """E of each month: the net work income earned in it, from slips that `current` chose.

    `credit_not_applied` is true only if every slip of the month says so: the table of art. 11 holds as soon
    as one slip applies the general tax credit or does not tell (reading 4).
    """
    grouped: dict[Month, list[SlipFact]] = {}
    for slip in slips:
        grouped.setdefault(slip.earned_month, []).append(slip)
    return {
        month: Earned(
            wage_cents=sum(_net(slip, "WAGE") for slip in group),
            credit_not_applied=all(slip.tax_credit_applied is False for slip in group),
            employers=frozenset(slip.employer_key for slip in group),
            evidence=tuple(slip.wage_slip_id for slip in group),
        )
        for month, group in grouped.items()
    }


def received_by_month(slips: Sequence[SlipFact]) -> dict[Month, Received]:
    """What each month brought in, from slips that `current` chose.

    An employer whose slips of a month add up to less than nothing paid nothing: what he is still owed is a
    debt, and a buffer never pays a creditor (reading 10). It does lower what was earned.
    """
    grouped: dict[Month, list[SlipFact]] = {}
    for slip in slips:
        grouped.setdefault(slip.received_month, []).append(slip)
    received = {}
    for month, group in grouped.items():
        wage: dict[str, int] = {}
        other: dict[str, int] = {}
        for slip in group:
            wage[slip.employer_key] = wage.get(slip.employer_key, 0) + _net(slip, "WAGE")
            other[slip.employer_key] = other.get(slip.employer_key, 0) + _net(slip, "HOLIDAY_PAY")
        received[month] = Received(
            wage_cents=sum(max(0, cents) for cents in wage.values()),
            other_cash_cents=sum(max(0, cents) for cents in other.values()),
            evidence=tuple(slip.wage_slip_id for slip in group),
        )
    return received


def rules_in_force(rules: Sequence[MunicipalityRules], month: Month) -> MunicipalityRules:
    """The rules that hold in a month: those with the latest `valid_from` not after it."""
    chosen: MunicipalityRules | None = None
    for candidate in rules:
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


def touched_rows(
    slip: SlipFact, rules: Sequence[MunicipalityRules], superseded: SlipFact | None = None
) -> tuple[Month, ...]:
    """The month rows that a slip can change by itself, in order: those it was received and earned in and the
    one its wage counts in, which under M1 is the one after. Later rows change through the balance alone.

    A correction may move the pay day, so `superseded` is the version that counted until now, if any.
    """
    touched = set()
    for version in (slip, superseded):
        if version is not None:
            earned = version.earned_month
            touched |= {earned, version.received_month, rules_in_force(rules, earned).counts_in(earned)}
    return tuple(sorted(touched))


def affected_from(
    slip: SlipFact, rules: Sequence[MunicipalityRules], superseded: SlipFact | None = None
) -> Month:
    """The first row that a slip, and the version it replaces, can change: no row before it needs to be
    computed again."""
    return touched_rows(slip, rules, superseded)[0]


def _net(slip: SlipFact, kind: PartKind) -> int:
    return sum(part.net_cents for part in slip.parts if part.kind == kind)


def _starts(rules: MunicipalityRules) -> tuple[int, int]:
    return (0, 0) if rules.valid_from is None else (rules.valid_from.year, rules.valid_from.number)
