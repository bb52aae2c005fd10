"""The HTTP calls that help to choose a policy: presets, and one population under several policies."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field

from buffer_ledger.comparison import Compared, compare
from buffer_ledger.household_request import HouseholdRequest
from buffer_ledger.http_parts import BackOfficeOrFund, Parts
from buffer_ledger.http_simulations import (
    MONTHS_MAX,
    BenefitPaid,
    SimulatedExemption,
    SimulatedWage,
    simulated_slips,
)
from buffer_ledger.norms import Household
from buffer_ledger.offset_request import OffsetRequest
from buffer_ledger.policy import Policy
from buffer_ledger.policy_request import Name, SimulatedPolicyRequest
from buffer_ledger.presets import presets
from buffer_ledger.timeline import Case, Exemption
from shared.api import ServiceRouter
from shared.dates import CalendarMonth
from shared.errors import Fault, Invalid
from shared.months import Month
from shared.requests import RequestModel, ResponseModel

PEOPLE_MAX = 500
POLICIES_MAX = 10
WORK_MAX = 60_000
"""Months to be run, over people and policies: a second or so; a larger population is sent in parts."""

PresetName = Literal["BESTAANSBALANS", "BUFFERBUDGET_34B", "ROTTERDAM_INCOME_GUARANTEE", "BOUWDEPOT"]


class PresetAnswer(ResponseModel):
    """A policy of a programme. `needs` names what a live scheme has to add; `unverified` what is ours."""

    name: str
    programme: str
    description: str
    unverified: str
    policy: dict[str, Any]
    needs: list[str]


class PresetsAnswer(ResponseModel):
    """All presets."""

    items: list[PresetAnswer]


class ComparedPerson(RequestModel):
    """An invented person: a household and wages."""

    household: HouseholdRequest
    wages: Annotated[list[SimulatedWage], Field(max_length=400)]
    exemption: SimulatedExemption | None = None
    benefit_paid_on: Annotated[list[BenefitPaid], Field(max_length=MONTHS_MAX)] = Field(default_factory=list)


class ComparedPolicy(RequestModel):
    """A policy with a name of the caller's own, written out or taken from a preset."""

    name: Name
    policy: SimulatedPolicyRequest | None = None
    preset: PresetName | None = None

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        if {"policy", "preset"} <= parsed.keys() and (parsed["policy"] is None) == (parsed["preset"] is None):
            return [Fault("L041", "/policy", "give a policy or a preset, and not both")]
        return []

    def rules(self) -> Policy:
        """The policy as the rules use it."""
        if self.policy is not None:
            return self.policy.rules()
        return SimulatedPolicyRequest.model_validate(presets()[str(self.preset)].policy).rules()


class ComparisonRequest(RequestModel):
    """One population and the policies to hold beside one another."""

    municipality: OffsetRequest
    norm_month: CalendarMonth | None = Field(None, description="Pins every dated parameter to this month's.")
    first_month: CalendarMonth
    last_month: CalendarMonth
    people: Annotated[list[ComparedPerson], Field(min_length=1, max_length=PEOPLE_MAX)]
    policies: Annotated[list[ComparedPolicy], Field(min_length=1, max_length=POLICIES_MAX)]

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        first, last = parsed.get("first_month"), parsed.get("last_month")
        if first is None or last is None:
            return []
        if last < first:
            return [Fault("L002", "/lastMonth", f"lies before firstMonth, which is {first}")]
        if last - first >= MONTHS_MAX:
            return [Fault("L009", "/lastMonth", f"at most {MONTHS_MAX} months can be simulated at once")]
        work = (last - first + 1) * len(parsed.get("people", ())) * len(parsed.get("policies", ()))
        if work > WORK_MAX:
            return [Fault("L041", "/people", f"{work} months are asked of at most {WORK_MAX}: send parts")]
        return []


class ComparedAnswer(ResponseModel):
    """What one policy does. Every floor is the benefit paid in a month without income."""

    name: str
    people: int
    months: int
    months_below_floor_before: int
    months_below_floor_after: int
    used_cents: int
    repaid_cents: int
    days_without_money: int = Field(
        description="Days of each month before its first wage or benefit landed, all people together."
    )
    people_run_dry: int = Field(description="People of whom a month got less because the cap was used up.")
    thousand_euros_last_months: int = Field(
        description="For how many months EUR 1,000 a person pays every draw in full: the median person."
    )
    thousand_euros_last: list[int] = Field(description="The same for each person, in the order given.")
    used_per_month_kept_cents: int | None = Field(
        None, description="What a month lifted to the floor cost; absent when none was."
    )


class ComparisonAnswer(ResponseModel):
    """The policies side by side, in the order they were given."""

    policies: list[ComparedAnswer]


def comparison_calls(routes: ServiceRouter, parts: Parts) -> None:
    """Add the calls to the service's routes."""

    @routes.get("/policy-presets", response_model=PresetsAnswer)
    async def list_presets(caller: BackOfficeOrFund) -> PresetsAnswer:
        """Policies named after the programmes they are taken from."""
        return PresetsAnswer(
            items=[
                PresetAnswer(
                    name=each.name,
                    programme=each.programme,
                    description=each.description,
                    unverified=each.unverified,
                    policy=each.policy,
                    needs=list(each.needs),
                )
                for each in presets().values()
            ]
        )

    @routes.post("/schemes/_compare", response_model=ComparisonAnswer)
    async def compare_policies(caller: BackOfficeOrFund, body: ComparisonRequest) -> ComparisonAnswer:
        """Run invented people through several policies; nothing is kept."""
        people = [_case(body, person) for person in body.people]
        found = compare(people, [each.rules() for each in body.policies], parts.law)
        missing = dict.fromkeys(sentence for each in found for sentence in each.missing_parameters)
        if missing:
            raise Invalid([Fault("L008", "", sentence) for sentence in missing])
        named = zip(body.policies, found, strict=True)
        return ComparisonAnswer(policies=[_answer(policy.name, compared) for policy, compared in named])


def _case(body: ComparisonRequest, person: ComparedPerson) -> Case:
    exemption = person.exemption
    paid_on: dict[Month, date] = {each.month: each.paid_on for each in person.benefit_paid_on}
    return Case(
        first_month=body.first_month,
        last_month=body.last_month,
        until=body.last_month,
        households=(Household(person.household.kind, body.first_month),),
        rules=(body.municipality.rules(),),
        policy=body.policies[0].rules(),
        cap_cents=body.policies[0].rules().cap_cents,
        slips=simulated_slips(person.wages),
        norm_month=body.norm_month,
        exemption=None if exemption is None else Exemption(exemption.share, exemption.cap_cents),
        benefit_paid_on=paid_on,
        simulate=True,
    )


def _answer(name: str, compared: Compared) -> ComparedAnswer:
    return ComparedAnswer(
        name=name,
        people=compared.people,
        months=compared.months,
        months_below_floor_before=compared.months_below_floor_before,
        months_below_floor_after=compared.months_below_floor_after,
        used_cents=compared.used_cents,
        repaid_cents=compared.repaid_cents,
        days_without_money=compared.days_without_money,
        people_run_dry=compared.people_run_dry,
        thousand_euros_last_months=compared.lasted_median,
        thousand_euros_last=list(compared.lasted),
        used_per_month_kept_cents=compared.used_per_month_kept_cents,
    )
