"""The tables of the ledger's database, one class each; rows never leave store.py and books.py.

Append-only (triggers, and on PostgreSQL no grant either): ledger_transaction, transfer, settled_month,
scheme_policy, donation, seal, fund_snapshot, fund_share, offset_statement, repayment, exit_settlement,
draw_decision and decision_announcement. Months are text `YYYY-MM`, which sorts as time does; amounts are
whole cents.
"""

from datetime import date, datetime
from typing import Any

from pydantic_core import PydanticUndefined
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    text,
    true,
)
from sqlmodel import Field, SQLModel

from shared.columns import JsonText, RowId, UtcInstant
from shared.plumbing import service_registry, table

REGISTRY = service_registry()
METADATA = REGISTRY.metadata

EVERY_MONTH = ""
"""valid_from of settings that hold for every month; sorts before every month."""


class LedgerTable(SQLModel, registry=REGISTRY):
    """Root of this service's tables: a registry of its own, since three services may share a process."""


def _id(*, primary_key: bool = False, foreign_key: str | None = None, index: bool = False) -> Any:
    target = foreign_key or PydanticUndefined
    return Field(primary_key=primary_key, index=index, sa_type=String(36), foreign_key=target)


def _maybe_id(*, foreign_key: str | None = None, index: bool = False) -> Any:
    target = foreign_key or PydanticUndefined
    return Field(default=None, nullable=True, index=index, sa_type=String(36), foreign_key=target)


def _code(length: int = 40, *, primary_key: bool = False) -> Any:
    return Field(primary_key=primary_key, sa_type=String(length))


def _cents() -> Any:
    return Field(sa_type=BigInteger)


def _maybe_cents() -> Any:
    return Field(default=None, nullable=True, sa_type=BigInteger)


def _instant() -> Any:
    return Field(sa_type=UtcInstant)


def _maybe_instant() -> Any:
    return Field(default=None, nullable=True, sa_type=UtcInstant)


def _json() -> Any:
    return Field(sa_type=JsonText)


def _one_of(column: str, *values: str) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


_OPEN = text("state = 'OPEN'")
_COUNTS = text("state IN ('OPEN', 'EXECUTED')")

# ---- settings of a municipality --------------------------------------------------------------------------


class MunicipalityRow(LedgerTable, table=True):
    """One municipality. Its row is the lock that settings and closes of that municipality take."""

    __tablename__ = "municipality"
    municipality: str = _code(4, primary_key=True)
    recorded_at: datetime = _instant()


class MunicipalityRulesRow(LedgerTable, table=True):
    """The municipality's settings from a month on; those of a month not closed yet may be replaced."""

    __tablename__ = "municipality_rules"
    municipality: str = Field(primary_key=True, sa_type=String(4), foreign_key="municipality.municipality")
    valid_from: str = _code(7, primary_key=True)
    name: str = _code(200)
    offset_method: str = _code()
    four_week_method: str = _code()
    holiday_claim: str = _code()
    year_end_pay: str = _code()
    cut_off_day: int
    late_slip: str = _code()
    case_tolerance_cents: int = _cents()
    calendar: Any = _json()
    """The days of a month by which slips are due and on which the benefit is paid, where they are known."""
    recorded_at: datetime = _instant()
    __table_args__ = (CheckConstraint("cut_off_day BETWEEN 1 AND 28", name="cut_off_day_in_month"),)


class ClosedMonthRow(LedgerTable, table=True):
    """A month of a municipality that was closed at least once."""

    __tablename__ = "closed_month"
    municipality: str = Field(primary_key=True, sa_type=String(4), foreign_key="municipality.municipality")
    month: str = _code(7, primary_key=True)
    recorded_at: datetime = _instant()


# ---- funds and schemes -----------------------------------------------------------------------------------


class FundRow(LedgerTable, table=True):
    """A fund that pays draws."""

    __tablename__ = "fund"
    fund_id: str = _id(primary_key=True)
    name: str = _code(200)
    kind: str = _code()
    low_threshold_cents: int = _cents()
    recorded_at: datetime = _instant()
    __table_args__ = (_one_of("kind", "PRIVATE", "STATUTORY"),)


