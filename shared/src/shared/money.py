"""Money is whole euro cents; rates are exact. No float enters or leaves."""

from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Literal, NewType

from pydantic import BeforeValidator, Field, PlainSerializer, Strict, WithJsonSchema

Cents = NewType("Cents", int)
"""Whole euro cents. Addition of two gives an int; wrap it again where it is stored or sent."""

Language = Literal["nl", "en"]

CENTS_MAX = 10**11
"""One milliard euro: above every real amount here, below what a 64-bit column and a JSON number carry."""

NO_BREAK_SPACE = "\u00a0"


def half_up(value: Fraction) -> Cents:
    """Round to whole cents, half away from zero: the only rounding there is (reading 1)."""
    return _rounded(value.numerator, value.denominator)


def half_up_part(share: Fraction, cents: int, plus_cents: int = 0) -> Cents:
    """`half_up(share * cents + plus_cents)` in whole numbers, which is several times as fast."""
    return _rounded(share.numerator * cents + plus_cents * share.denominator, share.denominator)


def _rounded(numerator: int, denominator: int) -> Cents:
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return Cents(-magnitude if numerator < 0 else magnitude)


def format_euro(cents: int, language: Language) -> str:
    """Write an amount the way its reader does: `€ 1.331,43` in Dutch, `€1,331.43` in English."""
    sign = "-" if cents < 0 else ""
    euros, rest = divmod(abs(cents), 100)
    grouped = f"{euros:,}"
    if language == "nl":
        return f"€{NO_BREAK_SPACE}{sign}{grouped.replace(',', '.')},{rest:02d}"
    return f"{sign}€{grouped}.{rest:02d}"


def _share_from_text(value: object) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str):
        raise ValueError('a share is a decimal string such as "0.15"')
    text = value.strip()
    whole, dot, decimals = text.partition(".")
    if (
        not whole.isascii()
        or not whole.isdigit()
        or (dot and not (decimals.isascii() and decimals.isdigit()))
    ):
        raise ValueError('a share is a decimal string such as "0.15"')
    return Decimal(text)


AnyCents = Annotated[Cents, Strict(), Field(ge=-CENTS_MAX, le=CENTS_MAX)]
"""Field type for an amount that may be negative; floats, strings and booleans are refused."""

StrictCents = Annotated[Cents, Strict(), Field(ge=0, le=CENTS_MAX)]
"""Field type for an amount of nil or more; floats, strings and booleans are refused."""

PositiveCents = Annotated[Cents, Strict(), Field(gt=0, le=CENTS_MAX)]
"""Field type for an amount above nil; floats, strings and booleans are refused."""

Share = Annotated[
    Decimal,
    BeforeValidator(_share_from_text),
    Field(ge=0, le=1, max_digits=9),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^(0(\.[0-9]{1,8})?|1(\.0{1,8})?)$", "examples": ["0.15"]}),
]
"""Field type for a share of 0 to 1, written as a decimal string; kept exact."""
