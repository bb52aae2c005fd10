"""The routes under /v1/subscriptions. In a process of several services one answer covers them all: each keeps
the part of a subscription that it tells, under the same id."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import Depends, Path, Query, Request, Response
from pydantic import Field

from shared.api import ServiceRouter
from shared.commands import Answer, command
from shared.contracts.catalogue import EVENT_BY_TYPE
from shared.database import AnyRow, Database, Tx
from shared.errors import Conflict, Fault, Invalid, NotAllowed, NotFound, TryAgain
from shared.ids import UuidText
from shared.log import Log
from shared.requests import RequestModel, ResponseModel
from shared.tokens import Caller, Role, allow
from shared.webhooks import store
from shared.webhooks.callbacks import LONGEST, Network, host_fault, read_callback
from shared.webhooks.signatures import key_of, secret_of
from shared.webhooks.terms import OF_A_FUND, Subscriber, full_name, told_by, type_faults
from shared.webhooks.vault import Confidential, Vault

RULES: Final[Mapping[str, str]] = {
    "S001": "A callback is an https URL without user name, password or fragment.",
    "S002": "A callback does not lead into a private network, unless the operator allowed that network.",
    "S003": "A subscription names events that the service tells; the answer lists them.",
    "S004": "A secret stands for at least 24 bytes: printable characters, or base64 after whsec_.",
}
"""Rules of subscriptions."""

NEXT: Final = "Pass as `cursor` for the next page; absent on the last."
MOST: Final = 20
"""Subscriptions of one municipality or fund at one service."""

Subscribing = Annotated[Caller, Depends(allow(Role.BACKOFFICE, Role.FUND, area=""))]
Retrying = Annotated[Caller, Depends(allow(Role.BACKOFFICE, Role.FUND, Role.OPERATOR, area=""))]
SubscriptionId = Annotated[UuidText, Path(alias="subscriptionId")]
Cursor = Annotated[str | None, Query(max_length=100)]
Limit = Annotated[int, Query(ge=1, le=100)]


@dataclass(frozen=True, slots=True)
class Teller:
    """One service of this process, with where it keeps its subscriptions."""

    name: str
    database: Database
    vault: Vault


class NewSubscription(RequestModel):
    """Where to post which events, and what to sign them with."""

    callback_url: Annotated[str, Field(min_length=1, max_length=LONGEST, examples=["https://example.nl/in"])]
    types: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=100)]],
        Field(min_length=1, max_length=50, examples=[["nl.bufferbudget.funds.fund-low.v1"]]),
    ]
    secret: str | None = Field(
        None,
        description="At least 24 characters, or base64 after whsec_; left out: made, told once.",
    )

    @classmethod
    def cross_faults(cls, parsed: Mapping[str, Any]) -> list[Fault]:
        faults = []
        if (url := parsed.get("callback_url")) is not None and (detail := _said(read_callback, url)):
            faults.append(Fault("S001", "/callbackUrl", detail))
        if (secret := parsed.get("secret")) is not None and (detail := _said(key_of, secret)):
            faults.append(Fault("S004", "/secret", detail))
        return faults


class SubscriptionView(ResponseModel):
    """A subscription and how its deliveries stand."""

    subscription_id: str
    callback_url: str
    types: list[str]
    secret: str | None = Field(None, description="Only in the answer that made it, when we chose it.")
    created_at: datetime
    waiting: int = Field(description="Events not taken yet.")
    failed: int = Field(description="Events given up after a day; `_retry` queues them again.")
    paused_until: datetime | None = Field(None, description="The receiver did not answer: next attempt then.")


class Subscriptions(ResponseModel):
    items: list[SubscriptionView]
    next_cursor: str | None = Field(None, description=NEXT)


class FailedDelivery(ResponseModel):
    """An event that was given up; what it says is not repeated here."""

    event_id: str
    type: str
    recorded_at: datetime
    attempts: int
    reason: str = Field(description="How the last attempt ended: STATUS_500, TIMEOUT, CONNECTION, ...")


class FailedDeliveries(ResponseModel):
    items: list[FailedDelivery]
    next_cursor: str | None = Field(None, description=NEXT)


class Retried(ResponseModel):
    retried: int = Field(description="Events that had been given up and are queued again.")


def subscription_routes(tellers: Sequence[Teller], allowed: Sequence[Network], log: Log) -> ServiceRouter:
    """The routes over the services of this process."""
    router = ServiceRouter("operations")
    _add_managing(router, tellers, allowed, log)
    _add_reading(router, tellers)
    _add_failures(router, tellers, log)
    return router


# ---- make and delete -------------------------------------------------------------------------------------


def _add_managing(
    router: ServiceRouter, tellers: Sequence[Teller], allowed: Sequence[Network], log: Log
) -> None:
    @router.post("/subscriptions", status_code=201, response_model=SubscriptionView)
    async def subscribe(request: Request, caller: Subscribing, body: NewSubscription) -> Response:
        """Have events posted to a URL as CloudEvents in JSON, signed, at least once, in order per person or
        fund. Asks for the scope `<service>:write` of each service that tells one of the types.

        A municipality is told of its own; a fund of its own `donation-received` and `fund-low`.
        """
        _refuse_faults(body, tellers, allowed)
        telling = _telling(caller, body, tellers)
        generated = None if body.secret is not None else secret_of(os.urandom(32))
        known = Confidential(body.callback_url, body.secret or generated or "")
        subscription_id = tellers[0].database.ids.ordered(tellers[0].database.clock.now())
        home, others = tellers[0], [teller for teller in tellers[1:] if teller.name in telling]

        async def run(tx: Tx) -> Answer:
            for teller in others:
                async with teller.database.write() as other:
                    await _save(other, teller, caller, subscription_id, known, telling[teller.name])
            if home.name in telling:
                await _save(tx, home, caller, subscription_id, known, telling[home.name])
            view = SubscriptionView(
                subscription_id=subscription_id,
                callback_url=known.callback_url,
                types=sorted(name for names in telling.values() for name in names),
                secret=generated,
                created_at=tx.now,
                waiting=0,
                failed=0,
            )
            return Answer(view, 201, {"Location": f"/v1/subscriptions/{subscription_id}"})

        try:
            answer = await command(request, home.database, caller, run)
        except TryAgain:
            raise  # it may have been recorded: what there is of it is listed, and can be deleted
        except BaseException:
            # What the others keep already of a subscription that was refused is taken back.
            for teller in others:
                async with teller.database.write() as tx:
                    await store.remove(tx, subscription_id)
            raise
        if "idempotency-replayed" not in answer.headers:
            _tell(log, subscription_id, "made", caller)
        return answer

    @router.delete("/subscriptions/{subscriptionId}", status_code=204)
    async def unsubscribe(caller: Subscribing, subscription_id: SubscriptionId) -> Response:
        """End a subscription; what waits for it is not delivered any more."""
        found = await _find(caller, tellers, subscription_id, "write")
        for teller, _ in found:
            async with teller.database.write() as tx:
                await store.remove(tx, subscription_id)
        _tell(log, subscription_id, "deleted", caller)
        return Response(status_code=204)


def _refuse_faults(body: NewSubscription, tellers: Sequence[Teller], allowed: Sequence[Network]) -> None:
    """Raise Invalid with what the body alone did not show to be wrong."""
    faults = type_faults(body.types, [teller.name for teller in tellers])
    if detail := host_fault(read_callback(body.callback_url), allowed):
        faults.insert(0, Fault("S002", "/callbackUrl", detail))
    if faults:
        raise Invalid(faults)


def _telling(caller: Caller, body: NewSubscription, tellers: Sequence[Teller]) -> dict[str, list[str]]:
    """Which service tells which of the types; raises NotAllowed for one that is not for this caller."""
    subscriber = _subscriber(caller)
    told = told_by([teller.name for teller in tellers])
    telling: dict[str, list[str]] = {}
    for name in sorted({full_name(name) for name in body.types}):
        if not subscriber.may_know(EVENT_BY_TYPE[name]):
            mine = ", ".join(sorted(event.type_name() for event in OF_A_FUND))
            raise NotAllowed(f"this token may not subscribe to {name}; a fund may to its own {mine}")
        telling.setdefault(told[name], []).append(name)
    for service in telling:
        if f"{service}:write" not in caller.scopes:
            raise NotAllowed(f"this token lacks the scope {service}:write")
    return telling


async def _save(
    tx: Tx,
    teller: Teller,
    caller: Caller,
    subscription_id: str,
    known: Confidential,
    types: Sequence[str],
) -> None:
    subscriber = _subscriber(caller)
    if len(await store.subscriptions_of(tx, subscriber)) >= MOST:
        raise Conflict(f"there are {MOST} subscriptions already: delete one that is not needed any more")
    row = {
        "subscription_id": subscription_id,
        "municipality": subscriber.municipality,
        "fund_id": subscriber.fund_id,
        "made_by": caller.subject,
        "types": list(types),
        "confidential": teller.vault.seal(subscription_id, known),
    }
    await store.save(tx, row)


# ---- read ------------------------------------------------------------------------------------------------


def _add_reading(router: ServiceRouter, tellers: Sequence[Teller]) -> None:
    @router.get("/subscriptions", response_model=Subscriptions)
    async def list_subscriptions(
        caller: Subscribing, cursor: Cursor = None, limit: Limit = 50
    ) -> Subscriptions:
        """The caller's subscriptions, oldest first. Asks for the scope `<service>:read`."""
        found: dict[str, list[tuple[Teller, AnyRow]]] = {}
        for teller in _readable(caller, tellers, "read"):
            async with teller.database.read() as reading:
                for row in await store.subscriptions_of(reading, _subscriber(caller)):
                    found.setdefault(row.subscription_id, []).append((teller, row))
        ids = [one for one in sorted(found) if one > (cursor or "")]
        items = [await _view(found[one]) for one in ids[:limit]]
        return Subscriptions(items=items, next_cursor=ids[limit - 1] if len(ids) > limit else None)

    @router.get("/subscriptions/{subscriptionId}", response_model=SubscriptionView)
    async def read_subscription(caller: Subscribing, subscription_id: SubscriptionId) -> SubscriptionView:
        """One subscription and how its deliveries stand; never its secret."""
        return await _view(await _find(caller, tellers, subscription_id, "read"))


