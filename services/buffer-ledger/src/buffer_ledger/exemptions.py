"""The part of a wage that is not counted (vrijlating): its grounds, their counters and their limits.

Until 2026 the grounds of Participatiewet art. 31(2)(n), (r), (y) and (z), from 2027 on art. 34a. A grant
gives a ground with its share and maximum; what the law gives at most is never passed. One ground a month.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal

from buffer_ledger.norms import Household, household_in
from shared.law import Law, ParameterMissing, ParameterValue, ReceiptLine
from shared.money import Cents, half_up
from shared.months import Month

GroundKind = Literal["GENERAL", "SINGLE_PARENT", "WAGE_SUBSIDY", "MEDICAL", "WORK"]
Person = Literal["APPLICANT", "PARTNER"]

ORDER: Final[tuple[GroundKind, ...]] = ("GENERAL", "SINGLE_PARENT", "WAGE_SUBSIDY", "MEDICAL", "WORK")
"""(n) comes first: (r) and (z) begin when it is used up, and (y) gives way to it (reading 6)."""

NEW_REGIME: Final = Month(2027, 1)
TRANSITION: Final = "participatiewet/vrijlating_transition_months"
_WORK: Final = "participatiewet/vrijlating_work"
_OLD: Final[Mapping[GroundKind, str]] = {
    "GENERAL": "participatiewet/vrijlating_general",
    "SINGLE_PARENT": "participatiewet/vrijlating_single_parent",
    "WAGE_SUBSIDY": "participatiewet/vrijlating_wage_subsidy",
    "MEDICAL": "participatiewet/vrijlating_medical",
}


@dataclass(frozen=True, slots=True)
class Ground:
    """A grant: a ground for one of the household, from a wage month on.

    `share` and `cap_cents` are what was granted, `months` for how many months: months in which something was
    exempt for GENERAL, calendar months for the others. `months_used` is what was used of it before, also
    elsewhere.
    """

    kind: GroundKind
    share: Decimal
    first_month: Month
    months: int
    cap_cents: Cents | None = None
    months_used: int = 0
    person: Person = "APPLICANT"


@dataclass(frozen=True, slots=True)
class Exempted:
    """What of a month's wage is not counted, by which ground, with the lines of the receipt."""

    amount_cents: Cents
    ground: GroundKind | None = None
    receipt: tuple[ReceiptLine, ...] = ()
    missing: ParameterMissing | None = None
    """The figure of the law that is lacking; the amount is then none."""


NOTHING_EXEMPT: Final = Exempted(Cents(0))


@dataclass(frozen=True, slots=True)
class _Limits:
    """What the law gives at most: a share, an amount a month, and for how many months (None: no end)."""

    share: ParameterValue
    maximum: ParameterValue | None
    months: ParameterValue | None


def exempt_by_month(
    law: Law,
    wages: Mapping[Month, int],
    grounds: Sequence[Ground],
    households: Sequence[Household],
    *,
    pinned: Month | None = None,
) -> dict[Month, Exempted]:
    """What is exempt of each wage month of one person, wages in cents; nil months are left out.

    Months are gone through in order, because GENERAL uses a month only where something was exempt. `pinned`
    is the month whose figures are used instead of each month's own. A month that lacks a figure says so.
    """
    used: dict[Ground, int] = {}
    given: dict[Month, Exempted] = {}
    ordered = sorted(grounds, key=lambda ground: (ORDER.index(ground.kind), ground.first_month))
    for month in sorted(month for month, wage in wages.items() if wage > 0) if ordered else ():
        household = household_in(households, month)
        possible = [
            ground
            for ground in ordered
            if ground.first_month <= month and _may_have(ground.kind, household, month)
        ]
        try:
            chosen = _first_that_runs(law, possible, household, pinned or month, month, used)
        except ParameterMissing as lacking:
            given[month] = Exempted(Cents(0), missing=lacking)
            continue
        if chosen is None:
            continue
        ground, limits = chosen
        exempted = _amount(wages[month], ground, limits)
        if exempted.amount_cents > 0:
            used[ground] = used.get(ground, ground.months_used) + 1
            given[month] = exempted
    return given


def _first_that_runs(
    law: Law,
    possible: Sequence[Ground],
    household: Household,
    figures: Month,
    month: Month,
    used: Mapping[Ground, int],
) -> tuple[Ground, _Limits] | None:
    for ground in possible:
        limits = _limits(law, ground, household, figures, month)
        if limits is not None and _runs(ground, limits, month, used.get(ground, ground.months_used)):
            return ground, limits
    return None


def _may_have(kind: GroundKind, household: Household, month: Month) -> bool:
    """Whether a ground fits the household: (n) and (r) are not for people under 27 (art. 31(5)), of whom
    only those under 21 are known here; (r) needs a child under 12."""
    if kind in ("GENERAL", "SINGLE_PARENT") and household.age_band == "Y18_20":
        return False
    if kind != "SINGLE_PARENT":
        return True
    until = household.child_under_12_until
    return household.kind == "SINGLE_PARENT" and (until is None or until >= month.first_day)


def _limits(law: Law, ground: Ground, household: Household, figures: Month, month: Month) -> _Limits | None:
    """The law's limits of a ground in a month; None when the law does not know it then."""
    if month >= NEW_REGIME:
        return _new_limits(law, ground, household, figures, month)
    if ground.kind == "WORK":
        return None
    name = _OLD[ground.kind]
    has_end = ground.kind != "MEDICAL" and not (ground.kind == "GENERAL" and household.age_band == "AOW")
    return _Limits(
        law.value(f"{name}_share", figures),
        law.value(f"{name}_maximum", figures),
        law.value(f"{name}_months", figures) if has_end else None,
    )


def _new_limits(
    law: Law, ground: Ground, household: Household, figures: Month, month: Month
) -> _Limits | None:
    """Art. 34a: 15 percent without a maximum, for twelve months or, with a medical limit, without an end; at
    AOW age 25 percent up to a maximum. What was granted under the old rules goes on as the transition says.
    """
    if ground.kind not in ("WORK", "MEDICAL"):
        going_on = int(law.value(TRANSITION, month).cents)
        if month - NEW_REGIME >= going_on or ground.first_month >= NEW_REGIME:
            return None
        return _limits(law, ground, household, NEW_REGIME.plus(-1), NEW_REGIME.plus(-1))
    if household.age_band == "AOW":
        return _Limits(
            law.value(f"{_WORK}_aow_share", figures), law.value(f"{_WORK}_aow_maximum", figures), None
        )
    if ground.kind == "MEDICAL":
        return _Limits(law.value(f"{_WORK}_medical_share", figures), None, None)
    return _Limits(law.value(f"{_WORK}_share", figures), None, law.value(f"{_WORK}_months", figures))


def _runs(ground: Ground, limits: _Limits, month: Month, used: int) -> bool:
    """Whether the grant and the law still have a month left."""
    most = ground.months + ground.months_used
    if limits.months is not None:
        most = min(most, int(limits.months.cents))
    if ground.kind == "GENERAL":
        return used < most
    return ground.months_used + (month - ground.first_month) < most


def _amount(wage_cents: int, ground: Ground, limits: _Limits) -> Exempted:
    share = min(Fraction(ground.share), Fraction(limits.share.share))
    amount = half_up(share * wage_cents)
    receipt = [limits.share.receipt()]
    if limits.maximum is not None:
        amount = min(amount, limits.maximum.cents)
        receipt.append(limits.maximum.receipt())
    if ground.cap_cents is not None:
        amount = min(amount, ground.cap_cents)
    return Exempted(amount, ground.kind, tuple(receipt))
