"""How the process is doing: one answer over its services, health for orchestrators, parked messages.

A caller reads /v1/status to know that what it sent has arrived everywhere: then `quiet` is true.
"""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import Depends, Path, Query, Request, Response
from pydantic import Field

from shared import access_log
from shared.api import ServiceRouter
from shared.bus.port import Bus
from shared.clock import Clock
from shared.consumer import Consumer
from shared.errors import NotFound
from shared.log import Log
from shared.metrics import CONTENT_TYPE, Metrics
from shared.outbox import outbox_state
from shared.parking import ParkedMessage, Parking, count_parked
from shared.problems import RETRY_AFTER_SECONDS, problem
from shared.requests import RequestModel, ResponseModel
from shared.service import Service
from shared.tokens import Caller, Role, allow
from shared.webhooks.store import all_counts

QUIET_ROUNDS: Final = 3
"""How often all must be found empty: news can take three hops (intake, ledger, notifier) while one looks."""


RULES: Final[Mapping[str, str]] = {"P001": "A parked message is given up only for a reason that is told."}
"""Rules of the routes about the process itself."""


class TopicStatus(ResponseModel):
    lag_messages: int | None = Field(description="Messages not handled yet; null when the bus cannot tell.")
    lag_seconds: float = Field(description="Age of the oldest message not handled yet; 0 for none.")


class ServiceStatus(ResponseModel):
    outbox_pending: int = Field(description="Events committed but not yet published.")
    groups: dict[str, dict[str, TopicStatus]] = Field(description="By consumer group, then by topic.")
    parked: int = Field(description="Messages set aside until an operator decides.")
    pending_work: int = Field(description="Unfinished batches, closes and deliveries due now.")
    webhooks_waiting: int = Field(description="Events no subscriber took yet; `quiet` does not wait.")
    webhooks_failed: int = Field(description="Events given up after a day; see /v1/subscriptions.")


class Status(ResponseModel):
    services: dict[str, ServiceStatus]
    quiet: bool = Field(description="Nothing is under way: what was sent has arrived. Parked messages stay.")


class ParkedMessageView(ResponseModel):
    message_id: str
    service: str
    event_id: str
    event_type: str
    topic: str
    state: str
    reason: str
    attempts: int
    parked_at: datetime
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    resolution: str | None = None
    payload: str | None = Field(
        None, description="The message as it came; only when one message is asked for."
    )


class ParkedMessages(ResponseModel):
    items: list[ParkedMessageView]
    next_cursor: str | None = Field(
        None, description="Pass as `cursor` for the next page; absent on the last."
    )


class Discard(RequestModel):
    """Give a parked message up; the record stays."""

    reason: Annotated[str, Field(min_length=1, max_length=500)]


@dataclass(slots=True)
class Part:
    """One running service with what is needed to ask after it."""

    service: Service
    consumer: Consumer | None
    parking: Parking


class Health:
    """Asks services and bus; knows whether the process has started and is not draining."""

    def __init__(self, bus: Bus, clock: Clock, *, lag_max_seconds: float | None) -> None:
        self.parts: Sequence[Part] = ()
        self.started = False
        self.draining = False
        self._bus = bus
        self._clock = clock
        self._lag_max_seconds = lag_max_seconds
        """None while a simulated clock runs: then ages of messages mean nothing."""

    async def status(self) -> Status:
        """One answer over all services. Raises TryAgain while a database or the bus is away."""
        for _ in range(QUIET_ROUNDS):
            services = {part.service.name: await self._one(part) for part in self.parts}
            if not all(_is_quiet(service) for service in services.values()):
                return Status(services=services, quiet=False)
        return Status(services=services, quiet=True)

    async def alive(self) -> bool:
        """False when a consumer's watchdog says that it is stuck, so that the process is worth restarting."""
        return all([await _moves(part.consumer) for part in self.parts])

    async def ready(self) -> dict[str, bool]:
        """What readiness rests on, each with how it stands; ready when all are true."""
        found = {"started": self.started, "notDraining": not self.draining}
        if not self.started:
            return found
        found["bus"] = await _holds(self._bus.healthy())
        for part in self.parts:
            name = part.service.name
            found[f"{name}.database"] = await _holds(part.service.database.healthy())
            if part.consumer is not None:
                moves = await _holds(part.consumer.healthy())
                found[f"{name}.consumer"] = moves and await _holds(self._keeps_up(part.consumer))
        return found

    async def _keeps_up(self, consumer: Consumer) -> bool:
        if self._lag_max_seconds is None:
            return True
        lag = await self._lag(consumer)
        return all(topic.lag_seconds <= self._lag_max_seconds for topic in lag.values())

    async def _one(self, part: Part) -> ServiceStatus:
        # Outbox before lag before work: an event leaves the first only when the second has it.
        async with part.service.database.read() as reading:
            pending = (await outbox_state(reading)).pending
        lag = await self._lag(part.consumer) if part.consumer is not None else {}
        work = await part.service.pending_work()
        async with part.service.database.read() as reading:
            parked = await count_parked(reading)
        groups = {part.consumer.group: lag} if part.consumer is not None else {}
        webhooks = await all_counts(part.service.database)
        return ServiceStatus(
            outbox_pending=pending,
            groups=groups,
            parked=parked,
            pending_work=work,
            webhooks_waiting=webhooks.waiting,
            webhooks_failed=webhooks.failed,
        )

    async def _lag(self, consumer: Consumer) -> dict[str, TopicStatus]:
        now = self._clock.now()
        lag = await self._bus.lag(consumer.group, consumer.topics)
        return {
            topic: TopicStatus(
                lag_messages=found.messages,
                lag_seconds=max(0.0, (now - found.oldest).total_seconds()) if found.oldest else 0.0,
            )
            for topic, found in lag.items()
        }