class FundMunicipalityRow(LedgerTable, table=True):
    """A municipality whose people a fund may pay."""

    __tablename__ = "fund_municipality"
    fund_id: str = _id(primary_key=True, foreign_key="fund.fund_id")
    municipality: str = _code(4, primary_key=True)
    __table_args__ = (Index("fund_municipality_by_municipality", "municipality"),)


class DonationRow(LedgerTable, table=True):
    """Money that came in; append-only."""

    __tablename__ = "donation"
    donation_id: str = _id(primary_key=True)
    fund_id: str = _id(foreign_key="fund.fund_id", index=True)
    amount_cents: int = _cents()
    value_date: date
    donor_reference: str | None = Field(default=None, sa_type=String(100))
    transaction_id: str = _id(foreign_key="ledger_transaction.transaction_id")
    recorded_at: datetime = _instant()
    __table_args__ = (CheckConstraint("amount_cents > 0", name="amount_positive"),)


class FundSnapshotRow(LedgerTable, table=True):
    """The figures a fund's own token sees: taken at a close, by the rules of anonymity.py."""

    __tablename__ = "fund_snapshot"
    fund_id: str = _id(primary_key=True, foreign_key="fund.fund_id")
    taken_at: datetime = Field(primary_key=True, sa_type=UtcInstant)
    month: str = _code(7)
    people: int
    committed_cents: int = _cents()
    drawn_cents: int = _cents()
    returned_cents: int = _cents()


class FundShareRow(LedgerTable, table=True):
    """By whom, and by how much, a snapshot moved the figures a fund sees; never shown itself; append-only."""

    __tablename__ = "fund_share"
    fund_id: str = _id(primary_key=True)
    taken_at: datetime = Field(primary_key=True, sa_type=UtcInstant)
    participant_id: str = _id(primary_key=True)
    committed_cents: int = _cents()
    drawn_cents: int = _cents()
    returned_cents: int = _cents()
    __table_args__ = (
        ForeignKeyConstraint(["fund_id", "taken_at"], ["fund_snapshot.fund_id", "fund_snapshot.taken_at"]),
    )


class SchemeRow(LedgerTable, table=True):
    """A programme: whose money, for which municipality, under which version of its policy."""

    __tablename__ = "scheme"
    scheme_id: str = _id(primary_key=True)
    municipality: str = _code(4)
    fund_id: str = _id(foreign_key="fund.fund_id", index=True)
    policy_version: int
    valid_from: str = _code(7)
    valid_to: str | None = Field(default=None, sa_type=String(7))
    recorded_at: datetime = _instant()
    __table_args__ = (Index("scheme_by_municipality", "municipality", "scheme_id"),)


class SchemePolicyRow(LedgerTable, table=True):
    """A version of a scheme's policy; append-only."""

    __tablename__ = "scheme_policy"
    scheme_id: str = _id(primary_key=True, foreign_key="scheme.scheme_id")
    policy_version: int = Field(primary_key=True)
    policy: Any = _json()
    recorded_at: datetime = _instant()


# ---- people ----------------------------------------------------------------------------------------------


class ParticipantRow(LedgerTable, table=True):
    """A participant as income-intake tells of them, without municipality before; the lock of enrolling."""

    __tablename__ = "participant"
    participant_id: str = _id(primary_key=True)
    municipality: str | None = Field(default=None, sa_type=String(4))
    registered_at: datetime | None = _maybe_instant()
    erased_at: datetime | None = _maybe_instant()


class EmploymentRow(LedgerTable, table=True):
    """A job that is expected to send slips."""

    __tablename__ = "employment"
    participant_id: str = _id(primary_key=True, foreign_key="participant.participant_id")
    employer_key: str = _code(128, primary_key=True)
    pay_period: str = _code()


class SlipRow(LedgerTable, table=True):
    """The version of a slip that counts: the highest that arrived."""

    __tablename__ = "slip"
    participant_id: str = _id(primary_key=True)
    slip_key: str = _code(128, primary_key=True)
    wage_slip_id: str = _id()
    version: int
    employer_key: str = _code(128)
    source: str = _code()
    pay_period: str = _code()
    period_from: date
    period_to: date
    pay_date: date
    parts: Any = _json()
    tax_credit_applied: bool | None = Field(default=None, nullable=True)
    recorded_at: datetime = _instant()


