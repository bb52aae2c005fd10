"""Which slip belongs to which month, and which version of it counts."""

from datetime import date

import pytest

from buffer_ledger.attribution import (
    MunicipalityRules,
    Part,
    SlipFact,
    base_months,
    current,
    received_by_month,
    rules_in_force,
)
from buffer_ledger.earnings import affected_from, earned_by_month, touched_rows
from shared.money import Cents
from shared.months import Month
from tests.ledger_facts import JANUARY, MONTH_LATER, SAME_MONTH, month, slip

FEBRUARY = month("2026-02")


def test_the_highest_version_counts_whatever_came_last() -> None:
    first, second = slip("2026-01", 50_000, version=1), slip("2026-01", 60_000, version=2)

    assert current([second, first]) == (second,)
    assert current([first, second, first]) == (second,)


def test_a_wage_is_earned_in_its_period_and_received_on_its_pay_day() -> None:
    slips = current([slip("2026-01", 50_000, paid=date(2026, 2, 3))])

    assert earned_by_month(slips)[JANUARY].wage_cents == 50_000
    assert received_by_month(slips)[FEBRUARY].wage_cents == 50_000
    assert JANUARY not in received_by_month(slips)


def test_without_a_pay_day_a_wage_is_received_in_the_month_its_period_ends_in() -> None:
    assert received_by_month([slip("2026-01", 50_000)])[JANUARY].wage_cents == 50_000


def test_two_employers_and_two_slips_of_one_employer_add_up() -> None:
    slips = current(
        [
            slip("2026-01", 50_000),
            slip("2026-01", 7_000, number=2),
            slip("2026-01", 20_000, employer="cleaning"),
        ]
    )

    assert earned_by_month(slips)[JANUARY].wage_cents == 77_000
    assert earned_by_month(slips)[JANUARY].employers == {"care", "cleaning"}
    assert len(earned_by_month(slips)[JANUARY].evidence) == 3


def test_holiday_pay_is_cash_and_not_earned_again_and_an_allowance_is_neither() -> None:
    slips = [slip("2026-05", 80_000, holiday_pay=76_800, allowance=5_000)]

    assert earned_by_month(slips)[month("2026-05")].wage_cents == 80_000
    received = received_by_month(slips)[month("2026-05")]
    assert (received.wage_cents, received.other_cash_cents) == (80_000, 76_800)


def test_a_negative_slip_lowers_what_was_earned_and_takes_nothing_from_what_another_employer_paid() -> None:
    slips = [slip("2026-01", 50_000), slip("2026-01", -20_000, employer="cleaning")]

    assert earned_by_month(slips)[JANUARY].wage_cents == 30_000
    assert received_by_month(slips)[JANUARY].wage_cents == 50_000


def test_a_correction_slip_of_the_same_employer_lowers_what_he_paid() -> None:
    slips = [slip("2026-01", 50_000), slip("2026-01", -20_000, number=2)]

    assert received_by_month(slips)[JANUARY].wage_cents == 30_000


@pytest.mark.parametrize(
    ("told", "not_applied"),
    [
        ((False, False), True),
        ((False, None), False),
        ((False, True), False),
        ((None, None), False),
    ],
)
def test_the_flat_claim_needs_every_slip_to_say_that_no_credit_was_applied(
    told: tuple[bool | None, bool | None], not_applied: bool
) -> None:
    slips = [
        slip("2026-01", 1_000, tax_credit_applied=told[0]),
        slip("2026-01", 1_000, employer="cleaning", tax_credit_applied=told[1]),
    ]

    assert earned_by_month(slips)[JANUARY].credit_not_applied is not_applied


def test_rules_hold_from_their_month_on_in_any_order() -> None:
    first, later = MunicipalityRules(None, "M1"), MunicipalityRules(FEBRUARY, "M0")

    for rules in ((first, later), (later, first)):
        assert rules_in_force(rules, JANUARY) is first
        assert rules_in_force(rules, FEBRUARY) is later
        assert rules_in_force(rules, Month(2027, 1)) is later


def test_a_month_before_every_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="no rules for 2026-01"):
        rules_in_force([MunicipalityRules(FEBRUARY, "M0")], JANUARY)


def test_a_slip_touches_the_months_it_was_earned_received_and_offset_in() -> None:
    late = slip("2026-01", 50_000, paid=date(2026, 4, 1))

    assert touched_rows(late, SAME_MONTH) == (JANUARY, month("2026-04"))
    assert touched_rows(late, MONTH_LATER) == (JANUARY, FEBRUARY, month("2026-04"))
    assert affected_from(late, MONTH_LATER) == JANUARY


M0_TO_M1 = (MunicipalityRules(None, "M0"), MunicipalityRules(month("2026-03"), "M1"))
M1_TO_M0 = (MunicipalityRules(None, "M1"), MunicipalityRules(month("2026-03"), "M0"))


def test_the_method_of_the_wage_month_decides_where_a_wage_counts() -> None:
    march, april = month("2026-03"), month("2026-04")

    assert [base_months(M0_TO_M1, each) for each in (FEBRUARY, march, april)] == [(FEBRUARY,), (), (march,)]
    assert [base_months(M1_TO_M0, each) for each in (FEBRUARY, march, april)] == [
        (JANUARY,),
        (FEBRUARY, march),
        (april,),
    ]


def test_a_slip_touches_the_month_its_wage_counts_in_by_the_method_of_its_own_month() -> None:
    february = slip("2026-02", 50_000)

    assert touched_rows(february, M0_TO_M1) == (FEBRUARY,)
    assert touched_rows(february, M1_TO_M0) == (FEBRUARY, month("2026-03"))


def test_a_wage_paid_before_its_month_begins_touches_the_month_of_payment_first() -> None:
    early = slip("2026-02", 50_000, paid=date(2026, 1, 30))

    assert affected_from(early, SAME_MONTH) == JANUARY


def test_a_correction_that_moves_the_pay_day_touches_the_month_it_was_paid_in_before() -> None:
    before = slip("2026-02", 50_000, paid=date(2026, 1, 30))
    after = slip("2026-02", 50_000, version=2)

    assert affected_from(after, SAME_MONTH) == FEBRUARY
    assert affected_from(after, SAME_MONTH, before) == JANUARY


def test_money_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="GIFT"):
        Part("GIFT", Cents(1))


def test_a_period_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="before it begins"):
        SlipFact("id", "key", "care", 1, date(2026, 2, 22), date(2026, 1, 26), None, ())


@pytest.mark.parametrize(
    "values",
    [
        {"offset_method": "M2"},
        {"offset_method": "M0", "four_week_method": "X12_12"},
        {"offset_method": "M0", "holiday_claim": "NEVER"},
        {"offset_method": "M0", "year_end_pay": "NEVER"},
        {"offset_method": "M0", "late_slip": "GUESS"},
    ],
)
def test_a_word_that_no_rule_has_cannot_be_computed_as_another(values: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="not built"):
        MunicipalityRules(None, **values)  # type: ignore[arg-type]
