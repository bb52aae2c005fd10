"""The plumbing tables as migrations make them, version by version; plumbing.py declares the newest state."""

from typing import Any

import sqlalchemy as sa

from shared.columns import BigInteger, JsonText, LargeBinary, RowId, UtcInstant


def create_v1(op: Any) -> None:
    """The six tables of version 1."""
    _messages_v1(op)
    op.create_table(
        "lease",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("holder", sa.String(100), nullable=False),
        sa.Column("fencing", BigInteger, nullable=False),
        sa.Column("expires_ms", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_lease"),
    )
    op.create_table(
        "idempotency",
        sa.Column("key_hash", sa.String(64), nullable=False),
        sa.Column("input_hash", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer, nullable=True),
        sa.Column("headers", JsonText, nullable=True),
        sa.Column("body", LargeBinary, nullable=True),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.PrimaryKeyConstraint("key_hash", name="pk_idempotency"),
    )
    op.create_index("ix_idempotency_recorded_at", "idempotency", ["recorded_at"])
    op.create_table(
        "access_log",
        sa.Column("access_id", sa.String(36), nullable=False),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("purpose", sa.String(100), nullable=False),
        sa.Column("action", sa.String(100), nullable=False),
        sa.Column("participant_id", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("access_id", name="pk_access_log"),
    )
    op.create_index("ix_access_log_participant_id", "access_log", ["participant_id", "recorded_at"])


def _messages_v1(op: Any) -> None:
    op.create_table(
        "outbox",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("topic", sa.String(200), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("value", LargeBinary, nullable=False),
        sa.Column("headers", JsonText, nullable=False),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "inbox",
        sa.Column("consumer", sa.String(100), nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("message_id", sa.String(100), nullable=False),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.PrimaryKeyConstraint("consumer", "source", "message_id", name="pk_inbox"),
    )
    op.create_index("ix_inbox_recorded_at", "inbox", ["recorded_at"])
    op.create_table(
        "parked_message",
        sa.Column("number", RowId, autoincrement=True, nullable=False),
        sa.Column("parked_id", sa.String(36), nullable=False),
        sa.Column("consumer", sa.String(100), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("message_id", sa.String(100), nullable=False),
        sa.Column("type", sa.String(200), nullable=False),
        sa.Column("topic", sa.String(200), nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("offset", BigInteger, nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("value", LargeBinary, nullable=False),
        sa.Column("headers", JsonText, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("parked_at", UtcInstant, nullable=False),
        sa.Column("resolved_at", UtcInstant, nullable=True),
        sa.Column("resolved_by", sa.String(200), nullable=True),
        sa.Column("resolution", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_parked_message"),
        sa.UniqueConstraint("parked_id", name="uq_parked_message_parked_id"),
        sa.UniqueConstraint("consumer", "source", "message_id", name="uq_parked_message_consumer"),
    )
    op.create_index("ix_parked_message_state_key", "parked_message", ["state", "key"])


def create_v2(op: Any) -> None:
    """The two tables of webhooks, which version 2 adds."""
    op.create_table(
        "webhook_subscription",
        sa.Column("subscription_id", sa.String(36), nullable=False),
        sa.Column("municipality", sa.String(4), nullable=True),
        sa.Column("fund_id", sa.String(100), nullable=True),
        sa.Column("made_by", sa.String(200), nullable=False),
        sa.Column("types", JsonText, nullable=False),
        sa.Column("confidential", LargeBinary, nullable=False),
        sa.Column("made_at", UtcInstant, nullable=False),
        sa.Column("unreachable", sa.Integer, nullable=False),
        sa.Column("paused_until", UtcInstant, nullable=True),
        sa.PrimaryKeyConstraint("subscription_id", name="pk_webhook_subscription"),
    )
    op.create_table(
        "webhook_delivery",
        sa.Column("number", RowId, autoincrement=True, nullable=False),
        sa.Column("subscription_id", sa.String(36), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("event_id", sa.String(64), nullable=False),
        sa.Column("type", sa.String(200), nullable=False),
        sa.Column("body", LargeBinary, nullable=False),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", UtcInstant, nullable=False),
        sa.Column("give_up_at", UtcInstant, nullable=False),
        sa.Column("last_failure", sa.String(40), nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_webhook_delivery"),
        sa.UniqueConstraint(
            "subscription_id", "event_id", name="uq_webhook_delivery_subscription_id_event_id"
        ),
        sqlite_autoincrement=True,
    )
    columns = ["subscription_id", "state", "key", "number"]
    op.create_index("ix_webhook_delivery_subscription_id", "webhook_delivery", columns)
    op.create_index("ix_webhook_delivery_key", "webhook_delivery", ["key"])
