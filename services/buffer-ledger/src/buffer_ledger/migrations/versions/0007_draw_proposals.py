"""Draw proposals, the decisions on them and their announcement."""

import sqlalchemy as sa
from alembic import op

from shared.columns import JsonText, UtcInstant
from shared.migrate import append_only, grant_service_role

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

APPEND_ONLY = ("draw_decision", "decision_announcement")
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
_PENDING = sa.text("state = 'PENDING'")


def upgrade() -> None:
    _proposals()
    _decisions()
    for table in APPEND_ONLY:
        append_only(op, table)
    grant_service_role(op, MUTABLE)


def _proposals() -> None:
    op.create_table(
        "draw_proposal",
        sa.Column("proposal_id", sa.String(36), nullable=False),
        sa.Column("enrolment_id", sa.String(36), nullable=False),
        sa.Column("participant_id", sa.String(36), nullable=False),
        sa.Column("municipality", sa.String(4), nullable=False),
        sa.Column("fund_id", sa.String(36), nullable=False),
        sa.Column("scheme_id", sa.String(36), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("total_cents", sa.BigInteger(), nullable=False),
        sa.Column("need", sa.String(40), nullable=False),
        sa.Column("statutory", sa.Boolean(), nullable=False),
        sa.Column("flags", JsonText(), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("proposed_by", sa.String(200), nullable=False),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.CheckConstraint(
            "state IN ('PENDING', 'APPROVED', 'REJECTED', 'WITHDRAWN', 'EXPIRED')",
            name="ck_draw_proposal_state_known",
        ),
        sa.CheckConstraint("kind IN ('PAYMENT', 'CLAIM_SETTLED')", name="ck_draw_proposal_kind_known"),
        sa.CheckConstraint("amount_cents > 0", name="ck_draw_proposal_amount_positive"),
        sa.CheckConstraint("total_cents >= amount_cents", name="ck_draw_proposal_total_holds_amount"),
        sa.ForeignKeyConstraint(
            ["enrolment_id"], ["enrolment.enrolment_id"], name="fk_draw_proposal_enrolment_id"
        ),
        sa.ForeignKeyConstraint(["fund_id"], ["fund.fund_id"], name="fk_draw_proposal_fund_id"),
        sa.PrimaryKeyConstraint("proposal_id", name="pk_draw_proposal"),
    )
    op.create_index("ix_draw_proposal_enrolment_id", "draw_proposal", ["enrolment_id"], unique=False)
    op.create_index(
        "draw_proposal_by_municipality", "draw_proposal", ["municipality", "proposal_id"], unique=False
    )
    op.create_index(
        "draw_proposal_one_pending",
        "draw_proposal",
        ["enrolment_id", "month", "kind"],
        unique=True,
        sqlite_where=_PENDING,
        postgresql_where=_PENDING,
    )


def _decisions() -> None:
    op.create_table(
        "draw_decision",
        sa.Column("proposal_id", sa.String(36), nullable=False),
        sa.Column("outcome", sa.String(40), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("reasons", JsonText(), nullable=False),
        sa.Column("decision_reference", sa.String(200), nullable=True),
        sa.Column("decided_by", sa.String(200), nullable=False),
        sa.Column("decided_on", sa.Date(), nullable=False),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.CheckConstraint("outcome IN ('APPROVED', 'REJECTED')", name="ck_draw_decision_outcome_known"),
        sa.CheckConstraint(
            "(outcome = 'APPROVED') = (amount_cents > 0)", name="ck_draw_decision_approved_has_amount"
        ),
        sa.ForeignKeyConstraint(
            ["proposal_id"], ["draw_proposal.proposal_id"], name="fk_draw_decision_proposal_id"
        ),
        sa.PrimaryKeyConstraint("proposal_id", name="pk_draw_decision"),
    )
    op.create_table(
        "decision_announcement",
        sa.Column("proposal_id", sa.String(36), nullable=False),
        sa.Column("announced_on", sa.Date(), nullable=False),
        sa.Column("recorded_by", sa.String(200), nullable=False),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.ForeignKeyConstraint(
            ["proposal_id"], ["draw_decision.proposal_id"], name="fk_decision_announcement_proposal_id"
        ),
        sa.PrimaryKeyConstraint("proposal_id", name="pk_decision_announcement"),
    )
