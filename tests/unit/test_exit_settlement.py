"""What an exit leaves to settle: example 4.5 of the domain to the cent, and its edges."""

from dataclasses import replace
from datetime import date

import pytest

from buffer_ledger.exit_settlement import (
    exit_settlement,
    risks_gross_up,
    settles_from,
    waits_until,
)
from buffer_ledger.timeline import BenefitPeriod, OffsetStatement
from shared.law import Law
from shared.money import Cents
from shared.months import Month
from tests.ledger_facts import JANUARY, MONTH_LATER, SAME_MONTH, case, slips_of

LAW = Law.load()
MARCH_31 = date(2026, 3, 31)
RIGHT = (BenefitPeriod(date(2026, 1, 1), MARCH_31),)


def test_a_last_wage_that_was_never_offset_is_the_claim_and_the_allowance_stands_against_it() -> None:
    exit_ = exit_settlement(
        case(slips_of(JANUARY, [60_000] * 3), rules=MONTH_LATER, right=RIGHT), LAW, MARCH_31
    )

    assert (exit_.paid_cents, exit_.entitled_cents) == (276_309, 214_749)
    assert (exit_.claim_cents, exit_.holiday_allowance_cents, exit_.net_claim_cents) == (
        61_560,
        11_301,
        50_259,
    )
    assert (exit_.offered_cents(set_off=True), exit_.offered_cents(set_off=False)) == (50_259, 61_560)
    assert exit_.complete
    assert exit_.receipt


def test_a_method_without_a_lag_leaves_no_claim_and_the_allowance_is_due_whole() -> None:
    exit_ = exit_settlement(
        case(slips_of(JANUARY, [60_000] * 3), rules=SAME_MONTH, right=RIGHT), LAW, MARCH_31
    )

    assert (exit_.claim_cents, exit_.holiday_allowance_cents, exit_.net_claim_cents) == (0, 11_301, 0)


def test_the_allowance_follows_the_wage_of_each_month_and_never_the_rows_of_the_method() -> None:
    """Reading 24: with 0, 0 and 600 the month-later rows would hold 3 x 70.07, the months' own 177.81."""
    exit_ = exit_settlement(
        case(slips_of(JANUARY, [0, 0, 60_000]), rules=MONTH_LATER, right=RIGHT), LAW, MARCH_31
    )

    assert exit_.holiday_allowance_cents == 7_007 + 7_007 + 3_767
    assert exit_.claim_cents == 133_143 - 71_583


def test_an_allowance_larger_than_the_claim_leaves_no_net_claim() -> None:
    exit_ = exit_settlement(
        case(slips_of(JANUARY, [0, 0, 5_000]), rules=MONTH_LATER, right=RIGHT), LAW, MARCH_31
    )

    assert 0 < exit_.claim_cents < exit_.holiday_allowance_cents
    assert exit_.net_claim_cents == 0


def test_what_the_municipality_really_paid_goes_before_what_is_computed() -> None:
    known = case(slips_of(JANUARY, [60_000] * 3), rules=MONTH_LATER, right=RIGHT)
    paid = {Month(2026, 3): OffsetStatement(Cents(70_000), Cents(66_643))}

    exit_ = exit_settlement(replace(known, statements=paid), LAW, MARCH_31)

    assert exit_.claim_cents == 61_560 - (71_583 - 66_643)


def test_an_allowance_that_was_paid_out_is_not_due_again() -> None:
    known = case(slips_of(JANUARY, [60_000] * 3), rules=SAME_MONTH, right=RIGHT)
    paid = {Month(2026, 3): OffsetStatement(Cents(64_800), Cents(71_583), Cents(7_534))}

    exit_ = exit_settlement(replace(known, statements=paid), LAW, MARCH_31)

    assert exit_.holiday_allowance_cents == 11_301 - 7_534


def test_a_missing_last_slip_is_said() -> None:
    known = case(
        slips_of(JANUARY, [60_000] * 2),
        rules=MONTH_LATER,
        right=RIGHT,
        expected_employers=frozenset({"care"}),
    )

    assert not exit_settlement(known, LAW, MARCH_31).complete


@pytest.mark.parametrize(
    ("ended", "first"), [(date(2026, 4, 1), date(2026, 5, 1)), (date(2026, 2, 1), date(2026, 3, 3))]
)
def test_a_gap_of_thirty_days_is_an_exit_and_a_shorter_one_is_not(ended: date, first: date) -> None:
    assert settles_from(ended) == first


def test_an_exit_waits_ninety_two_days_for_the_last_slip() -> None:
    assert waits_until(date(2026, 4, 1)) == date(2026, 7, 2)


@pytest.mark.parametrize(
    ("today", "risk"),
    [(date(2026, 11, 30), False), (date(2026, 12, 1), True), (date(2027, 1, 5), True)],
)
def test_a_claim_that_is_open_in_december_risks_tax_on_top(today: date, risk: bool) -> None:
    assert risks_gross_up(date(2026, 4, 1), today) is risk
