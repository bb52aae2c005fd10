"""The shape of a parameter file: strict, so that a slip of the pen is refused when the process starts."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Unit = Literal[
    "cents",
    "cents-per-month",
    "cents-per-year",
    "cents-per-hour",
    "share",
    "factor",
    "hours-per-month",
    "months",
    "weeks",
    "years",
    "table",
    "slices",
    "shares",
]
"""A share lies between 0 and what the law makes of it, a factor is any exact decimal. Three kinds of table:
`table` (rate times the whole amount plus a constant), `slices` (a base plus a rate over what lies above the
row's beginning) and `shares` (one share per row)."""
Certainty = Literal["official", "practice", "unverified"]
"""official: read in the law or a ministry's letter. practice: municipalities work so. unverified: neither
yet."""

DecimalText = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]*)(\.[0-9]+)?$")]
SignedDecimalText = Annotated[str, Field(pattern=r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$")]
Text = Annotated[str, Field(pattern=r"\S")]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class TableRow(_Closed):
    """From an amount on: rate times the amount plus a constant. Amounts in cents, the rate a decimal
    string."""

    from_cents: Annotated[int, Field(alias="from", ge=0)]
    rate: DecimalText
    constant_cents: Annotated[int, Field(alias="constant")]


class SliceRow(_Closed):
    """From an amount on: a base plus rate times what lies above that amount; the rate may be below nil."""

    from_cents: Annotated[int, Field(alias="from", ge=0)]
    base_cents: Annotated[int, Field(alias="base")]
    rate: SignedDecimalText


class ShareRow(_Closed):
    """From an amount on: a share; null where nobody has found it, so that what needs it is refused."""

    from_cents: Annotated[int, Field(alias="from", ge=0)]
    share: DecimalText | None


class ValueEntry(_Closed):
    """A value from a day on, until the day before the next one or until its own last day."""

    since: Annotated[date, Field(alias="from")]
    until: date | None = None
    value: (
        int
        | DecimalText
        | SignedDecimalText
        | Annotated[list[TableRow], Field(min_length=1)]
        | Annotated[list[SliceRow], Field(min_length=1)]
        | Annotated[list[ShareRow], Field(min_length=1)]
    )
    source: Text | None = None
    url: Text | None = None
    certainty: Certainty | None = None
    remark: Text | None = None


class ParameterFile(_Closed):
    """One parameter: what it is, where it stands in the law, and its values in time order."""

    description: Text
    unit: Unit
    law: Text
    article: Text
    url: Text
    certainty: Certainty
    values: Annotated[list[ValueEntry], Field(min_length=1)]

    @model_validator(mode="after")
    def _is_coherent(self) -> "ParameterFile":
        for entry in self.values:
            self._check_value(entry)
        for earlier, later in zip(self.values, self.values[1:], strict=False):
            if later.since <= earlier.since:
                raise ValueError(f"{later.since} stands after {earlier.since}: values must rise by day")
            if earlier.until is not None and earlier.until >= later.since:
                raise ValueError(f"the value of {earlier.since} runs into that of {later.since}")
        return self

    def _check_value(self, entry: ValueEntry) -> None:
        row = _ROWS.get(self.unit)
        expected: type = list if row else str if self.unit in {"share", "factor"} else int
        if not isinstance(entry.value, expected):
            raise ValueError(f"a value of unit {self.unit} is written as {expected.__name__}")
        if isinstance(entry.value, str) and self.unit == "share" and entry.value.startswith("-"):
            raise ValueError(f"the share of {entry.since} is below nil")
        if isinstance(entry.value, int) and entry.value < 0:
            raise ValueError(f"the value of {entry.since} is below nil")
        if entry.until is not None and entry.until < entry.since:
            raise ValueError(f"the value of {entry.since} ends before it begins")
        if isinstance(entry.value, list):
            if row is None or not all(isinstance(one, row) for one in entry.value):
                raise ValueError(f"the rows of {entry.since} are not those of unit {self.unit}")
            starts = [row.from_cents for row in entry.value]
            if starts[0] != 0 or starts != sorted(set(starts)):
                raise ValueError(f"the rows of {entry.since} must begin at 0 and rise")

    def source_of(self, entry: ValueEntry) -> str:
        """Where a value stands, in one line: law, article, publication and address."""
        parts = [f"{self.law} art. {self.article}", entry.source, entry.url or self.url]
        return ", ".join(part for part in parts if part is not None)


_ROWS: Mapping[str, type[_Closed]] = {"table": TableRow, "slices": SliceRow, "shares": ShareRow}


def read_parameter(file: Path) -> ParameterFile:
    """Read one file; whatever is wrong with it is a ValueError that names the file."""
    try:
        return ParameterFile.model_validate(yaml.load(file.read_text(encoding="utf-8"), Loader=_UniqueKeys))
    except (ValidationError, yaml.YAMLError) as fault:
        raise ValueError(f"{file.name}: {fault}") from fault


class _UniqueKeys(yaml.SafeLoader):
    """Plain YAML that refuses a member written twice: of two amounts the last would silently win."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the member {key!r} is written twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)
