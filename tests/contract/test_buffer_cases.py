"""The worked months of `buffer_cases.yaml`, to the cent through the path that a close takes."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from buffer_ledger.timeline import Exemption, Household, MonthRow, MunicipalityRules, run
from shared.law import Law
from shared.money import Cents
from shared.months import Month
from tests.ledger_facts import JANUARY, SAME_MONTH, case, policy, slips_of

WORKED: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parent / "buffer_cases.yaml").read_text(encoding="utf-8")
)

MEMBERS = {
    "month": "month",
    "wage": "wage_cents",
    "counted": "counted_cents",
    "paid": "benefit_paid_cents",
    "reserve": "holiday_reserve_cents",
    "cash": "cash_cents",
    "shortfall": "shortfall_cents",
    "draw": "draw_cents",
    "repayment": "repayment_cents",
    "balance": "balance_cents",
    "cash after": "cash_after_cents",
}


def test_all_worked_months_are_there() -> None:
    assert len(WORKED["single months"]["rows"]) == 12
    assert len(WORKED["timelines"]) == 11
    assert sum(len(timeline["rows"]) for timeline in WORKED["timelines"]) == 68


@pytest.mark.parametrize("row", WORKED["single months"]["rows"], ids=lambda row: f"{row[0]} share {row[1]}")
def test_a_single_month_gives_counted_wage_benefit_and_reserve(row: list[Any]) -> None:
    wage, share, maximum, counted, benefit, paid, reserve = row

    (month,) = run(
        case(
            slips_of(JANUARY, [wage]),
            months=1,
            rules=SAME_MONTH,
            exemption=Exemption(Decimal(share), maximum),
        ),
        Law.load(),
    )

    assert month.counted_cents == counted
    assert month.benefit_paid_cents == paid
    assert month.holiday_reserve_cents == reserve
    assert month.benefit_paid_cents + month.holiday_reserve_cents == benefit


@pytest.mark.parametrize("timeline", WORKED["timelines"], ids=lambda timeline: str(timeline["name"]))
def test_a_timeline_gives_each_month_to_the_cent(timeline: dict[str, Any]) -> None:
    computed = [_shown(row) for row in _simulated(timeline)]

    assert computed == timeline["rows"]


def _simulated(timeline: dict[str, Any]) -> tuple[MonthRow, ...]:
    rows = timeline["rows"]
    first = Month.parse(rows[0][0])
    pinned = timeline["norm of"]
    spared = timeline.get("not counted")
    return run(
        case(
            slips_of(first, [row[1] for row in rows]),
            first=first,
            months=len(rows),
            households=(Household(timeline["household"], first),),
            rules=(MunicipalityRules(None, timeline["method"]),),
            policy=policy(
                draw_amount=timeline["draw"],
                cap_cents=Cents(timeline["cap"]),
                replenish="REVOLVE_FROM_SURPLUS" if timeline["revolving"] else "NONE",
            ),
            norm_month=None if pinned == "each month" else Month.parse(pinned),
            exemption=None if spared is None else Exemption(Decimal(spared["share"]), spared["maximum"]),
            simulate=True,
        ),
        Law.load(),
    )


def _shown(row: MonthRow) -> list[Any]:
    return [
        str(row.month) if column == "month" else getattr(row, MEMBERS[column]) for column in WORKED["columns"]
    ]
