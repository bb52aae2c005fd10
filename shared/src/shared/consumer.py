"""The consumer loop: pull a batch, do all it asks in one transaction, then commit the offsets.

Every message ends in one of three ways: handled (its effects happen exactly once, by the inbox), tried again
later (its partition waits, with a pause of at most `pause_max_seconds`), or parked with its reason. When more
messages are parked than the cap allows the consumer stands still until an operator has decided about some.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from shared.bus.port import Bus, Fenced, Position, Received, Subscription
from shared.contracts.events import Event
from shared.database import Database, Tx
from shared.errors import TryAgain
from shared.failpoints import hit
from shared.handling import Handling, Outcome, ParkedFull
from shared.inbox import Handler, Incoming, Item, Wiring, read_item
from shared.log import Log
from shared.metrics import ServiceMetrics
from shared.parking import count_parked

__all__ = ["Consumer", "ConsumerSettings", "Handler", "Incoming", "Wiring"]


@dataclass(frozen=True, slots=True)
class ConsumerSettings:
    """How a consumer works; the first three are settings of the service."""

    batch_max: int = 500
    linger_ms: int = 20
    """How long to wait for more once messages flow; a single message is never held back."""
    parked_max: int = 1000
    idle_seconds: float = 1.0
    pause_seconds: float = 0.1
    pause_max_seconds: float = 5.0
    unknown_attempts: int = 3
    """How often a batch is tried after an error nobody expects, before the message at fault is parked."""


class Consumer:
    """One group member of one service. `run` works until it is cancelled."""

    def __init__(
        self,
        group: str,
        database: Database,
        bus: Bus,
        wiring: Wiring,
        settings: ConsumerSettings | None = None,
        *,
        non_commuting: frozenset[type[Event]] = frozenset(),
        metrics: ServiceMetrics | None = None,
        log: Log | None = None,
    ) -> None:
        self.group = group
        self.topics = tuple(sorted({event.topic() for event in wiring}))
        self.settings = settings or ConsumerSettings()
        self.stopped_reason: str | None = None
        """Why it stands still until an operator acts; None while it works."""
        self._database = database
        self._bus = bus
        self._handling = Handling(
            group, wiring, non_commuting=non_commuting, parked_max=self.settings.parked_max
        )
        self._metrics = metrics
        self._log = log
        self._subscription: Subscription | None = None
        self._limit = self.settings.batch_max
        self._flowing = False
        self._failures = 0
        self._pauses = 0
        self._stopping = False

    def stop(self) -> None:
        """Let `run` return after the batch it is in, at the latest `idle_seconds` from now."""
        self._stopping = True

    async def run(self) -> None:
        """Consume until stopped or cancelled. Outages of bus or database only make it wait."""
        self._begin_counting()
        while not self._stopping:
            try:
                async with self._bus.subscribe(self.group, self.topics) as subscription:
                    self._subscription = subscription
                    while not self._stopping:
                        await self.step(subscription)
            except (TryAgain, Fenced) as error:
                await self._pause(error)
            finally:
                self._subscription = None

    async def step(self, subscription: Subscription) -> int:
        """Poll once and deal with what came; how many messages that were. Raises BusUnavailable, Fenced."""
        received = await self._poll(subscription)
        if received:
            await self._deal_with(subscription, received)
        return len(received)

    async def healthy(self) -> bool:
        """False while it stands still at the cap of parked messages or its subscription is stuck."""
        if self.stopped_reason is not None:
            return False
        return self._subscription is None or await self._subscription.healthy()

    def commutes(self, item: Item) -> bool:
        return self._handling.commutes(item)

    async def rehandle(self, tx: Tx, item: Item) -> None:
        await self._handling.rehandle(tx, item)

    # ---- one batch ----------------------------------------------------------------------------------------

    async def _poll(self, subscription: Subscription) -> list[Received]:
        received = await subscription.poll(self._limit, self.settings.idle_seconds)
        deadline = time.monotonic() + self.settings.linger_ms / 1000
        try:
            while self._flowing and 0 < len(received) < self._limit:
                left = deadline - time.monotonic()
                more = await subscription.poll(self._limit - len(received), left) if left > 0 else []
                if not more:
                    break
                received += more
        except TryAgain:
            await self._rewind(subscription, received)
            raise
        # Linger only while a stream flows, so that one slip alone passes at once.
        self._flowing = len(received) * 8 >= self._limit > 1
        return received

    async def _deal_with(self, subscription: Subscription, received: list[Received]) -> None:
        try:
            await self._transaction(received)
        except ParkedFull as full:
            await self._rewind(subscription, received)
            await self._make_smaller_or_stop(full)
            return
        except TryAgain as error:
            done, waiting = await self._by_partition(received, error)
            await self._commit(subscription, done)
            await self._rewind(subscription, waiting)
            if waiting:
                await self._pause(error, waiting)
            return
        except Exception as error:
            await self._unknown(subscription, received, error)
            return
        self._failures = self._pauses = 0
        self._limit = min(self._limit * 2, self.settings.batch_max)
        await self._commit(subscription, received)

    async def _transaction(self, received: Sequence[Received]) -> Outcome:
        started = time.perf_counter()
        items = await _read(received)
        async with self._database.write() as tx:
            outcome = await self._handling.handle(tx, items, park_unknown=self._suspicious())
            await tx.flush()
            hit("before-commit")
        hit("after-commit")
        self._tell(outcome, time.perf_counter() - started)
        return outcome

    async def _by_partition(
        self, received: Sequence[Received], error: TryAgain
    ) -> tuple[list[Received], list[Received]]:
        """After a TryAgain let the partitions that can go on do so: what is done, and what must wait."""
        parts: dict[Position, list[Received]] = {}
        for one in received:
            parts.setdefault(one.position, []).append(one)
        done: list[Received] = []
        waiting: list[Received] = []
        if len(parts) == 1 or not await self._database.healthy():
            return done, list(received)
        for part in parts.values():
            try:
                await self._transaction(part)
            except (TryAgain, ParkedFull):
                waiting += part
            except Exception as unexpected:
                self._retried("unexpected", unexpected, part)
                self._failures += 1
                waiting += part
            else:
                done += part
        return done, waiting

    async def _unknown(
        self, subscription: Subscription, received: Sequence[Received], error: Exception
    ) -> None:
        """Try again a few times; then `_suspicious` batches park what fails, then batches shrink to one."""
        self._failures += 1
        await self._rewind(subscription, received)
        if self._failures > self.settings.unknown_attempts:
            # It failed although every handler's error would have been parked: it fails at the commit.
            if len(received) == 1:
                await self._park_unhandled(subscription, received[0], error)
                return
            self._limit = max(1, len(received) // 2)
        await self._pause(error, received)

    async def _park_unhandled(self, subscription: Subscription, received: Received, error: Exception) -> None:
        items = await _read([received])
        try:
            async with self._database.write() as tx:
                outcome = await self._handling.park_all(tx, items, error)
        except ParkedFull as full:
            await self._make_smaller_or_stop(full)
            return
        except TryAgain as away:
            await self._pause(away, [received])
            return
        self._tell(outcome, 0.0)
        self._failures = 0
        await self._commit(subscription, [received])
        await self._resume_after(subscription, received)

    async def _resume_after(self, subscription: Subscription, received: Received) -> None:
        await subscription.rewind({received.position: received.next_offset})

    def _suspicious(self) -> bool:
        return self._failures >= self.settings.unknown_attempts

    async def _make_smaller_or_stop(self, full: ParkedFull) -> None:
        """Smaller batches let through what can be handled before the message that would be one too many."""
        if self._limit > 1:
            self._limit //= 2
            return
        async with self._database.read() as reading:
            parked = await count_parked(reading, self.group)
        if self.stopped_reason is None and self._log is not None:
            self._log.write("consumer_stopped", reason="parked_full", parked=parked)
        self.stopped_reason = f"{parked} messages are parked: release or discard some"
        while parked >= self.settings.parked_max and not self._stopping:
            await asyncio.sleep(self.settings.idle_seconds)
            async with self._database.read() as reading:
                parked = await count_parked(reading, self.group)
        self.stopped_reason = None

    # ---- offsets, pauses, words ---------------------------------------------------------------------------

    async def _commit(self, subscription: Subscription, received: Sequence[Received]) -> None:
        if not received:
            return
        hit("before-offset-commit")
        try:
            await subscription.commit(_ends(received))
        except (Fenced, TryAgain) as error:
            # The group moved on, or the bus is away: whoever reads these again finds them in the inbox.
            self._retried("offsets", error, received)

    async def _rewind(self, subscription: Subscription, received: Sequence[Received]) -> None:
        if received:
            await subscription.rewind(_starts(received))

    async def _pause(self, error: BaseException, received: Sequence[Received] = ()) -> None:
        seconds = min(self.settings.pause_seconds * 2**self._pauses, self.settings.pause_max_seconds)
        self._pauses = min(self._pauses + 1, 16)
        reason = "away" if isinstance(error, TryAgain | Fenced) else "unexpected"
        self._retried(reason, error, received, seconds)
        await asyncio.sleep(seconds)

    def _begin_counting(self) -> None:
        if self._metrics is not None:
            for topic, outcome in product(self.topics, ("handled", "duplicate", "parked")):
                self._metrics.add("bufferbudget_consumer_handled_total", 0, topic=topic, outcome=outcome)

    def _retried(
        self, reason: str, error: BaseException, received: Sequence[Received], seconds: float = 0.0
    ) -> None:
        if self._metrics is not None:
            self._metrics.add("bufferbudget_consumer_retries_total", reason=reason)
        if self._log is not None:
            topics = ",".join(sorted({one.message.topic for one in received}))
            name = type(error).__qualname__
            self._log.write(
                "consumer_retry",
                topic=topics,
                reason=reason,
                error_type=name,
                seconds=seconds,
                count=len(received),
            )

    def _tell(self, outcome: Outcome, seconds: float) -> None:
        if self._metrics is not None:
            for (topic, what), count in outcome.counts.items():
                self._metrics.add("bufferbudget_consumer_handled_total", count, topic=topic, outcome=what)
            self._metrics.observe("bufferbudget_consumer_batch_seconds", seconds)
        if self._log is not None:
            for parked in outcome.parked:
                self._log.write("message_parked", **parked.log_fields())


async def _read(received: Sequence[Received]) -> list[Item]:
    items: list[Item] = []
    for number, one in enumerate(received):
        if number % 100 == 99:
            await asyncio.sleep(0)  # health checks are answered in between
        item = read_item(one)
        if item is not None:
            items.append(item)
    return items


def _ends(received: Sequence[Received]) -> Mapping[Position, int]:
    ends: dict[Position, int] = {}
    for one in received:
        ends[one.position] = max(one.next_offset, ends.get(one.position, 0))
    return ends


def _starts(received: Sequence[Received]) -> Mapping[Position, int]:
    starts: dict[Position, int] = {}
    for one in received:
        starts[one.position] = min(one.offset, starts.get(one.position, one.offset))
    return starts
