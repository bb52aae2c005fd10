"""With each message: which versions of the templates it was made from."""

import sqlalchemy as sa
from alembic import op

from shared.columns import JsonText

revision, down_revision, branch_labels, depends_on = "0002", "0001", None, None


def upgrade() -> None:
    op.add_column("message", sa.Column("templates", JsonText, nullable=True))
