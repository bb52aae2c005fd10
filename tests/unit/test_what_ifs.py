"""What more hours do to a month and a year: wage, benefit, buffer, toeslagen, local schemes."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as some

from notifier.benefit_month import ExemptWage, benefit_month
from notifier.income_projection import TaxCreditAt
from notifier.local_schemes import LocalScheme, local_schemes
from notifier.toeslag_household import Care, ToeslagHousehold
from notifier.what_ifs import Circumstances, OffsetMethod, WhatIf, Work, monthly_wage, what_if
from shared.law import Law, ParameterMissing
from shared.months import Month
from tests.toeslag_facts import LAW, household

JANUARY = Month(2026, 1)
WORKED: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parent.parent / "contract" / "buffer_cases.yaml").read_text(encoding="utf-8")
)
ALONE = Circumstances(2026, "SINGLE")
RENTER = household(rent=65_000)


def year(
    before: int,
    after: int,
    *,
    first: int = 7,
    circumstances: Circumstances = ALONE,
    people: ToeslagHousehold = RENTER,
    people_after: ToeslagHousehold | None = None,
    credit: TaxCreditAt = "MUNICIPALITY",
) -> WhatIf:
    """A wage of `before` all year, against one of `after` from a month on."""
    wages = (*(before,) * (first - 1), *(after,) * (13 - first))
    places = (credit,) * 12
    old, new = Work((before,) * 12, places, people), Work(wages, places, people_after or people)
    return what_if(LAW, circumstances, old, new, first)


# ---- the benefit of a month -------------------------------------------------------------------------------


@pytest.mark.parametrize("row", WORKED["single months"]["rows"], ids=lambda row: f"{row[0]} share {row[1]}")
def test_the_benefit_of_a_worked_month_comes_out_to_the_cent(row: list[Any]) -> None:
    wage, share, cap, counted, granted, paid, reserved = row
    found = benefit_month(
        LAW, "SINGLE", JANUARY, [wage], ExemptWage(Fraction(share), cap), credit_at_employer=True
    )
    assert (found.counted_cents, found.granted_cents) == (counted, granted)
    assert (found.paid_cents, found.reserved_cents) == (paid, reserved)


def test_with_the_credit_at_the_municipality_the_claim_is_flat() -> None:
    def counted(credit_at_employer: bool) -> int:
        found = benefit_month(LAW, "SINGLE", JANUARY, [90_000], None, credit_at_employer=credit_at_employer)
        return found.counted_cents

    assert counted(False) == 97_200
    assert counted(True) == 95_123


def test_each_of_a_couple_has_a_claim_of_their_own() -> None:
    found = benefit_month(LAW, "COUPLE", JANUARY, [90_000, 90_000], None, credit_at_employer=True)
    assert found.counted_cents == 180_000 + 10_246
    assert found.norm_cents == 200_213


def test_a_wage_in_a_year_without_a_claim_table_is_refused_and_none_needs_no_table() -> None:
    december = Month(2025, 12)
    assert benefit_month(LAW, "SINGLE", december, [0], None, credit_at_employer=True).paid_cents == 130_061
    with pytest.raises(ParameterMissing, match="holiday_claim_table"):
        benefit_month(LAW, "SINGLE", december, [100], None, credit_at_employer=True)


def test_an_exempt_wage_has_its_months_and_its_cap() -> None:
    exempt = ExemptWage(Fraction(1, 4), 28_500, 2, 7)
    assert [exempt.of(200_000, month) for month in (1, 2, 7, 8)] == [0, 28_500, 28_500, 0]
    assert exempt.of(10_002, 3) == 2_501


# ---- the year ---------------------------------------------------------------------------------------------


def test_while_benefit_is_left_more_hours_do_not_move_the_income_of_the_year() -> None:
    found = year(40_000, 90_000)
    moved = found.after.toetsingsinkomen_cents - found.before.toetsingsinkomen_cents
    assert abs(moved) <= 100
    assert found.after.toeslagen == found.before.toeslagen
    assert found.after.settled_later_cents == found.before.settled_later_cents


def test_leaving_bijstand_in_july_costs_toeslag_of_the_months_before() -> None:
    found = year(0, 250_000)
    # Six months of bijstand, six wages and 8 percent holiday pay within the year.
    assert abs(found.after.toetsingsinkomen_cents - 2_686_000) < 1_000
    before, after = found.before.months, found.after.months
    assert before[5].toeslagen_cents == after[5].toeslagen_cents
    assert after[6].toeslagen_cents["huurtoeslag"] < after[5].toeslagen_cents["huurtoeslag"]
    assert after[6].benefit_paid_cents == 0
    assert found.after.settled_later_cents < -40_000
    assert found.net_year_difference_cents > 0


def test_a_month_without_work_is_the_paid_part_of_the_norm_and_toeslagen() -> None:
    month = year(0, 0).before.months[0]
    assert (month.net_wage_cents, month.benefit_paid_cents, month.reserved_cents) == (0, 133_143, 7_007)
    assert month.net_cents == 133_143 + 12_900 + 39_400
    july = year(0, 0).before.months[6]
    assert july.benefit_paid_cents + july.reserved_cents == 141_946


def test_without_benefit_the_credit_is_at_the_employer_wherever_it_was() -> None:
    by_municipality, by_employer = year(250_000, 250_000), year(250_000, 250_000, credit="EMPLOYER")
    assert by_municipality.after.months == by_employer.after.months
    nowhere = year(250_000, 250_000, credit="NONE").after.months[0]
    assert nowhere.net_wage_cents < by_employer.after.months[0].net_wage_cents


def test_the_credit_at_the_employer_raises_the_income_of_the_year() -> None:
    low, high = (year(40_000, 40_000, credit=place).before for place in ("MUNICIPALITY", "EMPLOYER"))
    # 3,115 of credit made gross, less what the wage and its holiday claim of 432 a month are taxed by.
    expected = round((311_500 - 12 * 43_200 * 0.3575) / 0.6425)
    assert abs(high.toetsingsinkomen_cents - low.toetsingsinkomen_cents - expected) < 100


def test_a_month_later_the_wage_bites_and_the_buffer_fills_the_hole() -> None:
    later = replace(ALONE, offset_method="M1", buffer_cents=50_000)
    found = year(100_000, 0, circumstances=later)
    july, august = found.after.months[6:8]
    assert july.net_wage_cents == 0
    assert 0 < july.buffer_cents <= 50_000
    assert august.buffer_cents == 0
    assert august.benefit_paid_cents == 134_849
    without = year(100_000, 0, circumstances=replace(ALONE, offset_method="M1"))
    assert [month.buffer_cents for month in without.after.months] == [0] * 12
    same = year(100_000, 0, circumstances=replace(ALONE, buffer_cents=50_000))
    # In the same month nothing is missing but the holiday claim, which is counted before it is paid.
    assert [month.buffer_cents for month in same.after.months] == [1_671] * 6 + [0] * 6


def test_a_buffer_gives_no_more_than_it_holds() -> None:
    little = replace(ALONE, offset_method="M1", buffer_cents=1_000)
    assert sum(month.buffer_cents for month in year(100_000, 0, circumstances=little).after.months) == 1_000


def test_exempt_wage_leaves_more_and_raises_the_income_of_the_year() -> None:
    exempt = replace(ALONE, exempt=ExemptWage(Fraction(1, 4), 28_500, 1, 6))
    spared, plain = year(60_000, 60_000, circumstances=exempt), year(60_000, 60_000)
    assert spared.before.months[0].exempt_cents == 9_638
    assert spared.before.months[6].exempt_cents == 0
    # Exempt wage builds up no holiday claim either: 1.08 of it stays, made gross.
    more = spared.before.toetsingsinkomen_cents - plain.before.toetsingsinkomen_cents
    assert abs(more - 6 * 9_638 * 108 / 64.25) < 30


def test_of_a_person_without_benefit_only_wage_and_toeslagen_count() -> None:
    found = year(150_000, 200_000, circumstances=replace(ALONE, on_benefit=False))
    assert {month.benefit_paid_cents for month in found.after.months} == {0}
    assert found.before.toetsingsinkomen_cents == 12 * 162_000


def test_childcare_for_more_hours_is_in_the_month() -> None:
    few, many = Care("DAYCARE", 4_000, 1_000), Care("DAYCARE", 9_000, 1_000, 7)
    people = household(3, rent=70_000, care=(few,))
    more = replace(people, care=(replace(few, to_month=6), many))
    parent = Circumstances(2026, "SINGLE_PARENT")
    found = year(60_000, 90_000, circumstances=parent, people=people, people_after=more)
    july = found.after.months[6]
    assert july.childcare_costs_cents == 90_000
    assert july.toeslagen_cents["kinderopvangtoeslag"] == 86_400
    assert found.after.months[5].childcare_costs_cents == 40_000
    assert found.after.months[5].toeslagen_cents["kinderopvangtoeslag"] == 38_400


# ---- local schemes ----------------------------------------------------------------------------------------


def test_schemes_of_a_municipality_are_data() -> None:
    limits = {scheme.name: scheme.share for scheme in local_schemes(LAW, "0637", 2026)}
    assert sorted(limits.values()) == [Fraction(1), Fraction(11, 10), Fraction(6, 5), Fraction(13, 10)]
    (childcare,) = local_schemes(LAW, "0518", 2026)
    assert (childcare.kind, childcare.share) == ("CHILDCARE_SHARE", Fraction(1, 25))
    assert local_schemes(LAW, "0344", 2026) == ()
    assert local_schemes(LAW, "0518", 2022) == ()
    assert childcare.receipt is not None
    assert childcare.receipt.parameter == "gemeente/0518/childcare_own_share"


SCHEME = """
description: A scheme for a test.
unit: {unit}
law: Participatiewet
article: "35"
url: https://wetten.overheid.nl/BWBR0015703
certainty: practice
values:
  - from: 2025-01-01
    until: 2026-12-31
    value: {value}
