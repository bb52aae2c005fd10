"""What a wage takes off the benefit: Participatiewet art. 19 and 31, Regeling Participatiewet art. 11 and 13.

Every amount is exact until one of the three points of reading 1 where it is rounded: the exempt
share, the holiday claim and the part of the benefit that is paid every month.
"""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from buffer_ledger.norms import LawMonth
from shared.law import Bracket, Law, ReceiptLine
from shared.money import Cents, half_up_part
from shared.months import Month

CLAIM_TABLE = "regeling_participatiewet/holiday_claim_table"
CLAIM_FLAT = "regeling_participatiewet/holiday_claim_flat"
CLAIM_AOW = "regeling_participatiewet/holiday_claim_aow"
"""Art. 14; its figures are not among ours, so a wage at AOW age waits for them."""


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
class Benefit:
    """What is paid in a month and what is kept for the holiday allowance, in cents."""

    paid_cents: Cents
    reserve_cents: Cents


@dataclass(frozen=True, slots=True)
class HolidayClaim:
    """The claim to holiday pay that a wage builds up, with the line of the receipt it came from."""

    amount_cents: Cents
    receipt: tuple[ReceiptLine, ...]


def exempt(wage_cents: int, exemption: Exemption | None, month: Month) -> Cents:
    """The part of a wage that is not counted: the share, rounded, then its maximum. Nil on a negative
    wage."""
    if exemption is None or wage_cents <= 0 or not exemption.holds_in(month):
        return Cents(0)
    share = half_up_part(Fraction(exemption.share), wage_cents)
    return share if exemption.cap_cents is None else min(share, exemption.cap_cents)


def holiday_claim(
    law: Law, month: Month, rest_cents: int, *, credit_not_applied: bool, aow: bool = False
) -> HolidayClaim:
    """The claim on what is left of a wage after the exempt share (art. 31(4); readings 2 and 4).

    A rest of nil or less builds up no claim and needs no parameter; else ParameterMissing without a figure.
    """
    if rest_cents <= 0:
        return _NO_CLAIM
    rows = _claim_rows(law, month, CLAIM_AOW if aow else CLAIM_FLAT if credit_not_applied else CLAIM_TABLE)
    row = rows[0]
    for candidate in rows:
        if candidate.from_cents > rest_cents:
            break
        row = candidate
    amount = half_up_part(row.rate, rest_cents, row.constant_cents)
    return HolidayClaim(Cents(max(0, amount)), row.receipt)


def counted(wage_cents: int, exempt_cents: int, claim_cents: int) -> Cents:
    """What is counted against the norm: never below nil, so that no slip makes a benefit above the norm."""
    return Cents(max(0, wage_cents - exempt_cents + claim_cents))


def benefit(norms: LawMonth, counted_cents: int) -> Benefit:
    """The benefit that is left (art. 19(2)) and its two parts; the reserve is what rounding leaves."""
    left = max(0, norms.norm_cents - counted_cents)
    paid = half_up_part(norms.paid_share, left)
    return Benefit(paid, Cents(left - paid))


@dataclass(frozen=True, slots=True)
class _ClaimRow:
    from_cents: int
    rate: Fraction
    constant_cents: int
    receipt: tuple[ReceiptLine, ...]


_NO_CLAIM = HolidayClaim(Cents(0), ())


@lru_cache(maxsize=1024)
def _claim_rows(law: Law, month: Month, name: str) -> tuple[_ClaimRow, ...]:
    claim = law.value(name, month)
    if claim.unit == "share":
        return (_ClaimRow(0, Fraction(claim.share), 0, (claim.receipt(),)),)
    return tuple(_claim_row(bracket, claim.receipt(bracket)) for bracket in claim.brackets)


def _claim_row(bracket: Bracket, line: ReceiptLine) -> _ClaimRow:
    return _ClaimRow(bracket.from_cents, Fraction(bracket.rate), bracket.constant_cents, (line,))
