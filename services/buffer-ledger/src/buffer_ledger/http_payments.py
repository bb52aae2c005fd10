"""The HTTP calls for payment orders."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Query, Request, Response
from pydantic import Field

from buffer_ledger import payment_runs, payments
from buffer_ledger.casefiles import OrderState
from buffer_ledger.draw_log import PURPOSE
from buffer_ledger.http_parts import BackOffice, Cursor, Limit, Parts, PathId, note
from buffer_ledger.payments import OrderKind, PaymentOrder, PayTo
from shared.api import ServiceRouter
from shared.commands import About, Answer, command
from shared.database import Tx
from shared.dates import Day, MonthParameter
from shared.errors import Fault
from shared.ids import UuidText
from shared.months import Month
from shared.requests import RequestModel, ResponseModel

RUN_MAX = 1000
"""Orders in one report of a payment run; a longer run is several reports."""

OrderId = Annotated[PathId, Path(alias="orderId")]


class ExecutedRequest(RequestModel):
    """The bank reported that the order was paid on this day."""

    executed_on: Day


class PaymentRunRequest(RequestModel):
    """The bank reported that these orders were paid on this day."""

    executed_on: Day
    order_ids: Annotated[list[UuidText], Field(min_length=1, max_length=RUN_MAX)]

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        seen: set[str] = set()
        faults = []
        for place, order_id in enumerate(parsed.get("order_ids", [])):
            if order_id in seen:
                faults.append(Fault("L012", f"/orderIds/{place}", "names an order for the second time"))
            seen.add(order_id)
        return faults


class PaymentRunLine(ResponseModel):
    """What became of one order: REFUSED ones are as they were, and `detail` says why."""

    order_id: str
    status: Literal["EXECUTED", "REFUSED"]
    detail: str | None = None


class PaymentRunAnswer(ResponseModel):
    """A line for each order, in the order they were sent."""

    executed: int
    refused: int
    results: list[PaymentRunLine]


class PaymentOrderAnswer(ResponseModel):
    """What is to be paid for a month's draw. Only OPEN orders ask to be paid; EXECUTED ones were."""

    order_id: str
    enrolment_id: str
    participant_id: str
    fund_id: str
    scheme_id: str
    month: Month
    revision: int
    kind: OrderKind
    pay_to: PayTo
    amount_cents: int
    state: OrderState
    replaced_by: str | None = None
    executed_on: date | None = None
    recorded_at: datetime


class PaymentOrdersAnswer(ResponseModel):
    """A page of payment orders; `nextCursor` leads to the next one."""

    items: list[PaymentOrderAnswer]
    next_cursor: str | None = None


def payment_calls(routes: ServiceRouter, parts: Parts) -> None:
    """Add the calls to the service's routes."""

    @routes.get("/payment-orders", response_model=PaymentOrdersAnswer)
    async def list_payment_orders(
        caller: BackOffice,
        state: OrderState | None = None,
        month: Annotated[MonthParameter | None, Query()] = None,
        enrolment_id: Annotated[UuidText | None, Query(alias="enrolmentId")] = None,
        cursor: Cursor = "",
        limit: Limit = 100,
    ) -> PaymentOrdersAnswer:
        """The municipality's payment orders, oldest first."""
        async with parts.database.write() as tx:
            found = await payments.page(
                tx,
                caller.of_municipality,
                after=cursor,
                limit=limit + 1,
                state=state,
                month=month,
                enrolment_id=enrolment_id,
            )
            shown, more = found[:limit], len(found) > limit
            await note(tx, caller, "list-payment-orders", *payments.people_of(shown))
        items = [_order_answer(order) for order in shown]
        return PaymentOrdersAnswer(items=items, next_cursor=shown[-1].order_id if more else None)

    @routes.get("/payment-orders/{orderId}", response_model=PaymentOrderAnswer)
    async def read_payment_order(caller: BackOffice, order_id: OrderId) -> PaymentOrderAnswer:
        """One payment order."""
        async with parts.database.write() as tx:
            order = await payments.get(tx, caller, order_id)
            await note(tx, caller, "read-payment-order", order.participant_id)
        return _order_answer(order)

    @routes.post("/payment-orders/{orderId}/_executed", response_model=PaymentOrderAnswer)
    async def report_executed(
        request: Request, caller: BackOffice, order_id: OrderId, body: ExecutedRequest
    ) -> Response:
        """Report that an order was paid: its month is fixed from now on. Again changes nothing."""

        async def run(tx: Tx) -> Answer:
            order = await payments.execute(tx, caller, order_id, body.executed_on, parts.law, parts.figures)
            await note(tx, caller, "report-payment", order.participant_id)
            about = About(order.participant_id, PURPOSE, "report-payment")
            return Answer(_order_answer(order), about=about)

        return await command(request, parts.database, caller, run)

    @routes.post("/payment-runs", response_model=PaymentRunAnswer)
    async def report_payment_run(request: Request, caller: BackOffice, body: PaymentRunRequest) -> Response:
        """Report a whole payment run: each order as by `_executed`, and none holds up another."""

        async def run(tx: Tx) -> Answer:
            lines = await payment_runs.execute_run(
                tx, caller, body.order_ids, body.executed_on, parts.law, parts.figures
            )
            people = [line.participant_id for line in lines if line.participant_id is not None]
            await note(tx, caller, "report-payment", *people)
            return Answer(_run_answer(lines))

        return await command(request, parts.database, caller, run)


def _run_answer(lines: list[payment_runs.RunLine]) -> PaymentRunAnswer:
    refused = sum(line.refused is not None for line in lines)
    results = [
        PaymentRunLine(
            order_id=line.order_id,
            status="EXECUTED" if line.refused is None else "REFUSED",
            detail=line.refused,
        )
        for line in lines
    ]
    return PaymentRunAnswer(executed=len(lines) - refused, refused=refused, results=results)


def _order_answer(order: PaymentOrder) -> PaymentOrderAnswer:
    return PaymentOrderAnswer(
        order_id=order.order_id,
        enrolment_id=order.enrolment_id,
        participant_id=order.participant_id,
        fund_id=order.fund_id,
        scheme_id=order.scheme_id,
        month=order.month,
        revision=order.revision,
        kind=order.kind,
        pay_to=order.pay_to,
        amount_cents=order.amount_cents,
        state=order.state,
        replaced_by=order.replaced_by,
        executed_on=order.executed_on,
        recorded_at=order.recorded_at,
    )
