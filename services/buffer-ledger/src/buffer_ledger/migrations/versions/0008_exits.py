"""The end of bijstand: when and why, what was settled, and a payment order for a claim."""

import sqlalchemy as sa
from alembic import op

from shared.columns import UtcInstant
from shared.migrate import append_only, grant_service_role

revision = "0008"
down_revision = "0007"
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
_COUNTS = sa.text("state IN ('OPEN', 'EXECUTED')")


def upgrade() -> None:
    op.add_column("enrolment", sa.Column("benefit_ended_on", sa.Date(), nullable=True))
    op.add_column("enrolment", sa.Column("exit_reason", sa.String(40), nullable=True))
    op.add_column(
        "enrolment", sa.Column("allowance_set_off", sa.Boolean(), nullable=False, server_default=sa.true())
    )
    op.add_column("payment_order", sa.Column("kind", sa.String(40), nullable=False, server_default="DRAW"))
    op.add_column(
        "payment_order", sa.Column("pay_to", sa.String(40), nullable=False, server_default="PERSON")
    )
    op.drop_index("payment_order_one_counts", "payment_order")
    op.create_index(
        "payment_order_one_counts",
        "payment_order",
        ["enrolment_id", "month", "kind"],
        unique=True,
        sqlite_where=_COUNTS,
        postgresql_where=_COUNTS,
    )
    _exits()
    append_only(op, "exit_settlement")
    grant_service_role(op, MUTABLE)


def _exits() -> None:
    op.create_table(
        "exit_settlement",
        sa.Column("exit_id", sa.String(36), nullable=False),
        sa.Column("enrolment_id", sa.String(36), nullable=False),
        sa.Column("benefit_ended_on", sa.Date(), nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("paid_cents", sa.BigInteger(), nullable=False),
        sa.Column("entitled_cents", sa.BigInteger(), nullable=False),
        sa.Column("claim_cents", sa.BigInteger(), nullable=False),
        sa.Column("holiday_allowance_cents", sa.BigInteger(), nullable=False),
        sa.Column("offered_cents", sa.BigInteger(), nullable=False),
        sa.Column("settled_cents", sa.BigInteger(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("proposal_id", sa.String(36), nullable=True),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.CheckConstraint("settled_cents <= offered_cents", name="ck_exit_settlement_settled_within_offer"),
        sa.ForeignKeyConstraint(
            ["enrolment_id"], ["enrolment.enrolment_id"], name="fk_exit_settlement_enrolment_id"
        ),
        sa.PrimaryKeyConstraint("exit_id", name="pk_exit_settlement"),
    )
    op.create_index("ix_exit_settlement_enrolment_id", "exit_settlement", ["enrolment_id"], unique=False)
