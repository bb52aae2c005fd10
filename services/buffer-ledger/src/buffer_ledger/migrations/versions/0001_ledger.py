"""Settings, funds, people, settled months and the books; the plumbing tables."""

import sqlalchemy as sa
from alembic import op

from shared.columns import JsonText, UtcInstant
from shared.migrate import append_only, grant_service_role, plumbing_v1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

APPEND_ONLY = (
    "ledger_transaction",
    "transfer",
    "settled_month",
    "scheme_policy",
    "donation",
    "fund_snapshot",
)
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


def upgrade() -> None:
    plumbing_v1(op)
    _municipalities()
    _funds()
    _people()
    _books()
    _months()
    for table in APPEND_ONLY:
        append_only(op, table)
    grant_service_role(op, MUTABLE)


def _municipalities() -> None:
    op.create_table(
        "municipality",
        sa.Column("municipality", sa.String(4), nullable=False),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.PrimaryKeyConstraint("municipality", name="pk_municipality"),
    )
    op.create_table(
        "municipality_rules",
        sa.Column("municipality", sa.String(4), nullable=False),
        sa.Column("valid_from", sa.String(7), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("offset_method", sa.String(40), nullable=False),
        sa.Column("four_week_method", sa.String(40), nullable=False),
        sa.Column("holiday_claim", sa.String(40), nullable=False),
        sa.Column("year_end_pay", sa.String(40), nullable=False),
        sa.Column("cut_off_day", sa.Integer(), nullable=False),
        sa.Column("late_slip", sa.String(40), nullable=False),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.CheckConstraint("cut_off_day BETWEEN 1 AND 28", name="ck_municipality_rules_cut_off_day_in_month"),
        sa.ForeignKeyConstraint(
            ["municipality"], ["municipality.municipality"], name="fk_municipality_rules_municipality"
        ),
        sa.PrimaryKeyConstraint("municipality", "valid_from", name="pk_municipality_rules"),
    )
    op.create_table(
        "closed_month",
        sa.Column("municipality", sa.String(4), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.ForeignKeyConstraint(
            ["municipality"], ["municipality.municipality"], name="fk_closed_month_municipality"
        ),
        sa.PrimaryKeyConstraint("municipality", "month", name="pk_closed_month"),
    )
    op.create_table(
        "month_close",
        sa.Column("close_id", sa.String(36), nullable=False),
        sa.Column("municipality", sa.String(4), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("after_enrolment", sa.String(36), nullable=False),
        sa.Column("settled", sa.Integer(), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.Column("missing", sa.Integer(), nullable=False),
        sa.Column("newly_settled", sa.Integer(), nullable=False),
        sa.Column("rebooked", sa.Integer(), nullable=False),
        sa.Column("detail", sa.String(200), nullable=True),
        sa.Column("requested_by", sa.String(200), nullable=False),
        sa.Column("requested_at", UtcInstant, nullable=False),
        sa.Column("finished_at", UtcInstant, nullable=True),
        sa.CheckConstraint("state IN ('RUNNING', 'DONE', 'FAILED')", name="ck_month_close_state_known"),
        sa.PrimaryKeyConstraint("close_id", name="pk_month_close"),
    )
    op.create_index("month_close_by_municipality", "month_close", ["municipality", "close_id"], unique=False)
    op.create_index("month_close_by_state", "month_close", ["state", "close_id"], unique=False)


def _funds() -> None:
    op.create_table(
        "fund",
        sa.Column("fund_id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("low_threshold_cents", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.CheckConstraint("kind IN ('PRIVATE', 'STATUTORY')", name="ck_fund_kind_known"),
        sa.PrimaryKeyConstraint("fund_id", name="pk_fund"),
    )
    op.create_table(
        "fund_municipality",
        sa.Column("fund_id", sa.String(36), nullable=False),
        sa.Column("municipality", sa.String(4), nullable=False),
        sa.ForeignKeyConstraint(["fund_id"], ["fund.fund_id"], name="fk_fund_municipality_fund_id"),
        sa.PrimaryKeyConstraint("fund_id", "municipality", name="pk_fund_municipality"),
    )
    op.create_index("fund_municipality_by_municipality", "fund_municipality", ["municipality"], unique=False)
    op.create_table(
        "fund_snapshot",
        sa.Column("fund_id", sa.String(36), nullable=False),
        sa.Column("taken_at", UtcInstant, nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("committed_cents", sa.BigInteger(), nullable=False),
        sa.Column("drawn_cents", sa.BigInteger(), nullable=False),
        sa.Column("returned_cents", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["fund_id"], ["fund.fund_id"], name="fk_fund_snapshot_fund_id"),
        sa.PrimaryKeyConstraint("fund_id", "taken_at", name="pk_fund_snapshot"),
    )
    op.create_table(
        "scheme",
        sa.Column("scheme_id", sa.String(36), nullable=False),
        sa.Column("municipality", sa.String(4), nullable=False),
        sa.Column("fund_id", sa.String(36), nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("valid_from", sa.String(7), nullable=False),
        sa.Column("valid_to", sa.String(7), nullable=True),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.ForeignKeyConstraint(["fund_id"], ["fund.fund_id"], name="fk_scheme_fund_id"),
        sa.PrimaryKeyConstraint("scheme_id", name="pk_scheme"),
    )
    op.create_index("ix_scheme_fund_id", "scheme", ["fund_id"], unique=False)
    op.create_index("scheme_by_municipality", "scheme", ["municipality", "scheme_id"], unique=False)
    op.create_table(
        "scheme_policy",
        sa.Column("scheme_id", sa.String(36), nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("policy", JsonText, nullable=False),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.ForeignKeyConstraint(["scheme_id"], ["scheme.scheme_id"], name="fk_scheme_policy_scheme_id"),
        sa.PrimaryKeyConstraint("scheme_id", "policy_version", name="pk_scheme_policy"),
    )


def _people() -> None:
    op.create_table(
        "participant",
        sa.Column("participant_id", sa.String(36), nullable=False),
        sa.Column("municipality", sa.String(4), nullable=True),
        sa.Column("registered_at", UtcInstant, nullable=True),
        sa.Column("erased_at", UtcInstant, nullable=True),
        sa.PrimaryKeyConstraint("participant_id", name="pk_participant"),
    )
    op.create_table(
        "employment",
        sa.Column("participant_id", sa.String(36), nullable=False),
        sa.Column("employer_key", sa.String(128), nullable=False),
        sa.Column("pay_period", sa.String(40), nullable=False),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.participant_id"], name="fk_employment_participant_id"
        ),
        sa.PrimaryKeyConstraint("participant_id", "employer_key", name="pk_employment"),
    )
    op.create_table(
        "slip",
        sa.Column("participant_id", sa.String(36), nullable=False),
        sa.Column("slip_key", sa.String(128), nullable=False),
        sa.Column("wage_slip_id", sa.String(36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("employer_key", sa.String(128), nullable=False),
        sa.Column("source", sa.String(40), nullable=False),
        sa.Column("pay_period", sa.String(40), nullable=False),
        sa.Column("period_from", sa.Date(), nullable=False),
        sa.Column("period_to", sa.Date(), nullable=False),
        sa.Column("pay_date", sa.Date(), nullable=False),
        sa.Column("parts", JsonText, nullable=False),
        sa.Column("tax_credit_applied", sa.Boolean(), nullable=True),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.PrimaryKeyConstraint("participant_id", "slip_key", name="pk_slip"),
    )
    op.create_table(
        "zero_month",
        sa.Column("participant_id", sa.String(36), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.PrimaryKeyConstraint("participant_id", "month", name="pk_zero_month"),
    )
    op.create_table(
        "enrolment",
        sa.Column("enrolment_id", sa.String(36), nullable=False),
        sa.Column("participant_id", sa.String(36), nullable=False),
        sa.Column("municipality", sa.String(4), nullable=False),
        sa.Column("scheme_id", sa.String(36), nullable=False),
        sa.Column("fund_id", sa.String(36), nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("cap_cents", sa.BigInteger(), nullable=False),
        sa.Column("first_month", sa.String(7), nullable=False),
        sa.Column("last_month", sa.String(7), nullable=False),
        sa.Column("household", JsonText, nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("ended_reason", sa.String(40), nullable=True),
        sa.Column("closed_through", sa.String(7), nullable=True),
        sa.Column("told_level", sa.String(40), nullable=False),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.CheckConstraint("state IN ('ACTIVE', 'ENDED')", name="ck_enrolment_state_known"),
        sa.CheckConstraint("first_month <= last_month", name="ck_enrolment_months_in_order"),
        sa.ForeignKeyConstraint(["fund_id"], ["fund.fund_id"], name="fk_enrolment_fund_id"),
        sa.ForeignKeyConstraint(["scheme_id"], ["scheme.scheme_id"], name="fk_enrolment_scheme_id"),
        sa.PrimaryKeyConstraint("enrolment_id", name="pk_enrolment"),
    )
    op.create_index("enrolment_by_municipality", "enrolment", ["municipality", "enrolment_id"], unique=False)
    op.create_index("ix_enrolment_participant_id", "enrolment", ["participant_id"], unique=False)
    op.create_index("ix_enrolment_scheme_id", "enrolment", ["scheme_id"], unique=False)
    op.create_table(
        "payee",
        sa.Column("enrolment_id", sa.String(36), nullable=False),
        sa.Column("participant_id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.ForeignKeyConstraint(["enrolment_id"], ["enrolment.enrolment_id"], name="fk_payee_enrolment_id"),
        sa.PrimaryKeyConstraint("enrolment_id", name="pk_payee"),
    )
    op.create_index("ix_payee_participant_id", "payee", ["participant_id"], unique=False)


def _books() -> None:
    op.create_table(
        "account",
        sa.Column("account", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("fund_id", sa.String(36), nullable=False),
        sa.Column("enrolment_id", sa.String(36), nullable=True),
        sa.Column("balance_cents", sa.BigInteger(), nullable=True),
        sa.Column("pending_cents", sa.BigInteger(), nullable=True),
        sa.Column("floor_cents", sa.BigInteger(), nullable=True),
        sa.Column("cap_cents", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.CheckConstraint("(kind = 'buffer') = (cap_cents IS NOT NULL)", name="ck_account_buffer_has_cap"),
        sa.CheckConstraint(
            "(kind IN ('fund-free', 'buffer')) = (balance_cents IS NOT NULL AND pending_cents IS NOT NULL"
            " AND floor_cents IS NOT NULL AND version IS NOT NULL)",
            name="ck_account_balance_where_it_belongs",
        ),
        sa.CheckConstraint(
            "kind IN ('bank', 'fund-free', 'buffer', 'payable')", name="ck_account_kind_known"
        ),
        sa.CheckConstraint(
            "balance_cents - pending_cents >= floor_cents", name="ck_account_balance_above_floor"
        ),
        sa.CheckConstraint(
            "cap_cents IS NULL OR balance_cents <= cap_cents", name="ck_account_balance_within_cap"
        ),
        sa.CheckConstraint("pending_cents >= 0", name="ck_account_pending_not_negative"),
        sa.ForeignKeyConstraint(["enrolment_id"], ["enrolment.enrolment_id"], name="fk_account_enrolment_id"),
        sa.ForeignKeyConstraint(["fund_id"], ["fund.fund_id"], name="fk_account_fund_id"),
        sa.PrimaryKeyConstraint("account", name="pk_account"),
    )
    op.create_index("ix_account_fund_id", "account", ["fund_id"], unique=False)
    op.create_table(
        "ledger_transaction",
        sa.Column("transaction_id", sa.String(36), nullable=False),
        sa.Column("chart_version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("fund_id", sa.String(36), nullable=False),
        sa.Column("enrolment_id", sa.String(36), nullable=True),
        sa.Column("effective_month", sa.String(7), nullable=True),
        sa.Column("policy_version", sa.Integer(), nullable=True),
        sa.Column("evidence", JsonText, nullable=False),
        sa.Column("receipt_revision", sa.Integer(), nullable=True),
        sa.Column("reverses", sa.String(36), nullable=True),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.CheckConstraint(
            "(kind = 'REVERSAL') = (reverses IS NOT NULL)",
            name="ck_ledger_transaction_only_reversals_reverse",
        ),
        sa.CheckConstraint(
            "kind <> 'DRAW' OR (enrolment_id IS NOT NULL AND effective_month IS NOT NULL"
            " AND receipt_revision IS NOT NULL)",
            name="ck_ledger_transaction_draw_has_cause",
        ),
        sa.ForeignKeyConstraint(
            ["enrolment_id"], ["enrolment.enrolment_id"], name="fk_ledger_transaction_enrolment_id"
        ),
        sa.ForeignKeyConstraint(["fund_id"], ["fund.fund_id"], name="fk_ledger_transaction_fund_id"),
        sa.ForeignKeyConstraint(
            ["reverses"], ["ledger_transaction.transaction_id"], name="fk_ledger_transaction_reverses"
        ),
        sa.PrimaryKeyConstraint("transaction_id", name="pk_ledger_transaction"),
        sa.UniqueConstraint("reverses", name="reversed_once"),
    )
    op.create_index(
        "ix_ledger_transaction_enrolment_id", "ledger_transaction", ["enrolment_id"], unique=False
    )
    op.create_index("ledger_transaction_by_fund", "ledger_transaction", ["fund_id", "kind"], unique=False)
    op.create_table(
        "transfer",
        sa.Column("transaction_id", sa.String(36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("debit", sa.String(80), nullable=False),
        sa.Column("credit", sa.String(80), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("debit_version", sa.Integer(), nullable=True),
        sa.Column("debit_balance_after", sa.BigInteger(), nullable=True),
        sa.Column("credit_version", sa.Integer(), nullable=True),
        sa.Column("credit_balance_after", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("amount_cents > 0", name="ck_transfer_amount_positive"),
        sa.CheckConstraint("debit <> credit", name="ck_transfer_two_accounts"),
        sa.ForeignKeyConstraint(["credit"], ["account.account"], name="fk_transfer_credit"),
        sa.ForeignKeyConstraint(["debit"], ["account.account"], name="fk_transfer_debit"),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["ledger_transaction.transaction_id"], name="fk_transfer_transaction_id"
        ),
        sa.PrimaryKeyConstraint("transaction_id", "position", name="pk_transfer"),
        sa.UniqueConstraint("credit", "credit_version", name="credit_version_once"),
        sa.UniqueConstraint("debit", "debit_version", name="debit_version_once"),
    )
    op.create_table(
        "donation",
        sa.Column("donation_id", sa.String(36), nullable=False),
        sa.Column("fund_id", sa.String(36), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("value_date", sa.Date(), nullable=False),
        sa.Column("donor_reference", sa.String(100), nullable=True),
        sa.Column("transaction_id", sa.String(36), nullable=False),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.CheckConstraint("amount_cents > 0", name="ck_donation_amount_positive"),
        sa.ForeignKeyConstraint(["fund_id"], ["fund.fund_id"], name="fk_donation_fund_id"),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["ledger_transaction.transaction_id"], name="fk_donation_transaction_id"
        ),
        sa.PrimaryKeyConstraint("donation_id", name="pk_donation"),
    )
    op.create_index("ix_donation_fund_id", "donation", ["fund_id"], unique=False)


def _months() -> None:
    op.create_table(
        "settled_month",
        sa.Column("enrolment_id", sa.String(36), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("closed_by", sa.String(40), nullable=False),
        sa.Column("draw_cents", sa.BigInteger(), nullable=False),
        sa.Column("rule_cents", sa.BigInteger(), nullable=False),
        sa.Column("row", sa.Text(), nullable=False),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.CheckConstraint("closed_by IN ('CLOSE', 'LATE_FACT')", name="ck_settled_month_closed_by_known"),
        sa.CheckConstraint("draw_cents <= rule_cents", name="ck_settled_month_draw_within_rule"),
        sa.CheckConstraint("draw_cents >= 0", name="ck_settled_month_draw_not_negative"),
        sa.CheckConstraint("revision >= 1", name="ck_settled_month_revision_counts_from_one"),
        sa.ForeignKeyConstraint(
            ["enrolment_id"], ["enrolment.enrolment_id"], name="fk_settled_month_enrolment_id"
        ),
        sa.PrimaryKeyConstraint("enrolment_id", "month", "revision", name="pk_settled_month"),
    )
    op.create_table(
        "payment_order",
        sa.Column("order_id", sa.String(36), nullable=False),
        sa.Column("enrolment_id", sa.String(36), nullable=False),
        sa.Column("participant_id", sa.String(36), nullable=False),
        sa.Column("municipality", sa.String(4), nullable=False),
        sa.Column("fund_id", sa.String(36), nullable=False),
        sa.Column("scheme_id", sa.String(36), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("draw_transaction_id", sa.String(36), nullable=False),
        sa.Column("replaced_by", sa.String(36), nullable=True),
        sa.Column("executed_on", sa.Date(), nullable=True),
        sa.Column("recorded_at", UtcInstant, nullable=False),
        sa.CheckConstraint(
            "(state = 'EXECUTED') = (executed_on IS NOT NULL)", name="ck_payment_order_executed_has_date"
        ),
        sa.CheckConstraint(
            "state IN ('OPEN', 'EXECUTED', 'SUPERSEDED', 'CANCELLED')", name="ck_payment_order_state_known"
        ),
        sa.CheckConstraint("amount_cents > 0", name="ck_payment_order_amount_positive"),
        sa.ForeignKeyConstraint(
            ["draw_transaction_id"],
            ["ledger_transaction.transaction_id"],
            name="fk_payment_order_draw_transaction_id",
        ),
        sa.ForeignKeyConstraint(
            ["enrolment_id"], ["enrolment.enrolment_id"], name="fk_payment_order_enrolment_id"
        ),
        sa.ForeignKeyConstraint(["fund_id"], ["fund.fund_id"], name="fk_payment_order_fund_id"),
        sa.PrimaryKeyConstraint("order_id", name="pk_payment_order"),
    )
    op.create_index("ix_payment_order_enrolment_id", "payment_order", ["enrolment_id"], unique=False)
    op.create_index(
        "payment_order_by_municipality", "payment_order", ["municipality", "order_id"], unique=False
    )
    op.create_index(
        "payment_order_one_counts",
        "payment_order",
        ["enrolment_id", "month"],
        unique=True,
        sqlite_where=sa.text("state IN ('OPEN', 'EXECUTED')"),
        postgresql_where=sa.text("state IN ('OPEN', 'EXECUTED')"),
    )
