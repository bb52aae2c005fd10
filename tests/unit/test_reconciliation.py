"""Known against projected income: per toeslag, in time, and whether a rise can cost anything at all."""

from datetime import date

import pytest

from notifier.award import EURO, Award, award
from notifier.income_room import income_room
from notifier.reconciliation import difference, reconcile, report_by, small_amount
from notifier.toeslag_household import AssetsAbove, Care, CoResident, Home, Residents, ToeslagHousehold
from notifier.toeslagen import toeslagen
from tests.toeslag_facts import LAW, awards, born, household, rules


def of_euros(year: int) -> Award:
    return award([(12, year * EURO // 12)], 2_400, "MONTH_ROUNDED_DOWN", None)


@pytest.mark.parametrize(
    ("year", "cents", "published"),
    [
        (2023, 10_600, True),
        (2024, 11_600, True),
        (2025, 11_800, True),
        (2026, 12_100, True),
        (2027, 12_100, False),
    ],
)
def test_the_small_amount_goes_by_the_year_of_decision(year: int, cents: int, published: bool) -> None:
    found = small_amount(LAW, year)
    assert (found.cents, found.published, found.decision_year) == (cents, published, year)
    assert found.figure_of == min(year, 2026)


def test_a_decision_before_the_first_known_figure_is_refused() -> None:
    with pytest.raises(ValueError, match="no value for 2022"):
        small_amount(LAW, 2022)


@pytest.mark.parametrize(("over", "reclaimed"), [(121, 0), (122, 122)])
def test_up_to_the_small_amount_nothing_is_claimed_back_and_above_it_everything(
    over: int, reclaimed: int
) -> None:
    known, actual = of_euros(1_200), of_euros(1_200 - over)
    found = difference(known, actual, 12, 12_100)
    assert found.overpayment_year_cents == over * 100
    assert found.reclaimed_cents == reclaimed * 100


def test_what_twelve_months_paid_decides_about_the_small_amount_not_the_two_awards() -> None:
    """1,210 a year pays 100 a month: 10 euro of it never arrived."""
    found = difference(of_euros(1_210), of_euros(1_085), 12, 12_100)
    assert (found.overpayment_year_cents, found.against_paid_cents) == (12_500, 11_500)
    assert found.reclaimed_cents == 0


def test_too_little_is_never_claimed_back_and_nothing_is_repayable() -> None:
    found = difference(of_euros(600), of_euros(1_200), 6, 12_100)
    assert (found.overpayment_year_cents, found.overpayment_so_far_cents) == (-60_000, -30_000)
    assert (found.reclaimed_cents, found.repayable_now_cents, found.avoided_cents) == (0, 0, 0)


def test_one_toeslag_is_never_netted_against_another_before_the_small_amount() -> None:
    """Huurtoeslag 108 too much, zorgtoeslag 2 too little: the first is left alone by itself."""
    people = household(rent=65_000)
    found = reconcile(
        toeslagen(rules(), people, 2_342_500),
        toeslagen(rules(), people, 2_382_500),
        12,
        small_amount(LAW, 2026),
    )
    assert found.overpayment_year_cents == 10_800
    assert found.reclaimed_cents == 0
    more = reconcile(
        toeslagen(rules(), people, 2_342_500),
        toeslagen(rules(), people, 2_402_500),
        12,
        small_amount(LAW, 2026),
    )
    assert more.differences["huurtoeslag"].reclaimed_cents == 16_200
    assert more.reclaimed_cents == 16_200


def test_reporting_now_repays_what_was_paid_too_much_and_stops_the_rest() -> None:
    found = difference(of_euros(2_400), of_euros(1_200), 5, 12_100)
    assert found.repayable_now_cents == 50_000
    assert found.avoided_cents == 70_000
    small = difference(of_euros(1_212), of_euros(1_200), 1, 12_100)
    assert small.repayable_now_cents == 100  # a revised advance is repaid, however small


def test_what_was_paid_so_far_follows_months_that_differ() -> None:
    """A child turns 18 in September: nothing was paid after it."""
    people = household(born(2008, 9))
    known, actual = (awards(people, income)["kindgebondenBudget"] for income in (2_000_000, 3_273_600))
    found = difference(known, actual, 12, 12_100)
    assert found.overpayment_so_far_cents == known.paid_until(9) - actual.paid_until(9)
    assert known.paid_until(12) == known.paid_until(9) == 9 * 58_000


def test_months_that_differ_are_rounded_down_each_by_itself() -> None:
    found = awards(household(born(2014, 5)), 2_000_000)["kindgebondenBudget"]
    assert found.paid_until(12) == 5 * 49_900 + 7 * 56_000


def test_a_change_is_reported_within_four_weeks() -> None:
    day, line = report_by(LAW, date(2026, 7, 1))
    assert day == date(2026, 7, 29)
    assert line.parameter == "awir/reporting_weeks"


# ---- the cheap bound --------------------------------------------------------------------------------------


def test_below_every_line_nothing_can_be_lost() -> None:
    people = household(8, 14, rent=75_000, care=(Care("DAYCARE", 9_000, 1_000),))
    rooms = income_room(rules(), people, 2_132_800, 2_900_000)
    assert {name: (room.can_lose, room.at_most_cents) for name, room in rooms.items()} == {
        "zorgtoeslag": (False, 0),
        "huurtoeslag": (False, 0),
        "kindgebondenBudget": (False, 0),
        "kinderopvangtoeslag": (False, 0),
    }
    assert {name: room.unaffected_up_to_cents for name, room in rooms.items()} == {
        "zorgtoeslag": 2_973_600,
        "huurtoeslag": 3_150_000,
        "kindgebondenBudget": 2_973_600,
        "kinderopvangtoeslag": 5_641_299,
    }


def test_what_is_not_there_cannot_be_lost() -> None:
    assert list(income_room(rules(), household(), 0, 9_000_000)) == ["zorgtoeslag"]
    rich = household(8, rent=70_000, assets=AssetsAbove(True, True, True))
    assert income_room(rules(), rich, 0, 9_000_000) == {}


def test_a_single_renter_can_lose_27_cents_of_a_euro() -> None:
    room = income_room(rules(), household(rent=70_000), 2_400_000, 2_500_000)["huurtoeslag"]
    assert (room.can_lose, room.at_most_cents) == (True, 27_000 + 2_400)


@pytest.mark.parametrize("year", [2024, 2025, 2026])
@pytest.mark.parametrize("known", [1_500_000, 2_300_000, 2_900_000, 3_400_000])
@pytest.mark.parametrize("rise", [0, 40_000, 300_000, 800_000])
@pytest.mark.parametrize(
    "people",
    [
        household(rent=70_000),
        household(8, 13, rent=75_000),
        household(born(2016, 5), partner=True, rent=80_000),
        household(rent=60_000, co_residents=(CoResident("OTHER", 40, 900_000),)),
        ToeslagHousehold(
            False, 35, (Residents(1, 1), Residents(5, 2)), homes=(Home(1, 65_000), Home(9, 80_000))
        ),
    ],
    ids=["single", "single parent", "couple", "co-resident", "changes"],
)
def test_no_loss_is_larger_than_the_bound(people: ToeslagHousehold, rise: int, known: int, year: int) -> None:
    before, after = awards(people, known, year), awards(people, known + rise, year)
    for name, room in income_room(rules(year), people, known, known + rise).items():
        lost = before[name].awarded_cents - after[name].awarded_cents
        assert lost <= room.at_most_cents
        if not room.can_lose:
            assert before[name] == after[name]


def test_no_loss_of_childcare_is_larger_than_the_bound() -> None:
    people = household(3, 5, 8, care=tuple(Care("DAYCARE", hours, 1_100) for hours in (9_000, 8_000, 7_000)))
    for known, rise in ((4_000_000, 1_000_000), (5_000_000, 900_000), (7_000_000, 3_000_000)):
        before, after = awards(people, known), awards(people, known + rise)
        room = income_room(rules(), people, known, known + rise)["kinderopvangtoeslag"]
        lost = before["kinderopvangtoeslag"].awarded_cents - after["kinderopvangtoeslag"].awarded_cents
        assert (lost == 0) == (not room.can_lose)
        assert lost <= room.at_most_cents
