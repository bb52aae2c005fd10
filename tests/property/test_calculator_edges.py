"""However a body is mangled, a calculator computes it or names its faults; nothing else ever comes back."""

import copy
import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.calculator import Calculator

HOUSEHOLD_YEAR: dict[str, Any] = {
    "year": 2026,
    "household": {
        "kind": "COUPLE",
        "partner": True,
        "partnerInsured": False,
        "partnerAge": 30,
        "persons": 4,
        "applicantBirthDate": "1990-05-05",
        "childrenBirthDates": ["2014-05-01", "2026-03-02"],
        "coResidents": [{"relation": "CHILD", "birthDate": "2004-01-01", "incomeCents": 900_000}],
        "assetsCents": 100,
        "changes": [{"fromMonth": "2026-03", "persons": 5, "coResidents": []}],
    },
    "housing": {
        "rentCents": 70_000,
        "fromMonth": "2026-02",
        "changes": [{"fromMonth": "2026-05", "rentCents": 80_000, "adapted": True}],
    },
    "childcare": [
        {
            "childAge": 3,
            "type": "DAYCARE",
            "hoursPerMonth": "96.5",
            "hourlyRateCents": 1_150,
            "toMonth": "2026-11",
        }
    ],
}
BODIES: dict[str, dict[str, Any]] = {
    "/toeslag-calculations": {
        **HOUSEHOLD_YEAR,
        "income": {"applicantCents": 3_000_000, "partnerCents": 900_000},
    },
    "/toeslag-reconciliations": {
        **HOUSEHOLD_YEAR,
        "knownIncomeCents": 3_000_000,
        "projectedIncomeCents": 4_100_000,
        "monthsElapsed": 5,
        "decisionYear": 2027,
        "changedOn": "2026-05-05",
    },
    "/income-projections": {
        "year": 2026,
        "household": {"kind": "COUPLE"},
        "months": [
            {"month": "2026-01", "grossWageCents": 60_000, "netBenefitCents": 101_600, "exemptNetCents": 9},
            {"month": "2026-03", "grossWageCents": 0, "netBenefitCents": 0},
        ],
        "taxCreditAt": "EMPLOYER",
    },
    "/what-ifs": {
        **HOUSEHOLD_YEAR,
        "now": {"hoursPerWeek": 16, "hourlyWageCents": 1_500},
        "change": {"fromMonth": "2026-06", "grossWageCents": 200_000, "knownOn": "2026-06-01"},
        "taxCreditAt": "MUNICIPALITY",
        "offsetMethod": "M1",
        "exemptWage": {"share": "0.25", "capCents": 28_500, "toMonth": "2026-07"},
        "buffer": {"balanceCents": 50_000},
        "localSchemes": [{"name": "x", "kind": "INCOME_LIMIT", "share": "1.2"}],
    },
}
JUNK: list[Any] = [
    *(None, 0, -1, 12, 2025, 2027, 10**8, 10**30, 1.5, True, "", "x", "1", [], {}, [None], [{}]),
    *("2026-01", "2026-12", "2024-02", "1900-01-01", "2199-12-31", "SINGLE", "BOTH", "NONE", "OTHER", "M0"),
]


@pytest.fixture(scope="module")
def calculator(tmp_path_factory: pytest.TempPathFactory) -> Calculator:
    return Calculator(tmp_path_factory.mktemp("notifier"))


@pytest.mark.parametrize("path", BODIES)
async def test_the_whole_body_is_computed(path: str, calculator: Calculator) -> None:
    status, _ = await calculator.answer(path, BODIES[path])
    assert status == 200


@pytest.mark.parametrize("path", BODIES)
async def test_a_mangled_body_is_computed_or_its_faults_are_named(path: str, calculator: Calculator) -> None:
    chance = random.Random(path)
    seen = set()
    for _ in range(60):
        body = _mangled(chance, BODIES[path])
        status, answer = await calculator.answer(path, body)
        assert status in {200, 400}, (body, answer)
        if status == 400:
            assert answer["errors"], body
            assert all(fault["rule"] and "detail" in fault for fault in answer["errors"])
        seen.add(status)
    assert seen == {200, 400}


def _mangled(chance: random.Random, body: Any) -> Any:
    body = copy.deepcopy(body)
    for _ in range(chance.choice((1, 1, 2, 3))):
        place = chance.choice([place for place in _places(body) if place])
        holder = body
        for step in place[:-1]:
            holder = holder[step]
        if chance.random() < 0.25:
            del holder[place[-1]]
        else:
            holder[place[-1]] = copy.deepcopy(chance.choice(JUNK))
    return body


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    steps = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for step in steps:
        yield from _places(value[step], (*place, step))
