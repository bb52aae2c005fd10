"""The HTTP calls for the municipality's own decisions and for cases that an official looks at."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Query, Request, Response
from pydantic import StringConstraints
from pydantic.alias_generators import to_camel

from buffer_ledger import cases
from buffer_ledger.cases import LedgerCase
from buffer_ledger.deadlines import flags
from buffer_ledger.draw_log import PURPOSE
from buffer_ledger.entitlement import OffsetStatement
from buffer_ledger.household_request import ParticipantId
from buffer_ledger.http_parts import BackOffice, Cursor, Limit, Parts, PathId, note
from buffer_ledger.resettling import resettle
from buffer_ledger.timeline import FIRST_COMPUTED
from shared.api import NO_SUCH, ServiceRouter
from shared.commands import About, Answer, command
from shared.database import Tx
from shared.dates import CalendarMonth, Day
from shared.errors import Fault
from shared.money import Cents, StrictCents
from shared.months import Month, amsterdam_date
from shared.requests import RequestModel, ResponseModel
from shared.tokens import Caller, Role, allow

BackOfficeOrOfficial = Annotated[Caller, Depends(allow(Role.BACKOFFICE, Role.OFFICIAL))]
CaseId = Annotated[PathId, Path(alias="caseId")]
State = Annotated[Literal["OPEN", "RESOLVED"] | None, Query(description="Absent: both.")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200)]


STATED_CENTS_MAX = 10_000_000
"""EUR 100,000 in one month, which no household's benefit or counted income comes near (reading 37)."""


class OffsetStatementRequest(RequestModel):
    """What the municipality decided for a month (uitkeringsspecificatie); it goes before what is computed
    here."""

    participant_id: ParticipantId
    month: CalendarMonth
    counted_cents: StrictCents
    benefit_paid_cents: StrictCents
    holiday_allowance_cents: StrictCents = Cents(0)
    decided_on: Day
    reference: Line | None = None

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        month = parsed.get("month")
        faults = []
        if month is not None and month < FIRST_COMPUTED:
            faults.append(Fault("L013", "/month", f"must be {FIRST_COMPUTED} or later"))
        for name in ("counted_cents", "benefit_paid_cents", "holiday_allowance_cents"):
            if parsed.get(name, 0) > STATED_CENTS_MAX:
                detail = f"must be at most {STATED_CENTS_MAX}: beyond lies a slip of the pen"
                faults.append(Fault("L066", f"/{to_camel(name)}", detail))
        return faults


class OffsetStatementAnswer(ResponseModel):
    """The statement as it is kept, and the case that a difference above the tolerance opened."""

    statement_id: str
    participant_id: str
    month: Month
    case_id: str | None = None


class CaseAnswer(ResponseModel):
    """A case. `flags` say what a date makes of it: SIX_MONTHS_NEAR and SIX_MONTHS_PAST for the simple offset
    (art. 58(4)), GROSS_UP_NEAR and GROSS_UP_PAST for tax and premiums on top (art. 58(5))."""

    case_id: str
    participant_id: str
    month: Month
    kind: str
    state: Literal["OPEN", "RESOLVED"]
    details: dict[str, Any]
    flags: list[str]
    opened_at: datetime
    resolution: str | None = None
    resolved_by: str | None = None
    resolved_at: datetime | None = None


class CasesAnswer(ResponseModel):
    """A page of cases; `nextCursor` leads to the next one."""

    items: list[CaseAnswer]
    next_cursor: str | None = None


class ResolveRequest(RequestModel):
    """What was found; it is kept with the case."""

    resolution: Annotated[str, StringConstraints(min_length=1, max_length=500)]


def case_calls(routes: ServiceRouter, parts: Parts) -> None:
    """Add the calls to the service's routes."""
    _statements(routes, parts)
    _cases(routes, parts)


def _statements(routes: ServiceRouter, parts: Parts) -> None:
    @routes.post(
        "/offset-statements", status_code=201, response_model=OffsetStatementAnswer, responses=NO_SUCH
    )
    async def state_offset(request: Request, caller: BackOffice, body: OffsetStatementRequest) -> Response:
        """Tell what the municipality decided for a month: counted and paid follow it from now on, and a
        difference with ours above the tolerance opens a case."""

        async def run(tx: Tx) -> Answer:
            statement_id, touched, case_id = await cases.state_offset(
                tx,
                caller,
                participant_id=body.participant_id,
                month=body.month,
                statement=OffsetStatement(
                    body.counted_cents,
                    body.benefit_paid_cents,
                    body.holiday_allowance_cents,
                    body.reference,
                ),
                decided_on=body.decided_on,
                law=parts.law,
            )
            closed = [e for e in touched if e.closed_through is not None and body.month <= e.closed_through]
            await resettle(tx, closed, parts.law, parts.figures)
            await note(tx, caller, "state-offset", body.participant_id)
            answer = OffsetStatementAnswer(
                statement_id=statement_id,
                participant_id=body.participant_id,
                month=body.month,
                case_id=case_id,
            )
            return Answer(answer, 201, about=About(body.participant_id, PURPOSE, "state-offset"))

        return await command(request, parts.database, caller, run)


def _cases(routes: ServiceRouter, parts: Parts) -> None:
    @routes.get("/cases", response_model=CasesAnswer)
    async def list_cases(
        caller: BackOfficeOrOfficial, state: State = None, cursor: Cursor = "", limit: Limit = 100
    ) -> CasesAnswer:
        """The municipality's cases, with what today's date makes of them."""
        async with parts.database.write() as tx:
            listed = await cases.case_page(
                tx, caller.of_municipality, state=state, after=cursor, limit=limit + 1
            )
            shown, more = listed[:limit], len(listed) > limit
            await note(tx, caller, "list-cases", *(each.participant_id for each in shown))
            today = amsterdam_date(tx.now)
        items = [_case_answer(each, today) for each in shown]
        return CasesAnswer(items=items, next_cursor=shown[-1].case_id if more else None)

    @routes.post("/cases/{caseId}/_resolve", response_model=CaseAnswer, responses=NO_SUCH)
    async def resolve_case(
        request: Request, caller: BackOfficeOrOfficial, case_id: CaseId, body: ResolveRequest
    ) -> Response:
        """Close a case with what was found."""

        async def run(tx: Tx) -> Answer:
            resolved = await cases.resolve(tx, caller, case_id, body.resolution)
            await note(tx, caller, "resolve-case", resolved.participant_id)
            about = About(resolved.participant_id, PURPOSE, "resolve-case")
            return Answer(_case_answer(resolved, amsterdam_date(tx.now)), about=about)

        return await command(request, parts.database, caller, run)


def _case_answer(case: LedgerCase, today: date) -> CaseAnswer:
    overpaid = int(case.details.get("overpaidCents", 0)) > 0
    open_offset = case.state == "OPEN" and case.kind == "OFFSET_DIFFERENCE"
    return CaseAnswer(
        case_id=case.case_id,
        participant_id=case.participant_id,
        month=case.month,
        kind=case.kind,
        state=case.state,
        details=dict(case.details),
        flags=list(flags(case.month, today, overpaid=overpaid)) if open_offset else [],
        opened_at=case.opened_at,
        resolution=case.resolution,
        resolved_by=case.resolved_by,
        resolved_at=case.resolved_at,
    )
