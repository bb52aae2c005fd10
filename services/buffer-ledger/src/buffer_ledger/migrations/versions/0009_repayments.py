"""Money that people really gave back, by month."""

import sqlalchemy as sa
from alembic import op

from shared.columns import UtcInstant
from shared.migrate import append_only, grant_service_role

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

MUTABLE = (
    "municipality",
    "municipality_rules",
    "closed_month",
    "month_close",
    "scheme",
    "participant",
    "employment",
    "slip",
    "zero_month",
    "unchanged_month",
    "enrolment",
    "household_change",
    "benefit_period",
    "ledger_case",
    "payee",
    "account",
    "payment_order",
    "unsealed",
    "draw_proposal",
)


def upgrade() -> None:
    op.create_table(
        "repayment",
        sa.Column("repayment_id", sa.String(36), nullable=False),
        sa.Column("enrolment_id", sa.String(36), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.CheckConstraint("amount_cents > 0", name="ck_repayment_amount_positive"),
        sa.ForeignKeyConstraint(
            ["enrolment_id"], ["enrolment.enrolment_id"], name="fk_repayment_enrolment_id"
        ),
        sa.PrimaryKeyConstraint("repayment_id", name="pk_repayment"),
    )
    op.create_index("ix_repayment_enrolment_id", "repayment", ["enrolment_id"], unique=False)
    append_only(op, "repayment")
    grant_service_role(op, MUTABLE)