async def _holds(asked: Awaitable[bool]) -> bool:
    """Whether it is so; what cannot be told is not."""
    try:
        return await asked
    except Exception:
        return False


def _is_quiet(service: ServiceStatus) -> bool:
    behind = any(
        topic.lag_messages or topic.lag_seconds
        for group in service.groups.values()
        for topic in group.values()
    )
    return not (behind or service.outbox_pending or service.pending_work)


async def _moves(consumer: Consumer | None) -> bool:
    # At the cap of parked messages it stands still on purpose: not ready, but a restart would not help.
    return consumer is None or consumer.stopped_reason is not None or await _holds(consumer.healthy())


async def sample(health: Health, metrics: Metrics, log: Log) -> None:
    """Set the gauges of every service; what cannot be read now is counted and left as it was."""
    ready = all((await health.ready()).values())
    for part in health.parts:
        name = part.service.name
        view = metrics.of(name)
        view.set("bufferbudget_ready", 1.0 if ready else 0.0)
        stopped = part.consumer is not None and part.consumer.stopped_reason is not None
        view.set("bufferbudget_consumer_stopped", 1.0 if stopped else 0.0)
        try:
            status = await health._one(part)
            async with part.service.database.read() as reading:
                oldest = (await outbox_state(reading)).oldest
            unposted = (await all_counts(part.service.database)).oldest
            if part.service.sample is not None:
                await part.service.sample()
        except Exception as error:
            view.add("bufferbudget_status_failures_total")
            log.of(name).write("status_failed", part=name, error_type=type(error).__qualname__)
            continue
        now = part.service.database.clock.now()
        age = (now - oldest).total_seconds() if oldest else 0.0
        waited = (now - unposted).total_seconds() if unposted else 0.0
        view.set("bufferbudget_outbox_pending", status.outbox_pending)
        view.set("bufferbudget_outbox_oldest_seconds", max(0.0, age))
        view.set("bufferbudget_parked_messages", status.parked)
        view.set("bufferbudget_pending_work", status.pending_work)
        view.set("bufferbudget_webhooks_waiting", status.webhooks_waiting)
        view.set("bufferbudget_webhooks_oldest_seconds", max(0.0, waited))
        view.set("bufferbudget_webhooks_failed", status.webhooks_failed)
        for topics in status.groups.values():
            for topic, lag in topics.items():
                view.set("bufferbudget_consumer_lag_seconds", lag.lag_seconds, topic=topic)
                if lag.lag_messages is not None:
                    view.set("bufferbudget_consumer_lag_messages", lag.lag_messages, topic=topic)


# ---- routes ------------------------------------------------------------------------------------------------

Anyone = Annotated[Caller, Depends(allow(Role.BACKOFFICE, Role.OFFICIAL, Role.OPERATOR, area=""))]
Operator = Annotated[Caller, Depends(allow(Role.OPERATOR, area="operations"))]
MessageId = Annotated[str, Path(alias="messageId", min_length=1, max_length=100)]


