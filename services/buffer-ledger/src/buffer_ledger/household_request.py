"""What callers send about a household: who lives together, other income, exempt shares, days of right."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Annotated, Any

from pydantic import Field, Strict, StringConstraints

from buffer_ledger.benefit_periods import BenefitPeriod
from buffer_ledger.entitlement import OtherIncome
from buffer_ledger.exemptions import Ground, GroundKind, Person
from buffer_ledger.norms import AgeBand, Household, HouseholdKind
from shared.dates import CalendarMonth, Day
from shared.errors import Fault
from shared.ids import UuidText
from shared.money import Cents, Share, StrictCents
from shared.months import Month
from shared.requests import RequestModel, not_built

ParticipantId = UuidText
Months = Annotated[int, Strict(), Field(ge=1, le=600)]


class OtherIncomeRequest(RequestModel):
    """Income beside wage, such as a small pension or alimony: what was received and counts in a month."""

    month: CalendarMonth
    amount_cents: StrictCents
    claim_cents: StrictCents | None = Field(
        None, description="The claim to holiday allowance that counts with it (Regeling art. 12); default 0."
    )
    kind: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z_]{1,39}$")]


class HouseholdRequest(RequestModel):
    """Who lives together; the norm follows from it."""

    kind: HouseholdKind
    partner_participant_id: ParticipantId | None = Field(
        None, description="The partner of a couple, when registered too: their slips count with these."
    )
    partner_entitled: Annotated[bool, Strict()] = Field(
        True, description="False: a partner without a right of their own (art. 32); a person computes it."
    )
    age_band: AgeBand = "Y21_AOW"
    youth_top_up: Annotated[bool, Strict()] = Field(
        False, description="From 18 to 20: the parents cannot help (art. 20(3))."
    )
    adults_sharing_costs: Annotated[int, Strict(), Field(ge=1, le=40)] | None = Field(
        None,
        description="Person and partner counted; default 1, COUPLE 2. Others count from 27 years, students "
        "and commercial tenants do not.",
    )
    youngest_child_under12_until: Day | None = Field(None, alias="youngestChildUnder12Until")
    other_income: Annotated[list[OtherIncomeRequest], Field(max_length=120)] = Field(default_factory=list)

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        faults = []
        kind, adults = parsed.get("kind"), parsed.get("adults_sharing_costs")
        if adults is not None and kind == "COUPLE" and adults < 2:
            faults.append(Fault("L001", "/adultsSharingCosts", "a couple counts at least 2 adults"))
        if kind is not None and kind != "COUPLE":
            if parsed.get("partner_participant_id") is not None:
                faults.append(Fault("L061", "/partnerParticipantId", "only a couple has a partner"))
            if parsed.get("partner_entitled") is False:
                faults.append(Fault("L061", "/partnerEntitled", "only a couple has a partner"))
        if parsed.get("age_band") == "Y18_20" and kind not in (None, "SINGLE"):
            # Their norms depend on children and on the partner's age, and are not among our figures.
            faults.append(not_built("/ageBand", "Y18_20"))
        if parsed.get("youth_top_up") is True and parsed.get("age_band", "Y21_AOW") != "Y18_20":
            faults.append(Fault("L062", "/youthTopUp", "only ageBand Y18_20 has this addition"))
        return faults


class ExemptionRequest(RequestModel):
    """A share of wage that is not counted (vrijlating), as the college granted it.

    What the law gives at most is never passed. GENERAL uses a month when something was exempt; the others
    run by calendar month.
    """

    kind: GroundKind
    share: Share
    cap_cents: StrictCents | None = None
    first_month: CalendarMonth
    months: Months
    months_used: Annotated[int, Strict(), Field(ge=0, le=600)] = Field(
        0, description="Months of the same ground used before this grant, elsewhere too."
    )
    person: Person = Field("APPLICANT", description="Whose wage it is about; PARTNER in a couple.")

    def ground(self) -> Ground:
        """The grant as the rules use it."""
        return Ground(
            kind=self.kind,
            share=self.share,
            first_month=self.first_month,
            months=self.months,
            cap_cents=self.cap_cents,
            months_used=self.months_used,
            person=self.person,
        )


class BenefitPeriodRequest(RequestModel):
    """Days with right to bijstand; without `to` they go on."""

    from_: Day = Field(alias="from")
    to: Day | None = None

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        first, last = parsed.get("from_"), parsed.get("to")
        if first is not None and last is not None and last < first:
            return [Fault("L005", "/to", f"lies before from, which is {first}")]
        return []

    def period(self) -> BenefitPeriod:
        """The days as the rules use them."""
        return BenefitPeriod(self.from_, self.to)


def exemption_faults(exemptions: Iterable[tuple[int, ExemptionRequest]], kind: str | None) -> list[Fault]:
    """Faults between exempt shares and the household they stand beside."""
    return [
        Fault("L061", f"/exemptions/{index}/person", "only a couple has a partner")
        for index, exemption in exemptions
        if exemption.person == "PARTNER" and kind not in (None, "COUPLE")
    ]


def period_faults(periods: Sequence[BenefitPeriodRequest], at: str = "") -> list[Fault]:
    """Faults between periods: each begins after the one before it has ended."""
    faults = []
    for index, (before, after) in enumerate(pairwise(periods), start=1):
        if before.to is None or after.from_ <= before.to:
            detail = "begins before the period in front of it has ended"
            faults.append(Fault("L063", f"{at}/{index}/from", detail))
    return faults


def kept_household(household: HouseholdRequest) -> dict[str, Any]:
    """The household as JSON members, as it is kept."""
    return household.model_dump(mode="json", by_alias=True, exclude_none=True)


def household_of(members: Mapping[str, Any], begins: Month, from_day: date | None = None) -> Household:
    """The household as the rules use it, from its JSON members as they are kept."""
    until = members.get("youngestChildUnder12Until")
    return Household(
        kind=members["kind"],
        from_month=begins,
        age_band=members.get("ageBand", "Y21_AOW"),
        adults_sharing_costs=members.get("adultsSharingCosts"),
        youth_top_up=members.get("youthTopUp", False),
        partner_entitled=members.get("partnerEntitled", True),
        child_under_12_until=None if until is None else date.fromisoformat(until),
        from_day=from_day,
    )


def other_income_of(households: Iterable[Mapping[str, Any]]) -> tuple[OtherIncome, ...]:
    """Income beside wage that households were told with; of the same month and kind the later one counts."""
    told: dict[tuple[str, str], OtherIncome] = {}
    for members in households:
        for income in members.get("otherIncome", ()):
            month = Month.parse(income["month"])
            amount, claim = Cents(income["amountCents"]), Cents(income.get("claimCents") or 0)
            told[income["month"], income["kind"]] = OtherIncome(month, amount, claim)
    return tuple(told.values())


def grounds_of(exemptions: Iterable[Mapping[str, Any]], person: Person) -> tuple[Ground, ...]:
    """The grants for one person of the household, from their JSON members as they are kept."""
    read = [ExemptionRequest.model_validate(dict(members)) for members in exemptions]
    return tuple(exemption.ground() for exemption in read if exemption.person == person)
