"""The outbox: events are committed with the facts they tell, then a relay publishes and deletes them.

With the deletion, in one transaction, they go into the queues of whoever subscribed to them (webhooks).

Rows are never skipped by remembering the last id: PostgreSQL shows ids out of order. The order per key holds
because a service locks the participant's row before it emits. A crash between publishing and deleting
publishes again; consumers know a message they have by its source and id.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select

from shared.bus.port import Bus, Message
from shared.contracts.cloudevents import Envelope, encode
from shared.contracts.events import Event
from shared.database import AnyRow, Database, ReadTx, among
from shared.errors import TryAgain
from shared.failpoints import hit
from shared.lease import Lease
from shared.log import Log
from shared.metrics import ServiceMetrics
from shared.plumbing import TABLES
from shared.webhooks.fan_out import fan_out, subscribed

_OUTBOX = TABLES.outbox
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class OutboxState:
    """What waits to be published: how many events, and since when the oldest waits."""

    pending: int
    oldest: datetime | None


def outbox_row(event: Event, event_id: str, source: str, now: datetime) -> dict[str, Any]:
    """One event as a row of the outbox, encoded as it will be published."""
    message = encode(Envelope.of(event, id=event_id, source=source, time=now))
    return {
        "topic": message.topic,
        "key": message.key,
        "value": message.value,
        "headers": headers_to_json(message.headers),
        "recorded_at": now,
    }


def headers_to_json(headers: tuple[tuple[str, bytes], ...]) -> list[list[str]]:
    """Headers as JSON that gives back the same bytes, whatever they are."""
    return [[name, value.decode("latin-1")] for name, value in headers]


def headers_from_json(stored: list[list[str]]) -> tuple[tuple[str, bytes], ...]:
    """The headers as they were."""
    return tuple((name, value.encode("latin-1")) for name, value in stored)


async def outbox_state(reading: ReadTx) -> OutboxState:
    """How much waits in the outbox."""
    row = await reading.one(select(func.count(), func.min(_OUTBOX.c.recorded_at)).select_from(_OUTBOX))
    return OutboxState(row[0], row[1])


class Relay:
    """Publishes one database's outbox. Of all relays of a database, the one with the lease works."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        *,
        batch_max: int = 500,
        poll_seconds: float = 0.25,
        lease_seconds: float = 15.0,
        metrics: ServiceMetrics | None = None,
        log: Log | None = None,
        on_queued: Callable[[], None] | None = None,
    ) -> None:
        self._database = database
        self._bus = bus
        self._batch_max = batch_max
        self._poll_seconds = poll_seconds
        self._lease = Lease(database, "relay", seconds=lease_seconds)
        self._metrics = metrics
        self._log = log
        self._on_queued = on_queued
        self._awake = asyncio.Event()
        database.on_emitted(self._awake.set)

    async def run(self) -> None:
        """Publish until cancelled; an outage of bus or database makes it wait, five seconds at most."""
        pause = FIRST_PAUSE_SECONDS
        try:
            while True:
                try:
                    published = await self.relay_once()
                except TryAgain as error:
                    await self._wait_out(error, pause)
                    pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                    continue
                pause = FIRST_PAUSE_SECONDS
                if published is None:
                    await asyncio.sleep(self._lease.seconds / 3)
                elif published < self._batch_max:
                    await self._until_awake()
        finally:
            await self._let_go()

    async def relay_once(self) -> int | None:
        """Publish one batch and delete it; how many, or None when another relay has the lease.

        Raises TryAgain (BusUnavailable, LeaseLost among them); then the rows stay for the next time.
        """
        fencing = await self._lease.acquire()
        if fencing is None:
            return None
        self._awake.clear()
        async with self._database.read() as reading:
            rows = await reading.rows(select(_OUTBOX).order_by(_OUTBOX.c.id).limit(self._batch_max))
            if not rows:
                return 0
            subscriptions = await subscribed(reading)
        messages = [_message(row) for row in rows]
        await self._bus.publish(messages)
        hit("after-publish")
        async with self._lease.writing(fencing) as tx:
            if await fan_out(tx, messages, subscriptions) and self._on_queued is not None:
                tx.on_commit(self._on_queued)
            await tx.execute(delete(_OUTBOX).where(among(_OUTBOX.c.id, [row.id for row in rows])))
        if self._metrics is not None:
            for topic, count in Counter(row.topic for row in rows).items():
                self._metrics.add("bufferbudget_relay_published_total", count, topic=topic)
        return len(rows)

    async def pending(self) -> OutboxState:
        """What waits to be published."""
        async with self._database.read() as reading:
            return await outbox_state(reading)

    async def _until_awake(self) -> None:
        """Until this process emits something, or until it is time to look for another process's events."""
        try:
            async with asyncio.timeout(self._poll_seconds):
                await self._awake.wait()
        except TimeoutError:
            pass

    async def _wait_out(self, error: TryAgain, pause: float) -> None:
        if self._log is not None:
            self._log.write("relay_retry", error_type=type(error).__qualname__, seconds=pause)
        await asyncio.sleep(pause)

    async def _let_go(self) -> None:
        try:
            async with asyncio.timeout(2):
                await self._lease.release()
        except (TryAgain, TimeoutError):
            pass  # it expires by itself


def _message(row: AnyRow) -> Message:
    return Message(row.topic, row.key, row.value, headers_from_json(row.headers))
