"""What all calls of the ledger share: who may call them, what they work with, how a month looks."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Path, Query
from pydantic import Field

from buffer_ledger.draw_log import PURPOSE
from buffer_ledger.explanation import explain
from buffer_ledger.figures import Figures
from buffer_ledger.statements import Statement, StatementMonth
from buffer_ledger.store import PAGE_MAX
from shared import access_log
from shared.database import Database, Tx
from shared.ids import UuidText
from shared.law import Law
from shared.months import Month
from shared.personal_keys import KeyStore
from shared.requests import ResponseModel
from shared.tokens import Caller, Role, allow

BackOffice = Annotated[Caller, Depends(allow(Role.BACKOFFICE))]
BackOfficeOrFund = Annotated[Caller, Depends(allow(Role.BACKOFFICE, Role.FUND))]

PathId = Annotated[UuidText, Path()]
EnrolmentId = Annotated[PathId, Path(alias="enrolmentId")]
Code = Annotated[str, Path(pattern=r"^[0-9]{4}$", description="CBS municipality code.")]
Cursor = Annotated[str, Query(pattern=r"^([0-9a-f-]{36})?$", description="nextCursor of the page before.")]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX, description="Most items of a page.")]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the calls work with."""

    database: Database
    keys: KeyStore
    law: Law
    figures: Figures
    wake_closing: Callable[[], None]


async def note(tx: Tx, caller: Caller, action: str, *participant_ids: str) -> None:
    """Write down who looked at or decided about whom."""
    await access_log.record(
        tx, actor=caller.subject, purpose=PURPOSE, action=action, participant_ids=participant_ids
    )


# ---- how a month looks -----------------------------------------------------------------------------------


class ExplanationAnswer(ResponseModel):
    """The month in plain words."""

    nl: str
    en: str


class ReceiptLineAnswer(ResponseModel):
    """A parameter of the law as it was used; of a table the row that applied."""

    parameter: str
    value: Any
    unit: str
    since: str
    source: str


class MonthAnswer(ResponseModel):
    """One month, in whole cents. Wage is what was received in the month; attributed, exempt, counted, benefit
    and reserve follow the base month. A provisional month is a projection: nothing of it is booked."""

    month: Month
    wage_cents: int
    attributed_wage_cents: int
    exempt_cents: int
    counted_cents: int
    benefit_paid_cents: int
    holiday_reserve_cents: int
    other_cash_cents: int
    cash_cents: int
    floor_cents: int
    shortfall_cents: int
    offset_cents: int
    other_income_cents: int = Field(description="Income beside wage that is in the counted amount.")
    offset_method: str
    four_week_method: str = Field(description="How the municipality turns four-weekly pay into months.")
    official: bool = Field(
        description="Whether counted and paid are the municipality's own decision (an offset statement)."
    )
    days_of_right: int | None = Field(
        None, description="Days with right to bijstand; absent when that is the whole month."
    )
    draw_cents: int
    repayment_cents: int
    balance_cents: int
    cash_after_cents: int
    normal_cents: int = Field(description="The normal offset that EXCESS compares with.")
    late_cents: int = Field(description="What of the benefit had not landed when the month ended.")
    netted_cents: int = Field(description="What of an earlier overpayment the draw made good.")
    proposed_cents: int = Field(description="What waits for a person to agree: held, neither drawn nor paid.")
    approval_needed: str | None = Field(None, description="FOUR_EYES, OFFICIAL_DECISION, NEEDS_COLLEGE_VIEW.")
    above_gift_limit: bool = Field(description="The draw passes what gifts may come to in a year.")
    provisional: bool
    revision: int
    recorded_at: datetime | None = Field(None, description="When this revision was recorded.")
    held_reasons: list[str] = Field(
        description="Why it is not settled: SLIP_MISSING, ESTIMATED, MANUAL_REVIEW, "
        "STATEMENT_MISSING, STATEMENT_DIFFERS, PARKED, "
        "NOT_REGISTERED, PARAMETER_MISSING (its "
        "benefit, floor and shortfall are then no figures: they could not be computed), and EXPIRED when "
        "the enrolment ended before it was settled and nothing of it is booked any more."
    )
    missing_parameters: list[str] = Field(
        description="A sentence for each parameter of the law that this system has no value of for the month."
    )
    evidence: list[str]
    explanation: ExplanationAnswer
    receipt: list[ReceiptLineAnswer]


def month_answer(month: StatementMonth) -> MonthAnswer:
    """A month of a statement as callers see it."""
    row = month.row
    return MonthAnswer(
        month=row.month,
        wage_cents=row.wage_cents,
        attributed_wage_cents=row.attributed_wage_cents,
        exempt_cents=row.exempt_cents,
        counted_cents=row.counted_cents,
        benefit_paid_cents=row.benefit_paid_cents,
        holiday_reserve_cents=row.holiday_reserve_cents,
        other_cash_cents=row.other_cash_cents,
        cash_cents=row.cash_cents,
        floor_cents=row.floor_cents,
        shortfall_cents=row.shortfall_cents,
        offset_cents=row.offset_cents,
        other_income_cents=row.other_income_cents,
        offset_method=row.offset_method,
        four_week_method=row.four_week_method,
        official=row.official,
        days_of_right=row.days_of_right,
        draw_cents=row.draw_cents,
        repayment_cents=row.repayment_cents,
        balance_cents=row.balance_cents,
        cash_after_cents=row.cash_after_cents,
        normal_cents=row.normal_cents,
        late_cents=row.late_cents,
        netted_cents=row.netted_cents,
        proposed_cents=row.proposed_cents,
        approval_needed=row.need,
        above_gift_limit=row.above_gift_limit,
        provisional=month.provisional,
        revision=month.revision,
        recorded_at=month.recorded_at,
        held_reasons=list(month.held_reasons),
        missing_parameters=list(row.missing_parameters),
        evidence=list(row.evidence),
        explanation=ExplanationAnswer(
            nl=explain(row, "nl", expired=month.expired), en=explain(row, "en", expired=month.expired)
        ),
        receipt=[ReceiptLineAnswer.model_validate(line.to_json()) for line in row.receipt],
    )


def months_answer(statement: Statement) -> list[MonthAnswer]:
    """The months of a statement as callers see them."""
    return [month_answer(month) for month in statement.months]