class ZeroMonthRow(LedgerTable, table=True):
    """A month declared to be without work."""

    __tablename__ = "zero_month"
    participant_id: str = _id(primary_key=True)
    month: str = _code(7, primary_key=True)
    recorded_at: datetime = _instant()


class UnchangedMonthRow(LedgerTable, table=True):
    """A month declared to be as the one before it, for which no slip is due."""

    __tablename__ = "unchanged_month"
    participant_id: str = _id(primary_key=True)
    month: str = _code(7, primary_key=True)
    recorded_at: datetime = _instant()


class OffsetStatementRow(LedgerTable, table=True):
    """What the municipality decided for a person's month; append-only, the last one counts."""

    __tablename__ = "offset_statement"
    statement_id: str = _id(primary_key=True)
    participant_id: str = _id(index=True)
    municipality: str = _code(4)
    month: str = _code(7)
    number: int
    """Counts the statements of a month: the highest counts."""
    counted_cents: int = _cents()
    benefit_paid_cents: int = _cents()
    holiday_allowance_cents: int = _cents()
    decided_on: date
    reference: str | None = Field(default=None, nullable=True, sa_type=String(200))
    recorded_at: datetime = _instant()
    __table_args__ = (
        UniqueConstraint("participant_id", "month", "number", name="statement_counted_once"),
        CheckConstraint("counted_cents >= 0", name="counted_not_negative"),
        CheckConstraint("benefit_paid_cents >= 0", name="paid_not_negative"),
        CheckConstraint("holiday_allowance_cents >= 0", name="allowance_not_negative"),
    )


class CaseRow(LedgerTable, table=True):
    """Something about a person's month that an official is to look at; closed with what was found."""

    __tablename__ = "ledger_case"
    case_id: str = _id(primary_key=True)
    municipality: str = _code(4)
    participant_id: str = _id(index=True)
    month: str = _code(7)
    kind: str = _code()
    state: str = _code()
    details: Any = _json()
    resolution: str | None = Field(default=None, nullable=True, sa_type=String(500))
    resolved_by: str | None = Field(default=None, nullable=True, sa_type=String(200))
    resolved_at: datetime | None = _maybe_instant()
    recorded_at: datetime = _instant()
    __table_args__ = (
        _one_of("state", "OPEN", "RESOLVED"),
        CheckConstraint("(state = 'RESOLVED') = (resolved_at IS NOT NULL)", name="resolved_has_time"),
        Index("ledger_case_by_municipality", "municipality", "state", "case_id"),
        Index(
            "ledger_case_one_open",
            "participant_id",
            "month",
            "kind",
            unique=True,
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        ),
    )


class EnrolmentRow(LedgerTable, table=True):
    """A person's place in a scheme. Its row is the lock that everything which books for it takes first."""

    __tablename__ = "enrolment"
    enrolment_id: str = _id(primary_key=True)
    participant_id: str = _id(index=True)
    municipality: str = _code(4)
    scheme_id: str = _id(foreign_key="scheme.scheme_id", index=True)
    fund_id: str = _id(foreign_key="fund.fund_id")
    policy_version: int
    cap_cents: int = _cents()
    first_month: str = _code(7)
    last_month: str = _code(7)
    household: Any = _json()
    exemptions: Any = _json()
    partner_id: str | None = _maybe_id(index=True)
    """The partner of a couple whose slips count here too."""
    state: str = _code()
    ended_reason: str | None = Field(default=None, sa_type=String(40))
    closed_through: str | None = Field(default=None, sa_type=String(7))
    """The last month a close has gone through for this enrolment; later months are provisional."""
    benefit_ended_on: date | None = Field(default=None, nullable=True)
    """The first day without bijstand; None while it goes on."""
    exit_reason: str | None = Field(default=None, sa_type=String(40))
    allowance_set_off: bool = Field(default=True, sa_column_kwargs={"server_default": true()})
    """Whether the municipality sets the holiday allowance due off against a claim."""
    told_level: str = _code()
    """What was last told of the balance: NORMAL, LOW or EXHAUSTED, so that each crossing is told once."""
    recorded_at: datetime = _instant()
    __table_args__ = (
        _one_of("state", "ACTIVE", "ENDED"),
        CheckConstraint("first_month <= last_month", name="months_in_order"),
        Index("enrolment_by_municipality", "municipality", "enrolment_id"),
    )


