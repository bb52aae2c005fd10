"""The tables that every service's database has beside its own: one definition for all of them.

How a service declares its tables (three services live in one process, so each has a registry of its own):

    REGISTRY = service_registry()                    # its metadata already holds the plumbing tables

    class Row(SQLModel, registry=REGISTRY):
        pass

    class SlipRow(Row, table=True):
        __tablename__ = "slip"
        wage_slip_id: str = Field(primary_key=True)
        month: Month = Field(sa_type=MonthText)
        net_cents: int = Field(sa_type=BigInteger)
        recorded_at: datetime = Field(sa_type=UtcInstant)
        explanation: dict[str, str] = Field(sa_type=JsonText)

    SLIP = table(SlipRow)                             # the core Table, for batches
    await tx.execute(insert(SLIP), [dict, dict, ...])
    METADATA = REGISTRY.metadata                      # what `shared.migrate.drift` compares

The first migration of a service makes these tables by `shared.migrate.plumbing_v1(op)`, a later one those of
webhooks by `plumbing_v2(op)`.
"""

from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Column, Index, Integer, MetaData, String, Table, Text, UniqueConstraint
from sqlalchemy.orm import registry
from sqlmodel import SQLModel

from shared.columns import BigInteger, JsonText, LargeBinary, RowId, UtcInstant

NAMING = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}

# The plumbing tables whose rows may be changed or deleted; access_log may only grow.
MUTABLE = (
    "outbox",
    "inbox",
    "parked_message",
    "lease",
    "idempotency",
    "webhook_subscription",
    "webhook_delivery",
)


@dataclass(frozen=True, slots=True)
class Plumbing:
    """The plumbing tables of one service's metadata."""

    outbox: Table
    inbox: Table
    parked_message: Table
    lease: Table
    idempotency: Table
    access_log: Table
    webhook_subscription: Table
    webhook_delivery: Table


def service_registry() -> registry:
    """A registry for one service's row classes; constraints get stable names, plumbing tables are in it."""
    metadata = MetaData(naming_convention=NAMING)
    plumbing(metadata)
    return registry(metadata=metadata)


def table(row_class: type[SQLModel]) -> Table:
    """The core table of a row class, for batches and queries."""
    return cast(Table, cast(Any, row_class).__table__)


def plumbing(metadata: MetaData) -> Plumbing:
    """Add the plumbing tables to a service's metadata, so that migrations and the drift check see them."""
    return Plumbing(
        outbox=_outbox(metadata),
        inbox=_inbox(metadata),
        parked_message=_parked_message(metadata),
        lease=_lease(metadata),
        idempotency=_idempotency(metadata),
        access_log=_access_log(metadata),
        webhook_subscription=_webhook_subscription(metadata),
        webhook_delivery=_webhook_delivery(metadata),
    )


def _outbox(metadata: MetaData) -> Table:
    """Messages committed with the facts they tell; the relay publishes them in id order and deletes them.

    AUTOINCREMENT because a relay that lost its lease may still hold ids: none of them may come back.
    """
    return Table(
        "outbox",
        metadata,
        Column("id", RowId, primary_key=True, autoincrement=True),
        Column("topic", String(200), nullable=False),
        Column("key", String(200), nullable=False),
        Column("value", LargeBinary, nullable=False),
        Column("headers", JsonText, nullable=False),  # [[name, value]]
        Column("recorded_at", UtcInstant, nullable=False),
        sqlite_autoincrement=True,
    )


def _inbox(metadata: MetaData) -> Table:
    """One row per message a consumer has taken (handled or parked); the next time it is a duplicate."""
    return Table(
        "inbox",
        metadata,
        Column("consumer", String(100), primary_key=True),
        Column("source", String(200), primary_key=True),
        Column("message_id", String(100), primary_key=True),
        Column("recorded_at", UtcInstant, nullable=False),
        Index("ix_inbox_recorded_at", "recorded_at"),
    )


