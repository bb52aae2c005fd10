"""What callers send about a household and its toeslagen, as models; ages and dates become the rules' values.

The amounts in these bodies are used and forgotten: nothing of them is stored.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, Strict, WithJsonSchema
from pydantic_core import PydanticCustomError

from notifier.toeslag_household import (
    HOUR_SCALE,
    MONTHS_IN_YEAR,
    Age,
    Care,
    CareType,
    CoResident,
    Home,
    Residents,
    ToeslagHousehold,
    ToeslagHouseholdKind,
)
from notifier.toeslagen import ToeslagRules, toeslag_rules
from notifier.wage_tax import tax_rules
from notifier.year_law import YearUnknown
from shared.dates import CalendarMonth, Day
from shared.errors import Fault
from shared.law import Law
from shared.money import Cents, StrictCents
from shared.months import Month
from shared.requests import RequestModel, items_of

TOESLAG_RULES: Final[Mapping[str, str]] = {
    "T001": "A year is computed only when the law of it is known here; the answer names the years there are.",
    "T002": "A figure of the law that this household needs is not known here.",
    "T003": "A partner and the kind of household belong together: a couple has one, nobody else does.",
    "T004": "A household counts at least the applicant and the partner.",
    "T005": "Give an age, which holds for the whole year, or a birth date; not both.",
    "T006": "A month must lie in the year that is computed.",
    "T007": "Changes stand in the order of their months, each month once, none in January.",
    "T008": "An income or assets of somebody who is not there: there is no partner.",
    "T009": "A month may be told once.",
    "T010": "Give a wage or hours, not both; and at least one of them.",
    "T011": "A local scheme has a name of its own.",
}
INCOME_MAX: Final = 100_000_000
"""EUR 1,000,000: beyond lies a slip of the pen, and no toeslag."""
RENT_MAX: Final = 1_000_000
PERSONS_MAX: Final = 30
_HOURS: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,2})?")


def _hundredths(value: object) -> int:
    """Hours as a whole number or a decimal string, in hundredths."""
    if isinstance(value, int) and not isinstance(value, bool):
        hundredths = value * HOUR_SCALE
    elif isinstance(value, str) and _HOURS.fullmatch(value):
        whole, _, decimals = value.partition(".")
        hundredths = int(whole) * HOUR_SCALE + int(decimals.ljust(2, "0")[:2] or "0")
    else:
        raise ValueError('hours are a whole number or a decimal string such as "96.5"')
    if not 0 <= hundredths <= 744 * HOUR_SCALE:
        raise PydanticCustomError("out_of_range", "must be 0 to 744 hours")
    return hundredths


AgeInYears = Annotated[int, Strict(), Field(ge=0, le=120)]
Year = Annotated[int, Strict(), Field(ge=2000, le=2199, examples=[2026])]
IncomeCents = Annotated[StrictCents, Field(le=INCOME_MAX)]
RentCents = Annotated[StrictCents, Field(le=RENT_MAX)]
Hours = Annotated[
    int,
    BeforeValidator(_hundredths),
    WithJsonSchema({"type": ["integer", "string"], "examples": [96, "96.5"]}),
]
"""Hours in a month, kept in hundredths."""


class CoResidentForm(RequestModel):
    """Somebody else who lives there; counts for huurtoeslag."""

    relation: Literal["CHILD", "OTHER"]
    age: AgeInYears | None = None
    birth_date: Day | None = None
    income_cents: IncomeCents
    assets_cents: StrictCents = Field(default=Cents(0), description="On 1 January; used and forgotten.")

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        return _age_faults(parsed, "age", "birth_date", "/age")

    def resident(self, rules: ToeslagRules) -> CoResident:
        above = self.assets_cents > rules.huurtoeslag.assets_cents
        return CoResident(self.relation, _age(self.age, self.birth_date), self.income_cents, above)


class ResidentsChangeForm(RequestModel):
    """Who lives there from a month on; what is left out stays as it was."""

    unbuilt = ("kind", "partner")
    from_month: CalendarMonth
    persons: Annotated[int, Strict(), Field(ge=1, le=PERSONS_MAX)] | None = None
    co_residents: Annotated[list[CoResidentForm], Field(max_length=20)] | None = None
    kind: Any = Field(None, description="Not built: a partner within the year is for Dienst Toeslagen.")
    partner: Any = Field(None, description="Not built: a partner within the year is for Dienst Toeslagen.")


class ToeslagHouseholdForm(RequestModel):
    """A household in one calendar year. Ages hold for the whole year, birth dates count month by month."""

    kind: ToeslagHouseholdKind
    partner: Annotated[bool, Strict()] | None = Field(
        None, description="A toeslagpartner during the whole year. Default: for a couple."
    )
    partner_insured: Annotated[bool, Strict()] = True
    partner_age: AgeInYears | None = Field(None, description="Default: past every youth limit.")
    persons: Annotated[int, Strict(), Field(ge=1, le=PERSONS_MAX)] = Field(
        description="Everybody in the dwelling but sub-tenants; a child to be born in the year counts."
    )
    applicant_age: AgeInYears | None = None
    applicant_birth_date: Day | None = None
    children_ages: Annotated[list[AgeInYears], Field(max_length=20)] | None = None
    children_birth_dates: Annotated[list[Day], Field(max_length=20)] | None = None
    co_residents: Annotated[list[CoResidentForm], Field(max_length=20)] | None = None
    assets_cents: StrictCents = Field(
        default=Cents(0), description="Of applicant and partner on 1 January; used and forgotten."
    )
    changes: Annotated[list[ResidentsChangeForm], Field(max_length=11)] | None = None

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        faults = _age_faults(parsed, "applicant_age", "applicant_birth_date", "/applicantAge")
        if parsed.get("children_ages") and parsed.get("children_birth_dates"):
            faults.append(
                Fault("T005", "/childrenAges", "give ages or birth dates of the children, not both")
            )
        kind, partner = parsed.get("kind"), parsed.get("partner")
        if kind is not None and partner is not None and partner != (kind == "COUPLE"):
            faults.append(Fault("T003", "/partner", f"contradicts the kind of household, which is {kind}"))
        couple = kind == "COUPLE"
        persons = parsed.get("persons")
        if persons is not None and persons < 1 + couple:
            faults.append(Fault("T004", "/persons", "counts at least applicant and partner: 2"))
        if kind is not None and not couple and parsed.get("partner_age") is not None:
            faults.append(Fault("T008", "/partnerAge", "there is no partner"))
        for index, change in items_of(parsed, "changes"):
            if change.persons is not None and change.persons < 1 + couple:
                pointer = f"/changes/{index}/persons"
                faults.append(Fault("T004", pointer, "counts at least applicant and partner: 2"))
        return faults + order_faults([one.from_month for _, one in items_of(parsed, "changes")], "/changes")

    @property
    def couple(self) -> bool:
        return self.kind == "COUPLE"

    def residents(self, rules: ToeslagRules) -> tuple[Residents, ...]:
        """Who lives there, from January on and from each change on."""
        now = Residents(1, self.persons, tuple(one.resident(rules) for one in self.co_residents or ()))
        found = [now]
        for change in self.changes or ():
            others = change.co_residents
            now = Residents(
                change.from_month.number,
                now.persons if change.persons is None else change.persons,
                now.co_residents if others is None else tuple(one.resident(rules) for one in others),
            )
            found.append(now)
        return tuple(found)


class RentChangeForm(RequestModel):
    """Another rent, or another home, from a month on."""

    from_month: CalendarMonth
    rent_cents: RentCents
    service_costs_cents: RentCents | None = None
    adapted: Annotated[bool, Strict()] | None = None


class HousingForm(RequestModel):
    """A rented home: bare rent and service costs per month."""

    rent_cents: RentCents
    service_costs_cents: RentCents = Cents(0)
    adapted: Annotated[bool, Strict()] = Field(default=False, description="Adapted to a handicap.")
    from_month: CalendarMonth | None = Field(None, description="Default: January.")
    changes: Annotated[list[RentChangeForm], Field(max_length=11)] | None = None

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        months = [change.from_month for _, change in items_of(parsed, "changes")]
        first = parsed.get("from_month")
        if first is not None and months and months[0] <= first:
            return [Fault("T007", "/changes/0/fromMonth", f"must lie after fromMonth, which is {first}")]
        return order_faults(months, "/changes")

    def homes(self) -> tuple[Home, ...]:
        first = 1 if self.from_month is None else self.from_month.number
        found = [Home(first, self.rent_cents, self.service_costs_cents, self.adapted)]
        for change in self.changes or ():
            before = found[-1]
            service, adapted = change.service_costs_cents, change.adapted
            found.append(
                Home(
                    change.from_month.number,
                    change.rent_cents,
                    before.service_cents if service is None else service,
                    before.adapted if adapted is None else adapted,
                )
            )
        return tuple(found)


class ChildcareForm(RequestModel):
    """Registered childcare of one child; each line is one child."""

    child_age: AgeInYears
    type: CareType
    hours_per_month: Hours
    hourly_rate_cents: Annotated[StrictCents, Field(le=100_000)]
    from_month: CalendarMonth | None = Field(None, description="Default: January.")
    to_month: CalendarMonth | None = Field(None, description="The last month. Default: December.")

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        first, last = parsed.get("from_month"), parsed.get("to_month")
        if first is not None and last is not None and last < first:
            return [Fault("T007", "/toMonth", f"lies before fromMonth, which is {first}")]
        return []

    def care(self) -> Care:
        return Care(
            self.type,
            self.hours_per_month,
            self.hourly_rate_cents,
            1 if self.from_month is None else self.from_month.number,
            MONTHS_IN_YEAR if self.to_month is None else self.to_month.number,
        )


class HouseholdYearForm(RequestModel):
    """A household with its home and childcare in a year; what the toeslag calls have in common."""

    year: Year
    household: ToeslagHouseholdForm
    housing: HousingForm | None = Field(None, description="Absent: huurtoeslag is left out.")
    childcare: Annotated[list[ChildcareForm], Field(max_length=20)] | None = Field(
        None, description="Empty or absent: kinderopvangtoeslag is left out."
    )

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        year = parsed.get("year")
        return [] if year is None else year_faults(year) + _outside_faults(parsed, year)

    def built(self, rules: ToeslagRules) -> ToeslagHousehold:
        """The household as the rules know it; only for a form without faults."""
        form = self.household
        children: Sequence[Age] = form.children_birth_dates or form.children_ages or ()
        return ToeslagHousehold(
            partner=form.couple,
            applicant=_age(form.applicant_age, form.applicant_birth_date),
            residents=form.residents(rules),
            children=tuple(children),
            partner_insured=form.partner_insured,
            partner_age=form.partner_age,
            assets=rules.assets_above(form.assets_cents, partner=form.couple),
            homes=() if self.housing is None else self.housing.homes(),
            care=tuple(one.care() for one in self.childcare or ()),
        )


def year_faults(year: int) -> list[Fault]:
    """The fault of a year whose law is not known."""
    try:
        toeslag_rules(Law.load(), year)
    except YearUnknown as unknown:
        return [Fault("T001", "/year", unknown.detail)]
    return []


def tax_year_faults(year: int) -> list[Fault]:
    """The fault of a year whose tax tables are not known."""
    try:
        tax_rules(Law.load(), year)
    except YearUnknown as unknown:
        return [Fault("T001", "/year", unknown.detail)]
    return []


def order_faults(months: Sequence[Month], pointer: str) -> list[Fault]:
    """Faults of changes that do not rise by month, or stand in January, where there is nothing before."""
    faults = []
    for index, month in enumerate(months):
        if month.number == 1:
            faults.append(
                Fault("T007", f"{pointer}/{index}/fromMonth", "January is the beginning, no change")
            )
        if index and month <= months[index - 1]:
            detail = f"must lie after the change before it, which is of {months[index - 1]}"
            faults.append(Fault("T007", f"{pointer}/{index}/fromMonth", detail))
    return faults


def outside(month: Month | None, year: int, pointer: str) -> list[Fault]:
    """The fault of a month in another year."""
    if month is None or month.year == year:
        return []
    return [Fault("T006", pointer, f"{month} does not lie in {year}")]


def early(day: date | None, year: int | None, pointer: str) -> list[Fault]:
    """The fault of a day before the year that is computed."""
    if day is None or year is None or day.year >= year:
        return []
    return [Fault("T006", pointer, f"{day} lies before {year}")]


def _outside_faults(parsed: Mapping[str, Any], year: int) -> list[Fault]:
    faults: list[Fault] = []
    household: ToeslagHouseholdForm | None = parsed.get("household")
    if household is not None:
        for index, change in enumerate(household.changes or ()):
            faults += outside(change.from_month, year, f"/household/changes/{index}/fromMonth")
    housing: HousingForm | None = parsed.get("housing")
    if housing is not None:
        faults += outside(housing.from_month, year, "/housing/fromMonth")
        for index, rent in enumerate(housing.changes or ()):
            faults += outside(rent.from_month, year, f"/housing/changes/{index}/fromMonth")
    for index, care in items_of(parsed, "childcare"):
        faults += outside(care.from_month, year, f"/childcare/{index}/fromMonth")
        faults += outside(care.to_month, year, f"/childcare/{index}/toMonth")
    return faults


def _age_faults(parsed: Mapping[str, Any], age: str, birth: str, pointer: str) -> list[Fault]:
    if age not in parsed or birth not in parsed:
        return []
    if parsed[age] is None and parsed[birth] is None:
        return [Fault("G001", pointer, "is required, unless a birth date is given")]
    if parsed[age] is not None and parsed[birth] is not None:
        return [Fault("T005", pointer, "give an age or a birth date, not both")]
    return []


def _age(age: int | None, birth_date: date | None) -> Age:
    if birth_date is not None:
        return birth_date
    if age is None:
        raise ValueError("a form without faults has an age or a birth date")
    return age