class HouseholdChangeRow(LedgerTable, table=True):
    """The household of an enrolment from a day on; said again for the same day, it replaces what was said."""

    __tablename__ = "household_change"
    enrolment_id: str = _id(primary_key=True, foreign_key="enrolment.enrolment_id")
    from_day: date = Field(primary_key=True)
    household: Any = _json()
    recorded_at: datetime = _instant()


class BenefitPeriodRow(LedgerTable, table=True):
    """Days with right to bijstand; without a last one they go on. Set as a whole for an enrolment."""

    __tablename__ = "benefit_period"
    enrolment_id: str = _id(primary_key=True, foreign_key="enrolment.enrolment_id")
    first_day: date = Field(primary_key=True)
    last_day: date | None = Field(default=None, nullable=True)
    recorded_at: datetime = _instant()
    __table_args__ = (CheckConstraint("last_day IS NULL OR last_day >= first_day", name="days_in_order"),)


class PayeeRow(LedgerTable, table=True):
    """The account draws are paid to, sealed with the person's key; deleted when the person is erased."""

    __tablename__ = "payee"
    enrolment_id: str = _id(primary_key=True, foreign_key="enrolment.enrolment_id")
    participant_id: str = _id(index=True)
    kind: str = _code()
    sealed: bytes = Field(sa_type=LargeBinary)
    recorded_at: datetime = _instant()


# ---- months ----------------------------------------------------------------------------------------------


class SettledMonthRow(LedgerTable, table=True):
    """What was settled for a month, each revision a row of its own; append-only. The highest one counts."""

    __tablename__ = "settled_month"
    enrolment_id: str = _id(primary_key=True, foreign_key="enrolment.enrolment_id")
    month: str = _code(7, primary_key=True)
    revision: int = Field(primary_key=True)
    closed_by: str = _code()
    draw_cents: int = _cents()
    rule_cents: int = _cents()
    """What the policy asks for before cap, maximum and smallest draw: a month's draw is never above it."""
    row: str = Field(sa_type=Text)
    recorded_at: datetime = _instant()
    __table_args__ = (
        _one_of("closed_by", "CLOSE", "LATE_FACT"),
        CheckConstraint("draw_cents >= 0", name="draw_not_negative"),
        CheckConstraint("draw_cents <= rule_cents", name="draw_within_rule"),
        CheckConstraint("revision >= 1", name="revision_counts_from_one"),
    )


class MonthCloseRow(LedgerTable, table=True):
    """One call to close a month, and how far the work is."""

    __tablename__ = "month_close"
    close_id: str = _id(primary_key=True)
    municipality: str = _code(4)
    month: str = _code(7)
    state: str = _code()
    after_enrolment: str = _code(36)
    """The last enrolment done; the work goes on behind it after a crash."""
    settled: int
    held: int
    missing: int
    newly_settled: int
    rebooked: int
    held_reasons: Any = _json()
    failed: int
    failed_enrolments: Any = _json()
    detail: str | None = Field(default=None, sa_type=String(200))
    requested_by: str = _code(200)
    requested_at: datetime = _instant()
    finished_at: datetime | None = _maybe_instant()
    __table_args__ = (
        _one_of("state", "RUNNING", "DONE", "FAILED"),
        Index("month_close_by_state", "state", "close_id"),
        Index("month_close_by_municipality", "municipality", "close_id"),
    )


