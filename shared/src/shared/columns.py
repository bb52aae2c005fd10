"""Column types that mean the same on SQLite and on PostgreSQL; money is `BigInteger`, never `Numeric`.

SQLAlchemy's own types lose on SQLite: `Numeric` becomes a REAL, a time with a zone comes back without it.
"""

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Dialect, Integer, LargeBinary, String, Text, bindparam
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Boolean, TypeDecorator, TypeEngine

from shared.clock import format_instant, parse_instant
from shared.months import Month

__all__ = ["BigInteger", "JsonText", "LargeBinary", "MonthText", "RowId", "UtcInstant", "among"]

# SQLite gives automatic ids to INTEGER keys only.
RowId = BigInteger().with_variant(Integer(), "sqlite")


class UtcInstant(TypeDecorator[datetime]):
    """An instant: always aware and in UTC, both ways; a naive one is refused. On SQLite a text that sorts."""

    impl = String(27)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True))
        return dialect.type_descriptor(String(27))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant must know its time zone")
        return value if dialect.name == "postgresql" else format_instant(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if isinstance(value, datetime):
            return parse_instant(value.isoformat())
        return parse_instant(value)


class MonthText(TypeDecorator[Month]):
    """A calendar month, kept as the text `2026-03`, which sorts by time."""

    impl = String(7)
    cache_ok = True

    def process_bind_param(self, value: Month | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        # A text would be taken by both databases, whatever it says, and be found out by whoever reads it.
        if not isinstance(value, Month):
            raise TypeError(f"a month is a Month, not a {type(value).__name__}")
        return str(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Month | None:
        return None if value is None else Month.parse(value)


class JsonText(TypeDecorator[Any]):
    """A JSON value kept as text, byte for byte the same in both databases; never queried by its members."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


class _Many(TypeDecorator[Any]):
    """A whole list of texts or whole numbers in one parameter."""

    impl = Text
    cache_ok = True

    def __init__(self, whole_numbers: bool) -> None:
        super().__init__()
        self.whole_numbers = whole_numbers

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(ARRAY(BigInteger() if self.whole_numbers else Text()))
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return value if dialect.name == "postgresql" else json.dumps(value)


class _Among(FunctionElement[bool]):
    name = "among"
    type = Boolean()
    inherit_cache = True


@compiles(_Among, "postgresql")
def _among_on_postgresql(element: _Among, compiler: SQLCompiler, **kw: Any) -> str:
    column, values = element.clauses
    return f"({compiler.process(column, **kw)} = ANY ({compiler.process(values, **kw)}))"


@compiles(_Among, "sqlite")
def _among_on_sqlite(element: _Among, compiler: SQLCompiler, **kw: Any) -> str:
    column, values = element.clauses
    listed = compiler.process(values, **kw)
    return f"({compiler.process(column, **kw)} IN (SELECT value FROM json_each({listed})))"


def among(column: ColumnElement[Any], values: Collection[str | int | Month]) -> ColumnElement[bool]:
    """True where the column is one of the values; takes any number of them.

    `column.in_(values)` makes a parameter of each value and breaks at about 32,000; this is one parameter,
    `= ANY(array)` on PostgreSQL and `json_each` on SQLite, and uses an index in both.
    """
    plain = [str(value) if isinstance(value, Month) else value for value in values]
    whole_numbers = bool(plain) and isinstance(plain[0], int)
    parameter = bindparam("among", plain, type_=_Many(whole_numbers), unique=True)
    return _Among(column, parameter)
