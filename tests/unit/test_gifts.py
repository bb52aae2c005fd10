"""How much a person's buffers may give in a calendar year: the limit of the year, and what counts for it."""

import pytest

from buffer_ledger.gifts import GIFT_LIMIT, GiftLimit, GivenBuffer, gift_limit, guards, sentence_above_limit
from shared.law import Law, ParameterMissing
from tests.ledger_facts import month

LAW = Law.load()


def running(first: str, last: str, cap: int) -> GivenBuffer:
    return GivenBuffer(month(first), month(last), cap, False, {})


def test_the_limit_of_a_year_is_its_own() -> None:
    assert gift_limit(LAW, 2026) == GiftLimit(2026, 120_000, 2026)


@pytest.mark.parametrize("year", [2025, 2027, 2031])
def test_a_year_without_a_limit_has_that_of_the_nearest_known_year_and_never_none(year: int) -> None:
    assert gift_limit(LAW, year) == GiftLimit(year, 120_000, 2026)


def test_a_law_without_any_limit_is_refused() -> None:
    with pytest.raises(ParameterMissing, match=GIFT_LIMIT):
        gift_limit(Law({}), 2026)


@pytest.mark.parametrize(
    ("policy", "watched"),
    [
        ({}, True),
        ({"giftGuard": "BLOCK"}, True),
        ({"giftGuard": {"mode": "WARN"}}, True),
        ({"giftGuard": "OFF"}, False),
        ({"giftGuard": {"mode": "OFF"}}, False),
    ],
)
def test_the_limit_is_watched_unless_that_was_switched_off(policy: dict[str, object], watched: bool) -> None:
    assert guards(policy) is watched


def test_exactly_the_limit_is_free_and_a_cent_more_is_not() -> None:
    others = [running("2026-01", "2026-06", 20_000)]
    first, last = month("2026-07"), month("2026-12")

    assert sentence_above_limit(LAW, 100_000, first, last, others) is None
    assert "120001 cents" in str(sentence_above_limit(LAW, 100_001, first, last, others))


def test_every_calendar_year_of_the_new_buffer_is_looked_at() -> None:
    next_year = [running("2027-07", "2028-06", 100_000)]
    told = sentence_above_limit(LAW, 100_000, month("2026-07"), month("2027-06"), next_year)

    assert told is not None
    assert told.startswith("in 2027 ")
    assert sentence_above_limit(LAW, 100_000, month("2026-01"), month("2026-12"), next_year) is None


def test_an_ended_buffer_counts_for_each_year_what_was_drawn_for_its_months() -> None:
    drawn = {month("2026-12"): 30_000, month("2027-01"): 10_000}
    ended = GivenBuffer(month("2026-07"), month("2027-06"), 100_000, True, drawn)

    assert [ended.most_in(year) for year in (2025, 2026, 2027, 2028)] == [0, 30_000, 10_000, 0]
