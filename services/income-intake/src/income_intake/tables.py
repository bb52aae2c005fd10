"""The tables of income-intake's database; rows never leave store.py.

Names, numbers and references of people and employers stand in `private` columns, encrypted with the person's
own key; what finds them are keyed hashes (`..._index`, `..._key`). Append-only: wage_slip, month_declaration.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    Index,
    Integer,
    LargeBinary,
    String,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel

from shared.columns import JsonText, MonthText, UtcInstant
from shared.months import Month
from shared.plumbing import service_registry, table

REGISTRY = service_registry()
METADATA = REGISTRY.metadata


class IntakeTable(SQLModel, registry=REGISTRY):
    """Root of this service's tables: a registry of its own, since three services may share a process."""


def _column(kind: Any, *, key: bool = False, refers_to: str | None = None) -> Any:
    extra: dict[str, Any] = {"foreign_key": refers_to} if refers_to else {}
    return Field(primary_key=key, sa_type=kind, **extra)


def _maybe(kind: Any) -> Any:
    return Field(default=None, nullable=True, sa_type=kind)


_ID = String(36)
_HASH = String(64)


class ParticipantRow(IntakeTable, table=True):
    """A person. After erasure the row stays, without anything about the person, so that no id returns.

    Its lock orders everything that happens to the person.
    """

    __tablename__ = "participant"
    __table_args__ = (UniqueConstraint("bsn_index"), UniqueConstraint("reference_index"))
    participant_id: str = _column(_ID, key=True)
    municipality: str = _column(String(4))
    bsn_index: str | None = _maybe(_HASH)  # of municipality and number, as is the reference's
    reference_index: str | None = _maybe(_HASH)
    private: bytes | None = _maybe(LargeBinary)  # {"bsn", "externalReference"}
    registered_at: datetime = _column(UtcInstant)
    erased_at: datetime | None = _maybe(UtcInstant)
    key_destroyed_at: datetime | None = _maybe(UtcInstant)


class EmploymentRow(IntakeTable, table=True):
    """A job that is expected to send slips."""

    __tablename__ = "employment"
    participant_id: str = _column(_ID, key=True, refers_to="participant.participant_id")
    employer_key: str = _column(_HASH, key=True)
    name_key: str = _column(_HASH)  # finds the job when a slip names the employer otherwise than the job does
    has_number: bool = Field()
    pay_period: str = _column(String(10))
    private: bytes = _column(LargeBinary)  # {"employerName", "employerNumber"}
    recorded_at: datetime = _column(UtcInstant)


class WageSlipRow(IntakeTable, table=True):
    """One version of a slip, as facts that go out and what only we may read."""

    __tablename__ = "wage_slip"
    __table_args__ = (
        UniqueConstraint("slip_key", "rank_version", "rank_arrival"),
        UniqueConstraint("slip_key", "told_version"),
        Index("ix_wage_slip_participant_id", "participant_id"),
        CheckConstraint("rank_version >= 0 AND rank_arrival >= 0", name="rank_counts_up"),
        CheckConstraint("rank_version >= 1 OR rank_arrival >= 1", name="version_counts_from_one"),
        CheckConstraint("told_version >= 1", name="told_counts_from_one"),
        CheckConstraint("period_from <= period_to", name="period_in_order"),
    )
    wage_slip_id: str = _column(_ID, key=True)
    slip_key: str = _column(_HASH)
    rank_version: int = _column(BigInteger)  # the sender's, or the highest known when one without arrived
    rank_arrival: int = _column(Integer)  # 0 for a version with a number of the sender, see versions.Rank
    told_version: int | None = _maybe(Integer)  # of the event that told it; empty when it never counted
    participant_id: str = _column(_ID, refers_to="participant.participant_id")
    employer_key: str = _column(_HASH)
    content_key: str = _column(_HASH)
    status: str = _column(String(10))  # ACCEPTED or CORRECTION
    supersedes: str | None = _maybe(_ID)
    source: str = _column(String(20))
    period_from: date = _column(Date)
    period_to: date = _column(Date)
    pay_date: date = _column(Date)
    slip_number: int = _column(Integer)
    parts: list[list[Any]] = _column(JsonText)  # [[kind, netCents]]
    net_cents: int = _column(BigInteger)
    gross_cents: int | None = _maybe(BigInteger)
    tax_credit_applied: bool | None = Field(default=None, nullable=True)
    private: bytes = _column(LargeBinary)  # {"employerName", "employerNumber", "hours", "lines", "consentId"}
    batch_id: str | None = _maybe(_ID)
    recorded_at: datetime = _column(UtcInstant)