async def _view(parts: Sequence[tuple[Teller, AnyRow]]) -> SubscriptionView:
    """One subscription out of the parts that services keep of it."""
    teller, row = parts[0]
    waiting = failed = 0
    for each, part in parts:
        async with each.database.read() as reading:
            counts = (await store.counts(reading, [part.subscription_id])).get(part.subscription_id)
        if counts is not None:
            waiting, failed = waiting + counts.waiting, failed + counts.failed
    pauses = [part.paused_until for _, part in parts if part.paused_until is not None]
    return SubscriptionView(
        subscription_id=row.subscription_id,
        callback_url=teller.vault.open(row.subscription_id, row.confidential).callback_url,
        types=sorted(name for _, part in parts for name in part.types),
        created_at=min(part.made_at for _, part in parts),
        waiting=waiting,
        failed=failed,
        paused_until=max(pauses, default=None),
    )


# ---- what was given up -----------------------------------------------------------------------------------


def _add_failures(router: ServiceRouter, tellers: Sequence[Teller], log: Log) -> None:
    @router.get("/subscriptions/{subscriptionId}/failed-deliveries", response_model=FailedDeliveries)
    async def list_failed_deliveries(
        caller: Subscribing, subscription_id: SubscriptionId, cursor: Cursor = None, limit: Limit = 50
    ) -> FailedDeliveries:
        """Events given up after a day of attempts, oldest first; kept for thirty days."""
        rows: list[AnyRow] = []
        for teller, _ in await _find(caller, tellers, subscription_id, "read"):
            async with teller.database.read() as reading:
                rows += await store.failed(reading, subscription_id, cursor or "", limit + 1)
        rows.sort(key=lambda row: str(row.event_id))
        items = [
            FailedDelivery(
                event_id=row.event_id,
                type=row.type,
                recorded_at=row.recorded_at,
                attempts=row.attempts,
                reason=row.last_failure,
            )
            for row in rows[:limit]
        ]
        return FailedDeliveries(items=items, next_cursor=items[-1].event_id if len(rows) > limit else None)

    @router.post("/subscriptions/{subscriptionId}/_retry", response_model=Retried)
    async def retry_subscription(
        request: Request, caller: Retrying, subscription_id: SubscriptionId
    ) -> Response:
        """Queue again what was given up, each event in its old place, and end a pause; for operators too."""
        found = await _find(caller, tellers, subscription_id, "write")
        home = tellers[0]

        async def run(tx: Tx) -> Answer:
            number = 0
            for teller, _ in found:
                if teller is home:
                    number += await store.retry(tx, subscription_id)
                    continue
                async with teller.database.write() as other:
                    number += await store.retry(other, subscription_id)
            return Answer(Retried(retried=number))

        answer = await command(request, home.database, caller, run)
        _tell(log, subscription_id, "retried", caller)
        return answer


