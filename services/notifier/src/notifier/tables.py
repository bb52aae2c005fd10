"""The tables of the notifier's database, one class each; rows never leave store.py.

Contact details and everything a resident reads are encrypted with the person's key. What stays readable is
pseudonymous: ids, months, states, and the amounts of the ledger's events. delivery_evidence and bounce are
append-only.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, Integer, LargeBinary, String, UniqueConstraint
from sqlmodel import Field, SQLModel

from shared.columns import JsonText, MonthText, UtcInstant
from shared.months import Month
from shared.plumbing import service_registry, table

REGISTRY = service_registry()
METADATA = REGISTRY.metadata


class NotifierTable(SQLModel, registry=REGISTRY):
    """Root of this service's tables: a registry of its own, since three services may share a process."""


def _one_of(column: str, *values: str) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


class PersonRow(NotifierTable, table=True):
    """One person heard of, in an event or by a contact; the lock that everything about the person takes."""

    __tablename__ = "person"
    participant_id: str = Field(primary_key=True, sa_type=String(36))
    state: str = Field(sa_type=String(10))
    municipality: str | None = Field(default=None, nullable=True, sa_type=String(4))
    news: dict[str, Any] | None = Field(default=None, nullable=True, sa_type=JsonText)
    __table_args__ = (_one_of("state", "UNSEEN", "REGISTERED", "ERASED"),)


class HouseholdRow(NotifierTable, table=True):
    """How to reach a person, as a municipality said; only the one the person is registered in counts."""

    __tablename__ = "household"
    participant_id: str = Field(primary_key=True, sa_type=String(36), foreign_key="person.participant_id")
    municipality: str = Field(primary_key=True, sa_type=String(4))
    contact: bytes = Field(sa_type=LargeBinary)
    recorded_at: datetime = Field(sa_type=UtcInstant)


class SenderRow(NotifierTable, table=True):
    """The name a fund writes under in a municipality, and who answers questions."""

    __tablename__ = "sender"
    municipality: str = Field(primary_key=True, sa_type=String(4))
    fund_id: str = Field(primary_key=True, sa_type=String(36))
    name: str = Field(sa_type=String(100))
    contact: str = Field(sa_type=String(100))
    phone: str | None = Field(default=None, nullable=True, sa_type=String(30))
    email: str | None = Field(default=None, nullable=True, sa_type=String(254))
    recorded_at: datetime = Field(sa_type=UtcInstant)


class MessageRow(NotifierTable, table=True):
    """One message to one person; `occasion` is a closed month or an enrolment's end: one message each."""

    __tablename__ = "message"
    message_id: str = Field(primary_key=True, sa_type=String(36))
    participant_id: str = Field(sa_type=String(36), foreign_key="person.participant_id")
    municipality: str = Field(sa_type=String(4))
    enrolment_id: str = Field(sa_type=String(36))
    fund_id: str = Field(sa_type=String(36))
    kind: str = Field(sa_type=String(20))
    month: Month = Field(sa_type=MonthText)
    occasion: str = Field(sa_type=String(40))
    why: list[str] = Field(sa_type=JsonText)
    content: bytes = Field(sa_type=LargeBinary)
    wording: bytes | None = Field(default=None, nullable=True, sa_type=LargeBinary)
    templates: list[str] | None = Field(default=None, nullable=True, sa_type=JsonText)
    state: str = Field(sa_type=String(10))
    composed_at: datetime = Field(sa_type=UtcInstant)
    __table_args__ = (
        UniqueConstraint("participant_id", "occasion", name="uq_message_participant_id"),
        Index("ix_message_participant_id", "participant_id", "message_id"),
        _one_of("state", "WAITING", "DUE", "SENT", "FAILED", "CANCELLED"),
    )


class DeliveryRow(NotifierTable, table=True):
    """One way by which a message goes out; CLAIMED while an attempt is under way."""

    __tablename__ = "delivery"
    delivery_id: str = Field(primary_key=True, sa_type=String(36))
    message_id: str = Field(sa_type=String(36), foreign_key="message.message_id")
    participant_id: str = Field(sa_type=String(36))
    channel: str = Field(sa_type=String(10))
    state: str = Field(sa_type=String(10))
    attempts: int = Field(sa_type=Integer)
    next_attempt_at: datetime = Field(sa_type=UtcInstant)
    __table_args__ = (
        UniqueConstraint("message_id", "channel", name="uq_delivery_message_id"),
        Index("ix_delivery_state", "state", "next_attempt_at"),
        Index("ix_delivery_participant_id", "participant_id"),
        _one_of("state", "DUE", "CLAIMED", "SENT", "FAILED", "CANCELLED"),
        CheckConstraint("attempts >= 0", name="attempts_not_negative"),
    )