class MonthDeclarationRow(IntakeTable, table=True):
    """A month that was declared, once per kind."""

    __tablename__ = "month_declaration"
    __table_args__ = (UniqueConstraint("participant_id", "month", "kind"),)
    declaration_id: str = _column(_ID, key=True)
    participant_id: str = _column(_ID, refers_to="participant.participant_id")
    month: Month = _column(MonthText)
    kind: str = _column(String(10))
    recorded_at: datetime = _column(UtcInstant)


class BatchRow(IntakeTable, table=True):
    """A batch and how far it is. Its pieces are taken in one by one, from `next_piece` on."""

    __tablename__ = "wage_slip_batch"
    __table_args__ = (
        UniqueConstraint("municipality", "digest"),
        CheckConstraint("state IN ('RECEIVED', 'RUNNING', 'DONE', 'FAILED')", name="state_known"),
        Index("ix_wage_slip_batch_state", "state", "received_at"),
    )
    batch_id: str = _column(_ID, key=True)
    municipality: str = _column(String(4))
    digest: str = _column(_HASH)
    submitted_by: str = _column(String(200))  # the token's subject, for the auditor
    state: str = _column(String(10))
    received_at: datetime = _column(UtcInstant)
    finished_at: datetime | None = _maybe(UtcInstant)
    pieces: int = _column(Integer)
    next_piece: int = _column(Integer)
    attempts: int = _column(Integer)  # how often the next piece failed as a whole
    failure: str | None = _maybe(String(200))  # why the batch failed; words of our own
    received: int = _column(BigInteger)
    accepted: int = _column(BigInteger)
    corrections: int = _column(BigInteger)
    duplicates: int = _column(BigInteger)
    refused: int = _column(BigInteger)
    accepted_cents: int = _column(BigInteger)
    corrections_cents: int = _column(BigInteger)
    duplicates_cents: int = _column(BigInteger)


class BatchPieceRow(IntakeTable, table=True):
    """Some lines of a batch as they came, encrypted; deleted in the transaction that takes them in."""

    __tablename__ = "wage_slip_batch_piece"
    batch_id: str = _column(_ID, key=True, refers_to="wage_slip_batch.batch_id")
    piece: int = _column(Integer, key=True)
    first_line: int = _column(BigInteger)
    content: bytes = _column(LargeBinary)


class BatchResultRow(IntakeTable, table=True):
    """What became of one line; its faults are encrypted."""

    __tablename__ = "wage_slip_batch_result"
    batch_id: str = _column(_ID, key=True, refers_to="wage_slip_batch.batch_id")
    line: int = _column(BigInteger, key=True)
    status: str = _column(String(10))
    wage_slip_id: str | None = _maybe(_ID)
    supersedes: str | None = _maybe(_ID)
    superseded_by: str | None = _maybe(_ID)
    faults: bytes | None = _maybe(LargeBinary)  # [{"rule", "pointer", "detail"}]


PARTICIPANT = table(ParticipantRow)
EMPLOYMENT = table(EmploymentRow)
WAGE_SLIP = table(WageSlipRow)
MONTH_DECLARATION = table(MonthDeclarationRow)
BATCH = table(BatchRow)
BATCH_PIECE = table(BatchPieceRow)
BATCH_RESULT = table(BatchResultRow)

MUTABLE = ("participant", "employment", "wage_slip_batch", "wage_slip_batch_piece")
"""Tables whose rows may change; on PostgreSQL the service role may change no others."""
