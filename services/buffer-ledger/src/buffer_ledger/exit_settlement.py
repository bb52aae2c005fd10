"""What is left to settle when bijstand ends: the claim, the holiday allowance due, and what a buffer can pay.

The wage of the last month was never offset under a method that looks back, so more was paid than was due
(Participatiewet art. 58). Against it stands the holiday allowance built up (art. 45(1)). Amounts in cents.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from buffer_ledger.benefit_periods import SHORT_GAP_DAYS
from buffer_ledger.timeline import Case, MonthRow, run
from shared.law import Law, ReceiptLine
from shared.money import Cents
from shared.months import Month

LAST_SLIP_DAYS = 92
"""How long an exit waits for a last slip and a final statement before it settles with what is known."""

CLAIM_MONTH_OF_GROSS_UP = 12
"""From 1 December on an open claim risks tax and premiums on top once the year is closed (art. 58(5))."""


@dataclass(frozen=True, slots=True)
class ExitMonth:
    """A month with bijstand: what was paid, and what its own wage gives a right to."""

    month: Month
    paid_cents: int
    entitled_cents: int
    holiday_allowance_cents: int


@dataclass(frozen=True, slots=True)
class ExitSettlement:
    """The claim that an exit leaves, the holiday allowance due beside it, and what rests on it.

    `complete` says that every month is known; `receipt` names each figure of the law.
    """

    months: tuple[ExitMonth, ...]
    complete: bool
    receipt: tuple[ReceiptLine, ...] = ()

    @property
    def paid_cents(self) -> int:
        return sum(month.paid_cents for month in self.months)

    @property
    def entitled_cents(self) -> int:
        return sum(month.entitled_cents for month in self.months)

    @property
    def claim_cents(self) -> Cents:
        """Paid less entitled, without the holiday part; nil when less was paid than there was right to."""
        return Cents(max(0, self.paid_cents - self.entitled_cents))

    @property
    def holiday_allowance_cents(self) -> Cents:
        """The reserve entitled to per month, each on the wage of the month itself (reading 24)."""
        return Cents(sum(month.holiday_allowance_cents for month in self.months))

    @property
    def net_claim_cents(self) -> Cents:
        """What is left of the claim when the holiday allowance is set off against it."""
        return Cents(max(0, self.claim_cents - self.holiday_allowance_cents))

    def offered_cents(self, *, set_off: bool) -> Cents:
        """What a buffer is asked to settle: the claim less the holiday allowance, or the whole claim when the
        municipality pays the allowance out."""
        return self.net_claim_cents if set_off else self.claim_cents


def exit_settlement(case: Case, law: Law, last_day: date) -> ExitSettlement:
    """The settlement of an exit whose last day with bijstand is `last_day`.

    Paid is what the municipality's method gives month by month, or what its own statements say; entitled is
    what each month's own wage gives. A holiday allowance that was paid out already is not due again.
    """
    last = Month.of(last_day)
    until = replace(case, until=last, last_month=last, paid={})
    own_wage = replace(
        until,
        rules=tuple(replace(rules, offset_method="M0") for rules in case.rules),
        statements={},
    )
    paid, entitled = run(until, law), run(own_wage, law)
    months = tuple(
        ExitMonth(
            row.month,
            row.benefit_paid_cents,
            right.benefit_paid_cents,
            right.holiday_reserve_cents - _paid_out(case, row.month),
        )
        for row, right in zip(paid, entitled, strict=True)
    )
    receipt = tuple(dict.fromkeys(line for row in entitled for line in row.receipt))
    return ExitSettlement(months, not _held([*paid, *entitled]), receipt)


def settles_from(benefit_ended_on: date) -> date:
    """The first day on which an exit can be settled: a gap of fewer than thirty days is no exit
    (art. 45(3))."""
    return benefit_ended_on + timedelta(days=SHORT_GAP_DAYS)


def waits_until(benefit_ended_on: date) -> date:
    """The day from which an exit no longer waits for a last slip."""
    return benefit_ended_on + timedelta(days=LAST_SLIP_DAYS)


def risks_gross_up(benefit_ended_on: date, today: date) -> bool:
    """Whether a claim that is still open is about to pass the end of the year it arose in (art. 58(5))."""
    return today >= date(benefit_ended_on.year, CLAIM_MONTH_OF_GROSS_UP, 1)


def _paid_out(case: Case, month: Month) -> int:
    statement = case.statements.get(month)
    return 0 if statement is None else statement.holiday_allowance_cents


def _held(rows: Sequence[MonthRow]) -> bool:
    return any(row.held for row in rows)