def operations(health: Health, log: Log) -> ServiceRouter:
    """The routes about the process itself, for callers who wait and for operators."""
    router = ServiceRouter("operations")

    @router.get("/status", response_model=Status)
    async def get_status(caller: Anyone) -> Status:
        """How far everything is; `quiet` when what was sent has arrived everywhere."""
        return await health.status()

    @router.get("/parked-messages", response_model=ParkedMessages)
    async def list_parked_messages(
        caller: Operator,
        cursor: Annotated[str | None, Query(max_length=100)] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> ParkedMessages:
        """Messages that wait for an operator's decision, oldest first."""
        found = [
            _view(part, message)
            for part in health.parts
            for message in await part.parking.list(after=cursor, limit=limit + 1)
        ]
        found.sort(key=lambda message: message.message_id)
        page = found[:limit]
        return ParkedMessages(items=page, next_cursor=page[-1].message_id if len(found) > limit else None)

    @router.get("/parked-messages/{messageId}", response_model=ParkedMessageView)
    async def get_parked_message(caller: Operator, message_id: MessageId) -> ParkedMessageView:
        """One parked message with its payload; the reading is logged when it is about a participant."""
        part, message = await _find(health, message_id)
        if not message.topic.endswith(".funds"):
            async with part.service.database.write() as tx:
                await access_log.record(
                    tx,
                    actor=caller.subject,
                    purpose="operations",
                    action="parked-message-read",
                    participant_ids=[message.key[:36]],
                )
        return _view(part, message)

    @router.post("/parked-messages/{messageId}/_release", response_model=ParkedMessageView)
    async def release_parked_message(caller: Operator, message_id: MessageId) -> ParkedMessageView:
        """Handle the message now. Sent again it answers the same; 409 when it still cannot be handled."""
        part, message = await _find(health, message_id)
        if not (message.state == "RELEASED" and message.resolved_by == caller.subject):
            await part.parking.release(message_id, actor=caller.subject)
            log.of(part.service.name).write(
                "parked_decided", message_id=message_id, decision="released", subject=caller.subject
            )
            part, message = await _find(health, message_id)
        return _view(part, message, payload=False)

    @router.post("/parked-messages/{messageId}/_discard", response_model=ParkedMessageView)
    async def discard_parked_message(
        caller: Operator, message_id: MessageId, body: Discard
    ) -> ParkedMessageView:
        """Give the message up for a reason. Sent again it answers the same; with another reason 409."""
        part, message = await _find(health, message_id)
        decided = (message.state, message.resolution, message.resolved_by)
        if decided != ("DISCARDED", body.reason, caller.subject):
            await part.parking.discard(message_id, actor=caller.subject, reason=body.reason)
            log.of(part.service.name).write(
                "parked_decided", message_id=message_id, decision="discarded", subject=caller.subject
            )
            part, message = await _find(health, message_id)
        return _view(part, message, payload=False)

    return router


def metrics_router(metrics: Metrics) -> ServiceRouter:
    """`/metrics` on the main port, for an operator's token."""
    router = ServiceRouter("operations", prefix="")

    @router.get("/metrics", include_in_schema=False)
    async def get_metrics(caller: Operator) -> Response:
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    return router


def health_answers(health: Health) -> Mapping[str, Any]:
    """The open routes for orchestrators: path -> endpoint."""

    async def livez(_: Request) -> Response:
        return _health_answer("alive", {"alive": await health.alive()})

    async def readyz(_: Request) -> Response:
        return _health_answer("ready", await health.ready())

    async def startupz(_: Request) -> Response:
        return _health_answer("started", {"started": health.started})

    return {"/livez": livez, "/readyz": readyz, "/startupz": startupz}


def _health_answer(word: str, parts: Mapping[str, bool]) -> Response:
    if all(parts.values()):
        return Response(f'{{"status":"{word}"}}', media_type="application/json")
    wrong = ", ".join(name for name, good in parts.items() if not good)
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return problem(503, f"not-{word}", f"Not {word}", f"not as it should be: {wrong}", headers)


async def _find(health: Health, message_id: str) -> tuple[Part, ParkedMessage]:
    for part in health.parts:
        try:
            return part, await part.parking.inspect(message_id)
        except NotFound:
            continue
    raise NotFound(f"there is no parked message {message_id}")


def _view(part: Part, message: ParkedMessage, *, payload: bool = True) -> ParkedMessageView:
    shown = message.payload.decode("utf-8", "replace") if payload and message.payload is not None else None
    return ParkedMessageView(
        message_id=message.parked_id,
        service=part.service.name,
        event_id=message.message_id,
        event_type=message.type,
        topic=message.topic,
        state=message.state,
        reason=message.reason,
        attempts=message.attempts,
        parked_at=message.parked_at.astimezone(UTC),
        resolved_at=message.resolved_at,
        resolved_by=message.resolved_by,
        resolution=message.resolution,
        payload=shown,
    )
