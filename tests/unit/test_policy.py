"""What is drawn for a month, and what holds it down."""

from typing import Any

import pytest

from buffer_ledger.policy import (
    Draw,
    Policy,
    draw,
    is_exhausted,
    is_low,
    low_threshold,
    repayment,
    rule_amount,
)
from shared.money import Cents
from tests.ledger_facts import policy


def drawn(chosen: Policy, *, shortfall: int = 0, offset: int = 0, available: int = 100_000) -> Draw:
    return draw(chosen, shortfall_cents=shortfall, offset_cents=offset, available_cents=available)


@pytest.mark.parametrize(
    ("values", "shortfall", "offset", "amount"),
    [
        ({"draw_amount": "TOPUP"}, 2_080, 82_080, 2_080),
        ({"draw_amount": "TOPUP"}, 0, 82_080, 0),
        ({"draw_amount": "REPLACE"}, 0, 82_080, 82_080),
        ({"draw_amount": "REPLACE"}, 0, 0, 0),
        ({"draw_amount": "REPLACE", "trigger": ("SHORTFALL",)}, 0, 82_080, 0),
        ({"draw_amount": "REPLACE", "trigger": ("SHORTFALL",)}, 1, 82_080, 82_080),
        ({"draw_amount": "TOPUP", "trigger": ("OFFSET",)}, 2_080, 0, 0),
        ({"draw_amount": "TOPUP", "trigger": ("SHORTFALL", "OFFSET")}, 2_080, 1, 2_080),
    ],
)
def test_the_rule_amount_needs_one_of_its_triggers(
    values: dict[str, Any], shortfall: int, offset: int, amount: int
) -> None:
    assert rule_amount(policy(**values), shortfall_cents=shortfall, offset_cents=offset) == amount


def test_topping_up_looks_at_a_shortfall_and_replacing_at_an_offset_unless_told_otherwise() -> None:
    assert policy(draw_amount="TOPUP").triggers == ("SHORTFALL",)
    assert policy(draw_amount="REPLACE").triggers == ("OFFSET",)
    assert policy(draw_amount="REPLACE", trigger=("SHORTFALL",)).triggers == ("SHORTFALL",)


def test_the_whole_amount_is_drawn_when_nothing_limits_it() -> None:
    assert drawn(policy(), shortfall=46_820) == Draw(46_820, 46_820, "NONE")


def test_no_more_is_drawn_than_the_buffer_holds() -> None:
    assert drawn(policy(), shortfall=80_367, available=53_180) == Draw(53_180, 80_367, "BALANCE")
    assert drawn(policy(), shortfall=80_367, available=0) == Draw(0, 80_367, "BALANCE")
    assert drawn(policy(), shortfall=80_367, available=-5) == Draw(0, 80_367, "BALANCE")


def test_no_more_is_drawn_than_the_maximum_of_a_month() -> None:
    capped = policy(max_draw_per_month_cents=Cents(25_000))

    assert drawn(capped, shortfall=80_367) == Draw(25_000, 80_367, "MONTH_MAXIMUM")
    assert drawn(capped, shortfall=80_367, available=10_000) == Draw(10_000, 80_367, "BALANCE")
    assert drawn(capped, shortfall=25_000) == Draw(25_000, 25_000, "NONE")


def test_the_smallest_draw_is_tested_after_every_limit() -> None:
    smallest = policy(min_draw_cents=Cents(500))

    assert drawn(smallest, shortfall=499) == Draw(0, 499, "MINIMUM_DRAW")
    assert drawn(smallest, shortfall=500) == Draw(500, 500, "NONE")
    assert drawn(smallest, shortfall=20_000, available=499) == Draw(0, 20_000, "BALANCE")
    assert drawn(policy(min_draw_cents=Cents(0)), shortfall=1) == Draw(1, 1, "NONE")


@pytest.mark.parametrize(
    ("cash", "draw_cents", "missing", "repaid"),
    [
        (197_493, 0, 46_820, 46_820),
        (187_883, 0, 80_367, 54_740),
        (133_143, 0, 80_367, 0),
        (100_000, 0, 80_367, 0),
        (197_493, 1, 46_820, 0),
        (197_493, 0, 0, 0),
    ],
)
def test_a_revolving_buffer_takes_back_what_is_above_the_floor_up_to_its_cap(
    cash: int, draw_cents: int, missing: int, repaid: int
) -> None:
    amounts = {
        "cash_cents": cash,
        "floor_cents": 133_143,
        "draw_cents": draw_cents,
        "missing_from_cap_cents": missing,
    }

    assert repayment(policy(replenish="REVOLVE_FROM_SURPLUS"), **amounts) == repaid
    assert repayment(policy(replenish="NONE"), **amounts) == 0


def test_a_buffer_is_low_below_its_share_and_exhausted_below_its_smallest_draw() -> None:
    assert not is_low(25_000, 100_000)
    assert is_low(24_999, 100_000)
    assert is_low(0, 100_000)
    assert low_threshold(100_000) == 25_000
    assert low_threshold(99_999) == 25_000
    assert is_exhausted(499, 500)
    assert not is_exhausted(500, 500)
    assert is_exhausted(0, 0)
    assert not is_exhausted(1, 0)


@pytest.mark.parametrize("cap", [1, 2, 3, 4, 99_999, 100_000, 100_001])
def test_low_and_its_threshold_agree_on_every_balance_near_it(cap: int) -> None:
    threshold = low_threshold(cap)

    for balance in range(max(0, threshold - 3), threshold + 3):
        assert is_low(balance, cap) == (balance < threshold)
