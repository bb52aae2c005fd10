"""The HTTP calls for closing months and for checking the books."""

from datetime import datetime
from typing import Annotated

from fastapi import Path, Request, Response
from pydantic import Field

from buffer_ledger import checks, closing
from buffer_ledger.closing import CloseState, MonthClose
from buffer_ledger.http_parts import BackOffice, Code, Parts, PathId
from buffer_ledger.timeline import HeldReason
from shared.api import ServiceRouter
from shared.commands import Answer, command
from shared.database import Tx
from shared.dates import MonthParameter
from shared.months import Month
from shared.requests import ResponseModel


class MonthCloseAnswer(ResponseModel):
    """A close and how far it is. Settled, held and missing tell how the month stands: enrolments settled and
    held, and slips that held ones wait for."""

    close_id: str
    municipality: str
    month: Month
    state: CloseState
    settled: int
    held: int
    missing: int
    newly_settled: int = Field(description="Month rows, of this and earlier months, settled by this close.")
    rebooked: int = Field(description="Month rows of earlier closes that this close booked anew.")
    held_reasons: dict[HeldReason, int] = Field(
        description="Month rows, of this and earlier months, that were never settled, under each reason they "
        "are held for. Only SLIP_MISSING lapses after the late window."
    )
    failed: int = Field(
        description="Enrolments that could not be computed and were left as they were; the next close tries "
        "them again. The operators find the error in their log under the enrolment's id."
    )
    failed_enrolments: list[str] = Field(description="Their ids, at most 100.")
    requested_at: datetime
    finished_at: datetime | None = None
    detail: str | None = None


class LedgerChecksAnswer(ResponseModel):
    """What a check of the books found: the sum of all balances is nil, and there are no violations."""

    ledger_sum_cents: int
    violations: list[str]
    accounts: int
    transfers: int


def close_calls(routes: ServiceRouter, parts: Parts) -> None:
    """Add the calls to the service's routes."""

    @routes.post(
        "/municipalities/{code}/months/{month}/_close", status_code=202, response_model=MonthCloseAnswer
    )
    async def close_month(
        request: Request, caller: BackOffice, code: Code, month: Annotated[MonthParameter, Path()]
    ) -> Response:
        """Close a month, or settle what has not been settled since: it is never too late to close again."""
        caller.must_be_of(code)

        async def run(tx: Tx) -> Answer:
            asked = await closing.request(tx, caller, code, month)
            tx.on_commit(parts.wake_closing)
            headers = {"Location": f"/v1/month-closes/{asked.close_id}"}
            return Answer(_close_answer(asked), 202, headers)

        return await command(request, parts.database, caller, run)

    @routes.get("/month-closes/{closeId}", response_model=MonthCloseAnswer)
    async def read_month_close(
        caller: BackOffice, close_id: Annotated[PathId, Path(alias="closeId")]
    ) -> MonthCloseAnswer:
        """How far a close is."""
        async with parts.database.read() as reading:
            return _close_answer(await closing.close_for(reading, caller, close_id))

    @routes.get("/ledger-checks", response_model=LedgerChecksAnswer)
    async def check_ledger(caller: BackOffice) -> LedgerChecksAnswer:
        """Check the books of the municipality's funds now."""
        async with parts.database.read(aside=True) as reading:
            checked = await checks.invariants(reading, caller.of_municipality)
        return LedgerChecksAnswer(
            ledger_sum_cents=checked.sum_cents,
            violations=list(checked.sentences),
            accounts=checked.accounts,
            transfers=checked.transfers,
        )


def _close_answer(close: MonthClose) -> MonthCloseAnswer:
    return MonthCloseAnswer(
        close_id=close.close_id,
        municipality=close.municipality,
        month=close.month,
        state=close.state,
        settled=close.settled,
        held=close.held,
        missing=close.missing,
        newly_settled=close.newly_settled,
        rebooked=close.rebooked,
        held_reasons=dict(close.held_reasons),
        failed=close.failed,
        failed_enrolments=list(close.failed_enrolments),
        requested_at=close.requested_at,
        finished_at=close.finished_at,
        detail=close.detail,
    )
