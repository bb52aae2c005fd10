"""The law as data: every amount, share and table by the day it holds from, with its source.

`Law.load()` reads every file under `parameters/` once. A day without a value is refused with the days that
have one; there is no falling back to last year's figure, and no looking past a value's explicit end.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from shared.errors import BufferbudgetError
from shared.law.files import (
    Certainty,
    ParameterFile,
    ShareRow,
    SliceRow,
    TableRow,
    Unit,
    ValueEntry,
    read_parameter,
)
from shared.money import Cents
from shared.months import Month

__all__ = [
    "Bracket",
    "Certainty",
    "Law",
    "ParameterMissing",
    "ParameterValue",
    "ReceiptLine",
    "ShareBand",
    "Slice",
    "Unit",
]

PARAMETERS = Path(__file__).parent / "parameters"

_Row = TypeVar("_Row", "Bracket", "Slice", "ShareBand")


class ParameterMissing(BufferbudgetError):
    """A parameter has no value for a day; the message names the parameter, the day and the days that have
    one."""

    def __init__(self, name: str, on: date, known: tuple[tuple[date, date | None], ...]) -> None:
        spans = ", ".join(
            f"{since} to {until}" if until is not None else f"{since} and later" for since, until in known
        )
        super().__init__(f"{name} has no value for {on}; known: {spans or 'no such parameter'}")
        self.name = name
        self.on = on
        self.known = known


@dataclass(frozen=True, slots=True)
class Bracket:
    """One row of a table: from an amount on, `rate` times the amount plus a constant, both in cents."""

    from_cents: Cents
    rate: Decimal
    constant_cents: Cents


@dataclass(frozen=True, slots=True)
class Slice:
    """One row of a table: from an amount on, a base plus `rate` times what lies above that amount, in
    cents."""

    from_cents: Cents
    base_cents: Cents
    rate: Decimal


@dataclass(frozen=True, slots=True)
class ShareBand:
    """One row of a table of shares: from an amount in cents on; None where the share is not known."""

    from_cents: Cents
    share: Decimal | None


TableRowValue = Bracket | Slice | ShareBand
"""A row of one of the three kinds of table."""


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """One parameter as it was used: of a table the row that applied."""

    parameter: str
    value: int | str | TableRowValue
    unit: str
    since: date
    source: str

    def to_json(self) -> dict[str, object]:
        """Members `parameter, value, unit, since, source`; shares are decimal strings, amounts whole
        cents."""
        value: object = self.value
        if isinstance(self.value, TableRowValue):
            value = _row_members(self.value)
        return {
            "parameter": self.parameter,
            "value": value,
            "unit": self.unit,
            "since": self.since.isoformat(),
            "source": self.source,
        }

    @classmethod
    def from_json(cls, members: Mapping[str, object]) -> "ReceiptLine":
        """Read what `to_json` wrote."""
        value = members["value"]
        if isinstance(value, dict):
            value = _row_from(value)
        if not isinstance(value, int | str | TableRowValue):
            raise TypeError(f"a receipt holds no {type(value).__name__}")
        return cls(
            str(members["parameter"]),
            value,
            str(members["unit"]),
            date.fromisoformat(str(members["since"])),
            str(members["source"]),
        )


@dataclass(frozen=True, slots=True)
class ParameterValue:
    """A parameter's value on a day, since when it holds (`until` when its end is known) and where it
    stands."""

    name: str
    value: Cents | Decimal | tuple[Bracket, ...] | tuple[Slice, ...] | tuple[ShareBand, ...]
    unit: Unit
    since: date
    until: date | None
    source: str
    certainty: Certainty

    @property
    def cents(self) -> Cents:
        """The amount; a TypeError for a parameter that is none."""
        if isinstance(self.value, int):
            return self.value
        raise TypeError(f"{self.name} is no amount: its unit is {self.unit}")

    @property
    def number(self) -> int:
        """A whole number of what the unit says, such as months or years; a TypeError for another kind."""
        if isinstance(self.value, int) and not self.unit.startswith("cents"):
            return self.value
        raise TypeError(f"{self.name} is no whole number: its unit is {self.unit}")

    @property
    def share(self) -> Decimal:
        """The share or factor, exact; a TypeError for a parameter that is none."""
        if isinstance(self.value, Decimal):
            return self.value
        raise TypeError(f"{self.name} is no share: its unit is {self.unit}")

    @property
    def brackets(self) -> tuple[Bracket, ...]:
        """The rows of a table, rising; a TypeError for a parameter that is none."""
        return self._rows(Bracket)

    @property
    def slices(self) -> tuple[Slice, ...]:
        """The rows of a table of slices, rising; a TypeError for a parameter that is none."""
        return self._rows(Slice)

    @property
    def bands(self) -> tuple[ShareBand, ...]:
        """The rows of a table of shares, rising; a TypeError for a parameter that is none."""
        return self._rows(ShareBand)

    def _rows(self, kind: type[_Row]) -> tuple[_Row, ...]:
        rows = self.value if isinstance(self.value, tuple) else ()
        found = tuple(row for row in rows if isinstance(row, kind))
        if found:
            return found
        raise TypeError(f"{self.name} is no table of this kind: its unit is {self.unit}")

    def receipt(self, row: TableRowValue | None = None) -> ReceiptLine:
        """The line for a receipt; of a table the row that applied must be given."""
        if isinstance(self.value, tuple):
            if row is None:
                raise TypeError(f"{self.name} is a table: say which row applied")
            return ReceiptLine(self.name, row, self.unit, self.since, self.source)
        value = str(self.value) if isinstance(self.value, Decimal) else int(self.value)
        return ReceiptLine(self.name, value, self.unit, self.since, self.source)


class Law:
    """Every parameter that is known; a value, compared by identity, safe to share between threads."""

    def __init__(self, parameters: Mapping[str, ParameterFile]) -> None:
        self._values = {name: _values_of(name, parameter) for name, parameter in parameters.items()}
        self._starts = {name: [value.since for value in values] for name, values in self._values.items()}

    @classmethod
    def load(cls, folder: Path = PARAMETERS) -> "Law":
        """The law of a folder, read and validated once per process; a fault in any file is a ValueError."""
        return _load(folder)

    @property
    def names(self) -> tuple[str, ...]:
        """Every parameter, by the path of its file."""
        return tuple(sorted(self._values))

    def values(self, name: str) -> tuple[ParameterValue, ...]:
        """All values of a parameter in time order; none when there is no such parameter."""
        return self._values.get(name, ())

    def value(self, name: str, on: date | Month) -> ParameterValue:
        """The value that holds on a day (of a month: on its first day), else ParameterMissing."""
        day = on.first_day if isinstance(on, Month) else on
        index = bisect_right(self._starts.get(name, []), day) - 1
        if index >= 0:
            found = self._values[name][index]
            if found.until is None or day <= found.until:
                return found
        raise ParameterMissing(name, day, tuple((known.since, known.until) for known in self.values(name)))


@lru_cache(maxsize=8)
def _load(folder: Path) -> Law:
    return Law(dict(_read_all(folder)))


def _read_all(folder: Path) -> Iterator[tuple[str, ParameterFile]]:
    files = sorted(folder.rglob("*.yaml"))
    if not files:
        raise ValueError(f"{folder} holds no parameters")
    for file in files:
        yield file.relative_to(folder).with_suffix("").as_posix(), read_parameter(file)


def _values_of(name: str, parameter: ParameterFile) -> tuple[ParameterValue, ...]:
    return tuple(
        ParameterValue(
            name=name,
            value=_content(entry),
            unit=parameter.unit,
            since=entry.since,
            until=entry.until,
            source=parameter.source_of(entry),
            certainty=entry.certainty or parameter.certainty,
        )
        for entry in parameter.values
    )


def _content(
    entry: ValueEntry,
) -> Cents | Decimal | tuple[Bracket, ...] | tuple[Slice, ...] | tuple[ShareBand, ...]:
    value = entry.value
    if isinstance(value, int):
        return Cents(value)
    if isinstance(value, str):
        return Decimal(value)
    # A file's rows are all of one kind: the reader of the file has seen to that.
    slices = tuple(
        Slice(Cents(row.from_cents), Cents(row.base_cents), Decimal(row.rate))
        for row in value
        if isinstance(row, SliceRow)
    )
    bands = tuple(
        ShareBand(Cents(row.from_cents), None if row.share is None else Decimal(row.share))
        for row in value
        if isinstance(row, ShareRow)
    )
    brackets = tuple(
        Bracket(Cents(row.from_cents), Decimal(row.rate), Cents(row.constant_cents))
        for row in value
        if isinstance(row, TableRow)
    )
    return slices or bands or brackets


def _row_members(row: TableRowValue) -> dict[str, object]:
    if isinstance(row, Bracket):
        return {"fromCents": row.from_cents, "rate": str(row.rate), "constantCents": row.constant_cents}
    if isinstance(row, Slice):
        return {"fromCents": row.from_cents, "baseCents": row.base_cents, "rate": str(row.rate)}
    return {"fromCents": row.from_cents, "share": None if row.share is None else str(row.share)}


def _row_from(members: Mapping[str, Any]) -> TableRowValue:
    start = Cents(members["fromCents"])
    if "constantCents" in members:
        return Bracket(start, Decimal(members["rate"]), Cents(members["constantCents"]))
    if "baseCents" in members:
        return Slice(start, Cents(members["baseCents"]), Decimal(members["rate"]))
    return ShareBand(start, None if members["share"] is None else Decimal(members["share"]))
