"""What a toeslag was worth on the income Dienst Toeslagen knows, against the income the year comes to.

Per toeslag, never netted against another one: whether a small amount is left alone (Awir art. 26a) is
decided for each by itself, and by the year in which the definitive calculation is received. A revised
advance is always repaid, small amounts too (Awir art. 16).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from notifier.award import Award, ToeslagName
from notifier.toeslag_household import MONTHS_IN_YEAR
from notifier.toeslagen import Toeslagen
from shared.law import Law, ParameterValue, ReceiptLine
from shared.money import Cents

SMALL_AMOUNT = "awir/small_amount"
REPORTING_WEEKS = "awir/reporting_weeks"


@dataclass(frozen=True, slots=True)
class SmallAmount:
    """Up to this amount per toeslag nothing is claimed back on a definitive calculation."""

    cents: Cents
    decision_year: int
    """The year in which the definitive calculation is received."""
    figure_of: int
    """The year whose figure it is: an earlier one when that of the decision year is not published yet."""
    receipt: ReceiptLine

    @property
    def published(self) -> bool:
        """Whether the figure of the decision year itself is known."""
        return self.figure_of == self.decision_year


@dataclass(frozen=True, slots=True)
class Difference:
    """One toeslag on the known and on the projected income; amounts in cents, negative: paid too little."""

    known: Award
    actual: Award
    overpayment_year_cents: Cents
    """Award on the known income less award on the projected income."""
    overpayment_so_far_cents: Cents
    """What was paid too much in the months that have passed."""
    against_paid_cents: Cents
    """What twelve months pay, less the award on the projected income: it decides about the small amount."""
    reclaimed_cents: Cents
    """What would be claimed back after the year, if nothing is reported; nil up to the small amount."""
    repayable_now_cents: Cents
    """If it is reported now: what was paid too much so far, as a revised advance; never left alone."""
    avoided_cents: Cents
    """If it is reported now: what is not paid too much in the months to come."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """All toeslagen of a year; the totals are for information and decide nothing."""

    differences: Mapping[ToeslagName, Difference]
    small_amount: SmallAmount

    @property
    def overpayment_year_cents(self) -> Cents:
        return Cents(sum(one.overpayment_year_cents for one in self.differences.values()))

    @property
    def overpayment_so_far_cents(self) -> Cents:
        return Cents(sum(one.overpayment_so_far_cents for one in self.differences.values()))

    @property
    def reclaimed_cents(self) -> Cents:
        return Cents(sum(one.reclaimed_cents for one in self.differences.values()))


def reconcile(
    known: Toeslagen, actual: Toeslagen, months_elapsed: int, small_amount: SmallAmount
) -> Reconciliation:
    """Compare the awards on two incomes after some months of the year."""
    of_actual = actual.named()
    return Reconciliation(
        {
            name: difference(award, of_actual[name], months_elapsed, small_amount.cents)
            for name, award in known.named().items()
        },
        small_amount,
    )


def difference(known: Award, actual: Award, months_elapsed: int, small_amount_cents: int) -> Difference:
    """Compare one toeslag."""
    year = known.awarded_cents - actual.awarded_cents
    so_far = known.paid_until(months_elapsed) - actual.paid_until(months_elapsed)
    whole_year = known.paid_until(MONTHS_IN_YEAR) - actual.paid_until(MONTHS_IN_YEAR)
    against_paid = known.paid_until(MONTHS_IN_YEAR) - actual.awarded_cents
    reclaimed = max(0, year) if against_paid > small_amount_cents else 0
    return Difference(
        known=known,
        actual=actual,
        overpayment_year_cents=Cents(year),
        overpayment_so_far_cents=Cents(so_far),
        against_paid_cents=Cents(against_paid),
        reclaimed_cents=Cents(reclaimed),
        repayable_now_cents=Cents(max(0, so_far)),
        avoided_cents=Cents(max(0, whole_year - so_far)),
    )


def small_amount(law: Law, decision_year: int) -> SmallAmount:
    """The small amount of a decision year: of one that is not published yet the last one that is, and it says
    so. Raises ValueError for a year before the first figure."""
    found: ParameterValue | None = None
    for value in law.values(SMALL_AMOUNT):
        if value.since.year <= decision_year:
            found = value
    if found is None:
        raise ValueError(f"{SMALL_AMOUNT} has no value for {decision_year} or before")
    return SmallAmount(found.cents, decision_year, found.since.year, found.receipt())


def report_by(law: Law, changed_on: date) -> tuple[date, ReceiptLine]:
    """The last day on which a change is reported in time (Awir art. 17), and the figure it comes from."""
    weeks = law.value(REPORTING_WEEKS, changed_on)
    return changed_on + timedelta(weeks=weeks.number), weeks.receipt()
