"""Schemes of a municipality that end or begin with an income: data per municipality, one rule for each kind.

A scheme with an income limit holds while the household's net income of the month, holiday parts included,
is at most a share of the norm (Participatiewet art. 35 leaves the limit to the municipality). The own share
of childcare is borne by the municipality while somebody with a benefit is on the way to work.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from shared.law import Law, ReceiptLine
from shared.money import Cents, half_up

FOLDER: Final = "gemeente"
_LIMIT = "income_limit_"
_CHILDCARE = "childcare_own_share"
_AMOUNT = "amount_"

SchemeKind = Literal["INCOME_LIMIT", "CHILDCARE_SHARE"]


@dataclass(frozen=True, slots=True)
class LocalScheme:
    """One scheme: `share` is the limit as a share of the norm, or the share of childcare costs."""

    name: str
    kind: SchemeKind
    share: Fraction
    amount_year_cents: int = 0
    """What it is worth in a year; nil when that is not known."""
    receipt: ReceiptLine | None = None
    """Where it is recorded; None for one that came with the request."""

    def holds(self, net_income_cents: int, norm_cents: int, benefit_cents: int) -> bool:
        """Whether the household has it in a month."""
        if self.kind == "CHILDCARE_SHARE":
            return benefit_cents > 0
        return net_income_cents <= self.share * norm_cents

    def month_cents(self, childcare_costs_cents: int) -> Cents:
        """What it pays in a month in which it holds."""
        if self.kind == "CHILDCARE_SHARE":
            return half_up(self.share * childcare_costs_cents)
        return half_up(Fraction(self.amount_year_cents, 12))


def local_schemes(law: Law, municipality: str, year: int) -> tuple[LocalScheme, ...]:
    """What is recorded of a municipality in a year; none when nothing is."""
    found = []
    prefix = f"{FOLDER}/{municipality}/"
    for name in law.names:
        file = name.removeprefix(prefix)
        if file == name or file.startswith(_AMOUNT):
            continue
        values = [value for value in law.values(name) if value.since.year <= year]
        if not values or (values[-1].until is not None and values[-1].until.year < year):
            continue
        value = values[-1]
        kind: SchemeKind = "CHILDCARE_SHARE" if file == _CHILDCARE else "INCOME_LIMIT"
        label = file.removeprefix(_LIMIT)
        amounts = law.values(f"{prefix}{_AMOUNT}{label}")
        worth = amounts[-1].cents if amounts else 0
        found.append(LocalScheme(label, kind, Fraction(value.share), worth, value.receipt()))
    return tuple(found)
