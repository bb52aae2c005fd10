"""What a wage takes off the benefit: Participatiewet art. 19 and 31, Regeling Participatiewet art. 11 and 13.

Every amount is exact until one of the three points of reading 1 where it is rounded: the exempt
share, the holiday claim and the part of the benefit that is paid every month.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from shared.law import Bracket, Law, ReceiptLine
from shared.money import Cents, half_up
from shared.months import Month

HouseholdKind = Literal["SINGLE", "SINGLE_PARENT", "COUPLE"]

NORM: dict[HouseholdKind, str] = {
    "SINGLE": "participatiewet/norm_alleenstaande",
    "SINGLE_PARENT": "participatiewet/norm_alleenstaande",
    "COUPLE": "participatiewet/norm_gehuwden",
}
"""A single parent has the norm of a single person (art. 21); what children cost is in kindgebonden budget."""

HOLIDAY_SHARE = "participatiewet/holiday_allowance_share"
CLAIM_TABLE = "regeling_participatiewet/holiday_claim_table"
CLAIM_FLAT = "regeling_participatiewet/holiday_claim_flat"


@dataclass(frozen=True, slots=True)
class Household:
    """A household of people of 21 to AOW age who share their costs with nobody else, from a month on."""

    kind: HouseholdKind
    from_month: Month


@dataclass(frozen=True, slots=True)
class Exemption:
    """A share of the wage that is not counted, with its maximum per month in cents.

    It holds for the `months` wage months from `first_month` on; without them in every month, as a simulation
    gives it.
    """

    share: Decimal
    cap_cents: Cents | None = None
    first_month: Month | None = None
    months: int | None = None

    def holds_in(self, month: Month) -> bool:
        if self.first_month is None:
            return True
        if month < self.first_month:
            return False
        return self.months is None or month - self.first_month < self.months


@dataclass(frozen=True, slots=True)
class LawMonth:
    """The norm of a month and what follows from it alone, worked out once per month and kind of household."""

    norm_cents: Cents
    full_payment_cents: Cents
    """The benefit paid in a month without income: the norm without its holiday part."""
    paid_share: Fraction
    receipt: tuple[ReceiptLine, ...]


@dataclass(frozen=True, slots=True)
class Benefit:
    """What is paid in a month and what is kept for the holiday allowance, in cents."""

    paid_cents: Cents
    reserve_cents: Cents


@dataclass(frozen=True, slots=True)
class HolidayClaim:
    """The claim to holiday pay that a wage builds up, with the line of the receipt it came from."""

    amount_cents: Cents
    receipt: tuple[ReceiptLine, ...]


def household_in(households: Sequence[Household], month: Month) -> Household:
    """The household of a month: the last one that began not after it; the first one before that."""
    ordered = sorted(households, key=lambda household: household.from_month)
    if not ordered:
        raise ValueError("an enrolment has at least one household")
    chosen = ordered[0]
    for household in ordered:
        if household.from_month <= month:
            chosen = household
    return chosen


@lru_cache(maxsize=4096)
def law_month(law: Law, month: Month, kind: HouseholdKind) -> LawMonth:
    """The norm of art. 21 and the paid share of it (art. 19(3)); raises ParameterMissing without a figure."""
    norm = law.value(NORM[kind], month)
    holiday = law.value(HOLIDAY_SHARE, month)
    paid_share = 1 - Fraction(holiday.share)
    return LawMonth(
        norm_cents=norm.cents,
        full_payment_cents=half_up(paid_share * norm.cents),
        paid_share=paid_share,
        receipt=(norm.receipt(), holiday.receipt()),
    )


def exempt(wage_cents: int, exemption: Exemption | None, month: Month) -> Cents:
    """The part of a wage that is not counted: the share, rounded, then its maximum. Nil on a negative
    wage."""
    if exemption is None or wage_cents <= 0 or not exemption.holds_in(month):
        return Cents(0)
    share = half_up(Fraction(exemption.share) * wage_cents)
    return share if exemption.cap_cents is None else min(share, exemption.cap_cents)


def holiday_claim(law: Law, month: Month, rest_cents: int, *, credit_not_applied: bool) -> HolidayClaim:
    """The claim on what is left of a wage after the exempt share (art. 31(4); readings 2 and 4).

    A rest of nil or less builds up no claim and needs no parameter; else ParameterMissing without a figure.
    """
    if rest_cents <= 0:
        return _NO_CLAIM
    row = _claim_rows(law, month, credit_not_applied)[0]
    for candidate in _claim_rows(law, month, credit_not_applied):
        if candidate.from_cents > rest_cents:
            break
        row = candidate
    amount = half_up(row.rate * rest_cents + row.constant_cents)
    return HolidayClaim(Cents(max(0, amount)), row.receipt)


def counted(wage_cents: int, exempt_cents: int, claim_cents: int) -> Cents:
    """What is counted against the norm: never below nil, so that no slip makes a benefit above the norm."""
    return Cents(max(0, wage_cents - exempt_cents + claim_cents))


def benefit(norms: LawMonth, counted_cents: int) -> Benefit:
    """The benefit that is left (art. 19(2)) and its two parts; the reserve is what rounding leaves."""
    left = max(0, norms.norm_cents - counted_cents)
    paid = half_up(norms.paid_share * left)
    return Benefit(paid, Cents(left - paid))


@dataclass(frozen=True, slots=True)
class _ClaimRow:
    from_cents: int
    rate: Fraction
    constant_cents: int
    receipt: tuple[ReceiptLine, ...]


_NO_CLAIM = HolidayClaim(Cents(0), ())


@lru_cache(maxsize=1024)
def _claim_rows(law: Law, month: Month, credit_not_applied: bool) -> tuple[_ClaimRow, ...]:
    if credit_not_applied:
        flat = law.value(CLAIM_FLAT, month)
        return (_ClaimRow(0, Fraction(flat.share), 0, (flat.receipt(),)),)
    table = law.value(CLAIM_TABLE, month)
    return tuple(_claim_row(bracket, table.receipt(bracket)) for bracket in table.brackets)


def _claim_row(bracket: Bracket, line: ReceiptLine) -> _ClaimRow:
    return _ClaimRow(bracket.from_cents, Fraction(bracket.rate), bracket.constant_cents, (line,))
