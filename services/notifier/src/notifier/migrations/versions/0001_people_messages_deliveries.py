"""People, how to reach them, messages, their deliveries and the evidence of each attempt."""

import sqlalchemy as sa
from alembic import op

from shared.columns import JsonText, LargeBinary, MonthText, UtcInstant
from shared.migrate import append_only, grant_service_role, plumbing_v1

revision, down_revision, branch_labels, depends_on = "0001", None, None, None


def upgrade() -> None:
    plumbing_v1(op)
    _people()
    _messages()
    _deliveries()
    append_only(op, "delivery_evidence")
    grant_service_role(op, mutable=["person", "household", "sender", "message", "delivery"])


def _people() -> None:
    op.create_table(
        "person",
        sa.Column("participant_id", sa.String(36), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("municipality", sa.String(4), nullable=True),
        sa.Column("news", JsonText, nullable=True),
        sa.PrimaryKeyConstraint("participant_id", name="pk_person"),
        sa.CheckConstraint("state IN ('UNSEEN', 'REGISTERED', 'ERASED')", name="ck_person_state_known"),
    )
    op.create_table(
        "household",
        sa.Column("participant_id", sa.String(36), nullable=False),
        sa.Column("municipality", sa.String(4), nullable=False),
        sa.Column("contact", LargeBinary, nullable=False),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.PrimaryKeyConstraint("participant_id", "municipality", name="pk_household"),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["person.participant_id"], name="fk_household_participant_id"
        ),
    )
    op.create_table(
        "sender",
        sa.Column("municipality", sa.String(4), nullable=False),
        sa.Column("fund_id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("contact", sa.String(100), nullable=False),
        sa.Column("phone", sa.String(30), nullable=True),
        sa.Column("email", sa.String(254), nullable=True),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.PrimaryKeyConstraint("municipality", "fund_id", name="pk_sender"),
    )


def _messages() -> None:
    op.create_table(
        "message",
        sa.Column("message_id", sa.String(36), nullable=False),
        sa.Column("participant_id", sa.String(36), nullable=False),
        sa.Column("municipality", sa.String(4), nullable=False),
        sa.Column("enrolment_id", sa.String(36), nullable=False),
        sa.Column("fund_id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("month", MonthText, nullable=False),
        sa.Column("occasion", sa.String(40), nullable=False),
        sa.Column("why", JsonText, nullable=False),
        sa.Column("content", LargeBinary, nullable=False),
        sa.Column("wording", LargeBinary, nullable=True),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("composed_at", UtcInstant, nullable=False),
        sa.PrimaryKeyConstraint("message_id", name="pk_message"),
        sa.UniqueConstraint("participant_id", "occasion", name="uq_message_participant_id"),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["person.participant_id"], name="fk_message_participant_id"
        ),
        sa.CheckConstraint(
            "state IN ('WAITING', 'DUE', 'SENT', 'FAILED', 'CANCELLED')", name="ck_message_state_known"
        ),
    )
    op.create_index("ix_message_participant_id", "message", ["participant_id", "message_id"])


def _deliveries() -> None:
    op.create_table(
        "delivery",
        sa.Column("delivery_id", sa.String(36), nullable=False),
        sa.Column("message_id", sa.String(36), nullable=False),
        sa.Column("participant_id", sa.String(36), nullable=False),
        sa.Column("channel", sa.String(10), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", UtcInstant, nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_delivery"),
        sa.UniqueConstraint("message_id", "channel", name="uq_delivery_message_id"),
        sa.ForeignKeyConstraint(["message_id"], ["message.message_id"], name="fk_delivery_message_id"),
        sa.CheckConstraint(
            "state IN ('DUE', 'CLAIMED', 'SENT', 'FAILED', 'CANCELLED')", name="ck_delivery_state_known"
        ),
        sa.CheckConstraint("attempts >= 0", name="ck_delivery_attempts_not_negative"),
    )
    op.create_index("ix_delivery_state", "delivery", ["state", "next_attempt_at"])
    op.create_index("ix_delivery_participant_id", "delivery", ["participant_id"])
    op.create_table(
        "delivery_evidence",
        sa.Column("evidence_id", sa.String(36), nullable=False),
        sa.Column("delivery_id", sa.String(36), nullable=False),
        sa.Column("message_id", sa.String(36), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("code", sa.Integer, nullable=True),
        sa.Column("text", sa.String(300), nullable=False),
        sa.Column("header_id", sa.String(320), nullable=True),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.PrimaryKeyConstraint("evidence_id", name="pk_delivery_evidence"),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["delivery.delivery_id"], name="fk_delivery_evidence_delivery_id"
        ),
        sa.CheckConstraint(
            "outcome IN ('ACCEPTED', 'REFUSED', 'LATER', 'UNKNOWN')",
            name="ck_delivery_evidence_outcome_known",
        ),
    )
    op.create_index("ix_delivery_evidence_message_id", "delivery_evidence", ["message_id"])
