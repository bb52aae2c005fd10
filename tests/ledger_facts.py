"""Facts for tests of the ledger's rules: slips and cases in a word or two. Amounts in whole cents."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from buffer_ledger.timeline import Case, Household, HouseholdKind, MunicipalityRules, Part, Policy, SlipFact
from shared.money import Cents
from shared.months import Month

JANUARY = Month(2026, 1)
MONTH_LATER = (MunicipalityRules(None, "M1"),)
SAME_MONTH = (MunicipalityRules(None, "M0"),)


def month(text: str) -> Month:
    return Month.parse(text)


def slip(
    earned: str,
    wage: int,
    *,
    employer: str = "care",
    version: int = 1,
    paid: date | None = None,
    holiday_pay: int = 0,
    allowance: int = 0,
    tax_credit_applied: bool | None = None,
    number: int = 1,
) -> SlipFact:
    """A monthly slip of one employer; its identity is employer, month and number."""
    period = Month.parse(earned)
    parts = [Part("WAGE", Cents(wage))]
    if holiday_pay:
        parts.append(Part("HOLIDAY_PAY", Cents(holiday_pay)))
    if allowance:
        parts.append(Part("ALLOWANCE", Cents(allowance)))
    key = f"{employer}/{earned}/{number}"
    return SlipFact(
        wage_slip_id=f"{key}#{version}",
        slip_key=key,
        employer_key=employer,
        version=version,
        period_from=period.first_day,
        period_to=period.last_day,
        pay_date=paid,
        parts=tuple(parts),
        tax_credit_applied=tax_credit_applied,
    )


def slips_of(first: Month, wages: Sequence[int]) -> tuple[SlipFact, ...]:
    """One slip for each month from the first on."""
    return tuple(slip(str(first.plus(index)), wage) for index, wage in enumerate(wages))


def policy(**values: Any) -> Policy:
    """A policy that tops up from 1,000 euro without a smallest draw, unless told otherwise."""
    chosen: dict[str, Any] = {"draw_amount": "TOPUP", "cap_cents": Cents(100_000), "min_draw_cents": Cents(0)}
    return Policy(**(chosen | values))


def case(
    slips: Sequence[SlipFact] = (),
    *,
    first: Month = JANUARY,
    months: int = 6,
    household: HouseholdKind = "SINGLE",
    **values: Any,
) -> Case:
    """A case of some months from January 2026 on, month later, topped up, unless told otherwise."""
    chosen: dict[str, Any] = {
        "first_month": first,
        "until": first.plus(months - 1),
        "households": (Household(household, first),),
        "rules": MONTH_LATER,
        "policy": policy(),
        "slips": tuple(slips),
    }
    chosen |= values
    chosen.setdefault("cap_cents", chosen["policy"].cap_cents)
    return Case(**chosen)
