"""Row classes as a service declares them, for the tests of the plumbing."""

from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import BigInteger, CheckConstraint, String, UniqueConstraint
from sqlmodel import Field, SQLModel

from shared.columns import JsonText, MonthText, UtcInstant
from shared.months import Month
from shared.plumbing import service_registry, table

REGISTRY = service_registry()
MIGRATIONS = Path(__file__).parent / "migrations"


class Row(SQLModel, registry=REGISTRY):
    """Parent of every row here."""


class FactRow(Row, table=True):
    __tablename__ = "fact"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("reverses", name="uq_fact_reverses"),
        CheckConstraint("amount_cents <> 0", name="amount"),
    )
    fact_id: str = Field(primary_key=True, sa_type=String(64))
    reverses: str | None = Field(default=None, sa_type=String(64))
    participant_id: str = Field(sa_type=String(36))
    month: Month = Field(sa_type=MonthText)
    amount_cents: int = Field(sa_type=BigInteger)
    recorded_at: datetime = Field(sa_type=UtcInstant)
    receipt: dict[str, Any] | None = Field(default=None, sa_type=JsonText)


class TotalRow(Row, table=True):
    __tablename__ = "total"
    participant_id: str = Field(primary_key=True, sa_type=String(36))
    amount_cents: int = Field(sa_type=BigInteger)
    version: int = Field(sa_type=BigInteger)


FACT = table(FactRow)
TOTAL = table(TotalRow)
METADATA = REGISTRY.metadata
