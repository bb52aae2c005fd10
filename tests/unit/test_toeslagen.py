"""The four toeslagen: who has a right, what limits it, and how a year of months is put together."""

from datetime import date

import pytest

from notifier.award import EURO, PARTS, Reason, award
from notifier.toeslag_household import (
    AssetsAbove,
    Care,
    CoResident,
    Home,
    Residents,
    ToeslagHousehold,
)
from notifier.toeslagen import NotComputable, receipts, toeslag_rules, toeslagen
from notifier.year_law import PartUnknown, YearUnknown
from tests.toeslag_facts import LAW, awarded, awards, born, household, rules

LOW = 2_000_000
"""An income below every threshold."""


# ---- years ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("year", [2023, 2027])
def test_a_year_without_figures_is_refused_and_the_years_we_have_are_named(year: int) -> None:
    with pytest.raises(YearUnknown, match=rf"{year} cannot be computed.*2024, 2025, 2026") as refused:
        toeslag_rules(LAW, year)
    assert refused.value.known == (2024, 2025, 2026)


def test_a_part_of_a_table_that_nobody_found_is_refused_by_name() -> None:
    people = household(3, care=(Care("DAYCARE", 10_000, 1_000),))
    assert awarded(people, 4_500_000, "kinderopvangtoeslag", 2025) > 0
    with pytest.raises(PartUnknown, match=r"share_first_child of 2025 is not known for an income of 45001"):
        awards(people, 4_500_100, 2025)


