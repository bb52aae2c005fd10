"""What Dienst Toeslagen publishes: table rows, income ceilings, maxima and examples, by the pure rules."""

import pytest

from notifier.award import PARTS
from notifier.huurtoeslag import huurtoeslag_rules
from notifier.kinderopvangtoeslag import counted_costs
from notifier.toeslag_household import Care
from notifier.year_law import YearLaw
from tests.toeslag_facts import LAW, awarded, awards, household, rules

CEILINGS = [
    (2024, False, 37_496),
    (2024, True, 47_368),
    (2025, False, 39_719),
    (2025, True, 50_206),
    (2026, False, 40_857),
    (2026, True, 51_142),
]
MAXIMA = [
    # year, partner, awarded in the year, paid in a month
    (2024, False, 1_483, 123),
    (2024, True, 2_833, 236),
    (2025, False, 1_573, 131),
    (2025, True, 3_010, 250),
    (2026, False, 1_550, 129),
    (2026, True, 2_963, 246),
]
ZORGTOESLAG_ROWS = [
    # year, partner, income, paid in a month
    (2026, False, 29_500, 129),
    (2026, False, 35_000, 69),
    (2026, True, 39_000, 140),
    (2026, True, 50_000, 15),
    (2025, True, 28_500, 249),
]
ROUNDED_YEAR_ROWS = [
    # rows that only the rounded year divided by twelve gives
    (2026, False, 35_000),
    (2026, True, 44_500),
    (2025, True, 34_000),
]
CHILDCARE_2026 = """
0 960 960 | 56413 955 956 | 58185 948 956 | 59958 939 956 | 61896 924 956 | 65696 916 952 | 69493 905 946
73293 882 942 | 77095 859 939 | 80892 837 932 | 84694 812 927 | 88492 789 922 | 92292 767 915
96092 743 909 | 99890 721 905 | 103695 696 902 | 107493 673 895 | 111291 651 891 | 115091 627 886
118964 606 879 | 122858 585 874 | 126748 564 870 | 130639 542 867 | 134528 523 860 | 138421 504 854
142313 485 850 | 146206 465 844 | 150093 445 840 | 153983 425 833 | 157878 405 827 | 161767 385 817
165658 365 814 | 169548 365 806 | 173441 365 797 | 177336 365 791 | 181224 365 782 | 185115 365 777
189003 365 769 | 192897 365 762 | 196790 365 755 | 200682 365 745 | 204572 365 740 | 208459 365 733
212354 365 725 | 216243 365 718 | 220135 365 712 | 224027 365 704 | 227916 365 696 | 231808 365 691
235698 365 682
"""
CHILDCARE_2024 = """
0 960 960 | 28299 955 956 | 29788 944 954 | 31275 934 952 | 32759 925 950 | 34359 919 949 | 35956 909 947
37559 904 945 | 39157 895 945 | 40761 887 945
"""


def _rows(text: str) -> list[tuple[int, int, int]]:
    numbers = [int(word) for word in text.replace("|", " ").split()]
    return list(zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True))


@pytest.mark.parametrize(("year", "partner", "euros"), CEILINGS)
def test_the_income_ceiling_of_zorgtoeslag_is_where_24_euro_is_left(
    year: int, partner: bool, euros: int
) -> None:
    people = household(partner=partner)
    assert awarded(people, euros * 100, "zorgtoeslag", year) == 2_400
    assert awarded(people, (euros + 1) * 100, "zorgtoeslag", year) == 0


@pytest.mark.parametrize(("year", "partner", "in_year", "in_month"), MAXIMA)
def test_the_highest_zorgtoeslag_of_a_year_and_a_month(
    year: int, partner: bool, in_year: int, in_month: int
) -> None:
    award = awards(household(partner=partner), 2_000_000, year)["zorgtoeslag"]
    assert (award.awarded_cents, award.monthly_paid_cents) == (in_year * 100, in_month * 100)


@pytest.mark.parametrize(("year", "partner", "euros", "in_month"), ZORGTOESLAG_ROWS)
def test_a_row_of_the_zorgtoeslag_table(year: int, partner: bool, euros: int, in_month: int) -> None:
    award = awards(household(partner=partner), euros * 100, year)["zorgtoeslag"]
    assert award.monthly_paid_cents == in_month * 100


