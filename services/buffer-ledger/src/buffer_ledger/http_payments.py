"""The HTTP calls for payment orders."""

from datetime import date, datetime
from typing import Annotated

from fastapi import Path, Query, Request, Response

from buffer_ledger import payments
from buffer_ledger.casefiles import OrderState
from buffer_ledger.draw_log import PURPOSE
from buffer_ledger.http_parts import BackOffice, Cursor, Limit, Parts, PathId, note
from buffer_ledger.payments import PaymentOrder
from shared.api import ServiceRouter
from shared.commands import About, Answer, command
from shared.database import Tx
from shared.dates import Day, MonthParameter
from shared.ids import UuidText
from shared.months import Month
from shared.requests import RequestModel, ResponseModel

OrderId = Annotated[PathId, Path(alias="orderId")]


class ExecutedRequest(RequestModel):
    """The bank reported that the order was paid on this day."""

    executed_on: Day


class PaymentOrderAnswer(ResponseModel):
    """What is to be paid for a month's draw. Only OPEN orders ask to be paid; EXECUTED ones were."""

    order_id: str
    enrolment_id: str
    participant_id: str
    fund_id: str
    scheme_id: str
    month: Month
    revision: int
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


def _order_answer(order: PaymentOrder) -> PaymentOrderAnswer:
    return PaymentOrderAnswer(
        order_id=order.order_id,
        enrolment_id=order.enrolment_id,
        participant_id=order.participant_id,
        fund_id=order.fund_id,
        scheme_id=order.scheme_id,
        month=order.month,
        revision=order.revision,
        amount_cents=order.amount_cents,
        state=order.state,
        replaced_by=order.replaced_by,
        executed_on=order.executed_on,
        recorded_at=order.recorded_at,
    )
