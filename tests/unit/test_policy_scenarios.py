"""The scenarios of `tests/scenarios/policies.yaml`: what a policy draws, month by month and to the cent."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from buffer_ledger.explanation import explain
from buffer_ledger.policy_request import SimulatedPolicyRequest
from buffer_ledger.timeline import Case, Household, MonthRow, MunicipalityRules, run
from shared.law import Law
from shared.months import Month
from tests.ledger_facts import case, slip

FILE = Path(__file__).parents[1] / "scenarios" / "policies.yaml"
SCENARIOS: list[dict[str, Any]] = yaml.load(FILE.read_text(encoding="utf-8"), yaml.BaseLoader)

SHOWN = {
    "wage": "wage_cents",
    "offset": "offset_cents",
    "benefit": "benefit_paid_cents",
    "cash": "cash_cents",
    "floor": "floor_cents",
    "shortfall": "shortfall_cents",
    "late": "late_cents",
    "normal": "normal_cents",
    "rule": "rule_cents",
    "draw": "draw_cents",
    "balance": "balance_cents",
    "cash after": "cash_after_cents",
}


def cents(euros: str) -> int:
    exact = Decimal(euros) * 100
    assert exact == int(exact), f"{euros} is not a whole number of cents"
    return int(exact)


def test_there_are_scenarios_and_each_has_a_name_of_its_own() -> None:
    assert len(SCENARIOS) >= 25
    assert len({scenario["name"] for scenario in SCENARIOS}) == len(SCENARIOS)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: str(scenario["name"]))
def test_a_policy_draws_what_its_scenario_says(scenario: dict[str, Any]) -> None:
    rows = {str(row.month): row for row in run(_case(scenario), Law.load())}

    shown = {month: _shown(rows[month], expected) for month, expected in scenario["then"].items()}

    assert shown == {
        month: {word: value if word == "why" else cents(value) for word, value in expected.items()}
        for month, expected in scenario["then"].items()
    }


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: str(scenario["name"]))
def test_each_month_of_a_scenario_says_what_the_buffer_holds_and_does(scenario: dict[str, Any]) -> None:
    for row in run(_case(scenario), Law.load()):
        for text in (explain(row, "nl"), explain(row, "en")):
            assert "{" not in text
            if row.draw_cents > 0:
                euros = f"{row.draw_cents / 100:,.2f}"
                assert euros in text or euros.translate(str.maketrans(",.", ".,")) in text


def _case(scenario: dict[str, Any]) -> Case:
    given = scenario["given"]
    wages = {Month.parse(month): cents(wage) for month, wage in given["wages"].items()}
    first = Month.parse(given.get("first", str(min(wages))))
    policy = SimulatedPolicyRequest.model_validate(_numbers(given["policy"])).rules()
    return case(
        [slip(str(month), wage) for month, wage in wages.items()],
        first=first,
        months=max(wages) - first + 1,
        households=(Household(given["household"], first),),
        rules=(MunicipalityRules(None, given["method"]),),
        policy=policy,
        norm_month=None if scenario["date"] == "each month" else Month.parse(scenario["date"]),
        benefit_paid_on={
            Month.parse(month): Month.parse(day[:7]).first_day.replace(day=int(day[8:]))
            for month, day in given.get("benefit landed", {}).items()
        },
        simulate=True,
    )


def _numbers(members: Any, name: str = "") -> Any:
    """The policy with its amounts as numbers: the file is read as text throughout."""
    if isinstance(members, dict):
        return {key: _numbers(value, key) for key, value in members.items()}
    return int(members) if name.endswith("Cents") or name == "lateWindowDays" else members


def _shown(row: MonthRow, expected: dict[str, str]) -> dict[str, Any]:
    return {word: row.limit if word == "why" else getattr(row, SHOWN[word]) for word in expected}
