"""What a policy is that says nothing: the defaults of the scheme's fields, and its way into the database."""

from decimal import Decimal

import pytest

from buffer_ledger.policy import (
    DEFAULT_MIN_DRAW,
    DrawAmount,
    Floor,
    Policy,
    Trigger,
    policy_from_json,
    policy_to_json,
)
from shared.money import Cents

PLAIN = Policy(draw_amount="TOPUP", cap_cents=Cents(100_000))


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("trigger", ()),
        ("min_draw_cents", 500),
        ("max_draw_per_month_cents", None),
        ("fixed_cents", None),
        ("normal_offset_cents", None),
        ("replenish", "NONE"),
        ("monthly_cents", None),
        ("approval", "AUTO"),
        ("auto_below_cents", None),
        ("payee", "PERSON"),
        ("expiry", "RETURN_TO_POT"),
        ("on_negative_correction", "FORGIVE"),
        ("trigger_source", "SHADOW"),
        ("period", "ENROLMENT_YEAR"),
        ("late_window_days", 62),
        ("cap_unit", "PERSON"),
        ("year_attribution", "BY_CAUSE"),
        ("gift_guard", "BLOCK"),
        ("statutory", False),
    ],
)
def test_a_policy_that_says_nothing_has_the_default(member: str, value: object) -> None:
    assert getattr(PLAIN, member) == value


def test_the_smallest_draw_is_five_euros_and_the_floor_the_part_paid_each_month() -> None:
    assert DEFAULT_MIN_DRAW == 500
    assert (PLAIN.floor.kind, PLAIN.floor.factor, PLAIN.floor.amount_cents) == ("PAY_FULL", None, None)


def test_a_policy_comes_back_from_the_database_as_it_went_in() -> None:
    assert policy_from_json(policy_to_json(PLAIN)) == PLAIN
    assert policy_to_json(PLAIN)["floor"] == "PAY_FULL"
    for floor in (
        Floor("PCT", Decimal("1.10")),
        Floor("CUSTOM", amount_cents=Cents(0)),
        Floor("NORM_INCL_VT"),
    ):
        assert Floor.from_json(floor.to_json()) == floor
    whole = Policy(
        draw_amount="EXCESS",
        cap_cents=Cents(1),
        trigger=("OFFSET_ABOVE_NORMAL",),
        floor=Floor("INCOME_GUARANTEE", factor=Decimal("0.15"), amount_cents=Cents(7)),
        fund_order=("a", "b"),
        statutory=True,
    )
    assert policy_from_json(policy_to_json(whole)) == whole


def test_each_way_to_draw_has_the_trigger_that_belongs_to_it() -> None:
    """Reading 18; a fixed allowance needs none."""
    ways: dict[DrawAmount, tuple[Trigger, ...]] = {
        "TOPUP": ("SHORTFALL",),
        "REPLACE": ("OFFSET",),
        "EXCESS": ("OFFSET_ABOVE_NORMAL",),
        "FIXED": (),
    }
    for way, triggers in ways.items():
        assert Policy(draw_amount=way, cap_cents=Cents(1)).triggers == triggers
    assert Policy(draw_amount="TOPUP", cap_cents=Cents(1), trigger=("OFFSET",)).triggers == ("OFFSET",)
