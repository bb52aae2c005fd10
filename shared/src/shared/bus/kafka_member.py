"""One member of a Kafka group.

What a rebalance does to a batch in hand: the partitions are given up only when the batch is committed or the
drain has lasted too long; from then on its offsets are fenced. Afterwards each partition is read again from
its committed offset, so nothing is skipped.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from shared.bus.kafka_admin import KafkaAdmin
from shared.bus.kafka_clients import Closing, KafkaSettings
from shared.bus.port import BusUnavailable, Fenced, Message, Position, Received

_MOVED_ON = (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)


class _Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]
    """Hears of one client's rebalances, until that client is given up: it may speak while it closes."""

    def __init__(self, subscription: "KafkaSubscription") -> None:
        self.subscription: KafkaSubscription | None = subscription

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        if self.subscription is not None:
            await self.subscription.give_up_partitions()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        if self.subscription is not None:
            self.subscription.take_partitions()


class KafkaSubscription:
    """The subscription port on an aiokafka consumer, which is made anew after it failed or hung."""

    def __init__(
        self,
        bootstrap: str,
        settings: KafkaSettings,
        admin: KafkaAdmin,
        closing: Closing,
        *,
        group: str,
        topics: Sequence[str],
        topic_prefix: str,
    ) -> None:
        self._bootstrap = bootstrap
        self._settings = settings
        self._admin = admin
        self._closing = closing
        self._group = group
        self._topics = list(topics)
        self._prefix = topic_prefix
        self._consumer: AIOKafkaConsumer | None = None
        self._rebalances: _Rebalances | None = None
        self._taking_over = True
        self._mine: set[Position] = set()
        """Positions read from since the last rebalance: only they are committed or rewound."""
        self._in_hand: set[Position] = set()
        """Those of them handed over and neither committed nor rewound: a rebalance waits for them."""
        self._free = asyncio.Event()
        self._free.set()
        self._empty_since: float | None = None

    async def __aenter__(self) -> Self:
        # A broker that is away for now does not keep the service from starting: the next poll tries again.
        with contextlib.suppress(BusUnavailable):
            await self._joined()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._fence()
        if self._consumer is not None:
            await self._discard(self._consumer)

    async def poll(self, max_messages: int, timeout_seconds: float) -> list[Received]:
        consumer = await self._joined()
        found: dict[TopicPartition, list[Any]] = {}
        try:
            # The client's own timeout does not count while the group rebalances.
            async with asyncio.timeout(timeout_seconds + 0.5):
                found = await consumer.getmany(
                    timeout_ms=int(timeout_seconds * 1000), max_records=max_messages
                )
        except TimeoutError:
            pass
        except KafkaError as error:
            self._discard(consumer)
            raise BusUnavailable("the group's member failed and is made anew") from error
        if self._taking_over:
            # Records of a share that is just changing: read them again when it is settled.
            for part, records in found.items():
                with contextlib.suppress(IllegalStateError):
                    consumer.seek(part, records[0].offset)
            found = {}
        received = [self._received(record) for records in found.values() for record in records]
        self._note(received)
        return received

    async def commit(self, next_offsets: Mapping[Position, int]) -> None:
        if not next_offsets:
            return
        consumer = self._consumer
        if consumer is None or not next_offsets.keys() <= self._mine:
            self._release(next_offsets)
            raise Fenced(f"the group {self._group} has moved on: these offsets count no more")
        try:
            async with asyncio.timeout(self._settings.deadline_seconds):
                await consumer.commit({self._part(place): offset for place, offset in next_offsets.items()})
        except _MOVED_ON as error:
            self._release(next_offsets)
            raise Fenced(f"the group {self._group} has moved on: these offsets count no more") from error
        except (TimeoutError, KafkaError) as error:
            raise BusUnavailable("Kafka did not keep the offsets in time") from error
        self._release(next_offsets)

    async def rewind(self, positions: Mapping[Position, int]) -> None:
        consumer = self._consumer
        for place, offset in positions.items():
            # After a rebalance the partition starts at its committed offset by itself.
            if consumer is not None and place in self._mine:
                with contextlib.suppress(IllegalStateError):
                    consumer.seek(self._part(place), offset)
        self._release(positions)

    def assigned(self) -> frozenset[Position]:
        if self._consumer is None or self._taking_over:
            return frozenset()
        return frozenset(self._place(part) for part in self._consumer.assignment())

    async def healthy(self) -> bool:
        """See the port. A member that does not poll, because its handler waits, is not judged."""
        if self._empty_since is None:
            return True
        if asyncio.get_running_loop().time() - self._empty_since < self._settings.stall_seconds:
            return True
        try:
            waiting = await self._admin.waiting(self._group, self._topics)
        except BusUnavailable:
            return True  # the bus itself answers for that
        mine = self.assigned()
        return not any(not mine or self._place(part) in mine for part in waiting)

    # --- rebalances ---

    async def give_up_partitions(self) -> None:
        """Give the batch in hand time to be committed, then fence it."""
        self._taking_over = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain_seconds):
                await self._free.wait()
        self._fence()

    def take_partitions(self) -> None:
        """Read on, from the committed offsets."""
        self._taking_over = False

    # --- the client ---

    async def _joined(self) -> AIOKafkaConsumer:
        if self._consumer is not None:
            return self._consumer
        self._taking_over = True
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=int(self._settings.session_seconds * 1000),
            heartbeat_interval_ms=int(self._settings.session_seconds * 1000 / 4),
            max_poll_interval_ms=int(self._settings.max_poll_seconds * 1000),
            rebalance_timeout_ms=int((self._settings.session_seconds + self._settings.drain_seconds) * 1000),
            request_timeout_ms=int(self._settings.deadline_seconds * 1000),
        )
        self._rebalances = _Rebalances(self)
        consumer.subscribe(topics=self._topics, listener=self._rebalances)
        try:
            async with asyncio.timeout(self._settings.start_seconds):
                await consumer.start()
        except (TimeoutError, KafkaError, OSError) as error:
            self._discard(consumer)
            raise BusUnavailable("the group could not be joined in time") from error
        except BaseException:
            self._discard(consumer)
            raise
        self._consumer = consumer
        return consumer

    def _discard(self, consumer: AIOKafkaConsumer) -> asyncio.Task[None]:
        """Close a consumer aside, leaving the group; the next poll makes a new one."""
        if self._consumer is consumer:
            self._consumer = None
        if self._rebalances is not None:
            self._rebalances.subscription = None
        self._fence()
        return self._closing.close(consumer.stop(), consumer._client)

    # --- bookkeeping ---

    def _note(self, received: list[Received]) -> None:
        if received:
            self._empty_since = None
            self._free.clear()
            places = {message.position for message in received}
            self._mine |= places
            self._in_hand |= places
        elif self._empty_since is None:
            self._empty_since = asyncio.get_running_loop().time()

    def _release(self, places: Iterable[Position]) -> None:
        self._in_hand.difference_update(places)
        if not self._in_hand:
            self._free.set()

    def _fence(self) -> None:
        """Whatever was read so far counts no more."""
        self._mine.clear()
        self._in_hand.clear()
        self._free.set()

    def _received(self, record: Any) -> Received:
        topic = record.topic.removeprefix(self._prefix)
        key = (record.key or b"").decode(errors="replace")
        message = Message(topic, key, record.value or b"", tuple(record.headers))
        return Received(message, record.partition, record.offset)

    def _part(self, place: Position) -> TopicPartition:
        return TopicPartition(self._prefix + place[0], place[1])

    def _place(self, part: TopicPartition) -> Position:
        return (part.topic.removeprefix(self._prefix), part.partition)
