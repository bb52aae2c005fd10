"""A month close counts and names the enrolments that it could not compute."""

import sqlalchemy as sa
from alembic import op

from shared.columns import JsonText

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("month_close", sa.Column("failed", sa.Integer(), nullable=False, server_default="0"))
    op.add_column(
        "month_close",
        sa.Column("failed_enrolments", JsonText(), nullable=False, server_default=sa.text("'[]'")),
    )
