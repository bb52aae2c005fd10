"""The figures of one calendar year, as whole numbers that pure rules reckon with.

A toeslag is a matter of the whole calendar year, so every figure is the one of 1 January. Shares become whole
numbers of hundred-thousandths, which is as fine as the law writes them.
"""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Final, TypeVar

from shared.errors import BufferbudgetError
from shared.law import Law, ParameterMissing, ParameterValue, ReceiptLine, ShareBand
from shared.months import Month

SHARE_SCALE: Final = 100_000
"""A share of 1, as the rules write it."""

_R = TypeVar("_R")


class YearUnknown(BufferbudgetError):
    """A calendar year without a full set of figures; the message names it, what is missing and the years we
    have."""

    def __init__(self, year: int, missing: str, known: tuple[int, ...]) -> None:
        have = ", ".join(str(one) for one in known) or "none"
        super().__init__(f"{year} cannot be computed: {missing} has no value for it; years we have: {have}")
        self.year = year
        self.known = known


class PartUnknown(BufferbudgetError):
    """A part of a table of the law that nobody has found; the message names the table and where it ends."""

    def __init__(self, name: str, year: int, from_cents: int) -> None:
        super().__init__(
            f"{name} of {year} is not known for an income of {from_cents // 100} euro and more, "
            "so this amount cannot be computed"
        )


class YearLaw:
    """The law of one calendar year."""

    def __init__(self, law: Law, year: int) -> None:
        self.law = law
        self.year = year
        self._day = date(year, 1, 1)

    def value(self, name: str) -> ParameterValue:
        """The parameter of the year; raises ParameterMissing without one."""
        return self.law.value(name, self._day)

    def cents(self, name: str) -> int:
        """An amount in whole cents."""
        return int(self.value(name).cents)

    def number(self, name: str) -> int:
        """A whole number, such as an age."""
        return self.value(name).number

    def share(self, name: str) -> int:
        """A share in hundred-thousandths; a ValueError for one that is written finer."""
        return scaled(self.value(name).share)

    def line(self, name: str) -> ReceiptLine:
        """The line of a receipt for a parameter that is no table."""
        return self.value(name).receipt()


def scaled(share: Decimal) -> int:
    """A share in hundred-thousandths; a ValueError for one that is written finer."""
    whole = share * SHARE_SCALE
    if whole != whole.to_integral_value():
        raise ValueError(f"the share {share} is finer than a hundred-thousandth")
    return int(whole)


def band_at(bands: tuple[ShareBand, ...], amount_cents: int) -> ShareBand:
    """The row of a table of shares that an amount lies in."""
    found = bands[0]
    for band in bands:
        if band.from_cents > amount_cents:
            break
        found = band
    return found


def of_year(law: Law, year: int, read: Callable[[YearLaw], _R]) -> _R:
    """What `read` makes of a year; raises YearUnknown with the years of which it can make something."""
    try:
        return read(YearLaw(law, year))
    except ParameterMissing as missing:
        raise YearUnknown(year, missing.name, _years_of(law, read)) from None


def _years_of(law: Law, read: Callable[[YearLaw], object]) -> tuple[int, ...]:
    found = []
    for year in sorted({value.since.year for name in law.names for value in law.values(name)}):
        try:
            read(YearLaw(law, year))
        except ParameterMissing:
            continue
        found.append(year)
    return tuple(found)


def months_of(year: int) -> tuple[Month, ...]:
    """January to December."""
    return tuple(Month(year, number) for number in range(1, 13))
