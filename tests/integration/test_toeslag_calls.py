"""The calculators at the edge: every fault at once, who may ask, and that nothing is kept."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from notifier.tables import METADATA
from shared.migrate import migrate
from shared.plumbing import MUTABLE, TABLES
from tests.calculator import Calculator

ALONE = {"kind": "SINGLE", "persons": 1, "applicantAge": 35}
CALCULATION: dict[str, Any] = {"year": 2026, "household": ALONE, "income": {"applicantCents": 2_400_000}}
RECONCILIATION = {
    "year": 2026,
    "household": ALONE,
    "knownIncomeCents": 2_132_800,
    "projectedIncomeCents": 2_400_000,
    "monthsElapsed": 6,
    "housing": {"rentCents": 65_000},
}
PROJECTION: dict[str, Any] = {
    "year": 2026,
    "household": {"kind": "SINGLE"},
    "months": [{"month": "2026-01", "grossWageCents": 60_000, "netBenefitCents": 101_600}],
    "taxCreditAt": "MUNICIPALITY",
}
BODIES = {
    "/toeslag-calculations": CALCULATION,
    "/toeslag-reconciliations": RECONCILIATION,
    "/income-projections": PROJECTION,
}


@pytest.fixture(scope="module")
def calculator(tmp_path_factory: pytest.TempPathFactory) -> Calculator:
    return Calculator(tmp_path_factory.mktemp("notifier"))


async def faults(calculator: Calculator, path: str, body: Any) -> list[tuple[str, str]]:
    answer = await calculator.ask(path, body, expect=400)
    return [(fault["rule"], fault["pointer"]) for fault in answer["errors"]]


async def test_a_toeslag_that_is_not_asked_about_is_left_out_and_nil_has_a_reason(
    calculator: Calculator,
) -> None:
    answer = await calculator.ask("/toeslag-calculations", CALCULATION)
    assert "huurtoeslag" not in answer
    assert "kinderopvangtoeslag" not in answer
    assert answer["kindgebondenBudget"]["annualAwardedCents"] == 0
    assert answer["kindgebondenBudget"]["reason"] == "NO_CHILD"
    assert answer["kindgebondenBudget"]["months"] == [0] * 12
    assert answer["totalAnnualAwardedCents"] == answer["zorgtoeslag"]["annualAwardedCents"] == 155_000
    premium = answer["zorgtoeslag"]["receipt"][0]
    assert premium["parameter"] == "zorgtoeslag/standaardpremie"
    assert (premium["value"], premium["since"]) == (211_900, "2026-01-01")
    assert " art. " in premium["source"]


async def test_faults_of_shape_and_between_members_come_in_one_answer(calculator: Calculator) -> None:
    body = {
        "year": 2027,
        "household": {
            "kind": "SINGLE",
            "partner": True,
            "persons": 0,
            "applicantAge": 35,
            "applicantBirthDate": "1990-01-01",
            "childrenAges": [8],
            "childrenBirthDates": ["2018-02-30"],
            "coResidents": [{"relation": "AUNT", "incomeCents": 100}],
            "assetsCents": 1.5,
            "changes": [{"fromMonth": "2026-01", "kind": "COUPLE"}],
            "income": 5,
        },
        "income": {"applicantCents": -1, "partnerCents": 100},
        "housing": {"rentCents": "650", "changes": [{"fromMonth": "2025-03", "rentCents": 1}]},
        "childcare": [{"childAge": 3, "type": "DAYCARE", "hoursPerMonth": 12.5, "hourlyRateCents": 900}],
    }
    found = await faults(calculator, "/toeslag-calculations", body)
    for expected in (
        ("T001", "/year"),
        ("T003", "/household/partner"),
        ("G004", "/household/persons"),
        ("T005", "/household/applicantAge"),
        ("G005", "/household/childrenBirthDates/0"),
        ("G008", "/household/coResidents/0/relation"),
        ("G001", "/household/coResidents/0/age"),
        ("G003", "/household/assetsCents"),
        ("T007", "/household/changes/0/fromMonth"),
        ("N001", "/household/changes/0/kind"),
        ("G002", "/household/income"),
        ("G004", "/income/applicantCents"),
        ("T008", "/income/partnerCents"),
        ("G003", "/housing/rentCents"),
        ("G005", "/childcare/0/hoursPerMonth"),
    ):
        assert expected in found, (expected, found)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"year": 2023}, ("T001", "/year")),
        ({"household": {**ALONE, "kind": "COUPLE"}}, ("T004", "/household/persons")),
        ({"household": {"kind": "SINGLE", "persons": 1}}, ("G001", "/household/applicantAge")),
        ({"household": {**ALONE, "partnerAge": 20}}, ("T008", "/household/partnerAge")),
        (
            {"housing": {"rentCents": 1, "changes": [{"fromMonth": "2025-03", "rentCents": 1}]}},
            ("T006", "/housing/changes/0/fromMonth"),
        ),
        (
            {
                "housing": {
                    "rentCents": 1,
                    "fromMonth": "2026-04",
                    "changes": [{"fromMonth": "2026-03", "rentCents": 1}],
                }
            },
            ("T007", "/housing/changes/0/fromMonth"),
        ),
        (
            {
                "household": {**ALONE, "coResidents": [{"relation": "CHILD", "age": 20, "incomeCents": 5}]},
                "year": 2025,
            },
            ("T002", "/household"),
        ),
        (
            {
                "year": 2025,
                "income": {"applicantCents": 5_000_000},
                "childcare": [
                    {"childAge": 3, "type": "DAYCARE", "hoursPerMonth": 96, "hourlyRateCents": 1_100}
                ],
            },
            ("T002", "/childcare"),
        ),
    ],
)
async def test_a_fault_has_its_rule_and_place(
    change: dict[str, Any], fault: tuple[str, str], calculator: Calculator
) -> None:
    assert await faults(calculator, "/toeslag-calculations", {**CALCULATION, **change}) == [fault]


async def test_a_year_that_is_refused_names_the_years_there_are(calculator: Calculator) -> None:
    answer = await calculator.ask("/toeslag-calculations", {**CALCULATION, "year": 2027}, expect=400)
    assert "2024, 2025, 2026" in answer["errors"][0]["detail"]
    month = {**PROJECTION["months"][0], "month": "2024-01"}
    body = {**PROJECTION, "year": 2024, "months": [month]}
    answer = await calculator.ask("/income-projections", body, expect=400)
    assert "years we have: 2025, 2026" in answer["errors"][0]["detail"]


async def test_months_of_a_projection_lie_in_the_year_and_stand_once(calculator: Calculator) -> None:
    months = [
        PROJECTION["months"][0],
        PROJECTION["months"][0],
        {**PROJECTION["months"][0], "month": "2025-12"},
    ]
    found = await faults(calculator, "/income-projections", {**PROJECTION, "months": months})
    assert found == [("T009", "/months/1/month"), ("T006", "/months/2/month")]


async def test_null_is_as_good_as_left_out_and_no_income_is_no_partner(calculator: Calculator) -> None:
    nothing = {"childrenAges": None, "childrenBirthDates": None, "coResidents": None, "changes": None}
    body = {
        **CALCULATION,
        "household": {**ALONE, **nothing, "partner": False, "partnerAge": None},
        "income": {"applicantCents": 2_400_000, "partnerCents": 0},
        "housing": None,
        "childcare": None,
    }
    plain = await calculator.ask("/toeslag-calculations", CALCULATION)
    assert await calculator.ask("/toeslag-calculations", body) == plain


async def test_an_exempt_part_that_cannot_be_in_the_benefit_is_added_and_named(
    calculator: Calculator,
) -> None:
    """1,000 gross is 642.50 net; of the norm 759.00 is left, and with a quarter exempt 919.63."""

    def body(benefit: int) -> dict[str, Any]:
        month = {"grossWageCents": 100_000, "netBenefitCents": benefit, "exemptNetCents": 16_063}
        months = [{**month, "month": "2026-02"}, {**month, "month": "2026-01"}]
        return {**PROJECTION, "months": months}

    within = await calculator.ask("/income-projections", body(91_963))
    without = await calculator.ask("/income-projections", body(75_900))
    assert within["exemptAddedIn"] == []
    assert without["exemptAddedIn"] == ["2026-01", "2026-02"]
    assert without["toetsingsinkomenCents"] == within["toetsingsinkomenCents"]
    other = await calculator.ask("/income-projections", body(75_700))
    assert other["exemptAddedIn"] == []


async def test_hours_are_whole_or_a_decimal_string(calculator: Calculator) -> None:
    async def awarded(hours: Any) -> int:
        care = [{"childAge": 3, "type": "DAYCARE", "hoursPerMonth": hours, "hourlyRateCents": 1_000}]
        answer = await calculator.ask("/toeslag-calculations", {**CALCULATION, "childcare": care})
        return int(answer["kinderopvangtoeslag"]["annualExactCents"])

    assert await awarded("96.5") - await awarded(96) == 12 * 480
    assert await awarded("96") == await awarded(96)


async def test_a_reconciliation_says_what_reporting_now_changes_and_by_when(calculator: Calculator) -> None:
    body = {**RECONCILIATION, "changedOn": "2026-07-01"}
    answer = await calculator.ask("/toeslag-reconciliations", body)
    rent = answer["huurtoeslag"]
    assert (rent["overpaymentYearCents"], rent["overpaymentSoFarCents"]) == (15_500, 7_800)
    assert rent["reportingNow"] == {
        "monthlyPaidCents": 38_100,
        "repayableCents": 7_800,
        "avoidedCents": 7_800,
    }
    assert rent["canLose"] is True
    assert rent["unaffectedUpToIncomeCents"] == 2_342_500
    assert answer["zorgtoeslag"]["canLose"] is False
    assert answer["reportBy"] == "2026-07-29"
    assert answer["smallAmount"] == {
        "cents": 12_100,
        "decisionYear": 2027,
        "figureOf": 2026,
        "published": False,
    }
    assert rent["receipt"][-1]["parameter"] == "awir/small_amount"


async def test_neither_a_decision_nor_a_change_comes_before_its_year(calculator: Calculator) -> None:
    body = {**RECONCILIATION, "decisionYear": 2025, "changedOn": "2025-12-31"}
    found = await faults(calculator, "/toeslag-reconciliations", body)
    assert found == [("T006", "/decisionYear"), ("T006", "/changedOn")]


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("role", ["official", "fund", "operator"])
async def test_only_a_back_office_may_ask(path: str, role: str, calculator: Calculator) -> None:
    await calculator.ask(path, BODIES[path], role=role, expect=403)


async def test_a_calculation_keeps_nothing_and_under_a_key_only_its_sealed_answer(tmp_path: Path) -> None:
    calculator = Calculator(tmp_path)
    service, settings = calculator.service, calculator.settings
    await migrate(
        settings.owner_database_url(service.name),
        service.migrations,
        service_url=settings.database_url(service.name),
    )
    try:
        body = {**CALCULATION, "household": {**ALONE, "assetsCents": 4_000_123}}
        plain = await calculator.ask("/toeslag-calculations", body)
        async with service.database.read() as reading:
            for table in METADATA.sorted_tables:
                if table.name not in MUTABLE:
                    assert await reading.scalar(select(func.count()).select_from(table)) == 0, table.name
            assert await reading.scalar(select(func.count()).select_from(TABLES.idempotency)) == 0
        assert await calculator.ask("/toeslag-calculations", body, key="once") == plain
        assert await calculator.ask("/toeslag-calculations", body, key="once") == plain
        await calculator.ask("/toeslag-calculations", CALCULATION, expect=409, key="once")
        async with service.database.read() as reading:
            (row,) = await reading.rows(select(TABLES.idempotency))
        assert b"4000123" not in bytes(row.body)
    finally:
        await service.database.close()
        assert service.key_store is not None
        await service.key_store.close()


# ---- what-ifs ---------------------------------------------------------------------------------------------

WHAT_IF: dict[str, Any] = {
    "year": 2026,
    "household": ALONE,
    "housing": {"rentCents": 65_000},
    "now": {"hoursPerWeek": 16},
    "change": {
        "fromMonth": "2026-07",
        "hoursPerWeek": "36",
        "hourlyWageCents": 1_600,
        "knownOn": "2026-07-01",
    },
    "taxCreditAt": "MUNICIPALITY",
}


async def test_a_what_if_shows_both_years_month_by_month(calculator: Calculator) -> None:
    answer = await calculator.ask("/what-ifs", WHAT_IF)
    before, after = answer["before"], answer["after"]
    assert [month["month"] for month in after["months"]] == [f"2026-{number:02d}" for number in range(1, 13)]
    assert before["months"][0]["grossWageCents"] == 101_989  # 16 hours at the minimum wage of January
    assert before["months"][6]["grossWageCents"] == 103_931  # and at that of July
    assert after["months"][6]["grossWageCents"] == 249_600
    assert after["months"][6]["benefitPaidCents"] == 0
    assert after["months"][:6] == before["months"][:6]
    assert answer["netMonthDifferenceCents"][:6] == [0] * 6
    difference = after["netYearCents"] - before["netYearCents"]
    assert answer["netYearDifferenceCents"] == difference
    assert after["settledLaterCents"] < before["settledLaterCents"]
    assert answer["reportBy"] == "2026-07-29"
    named = [line["parameter"] for line in answer["receipt"]]
    assert named.count("participatiewet/norm_alleenstaande") == 2
    assert "inkomstenbelasting/box1_shares" in named
    assert "huurtoeslag/basishuur_single" in named


async def test_childcare_and_the_credit_can_change_with_the_hours(calculator: Calculator) -> None:
    parent = {"kind": "SINGLE_PARENT", "persons": 2, "applicantAge": 30, "childrenAges": [3]}
    care = {"childAge": 3, "type": "DAYCARE", "hoursPerMonth": 40, "hourlyRateCents": 1_000}
    body = {
        **WHAT_IF,
        "household": parent,
        "childcare": [care],
        "change": {
            **WHAT_IF["change"],
            "taxCreditAt": "EMPLOYER",
            "childcare": [{**care, "hoursPerMonth": 120}],
        },
        "localSchemes": [
            {"name": "Kinderopvang", "kind": "CHILDCARE_SHARE", "share": "0.04"},
            {"name": "Meedoen", "kind": "INCOME_LIMIT", "share": "1.20", "amountYearCents": 30_000},
        ],
        "buffer": {"balanceCents": 20_000},
        "exemptWage": {"share": "0.125", "capCents": 17_766, "toMonth": "2026-06"},
        "offsetMethod": "M1",
    }
    answer = await calculator.ask("/what-ifs", body)
    costs = [month["childcareCostsCents"] for month in answer["after"]["months"]]
    assert costs == [40_000] * 6 + [120_000] * 6
    assert answer["before"]["months"][0]["localSchemes"] == ["Kinderopvang", "Meedoen"]
    assert {change["name"] for change in answer["localSchemes"]} == {"Kinderopvang", "Meedoen"}
    assert answer["after"]["months"][0]["exemptCents"] > 0


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"now": {}}, ("T010", "/now/grossWageCents")),
        ({"now": {"grossWageCents": 1, "hoursPerWeek": 1}}, ("T010", "/now/grossWageCents")),
        ({"change": {"fromMonth": "2025-07", "grossWageCents": 1}}, ("T006", "/change/fromMonth")),
        (
            {"change": {"fromMonth": "2026-07", "grossWageCents": 1, "knownOn": "2025-12-31"}},
            ("T006", "/change/knownOn"),
        ),
        ({"partnerGrossWageCents": 100}, ("T008", "/partnerGrossWageCents")),
        (
            {"localSchemes": [{"name": "A", "kind": "INCOME_LIMIT", "share": "1"}] * 2},
            ("T011", "/localSchemes"),
        ),
        ({"exemptWage": {"share": "0.25", "toMonth": "2027-01"}}, ("T006", "/exemptWage/toMonth")),
    ],
)
async def test_a_faulty_what_if_is_refused(
    change: dict[str, Any], fault: tuple[str, str], calculator: Calculator
) -> None:
    assert await faults(calculator, "/what-ifs", {**WHAT_IF, **change}) == [fault]


async def test_a_year_without_tax_tables_or_claim_table_has_no_what_if(calculator: Calculator) -> None:
    job = {"fromMonth": "2024-07", "grossWageCents": 1}
    found = await faults(calculator, "/what-ifs", {**WHAT_IF, "year": 2024, "change": job})
    assert found == [("T001", "/year")]
    job = {"fromMonth": "2025-07", "grossWageCents": 1}
    answer = await calculator.ask("/what-ifs", {**WHAT_IF, "year": 2025, "change": job}, expect=400)
    assert answer["errors"][0]["rule"] == "T002"
    assert "holiday_claim" in answer["errors"][0]["detail"]


async def test_the_schemes_of_another_municipality_are_not_for_the_asking(calculator: Calculator) -> None:
    await calculator.ask("/what-ifs", {**WHAT_IF, "municipality": "0637"}, expect=403)
