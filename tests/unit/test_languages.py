"""Amounts, months, days and foreign names as readers of each language write them."""

from datetime import date

import pytest

from notifier.languages import (
    LANGUAGES,
    MessageLanguage,
    order,
    own_name,
    released_languages,
    set_apart,
    without_marks,
    written_amount,
    written_day,
    written_month,
)
from shared.months import Month

MONTH, DAY = Month(2026, 3), date(2026, 3, 2)


@pytest.mark.parametrize(
    ("language", "amount", "month", "day"),
    [
        ("nl", "€\u00a01.331,43", "maart 2026", "2 maart 2026"),
        ("en", "€1,331.43", "March 2026", "2 March 2026"),
        ("tr", "€1.331,43", "Mart 2026", "2 Mart 2026"),
        ("ar", "\u2066€1,331.43\u2069", "مارس 2026", "2 مارس 2026"),
        ("uk", "1\u00a0331,43\u00a0€", "березень 2026", "2 березня 2026 року"),
    ],
)
def test_each_language_writes_an_amount_a_month_and_a_day_its_own_way(
    language: MessageLanguage, amount: str, month: str, day: str
) -> None:
    assert written_amount(133_143, language) == amount
    assert written_month(MONTH, language) == month
    assert written_day(DAY, language) == day


@pytest.mark.parametrize("language", LANGUAGES)
def test_twelve_months_have_twelve_names(language: MessageLanguage) -> None:
    assert len({written_month(Month(2026, number), language) for number in range(1, 13)}) == 12
    assert own_name(language)


def test_dutch_stands_beside_every_language() -> None:
    assert order("nl") == ("nl", "en")
    assert [order(language) for language in ("en", "ar")] == [("en", "nl"), ("ar", "nl")]
    assert order("ar", released=("nl", "en")) == ("nl", "en")


def test_a_number_and_a_name_keep_their_order_inside_a_right_to_left_sentence() -> None:
    assert set_apart("030 123", "ar") == "\u2066030 123\u2069"
    assert set_apart("Fonds", "ar") == "\u2068Fonds\u2069"
    assert set_apart("Fonds", "nl") == "Fonds"
    assert set_apart("", "ar") == ""
    assert without_marks("\u2068Fonds\u2069 \u20661\u2069") == "Fonds 1"


def test_the_languages_released_are_read_from_the_setting_with_dutch_and_english_always() -> None:
    assert released_languages("nl,en") == {"nl", "en"}
    assert released_languages(" tr , uk,") == {"nl", "en", "tr", "uk"}
    with pytest.raises(ValueError, match="not xx"):
        released_languages("nl,xx")
