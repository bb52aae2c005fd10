"""A scheme's rules as a value: every field of a policy with the words it may take.

What the words do stands in drawing.py (amounts), periods.py (which cap a draw uses) and approvals.py (who
has to agree). What callers send is read in policy_request.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from shared.money import Cents

DrawAmount = Literal["TOPUP", "REPLACE", "EXCESS", "FIXED"]
"""TOPUP fills a month up to the floor; REPLACE pays what the wage took off the benefit; EXCESS what it took
off above the normal; FIXED the same amount every month."""

Trigger = Literal["SHORTFALL", "OFFSET", "OFFSET_ABOVE_NORMAL", "CLAIM", "LATE_PAYMENT"]
FloorKind = Literal["PAY_FULL", "NORM_INCL_VT", "PCT", "BESLAGVRIJE_VOET", "CUSTOM", "INCOME_GUARANTEE"]
Replenish = Literal["NONE", "MONTHLY", "REVOLVE_FROM_SURPLUS", "ON_REVERSAL"]
Approval = Literal["AUTO", "FOUR_EYES", "OFFICIAL_DECISION"]
PayeeRule = Literal["PERSON", "MUNICIPALITY", "SPLIT_SPOUSES"]
Expiry = Literal["LAPSE", "CARRY", "RETURN_TO_POT"]
NegativeCorrection = Literal["FORGIVE", "RESTORE_ONLY", "NET_NEXT_DRAW", "RECLAIM"]
TriggerSource = Literal["SHADOW", "OFFICIAL", "BOTH_AGREE"]
Period = Literal["CALENDAR_YEAR", "ENROLMENT_YEAR"]
CapUnit = Literal["PERSON", "HOUSEHOLD"]
YearAttribution = Literal["BY_BOOKING", "BY_CAUSE"]
GuardMode = Literal["OFF", "WARN", "BLOCK"]

DEFAULT_MIN_DRAW = Cents(500)

_DEFAULT_TRIGGERS: dict[DrawAmount, tuple[Trigger, ...]] = {
    "TOPUP": ("SHORTFALL",),
    "REPLACE": ("OFFSET",),
    "EXCESS": ("OFFSET_ABOVE_NORMAL",),
    "FIXED": (),
}


@dataclass(frozen=True, slots=True)
class Floor:
    """Up to where a month is filled.

    PAY_FULL is the norm without its holiday part, NORM_INCL_VT the whole norm, PCT a factor of the whole
    norm, BESLAGVRIJE_VOET and CUSTOM an amount that the scheme names, INCOME_GUARANTEE what the person had
    (else PAY_FULL) plus a share of the wage received in the month.
    """

    kind: FloorKind = "PAY_FULL"
    factor: Decimal | None = None
    amount_cents: Cents | None = None

    def to_json(self) -> Any:
        """A plain word, or the members of what needs a figure."""
        if self.factor is None and self.amount_cents is None:
            return self.kind
        members: dict[str, Any] = {"kind": self.kind}
        if self.factor is not None:
            members["factor"] = str(self.factor)
        if self.amount_cents is not None:
            members["amount_cents"] = self.amount_cents
        return members

    @classmethod
    def from_json(cls, value: Any) -> "Floor":
        """Read what `to_json` wrote."""
        if isinstance(value, str):
            return cls(value)  # type: ignore[arg-type]
        factor, amount = value.get("factor"), value.get("amount_cents")
        return cls(value["kind"], None if factor is None else Decimal(factor), amount)


PAY_FULL = Floor()


@dataclass(frozen=True, slots=True)
class Decision:
    """A written decision that a policy rests on: its reference and its date."""

    reference: str
    date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A scheme's rules. Amounts in cents.

    `trigger` empty means the trigger that belongs to `draw_amount` (reading 18). `auto_below_cents`: a month
    that draws less needs no approval whatever `approval` says. `normal_offset_cents` is the agreed normal of
    EXCESS. `fund_order` lists the schemes whose draws come before this one's, in their order.
    """

    draw_amount: DrawAmount
    cap_cents: Cents
    trigger: tuple[Trigger, ...] = ()
    min_draw_cents: Cents = DEFAULT_MIN_DRAW
    max_draw_per_month_cents: Cents | None = None
    fixed_cents: Cents | None = None
    normal_offset_cents: Cents | None = None
    floor: Floor = PAY_FULL
    replenish: Replenish = "NONE"
    monthly_cents: Cents | None = None
    approval: Approval = "AUTO"
    auto_below_cents: Cents | None = None
    payee: PayeeRule = "PERSON"
    expiry: Expiry = "RETURN_TO_POT"
    on_negative_correction: NegativeCorrection = "FORGIVE"
    trigger_source: TriggerSource = "SHADOW"
    period: Period = "ENROLMENT_YEAR"
    late_window_days: int = 62
    cap_unit: CapUnit = "PERSON"
    year_attribution: YearAttribution = "BY_CAUSE"
    gift_guard: GuardMode = "BLOCK"
    gift_limit_cents: Cents | None = None
    fund_order: tuple[str, ...] = ()
    statutory: bool = False
    """The money is that of Participatiewet art. 34b; set by the fund, not by who writes the policy."""

    @property
    def triggers(self) -> tuple[Trigger, ...]:
        return self.trigger or _DEFAULT_TRIGGERS[self.draw_amount]


def policy_to_json(policy: Policy) -> dict[str, Any]:
    """The policy as JSON members, for the database."""
    members = {name: getattr(policy, name) for name in Policy.__dataclass_fields__}
    return {
        **members,
        "trigger": list(policy.trigger),
        "floor": policy.floor.to_json(),
        "fund_order": list(policy.fund_order),
    }


def policy_from_json(members: Mapping[str, Any]) -> Policy:
    """Read what `policy_to_json` wrote, with the defaults for fields that came later."""
    return Policy(
        **{
            **members,
            "trigger": tuple(members["trigger"]),
            "floor": Floor.from_json(members["floor"]),
            "fund_order": tuple(members.get("fund_order", ())),
        }
    )
