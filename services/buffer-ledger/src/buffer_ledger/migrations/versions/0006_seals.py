"""The chain that seals the books, what waits for it, and when an account was last booked on."""

import sqlalchemy as sa
from alembic import op

from shared.columns import RowId, UtcInstant
from shared.migrate import append_only, grant_service_role

revision = "0006"
down_revision = "0005"
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
)

# What was booked before is sealed in the order in which it was recorded.
_WAITING = """
INSERT INTO unsealed (transaction_id, fund_id)
SELECT transaction_id, fund_id FROM ledger_transaction ORDER BY recorded_at, transaction_id
"""

_LAST_RECORDED = """
UPDATE account SET recorded_at = (
    SELECT max(booked.recorded_at) FROM transfer
    JOIN ledger_transaction AS booked ON booked.transaction_id = transfer.transaction_id
    WHERE transfer.debit = account.account OR transfer.credit = account.account
) WHERE balance_cents IS NOT NULL
"""


def upgrade() -> None:
    op.add_column("account", sa.Column("recorded_at", UtcInstant, nullable=True))
    op.create_table(
        "unsealed",
        sa.Column("number", RowId, autoincrement=True, nullable=False),
        sa.Column("transaction_id", sa.String(36), nullable=False),
        sa.Column("fund_id", sa.String(36), nullable=False),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["ledger_transaction.transaction_id"], name="fk_unsealed_transaction_id"
        ),
        sa.PrimaryKeyConstraint("number", name="pk_unsealed"),
        sa.UniqueConstraint("transaction_id", name="unsealed_once"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "seal",
        sa.Column("fund_id", sa.String(36), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("transaction_id", sa.String(36), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("sealed_at", UtcInstant, nullable=False),
        sa.CheckConstraint("number >= 1", name="ck_seal_number_counts_from_one"),
        sa.ForeignKeyConstraint(["fund_id"], ["fund.fund_id"], name="fk_seal_fund_id"),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["ledger_transaction.transaction_id"], name="fk_seal_transaction_id"
        ),
        sa.PrimaryKeyConstraint("fund_id", "number", name="pk_seal"),
        sa.UniqueConstraint("transaction_id", name="sealed_once"),
    )
    op.execute(sa.text(_WAITING))
    op.execute(sa.text(_LAST_RECORDED))
    append_only(op, "seal")
    grant_service_role(op, MUTABLE)
