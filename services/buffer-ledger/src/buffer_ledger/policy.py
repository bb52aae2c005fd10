"""What a scheme draws from a buffer for a month: the rule amount and what limits it (readings 17-21)."""

from dataclasses import dataclass
from typing import Literal

from shared.money import Cents

DrawAmount = Literal["TOPUP", "REPLACE"]
"""TOPUP fills a month up to the floor; REPLACE pays what the wage took off the benefit."""

Trigger = Literal["SHORTFALL", "OFFSET"]
Floor = Literal["PAY_FULL"]
Replenish = Literal["NONE", "REVOLVE_FROM_SURPLUS"]
Limit = Literal["NONE", "BALANCE", "MONTH_MAXIMUM", "MINIMUM_DRAW"]
"""Why less than the rule amount was drawn; NONE when the whole amount was."""

DEFAULT_MIN_DRAW = Cents(500)
DEFAULT_LOW_SHARE_PERCENT = 25

_DEFAULT_TRIGGERS: dict[DrawAmount, tuple[Trigger, ...]] = {"TOPUP": ("SHORTFALL",), "REPLACE": ("OFFSET",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A scheme's rules, with the values that are built. Amounts in cents.

    `trigger` empty means the trigger that belongs to `draw_amount` (reading 18).
    """

    draw_amount: DrawAmount
    cap_cents: Cents
    trigger: tuple[Trigger, ...] = ()
    min_draw_cents: Cents = DEFAULT_MIN_DRAW
    max_draw_per_month_cents: Cents | None = None
    floor: Floor = "PAY_FULL"
    replenish: Replenish = "NONE"
    approval: Literal["AUTO"] = "AUTO"
    payee: Literal["PERSON"] = "PERSON"
    expiry: Literal["RETURN_TO_POT"] = "RETURN_TO_POT"
    on_negative_correction: Literal["FORGIVE"] = "FORGIVE"
    trigger_source: Literal["SHADOW"] = "SHADOW"
    period: Literal["ENROLMENT_YEAR"] = "ENROLMENT_YEAR"
    late_window_days: int = 62
    cap_unit: Literal["PERSON"] = "PERSON"
    year_attribution: Literal["BY_CAUSE"] = "BY_CAUSE"

    @property
    def triggers(self) -> tuple[Trigger, ...]:
        return self.trigger or _DEFAULT_TRIGGERS[self.draw_amount]


@dataclass(frozen=True, slots=True)
class Draw:
    """What is drawn for a month, what the rule asked for, and what held it down."""

    amount_cents: int
    rule_cents: int
    limit: Limit


def rule_amount(policy: Policy, *, shortfall_cents: int, offset_cents: int) -> int:
    """The amount the policy asks for before any limit: nil unless one of its triggers fired."""
    fired = (shortfall_cents > 0 and "SHORTFALL" in policy.triggers) or (
        offset_cents > 0 and "OFFSET" in policy.triggers
    )
    if not fired:
        return 0
    return shortfall_cents if policy.draw_amount == "TOPUP" else offset_cents


def draw(policy: Policy, *, shortfall_cents: int, offset_cents: int, available_cents: int) -> Draw:
    """The draw of a month: the rule amount, no more than what is available and the maximum of a month.

    The minimum is tested on what is left after both; below it nothing is drawn and nothing is carried over
    (reading 21).
    """
    rule = rule_amount(policy, shortfall_cents=shortfall_cents, offset_cents=offset_cents)
    amount = rule
    limit: Limit = "NONE"
    maximum = policy.max_draw_per_month_cents
    if maximum is not None and amount > maximum:
        amount, limit = maximum, "MONTH_MAXIMUM"
    if amount > available_cents:
        amount, limit = max(0, available_cents), "BALANCE"
    if 0 < amount < policy.min_draw_cents:
        # An almost empty buffer is the reason a person meets, not the rule about small amounts.
        amount, limit = 0, limit if limit == "BALANCE" else "MINIMUM_DRAW"
    return Draw(amount, rule, limit)


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
