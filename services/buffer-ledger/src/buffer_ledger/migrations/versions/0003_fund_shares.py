"""Whose money moved the figures a fund is shown, so that the next step can be held against it."""

import sqlalchemy as sa
from alembic import op

from shared.columns import UtcInstant
from shared.migrate import append_only, grant_service_role

revision = "0003"
down_revision = "0002"
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
    "enrolment",
    "payee",
    "account",
    "payment_order",
)

# What was shown before is taken as it was then: everything booked by the fund's last snapshot.
_SHOWN_BEFORE = """
INSERT INTO fund_share (fund_id, taken_at, participant_id, committed_cents, drawn_cents, returned_cents)
SELECT shown.fund_id, shown.taken_at, enrolment.participant_id,
    sum(CASE booked.kind WHEN 'COMMITMENT' THEN amount_cents ELSE 0 END),
    sum(CASE booked.kind WHEN 'DRAW' THEN amount_cents WHEN 'REVERSAL' THEN -amount_cents ELSE 0 END),
    sum(CASE WHEN booked.kind IN ('RETURN', 'EXPIRY') THEN amount_cents ELSE 0 END)
FROM (SELECT fund_id, max(taken_at) AS taken_at FROM fund_snapshot GROUP BY fund_id) AS shown
JOIN ledger_transaction AS booked
    ON booked.fund_id = shown.fund_id AND booked.recorded_at <= shown.taken_at
JOIN transfer ON transfer.transaction_id = booked.transaction_id
JOIN enrolment ON enrolment.enrolment_id = booked.enrolment_id
GROUP BY shown.fund_id, shown.taken_at, enrolment.participant_id
"""


def upgrade() -> None:
    op.create_table(
        "fund_share",
        sa.Column("fund_id", sa.String(36), nullable=False),
        sa.Column("taken_at", UtcInstant, nullable=False),
        sa.Column("participant_id", sa.String(36), nullable=False),
        sa.Column("committed_cents", sa.BigInteger(), nullable=False),
        sa.Column("drawn_cents", sa.BigInteger(), nullable=False),
        sa.Column("returned_cents", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["fund_id", "taken_at"],
            ["fund_snapshot.fund_id", "fund_snapshot.taken_at"],
            name="fk_fund_share_fund_id_taken_at",
        ),
        sa.PrimaryKeyConstraint("fund_id", "taken_at", "participant_id", name="pk_fund_share"),
    )
    op.execute(sa.text(_SHOWN_BEFORE))
    append_only(op, "fund_share")
    grant_service_role(op, MUTABLE)
