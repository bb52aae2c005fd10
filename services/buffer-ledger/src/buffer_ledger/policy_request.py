"""What callers send as policy: every name of it is known from the start.

A value that exists in the domain but is not built yet is refused by name (N001), never read as another.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    Strict,
    StringConstraints,
    WithJsonSchema,
)

from buffer_ledger.policy import DEFAULT_MIN_DRAW, Floor, Policy
from shared.dates import Day
from shared.errors import Fault
from shared.ids import UuidText
from shared.money import Cents, PositiveCents, Share, StrictCents
from shared.requests import RequestModel, not_built

Uuid = UuidText
MunicipalityCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}$"), Field(examples=["0344"])]


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one line of readable characters")
    return text


Name = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_one_line)]
Days = Annotated[int, Strict(), Field(ge=0, le=366)]


def _factor(value: object) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str):
        raise ValueError('a factor is a decimal string such as "1.10"')
    whole, dot, decimals = value.partition(".")
    digits = whole + (decimals if dot else "0")
    if not (digits.isascii() and digits.isdigit() and whole and (decimals or not dot)):
        raise ValueError('a factor is a decimal string such as "1.10"')
    return Decimal(value)


Factor = Annotated[
    Decimal,
    BeforeValidator(_factor),
    Field(ge=0, le=10, max_digits=9),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,2}(\.[0-9]{1,7})?$", "examples": ["1.10"]}),
]

# ---- policy ----------------------------------------------------------------------------------------------


class DecisionRequest(RequestModel):
    """A written decision that something rests on."""

    reference: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    date: Day


class FloorFactor(RequestModel):
    """The floor as a factor of the norm."""

    pct: Factor


class AutoBelow(RequestModel):
    """Approval by the system below an amount."""

    auto_below_cents: StrictCents


class MonthlyTopUp(RequestModel):
    """A buffer that is filled every month."""

    monthly_cents: PositiveCents


class GiftGuardRequest(RequestModel):
    """What happens at the limit up to which gifts do not count as means; without a limit, that of the law."""

    mode: Literal["OFF", "WARN", "BLOCK"]
    limit_cents: StrictCents | None = None


_NOT_BUILT: Mapping[str, frozenset[object]] = {
    "attribution_basis": frozenset({"AVAILABLE"}),
}
"""Words that exist and are not built, by member; what no member lists is no word at all."""

_NOT_LIVE: Mapping[str, frozenset[object]] = {
    "payee": frozenset({"MUNICIPALITY", "SPLIT_SPOUSES"}),
    "expiry": frozenset({"CARRY"}),
    "on_negative_correction": frozenset({"RECLAIM"}),
}
"""Words that a simulation knows and that do not move real money yet."""


class PolicyShape(RequestModel):
    """Every field of a policy; what is left out takes the default of a partner scheme."""

    unbuilt = ("fund_order",)
    draw_amount: Literal["TOPUP", "REPLACE", "EXCESS", "FIXED"]
    cap_cents: StrictCents
    period: Literal["CALENDAR_YEAR", "ENROLMENT_YEAR"] = "ENROLMENT_YEAR"
    cap_unit: Literal["PERSON", "HOUSEHOLD"] = "PERSON"
    trigger_source: Literal["OFFICIAL", "SHADOW", "BOTH_AGREE"] = "SHADOW"
    trigger: (
        Annotated[
            list[Literal["SHORTFALL", "OFFSET", "OFFSET_ABOVE_NORMAL", "CLAIM", "LATE_PAYMENT"]],
            Field(min_length=1, max_length=5),
        ]
        | None
    ) = None
    fixed_cents: PositiveCents | None = Field(None, description="What FIXED gives every month.")
    normal_offset_cents: StrictCents | None = Field(
        None, description="The agreed normal of EXCESS; without it the median of the last six closed offsets."
    )
    floor: (
        Literal["PAY_FULL", "NORM_INCL_VT", "BESLAGVRIJE_VOET", "CUSTOM", "INCOME_GUARANTEE"] | FloorFactor
    ) = "PAY_FULL"
    floor_cents: StrictCents | None = Field(
        None,
        description="The floor itself for BESLAGVRIJE_VOET and CUSTOM; for INCOME_GUARANTEE what the person "
        "had before working, else the benefit paid in a month without income.",
    )
    guarantee_share: Share | None = Field(
        None, description="The share of the wage that INCOME_GUARANTEE adds to the floor."
    )
    min_draw_cents: StrictCents = DEFAULT_MIN_DRAW
    max_draw_per_month_cents: StrictCents | None = None
    rounding: Literal["HALF_UP"] = "HALF_UP"
    replenish: Literal["NONE", "REVOLVE_FROM_SURPLUS", "ON_REVERSAL"] | MonthlyTopUp = "NONE"
    approval: Literal["AUTO", "FOUR_EYES", "OFFICIAL_DECISION"] | AutoBelow = "AUTO"
    payee: Literal["PERSON", "MUNICIPALITY", "SPLIT_SPOUSES"] = "PERSON"
    expiry: Literal["LAPSE", "CARRY", "RETURN_TO_POT"] = "RETURN_TO_POT"
    late_window_days: Days = 62
    year_attribution: Literal["BY_BOOKING", "BY_CAUSE"] = "BY_CAUSE"
    on_negative_correction: Literal["FORGIVE", "RESTORE_ONLY", "NET_NEXT_DRAW", "RECLAIM"] = "FORGIVE"
    gift_guard: Literal["OFF", "WARN", "BLOCK"] | GiftGuardRequest | None = None
    exit_rule: Literal["CLAIM_THEN_CLOSE"] | None = None
    fund_order: Annotated[list[Uuid], Field(max_length=20)] | None = None
    attribution_basis: Literal["EARNED", "AVAILABLE"] | None = None
    legal_base: DecisionRequest | None = None
    college_confirmation: DecisionRequest | None = None

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        return [*_faults_of_words(parsed, _NOT_BUILT), *_missing_figures(parsed)]

    def rules(self) -> Policy:
        """The policy as the rules use it; only for a request without faults."""
        replenish, monthly = (
            ("MONTHLY", self.replenish.monthly_cents)
            if isinstance(self.replenish, MonthlyTopUp)
            else (self.replenish, None)
        )
        approval, below = (
            ("FOUR_EYES", self.approval.auto_below_cents)
            if isinstance(self.approval, AutoBelow)
            else (self.approval, None)
        )
        guard, limit = (
            (self.gift_guard.mode, self.gift_guard.limit_cents)
            if isinstance(self.gift_guard, GiftGuardRequest)
            else (self.gift_guard or "BLOCK", None)
        )
        return Policy(
            draw_amount=self.draw_amount,
            cap_cents=self.cap_cents,
            trigger=tuple(self.trigger or ()),
            min_draw_cents=self.min_draw_cents,
            max_draw_per_month_cents=self.max_draw_per_month_cents,
            fixed_cents=self.fixed_cents,
            normal_offset_cents=self.normal_offset_cents,
            floor=self._floor(),
            replenish=replenish,  # type: ignore[arg-type]
            monthly_cents=monthly,
            approval=approval,  # type: ignore[arg-type]
            auto_below_cents=below,
            payee=self.payee,
            expiry=self.expiry,
            on_negative_correction=self.on_negative_correction,
            trigger_source=self.trigger_source,
            period=self.period,
            late_window_days=self.late_window_days,
            cap_unit=self.cap_unit,
            year_attribution=self.year_attribution,
            gift_guard=guard,
            gift_limit_cents=limit,
            fund_order=tuple(self.fund_order or ()),
        )

    def _floor(self) -> Floor:
        if isinstance(self.floor, FloorFactor):
            return Floor("PCT", self.floor.pct)
        share = self.guarantee_share if self.floor == "INCOME_GUARANTEE" else None
        amount = self.floor_cents if self.floor in _FLOORS_WITH_AMOUNT else None
        return Floor(self.floor, share, amount)

    def as_given(self) -> dict[str, Any]:
        """The policy with its defaults, as JSON members; equal policies give equal members."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