class PaymentOrderRow(LedgerTable, table=True):
    """What is to be paid for a month's draw. Only a report of execution makes it paid."""

    __tablename__ = "payment_order"
    order_id: str = _id(primary_key=True)
    enrolment_id: str = _id(foreign_key="enrolment.enrolment_id", index=True)
    participant_id: str = _id()
    municipality: str = _code(4)
    fund_id: str = _id(foreign_key="fund.fund_id")
    scheme_id: str = _id()
    month: str = _code(7)
    revision: int
    kind: str = Field(default="DRAW", sa_type=String(40), sa_column_kwargs={"server_default": "DRAW"})
    pay_to: str = Field(default="PERSON", sa_type=String(40), sa_column_kwargs={"server_default": "PERSON"})
    amount_cents: int = _cents()
    state: str = _code()
    draw_transaction_id: str = _id(foreign_key="ledger_transaction.transaction_id")
    replaced_by: str | None = _maybe_id()
    executed_on: date | None = Field(default=None, nullable=True)
    recorded_at: datetime = _instant()
    __table_args__ = (
        _one_of("state", "OPEN", "EXECUTED", "SUPERSEDED", "CANCELLED"),
        CheckConstraint("amount_cents > 0", name="amount_positive"),
        CheckConstraint("(state = 'EXECUTED') = (executed_on IS NOT NULL)", name="executed_has_date"),
        Index("payment_order_by_municipality", "municipality", "order_id"),
        Index(
            "payment_order_one_counts",
            "enrolment_id",
            "month",
            "kind",
            unique=True,
            sqlite_where=_COUNTS,
            postgresql_where=_COUNTS,
        ),
    )


# ---- proposals -------------------------------------------------------------------------------------------

_PENDING = text("state = 'PENDING'")


class DrawProposalRow(LedgerTable, table=True):
    """A draw that waits for a person; its amount is held on the buffer while it is PENDING.

    One state machine: PENDING becomes APPROVED, REJECTED, WITHDRAWN (the month became another) or EXPIRED
    (the enrolment ended), once.
    """

    __tablename__ = "draw_proposal"
    proposal_id: str = _id(primary_key=True)
    enrolment_id: str = _id(foreign_key="enrolment.enrolment_id", index=True)
    participant_id: str = _id()
    municipality: str = _code(4)
    fund_id: str = _id(foreign_key="fund.fund_id")
    scheme_id: str = _id()
    month: str = _code(7)
    revision: int
    kind: str = _code()
    amount_cents: int = _cents()
    total_cents: int = _cents()
    """What the month would draw in all with it: this amount and what was agreed before."""
    need: str = _code()
    statutory: bool
    flags: Any = _json()
    state: str = _code()
    proposed_by: str = _code(200)
    recorded_at: datetime = _instant()
    __table_args__ = (
        _one_of("state", "PENDING", "APPROVED", "REJECTED", "WITHDRAWN", "EXPIRED"),
        _one_of("kind", "PAYMENT", "CLAIM_SETTLED"),
        CheckConstraint("amount_cents > 0", name="amount_positive"),
        CheckConstraint("total_cents >= amount_cents", name="total_holds_amount"),
        Index("draw_proposal_by_municipality", "municipality", "proposal_id"),
        Index(
            "draw_proposal_one_pending",
            "enrolment_id",
            "month",
            "kind",
            unique=True,
            sqlite_where=_PENDING,
            postgresql_where=_PENDING,
        ),
    )


class DrawDecisionRow(LedgerTable, table=True):
    """What a person decided on a proposal, why and when: one for each; append-only."""

    __tablename__ = "draw_decision"
    proposal_id: str = _id(primary_key=True, foreign_key="draw_proposal.proposal_id")
    outcome: str = _code()
    amount_cents: int = _cents()
    reasons: Any = _json()
    decision_reference: str | None = Field(default=None, sa_type=String(200))
    decided_by: str = _code(200)
    decided_on: date
    recorded_at: datetime = _instant()
    __table_args__ = (
        _one_of("outcome", "APPROVED", "REJECTED"),
        CheckConstraint("(outcome = 'APPROVED') = (amount_cents > 0)", name="approved_has_amount"),
    )


class DecisionAnnouncementRow(LedgerTable, table=True):
    """The day on which the municipality announced a decision; append-only."""

    __tablename__ = "decision_announcement"
    proposal_id: str = _id(primary_key=True, foreign_key="draw_decision.proposal_id")
    announced_on: date
    recorded_by: str = _code(200)
    recorded_at: datetime = _instant()


class RepaymentRow(LedgerTable, table=True):
    """Money that a person really gave back, and the month it belongs to; append-only."""

    __tablename__ = "repayment"
    repayment_id: str = _id(primary_key=True)
    enrolment_id: str = _id(foreign_key="enrolment.enrolment_id", index=True)
    month: str = _code(7)
    amount_cents: int = _cents()
    received_on: date
    recorded_at: datetime = _instant()
    __table_args__ = (CheckConstraint("amount_cents > 0", name="amount_positive"),)