"""


def test_what_a_scheme_is_worth_stands_beside_its_limit(tmp_path: Path) -> None:
    folder = tmp_path / "gemeente" / "0999"
    folder.mkdir(parents=True)
    limit = SCHEME.format(unit="share", value='"1.10"')
    (folder / "income_limit_meedoen.yaml").write_text(limit, encoding="utf-8")
    worth = SCHEME.format(unit="cents-per-year", value=12_000)
    (folder / "amount_meedoen.yaml").write_text(worth, encoding="utf-8")
    law = Law.load(tmp_path)
    (scheme,) = local_schemes(law, "0999", 2026)
    assert (scheme.name, scheme.share, scheme.month_cents(0)) == ("meedoen", Fraction(11, 10), 1_000)
    assert local_schemes(law, "0999", 2027) == ()
    assert local_schemes(law, "0099", 2026) == ()


def test_a_scheme_ends_above_its_limit_and_says_what_that_costs() -> None:
    schemes = tuple(
        LocalScheme(f"up to {limit}", "INCOME_LIMIT", Fraction(limit, 100), 24_000)
        for limit in (100, 130, 200)
    )
    found = year(0, 250_000, circumstances=replace(ALONE, schemes=schemes))
    ended = {
        one.name: (one.months_before, one.months_after, one.year_difference_cents) for one in found.schemes
    }
    assert ended == {"up to 100": (12, 6, -12_000), "up to 130": (12, 6, -12_000)}
    assert found.before.months[11].schemes == ("up to 100", "up to 130", "up to 200")
    assert found.after.months[11].schemes == ("up to 200",)
    assert found.after.months[11].schemes_cents == 2_000


@pytest.mark.parametrize(("limit", "holds"), [(Fraction(1), True), (Fraction(99, 100), False)])
def test_an_income_of_exactly_the_limit_is_within_it(limit: Fraction, holds: bool) -> None:
    scheme = LocalScheme("local", "INCOME_LIMIT", limit)
    assert scheme.holds(140_150, 140_150, 140_150) is holds


def test_a_scheme_begins_when_hours_become_fewer() -> None:
    scheme = LocalScheme("local", "INCOME_LIMIT", Fraction(11, 10), 12_000)
    (change,) = year(250_000, 0, circumstances=replace(ALONE, schemes=(scheme,))).schemes
    assert (change.months_before, change.months_after, change.year_difference_cents) == (0, 6, 6_000)


def test_the_own_share_of_childcare_is_borne_while_there_is_benefit() -> None:
    (scheme,) = local_schemes(LAW, "0518", 2026)
    people = household(3, rent=70_000, care=(Care("DAYCARE", 10_000, 1_000),))
    parent = Circumstances(2026, "SINGLE_PARENT", schemes=(scheme,))
    found = year(60_000, 260_000, circumstances=parent, people=people)
    assert found.before.months[0].schemes_cents == 4_000
    (change,) = found.schemes
    assert (change.months_before, change.months_after, change.year_difference_cents) == (12, 6, -24_000)


# ---- hours ------------------------------------------------------------------------------------------------


def test_hours_a_week_become_a_month() -> None:
    assert monthly_wage(1_600, 1_471) == 101_989
    assert monthly_wage(3_600, 1_499) == 233_844


# ---- what always holds ------------------------------------------------------------------------------------

WAGES = some.integers(0, 400_000)


@given(
    WAGES,
    WAGES,
    some.integers(1, 12),
    some.sampled_from(["M0", "M1"]),
    some.sampled_from(["MUNICIPALITY", "EMPLOYER", "BOTH", "NONE"]),
    some.integers(0, 100_000),
)
@settings(max_examples=40, deadline=None)
def test_a_year_is_its_months_and_nothing_before_the_change_differs(
    before: int, after: int, first: int, method: OffsetMethod, credit: TaxCreditAt, buffer: int
) -> None:
    circumstances = replace(ALONE, offset_method=method, buffer_cents=buffer)
    found = year(before, after, first=first, circumstances=circumstances, credit=credit)
    assert found.before.months[: first - 1] == found.after.months[: first - 1]
    for plan in (found.before, found.after):
        paid = sum(sum(month.toeslagen_cents.values()) for month in plan.months)
        assert paid + plan.settled_later_cents == plan.toeslagen.total_awarded_cents
        assert plan.net_year_cents == plan.settled_later_cents + sum(
            month.net_cents + month.reserved_cents for month in plan.months
        )
        assert sum(month.buffer_cents for month in plan.months) <= buffer
        for month in plan.months:
            assert month.net_wage_cents <= month.gross_wage_cents
            assert month.benefit_paid_cents >= 0
            assert month.buffer_cents >= 0
