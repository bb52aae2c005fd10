"""What a benefit follows from beside slips: households, periods, exempt shares, statements; and cases."""

import sqlalchemy as sa
from alembic import op

from shared.columns import JsonText, UtcInstant
from shared.migrate import append_only, grant_service_role

revision = "0005"
down_revision = "0004"
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
)


def upgrade() -> None:
    op.add_column(
        "municipality_rules",
        sa.Column("calendar", JsonText(), nullable=False, server_default=sa.text("'{}'")),
    )
    op.add_column(
        "municipality_rules",
        sa.Column("case_tolerance_cents", sa.BigInteger(), nullable=False, server_default="100"),
    )
    op.add_column(
        "enrolment", sa.Column("exemptions", JsonText(), nullable=False, server_default=sa.text("'[]'"))
    )
    op.add_column("enrolment", sa.Column("partner_id", sa.String(36), nullable=True))
    op.create_index("ix_enrolment_partner_id", "enrolment", ["partner_id"])
    op.create_table(
        "unchanged_month",
        sa.Column("participant_id", sa.String(36), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.PrimaryKeyConstraint("participant_id", "month", name="pk_unchanged_month"),
    )
    _enrolment_tables()
    _statements()
    _cases()
    append_only(op, "offset_statement")
    grant_service_role(op, MUTABLE)


def _enrolment_tables() -> None:
    op.create_table(
        "household_change",
        sa.Column("enrolment_id", sa.String(36), nullable=False),
        sa.Column("from_day", sa.Date(), nullable=False),
        sa.Column("household", JsonText(), nullable=False),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.ForeignKeyConstraint(
            ["enrolment_id"], ["enrolment.enrolment_id"], name="fk_household_change_enrolment_id"
        ),
        sa.PrimaryKeyConstraint("enrolment_id", "from_day", name="pk_household_change"),
    )
    op.create_table(
        "benefit_period",
        sa.Column("enrolment_id", sa.String(36), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.CheckConstraint(
            "last_day IS NULL OR last_day >= first_day", name="ck_benefit_period_days_in_order"
        ),
        sa.ForeignKeyConstraint(
            ["enrolment_id"], ["enrolment.enrolment_id"], name="fk_benefit_period_enrolment_id"
        ),
        sa.PrimaryKeyConstraint("enrolment_id", "first_day", name="pk_benefit_period"),
    )


def _statements() -> None:
    op.create_table(
        "offset_statement",
        sa.Column("statement_id", sa.String(36), nullable=False),
        sa.Column("participant_id", sa.String(36), nullable=False),
        sa.Column("municipality", sa.String(4), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("counted_cents", sa.BigInteger(), nullable=False),
        sa.Column("benefit_paid_cents", sa.BigInteger(), nullable=False),
        sa.Column("holiday_allowance_cents", sa.BigInteger(), nullable=False),
        sa.Column("decided_on", sa.Date(), nullable=False),
        sa.Column("reference", sa.String(200), nullable=True),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.CheckConstraint("counted_cents >= 0", name="ck_offset_statement_counted_not_negative"),
        sa.CheckConstraint("benefit_paid_cents >= 0", name="ck_offset_statement_paid_not_negative"),
        sa.CheckConstraint("holiday_allowance_cents >= 0", name="ck_offset_statement_allowance_not_negative"),
        sa.PrimaryKeyConstraint("statement_id", name="pk_offset_statement"),
        sa.UniqueConstraint("participant_id", "month", "number", name="statement_counted_once"),
    )
    op.create_index("ix_offset_statement_participant_id", "offset_statement", ["participant_id"])


def _cases() -> None:
    open_ones = sa.text("state = 'OPEN'")
    op.create_table(
        "ledger_case",
        sa.Column("case_id", sa.String(36), nullable=False),
        sa.Column("municipality", sa.String(4), nullable=False),
        sa.Column("participant_id", sa.String(36), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("details", JsonText(), nullable=False),
        sa.Column("resolution", sa.String(500), nullable=True),
        sa.Column("resolved_by", sa.String(200), nullable=True),
        sa.Column("resolved_at", UtcInstant, nullable=True),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.CheckConstraint("state IN ('OPEN', 'RESOLVED')", name="ck_ledger_case_state_known"),
        sa.CheckConstraint(
            "(state = 'RESOLVED') = (resolved_at IS NOT NULL)", name="ck_ledger_case_resolved_has_time"
        ),
        sa.PrimaryKeyConstraint("case_id", name="pk_ledger_case"),
    )
    op.create_index("ix_ledger_case_participant_id", "ledger_case", ["participant_id"])
    op.create_index("ledger_case_by_municipality", "ledger_case", ["municipality", "state", "case_id"])
    op.create_index(
        "ledger_case_one_open",
        "ledger_case",
        ["participant_id", "month", "kind"],
        unique=True,
        sqlite_where=open_ones,
        postgresql_where=open_ones,
    )
