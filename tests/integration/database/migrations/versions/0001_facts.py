"""Tables as a service has them: facts that only grow, a total that changes."""

import sqlalchemy as sa
from alembic import op

from shared.columns import BigInteger, JsonText, MonthText, UtcInstant
from shared.migrate import append_only, grant_service_role, plumbing_v1, plumbing_v2

revision, down_revision, branch_labels, depends_on = "0001", None, None, None


def upgrade() -> None:
    plumbing_v1(op)
    plumbing_v2(op)
    op.create_table(
        "fact",
        sa.Column("fact_id", sa.String(64), nullable=False),
        sa.Column("reverses", sa.String(64), nullable=True),
        sa.Column("participant_id", sa.String(36), nullable=False),
        sa.Column("month", MonthText, nullable=False),
        sa.Column("amount_cents", BigInteger, nullable=False),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.Column("receipt", JsonText, nullable=True),
        sa.PrimaryKeyConstraint("fact_id", name="pk_fact"),
        sa.UniqueConstraint("reverses", name="uq_fact_reverses"),
        sa.CheckConstraint("amount_cents <> 0", name="ck_fact_amount"),
    )
    op.create_table(
        "total",
        sa.Column("participant_id", sa.String(36), nullable=False),
        sa.Column("amount_cents", BigInteger, nullable=False),
        sa.Column("version", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("participant_id", name="pk_total"),
    )
    append_only(op, "fact")
    grant_service_role(op, mutable=["total"])