def _parked_message(metadata: MetaData) -> Table:
    """Messages that could not be handled, kept as they came, and what an operator did with them."""
    return Table(
        "parked_message",
        metadata,
        Column("number", RowId, primary_key=True, autoincrement=True),  # the order of parking
        Column("parked_id", String(36), nullable=False),
        Column("consumer", String(100), nullable=False),
        Column("state", String(10), nullable=False),  # PARKED, RELEASED, DISCARDED
        Column("source", String(200), nullable=False),
        Column("message_id", String(100), nullable=False),
        Column("type", String(200), nullable=False),  # empty when the message could not be read
        Column("topic", String(200), nullable=False),
        Column("partition", Integer, nullable=False),
        Column("offset", BigInteger, nullable=False),
        Column("key", String(200), nullable=False),
        Column("value", LargeBinary, nullable=False),
        Column("headers", JsonText, nullable=False),
        Column("reason", Text, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("parked_at", UtcInstant, nullable=False),
        Column("resolved_at", UtcInstant, nullable=True),
        Column("resolved_by", String(200), nullable=True),
        Column("resolution", Text, nullable=True),
        UniqueConstraint("parked_id", name="uq_parked_message_parked_id"),
        UniqueConstraint("consumer", "source", "message_id", name="uq_parked_message_consumer"),
        Index("ix_parked_message_state_key", "state", "key"),
    )


def _lease(metadata: MetaData) -> Table:
    """Who may do a thing that only one may do at a time; the fencing number counts up at each take-over."""
    return Table(
        "lease",
        metadata,
        Column("name", String(100), primary_key=True),
        Column("holder", String(100), nullable=False),
        Column("fencing", BigInteger, nullable=False),
        Column("expires_ms", BigInteger, nullable=False),  # milliseconds since 1970 of the real clock
    )


def _idempotency(metadata: MetaData) -> Table:
    """Answers already given, by the hash of caller, method, path and Idempotency-Key."""
    return Table(
        "idempotency",
        metadata,
        Column("key_hash", String(64), primary_key=True),
        Column("input_hash", String(64), nullable=False),
        Column("status", Integer, nullable=True),  # empty while the first request is being answered
        Column("headers", JsonText, nullable=True),
        Column("body", LargeBinary, nullable=True),
        Column("recorded_at", UtcInstant, nullable=False),
        Index("ix_idempotency_recorded_at", "recorded_at"),
    )


def _access_log(metadata: MetaData) -> Table:
    """Who read or decided what about whom, for the municipality's auditor; append-only."""
    return Table(
        "access_log",
        metadata,
        Column("access_id", String(36), primary_key=True),
        Column("recorded_at", UtcInstant, nullable=False),
        Column("actor", String(200), nullable=False),
        Column("purpose", String(100), nullable=False),
        Column("action", String(100), nullable=False),
        Column("participant_id", String(36), nullable=False),
        Index("ix_access_log_participant_id", "participant_id", "recorded_at"),
    )


def _webhook_subscription(metadata: MetaData) -> Table:
    """Who wants to be told of this service's events, by which address, and whether that can be reached."""
    return Table(
        "webhook_subscription",
        metadata,
        Column("subscription_id", String(36), primary_key=True),
        Column("municipality", String(4), nullable=True),  # this, or a fund
        Column("fund_id", String(100), nullable=True),
        Column("made_by", String(200), nullable=False),
        Column("types", JsonText, nullable=False),
        Column("confidential", LargeBinary, nullable=False),  # callback and secret, see webhooks/vault.py
        Column("made_at", UtcInstant, nullable=False),
        Column("unreachable", Integer, nullable=False),  # attempts without an answer since the last one
        Column("paused_until", UtcInstant, nullable=True),
    )


def _webhook_delivery(metadata: MetaData) -> Table:
    """Events on their way to a subscriber; deleted once it took them, kept when it never did."""
    return Table(
        "webhook_delivery",
        metadata,
        Column("number", RowId, primary_key=True, autoincrement=True),  # the order of events
        Column("subscription_id", String(36), nullable=False),
        Column("key", String(200), nullable=False),
        Column("event_id", String(64), nullable=False),
        Column("type", String(200), nullable=False),
        Column("body", LargeBinary, nullable=False),  # as it is posted
        Column("recorded_at", UtcInstant, nullable=False),
        Column("state", String(10), nullable=False),  # WAITING, FAILED
        Column("attempts", Integer, nullable=False),
        Column("next_attempt_at", UtcInstant, nullable=False),
        Column("give_up_at", UtcInstant, nullable=False),
        Column("last_failure", String(40), nullable=True),
        UniqueConstraint("subscription_id", "event_id", name="uq_webhook_delivery_subscription_id_event_id"),
        Index("ix_webhook_delivery_subscription_id", "subscription_id", "state", "key", "number"),
        Index("ix_webhook_delivery_key", "key"),
        sqlite_autoincrement=True,
    )


# Statements of the plumbing itself name the tables through this set; the names are the same in every service.
TABLES = plumbing(MetaData(naming_convention=NAMING))
