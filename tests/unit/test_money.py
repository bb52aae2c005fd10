"""Money: whole cents, one rounding, amounts as people read them, and no float at any edge."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from shared.money import AnyCents, PositiveCents, Share, StrictCents, format_euro, half_up, half_up_part


class Amounts(BaseModel):
    nil_or_more: StrictCents
    any_sign: AnyCents
    above_nil: PositiveCents


class Shares(BaseModel):
    share: Share


@pytest.mark.parametrize(
    ("exact", "cents"),
    [
        (Fraction(1, 2), 1),
        (Fraction(49, 100), 0),
        (Fraction(-1, 2), -1),
        (Fraction(-49, 100), 0),
        (Fraction(5, 2), 3),
        (Fraction(-5, 2), -3),
        (Fraction(95, 100) * 13750, 13063),
        (Fraction(7), 7),
        (Fraction(-7), -7),
        (Fraction(0), 0),
    ],
)
def test_half_a_cent_is_rounded_away_from_nil(exact: Fraction, cents: int) -> None:
    assert half_up(exact) == cents


def test_rounding_is_exact_far_beyond_what_a_float_holds() -> None:
    assert half_up(Fraction(10**40 + 1, 2)) == 5 * 10**39 + 1


@given(
    share=st.fractions(min_value=-2, max_value=2, max_denominator=10_000),
    cents=st.integers(-(10**9), 10**9),
    plus=st.integers(-(10**6), 10**6),
)
def test_a_part_of_an_amount_is_rounded_like_its_exact_product(
    share: Fraction, cents: int, plus: int
) -> None:
    exact = share * cents + plus
    part = half_up_part(share, cents, plus)
    assert abs(part - exact) <= Fraction(1, 2)
    assert part == half_up(exact)
    if abs(part - exact) == Fraction(1, 2):
        assert abs(part) > abs(exact)


@pytest.mark.parametrize(
    ("cents", "dutch", "english"),
    [
        (133143, "€\u00a01.331,43", "€1,331.43"),
        (5, "€\u00a00,05", "€0.05"),
        (0, "€\u00a00,00", "€0.00"),
        (-2077, "€\u00a0-20,77", "-€20.77"),
        (123456789, "€\u00a01.234.567,89", "€1,234,567.89"),
    ],
)
def test_an_amount_is_written_as_its_reader_writes_it(cents: int, dutch: str, english: str) -> None:
    assert format_euro(cents, "nl") == dutch
    assert format_euro(cents, "en") == english


@pytest.mark.parametrize("wrong", [1.0, "1", True, None, Decimal(1), 10**11 + 1])
def test_a_float_a_string_or_a_boolean_is_no_amount(wrong: Any) -> None:
    for member in ("nil_or_more", "any_sign", "above_nil"):
        with pytest.raises(ValidationError, match=member):
            Amounts.model_validate({"nil_or_more": 1, "any_sign": 1, "above_nil": 1} | {member: wrong})


def test_each_kind_of_amount_has_its_own_lowest_value() -> None:
    assert Amounts.model_validate({"nil_or_more": 0, "any_sign": -1, "above_nil": 1})
    with pytest.raises(ValidationError, match="nil_or_more"):
        Amounts.model_validate({"nil_or_more": -1, "any_sign": -1, "above_nil": 1})
    with pytest.raises(ValidationError, match="above_nil"):
        Amounts.model_validate({"nil_or_more": 0, "any_sign": -1, "above_nil": 0})


@pytest.mark.parametrize("text", ["0", "0.15", "0.125", "1", "1.0"])
def test_a_share_is_a_decimal_string_and_stays_exact(text: str) -> None:
    read = Shares.model_validate({"share": text})

    assert read.share == Decimal(text)
    assert read.model_dump(mode="json") == {"share": text}


@pytest.mark.parametrize(
    "wrong", [0.15, 1, "1.01", "-0.1", "15%", "0,15", "", ".5", "1e-1", "NaN", "٠.٥", None]
)
def test_anything_else_is_no_share(wrong: Any) -> None:
    with pytest.raises(ValidationError, match="share"):
        Shares.model_validate({"share": wrong})
