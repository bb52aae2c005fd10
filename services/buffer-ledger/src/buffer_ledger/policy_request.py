"""What callers send as household, exemption and policy: every name of the policy is known from the start.

A value that exists in the domain but is not built yet is refused by name (N001), never read as another.
"""

from collections.abc import Mapping
from dataclasses import asdict
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

from buffer_ledger.policy import DEFAULT_MIN_DRAW, Policy
from shared.dates import CalendarMonth, Day
from shared.errors import Fault
from shared.ids import UuidText
from shared.money import Cents, PositiveCents, Share, StrictCents
from shared.requests import RequestModel, not_built

Uuid = UuidText
ParticipantId = UuidText
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

# ---- household and exemption -----------------------------------------------------------------------------


class OtherIncomeRequest(RequestModel):
    """Income beside wage; not built yet."""

    month: CalendarMonth
    amount_cents: StrictCents
    kind: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z_]{1,39}$")]


class HouseholdRequest(RequestModel):
    """Who lives together; the norm follows from it."""

    unbuilt = ("partner_participant_id", "other_income")
    kind: Literal["SINGLE", "SINGLE_PARENT", "COUPLE"]
    partner_participant_id: ParticipantId | None = None
    age_band: Literal["Y18_20", "Y21_AOW", "AOW"] = "Y21_AOW"
    adults_sharing_costs: Annotated[int, Strict(), Field(ge=1, le=40)] | None = Field(
        None, description="Person and partner counted; default 1, COUPLE 2."
    )
    youngest_child_under12_until: Day | None = Field(None, alias="youngestChildUnder12Until")
    other_income: Annotated[list[OtherIncomeRequest], Field(max_length=120)] = Field(default_factory=list)

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        faults = []
        if parsed.get("age_band", "Y21_AOW") != "Y21_AOW":
            faults.append(not_built("/ageBand", parsed["age_band"]))
        adults = parsed.get("adults_sharing_costs")
        alone = 2 if parsed.get("kind") == "COUPLE" else 1
        if adults is not None and "kind" in parsed:
            if adults < alone:
                faults.append(Fault("L001", "/adultsSharingCosts", "a couple counts at least 2 adults"))
            elif adults > alone:
                faults.append(not_built("/adultsSharingCosts", adults))
        return faults


class ExemptionRequest(RequestModel):
    """A share of wage that is not counted (vrijlating); live enrolments cannot have one yet."""

    kind: Literal["GENERAL", "SINGLE_PARENT", "MEDICAL", "WAGE_SUBSIDY", "WORK"]
    share: Share
    cap_cents: StrictCents | None = None
    first_month: CalendarMonth
    months: Annotated[int, Strict(), Field(ge=1, le=600)]


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
    """What happens at the limit up to which gifts do not count as means. Only OFF is built: without a guard a
    buffer above the limit is refused."""

    mode: Literal["OFF", "WARN", "BLOCK"]
    limit_cents: StrictCents | None = None

    def not_built(self) -> list[Fault]:
        """What of it would do nothing, seen from the policy."""
        faults = []
        if self.mode != "OFF":
            faults.append(not_built("/giftGuard/mode", self.mode))
        if self.limit_cents is not None:
            faults.append(not_built("/giftGuard/limitCents", self.limit_cents))
        return faults


_NOT_BUILT: Mapping[str, frozenset[object]] = {
    "period": frozenset({"CALENDAR_YEAR"}),
    "cap_unit": frozenset({"HOUSEHOLD"}),
    "trigger_source": frozenset({"OFFICIAL", "BOTH_AGREE"}),
    "draw_amount": frozenset({"EXCESS", "FIXED"}),
    "floor": frozenset({"NORM_INCL_VT", "BESLAGVRIJE_VOET"}),
    "approval": frozenset({"FOUR_EYES", "OFFICIAL_DECISION"}),
    "payee": frozenset({"MUNICIPALITY", "SPLIT_SPOUSES"}),
    "expiry": frozenset({"LAPSE", "CARRY"}),
    "year_attribution": frozenset({"BY_BOOKING"}),
    "on_negative_correction": frozenset({"RESTORE_ONLY", "NET_NEXT_DRAW", "RECLAIM"}),
    "replenish": frozenset({"ON_REVERSAL"}),
    "gift_guard": frozenset({"WARN", "BLOCK"}),
    "exit_rule": frozenset({"CLAIM_THEN_CLOSE"}),
    "attribution_basis": frozenset({"EARNED", "AVAILABLE"}),
}
"""Words that exist and are not built, by member; what no member lists is no word at all."""

_BUILT_TRIGGERS = frozenset({"SHORTFALL", "OFFSET"})


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
    floor: Literal["PAY_FULL", "NORM_INCL_VT", "BESLAGVRIJE_VOET"] | FloorFactor = "PAY_FULL"
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
        faults = [
            not_built(f"/{_camel(member)}", parsed[member])
            for member, values in _NOT_BUILT.items()
            if isinstance(parsed.get(member), str) and parsed[member] in values
        ]
        for member, kind in (("floor", FloorFactor), ("approval", AutoBelow), ("replenish", MonthlyTopUp)):
            if isinstance(parsed.get(member), kind):
                faults.append(not_built(f"/{member}", parsed[member].model_dump(mode="json", by_alias=True)))
        for index, trigger in enumerate(parsed.get("trigger") or ()):
            if trigger not in _BUILT_TRIGGERS:
                faults.append(not_built(f"/trigger/{index}", trigger))
        if isinstance(guard := parsed.get("gift_guard"), GiftGuardRequest):
            faults += guard.not_built()
        return faults

    def rules(self) -> Policy:
        """The policy as the rules use it; only for a request without faults."""
        return Policy(
            draw_amount=self.draw_amount,  # type: ignore[arg-type]
            cap_cents=self.cap_cents,
            trigger=tuple(self.trigger or ()),  # type: ignore[arg-type]
            min_draw_cents=self.min_draw_cents,
            max_draw_per_month_cents=self.max_draw_per_month_cents,
            replenish=self.replenish,  # type: ignore[arg-type]
            late_window_days=self.late_window_days,
        )

    def as_given(self) -> dict[str, Any]:
        """The policy with its defaults, as JSON members; equal policies give equal members."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class LivePolicyRequest(PolicyShape):
    """The policy of a scheme that moves real money."""

    cap_cents: PositiveCents

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        faults = super().cross_faults(parsed)
        if parsed.get("replenish") == "REVOLVE_FROM_SURPLUS":
            # Repayable money counts as income until the college has confirmed otherwise (reading 27).
            faults.append(not_built("/replenish", "REVOLVE_FROM_SURPLUS"))
        return faults


class SimulatedPolicyRequest(PolicyShape):
    """The policy of a simulation: no smallest draw unless given, and the buffer may revolve."""

    min_draw_cents: StrictCents = Cents(0)


def policy_to_json(policy: Policy) -> dict[str, Any]:
    """The policy as JSON members, for the database."""
    return {**asdict(policy), "trigger": list(policy.trigger)}


def policy_from_json(members: Mapping[str, Any]) -> Policy:
    """Read what `policy_to_json` wrote; a value that is no longer built fails loudly."""
    return Policy(**{**members, "trigger": tuple(members["trigger"])})


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
