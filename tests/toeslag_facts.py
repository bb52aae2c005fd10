"""Invented households for tests of toeslagen: one adult of 35 unless said otherwise, amounts in cents."""

from datetime import date

from notifier.award import Award, ToeslagName
from notifier.toeslag_household import (
    Age,
    AssetsAbove,
    Care,
    CoResident,
    Home,
    Residents,
    ToeslagHousehold,
)
from notifier.toeslagen import ToeslagRules, toeslag_rules, toeslagen
from shared.law import Law

LAW = Law.load()
NOTHING_ABOVE = AssetsAbove()


def rules(year: int = 2026) -> ToeslagRules:
    return toeslag_rules(LAW, year)


def household(
    *children: Age,
    partner: bool = False,
    age: Age = 35,
    persons: int | None = None,
    rent: int | None = None,
    service: int = 0,
    adapted: bool = False,
    care: tuple[Care, ...] = (),
    co_residents: tuple[CoResident, ...] = (),
    partner_insured: bool = True,
    partner_age: Age | None = None,
    assets: AssetsAbove = NOTHING_ABOVE,
) -> ToeslagHousehold:
    counted = persons or 1 + partner + len(children) + len(co_residents)
    return ToeslagHousehold(
        partner=partner,
        applicant=age,
        residents=(Residents(1, counted, co_residents),),
        children=children,
        partner_insured=partner_insured,
        partner_age=partner_age,
        assets=assets,
        homes=() if rent is None else (Home(1, rent, service, adapted),),
        care=care,
    )


def awards(of: ToeslagHousehold, income_cents: int, year: int = 2026) -> dict[ToeslagName, Award]:
    return toeslagen(rules(year), of, income_cents).named()


def awarded(of: ToeslagHousehold, income_cents: int, name: ToeslagName, year: int = 2026) -> int:
    return awards(of, income_cents, year)[name].awarded_cents


def born(year: int, month: int, day: int = 15) -> date:
    return date(year, month, day)
