"""The figures of the toeslagen by year, written down a second time from the published tables."""

from datetime import date
from decimal import Decimal

import pytest

from tests.toeslag_facts import LAW

EUROS = [
    # parameter, 2024, 2025, 2026
    ("zorgtoeslag/standaardpremie", "1987", "2112", "2119"),
    ("zorgtoeslag/drempelinkomen", "26819", "28406", "29736"),
    ("zorgtoeslag/assets_limit_single", "140213", "141896", "146011"),
    ("zorgtoeslag/assets_limit_partners", "177301", "179429", "184633"),
    ("kindgebonden_budget/per_child", "2436", "2511", "2580"),
    ("kindgebonden_budget/extra_from_12", "694", "703", "724"),
    ("kindgebonden_budget/extra_from_16", "924", "936", "964"),
    ("kindgebonden_budget/single_parent", "3480", "3389", "3416"),
    ("kindgebonden_budget/income_threshold_single", "26819", "28406", "29736"),
    ("kindgebonden_budget/income_threshold_partners", "35849", "37545", "39141"),
    ("kindgebonden_budget/assets_limit_single", "140213", "141896", "146011"),
    ("kindgebonden_budget/assets_limit_partners", "177301", "179429", "184633"),
    ("huurtoeslag/income_threshold_single", "20700", "22700", "23425"),
    ("huurtoeslag/income_threshold_shared", "26975", "30450", "31500"),
    ("huurtoeslag/quality_limit", "454.47", "477.20", "498.20"),
    ("huurtoeslag/cut_off_small", "650.43", "682.96", "713.02"),
    ("huurtoeslag/cut_off_large", "697.07", "731.93", "764.14"),
    ("huurtoeslag/maximum_rent", "879.66", "900.07", "932.93"),
    ("huurtoeslag/maximum_rent_young", "454.47", "477.20", "498.20"),
    ("huurtoeslag/service_costs_maximum", "48", "48", "0"),
    ("huurtoeslag/assets_limit", "36952", "37395", "38479"),
    ("huurtoeslag/assets_limit_partners", "73904", "74790", "76958"),
    ("huurtoeslag/norm_rent_lowest_single", "226.67", "236.19", None),
    ("huurtoeslag/norm_rent_lowest_shared", "226.67", "234.38", None),
    ("huurtoeslag/own_share_reduction", "37.72", "37.14", None),
    ("huurtoeslag/basishuur_single", None, None, "202.52"),
    ("huurtoeslag/basishuur_shared", None, None, "200.71"),
    ("awir/minimum_award", "24", "24", "24"),
    ("awir/small_amount", "116", "118", "121"),
    ("awir/child_income_exempt", None, None, "6218"),
]
SHARES = [
    ("zorgtoeslag/norm_share_single", "0.01879", "0.01896", "0.01912"),
    ("zorgtoeslag/norm_share_partners", "0.04256", "0.04273", "0.04289"),
    ("zorgtoeslag/norm_share_above_threshold", "0.1367", "0.137", "0.1373"),
    ("zorgtoeslag/partner_not_insured_share", "0.5", "0.5", "0.5"),
    ("kindgebonden_budget/income_share", "0.0675", "0.071", "0.076"),
    ("huurtoeslag/quality_share", "0.65", "0.65", "0.65"),
    ("huurtoeslag/above_cut_off_share", "0.4", "0.4", "0.4"),
    ("huurtoeslag/income_share_single", None, None, "0.27"),
    ("huurtoeslag/income_share_shared", None, None, "0.22"),
    ("huurtoeslag/norm_rent_factor_a_single", "0.000000413370", "0.000000438698", None),
    ("huurtoeslag/norm_rent_factor_b_single", "0.002393492603", "0.000446392665", None),
    ("huurtoeslag/norm_rent_factor_a_shared", "0.000000244490", "0.000000298184", None),
    ("huurtoeslag/norm_rent_factor_b_shared", "0.001807837711", "-0.001382497146", None),
]
NUMBERS = [
    ("zorgtoeslag/first_age", 18, 18, 18),
    ("huurtoeslag/youth_age", 23, 23, 21),
    ("kindgebonden_budget/first_extra_age", 12, 12, 12),
    ("kindgebonden_budget/second_extra_age", 16, 16, 16),
    ("kindgebonden_budget/last_age", 18, 18, 18),
    ("kinderopvangtoeslag/hours_maximum", 230, 230, 230),
    ("awir/reporting_weeks", 4, 4, 4),
]


def _by_year(rows: list[tuple[str, *tuple[object, ...]]]) -> list[tuple[str, int, object]]:
    return [
        (name, year, figure)
        for name, *figures in rows
        for year, figure in zip((2024, 2025, 2026), figures, strict=True)
        if figure is not None
    ]


@pytest.mark.parametrize(("name", "year", "euros"), _by_year([*EUROS]))
def test_an_amount_of_a_year(name: str, year: int, euros: str) -> None:
    for day in (date(year, 1, 1), date(year, 12, 31)):
        assert LAW.value(name, day).cents == Decimal(euros) * 100


@pytest.mark.parametrize(("name", "year", "share"), _by_year([*SHARES]))
def test_a_share_of_a_year(name: str, year: int, share: str) -> None:
    assert LAW.value(name, date(year, 7, 1)).share == Decimal(share)


@pytest.mark.parametrize(("name", "year", "number"), _by_year([*NUMBERS]))
def test_a_number_of_a_year(name: str, year: int, number: int) -> None:
    assert LAW.value(name, date(year, 7, 1)).number == number


def test_every_toeslag_figure_ends_with_the_last_year_that_is_known() -> None:
    """Nothing of 2026 is taken for 2027; only the fall of kindgebonden budget is law already."""
    for name in LAW.names:
        folder = name.partition("/")[0]
        if folder in {"zorgtoeslag", "huurtoeslag", "kindgebonden_budget", "kinderopvangtoeslag"}:
            last = LAW.values(name)[-1]
            assert last.until is not None, name
            if name != "kindgebonden_budget/income_share":
                assert last.until.year <= 2026, name
    assert LAW.value("kindgebonden_budget/income_share", date(2027, 1, 1)).share == Decimal("0.0805")
    assert LAW.value("kindgebonden_budget/income_share", date(2028, 1, 1)).share == Decimal("0.0850")


@pytest.mark.parametrize(
    ("name", "certainty"),
    [
        ("huurtoeslag/norm_rent_factor_a_single", "unverified"),
        ("huurtoeslag/assets_limit", "official"),
        ("kinderopvangtoeslag/share_first_child", "official"),
        ("awir/reporting_weeks", "unverified"),
    ],
)
def test_how_sure_a_figure_is_goes_with_it(name: str, certainty: str) -> None:
    assert LAW.values(name)[-1].certainty == certainty


def test_the_tax_tables_of_a_small_wage() -> None:
    credit = LAW.value("inkomstenbelasting/labour_credit", date(2026, 1, 1)).slices
    assert [(row.from_cents, row.base_cents, str(row.rate)) for row in credit] == [
        (0, 0, "0.08324"),
        (1_196_500, 99_600, "0.31009"),
        (2_584_500, 530_000, "0.01950"),
        (4_559_200, 568_500, "-0.06510"),
    ]
    general = LAW.value("inkomstenbelasting/general_credit", date(2025, 1, 1)).slices
    assert (general[0].base_cents, general[1].from_cents, str(general[1].rate)) == (
        306_800,
        2_840_600,
        "-0.06337",
    )
