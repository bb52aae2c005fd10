"""What a policy draws for a month: the floor, the amount of the rule and what limits it (readings 11, 17-21).

Amounts in whole cents. Nothing here knows who has to agree to a draw or what was decided.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from buffer_ledger.policy import Floor, Policy
from shared.money import Cents, half_up

Limit = Literal[
    "NONE", "BALANCE", "MONTH_MAXIMUM", "MINIMUM_DRAW", "NOT_YET_FILLED", "NETTED", "NOT_IN_FORCE"
]
"""Why less than the rule amount was drawn; NONE when the whole amount was."""

DEFAULT_LOW_SHARE_PERCENT = 25
NORMAL_OFFSETS = 6
"""How many closed offsets the normal of EXCESS looks back on (reading 19)."""
NORMAL_NEEDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Causes:
    """What a month offers as a reason to draw, in cents, before any limit.

    `offset_cents` is what work took off the benefit, `normal_cents` what it usually takes, `late_cents` the
    part of the month's benefit that had not landed when the month ended.
    """

    shortfall_cents: int = 0
    offset_cents: int = 0
    normal_cents: int = 0
    late_cents: int = 0


@dataclass(frozen=True, slots=True)
class Draw:
    """What is drawn for a month, what the rule asked for, and what held it down."""

    amount_cents: int
    rule_cents: int
    limit: Limit
    netted_cents: int = 0
    """What of an earlier overpayment this draw made good (NET_NEXT_DRAW)."""


def floor_cents(floor: Floor, *, norm_cents: int, full_payment_cents: int, wage_cents: int) -> Cents:
    """Up to where a month is filled; the norm is that of the row month, the wage what was received in it."""
    if floor.kind == "NORM_INCL_VT":
        return Cents(norm_cents)
    if floor.kind == "PCT":
        return half_up(Fraction(floor.factor or 0) * norm_cents)
    if floor.kind in {"BESLAGVRIJE_VOET", "CUSTOM"}:
        return Cents(floor.amount_cents or 0)
    if floor.kind == "INCOME_GUARANTEE":
        had = full_payment_cents if floor.amount_cents is None else floor.amount_cents
        return Cents(had + half_up(Fraction(floor.factor or 0) * max(0, wage_cents)))
    return Cents(full_payment_cents)


def normal_offset(policy: Policy, closed_offsets: Sequence[int]) -> Cents:
    """The normal of EXCESS: the agreed amount, else the median of the last six closed offsets, zeros
    included, of an even count the half-up mean of the middle two; with fewer than three, nil (reading 19)."""
    if policy.normal_offset_cents is not None:
        return policy.normal_offset_cents
    last = sorted(closed_offsets[-NORMAL_OFFSETS:])
    if len(last) < NORMAL_NEEDS:
        return Cents(0)
    middle = len(last) // 2
    if len(last) % 2:
        return Cents(last[middle])
    return half_up(Fraction(last[middle - 1] + last[middle], 2))


def rule_amount(policy: Policy, causes: Causes) -> int:
    """The amount the policy asks for before any limit: nil unless one of its triggers fired.

    A benefit that came late is a cause of its own beside what the month lacks: the shortfall counts the
    benefit in its row month whatever the day, so the two never pay the same euro.
    """
    triggers = policy.triggers
    above_normal = max(0, causes.offset_cents - causes.normal_cents)
    fired = (
        (causes.shortfall_cents > 0 and "SHORTFALL" in triggers)
        or (causes.offset_cents > 0 and "OFFSET" in triggers)
        or (above_normal > 0 and "OFFSET_ABOVE_NORMAL" in triggers)
        or (policy.draw_amount == "FIXED" and not triggers)
    )
    late = causes.late_cents if "LATE_PAYMENT" in triggers else 0
    if not fired:
        return late
    amounts = {
        "TOPUP": causes.shortfall_cents,
        "REPLACE": causes.offset_cents,
        "EXCESS": above_normal,
        "FIXED": policy.fixed_cents or 0,
    }
    return amounts[policy.draw_amount] + late


def filled_cents(policy: Policy, months_begun: int) -> int:
    """How much of the cap a buffer that fills every month may have given by its nth month, counted from 1;
    the whole cap under every other way to replenish."""
    if policy.replenish != "MONTHLY":
        return policy.cap_cents
    return min(policy.cap_cents, (policy.monthly_cents or 0) * months_begun)


def draw(
    policy: Policy,
    causes: Causes,
    *,
    available_cents: int,
    unfilled_cents: int = 0,
    drawn_elsewhere_cents: int = 0,
    owed_cents: int = 0,
) -> Draw:
    """The draw of a month: the rule amount less what schemes before this one drew for it, no more than what
    is available and the maximum of a month.

    `unfilled_cents` is the part of what is available that a buffer filling by the month does not hold yet.
    The minimum is tested on what is left after both; below it nothing is drawn and nothing is carried over
    (reading 21). What is owed from an earlier draw that was too high comes off last, so that a small rest of
    it is never lost to the person.
    """
    rule = max(0, rule_amount(policy, causes) - drawn_elsewhere_cents)
    amount = rule
    limit: Limit = "NONE"
    maximum = policy.max_draw_per_month_cents
    if maximum is not None and amount > maximum:
        amount, limit = maximum, "MONTH_MAXIMUM"
    if amount > available_cents:
        amount, limit = max(0, available_cents), "BALANCE"
    if unfilled_cents > 0 and amount > available_cents - unfilled_cents:
        amount, limit = max(0, available_cents - unfilled_cents), "NOT_YET_FILLED"
    if 0 < amount < policy.min_draw_cents:
        # An almost empty buffer is the reason a person meets, not the rule about small amounts.
        return Draw(0, rule, limit if limit in {"BALANCE", "NOT_YET_FILLED"} else "MINIMUM_DRAW")
    netted = min(amount, owed_cents)
    return Draw(amount - netted, rule, "NETTED" if netted > 0 else limit, netted)


def repayment(
    policy: Policy, *, cash_cents: int, floor_cents: int, draw_cents: int, missing_from_cap_cents: int
) -> Cents:
    """What a revolving buffer takes back from a month above the floor, never in a month with a draw
    (reading 20). Nil under every other way to replenish."""
    if policy.replenish != "REVOLVE_FROM_SURPLUS" or draw_cents > 0:
        return Cents(0)
    return Cents(max(0, min(cash_cents - floor_cents, missing_from_cap_cents)))


def is_low(balance_cents: int, cap_cents: int, low_share_percent: int = DEFAULT_LOW_SHARE_PERCENT) -> bool:
    """Whether a buffer holds less than the share of its cap below which its owner is told."""
    return balance_cents * 100 < cap_cents * low_share_percent


def low_threshold(cap_cents: int, low_share_percent: int = DEFAULT_LOW_SHARE_PERCENT) -> Cents:
    """The amount below which a buffer is low, upwards to a whole cent: `balance < threshold` is `is_low`."""
    return Cents(-(-cap_cents * low_share_percent // 100))


def is_exhausted(balance_cents: int, min_draw_cents: int) -> bool:
    """Whether a buffer holds less than the smallest amount it pays."""
    return balance_cents < max(1, min_draw_cents)
