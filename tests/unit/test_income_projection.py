"""What a year of wages and benefit comes to as toetsingsinkomen, and how sure that is."""

from fractions import Fraction

import pytest

from notifier.income_projection import IncomeMonth, Projection, Sign, TaxCreditAt, project
from notifier.toeslag_household import ToeslagHouseholdKind
from notifier.wage_tax import gross_parts, net_month_cents, net_year_cents, tax_rules
from notifier.year_law import YearUnknown
from tests.toeslag_facts import LAW

TAX = tax_rules(LAW, 2026)
NORM = 140_150


def months(*told: tuple[int, int] | tuple[int, int, int], first: int = 1) -> list[IncomeMonth]:
    """Gross wage, net benefit and exempt net of the months from `first` on."""
    return [IncomeMonth(first + place, *month) for place, month in enumerate(told)]


def projected(
    told: list[IncomeMonth],
    credit: TaxCreditAt = "MUNICIPALITY",
    kind: ToeslagHouseholdKind = "SINGLE",
) -> Projection:
    return project(LAW, 2026, kind, told, credit)


# ---- wage tax ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gross", "net"),
    [
        *((6_000, 6_000), (9_000, 9_000), (12_000, 11_832), (15_000, 14_690), (20_000, 19_453)),
        *((26_000, 25_123), (30_000, 27_754)),
    ],
)
def test_the_net_of_a_yearly_wage_with_both_credits(gross: int, net: int) -> None:
    found = net_year_cents(TAX, gross * 100, credit_applied=True)
    assert abs(found - net * 100) <= 50


def test_without_credits_the_first_band_is_withheld() -> None:
    assert net_month_cents(TAX, 60_000, credit_applied=False) == 38_550
    assert net_month_cents(TAX, 40_000, credit_applied=True) == 40_000


def test_tax_rises_through_the_bands() -> None:
    first = Fraction(3_888_300) * Fraction(3575, 10_000)
    assert TAX.tax(3_888_300) == first
    assert TAX.tax(3_888_400) - first == Fraction(3_756, 100)
    top = TAX.tax(10_000_100) - TAX.tax(10_000_000)
    assert top == Fraction(4_950, 100)


@pytest.mark.parametrize("people", [1, 2])
def test_a_gross_benefit_taxed_again_gives_the_net_back(people: int) -> None:
    share = Fraction(3_575, 10_000)
    for net in (0, 5_000, 72_600, 72_612, 100_000, NORM, 200_213):
        for credited in (True, False):
            parts = gross_parts(TAX, net, people, credit_applied=credited)
            gross = Fraction(parts, TAX.parts_per_cent)
            credit = people * Fraction(311_500, 12) if credited else Fraction(0)
            assert gross - max(Fraction(0), gross * share - credit) == net


# ---- situations -------------------------------------------------------------------------------------------


def test_a_single_person_on_bijstand_comes_to_the_estimate_of_the_ministry() -> None:
    assert abs(projected(months(*[(0, NORM)] * 12)).toetsingsinkomen_cents - 2_132_700) < 200


def test_a_couple_comes_to_twice_the_estimate_for_each() -> None:
    found = projected(months(*[(0, 200_213)] * 12), kind="COUPLE")
    assert abs(found.toetsingsinkomen_cents - 2 * 1_384_800) < 400


@pytest.mark.parametrize("wage", [10_000, 40_000, 60_000, 100_000])
def test_a_wage_that_is_offset_does_not_move_the_year(wage: int) -> None:
    benefit = NORM - net_month_cents(TAX, wage, credit_applied=False)
    found = projected(months(*[(wage, benefit)] * 12))
    alone = projected(months(*[(0, NORM)] * 12))
    assert abs(found.toetsingsinkomen_cents - alone.toetsingsinkomen_cents) <= 12


def test_each_net_euro_that_is_exempt_adds_1_556() -> None:
    plain = projected(months(*[(60_000, 101_600)] * 12))
    spared = projected(months(*[(60_000, 111_600, 10_000)] * 12))
    assert abs(spared.toetsingsinkomen_cents - plain.toetsingsinkomen_cents - 12 * 15_564) <= 12
    assert abs(spared.exempt_effect_cents - 12 * 15_564) <= 12
    assert Sign.EXEMPT_WAGE in spared.signs
    assert Sign.EXEMPT_WAGE not in plain.signs


@pytest.mark.parametrize(("wage", "expected"), [(40_000, 2_350_500), (20_000, 2_484_000)])
def test_the_credit_at_the_employer_makes_the_year_higher(wage: int, expected: int) -> None:
    told = months(*[(wage, NORM - wage)] * 12)
    found = projected(told, "EMPLOYER")
    assert abs(found.toetsingsinkomen_cents - expected) <= 100
    assert found.tax_credit_effect_cents > 400_000
    assert Sign.TAX_CREDIT_AT_EMPLOYER in found.signs