class EvidenceRow(NotifierTable, table=True):
    """How one attempt ended, for whoever asks whether a message arrived; append-only, without any address."""

    __tablename__ = "delivery_evidence"
    evidence_id: str = Field(primary_key=True, sa_type=String(36))
    delivery_id: str = Field(sa_type=String(36), foreign_key="delivery.delivery_id")
    message_id: str = Field(sa_type=String(36), index=True)
    attempt: int = Field(sa_type=Integer)
    outcome: str = Field(sa_type=String(10))
    code: int | None = Field(default=None, nullable=True, sa_type=Integer)
    text: str = Field(sa_type=String(300))
    header_id: str | None = Field(default=None, nullable=True, sa_type=String(320))
    recorded_at: datetime = Field(sa_type=UtcInstant)
    __table_args__ = (_one_of("outcome", "ACCEPTED", "REFUSED", "LATER", "UNKNOWN"),)


class ConfirmationRow(NotifierTable, table=True):
    """A delivery that a provider accepted: the provider is asked what became of it until it says."""

    __tablename__ = "confirmation"
    delivery_id: str = Field(primary_key=True, sa_type=String(36), foreign_key="delivery.delivery_id")
    participant_id: str = Field(sa_type=String(36))
    provider_id: str = Field(sa_type=String(36))
    state: str = Field(sa_type=String(10))
    polls: int = Field(sa_type=Integer)
    next_poll_at: datetime = Field(sa_type=UtcInstant)
    __table_args__ = (
        Index("ix_confirmation_state", "state", "next_poll_at"),
        _one_of("state", "UNDER_WAY", "DELIVERED", "BOUNCED", "LOST", "UNKNOWN", "CANCELLED"),
    )


class BounceRow(NotifierTable, table=True):
    """An address did not take a message; those since the contact was recorded count. Append-only."""

    __tablename__ = "bounce"
    bounce_id: str = Field(primary_key=True, sa_type=String(36))
    participant_id: str = Field(sa_type=String(36))
    municipality: str = Field(sa_type=String(4))
    channel: str = Field(sa_type=String(10))
    delivery_id: str = Field(sa_type=String(36), foreign_key="delivery.delivery_id")
    recorded_at: datetime = Field(sa_type=UtcInstant)
    __table_args__ = (Index("ix_bounce_participant_id", "participant_id", "municipality"),)


class TaskRow(NotifierTable, table=True):
    """Something for a person to do: TELL a resident a message, or ask for a new CONTACT."""

    __tablename__ = "task"
    task_id: str = Field(primary_key=True, sa_type=String(36))
    kind: str = Field(sa_type=String(10))
    participant_id: str = Field(sa_type=String(36))
    municipality: str = Field(sa_type=String(4))
    delivery_id: str = Field(sa_type=String(36), foreign_key="delivery.delivery_id")
    state: str = Field(sa_type=String(10))
    made_at: datetime = Field(sa_type=UtcInstant)
    due_at: datetime = Field(sa_type=UtcInstant)
    done_at: datetime | None = Field(default=None, nullable=True, sa_type=UtcInstant)
    done_by: str | None = Field(default=None, nullable=True, sa_type=String(200))
    __table_args__ = (
        UniqueConstraint("delivery_id", "kind", name="uq_task_delivery_id"),
        Index("ix_task_municipality", "municipality", "state", "task_id"),
        Index("ix_task_participant_id", "participant_id"),
        _one_of("kind", "TELL", "CONTACT"),
        _one_of("state", "OPEN", "DONE", "LAPSED", "CANCELLED"),
    )


PERSON = table(PersonRow)
HOUSEHOLD = table(HouseholdRow)
SENDER = table(SenderRow)
MESSAGE = table(MessageRow)
DELIVERY = table(DeliveryRow)
EVIDENCE = table(EvidenceRow)
CONFIRMATION = table(ConfirmationRow)
BOUNCE = table(BounceRow)
TASK = table(TaskRow)
