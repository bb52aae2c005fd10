"""The toy's only table, and the plumbing tables."""

import sqlalchemy as sa
from alembic import op

from shared.migrate import grant_service_role, plumbing_v1, plumbing_v2

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    plumbing_v1(op)
    plumbing_v2(op)
    op.create_table(
        "note",
        sa.Column("note_id", sa.String(36), nullable=False),
        sa.Column("municipality", sa.String(4), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("note_id", name="pk_note"),
    )
    grant_service_role(op)