# ---- rounding ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "euros"),
    [
        (24 * EURO, 24),
        (24 * EURO - EURO // 2, 24),
        (24 * EURO - EURO // 2 - 1, 0),
        (100 * EURO + EURO // 2, 101),
        (100 * EURO + EURO // 2 - 1, 100),
    ],
)
def test_a_year_is_rounded_to_whole_euros_and_nil_below_24(parts: int, euros: int) -> None:
    whole = award([(1, parts), (11, 0)], 2_400, "YEAR_DIVIDED", None)
    assert whole.awarded_cents == euros * 100
    assert whole.reason == (None if euros else Reason.BELOW_MINIMUM)


def test_the_two_practices_of_rounding_a_month_differ() -> None:
    exact = [(12, 6_897 * PARTS + PARTS * 2 // 3)]
    assert award(exact, 2_400, "YEAR_DIVIDED", None).monthly_paid_cents == 6_900
    assert award(exact, 2_400, "MONTH_ROUNDED_DOWN", None).monthly_paid_cents == 6_800


def test_a_month_is_shown_half_up_to_the_cent_and_nil_pays_nothing() -> None:
    halves = award([(6, PARTS // 2), (6, PARTS // 2 - 1)], 2_400, "YEAR_DIVIDED", None)
    assert halves.months_cents == (1,) * 6 + (0,) * 6
    assert halves.reason == Reason.BELOW_MINIMUM
    assert [halves.paid_until(months) for months in (0, 1, 12)] == [0, 0, 0]


# ---- month by month ---------------------------------------------------------------------------------------


def test_a_supplement_begins_in_the_month_after_the_twelfth_birthday() -> None:
    months = awards(household(born(2014, 5)), LOW)["kindgebondenBudget"].months_cents
    assert months[:5] == (49_967,) * 5
    assert months[5:] == (56_000,) * 7


def test_the_second_supplement_takes_the_place_of_the_first() -> None:
    months = awards(household(born(2010, 11)), LOW)["kindgebondenBudget"].months_cents
    assert months[10] == round((258_000 + 72_400 + 341_600) / 12)
    assert months[11] == round((258_000 + 96_400 + 341_600) / 12)


def test_a_child_counts_from_the_month_after_its_birth_also_as_a_person() -> None:
    people = household(8, born(2026, 8), partner=True, rent=75_000)
    found = awards(people, LOW)
    children = found["kindgebondenBudget"].months_cents
    assert (children[7], children[8]) == (21_500, 43_000)
    assert found["huurtoeslag"].months_cents[7] == found["huurtoeslag"].months_cents[8]
    first = awards(household(born(2026, 8), partner=True, rent=75_000), LOW)["huurtoeslag"].months_cents
    assert first[7] < first[8]


def test_a_child_counts_up_to_and_including_the_month_of_its_eighteenth_birthday() -> None:
    months = awards(household(born(2008, 9)), LOW)["kindgebondenBudget"].months_cents
    assert months[8] > 0
    assert months[9:] == (0, 0, 0)


def test_the_year_of_a_changing_household_is_the_sum_of_its_months() -> None:
    found = awards(household(born(2014, 5), born(2026, 2)), 3_300_000)["kindgebondenBudget"]
    assert sum(count * parts for count, parts in found.runs) == found.year_parts
    assert sum(count for count, _ in found.runs) == 12
    assert abs(sum(found.months_cents) - found.exact_cents) <= 6


def test_zorgtoeslag_begins_in_the_month_after_the_eighteenth_birthday() -> None:
    found = awards(household(age=born(2008, 3, 1)), LOW)["zorgtoeslag"]
    assert [amount > 0 for amount in found.months_cents] == [False] * 3 + [True] * 9
    assert found.awarded_cents == 116_300
    assert found.monthly_paid_cents == 12_900


def test_somebody_under_age_has_no_zorgtoeslag() -> None:
    assert awards(household(age=17), LOW)["zorgtoeslag"].reason == Reason.UNDER_AGE


def test_rent_and_household_change_from_a_month_on() -> None:
    people = ToeslagHousehold(
        partner=False,
        applicant=35,
        residents=(Residents(1, 1), Residents(7, 2)),
        homes=(Home(1, 60_000), Home(4, 70_000)),
    )
    months = awards(people, LOW)["huurtoeslag"].months_cents
    assert months[0] == months[2]
    assert months[2] < months[3]
    assert months[3] == months[5]
    assert months[6] - months[5] == 181


def test_a_home_from_july_on_gives_half_a_year() -> None:
    people = ToeslagHousehold(False, 35, (Residents(1, 1),), homes=(Home(7, 65_000),))
    found = awards(people, 2_132_800)["huurtoeslag"]
    assert found.months_cents == (0,) * 6 + (39_435,) * 6
    assert (found.awarded_cents, found.monthly_paid_cents) == (236_600, 39_400)


def test_childcare_counts_in_its_own_months() -> None:
    people = household(3, care=(Care("DAYCARE", 9_600, 1_150, 1, 6),))
    found = awards(people, 2_400_000)["kinderopvangtoeslag"]
    assert found.months_cents == (103_496,) * 6 + (0,) * 6
    assert found.monthly_paid_cents == 103_400


# ---- limits -----------------------------------------------------------------------------------------------


def test_assets_above_a_limit_end_each_toeslag_by_itself() -> None:
    single, partners = rules().assets_above, rules().assets_above
    assert single(3_847_900, partner=False) == AssetsAbove()
    assert single(3_847_901, partner=False) == AssetsAbove(huurtoeslag=True)
    assert partners(7_695_801, partner=True) == AssetsAbove(huurtoeslag=True)
    assert single(14_601_101, partner=False) == AssetsAbove(True, True, True)
    assert partners(18_463_300, partner=True) == AssetsAbove(huurtoeslag=True)
    rich = household(
        8, rent=60_000, assets=AssetsAbove(True, True, True), care=(Care("DAYCARE", 100, 1_000),)
    )
    found = awards(rich, LOW)
    assert found["kinderopvangtoeslag"].awarded_cents > 0
    for name in ("zorgtoeslag", "huurtoeslag", "kindgebondenBudget"):
        assert found[name].reason == Reason.ASSETS_ABOVE_LIMIT


@pytest.mark.parametrize(
    ("year", "cents", "reason"),
    [
        (2024, 87_967, Reason.RENT_ABOVE_MAXIMUM),
        (2025, 90_008, Reason.RENT_ABOVE_MAXIMUM),
        (2026, 150_000, None),
    ],
)
def test_a_rent_above_the_maximum_ends_huurtoeslag_until_2025_and_is_capped_from_2026(
    year: int, cents: int, reason: Reason | None
) -> None:
    found = awards(household(rent=cents), LOW, year)["huurtoeslag"]
    assert found.reason == reason
    if year == 2026:
        assert found == awards(household(rent=93_293), LOW)["huurtoeslag"]
    else:
        assert awarded(household(rent=cents - 1), LOW, "huurtoeslag", year) > 0


@pytest.mark.parametrize(
    ("year", "age", "same"), [(2025, 22, False), (2025, 23, True), (2026, 20, False), (2026, 21, True)]
)
def test_the_youth_limit_moved_from_23_to_21(year: int, age: int, same: bool) -> None:
    young = awarded(household(age=age, rent=60_000), LOW, "huurtoeslag", year)
    assert (young == awarded(household(rent=60_000), LOW, "huurtoeslag", year)) == same


@pytest.mark.parametrize(
    "people",
    [
        household(1, age=20, rent=60_000),
        household(age=20, rent=60_000, persons=2, partner=True),
        household(age=20, rent=60_000, co_residents=(CoResident("OTHER", 40, 0),)),
    ],
    ids=["a child", "a grown partner", "a grown co-resident"],
)
def test_one_person_past_the_youth_limit_or_a_child_is_enough(people: ToeslagHousehold) -> None:
    older = household(rent=60_000, persons=2)
    assert awarded(people, LOW, "huurtoeslag") == awarded(older, LOW, "huurtoeslag")


def test_a_young_couple_has_the_limit_of_young_people_and_an_adapted_home_has_not() -> None:
    both = household(age=20, partner=True, partner_age=20, rent=60_000)
    adapted = household(age=20, rent=60_000, adapted=True)
    assert awards(both, LOW)["huurtoeslag"].months_cents[0] == 49_820 - 20_071
    assert awarded(adapted, LOW, "huurtoeslag") == awarded(household(rent=60_000), LOW, "huurtoeslag")


def test_service_costs_count_up_to_48_euro_until_2025_and_not_at_all_from_2026() -> None:
    for year, extra in ((2025, 4_800), (2026, 0)):
        with_costs = awarded(household(rent=40_000, service=9_000), LOW, "huurtoeslag", year)
        assert with_costs == awarded(household(rent=40_000 + extra), LOW, "huurtoeslag", year)


def test_in_2024_rent_above_the_cut_off_counts_for_one_person_or_an_adapted_home_only() -> None:
    for people, counts in (
        (household(rent=70_000), True),
        (household(8, rent=70_000), False),
        (household(8, rent=70_000, adapted=True), True),
    ):
        at_cut_off = household(*people.children, rent=65_043, adapted=people.homes[0].adapted)
        more = awarded(people, LOW, "huurtoeslag", 2024) > awarded(at_cut_off, LOW, "huurtoeslag", 2024)
        assert more == counts


def test_huurtoeslag_of_2024_at_aow_age_is_refused_because_its_figures_are_not_known() -> None:
    with pytest.raises(NotComputable, match="from AOW age"):
        awards(household(age=67, rent=60_000), LOW, 2024)
    assert awarded(household(age=67, rent=60_000), LOW, "huurtoeslag", 2025) > 0
    assert awarded(household(age=67), LOW, "zorgtoeslag", 2024) > 0


def test_of_a_child_living_in_only_income_above_the_free_part_counts() -> None:
    def of(income: int, age: int | date = 20, relation: str = "CHILD") -> int:
        lodger = CoResident("CHILD" if relation == "CHILD" else "OTHER", age, income)
        return awarded(household(rent=70_000, co_residents=(lodger,)), 3_100_000, "huurtoeslag")

    assert of(621_800) == of(0)
    assert of(721_800) < of(621_800)
    assert of(721_800, 23) == of(721_800, relation="OTHER") < of(721_800)
    assert of(721_800, date(2003, 1, 1)) == of(721_800, 23)
    assert of(721_800, date(2003, 1, 2)) == of(721_800, 22)


def test_a_child_with_an_income_in_a_year_without_the_free_part_is_refused() -> None:
    lodger = CoResident("CHILD", 20, 100)
    with pytest.raises(NotComputable, match="child_income_exempt has no value for 2025"):
        awards(household(rent=70_000, co_residents=(lodger,)), LOW, 2025)


def test_a_co_resident_with_assets_above_the_limit_ends_huurtoeslag() -> None:
    lodger = CoResident("OTHER", 40, 0, assets_above_limit=True)
    found = awards(household(rent=70_000, co_residents=(lodger,)), LOW)["huurtoeslag"]
    assert found.reason == Reason.ASSETS_ABOVE_LIMIT


def test_a_partner_who_is_not_insured_leaves_half() -> None:
    whole = awards(household(partner=True), LOW)["zorgtoeslag"]
    half = awards(household(partner=True, partner_insured=False), LOW)["zorgtoeslag"]
    assert half.year_parts * 2 == whole.year_parts


def test_hours_of_childcare_count_up_to_230_and_the_child_with_most_hours_is_the_first() -> None:
    more = household(3, care=(Care("DAYCARE", 24_000, 1_000),))
    most = household(3, care=(Care("DAYCARE", 23_000, 1_000),))
    assert awards(more, LOW)["kinderopvangtoeslag"] == awards(most, LOW)["kinderopvangtoeslag"]
    short, long = Care("DAYCARE", 5_000, 1_000), Care("AFTER_SCHOOL", 8_000, 900)
    first = awards(household(3, 8, care=(short, long)), 10_000_000)["kinderopvangtoeslag"]
    assert first == awards(household(3, 8, care=(long, short)), 10_000_000)["kinderopvangtoeslag"]
    assert first.months_cents[0] == round(80 * 900 * 0.721 + 50 * 1_000 * 0.905)


def test_of_children_with_as_many_hours_the_dearer_one_is_the_first() -> None:
    cheap, dear = Care("CHILDMINDER", 8_000, 700), Care("DAYCARE", 8_000, 1_100)
    found = awards(household(3, 8, care=(cheap, dear)), 10_000_000)["kinderopvangtoeslag"]
    assert found.months_cents[0] == round(80 * 1_100 * 0.721 + 80 * 700 * 0.905)


@pytest.mark.parametrize(
    ("people", "income", "name", "reason"),
    [
        (household(), 5_000_000, "zorgtoeslag", Reason.INCOME_TOO_HIGH),
        (household(), 4_085_800, "zorgtoeslag", Reason.BELOW_MINIMUM),
        (household(), LOW, "kindgebondenBudget", Reason.NO_CHILD),
        (household(8), 20_000_000, "kindgebondenBudget", Reason.INCOME_TOO_HIGH),
        (household(rent=20_000), LOW, "huurtoeslag", Reason.RENT_BELOW_OWN_SHARE),
        (household(rent=60_000), 6_000_000, "huurtoeslag", Reason.INCOME_TOO_HIGH),
        (household(age=17, rent=60_000), LOW, "huurtoeslag", Reason.UNDER_AGE),
        (household(3, care=(Care("DAYCARE", 0, 1_000),)), LOW, "kinderopvangtoeslag", Reason.NO_HOURS),
    ],
)
def test_nil_has_its_reason(people: ToeslagHousehold, income: int, name: str, reason: Reason) -> None:
    found = awards(people, income)[name]  # type: ignore[index]
    assert (found.awarded_cents, found.monthly_paid_cents, found.reason) == (0, 0, reason)


def test_huurtoeslag_until_2025_says_when_it_is_the_income() -> None:
    found = awards(household(rent=30_000), 3_500_000, 2025)["huurtoeslag"]
    assert found.reason == Reason.INCOME_TOO_HIGH


# ---- receipts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("year", [2024, 2025, 2026])
def test_every_figure_of_a_receipt_is_of_the_year_and_names_its_source(year: int) -> None:
    people = household(
        born(year - 13, 5), born(year - 16, 7), partner=True, rent=70_000, care=(Care("DAYCARE", 100, 900),)
    )
    found = receipts(LAW, year, people, LOW)
    assert list(found) == ["zorgtoeslag", "huurtoeslag", "kindgebondenBudget", "kinderopvangtoeslag"]
    for lines in found.values():
        assert len(lines) == len({line.parameter for line in lines}) > 3
        assert all(line.since.year <= year and " art. " in line.source for line in lines)
    named = {line.parameter for line in found["kindgebondenBudget"]}
    assert {"kindgebonden_budget/extra_from_12", "kindgebonden_budget/extra_from_16"} <= named
    assert "kindgebonden_budget/single_parent" not in named


@pytest.mark.parametrize(
    ("people", "year", "shown"),
    [
        (household(rent=60_000), 2026, {"basishuur_single", "cut_off_small", "maximum_rent"}),
        (household(8, rent=60_000), 2026, {"basishuur_shared", "cut_off_small", "maximum_rent"}),
        (household(8, 9, rent=60_000), 2026, {"basishuur_shared", "cut_off_large", "maximum_rent"}),
        (household(age=20, rent=60_000), 2026, {"basishuur_single", "cut_off_small", "maximum_rent_young"}),
        (
            household(age=20, rent=60_000, adapted=True),
            2026,
            {"basishuur_single", "cut_off_small", "maximum_rent"},
        ),
        (household(rent=60_000), 2025, {"norm_rent_lowest_single", "cut_off_small", "maximum_rent"}),
    ],
)
def test_the_receipt_of_huurtoeslag_shows_the_figures_of_this_household(
    people: ToeslagHousehold, year: int, shown: set[str]
) -> None:
    which = {"cut_off_small", "cut_off_large", "maximum_rent", "maximum_rent_young"}
    which |= {f"{name}_{kind}" for name in ("basishuur", "norm_rent_lowest") for kind in ("single", "shared")}
    lines = receipts(LAW, year, people, LOW)["huurtoeslag"]
    assert {line.parameter.partition("/")[2] for line in lines} & which == shown


def test_the_receipt_of_childcare_shows_the_row_of_the_income() -> None:
    people = household(3, 8, care=(Care("DAYCARE", 100, 900), Care("AFTER_SCHOOL", 90, 900)))
    rows = [
        line.to_json()["value"]
        for line in receipts(LAW, 2026, people, 6_000_000)["kinderopvangtoeslag"]
        if "share" in line.parameter
    ]
    assert rows == [{"fromCents": 5_995_800, "share": "0.939"}, {"fromCents": 5_995_800, "share": "0.956"}]


def test_a_birth_date_and_an_age_give_the_same_year_when_no_birthday_matters() -> None:
    by_age = household(8, 13, rent=75_000)
    by_date = household(born(2018, 1), born(2013, 1), age=born(1990, 6), rent=75_000)
    assert toeslagen(rules(), by_age, 2_650_000) == toeslagen(rules(), by_date, 2_650_000)
