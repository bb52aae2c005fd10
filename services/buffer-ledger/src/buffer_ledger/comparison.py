"""One population under several policies: the question every funder asks first, answered by the same rules.

Everything is measured against one floor, the benefit paid in a month without income, whatever floor a policy
fills up to. Amounts in cents.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from buffer_ledger.attribution import current
from buffer_ledger.policy import Policy
from buffer_ledger.timeline import Case, MonthRow, run
from shared.law import Law
from shared.money import Cents
from shared.months import Month

THOUSAND_EUROS = Cents(100_000)

DOING_NOTHING = Policy(draw_amount="TOPUP", cap_cents=Cents(0), min_draw_cents=Cents(0))
"""No buffer at all: its rows show the months as they are, and the floor they are measured by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What a policy does for a population over its months.

    Months below the floor are counted per person, before any draw and after. `people_run_dry` are those whose
    cap held a month back. Of EUR 1,000 a person, `lasted` holds for how many months it paid every draw in
    full, one number a person, the whole span when it never ran out.
    """

    people: int
    months: int
    months_below_floor_before: int
    months_below_floor_after: int
    used_cents: int
    repaid_cents: int
    days_without_money: int
    people_run_dry: int
    lasted: tuple[int, ...]
    missing_parameters: tuple[str, ...] = ()

    @property
    def lasted_median(self) -> int:
        """The month count that half of the people reach at least; nil without people."""
        ordered = sorted(self.lasted)
        return ordered[(len(ordered) - 1) // 2] if ordered else 0

    @property
    def used_per_month_kept_cents(self) -> int | None:
        """What a month lifted to the floor cost, rounded down; None when none was."""
        kept = self.months_below_floor_before - self.months_below_floor_after
        return (self.used_cents - self.repaid_cents) // kept if kept > 0 else None


def compare(people: Sequence[Case], policies: Sequence[Policy], law: Law) -> list[Compared]:
    """What each policy does for these people, in the order of the policies; each case brings its own months.

    A case's own policy does not count. Cases are run as a simulation runs them.
    """
    plain = [_run(person, DOING_NOTHING, law) for person in people]
    return [_compared(people, plain, policy, law) for policy in policies]


def days_without_money(row: MonthRow, arrivals: Iterable[date]) -> int:
    """The days of a month before its first money, by the days on which wage and benefit landed; the whole
    month when nothing did. A draw is paid when the month is over, so it changes no day (example 4.4)."""
    days = [day.day for day in arrivals if Month.of(day) == row.month]
    return min(days) - 1 if days else row.month.last_day.day


def _compared(
    people: Sequence[Case], plain: Sequence[Sequence[MonthRow]], policy: Policy, law: Law
) -> Compared:
    below_before = below_after = used = repaid = waited = dry = months = 0
    lasted = []
    missing: dict[str, None] = {}
    for person, without in zip(people, plain, strict=True):
        rows = _run(person, policy, law)
        landed = _landed(person, rows)
        for row, bare in zip(rows, without, strict=True):
            months += 1
            below_before += bare.cash_cents < bare.floor_cents
            below_after += row.cash_after_cents < bare.floor_cents
            used += row.draw_cents
            repaid += row.repayment_cents
            waited += days_without_money(row, landed)
            missing |= dict.fromkeys(row.missing_parameters)
        dry += any(row.limit == "BALANCE" for row in rows)
        lasted.append(_lasted(person, policy, law))
    return Compared(
        people=len(people),
        months=months,
        months_below_floor_before=below_before,
        months_below_floor_after=below_after,
        used_cents=used,
        repaid_cents=repaid,
        days_without_money=waited,
        people_run_dry=dry,
        lasted=tuple(lasted),
        missing_parameters=tuple(missing),
    )


def _run(person: Case, policy: Policy, law: Law) -> tuple[MonthRow, ...]:
    return run(replace(person, policy=policy, cap_cents=policy.cap_cents, simulate=True), law)


def _lasted(person: Case, policy: Policy, law: Law) -> int:
    """For how many months EUR 1,000 paid every draw in full."""
    rows = _run(person, replace(policy, cap_cents=THOUSAND_EUROS), law)
    for number, row in enumerate(rows):
        if row.limit == "BALANCE":
            return number
    return len(rows)


def _landed(person: Case, rows: Sequence[MonthRow]) -> list[date]:
    """The days on which wage and benefit landed; a benefit without a day is there from the first of its
    month on."""
    paid_on: Mapping[Month, date] = person.benefit_paid_on
    slips = current(person.slips)
    wages = [slip.paid_on for slip in slips if any(part.net_cents > 0 for part in slip.parts)]
    benefits = [paid_on.get(row.month, row.month.first_day) for row in rows if row.benefit_paid_cents > 0]
    return [*wages, *benefits]
