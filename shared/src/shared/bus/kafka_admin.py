"""Questions to a Kafka cluster: which topics there are, how far a group has come, whether it answers."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from shared.bus.kafka_clients import Closing, KafkaSettings
from shared.bus.port import BusUnavailable, TopicLag

_KEEP_ALL = -1
_HEALTH_SECONDS = 5.0
_GLANCE_SECONDS = 1.0
_GLANCE_BYTES = 4096


class KafkaAdmin:
    """One admin client, and per group a consumer that looks at the group's offsets without joining it."""

    def __init__(
        self,
        bootstrap: str,
        settings: KafkaSettings,
        closing: Closing,
        retention: Mapping[str, timedelta],
    ) -> None:
        self._bootstrap = bootstrap
        self._settings = settings
        self._closing = closing
        self._retention = retention
        self._admin: AIOKafkaAdminClient | None = None
        self._watchers: dict[str, AIOKafkaConsumer] = {}
        self._partitions: dict[str, int] = {}
        self._one_at_a_time = asyncio.Lock()

    def stop(self) -> None:
        self._drop_admin()
        for group in list(self._watchers):
            self._drop_watcher(group)

    async def ensure_topics(self, topics: Mapping[str, int], prefix: str) -> None:
        """Make topics that are not there. Without a retention a topic keeps all, whatever the broker does."""
        new = [
            NewTopic(
                name=prefix + name,
                num_partitions=partitions,
                replication_factor=self._settings.replication,
                # The client takes "as the broker likes" (-1) only together with an empty assignment.
                replica_assignments={} if self._settings.replication == -1 else None,
                topic_configs={"retention.ms": str(self._milliseconds(name)), "cleanup.policy": "delete"},
            )
            for name, partitions in topics.items()
        ]
        async with self._asking(self._settings.deadline_seconds) as admin:
            answer = await admin.create_topics(new, timeout_ms=int(self._settings.deadline_seconds * 1000))
            for name, code, *_ in answer.topic_errors:
                error = for_code(code)
                if code and error is not TopicAlreadyExistsError:
                    raise BusUnavailable(f"Kafka did not make the topic {name}: {error.__name__}")
            names = [topic.name for topic in new]
            while await self._missing(admin, names):  # noqa: ASYNC110  a question to the broker, no event
                await asyncio.sleep(0.02)

    async def lag(self, group: str, topics: Sequence[str]) -> dict[str, TopicLag]:
        """What the group has not committed yet, by full topic name."""
        parts = await self._lags(group, topics)
        return {
            topic: _summed([lag for part, lag in parts.items() if part.topic == topic]) for topic in topics
        }

    async def waiting(self, group: str, topics: Sequence[str]) -> set[TopicPartition]:
        """The partitions in which the group has not committed everything."""
        parts = await self._lags(group, topics)
        return {part for part, lag in parts.items() if lag.messages or lag.oldest is not None}

    async def _lags(self, group: str, topics: Sequence[str]) -> dict[TopicPartition, TopicLag]:
        async with self._one_at_a_time:
            await self._count_partitions(topics)
            try:
                async with asyncio.timeout(self._settings.deadline_seconds):
                    watcher = await self._watcher(group)
                    return await self._lags_by(watcher, topics)
            except (TimeoutError, KafkaError, OSError) as error:
                self._drop_watcher(group)
                raise BusUnavailable("Kafka did not say in time how far the group has come") from error

    async def answers(self) -> bool:
        """Whether the cluster answers a question now."""
        try:
            async with self._asking(_HEALTH_SECONDS) as admin:
                await admin.describe_cluster()
        except BusUnavailable:
            return False
        return True

    # --- lag ---

    async def _lags_by(
        self, watcher: AIOKafkaConsumer, topics: Sequence[str]
    ) -> dict[TopicPartition, TopicLag]:
        parts = [TopicPartition(topic, part) for topic in topics for part in range(self._partitions[topic])]
        if not set(parts) <= watcher.assignment():
            watcher.assign(sorted({*parts, *watcher.assignment()}))
            watcher.pause(*watcher.assignment())
        known = await asyncio.gather(*(watcher.committed(part) for part in parts))
        first = await watcher.beginning_offsets(parts)
        begin = {part: max(offset or 0, first[part]) for part, offset in zip(parts, known, strict=True)}
        waiting: dict[TopicPartition, int] | None = None
        if self._settings.end_offsets:
            ends = await watcher.end_offsets(parts)
            waiting = {part: max(0, ends[part] - begin[part]) for part in parts}
        look = [part for part in parts if waiting is None or waiting[part]]
        oldest = await self._oldest(watcher, {part: begin[part] for part in look})
        return {
            part: TopicLag(None if waiting is None else waiting[part], oldest.get(part)) for part in parts
        }

    @staticmethod
    async def _oldest(
        watcher: AIOKafkaConsumer, begin: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, datetime]:
        """When the first message at or after each offset was published, where one shows up in time."""
        found: dict[TopicPartition, datetime] = {}
        for part, offset in begin.items():
            watcher.seek(part, offset)
        watcher.resume(*begin)
        loop = asyncio.get_running_loop()
        until = loop.time() + _GLANCE_SECONDS
        while len(found) < len(begin) and loop.time() < until:
            left = [part for part in begin if part not in found]
            for part, records in (await watcher.getmany(*left, timeout_ms=100)).items():
                found[part] = datetime.fromtimestamp(records[0].timestamp / 1000, UTC)
        watcher.pause(*begin)
        return found

    async def _watcher(self, group: str) -> AIOKafkaConsumer:
        watcher = self._watchers.get(group)
        if watcher is None:
            watcher = AIOKafkaConsumer(
                bootstrap_servers=self._bootstrap,
                group_id=group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_partition_fetch_bytes=_GLANCE_BYTES,
                fetch_max_wait_ms=50,
                request_timeout_ms=int(self._settings.deadline_seconds * 1000),
            )
            self._watchers[group] = watcher
            await watcher.start()
        return watcher

    def _drop_watcher(self, group: str) -> None:
        watcher = self._watchers.pop(group, None)
        if watcher is not None:
            self._closing.close(watcher.stop(), watcher._client)

    # --- topics ---

    async def _count_partitions(self, topics: Sequence[str]) -> None:
        unknown = [topic for topic in topics if topic not in self._partitions]
        if not unknown:
            return
        async with self._asking(self._settings.deadline_seconds) as admin:
            missing = await self._missing(admin, unknown)
        if missing:
            raise BusUnavailable(f"Kafka has no topic {', '.join(sorted(missing))} yet")

    async def _missing(self, admin: AIOKafkaAdminClient, topics: Sequence[str]) -> set[str]:
        """Which topics nobody leads yet; remembers the number of partitions of the others."""
        for found in await admin.describe_topics(list(topics)):
            led = [part for part in found["partitions"] if part["leader"] >= 0]
            if not found["error_code"] and led and len(led) == len(found["partitions"]):
                self._partitions[found["topic"]] = len(led)
        return {topic for topic in topics if topic not in self._partitions}

    def _milliseconds(self, topic: str) -> int:
        keep = self._retention.get(topic)
        return _KEEP_ALL if keep is None else int(keep.total_seconds() * 1000)

    @asynccontextmanager
    async def _asking(self, seconds: float) -> AsyncIterator[AIOKafkaAdminClient]:
        """A started admin client under a deadline; thrown away when anything goes wrong with it."""
        try:
            async with asyncio.timeout(seconds):
                if self._admin is None:
                    self._admin = AIOKafkaAdminClient(
                        bootstrap_servers=self._bootstrap, request_timeout_ms=int(seconds * 1000)
                    )
                await self._admin.start()
                yield self._admin
        except (TimeoutError, KafkaError, OSError) as error:
            self._drop_admin()
            raise BusUnavailable("Kafka did not answer in time") from error

    def _drop_admin(self) -> None:
        if self._admin is not None:
            self._closing.close(self._admin.close(), self._admin._client)
            self._admin = None


def _summed(parts: Sequence[TopicLag]) -> TopicLag:
    counts = [part.messages for part in parts if part.messages is not None]
    oldest = min((part.oldest for part in parts if part.oldest is not None), default=None)
    return TopicLag(sum(counts) if len(counts) == len(parts) else None, oldest)