_FLOORS_WITH_AMOUNT = frozenset({"BESLAGVRIJE_VOET", "CUSTOM", "INCOME_GUARANTEE"})


class LivePolicyRequest(PolicyShape):
    """The policy of a scheme that moves real money."""

    cap_cents: PositiveCents

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        faults = [*super().cross_faults(parsed), *_faults_of_words(parsed, _NOT_LIVE)]
        for index, trigger in enumerate(parsed.get("trigger") or ()):
            if trigger == "LATE_PAYMENT":
                faults.append(not_built(f"/trigger/{index}", trigger))
        if (
            parsed.get("replenish") == "REVOLVE_FROM_SURPLUS"
            and parsed.get("college_confirmation", 0) is None
        ):
            # Repayable money counts as income until the college has confirmed otherwise (reading 27).
            detail = "is required: repayable money may count as income until the college confirmed otherwise"
            faults.append(Fault("L043", "/collegeConfirmation", detail))
        return faults + _missing_legal_base(parsed)


class SimulatedPolicyRequest(PolicyShape):
    """The policy of a simulation: no smallest draw unless given, and the buffer may revolve."""

    min_draw_cents: StrictCents = Cents(0)


def _faults_of_words(
    parsed: Mapping[str, Any], not_built_yet: Mapping[str, frozenset[object]]
) -> list[Fault]:
    return [
        not_built(f"/{_camel(member)}", parsed[member])
        for member, values in not_built_yet.items()
        if isinstance(parsed.get(member), str) and parsed[member] in values
    ]


def _missing_figures(parsed: Mapping[str, Any]) -> list[Fault]:
    """Words that mean nothing without a figure of their own."""
    faults = []
    floor = parsed.get("floor")
    if floor in ("BESLAGVRIJE_VOET", "CUSTOM") and parsed.get("floor_cents") is None:
        faults.append(Fault("L031", "/floorCents", f"is required with floor {floor}: the floor of a month"))
    if floor == "INCOME_GUARANTEE" and parsed.get("guarantee_share") is None:
        faults.append(Fault("L031", "/guaranteeShare", "is required with floor INCOME_GUARANTEE"))
    guard = parsed.get("gift_guard")
    if isinstance(guard, GiftGuardRequest) and guard.mode == "OFF" and guard.limit_cents is not None:
        faults.append(Fault("L031", "/giftGuard/limitCents", "belongs to WARN and BLOCK: OFF has no limit"))
    if parsed.get("draw_amount") == "FIXED" and parsed.get("fixed_cents") is None:
        faults.append(Fault("L031", "/fixedCents", "is required with drawAmount FIXED"))
    return faults


def _missing_legal_base(parsed: Mapping[str, Any]) -> list[Fault]:
    """A fixed allowance and an income guarantee pass the gift limit by far: without a decision they only
    simulate (reading 29)."""
    if "legal_base" not in parsed or parsed["legal_base"] is not None:
        return []
    named = [
        word
        for member, word in (("draw_amount", "FIXED"), ("floor", "INCOME_GUARANTEE"))
        if parsed.get(member) == word
    ]
    detail = "is required: without the decision it rests on this policy can only be simulated"
    return [Fault("L032", "/legalBase", f"{detail} ({' and '.join(named)})")] if named else []


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
