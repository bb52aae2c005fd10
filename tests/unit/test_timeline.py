"""A person's months: what is held, what is frozen, and what each row must add up to."""

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from buffer_ledger.timeline import Exemption, Household, MonthRow, MunicipalityRules, run
from shared.law import Law
from shared.money import Cents
from shared.months import Month
from tests.ledger_facts import JANUARY, MONTH_LATER, SAME_MONTH, case, month, policy, slip, slips_of

LAW = Law.load()
FLOOR = 133_143
FEBRUARY, MARCH, APRIL = month("2026-02"), month("2026-03"), month("2026-04")
FLUCTUATING = (70_000, 25_000, 90_000, 10_000, 65_000, 30_000)


def draws(rows: tuple[MonthRow, ...]) -> list[int]:
    return [row.draw_cents for row in rows]


# ---- facts and time ---------------------------------------------------------------------------------------


def test_months_run_from_the_first_to_the_earlier_of_the_two_ends() -> None:
    twelve = run(case(months=12), LAW)
    ended = run(case(months=12, last_month=MARCH), LAW)

    assert [row.month for row in twelve] == list(Month.span(JANUARY, Month(2026, 12)))
    assert [row.month for row in ended] == [JANUARY, FEBRUARY, MARCH]
    assert run(case(months=0), LAW) == ()


def test_a_wage_before_the_first_month_counts_only_if_its_slip_is_known() -> None:
    first = month("2026-02")

    (unknown,) = run(case(first=first, months=1), LAW)
    (known,) = run(case([slip("2026-01", 70_000)], first=first, months=1), LAW)

    assert unknown.counted_cents == 0
    assert known.counted_cents == 75_600
    assert known.wage_cents == 0


def test_the_corrected_slip_replaces_the_first_in_its_own_month_and_the_next() -> None:
    before = run(case(slips_of(JANUARY, FLUCTUATING)), LAW)
    after = run(case([*slips_of(JANUARY, FLUCTUATING), slip("2026-01", 60_000, version=2)]), LAW)

    assert after[0].wage_cents == 60_000
    assert after[1].attributed_wage_cents == 60_000
    assert "care/2026-01/1#2" in after[1].evidence
    assert "care/2026-01/1#1" not in after[1].evidence
    assert [row.counted_cents for row in before[2:]] == [row.counted_cents for row in after[2:]]


def test_july_has_its_own_norm_unless_the_norm_is_pinned() -> None:
    each = run(case(first=month("2026-06"), months=2), LAW)
    pinned = run(case(first=month("2026-06"), months=2, norm_month=JANUARY), LAW)

    assert [row.floor_cents for row in each] == [FLOOR, 134_849]
    assert [row.floor_cents for row in pinned] == [FLOOR, FLOOR]


def test_a_household_that_grows_has_another_norm_from_its_month_on() -> None:
    rows = run(case(months=3, households=(Household("SINGLE", JANUARY), Household("COUPLE", MARCH))), LAW)

    assert [row.floor_cents for row in rows] == [FLOOR, FLOOR, 190_202]


def test_a_municipality_that_changes_its_method_changes_it_from_a_month_on() -> None:
    rules = (MunicipalityRules(None, "M0"), MunicipalityRules(MARCH, "M1"))
    rows = run(case(slips_of(JANUARY, (10_000, 20_000, 30_000, 40_000)), months=4, rules=rules), LAW)

    assert [row.offset_method for row in rows] == ["M0", "M0", "M1", "M1"]
    assert [row.attributed_wage_cents for row in rows] == [10_000, 20_000, 0, 30_000]
    assert [row.base_months for row in rows] == [(JANUARY,), (FEBRUARY,), (), (MARCH,)]


def test_the_first_month_under_m1_after_m0_is_paid_in_full() -> None:
    rules = (MunicipalityRules(None, "M0"), MunicipalityRules(MARCH, "M1"))
    march = run(case(slips_of(JANUARY, (80_000, 80_000, 80_000)), months=3, rules=rules), LAW)[2]

    assert (march.counted_cents, march.offset_cents, march.benefit_paid_cents) == (0, 0, FLOOR)
    assert march.wage_cents == 80_000


