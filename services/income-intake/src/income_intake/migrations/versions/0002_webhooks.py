"""Who is told of this service's events over HTTP, and what is on its way to them."""

from alembic import op

from shared.migrate import plumbing_v2

revision, down_revision, branch_labels, depends_on = "0002", "0001", None, None


def upgrade() -> None:
    plumbing_v2(op)