# ---- who may see what ------------------------------------------------------------------------------------


def _subscriber(caller: Caller) -> Subscriber:
    if caller.role is Role.FUND:
        return Subscriber(fund_id=caller.of_fund)
    return Subscriber(municipality=caller.of_municipality)


def _readable(caller: Caller, tellers: Sequence[Teller], what: str) -> Collection[Teller]:
    """The services whose subscriptions this token may read or write; raises NotAllowed when there is none."""
    operator = caller.role is Role.OPERATOR and f"operations:{what}" in caller.scopes
    found = [teller for teller in tellers if operator or f"{teller.name}:{what}" in caller.scopes]
    if not found:
        raise NotAllowed(f"this token lacks the scope {tellers[0].name}:{what}")
    return found


async def _find(
    caller: Caller, tellers: Sequence[Teller], subscription_id: str, what: str
) -> list[tuple[Teller, AnyRow]]:
    """The parts of the caller's own subscription; raises NotFound for somebody else's too."""
    found = []
    for teller in _readable(caller, tellers, what):
        async with teller.database.read() as reading:
            row = await store.subscription(reading, subscription_id)
        if row is not None and (
            caller.role is Role.OPERATOR or store.subscriber_of(row) == _subscriber(caller)
        ):
            found.append((teller, row))
    if not found:
        raise NotFound("there is no such subscription")
    return found


def _tell(log: Log, subscription_id: str, decision: str, caller: Caller) -> None:
    log.write(
        "subscription_decided", subscription_id=subscription_id, decision=decision, subject=caller.subject
    )


def _said(read: Any, value: str) -> str | None:
    """What is wrong with a value, in the words of what reads it."""
    try:
        read(value)
    except ValueError as error:
        return str(error)
    return None