def test_the_first_month_under_m0_after_m1_counts_both_wages_each_by_its_own_table() -> None:
    rules = (MunicipalityRules(None, "M1"), MunicipalityRules(MARCH, "M0"))
    wages = (10_000, 100_000, 40_000, 50_000)
    exemption = Exemption(Decimal("0.25"), Cents(10_000))
    rows = run(case(slips_of(JANUARY, wages), months=4, rules=rules, exemption=exemption), LAW)
    alone = [
        run(case([slip(str(JANUARY.plus(n)), wage)], months=4, rules=SAME_MONTH, exemption=exemption), LAW)[n]
        for n, wage in enumerate(wages)
    ]

    assert [row.attributed_wage_cents for row in rows] == [0, 10_000, 140_000, 50_000]
    assert rows[2].base_months == (FEBRUARY, MARCH)
    assert rows[2].exempt_cents == 20_000
    assert rows[2].counted_cents == alone[1].counted_cents + alone[2].counted_cents
    assert {"care/2026-02/1#1", "care/2026-03/1#1"} <= set(rows[2].evidence)
    tables = [line for line in rows[2].receipt if line.parameter.endswith("holiday_claim_table")]
    assert len(tables) == 2


def test_a_month_that_counts_two_wages_waits_for_both_slips() -> None:
    rules = (MunicipalityRules(None, "M1"), MunicipalityRules(MARCH, "M0"))
    known = [slip("2026-01", 50_000), slip("2026-04", 50_000)]
    rows = run(case(known, months=4, rules=rules, expected_employers=frozenset({"care"})), LAW)

    assert [row.missing_slips for row in rows] == [0, 1, 2, 0]


def test_the_first_month_under_m1_waits_for_its_own_slip_alone() -> None:
    rules = (MunicipalityRules(None, "M0"), MunicipalityRules(MARCH, "M1"))
    known = [slip("2026-01", 50_000), slip("2026-03", 50_000)]
    rows = run(case(known, months=3, rules=rules, expected_employers=frozenset({"care"})), LAW)

    assert [row.missing_slips for row in rows] == [0, 1, 0]


# ---- amounts ----------------------------------------------------------------------------------------------


def test_a_steady_wage_stays_just_below_the_floor_and_holiday_pay_fills_its_own_month() -> None:
    slips = list(slips_of(JANUARY, (80_000,) * 6))
    slips[4] = slip("2026-05", 80_000, holiday_pay=76_800)
    rows = run(case(slips, rules=SAME_MONTH), LAW)

    assert draws(rows) == [2_080, 2_080, 2_080, 2_080, 0, 2_080]
    assert rows[4].cash_cents == 207_863
    assert rows[4].other_cash_cents == 76_800
    assert rows[4].counted_cents == rows[3].counted_cents
    assert rows[4].balance_cents == 91_680


def test_without_a_tax_credit_the_flat_claim_is_counted_and_shown_on_the_receipt() -> None:
    told = slip("2026-01", 90_000, tax_credit_applied=False)
    (row,) = run(case([told], months=1, rules=SAME_MONTH), LAW)

    assert row.counted_cents == 97_200
    assert "regeling_participatiewet/holiday_claim_flat" in {line.parameter for line in row.receipt}


def test_an_exemption_follows_the_wage_month() -> None:
    january_only = Exemption(Decimal("0.25"), Cents(28_500), first_month=JANUARY, months=1)
    rows = run(case(slips_of(JANUARY, (40_000, 40_000)), months=3, exemption=january_only), LAW)

    assert [row.exempt_cents for row in rows] == [0, 10_000, 0]
    assert [row.counted_cents for row in rows] == [0, 32_400, 43_200]


def test_a_negative_slip_makes_no_benefit_above_the_norm_and_no_draw() -> None:
    for rules in (SAME_MONTH, MONTH_LATER):
        rows = run(case([slip("2026-01", -50_000)], months=2, rules=rules), LAW)

        assert [row.benefit_paid_cents + row.holiday_reserve_cents for row in rows] == [140_150, 140_150]
        assert [row.counted_cents for row in rows] == [0, 0]
        assert draws(rows) == [0, 0]
        assert [row.wage_cents for row in rows] == [0, 0]


def test_the_receipt_names_each_parameter_once_with_its_value_and_source() -> None:
    row = run(case(slips_of(JANUARY, (90_000,)), months=2), LAW)[1]

    assert [line.parameter for line in row.receipt] == [
        "participatiewet/norm_alleenstaande",
        "participatiewet/holiday_allowance_share",
        "regeling_participatiewet/holiday_claim_table",
    ]
    assert all(line.source and line.unit and line.since <= date(2026, 2, 1) for line in row.receipt)
    assert row.receipt[2].to_json()["value"] == {
        "fromCents": 87_639,
        "rate": "0.0800",
        "constantCents": -2_077,
    }


def test_a_month_without_wage_needs_no_claim_on_its_receipt() -> None:
    (row,) = run(case(months=1), LAW)

    assert len(row.receipt) == 2


