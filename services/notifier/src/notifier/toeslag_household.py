"""A household as toeslagen see it, and its year cut into stretches of months in which nothing changes.

A change counts from the first day of the month after it (Awir art. 5); a birthday is such a change. Ages
given as numbers hold for the whole year; birth dates are worked out month by month.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal, NamedTuple

ToeslagHouseholdKind = Literal["SINGLE", "SINGLE_PARENT", "COUPLE"]
CareType = Literal["DAYCARE", "AFTER_SCHOOL", "CHILDMINDER"]
Age = int | date
"""An age that holds for the whole year, or a birth date."""

MONTHS_IN_YEAR: Final = 12
HOUR_SCALE: Final = 100


@dataclass(frozen=True, slots=True)
class CoResident:
    """Somebody else who lives in (medebewoner): counts for huurtoeslag alone."""

    relation: Literal["CHILD", "OTHER"]
    age: Age
    income_cents: int
    assets_above_limit: bool = False


@dataclass(frozen=True, slots=True)
class Home:
    """A rented home from a month of the year on: bare rent and service costs per month."""

    from_month: int
    rent_cents: int
    service_cents: int = 0
    adapted: bool = False
    """Adapted to a handicap."""


@dataclass(frozen=True, slots=True)
class Care:
    """Registered childcare of one child: hundredths of an hour per month, from and to a month of the year."""

    kind: CareType
    hundredths_of_hours: int
    hourly_rate_cents: int
    from_month: int = 1
    to_month: int = MONTHS_IN_YEAR


@dataclass(frozen=True, slots=True)
class AssetsAbove:
    """For which toeslagen the assets of 1 January lie above the limit; the amount itself is not kept."""

    zorgtoeslag: bool = False
    huurtoeslag: bool = False
    kindgebonden_budget: bool = False


@dataclass(frozen=True, slots=True)
class Residents:
    """Who lives there from a month of the year on: persons (sub-tenants not counted) and who lives in."""

    from_month: int
    persons: int
    co_residents: tuple[CoResident, ...] = ()


@dataclass(frozen=True, slots=True)
class ToeslagHousehold:
    """Applicant and partner (all year or not at all), children, who lives in, home and care in one year.

    `residents` and `homes` are in month order and each begins with the one of January, if there is any. Of
    `residents.persons` everybody counts, a child still to be born included: it is taken off until it is
    there.
    """

    partner: bool
    applicant: Age
    residents: tuple[Residents, ...]
    children: tuple[Age, ...] = ()
    partner_insured: bool = True
    partner_age: Age | None = None
    """None: of age and over every youth limit."""
    assets: AssetsAbove = AssetsAbove()
    homes: tuple[Home, ...] = ()
    care: tuple[Care, ...] = ()


@dataclass(frozen=True, slots=True)
class AgeLimits:
    """The ages of a year at which something changes."""

    zorgtoeslag: int
    huurtoeslag: int
    youth: int
    first_extra: int
    second_extra: int
    last: int
    child_income: int | None
    """Below it on 1 January part of the income of a child living in does not count; None: not known."""
    child_income_exempt_cents: int


class Stretch(NamedTuple):
    """Months after one another in which nothing changes."""

    months: int
    insured_age: bool
    """The applicant is old enough for zorgtoeslag."""
    tenant_age: bool
    """The applicant is old enough for huurtoeslag."""
    grown: bool
    """Somebody is past the youth limit of huurtoeslag, or there is a child."""
    persons: int
    children: tuple[int, int, int]
    """How many without, with the first and with the second extra amount of kindgebonden budget."""
    co_resident_cents: int
    """What the income of who lives in adds for huurtoeslag, per year."""
    co_resident_assets: bool
    """Somebody who lives in has assets above the limit."""
    home: Home | None
    care: tuple[Care, ...]


class ChildIncomeUnknown(ValueError):
    """A child living in has an income in a year of which the free part is not known."""


def stretches(household: ToeslagHousehold, year: int, limits: AgeLimits) -> tuple[Stretch, ...]:
    """The year in month order, twelve months together. Raises ChildIncomeUnknown."""
    starts = _starts(household, year, limits)
    if len(starts) == 1:
        return (_at(household, year, 1, MONTHS_IN_YEAR, limits),)
    ends = [*starts[1:], MONTHS_IN_YEAR + 1]
    return tuple(
        _at(household, year, first, end - first, limits) for first, end in zip(starts, ends, strict=True)
    )


def reached(age: Age, limit: int, year: int, month: int) -> bool:
    """Whether somebody has an age: by birth date from the month after that birthday on."""
    if isinstance(age, date):
        return year * 12 + month > (age.year + limit) * 12 + age.month
    return age >= limit


def _starts(household: ToeslagHousehold, year: int, limits: AgeLimits) -> list[int]:
    """The months of the year, rising, from which something differs; January first."""
    found = {1}
    ages: list[Age | None] = [household.applicant, household.partner_age]
    if len(household.residents) > 1:
        found.update(residents.from_month for residents in household.residents)
    for home in household.homes:
        found.add(home.from_month)
    for care in household.care:
        found.add(care.from_month)
        found.add(care.to_month + 1)
    for residents in household.residents:
        ages += [other.age for other in residents.co_residents]
    for age in ages:
        if isinstance(age, date):
            _add_birthdays(found, age, (limits.zorgtoeslag, limits.huurtoeslag, limits.youth), year)
    for child in household.children:
        if isinstance(child, date):
            _add_birthdays(found, child, (0, limits.first_extra, limits.second_extra, limits.last), year)
    found.discard(MONTHS_IN_YEAR + 1)
    return sorted(found)


def _add_birthdays(found: set[int], born: date, limits: Sequence[int], year: int) -> None:
    for limit in limits:
        if born.year + limit == year:
            found.add(born.month + 1)


def _at(household: ToeslagHousehold, year: int, month: int, months: int, limits: AgeLimits) -> Stretch:
    """What holds in a month and those after it."""
    residents = _last_from(household.residents, month)
    plain = first = second = unborn = 0
    for child in household.children:
        if not reached(child, 0, year, month):
            unborn += 1
        elif reached(child, limits.last, year, month):
            continue
        elif reached(child, limits.second_extra, year, month):
            second += 1
        elif reached(child, limits.first_extra, year, month):
            first += 1
        else:
            plain += 1
    others = residents.co_residents
    applicant = household.applicant
    return Stretch(
        months,
        reached(applicant, limits.zorgtoeslag, year, month),
        reached(applicant, limits.huurtoeslag, year, month),
        plain + first + second > 0
        or reached(applicant, limits.youth, year, month)
        or (household.partner and _partner_grown(household.partner_age, limits.youth, year, month))
        or (others != () and any(reached(one.age, limits.youth, year, month) for one in others)),
        max(1, residents.persons - unborn),
        (plain, first, second),
        sum(_counted(one, year, limits) for one in others) if others else 0,
        others != () and any(one.assets_above_limit for one in others),
        _home_in(household.homes, month),
        tuple(one for one in household.care if one.from_month <= month <= one.to_month)
        if household.care
        else (),
    )


def _home_in(homes: Sequence[Home], month: int) -> Home | None:
    for home in reversed(homes):
        if home.from_month <= month:
            return home
    return None


def _partner_grown(age: Age | None, youth: int, year: int, month: int) -> bool:
    return age is None or reached(age, youth, year, month)


def _counted(other: CoResident, year: int, limits: AgeLimits) -> int:
    """What somebody's income adds for huurtoeslag (Awir art. 7(6))."""
    if other.relation == "OTHER" or not other.income_cents:
        return other.income_cents
    if limits.child_income is None:
        raise ChildIncomeUnknown
    if _age_on_1_january(other.age, year) >= limits.child_income:
        return other.income_cents
    return max(0, other.income_cents - limits.child_income_exempt_cents)


def _age_on_1_january(age: Age, year: int) -> int:
    if not isinstance(age, date):
        return age
    return year - age.year - ((age.month, age.day) > (1, 1))


def _last_from(residents: Sequence[Residents], month: int) -> Residents:
    for one in reversed(residents):
        if one.from_month <= month:
            return one
    raise ValueError("a household has residents from January on")
