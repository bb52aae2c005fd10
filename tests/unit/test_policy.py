"""What is drawn for a month, and what holds it down."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from buffer_ledger.approvals import Agreed, agreed
from buffer_ledger.drawing import (
    Causes,
    Draw,
    draw,
    is_exhausted,
    is_low,
    low_threshold,
    repayment,
    rule_amount,
)
from buffer_ledger.policy import Floor, Policy, policy_from_json, policy_to_json
from buffer_ledger.timeline import MonthRow, OffsetStatement, run
from shared.law import Law
from shared.money import Cents
from shared.months import Month
from tests.ledger_facts import JANUARY, SAME_MONTH, case, policy, slips_of


def drawn(chosen: Policy, *, shortfall: int = 0, offset: int = 0, available: int = 100_000) -> Draw:
    return draw(chosen, Causes(shortfall_cents=shortfall, offset_cents=offset), available_cents=available)


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
    assert rule_amount(policy(**values), Causes(shortfall_cents=shortfall, offset_cents=offset)) == amount


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


# ---- a draw that turned out too high or too low after it was paid


def rows_of(chosen: Policy, wages: list[int], **values: Any) -> list[tuple[int, int]]:
    months = run(
        case(slips_of(JANUARY, wages), months=len(wages), rules=SAME_MONTH, policy=chosen, **values),
        Law.load(),
    )
    return [(row.draw_cents, row.netted_cents) for row in months]


def paid_january(chosen: Policy, wage: int) -> dict[Month, MonthRow]:
    (row,) = run(case(slips_of(JANUARY, [wage]), months=1, rules=SAME_MONTH, policy=chosen), Law.load())
    return {JANUARY: row}


def test_what_was_drawn_too_much_comes_off_the_next_draws_until_it_is_made_good() -> None:
    netting = policy(draw_amount="REPLACE", on_negative_correction="NET_NEXT_DRAW", cap_cents=Cents(500_000))
    paid = paid_january(netting, 80_000)  # 820.80 was paid; the corrected wage of 250 asks 256.50

    assert rows_of(netting, [25_000, 25_000, 25_000, 60_000], paid=paid) == [
        (82_080, 0),
        (0, 25_650),
        (0, 25_650),
        (61_560 - (82_080 - 3 * 25_650), 82_080 - 3 * 25_650),
    ]


def test_what_was_drawn_too_much_is_forgiven_unless_the_policy_nets_it() -> None:
    forgiving = policy(draw_amount="REPLACE")

    assert rows_of(forgiving, [25_000, 25_000], paid=paid_january(forgiving, 80_000)) == [
        (82_080, 0),
        (17_920, 0),
    ]


def test_a_paid_month_that_drew_too_little_draws_the_rest_while_the_window_is_open() -> None:
    chosen = policy(draw_amount="REPLACE")
    paid = paid_january(chosen, 25_000)

    assert rows_of(chosen, [60_000, 0], paid=paid, extra_draws=True) == [(61_560, 0), (0, 0)]
    assert rows_of(chosen, [60_000, 0], paid=paid) == [(25_650, 0), (0, 0)]


def test_an_extra_draw_never_passes_the_cap() -> None:
    chosen = policy(draw_amount="REPLACE", cap_cents=Cents(40_000))

    assert rows_of(chosen, [60_000, 25_000], paid=paid_january(chosen, 25_000), extra_draws=True) == [
        (40_000, 0),
        (0, 0),
    ]


# ---- whose computation a draw rests on


OFFICIAL_250 = {JANUARY: OffsetStatement(Cents(27_000), Cents(107_493))}


@pytest.mark.parametrize(
    ("source", "statements", "drawn", "held"),
    [
        ("SHADOW", {}, 25_650, ()),
        ("OFFICIAL", {}, 0, ("STATEMENT_MISSING",)),
        ("OFFICIAL", OFFICIAL_250, 25_650, ()),
        ("OFFICIAL", {JANUARY: OffsetStatement(Cents(64_800), Cents(71_583))}, 61_560, ()),
        ("BOTH_AGREE", {}, 0, ("STATEMENT_MISSING",)),
        ("BOTH_AGREE", OFFICIAL_250, 25_650, ()),
        ("BOTH_AGREE", {JANUARY: OffsetStatement(Cents(27_105), Cents(107_393))}, 25_750, ()),
        ("BOTH_AGREE", {JANUARY: OffsetStatement(Cents(27_107), Cents(107_392))}, 0, ("STATEMENT_DIFFERS",)),
    ],
)
def test_a_draw_waits_for_the_decision_that_its_policy_trusts(
    source: Any, statements: Any, drawn: int, held: tuple[str, ...]
) -> None:
    chosen = policy(draw_amount="REPLACE", trigger_source=source)
    known = case(slips_of(JANUARY, [25_000]), months=1, rules=SAME_MONTH, policy=chosen)

    (row,) = run(replace(known, statements=statements), Law.load())

    assert (row.draw_cents, row.held) == (drawn, held)


# ---- who has to agree


@pytest.mark.parametrize(
    ("values", "total", "words", "expected"),
    [
        ({}, 500, {}, Agreed(500)),
        ({"approval": "FOUR_EYES"}, 500, {}, Agreed(0, 500, "FOUR_EYES")),
        ({"approval": "FOUR_EYES"}, 0, {}, Agreed(0)),
        ({"approval": "FOUR_EYES", "auto_below_cents": Cents(500)}, 499, {}, Agreed(499)),
        ({"approval": "FOUR_EYES", "auto_below_cents": Cents(500)}, 500, {}, Agreed(0, 500, "FOUR_EYES")),
        ({"approval": "OFFICIAL_DECISION"}, 500, {"approved_cents": 500}, Agreed(500)),
        (
            {"approval": "OFFICIAL_DECISION"},
            700,
            {"approved_cents": 500},
            Agreed(500, 200, "OFFICIAL_DECISION"),
        ),
        ({"approval": "OFFICIAL_DECISION"}, 300, {"approved_cents": 500}, Agreed(300)),
        ({"approval": "OFFICIAL_DECISION"}, 500, {"rejected_cents": 500}, Agreed(0)),
        (
            {"approval": "OFFICIAL_DECISION"},
            501,
            {"rejected_cents": 500},
            Agreed(0, 501, "OFFICIAL_DECISION"),
        ),
        ({}, 500, {"above_gift_limit": True}, Agreed(0, 500, "NEEDS_COLLEGE_VIEW")),
        ({"gift_guard": "WARN"}, 500, {"above_gift_limit": True}, Agreed(500)),
        ({}, 500, {"above_gift_limit": True, "approved_cents": 500}, Agreed(500)),
    ],
)
def test_a_draw_is_booked_as_far_as_it_was_agreed_to_and_proposed_for_the_rest(
    values: dict[str, Any], total: int, words: dict[str, Any], expected: Agreed
) -> None:
    assert agreed(policy(**values), total, **words) == expected


def test_a_policy_comes_back_from_the_database_as_it_went_in() -> None:
    whole = policy(
        draw_amount="EXCESS",
        floor=Floor("INCOME_GUARANTEE", Decimal("0.25"), Cents(140_000)),
        trigger=("SHORTFALL", "OFFSET_ABOVE_NORMAL"),
        fund_order=("a", "b"),
    )

    assert policy_from_json(policy_to_json(whole)) == whole
    assert policy_from_json(policy_to_json(policy())) == policy()


def test_a_policy_that_was_kept_before_a_field_existed_has_its_default() -> None:
    members = policy_to_json(policy())
    for later in ("gift_guard", "fund_order", "monthly_cents", "normal_offset_cents"):
        del members[later]

    assert policy_from_json(members) == policy()