@pytest.mark.parametrize(("year", "partner", "euros"), ROUNDED_YEAR_ROWS)
def test_a_row_that_only_the_rounded_year_gives(year: int, partner: bool, euros: int) -> None:
    award = awards(household(partner=partner), euros * 100, year)["zorgtoeslag"]
    assert award.monthly_paid_cents == award.awarded_cents // 1_200 * 100
    assert award.monthly_paid_cents == (award.months_cents[0] // 100 + 1) * 100


@pytest.mark.parametrize(
    ("year", "euros", "first", "following", "next_row"),
    [
        (year, *row, rows[place + 1][0] if place + 1 < len(rows) else None)
        for year, rows in ((2026, _rows(CHILDCARE_2026)), (2024, _rows(CHILDCARE_2024)))
        for place, row in enumerate(rows)
    ],
)
def test_a_row_of_the_childcare_table_runs_to_the_euro_before_the_next(
    year: int, euros: int, first: int, following: int, next_row: int | None
) -> None:
    tables = rules(year).kinderopvangtoeslag
    for income in (euros, euros if next_row is None else next_row - 1):
        assert tables.first_child.at(income * 100) == first * 100
        assert tables.next_child.at(income * 100) == following * 100


def test_the_childcare_tables_are_whole() -> None:
    assert len(_rows(CHILDCARE_2026)) == 50
    assert len(rules(2026).kinderopvangtoeslag.first_child.rows) == 50
    assert len(rules(2024).kinderopvangtoeslag.first_child.rows) == len(_rows(CHILDCARE_2024)) + 1


@pytest.mark.parametrize(
    ("year", "daycare", "after_school", "childminder"),
    [(2024, 1025, 912, 753), (2025, 1071, 952, 810), (2026, 1123, 998, 849)],
)
def test_an_hour_of_childcare_counts_up_to_its_maximum(
    year: int, daycare: int, after_school: int, childminder: int
) -> None:
    figures = rules(year).kinderopvangtoeslag
    costs = [
        counted_costs(figures, (Care(kind, 100, 5_000),))[0]
        for kind in ("DAYCARE", "AFTER_SCHOOL", "CHILDMINDER")
    ]
    assert costs == [100 * daycare, 100 * after_school, 100 * childminder]


@pytest.mark.parametrize(
    ("year", "persons", "income", "norm_rent"),
    [
        (2025, 1, 22_700, 23_619),
        (2025, 2, 30_450, 23_438),
        (2025, 1, 32_625, 48_151),
        (2025, 2, 42_475, 47_924),
        (2024, 1, 20_700, 22_667),
        (2024, 2, 26_975, 22_667),
        (2024, 1, 30_550, 45_892),
        (2024, 2, 39_700, 45_711),
    ],
)
def test_the_norm_rents_of_the_statute_follow_from_the_curve(
    year: int, persons: int, income: int, norm_rent: int
) -> None:
    kind = huurtoeslag_rules(YearLaw(LAW, year)).kind(persons)
    assert kind.curve is not None
    own_share = kind.curve.own_share_cents(income * 100, 0)
    # The factors of 2024 are derived and carry six digits: a cent either way.
    assert abs(own_share + kind.curve.reduction_cents - norm_rent) <= (1 if year == 2024 else 0)


@pytest.mark.parametrize(
    ("year", "persons", "own_share"), [(2024, 1, 18_895), (2025, 1, 19_905), (2025, 2, 19_724)]
)
def test_the_lowest_own_share_of_the_rent(year: int, persons: int, own_share: int) -> None:
    kind = huurtoeslag_rules(YearLaw(LAW, year)).kind(persons)
    assert kind.curve is not None
    assert kind.curve.own_share_cents(0, kind.threshold_cents) == own_share


@pytest.mark.parametrize(
    ("persons", "rent", "euros"),
    [
        *((1, 49_800, 36_600), (1, 60_000, 39_500), (1, 71_300, 42_800), (1, 93_300, 46_700)),
        *((3, 49_800, 47_700), (3, 60_000, 51_300), (3, 71_300, 55_300), (3, 93_300, 60_800)),
    ],
)
def test_where_huurtoeslag_of_2026_reaches_nil(persons: int, rent: int, euros: int) -> None:
    people = household(*([8] * (persons - 1)), rent=rent)
    assert awarded(people, (euros - 150) * 100, "huurtoeslag") > 0
    assert awarded(people, (euros + 150) * 100, "huurtoeslag") == 0


@pytest.mark.parametrize(
    ("who", "euros", "hundredths"),
    [
        *(("single", 20_000, 0), ("single", 26_000, 2_700), ("single", 30_500, 4_073)),
        *(("single", 35_000, 4_073), ("single", 41_500, 2_700)),
        *(("single parent", 26_000, 0), ("single parent", 30_500, 2_133), ("single parent", 35_000, 4_333)),
        *(("single parent", 41_500, 2_960), ("couple", 26_000, 0), ("couple", 30_500, 1_373)),
        *(("couple", 35_000, 3_573), ("couple", 40_000, 4_333), ("couple", 50_000, 4_333)),
    ],
)
def test_what_one_more_euro_of_income_costs_in_2026(who: str, euros: int, hundredths: int) -> None:
    """Over all toeslagen, in hundredths of a percent, before the year is rounded."""
    people = {
        "single": household(rent=70_000),
        "single parent": household(8, 9, rent=70_000),
        "couple": household(8, 9, partner=True, rent=70_000),
    }[who]
    before, after = (
        sum(award.year_parts for award in awards(people, cents).values())
        for cents in (euros * 100, (euros + 100) * 100)
    )
    assert before - after == hundredths * PARTS
