"""The household cases of `toeslag_cases.yaml` through the HTTP calls, each within its stated tolerance."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from notifier.wage_tax import net_month_cents, tax_rules
from tests.calculator import Calculator
from tests.toeslag_facts import LAW

CASES: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    (Path(__file__).parent / "toeslag_cases.yaml").read_text(encoding="utf-8")
)
MEMBERS = {"exact": "annualExactCents", "year": "annualAwardedCents", "month": "monthlyPaidCents"}
RECONCILED = {
    "known": ("knownAnnualCents", "year"),
    "paid": ("knownMonthlyPaidCents", "month"),
    "actual": ("actualAnnualCents", "year"),
    "over": ("overpaymentYearCents", "year"),
    "so far": ("overpaymentSoFarCents", "total"),
    "against paid": ("overpaymentAgainstPaidCents", "total"),
    "reclaimed": ("reclaimedCents", "year"),
}


@pytest.fixture(scope="module")
def calculator(tmp_path_factory: pytest.TempPathFactory) -> Calculator:
    return Calculator(tmp_path_factory.mktemp("notifier"))


def _id(case: Mapping[str, Any]) -> str:
    return str(case["id"])


def _household(case: Mapping[str, Any]) -> dict[str, Any]:
    told = case["household"]
    members: dict[str, Any] = {
        "kind": told["kind"],
        "partner": told["kind"] == "COUPLE",
        "persons": told["persons"],
        "applicantAge": told["age"],
        "assetsCents": told.get("assets", 0),
    }
    if "born" in case:
        members["childrenBirthDates"] = [day.isoformat() for day in case["born"]]
    else:
        members["childrenAges"] = told.get("children", [])
    return members


def _body(case: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {"year": case["year"], "household": _household(case)}
    if home := case.get("home"):
        body["housing"] = {"rentCents": home["rent"], "serviceCostsCents": home["service"]}
    if care := case.get("care"):
        body["childcare"] = [
            {
                "childAge": care["age"],
                "type": care["type"],
                "hoursPerMonth": care["hours"],
                "hourlyRateCents": care["rate"],
            }
        ]
    return body


def test_all_52_cases_are_there() -> None:
    ids = [case["id"] for cases in CASES.values() for case in cases]
    assert len(ids) == len(set(ids)) == 52


@pytest.mark.parametrize("case", CASES["entitlements"], ids=_id)
async def test_an_entitlement_comes_out(case: dict[str, Any], calculator: Calculator) -> None:
    body = _body(case)
    applicant, *partner = case["income"]
    body["income"] = {"applicantCents": applicant}
    if partner:
        body["income"]["partnerCents"] = partner[0]

    answer = await calculator.ask("/toeslag-calculations", body)

    tolerance = case["tolerance"]
    for name, expected in case["expects"].items():
        found = answer[name]
        for member, amount in expected.items():
            if member == "months":
                assert found["months"] == pytest.approx(amount, abs=1)
            else:
                allowed = tolerance["month"] if member == "month" else tolerance["year"]
                # Exact amounts are to the cent, or nearly: they carry no rounding to whole euros.
                allowed = 2 if member == "exact" else allowed
                assert abs(found[MEMBERS[member]] - amount) <= allowed, (name, member, found)
        assert ("reason" in found) == (found["annualAwardedCents"] == 0)
        assert found["receipt"]
    if "total" in case:
        awarded = sum(answer[name]["annualAwardedCents"] for name in case["expects"])
        assert abs(awarded - case["total"]) <= tolerance["total"]


@pytest.mark.parametrize("case", CASES["reconciliations"], ids=_id)
async def test_a_reconciliation_comes_out(case: dict[str, Any], calculator: Calculator) -> None:
    body = _body(case) | {
        "knownIncomeCents": case["known"],
        "projectedIncomeCents": case["projected"],
        "monthsElapsed": case["elapsed"],
    }

    answer = await calculator.ask("/toeslag-reconciliations", body)

    tolerance = case["tolerance"]
    for name, expected in case["expects"].items():
        for member, amount in expected.items():
            asked, kind = RECONCILED[member]
            assert abs(answer[name][asked] - amount) <= tolerance[kind], (name, member)
    assert abs(answer["totalOverpaymentYearCents"] - case["total over"]) <= tolerance["total"]
    assert abs(answer["totalOverpaymentSoFarCents"] - case["total so far"]) <= tolerance["total"]
    if "threshold" in case:
        assert answer["smallAmount"]["cents"] == case["threshold"]
        assert answer["smallAmount"]["published"]


@pytest.mark.parametrize("case", CASES["gross-ups"], ids=_id)
async def test_a_gross_up_comes_out(case: dict[str, Any], calculator: Calculator) -> None:
    """The municipality pays the norm less the net wage, plus what of the wage is exempt."""
    credit = case["credit"]
    tax = tax_rules(LAW, case["year"])
    net_wage = net_month_cents(tax, case["wage"], credit_applied=credit == "EMPLOYER")
    months = []
    for number in range(1, 13):
        exempt = case["exempt"] if number <= case["exempt months"] else 0
        months.append(
            {
                "month": f"{case['year']}-{number:02d}",
                "grossWageCents": case["wage"],
                "netBenefitCents": case["norm"] - net_wage + exempt,
                "exemptNetCents": exempt,
            }
        )

    answer = await calculator.ask(
        "/income-projections",
        {
            "year": case["year"],
            "household": {"kind": case["kind"]},
            "months": months,
            "taxCreditAt": credit,
        },
    )

    expects, tolerance = case["expects"], case["tolerance"]
    found = {
        "income": answer["toetsingsinkomenCents"],
        "benefit": answer["benefitGrossCents"],
        "wages": answer["wageGrossCents"],
    }
    for name, amount in expects.items():
        assert abs(found[name] - amount) <= tolerance, name
        # The model is the same: only the rounding of a month's net wage to the cent may differ.
        assert abs(found[name] - amount) <= 20, name
    assert answer["lowerCents"] <= expects["income"] <= answer["upperCents"]
    assert answer["upperCents"] - answer["lowerCents"] == 2 * 35_000
