"""Participants and their jobs, slips as append-only versions, declarations, batches; the plumbing tables."""

import sqlalchemy as sa
from alembic import op

from shared.columns import JsonText, MonthText, UtcInstant
from shared.migrate import append_only, grant_service_role, plumbing_v1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    plumbing_v1(op)
    _people()
    _slips()
    _batches()
    append_only(op, "wage_slip")
    append_only(op, "month_declaration")
    grant_service_role(op, ["participant", "employment", "wage_slip_batch", "wage_slip_batch_piece"])


def _people() -> None:
    op.create_table(
        "participant",
        sa.Column("participant_id", sa.String(36), nullable=False),
        sa.Column("municipality", sa.String(4), nullable=False),
        sa.Column("bsn_index", sa.String(64), nullable=True),
        sa.Column("reference_index", sa.String(64), nullable=True),
        sa.Column("private", sa.LargeBinary(), nullable=True),
        sa.Column("registered_at", UtcInstant(), nullable=False),
        sa.Column("erased_at", UtcInstant(), nullable=True),
        sa.Column("key_destroyed_at", UtcInstant(), nullable=True),
        sa.PrimaryKeyConstraint("participant_id", name="pk_participant"),
        sa.UniqueConstraint("bsn_index", name="uq_participant_bsn_index"),
        sa.UniqueConstraint("reference_index", name="uq_participant_reference_index"),
    )
    op.create_table(
        "employment",
        sa.Column("participant_id", sa.String(36), nullable=False),
        sa.Column("employer_key", sa.String(64), nullable=False),
        sa.Column("name_key", sa.String(64), nullable=False),
        sa.Column("has_number", sa.Boolean(), nullable=False),
        sa.Column("pay_period", sa.String(10), nullable=False),
        sa.Column("private", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.participant_id"], name="fk_employment_participant_id"
        ),
        sa.PrimaryKeyConstraint("participant_id", "employer_key", name="pk_employment"),
    )


def _slips() -> None:
    op.create_table(
        "wage_slip",
        sa.Column("wage_slip_id", sa.String(36), nullable=False),
        sa.Column("slip_key", sa.String(64), nullable=False),
        sa.Column("rank_version", sa.BigInteger(), nullable=False),
        sa.Column("rank_arrival", sa.Integer(), nullable=False),
        sa.Column("told_version", sa.Integer(), nullable=True),
        sa.Column("participant_id", sa.String(36), nullable=False),
        sa.Column("employer_key", sa.String(64), nullable=False),
        sa.Column("content_key", sa.String(64), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("supersedes", sa.String(36), nullable=True),
        sa.Column("source", sa.String(20), nullable=False),
        sa.Column("period_from", sa.Date(), nullable=False),
        sa.Column("period_to", sa.Date(), nullable=False),
        sa.Column("pay_date", sa.Date(), nullable=False),
        sa.Column("slip_number", sa.Integer(), nullable=False),
        sa.Column("parts", JsonText(), nullable=False),
        sa.Column("net_cents", sa.BigInteger(), nullable=False),
        sa.Column("gross_cents", sa.BigInteger(), nullable=True),
        sa.Column("tax_credit_applied", sa.Boolean(), nullable=True),
        sa.Column("private", sa.LargeBinary(), nullable=False),
        sa.Column("batch_id", sa.String(36), nullable=True),
        sa.Column("recorded_at", UtcInstant(), nullable=False),
        sa.CheckConstraint("rank_version >= 0 AND rank_arrival >= 0", name="ck_wage_slip_rank_counts_up"),
        sa.CheckConstraint(
            "rank_version >= 1 OR rank_arrival >= 1", name="ck_wage_slip_version_counts_from_one"
        ),
        sa.CheckConstraint("told_version >= 1", name="ck_wage_slip_told_counts_from_one"),
        sa.CheckConstraint("period_from <= period_to", name="ck_wage_slip_period_in_order"),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.participant_id"], name="fk_wage_slip_participant_id"
        ),
        sa.PrimaryKeyConstraint("wage_slip_id", name="pk_wage_slip"),
        sa.UniqueConstraint(
            "slip_key", "rank_version", "rank_arrival", name="uq_wage_slip_slip_key_rank_version_rank_arrival"
        ),
        sa.UniqueConstraint("slip_key", "told_version", name="uq_wage_slip_slip_key_told_version"),
    )
    op.create_index("ix_wage_slip_participant_id", "wage_slip", ["participant_id"])
    op.create_table(
        "month_declaration",
        sa.Column("declaration_id", sa.String(36), nullable=False),
        sa.Column("participant_id", sa.String(36), nullable=False),
        sa.Column("month", MonthText(), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("recorded_at", UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.participant_id"], name="fk_month_declaration_participant_id"
        ),
        sa.PrimaryKeyConstraint("declaration_id", name="pk_month_declaration"),
        sa.UniqueConstraint(
            "participant_id", "month", "kind", name="uq_month_declaration_participant_id_month_kind"
        ),
    )


def _batches() -> None:
    counts = ("received", "accepted", "corrections", "duplicates", "refused")
    sums = ("accepted_cents", "corrections_cents", "duplicates_cents")
    op.create_table(
        "wage_slip_batch",
        sa.Column("batch_id", sa.String(36), nullable=False),
        sa.Column("municipality", sa.String(4), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("submitted_by", sa.String(200), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("received_at", UtcInstant(), nullable=False),
        sa.Column("finished_at", UtcInstant(), nullable=True),
        sa.Column("pieces", sa.Integer(), nullable=False),
        sa.Column("next_piece", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failure", sa.String(200), nullable=True),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in (*counts, *sums)),
        sa.CheckConstraint(
            "state IN ('RECEIVED', 'RUNNING', 'DONE', 'FAILED')", name="ck_wage_slip_batch_state_known"
        ),
        sa.PrimaryKeyConstraint("batch_id", name="pk_wage_slip_batch"),
        sa.UniqueConstraint("municipality", "digest", name="uq_wage_slip_batch_municipality_digest"),
    )
    op.create_index("ix_wage_slip_batch_state", "wage_slip_batch", ["state", "received_at"])
    op.create_table(
        "wage_slip_batch_piece",
        sa.Column("batch_id", sa.String(36), nullable=False),
        sa.Column("piece", sa.Integer(), nullable=False),
        sa.Column("first_line", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["wage_slip_batch.batch_id"], name="fk_wage_slip_batch_piece_batch_id"
        ),
        sa.PrimaryKeyConstraint("batch_id", "piece", name="pk_wage_slip_batch_piece"),
    )
    op.create_table(
        "wage_slip_batch_result",
        sa.Column("batch_id", sa.String(36), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("wage_slip_id", sa.String(36), nullable=True),
        sa.Column("supersedes", sa.String(36), nullable=True),
        sa.Column("superseded_by", sa.String(36), nullable=True),
        sa.Column("faults", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["wage_slip_batch.batch_id"], name="fk_wage_slip_batch_result_batch_id"
        ),
        sa.PrimaryKeyConstraint("batch_id", "line", name="pk_wage_slip_batch_result"),
    )
