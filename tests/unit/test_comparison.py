"""One population under several policies: what is counted, and what EUR 1,000 is worth under each."""

from datetime import date
from decimal import Decimal

import pytest

from buffer_ledger.comparison import Compared, compare
from buffer_ledger.policy import Floor, Policy
from buffer_ledger.policy_request import LivePolicyRequest, SimulatedPolicyRequest
from buffer_ledger.presets import presets
from shared.errors import Invalid
from shared.law import Law
from shared.money import Cents
from shared.months import Month
from shared.requests import parse_request
from tests.ledger_facts import JANUARY, MONTH_LATER, SAME_MONTH, case, policy, slips_of

LAW = Law.load()
FLUCTUATING = [70_000, 25_000, 90_000, 10_000, 65_000, 30_000]  # example 4.1
TOPUP = policy()
REPLACE = policy(draw_amount="REPLACE")
REVOLVE = policy(replenish="REVOLVE_FROM_SURPLUS")


def only(found: list[Compared]) -> Compared:
    (one,) = found
    return one


@pytest.mark.parametrize(
    ("chosen", "below_after", "used", "repaid", "dry", "lasted"),
    [
        (TOPUP, 2, 100_000, 0, 1, 3),
        (REPLACE, 2, 100_000, 0, 1, 3),
        (REVOLVE, 0, 163_877, 101_560, 0, 6),
    ],
)
def test_the_worked_example_of_hours_that_differ_under_each_rule(
    chosen: Policy, below_after: int, used: int, repaid: int, dry: int, lasted: int
) -> None:
    person = case(slips_of(JANUARY, FLUCTUATING), rules=MONTH_LATER, norm_month=JANUARY)

    found = only(compare([person], [chosen], LAW))

    assert (found.people, found.months, found.months_below_floor_before) == (1, 6, 3)
    assert found.months_below_floor_after == below_after
    assert (found.used_cents, found.repaid_cents, found.people_run_dry) == (used, repaid, dry)
    assert (found.lasted, found.lasted_median) == ((lasted,), lasted)


def test_policies_come_in_their_order_and_people_add_up() -> None:
    person = case(slips_of(JANUARY, FLUCTUATING), rules=MONTH_LATER, norm_month=JANUARY)

    topped, revolved = compare([person, person], [TOPUP, REVOLVE], LAW)

    assert (topped.months, topped.used_cents, topped.lasted) == (12, 200_000, (3, 3))
    assert (revolved.months_below_floor_after, revolved.used_per_month_kept_cents) == (0, 20_772)


def test_every_policy_is_measured_by_the_same_floor_whatever_it_fills_up_to() -> None:
    person = case(slips_of(JANUARY, [60_000]), months=1, rules=SAME_MONTH)
    higher = policy(floor=Floor("PCT", Decimal("1.10")))

    found = only(compare([person], [higher], LAW))

    assert (found.months_below_floor_before, found.months_below_floor_after) == (1, 0)
    assert found.used_cents == 22_582


def test_how_long_a_thousand_euros_last_does_not_depend_on_the_cap_of_the_policy() -> None:
    person = case(slips_of(JANUARY, [60_000] * 4), months=4, rules=SAME_MONTH)

    found = only(compare([person], [policy(draw_amount="REPLACE", cap_cents=Cents(500_000))], LAW))

    assert (found.lasted, found.people_run_dry) == ((1,), 0)


def test_days_without_money_run_to_the_first_wage_or_benefit_of_a_month() -> None:
    """Example 4.4: the benefit of January lands on 11 February; the wage comes on the last day."""
    late = {JANUARY: date(2026, 2, 11), Month(2026, 2): date(2026, 3, 11)}
    person = case(slips_of(JANUARY, [60_000, 60_000]), months=2, rules=SAME_MONTH, benefit_paid_on=late)

    assert only(compare([person], [TOPUP], LAW)).days_without_money == 30 + 10
    in_time = case(slips_of(JANUARY, [60_000, 60_000]), months=2, rules=SAME_MONTH)
    assert only(compare([in_time], [TOPUP], LAW)).days_without_money == 0


# ---- presets


def test_every_preset_is_a_policy_that_can_be_simulated() -> None:
    assert set(presets()) == {
        "BESTAANSBALANS",
        "BUFFERBUDGET_34B",
        "ROTTERDAM_INCOME_GUARANTEE",
        "BOUWDEPOT",
    }
    for preset in presets().values():
        assert parse_request(SimulatedPolicyRequest, preset.policy).rules().cap_cents > 0


@pytest.mark.parametrize("name", sorted(presets()))
def test_a_live_scheme_takes_a_preset_once_it_has_what_the_preset_needs(name: str) -> None:
    preset = presets()[name]
    base = {"reference": "B&W 2026/14", "date": "2026-01-06"}
    whole = {**preset.policy, **dict.fromkeys(preset.needs, base)}

    assert parse_request(LivePolicyRequest, whole).rules().draw_amount == preset.policy["drawAmount"]
    for needed in preset.needs:
        with pytest.raises(Invalid) as refused:
            parse_request(LivePolicyRequest, {**whole, needed: None})
        assert [fault.pointer for fault in refused.value.faults] == [f"/{needed}"]
