"""The worked months of `buffer_cases.yaml`, to the cent through POST /v1/simulations."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import yaml
from sqlalchemy import func, select

from buffer_ledger.tables import METADATA
from shared.plumbing import MUTABLE
from shared.settings import Settings
from tests.integration.ledger.ledger_office import LedgerOffice, started, stop

WORKED: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parent / "buffer_cases.yaml").read_text(encoding="utf-8")
)
MEMBERS = {
    "month": "month",
    "wage": "wageCents",
    "counted": "countedCents",
    "paid": "benefitPaidCents",
    "reserve": "holidayReserveCents",
    "cash": "cashCents",
    "shortfall": "shortfallCents",
    "draw": "drawCents",
    "repayment": "repaymentCents",
    "balance": "balanceCents",
    "cash after": "cashAfterCents",
}


@pytest_asyncio.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[LedgerOffice]:
    made = await started(Settings(data_dir=tmp_path))
    yield made
    await stop(made)


@pytest.fixture
def office(ledger: LedgerOffice) -> httpx.AsyncClient:
    return ledger.client()


@pytest.mark.parametrize("row", WORKED["single months"]["rows"], ids=lambda row: f"{row[0]} share {row[1]}")
async def test_a_single_month_is_simulated_to_the_cent(row: list[Any], office: httpx.AsyncClient) -> None:
    wage, share, maximum, counted, benefit, paid, reserve = row
    exemption = {"share": share} if maximum is None else {"share": share, "capCents": maximum}

    answer = await _simulated(office, wages=[{"month": "2026-01", "netCents": wage}], exemption=exemption)

    (month,) = answer["months"]
    assert (month["countedCents"], month["benefitPaidCents"], month["holidayReserveCents"]) == (
        counted,
        paid,
        reserve,
    )
    assert month["benefitPaidCents"] + month["holidayReserveCents"] == benefit


@pytest.mark.parametrize("timeline", WORKED["timelines"], ids=lambda timeline: str(timeline["name"]))
async def test_a_timeline_is_simulated_to_the_cent(
    timeline: dict[str, Any], office: httpx.AsyncClient
) -> None:
    rows, spared, pinned = timeline["rows"], timeline.get("not counted"), timeline["norm of"]
    policy: dict[str, Any] = {"drawAmount": timeline["draw"], "capCents": timeline["cap"]}
    if timeline["revolving"]:
        policy["replenish"] = "REVOLVE_FROM_SURPLUS"
    members: dict[str, Any] = {}
    if spared is not None:
        members["exemption"] = {"share": str(spared["share"]), "capCents": spared["maximum"]}

    answer = await _simulated(
        office,
        municipality={"offsetMethod": timeline["method"]},
        household={"kind": timeline["household"]},
        policy=policy,
        normMonth=None if pinned == "each month" else pinned,
        firstMonth=rows[0][0],
        wages=[{"month": row[0], "netCents": row[1]} for row in rows],
        **members,
    )

    months = answer["months"]
    assert [[month[MEMBERS[column]] for column in WORKED["columns"]] for month in months] == rows
    assert answer["drawnCents"] == sum(month["drawCents"] for month in months)
    assert answer["balanceCents"] == months[-1]["balanceCents"]
    assert answer["monthsBelowFloorBefore"] == sum(month["shortfallCents"] > 0 for month in months)
    assert answer["monthsBelowFloorAfter"] == sum(
        month["cashAfterCents"] < month["floorCents"] for month in months
    )


async def test_a_simulation_leaves_no_row_in_any_table(
    ledger: LedgerOffice, office: httpx.AsyncClient
) -> None:
    await _simulated(office, wages=[{"month": "2026-01", "netCents": 70_000}])

    async with ledger.service.database.read() as reading:
        for table in METADATA.sorted_tables:
            if table.name not in MUTABLE:
                assert await reading.scalar(select(func.count()).select_from(table)) == 0, table.name
    assert await ledger.told() == []


async def test_a_slip_is_simulated_like_the_wage_of_its_month(office: httpx.AsyncClient) -> None:
    by_month = await _simulated(office, wages=[{"month": "2026-01", "netCents": 60_000}])
    by_slip = await _simulated(
        office,
        wages=[
            {
                "employerName": "Zorg",
                "periodFrom": "2026-01-01",
                "periodTo": "2026-01-31",
                "netCents": 60_000,
            }
        ],
    )
    assert by_slip["months"] == by_month["months"]


@pytest.mark.parametrize(
    ("versions", "counts"),
    [
        # net and version of each slip in the list; what live slips in that order would come to
        (((60_000, None), (40_000, None)), 40_000),
        (((40_000, None), (60_000, None)), 60_000),
        (((60_000, None), (40_000, None), (60_000, None)), 40_000),
        (((60_000, 2), (40_000, None)), 40_000),
        (((60_000, 2), (40_000, 1)), 60_000),
        (((60_000, None), (40_000, 3), (50_000, 2)), 40_000),
    ],
)
async def test_of_one_slip_told_more_than_once_the_same_version_counts_as_live(
    versions: tuple[tuple[int, int | None], ...], counts: int, office: httpx.AsyncClient
) -> None:
    period = {"employerName": "Zorg", "periodFrom": "2026-01-01", "periodTo": "2026-01-31"}
    wages = [
        {**period, "netCents": net} | ({} if version is None else {"version": version})
        for net, version in versions
    ]
    (month,) = (await _simulated(office, wages=wages))["months"]
    assert month["wageCents"] == counts
    assert len(month["evidence"]) == 1


async def test_a_month_without_a_parameter_of_the_law_is_refused_by_name(office: httpx.AsyncClient) -> None:
    answer = await office.post(
        "/simulations", json=_body(firstMonth="2021-05", wages=[{"month": "2021-05", "netCents": 100}])
    )
    assert answer.status_code == 400
    assert {fault["rule"] for fault in answer.json()["errors"]} == {"L008"}
    assert "norm_alleenstaande" in answer.text


NOT_BUILT: list[tuple[str, dict[str, Any]]] = [
    ("/household/ageBand", {"household": {"kind": "COUPLE", "ageBand": "Y18_20"}}),
    (
        "/policy/attributionBasis",
        {"policy": {"drawAmount": "TOPUP", "capCents": 1, "attributionBasis": "AVAILABLE"}},
    ),
    ("/wages/0/lines", {"wages": [{"month": "2026-01", "lines": []}]}),
]


@pytest.mark.parametrize(("pointer", "members"), NOT_BUILT, ids=[pointer for pointer, _ in NOT_BUILT])
async def test_a_value_that_is_not_built_is_refused_by_name(
    pointer: str, members: dict[str, Any], office: httpx.AsyncClient
) -> None:
    answer = await office.post("/simulations", json=_body(**members))
    assert answer.status_code == 400, answer.text
    assert ("N001", pointer) in {(fault["rule"], fault["pointer"]) for fault in answer.json()["errors"]}


async def test_all_faults_come_at_once_of_shape_and_between_members(office: httpx.AsyncClient) -> None:
    body = _body(
        policy={"drawAmount": "FIXED", "capCents": 12.5},
        exemption={"share": 0.15},
        wages=[{"month": "2025-12", "netCents": 1}, {"month": "2026-01"}],
        unknown=1,
    )
    answer = await office.post("/simulations", json=body)
    found = {(fault["rule"], fault["pointer"]) for fault in answer.json()["errors"]}
    assert {
        ("L031", "/policy/fixedCents"),
        ("G003", "/policy/capCents"),
        ("G002", "/unknown"),
        ("G001", "/wages/1/netCents"),
    } <= found
    assert any(pointer == "/exemption/share" for _, pointer in found)


def _body(**members: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "municipality": {"offsetMethod": "M0"},
        "household": {"kind": "SINGLE"},
        "policy": {"drawAmount": "TOPUP", "capCents": 100_000},
        "firstMonth": "2026-01",
        "wages": [],
        **members,
    }
    return {name: value for name, value in body.items() if value is not None}


async def _simulated(office: httpx.AsyncClient, **members: Any) -> dict[str, Any]:
    answer = await office.post("/simulations", json=_body(**members))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


# ---- policies side by side


async def test_a_comparison_answers_for_one_person_what_a_simulation_does(office: httpx.AsyncClient) -> None:
    wages = [{"month": f"2026-0{number}", "netCents": net} for number, net in ((1, 70_000), (2, 25_000))]
    policy = {"drawAmount": "REPLACE", "capCents": 100_000}
    municipality = {"offsetMethod": "M1"}
    simulated = await _simulated(office, municipality=municipality, wages=wages, policy=policy)
    body = {
        "municipality": municipality,
        "firstMonth": "2026-01",
        "lastMonth": "2026-02",
        "people": [{"household": {"kind": "SINGLE"}, "wages": wages}],
        "policies": [{"name": "ours", "policy": policy}, {"name": "law", "preset": "BUFFERBUDGET_34B"}],
    }
    answer = await office.post("/schemes/_compare", json=body)
    assert answer.status_code == 200, answer.text
    ours, law = answer.json()["policies"]
    assert (ours["name"], law["name"]) == ("ours", "law")
    assert ours["usedCents"] == simulated["drawnCents"]
    assert ours["monthsBelowFloorAfter"] == simulated["monthsBelowFloorAfter"]
    assert ours["monthsBelowFloorBefore"] == simulated["monthsBelowFloorBefore"]


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"policies": [{"name": "neither"}]}, "/policies/0/policy"),
        ({"lastMonth": "2025-12"}, "/lastMonth"),
        ({"people": []}, "/people"),
    ],
)
async def test_a_comparison_that_cannot_be_run_is_refused(
    members: dict[str, Any], pointer: str, office: httpx.AsyncClient
) -> None:
    body = {
        "municipality": {"offsetMethod": "M1"},
        "firstMonth": "2026-01",
        "lastMonth": "2026-02",
        "people": [{"household": {"kind": "SINGLE"}, "wages": []}],
        "policies": [{"name": "law", "preset": "BUFFERBUDGET_34B"}],
    }
    answer = await office.post("/schemes/_compare", json={**body, **members})
    assert answer.status_code == 400, answer.text
    assert pointer in {fault["pointer"] for fault in answer.json()["errors"]}


async def test_presets_say_what_a_live_scheme_has_to_add(office: httpx.AsyncClient) -> None:
    items = (await office.get("/policy-presets")).json()["items"]
    assert {each["name"]: each["needs"] for each in items} == {
        "BESTAANSBALANS": [],
        "BOUWDEPOT": ["legalBase"],
        "BUFFERBUDGET_34B": [],
        "ROTTERDAM_INCOME_GUARANTEE": ["legalBase"],
    }


async def test_everything_a_benefit_follows_from_can_be_simulated(office: httpx.AsyncClient) -> None:
    couple = await _months(
        office,
        household={"kind": "COUPLE", "otherIncome": [{"month": "2026-01", "amountCents": 1, "kind": "RENT"}]},
        wages=[
            {"month": "2026-01", "netCents": 90_000},
            {"month": "2026-01", "netCents": 90_000, "person": "PARTNER"},
        ],
    )
    shared = await _months(office, household={"kind": "SINGLE", "adultsSharingCosts": 2})
    changed = await _months(
        office,
        lastMonth="2026-02",
        householdChanges=[{"from": "2026-02-15", "household": {"kind": "COUPLE"}}],
    )
    part = await _months(
        office, benefitPeriods=[{"from": "2026-01-16"}], otherCash=[{"month": "2026-01", "amountCents": 500}]
    )
    granted = await _months(
        office,
        exemptions=[
            {"kind": "GENERAL", "share": "0.25", "firstMonth": "2026-01", "months": 6, "monthsUsed": 5}
        ],
        wages=[{"month": "2026-01", "netCents": 80_000}, {"month": "2026-02", "netCents": 80_000}],
    )

    # 2 x 951.23 of wages and one cent beside them
    assert couple[0]["countedCents"] == 190_247
    # half of the norm of a couple is 1,001.07
    assert shared[0]["benefitPaidCents"] + shared[0]["holidayReserveCents"] == 100_107
    assert [month["floorCents"] for month in changed] == [133_143, 161_673]
    assert (part[0]["daysOfRight"], part[0]["floorCents"], part[0]["otherCashCents"]) == (16, 68_719, 500)
    assert [month["exemptCents"] for month in granted] == [20_000, 0]


async def test_four_weeks_extra_pay_and_an_estimate_can_be_simulated(office: httpx.AsyncClient) -> None:
    four_weeks = await _months(
        office,
        wages=[
            {
                "periodFrom": "2025-12-29",
                "periodTo": "2026-01-25",
                "payDate": "2026-01-23",
                "netCents": 73_846,
                "holidayPayCents": 1_000,
                "yearEndPayCents": 2_000,
            }
        ],
        municipality={"offsetMethod": "M0", "yearEndPay": "WHEN_PAID_NEXT_MONTH"},
        lastMonth="2026-02",
    )
    estimated = await _months(
        office,
        municipality={"offsetMethod": "EST"},
        wages=[{"month": "2026-01", "netCents": 60_000, "source": "ESTIMATE"}],
    )

    assert (four_weeks[0]["attributedWageCents"], four_weeks[0]["otherCashCents"]) == (80_000, 3_000)
    assert four_weeks[1]["countedCents"] == four_weeks[1]["otherIncomeCents"] == 2_000
    assert (estimated[0]["provisional"], estimated[0]["heldReasons"]) == (True, ["ESTIMATED"])
    assert estimated[0]["benefitPaidCents"] == 71_583


async def test_a_partner_beside_somebody_alone_is_refused(office: httpx.AsyncClient) -> None:
    body = _body(wages=[{"month": "2026-01", "netCents": 1, "person": "PARTNER"}])
    answer = await office.post("/simulations", json=body)
    assert [(f["rule"], f["pointer"]) for f in answer.json()["errors"]] == [("L061", "/wages/0/person")]


async def _months(office: httpx.AsyncClient, **members: Any) -> list[dict[str, Any]]:
    answer = await office.post("/simulations", json=_body(**members))
    assert answer.status_code == 200, answer.text
    months: list[dict[str, Any]] = answer.json()["months"]
    return months