class ExitSettlementRow(LedgerTable, table=True):
    """What an exit came to when it was settled; append-only, one for each end of bijstand."""

    __tablename__ = "exit_settlement"
    exit_id: str = _id(primary_key=True)
    enrolment_id: str = _id(foreign_key="enrolment.enrolment_id", index=True)
    benefit_ended_on: date
    reason: str = _code()
    paid_cents: int = _cents()
    entitled_cents: int = _cents()
    claim_cents: int = _cents()
    holiday_allowance_cents: int = _cents()
    offered_cents: int = _cents()
    settled_cents: int = _cents()
    complete: bool
    proposal_id: str | None = _maybe_id()
    recorded_at: datetime = _instant()
    __table_args__ = (CheckConstraint("settled_cents <= offered_cents", name="settled_within_offer"),)


# ---- the books -------------------------------------------------------------------------------------------


class AccountRow(LedgerTable, table=True):
    """An account. A fund's free capital and a person's buffer carry a balance with floor and cap; the others
    are counters: no balance, no row to lock, summed from their transfers."""

    __tablename__ = "account"
    account: str = _code(80, primary_key=True)
    kind: str = _code()
    fund_id: str = _id(foreign_key="fund.fund_id", index=True)
    enrolment_id: str | None = _maybe_id(foreign_key="enrolment.enrolment_id")
    balance_cents: int | None = _maybe_cents()
    pending_cents: int | None = _maybe_cents()
    floor_cents: int | None = _maybe_cents()
    cap_cents: int | None = _maybe_cents()
    version: int | None = Field(default=None, nullable=True)
    recorded_at: datetime | None = _maybe_instant()
    """When the newest transfer of a limited account was recorded; the next one is not recorded before it."""
    __table_args__ = (
        _one_of("kind", "bank", "fund-free", "buffer", "payable"),
        CheckConstraint(
            "(kind IN ('fund-free', 'buffer')) = (balance_cents IS NOT NULL AND pending_cents IS NOT NULL"
            " AND floor_cents IS NOT NULL AND version IS NOT NULL)",
            name="balance_where_it_belongs",
        ),
        CheckConstraint("pending_cents >= 0", name="pending_not_negative"),
        CheckConstraint("balance_cents - pending_cents >= floor_cents", name="balance_above_floor"),
        CheckConstraint("cap_cents IS NULL OR balance_cents <= cap_cents", name="balance_within_cap"),
        CheckConstraint("(kind = 'buffer') = (cap_cents IS NOT NULL)", name="buffer_has_cap"),
    )


class LedgerTransactionRow(LedgerTable, table=True):
    """Transfers that belong together and why they were booked; append-only."""

    __tablename__ = "ledger_transaction"
    transaction_id: str = _id(primary_key=True)
    chart_version: int
    kind: str = _code()
    reason: str = _code()
    fund_id: str = _id(foreign_key="fund.fund_id")
    enrolment_id: str | None = _maybe_id(foreign_key="enrolment.enrolment_id", index=True)
    effective_month: str | None = Field(default=None, sa_type=String(7))
    policy_version: int | None = Field(default=None, nullable=True)
    evidence: Any = _json()
    receipt_revision: int | None = Field(default=None, nullable=True)
    """The revision of the settled month whose row holds the parameter receipt."""
    reverses: str | None = _maybe_id(foreign_key="ledger_transaction.transaction_id")
    recorded_at: datetime = _instant()
    __table_args__ = (
        UniqueConstraint("reverses", name="reversed_once"),
        CheckConstraint("(kind = 'REVERSAL') = (reverses IS NOT NULL)", name="only_reversals_reverse"),
        CheckConstraint(
            "kind <> 'DRAW' OR (enrolment_id IS NOT NULL AND effective_month IS NOT NULL"
            " AND receipt_revision IS NOT NULL)",
            name="draw_has_cause",
        ),
        Index("ledger_transaction_by_fund", "fund_id", "kind"),
    )