def test_the_credit_in_both_places_is_a_sign_and_counts_like_the_municipality() -> None:
    told = months(*[(40_000, NORM - 40_000)] * 12)
    both, municipality = projected(told, "BOTH"), projected(told, "MUNICIPALITY")
    assert both.toetsingsinkomen_cents == municipality.toetsingsinkomen_cents
    assert both.signs == (Sign.TAX_CREDIT_TWICE,)
    assert projected(told, "NONE").signs == (Sign.TAX_CREDIT_NOWHERE,)
    assert (
        projected(told, "NONE").toetsingsinkomen_cents == projected(told, "EMPLOYER").toetsingsinkomen_cents
    )


def test_leaving_bijstand_in_july_with_2500_a_month() -> None:
    told = months(*[(0, NORM)] * 6, *[(250_000, 0)] * 6)
    found = projected(told)
    assert abs(found.toetsingsinkomen_cents - 2_566_000) < 1_000
    assert found.signs == (Sign.LEFT_BENEFIT,)


def test_holiday_pay_within_the_year_is_the_upper_bound() -> None:
    """After September: nine months are known, three to come."""
    found = projected(months(*[(0, NORM)] * 6, *[(250_000, 0)] * 3))
    assert abs(found.toetsingsinkomen_cents - 2_566_000) < 1_000
    assert abs(found.upper_cents - 2_686_000 - 17_500) < 1_000
    assert found.projected_holiday_pay_cents == 0


def test_holiday_pay_in_may_is_expected_over_this_years_wages() -> None:
    found = projected(months(*[(100_000, 0)] * 3))
    assert found.projected_holiday_pay_cents == 40_000
    assert found.wage_gross_cents == 1_240_000
    assert found.upper_cents == 1_200_000 + 96_000


def test_a_small_benefit_in_a_month_loses_part_of_the_credit() -> None:
    """Withholding goes by the month: below the tax-free zone gross is net."""
    one = projected(months(*[(0, NORM)] * 11, (0, 10_000)))
    assert one.benefit_gross_cents < 11 * 177_731 + 10_001


def test_an_exemption_may_end_in_the_months_to_come() -> None:
    plain = projected(months(*[(60_000, 111_600, 0)] * 6))
    spared = projected(months(*[(60_000, 111_600, 10_000)] * 6))
    assert spared.toetsingsinkomen_cents == plain.toetsingsinkomen_cents
    assert abs(plain.lower_cents - spared.lower_cents - 6 * 15_564) <= 6
    assert spared.upper_cents == plain.upper_cents


# ---- the months to come -----------------------------------------------------------------------------------


def test_months_to_come_are_like_the_last_three_of_their_kind() -> None:
    found = projected(months((0, NORM), (100_000, 0), (130_000, 0), (160_000, 0), (190_000, 0), (0, 0)))
    assert found.wage_gross_cents == 580_000 + 6 * 350_000 // 3
    assert found.known_months == 6


def test_bounds_are_the_lowest_and_the_highest_month_of_its_kind() -> None:
    told = months(*[(100_000, 0)] * 5, *[(120_000, 0), (140_000, 0)])
    found = projected(told)
    assert found.lower_cents == 760_000 + 5 * 100_000
    holiday = (2 * 120_000 + 140_000 * 0 + 140_000 + 5 * 120_000) * 8 // 100
    assert found.upper_cents >= 760_000 + 5 * 140_000
    assert found.upper_cents <= 760_000 + 5 * 140_000 + holiday


def test_one_month_without_benefit_says_little_so_the_bounds_are_wide() -> None:
    found = projected(months((200_000, 0), first=6))
    assert found.lower_cents == 200_000 + 11 * 150_000
    assert found.upper_cents > 200_000 + 11 * 250_000


def test_a_full_year_has_the_tolerance_of_the_gross_up_and_nothing_else() -> None:
    full = projected(months(*[(0, NORM)] * 12))
    assert (
        full.upper_cents - full.toetsingsinkomen_cents,
        full.toetsingsinkomen_cents - full.lower_cents,
    ) == (
        35_000,
        35_000,
    )
    wages = projected(months(*[(200_000, 0)] * 12))
    assert wages.lower_cents == wages.toetsingsinkomen_cents == wages.upper_cents == 2_400_000


def test_of_a_couple_the_partner_may_have_the_credit_at_the_municipality() -> None:
    told = months(*[(40_000, 160_000)] * 12)
    found = projected(told, "EMPLOYER", "COUPLE")
    assert found.toetsingsinkomen_cents - found.lower_cents == 35_000 + found.tax_credit_effect_cents // 2


@pytest.mark.parametrize("year", [2024, 2027])
def test_a_year_without_tax_tables_is_refused(year: int) -> None:
    with pytest.raises(YearUnknown, match="years we have: 2025, 2026"):
        project(LAW, year, "SINGLE", months((0, NORM)), "MUNICIPALITY")


def test_no_month_is_no_projection() -> None:
    with pytest.raises(ValueError, match="at least one month"):
        projected([])
