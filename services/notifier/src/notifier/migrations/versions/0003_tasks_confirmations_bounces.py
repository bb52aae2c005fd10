"""Tasks for people, what became of what a provider accepted, and bounces."""

import sqlalchemy as sa
from alembic import op

from shared.columns import UtcInstant
from shared.migrate import append_only, grant_service_role

revision, down_revision, branch_labels, depends_on = "0003", "0002", None, None


def upgrade() -> None:
    _confirmations()
    _bounces()
    _tasks()
    append_only(op, "bounce")
    mutable = ["person", "household", "sender", "message", "delivery", "confirmation", "task"]
    grant_service_role(op, mutable=mutable)


def _confirmations() -> None:
    op.create_table(
        "confirmation",
        sa.Column("delivery_id", sa.String(36), nullable=False),
        sa.Column("participant_id", sa.String(36), nullable=False),
        sa.Column("provider_id", sa.String(36), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("polls", sa.Integer, nullable=False),
        sa.Column("next_poll_at", UtcInstant, nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_confirmation"),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["delivery.delivery_id"], name="fk_confirmation_delivery_id"
        ),
        sa.CheckConstraint(
            "state IN ('UNDER_WAY', 'DELIVERED', 'BOUNCED', 'LOST', 'UNKNOWN', 'CANCELLED')",
            name="ck_confirmation_state_known",
        ),
    )
    op.create_index("ix_confirmation_state", "confirmation", ["state", "next_poll_at"])


def _bounces() -> None:
    op.create_table(
        "bounce",
        sa.Column("bounce_id", sa.String(36), nullable=False),
        sa.Column("participant_id", sa.String(36), nullable=False),
        sa.Column("municipality", sa.String(4), nullable=False),
        sa.Column("channel", sa.String(10), nullable=False),
        sa.Column("delivery_id", sa.String(36), nullable=False),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.PrimaryKeyConstraint("bounce_id", name="pk_bounce"),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.delivery_id"], name="fk_bounce_delivery_id"),
    )
    op.create_index("ix_bounce_participant_id", "bounce", ["participant_id", "municipality"])


def _tasks() -> None:
    op.create_table(
        "task",
        sa.Column("task_id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("participant_id", sa.String(36), nullable=False),
        sa.Column("municipality", sa.String(4), nullable=False),
        sa.Column("delivery_id", sa.String(36), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("made_at", UtcInstant, nullable=False),
        sa.Column("due_at", UtcInstant, nullable=False),
        sa.Column("done_at", UtcInstant, nullable=True),
        sa.Column("done_by", sa.String(200), nullable=True),
        sa.PrimaryKeyConstraint("task_id", name="pk_task"),
        sa.UniqueConstraint("delivery_id", "kind", name="uq_task_delivery_id"),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.delivery_id"], name="fk_task_delivery_id"),
        sa.CheckConstraint("kind IN ('TELL', 'CONTACT')", name="ck_task_kind_known"),
        sa.CheckConstraint("state IN ('OPEN', 'DONE', 'LAPSED', 'CANCELLED')", name="ck_task_state_known"),
    )
    op.create_index("ix_task_municipality", "task", ["municipality", "state", "task_id"])
    op.create_index("ix_task_participant_id", "task", ["participant_id"])
