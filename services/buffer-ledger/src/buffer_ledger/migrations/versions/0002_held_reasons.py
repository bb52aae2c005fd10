"""A month close counts what it left held by reason."""

import sqlalchemy as sa
from alembic import op

from shared.columns import JsonText

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "month_close", sa.Column("held_reasons", JsonText(), nullable=False, server_default=sa.text("'{}'"))
    )