class TransferRow(LedgerTable, table=True):
    """One amount from a debit account to a credit account: balanced by construction; append-only."""

    __tablename__ = "transfer"
    transaction_id: str = _id(primary_key=True, foreign_key="ledger_transaction.transaction_id")
    position: int = Field(primary_key=True)
    debit: str = Field(sa_type=String(80), foreign_key="account.account")
    credit: str = Field(sa_type=String(80), foreign_key="account.account")
    amount_cents: int = _cents()
    debit_version: int | None = Field(default=None, nullable=True)
    debit_balance_after: int | None = _maybe_cents()
    credit_version: int | None = Field(default=None, nullable=True)
    credit_balance_after: int | None = _maybe_cents()
    __table_args__ = (
        CheckConstraint("amount_cents > 0", name="amount_positive"),
        CheckConstraint("debit <> credit", name="two_accounts"),
        UniqueConstraint("debit", "debit_version", name="debit_version_once"),
        UniqueConstraint("credit", "credit_version", name="credit_version_once"),
    )


class UnsealedRow(LedgerTable, table=True):
    """A transaction that waits for its seal: written with it, taken out by the sealer.

    Per account the numbers rise as its versions do, because who books holds the account until the commit.
    Between accounts they become visible out of order, so nothing may be concluded from a gap in them.
    """

    __tablename__ = "unsealed"
    number: int | None = Field(
        default=None, primary_key=True, sa_type=RowId, sa_column_kwargs={"autoincrement": True}
    )
    transaction_id: str = _id(foreign_key="ledger_transaction.transaction_id")
    fund_id: str = _id()
    __table_args__ = (
        UniqueConstraint("transaction_id", name="unsealed_once"),
        {"sqlite_autoincrement": True},
    )


class SealRow(LedgerTable, table=True):
    """A link of a fund's chain: the hash of a transaction and of the link before it; append-only."""

    __tablename__ = "seal"
    fund_id: str = _id(primary_key=True, foreign_key="fund.fund_id")
    number: int = Field(primary_key=True, sa_type=BigInteger)
    transaction_id: str = _id(foreign_key="ledger_transaction.transaction_id")
    hash: str = Field(sa_type=String(64))
    sealed_at: datetime = _instant()
    __table_args__ = (
        UniqueConstraint("transaction_id", name="sealed_once"),
        CheckConstraint("number >= 1", name="number_counts_from_one"),
    )


MUNICIPALITY = table(MunicipalityRow)
MUNICIPALITY_RULES = table(MunicipalityRulesRow)
CLOSED_MONTH = table(ClosedMonthRow)
FUND = table(FundRow)
FUND_MUNICIPALITY = table(FundMunicipalityRow)
DONATION = table(DonationRow)
FUND_SNAPSHOT = table(FundSnapshotRow)
FUND_SHARE = table(FundShareRow)
SCHEME = table(SchemeRow)
SCHEME_POLICY = table(SchemePolicyRow)
PARTICIPANT = table(ParticipantRow)
EMPLOYMENT = table(EmploymentRow)
SLIP = table(SlipRow)
ZERO_MONTH = table(ZeroMonthRow)
UNCHANGED_MONTH = table(UnchangedMonthRow)
OFFSET_STATEMENT = table(OffsetStatementRow)
CASE = table(CaseRow)
ENROLMENT = table(EnrolmentRow)
HOUSEHOLD_CHANGE = table(HouseholdChangeRow)
BENEFIT_PERIOD = table(BenefitPeriodRow)
PAYEE = table(PayeeRow)
SETTLED_MONTH = table(SettledMonthRow)
MONTH_CLOSE = table(MonthCloseRow)
PAYMENT_ORDER = table(PaymentOrderRow)
DRAW_PROPOSAL = table(DrawProposalRow)
REPAYMENT = table(RepaymentRow)
EXIT_SETTLEMENT = table(ExitSettlementRow)
DRAW_DECISION = table(DrawDecisionRow)
DECISION_ANNOUNCEMENT = table(DecisionAnnouncementRow)
ACCOUNT = table(AccountRow)
LEDGER_TRANSACTION = table(LedgerTransactionRow)
TRANSFER = table(TransferRow)
UNSEALED = table(UnsealedRow)
SEAL = table(SealRow)

APPEND_ONLY = (
    "ledger_transaction",
    "transfer",
    "settled_month",
    "scheme_policy",
    "donation",
    "seal",
    "fund_snapshot",
    "fund_share",
    "offset_statement",
    "repayment",
    "exit_settlement",
    "draw_decision",
    "decision_announcement",
)
