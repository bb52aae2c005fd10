"""How much may be given in a calendar year before the college has to look, and what is left of it."""

import pytest

from buffer_ledger.gifts import GIFT_LIMIT, GiftLimit, gift_limit, room_by_year
from shared.law import Law, ParameterMissing
from shared.money import Cents
from tests.ledger_facts import policy

LAW = Law.load()


def test_the_limit_of_a_year_is_its_own() -> None:
    assert gift_limit(LAW, 2026) == GiftLimit(2026, 120_000, 2026)


@pytest.mark.parametrize("year", [2025, 2027, 2031])
def test_a_year_without_a_limit_has_that_of_the_nearest_known_year_and_never_none(year: int) -> None:
    assert gift_limit(LAW, year) == GiftLimit(year, 120_000, 2026)


def test_a_law_without_any_limit_is_refused() -> None:
    with pytest.raises(ParameterMissing, match=GIFT_LIMIT):
        gift_limit(Law({}), 2026)


def test_the_room_of_a_year_is_its_limit_less_what_was_given_beside() -> None:
    assert room_by_year(LAW, policy(), [2026, 2027], {2026: 50_000}) == {2026: 70_000, 2027: 120_000}


def test_a_scheme_may_name_its_own_limit() -> None:
    own = policy(gift_limit_cents=Cents(90_000))

    assert room_by_year(LAW, own, [2026], {2026: 50_000}) == {2026: 40_000}


@pytest.mark.parametrize("values", [{"gift_guard": "OFF"}, {"statutory": True}])
def test_nothing_is_watched_where_nothing_is_a_gift_or_the_guard_is_off(values: dict[str, object]) -> None:
    assert room_by_year(LAW, policy(**values), [2026], {}) == {}