# ---- what is held -----------------------------------------------------------------------------------------


def test_without_an_employment_a_month_without_a_slip_has_no_wage_and_settles() -> None:
    rows = run(case(months=2), LAW)

    assert [row.held for row in rows] == [(), ()]


def test_a_missing_slip_holds_its_month_and_under_m1_the_next() -> None:
    slips = [slip("2026-01", 50_000), slip("2026-03", 50_000), slip("2026-04", 50_000)]
    expected = frozenset({"care"})

    same = run(case(slips, months=4, rules=SAME_MONTH, expected_employers=expected), LAW)
    later = run(case(slips, months=4, expected_employers=expected), LAW)

    assert [row.held for row in same] == [(), ("SLIP_MISSING",), (), ()]
    assert [row.held for row in later] == [(), ("SLIP_MISSING",), ("SLIP_MISSING",), ()]
    assert [row.missing_slips for row in later] == [0, 1, 1, 0]


def test_each_employment_owes_a_slip_of_its_own() -> None:
    both = frozenset({"care", "cleaning"})
    rows = run(case([slip("2026-01", 50_000)], months=2, expected_employers=both), LAW)

    assert [row.missing_slips for row in rows] == [1, 3]


def test_a_declaration_that_nothing_was_earned_settles_the_month() -> None:
    rows = run(case([slip("2026-01", 50_000)], months=3, expected_employers=frozenset({"care"})), LAW)
    declared = run(
        case(
            [slip("2026-01", 50_000)],
            months=3,
            expected_employers=frozenset({"care"}),
            zero_months=frozenset({FEBRUARY, MARCH}),
        ),
        LAW,
    )

    assert [bool(row.held) for row in rows] == [False, True, True]
    assert [bool(row.held) for row in declared] == [False, False, False]


def test_the_month_before_the_first_owes_no_slip() -> None:
    rows = run(case([slip("2026-01", 50_000)], months=1, expected_employers=frozenset({"care"})), LAW)

    assert rows[0].held == ()


def test_a_held_month_shows_its_draw_and_keeps_it_free_for_itself() -> None:
    slips = [slip("2026-01", 70_000), slip("2026-03", 90_000)]
    rows = run(case(slips, months=4, expected_employers=frozenset({"care"})), LAW)

    assert rows[1].held == ("SLIP_MISSING",)
    assert rows[1].draw_cents == 71_820
    assert rows[1].balance_cents == 28_180
    assert rows[3].draw_cents == 28_180


def test_a_parked_fact_or_an_unregistered_person_holds_every_unpaid_month() -> None:
    parked = run(case(months=2, parked=True), LAW)
    unknown = run(case(months=2, registered=False), LAW)

    assert [row.held for row in parked] == [("PARKED",)] * 2
    assert [row.held for row in unknown] == [("NOT_REGISTERED",)] * 2


def test_a_month_without_a_norm_is_held_with_the_name_of_the_norm_and_draws_nothing() -> None:
    rows = run(case(slips_of(Month(2026, 11), (70_000, 0, 0)), first=Month(2026, 11), months=3), LAW)

    assert [row.held for row in rows] == [(), (), ("PARAMETER_MISSING",)]
    assert "norm_alleenstaande has no value for 2027-01-01" in rows[2].missing_parameters[0]
    assert (rows[2].benefit_paid_cents, rows[2].floor_cents, rows[2].draw_cents) == (0, 0, 0)
    assert rows[2].balance_cents == rows[1].balance_cents


def test_a_wage_of_a_year_without_a_claim_table_holds_the_month_and_no_wage_does_not() -> None:
    december = slip("2025-12", 50_000)

    (held,) = run(case([december], months=1), LAW)
    (settled,) = run(case([slip("2025-12", 0)], months=1), LAW)

    assert held.held == ("PARAMETER_MISSING",)
    assert "holiday_claim_table" in held.missing_parameters[0]
    assert (held.draw_cents, held.shortfall_cents) == (0, 0)
    assert settled.held == ()


# ---- what is paid -----------------------------------------------------------------------------------------


def test_a_paid_month_comes_out_as_it_went_in_but_for_the_running_balance() -> None:
    first = run(case(slips_of(JANUARY, FLUCTUATING)), LAW)
    paid = {FEBRUARY: first[1]}
    corrected = [*slips_of(JANUARY, FLUCTUATING), slip("2026-01", 20_000, version=2)]

    rows = run(case(corrected, paid=paid), LAW)

    assert rows[1] == first[1]
    assert rows[0].wage_cents == 20_000
    assert rows[3].draw_cents == 100_000 - first[1].draw_cents
    assert rows[3].balance_cents == 0


