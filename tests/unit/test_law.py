"""The law as data: each figure has its source, and a day without a figure is refused."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from shared.law import Law, ParameterMissing, ParameterValue
from shared.months import Month

LAW = Law.load()
NORM = "participatiewet/norm_alleenstaande"

FILE = """
description: An amount for a test.
unit: cents
law: Testwet
article: "1"
url: https://wetten.overheid.nl/BWBR0000000
certainty: official
values:
  - from: 2026-01-01
    until: 2026-06-30
    value: 100
  - from: 2026-08-01
    value: 200
    source: a later publication
"""


def law_of(folder: Path, text: str, name: str = "testwet/amount") -> Law:
    file = folder / f"{name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return Law.load(folder)


@pytest.mark.parametrize("name", LAW.names)
def test_every_value_names_its_law_article_and_address(name: str) -> None:
    values = LAW.values(name)

    assert values
    for value in values:
        assert " art. " in value.source
        assert "https://wetten.overheid.nl/BWBR" in value.source
        assert value.certainty in ("official", "practice", "unverified")
        assert value.unit


@pytest.mark.parametrize(
    ("day", "single", "couple"),
    [
        (date(2025, 1, 1), 134545, 192207),
        (date(2025, 12, 31), 136906, 195580),
        (date(2026, 1, 1), 140150, 200213),
        (date(2026, 6, 30), 140150, 200213),
        (date(2026, 7, 1), 141946, 202779),
    ],
)
def test_the_norm_follows_the_half_year(day: date, single: int, couple: int) -> None:
    assert LAW.value(NORM, day).cents == single
    assert LAW.value("participatiewet/norm_gehuwden", day).cents == couple


def test_a_day_after_the_last_publication_is_refused_with_the_days_we_have() -> None:
    with pytest.raises(ParameterMissing) as refused:
        LAW.value(NORM, Month(2027, 1))

    assert refused.value.name == NORM
    assert refused.value.on == date(2027, 1, 1)
    assert NORM in refused.value.detail
    assert "2027-01-01" in refused.value.detail
    assert "2026-07-01 to 2026-12-31" in refused.value.detail


def test_a_day_before_the_first_publication_is_refused() -> None:
    with pytest.raises(ParameterMissing, match="2024-12-31; known: 2025-01-01 to 2025-06-30"):
        LAW.value(NORM, date(2024, 12, 31))


@pytest.mark.parametrize("day", [date(2025, 12, 31), date(2027, 1, 1)])
def test_the_claim_table_of_2026_holds_in_no_other_year(day: date) -> None:
    with pytest.raises(ParameterMissing, match="2026-01-01 to 2026-12-31"):
        LAW.value("regeling_participatiewet/holiday_claim_table", day)


def test_the_bufferbudget_of_the_law_does_not_exist_before_2027() -> None:
    with pytest.raises(ParameterMissing):
        LAW.value("participatiewet/bufferbudget_maximum", date(2026, 12, 31))
    assert LAW.value("participatiewet/bufferbudget_maximum", date(2027, 1, 1)).cents == 100_000


def test_the_old_exemption_ends_where_the_new_one_begins() -> None:
    assert LAW.value("participatiewet/vrijlating_general_share", date(2026, 12, 31)).share == Decimal("0.25")
    assert LAW.value("participatiewet/vrijlating_general_maximum", date(2026, 6, 30)).cents == 28_500
    with pytest.raises(ParameterMissing):
        LAW.value("participatiewet/vrijlating_general_share", date(2027, 1, 1))
    assert LAW.value("participatiewet/vrijlating_work_share", date(2027, 1, 1)).share == Decimal("0.15")
    with pytest.raises(ParameterMissing):
        LAW.value("participatiewet/vrijlating_work_share", date(2026, 12, 31))


def test_a_figure_nobody_confirmed_says_so() -> None:
    assert LAW.value("participatiewet/vrijlating_general_maximum", date(2026, 7, 1)).certainty == "unverified"
    assert LAW.value(NORM, date(2026, 7, 1)).certainty == "official"


def test_gifts_are_free_up_to_1200_euro_in_2026() -> None:
    assert LAW.value("participatiewet/gift_limit", Month(2026, 5)).cents == 120_000


def test_an_unknown_parameter_is_refused_by_name() -> None:
    with pytest.raises(ParameterMissing, match=r"participatiewet/norm_of_mars .* no such parameter"):
        LAW.value("participatiewet/norm_of_mars", date(2026, 1, 1))


def test_a_value_asked_for_as_what_it_is_not_is_a_mistake_of_ours() -> None:
    amount = LAW.value(NORM, date(2026, 1, 1))
    table = LAW.value("regeling_participatiewet/holiday_claim_table", date(2026, 1, 1))

    with pytest.raises(TypeError, match="no share"):
        _ = amount.share
    with pytest.raises(TypeError, match="no table"):
        _ = amount.brackets
    with pytest.raises(TypeError, match="no amount"):
        _ = table.cents
    with pytest.raises(TypeError, match="which row"):
        table.receipt()


def test_a_receipt_line_says_value_unit_since_and_source_and_survives_json() -> None:
    for value in (_of(NORM), _of("participatiewet/holiday_allowance_share")):
        line = value.receipt()
        assert line.to_json() == {
            "parameter": value.name,
            "value": str(value.value) if isinstance(value.value, Decimal) else value.value,
            "unit": value.unit,
            "since": "2026-01-01",
            "source": value.source,
        }
        assert type(line).from_json(line.to_json()) == line


def test_the_receipt_of_a_table_holds_the_row_that_applied() -> None:
    table = _of("regeling_participatiewet/holiday_claim_table")
    line = table.receipt(table.brackets[1])

    assert line.to_json()["value"] == {"fromCents": 87639, "rate": "0.0800", "constantCents": -2077}
    assert type(line).from_json(line.to_json()) == line


def test_the_law_is_read_once() -> None:
    assert Law.load() is Law.load()


def test_a_gap_between_two_values_is_refused_and_not_bridged(tmp_path: Path) -> None:
    law = law_of(tmp_path, FILE)

    assert law.value("testwet/amount", date(2026, 6, 30)).cents == 100
    assert law.value("testwet/amount", date(2030, 1, 1)).cents == 200
    with pytest.raises(ParameterMissing, match="2026-01-01 to 2026-06-30, 2026-08-01 and later"):
        law.value("testwet/amount", date(2026, 7, 31))


def test_a_value_may_bring_a_source_of_its_own(tmp_path: Path) -> None:
    law = law_of(tmp_path, FILE)

    assert law.value("testwet/amount", date(2026, 8, 1)).source == (
        "Testwet art. 1, a later publication, https://wetten.overheid.nl/BWBR0000000"
    )


@pytest.mark.parametrize(
    ("correct", "wrong", "fault"),
    [
        ("value: 100", "value: 1.00", "value"),
        ("value: 100", 'value: "0.5"', "written as int"),
        ("value: 100", "value: -100", "below nil"),
        ("value: 100", "value: true", "value"),
        ('article: "1"', "paragraph: 1", "article"),
        ("from: 2026-08-01", "from: 2026-06-01", "runs into"),
        ("from: 2026-08-01", "from: 2026-01-01", "must rise"),
        ("until: 2026-06-30", "until: 2025-06-30", "ends before it begins"),
        ("value: 200", "value: 200\n    value: 300", "written twice"),
        ("certainty: official", "certainty: sure", "certainty"),
        ("from: 2026-08-01", "from: August", "from"),
    ],
)
def test_a_faulty_file_is_refused_when_the_law_is_read(
    tmp_path: Path, correct: str, wrong: str, fault: str
) -> None:
    assert correct in FILE
    with pytest.raises(ValueError, match=rf"(?s)amount\.yaml.*{fault}"):
        law_of(tmp_path, FILE.replace(correct, wrong))


def test_a_table_begins_at_nil_and_rises(tmp_path: Path) -> None:
    table = FILE.replace("unit: cents", "unit: table")
    rows = "value: [{from: 0, rate: '0.08', constant: 0}, {from: 500, rate: '0.05', constant: -1}]"
    table = table.replace("value: 200", rows).replace("value: 100", rows)

    assert len(law_of(tmp_path / "right", table).value("testwet/amount", date(2026, 1, 1)).brackets) == 2
    with pytest.raises(ValueError, match="begin at 0 and rise"):
        law_of(tmp_path / "wrong", table.replace("from: 0,", "from: 600,"))


@pytest.mark.parametrize(
    ("unit", "rows", "wrong"),
    [
        (
            "slices",
            "[{from: 0, base: 0, rate: '0.08'}, {from: 500, base: 40, rate: '-0.05'}]",
            "[{from: 0, share: '0.96'}]",
        ),
        (
            "shares",
            "[{from: 0, share: '0.96'}, {from: 500, share: null}]",
            "[{from: 0, rate: '0.08', constant: 0}]",
        ),
    ],
)
def test_each_kind_of_table_takes_its_own_rows(tmp_path: Path, unit: str, rows: str, wrong: str) -> None:
    table = FILE.replace("unit: cents", f"unit: {unit}").replace("value: 200", f"value: {rows}")
    law = law_of(tmp_path / "right", table.replace("value: 100", f"value: {rows}"))
    value = law.value("testwet/amount", date(2026, 1, 1))
    parts = value.slices if unit == "slices" else value.bands
    line = value.receipt(parts[1])

    assert [row.from_cents for row in parts] == [0, 500]
    assert type(line).from_json(line.to_json()) == line
    with pytest.raises(TypeError, match="no table of this kind"):
        _ = value.brackets
    with pytest.raises(ValueError, match="not those of unit"):
        law_of(tmp_path / "wrong", table.replace("value: 100", f"value: {wrong}"))


def test_a_factor_may_lie_below_nil_and_a_share_may_not(tmp_path: Path) -> None:
    signed = FILE.replace("value: 100", 'value: "-0.001382497146"').replace("value: 200", 'value: "1.10"')
    factor = signed.replace("unit: cents", "unit: factor")

    assert law_of(tmp_path / "right", factor).value("testwet/amount", date(2026, 1, 1)).share < 0
    with pytest.raises(ValueError, match="below nil"):
        law_of(tmp_path / "wrong", signed.replace("unit: cents", "unit: share"))


def test_a_number_of_weeks_is_no_amount_of_money(tmp_path: Path) -> None:
    weeks = law_of(tmp_path, FILE.replace("unit: cents", "unit: weeks"))

    assert weeks.value("testwet/amount", date(2026, 1, 1)).number == 100
    with pytest.raises(TypeError, match="no whole number"):
        _ = LAW.value(NORM, date(2026, 1, 1)).number


def test_a_folder_without_parameters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no parameters"):
        Law.load(tmp_path)


def _of(name: str) -> ParameterValue:
    return LAW.value(name, date(2026, 1, 1))