def test_a_paid_month_tells_the_balance_that_is_left_after_an_earlier_month_was_rebooked() -> None:
    first = run(case(slips_of(JANUARY, FLUCTUATING)), LAW)
    paid = {APRIL: first[3]}
    better = [*slips_of(JANUARY, FLUCTUATING), slip("2026-02", 60_000, version=2)]

    rows = run(case(better, paid=paid), LAW)

    assert draws(rows)[1] < draws(first)[1]
    assert rows[3].balance_cents == 100_000 - draws(rows)[1] - first[3].draw_cents > first[3].balance_cents
    assert replace(rows[3], balance_cents=first[3].balance_cents) == first[3]


def test_the_draw_of_a_later_paid_month_is_kept_out_of_reach_of_an_earlier_one() -> None:
    first = run(case(slips_of(JANUARY, FLUCTUATING)), LAW)
    paid = {APRIL: first[3]}
    worse = [*slips_of(JANUARY, FLUCTUATING), slip("2026-01", 110_000, version=2)]

    rows = run(case(worse, paid=paid), LAW)

    assert rows[1].rule_cents > 46_820
    assert rows[1].draw_cents == 100_000 - first[3].draw_cents
    assert sum(draws(rows)) == 100_000


def test_a_paid_month_is_not_held_by_what_is_parked_later() -> None:
    first = run(case(slips_of(JANUARY, FLUCTUATING)), LAW)

    rows = run(case(slips_of(JANUARY, FLUCTUATING), paid={FEBRUARY: first[1]}, parked=True), LAW)

    assert rows[1].held == ()
    assert rows[2].held == ("PARKED",)


# ---- the buffer -------------------------------------------------------------------------------------------


def test_a_revolving_buffer_takes_money_back_in_a_simulation_and_waits_for_it_otherwise() -> None:
    revolving = policy(replenish="REVOLVE_FROM_SURPLUS")
    slips = slips_of(JANUARY, FLUCTUATING)

    simulated = run(case(slips, policy=revolving, simulate=True), LAW)
    real = run(case(slips, policy=revolving), LAW)

    assert [row.repayment_cents for row in simulated] == [0, 0, 46_820, 0, 54_740, 0]
    assert [row.repayment_cents for row in real] == [0] * 6
    assert sum(draws(simulated)) > 100_000


def test_a_small_shortfall_is_not_paid_and_not_carried_over() -> None:
    rows = run(
        case(slips_of(JANUARY, (10_000,) * 3), months=3, rules=SAME_MONTH, policy=policy(min_draw_cents=500)),
        LAW,
    )

    assert [row.shortfall_cents for row in rows] == [260] * 3
    assert draws(rows) == [0] * 3
    assert [row.limit for row in rows] == ["MINIMUM_DRAW"] * 3


def test_a_month_draws_no_more_than_its_maximum() -> None:
    capped = policy(max_draw_per_month_cents=Cents(30_000))
    rows = run(case(slips_of(JANUARY, FLUCTUATING), policy=capped), LAW)

    assert draws(rows) == [0, 30_000, 0, 30_000, 0, 30_000]
    assert rows[1].limit == "MONTH_MAXIMUM"
    assert rows[1].cash_after_cents < rows[1].floor_cents


# ---- rows as text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rules", [SAME_MONTH, MONTH_LATER])
def test_a_row_reads_back_from_its_text_as_it_was(rules: tuple[MunicipalityRules, ...]) -> None:
    rows = run(
        case(
            slips_of(Month(2026, 10), FLUCTUATING), first=Month(2026, 10), months=5, rules=rules, parked=True
        ),
        LAW,
    )

    assert any(row.missing_parameters for row in rows)
    for row in rows:
        assert MonthRow.from_json(row.to_json()) == row
        assert MonthRow.from_json(row.to_json()).to_json() == row.to_json()


def test_a_changed_row_is_not_equal_to_what_it_was() -> None:
    (row,) = run(case(months=1), LAW)

    assert replace(row, draw_cents=Cents(1)) != row


@pytest.mark.parametrize(("rules", "base"), [(SAME_MONTH, FEBRUARY), (MONTH_LATER, JANUARY)])
def test_a_row_from_before_base_months_were_named_reads_with_that_of_its_method(
    rules: tuple[MunicipalityRules, ...], base: Month
) -> None:
    row = run(case(slips_of(JANUARY, FLUCTUATING), rules=rules), LAW)[1]
    members = json.loads(row.to_json())
    del members["base_months"]

    assert row.base_months == (base,)
    assert MonthRow.from_json(json.dumps(members)) == row
