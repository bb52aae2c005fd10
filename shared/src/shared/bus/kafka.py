"""The bus on Apache Kafka (aiokafka): acknowledged by all replicas, offsets committed by hand.

Every await has a deadline, because several calls of the client wait for ever while the broker is away. A
producer, consumer or admin client that failed or hung is thrown away and made anew. Transactions
are not used.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.bus.kafka_admin import KafkaAdmin
from shared.bus.kafka_clients import Closing, KafkaSettings
from shared.bus.kafka_member import KafkaSubscription
from shared.bus.placement import partition_of
from shared.bus.port import BusUnavailable, Message, Subscription, TopicLag


class KafkaBus:
    """The bus port on a Kafka cluster."""

    def __init__(
        self,
        bootstrap: str,
        *,
        settings: KafkaSettings | None = None,
        retention: Mapping[str, timedelta] | None = None,
        topic_prefix: str = "",
        group_prefix: str = "",
    ) -> None:
        self.bootstrap = bootstrap
        self.settings = settings or KafkaSettings()
        self.topic_prefix = topic_prefix
        self.group_prefix = group_prefix
        self._producer: AIOKafkaProducer | None = None
        self._connecting = asyncio.Lock()
        self._closing = Closing(self.settings.stop_seconds)
        self._admin = KafkaAdmin(bootstrap, self.settings, self._closing, dict(retention or {}))

    async def start(self) -> None:
        await self._connected()

    async def stop(self) -> None:
        if self._producer is not None:
            self._discard(self._producer)
        self._admin.stop()
        await self._closing.done()

    async def ensure_topics(self, topics: Mapping[str, int]) -> None:
        await self._admin.ensure_topics(topics, self.topic_prefix)

    async def publish(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        producer = await self._connected()
        try:
            async with asyncio.timeout(self.settings.deadline_seconds):
                parts = await self._parted(producer, messages)
                results = await asyncio.gather(
                    *(self._append(producer, topic, part, some) for (topic, part), some in parts.items()),
                    return_exceptions=True,
                )
        except (TimeoutError, KafkaError) as error:
            self._discard(producer)
            raise BusUnavailable("Kafka did not acknowledge the messages in time") from error
        for result in results:
            if isinstance(result, KafkaError):
                self._discard(producer)
                raise BusUnavailable("Kafka refused the messages for now") from result
            if isinstance(result, BaseException):
                raise result

    def subscribe(self, group: str, topics: Sequence[str]) -> Subscription:
        return KafkaSubscription(
            self.bootstrap,
            self.settings,
            self._admin,
            self._closing,
            group=self.group_prefix + group,
            topics=[self.topic_prefix + topic for topic in topics],
            topic_prefix=self.topic_prefix,
        )

    async def lag(self, group: str, topics: Sequence[str]) -> dict[str, TopicLag]:
        named = {self.topic_prefix + topic: topic for topic in topics}
        lags = await self._admin.lag(self.group_prefix + group, list(named))
        return {named[topic]: lag for topic, lag in lags.items()}

    async def healthy(self) -> bool:
        return await self._admin.answers()

    # --- producing ---

    async def _parted(
        self, producer: AIOKafkaProducer, messages: Sequence[Message]
    ) -> dict[tuple[str, int], list[Message]]:
        counts = {
            topic: len(await producer.partitions_for(self.topic_prefix + topic))
            for topic in {message.topic for message in messages}
        }
        parts: dict[tuple[str, int], list[Message]] = {}
        for message in messages:
            place = partition_of(message.key, counts[message.topic])
            parts.setdefault((self.topic_prefix + message.topic, place), []).append(message)
        return parts

    @staticmethod
    async def _append(producer: AIOKafkaProducer, topic: str, part: int, messages: list[Message]) -> None:
        """Append to one partition, record batch after record batch.

        The next batch leaves only when the one before is acknowledged: were both under way, the later could
        arrive and the earlier fail, and publishing again would turn the order of a key around.
        """
        start = 0
        while start < len(messages):
            batch = producer.create_batch()
            taken = 0
            for message in messages[start:]:
                headers = list(message.headers)
                if (
                    batch.append(
                        timestamp=None, key=message.key.encode(), value=message.value, headers=headers
                    )
                    is None
                ):
                    break
                taken += 1
            if taken == 0:
                raise ValueError(f"a message of {len(messages[start].value)} bytes is larger than a batch")
            batch.close()
            acknowledged = await producer.send_batch(batch, topic, partition=part)
            await acknowledged
            start += taken

    async def _connected(self) -> AIOKafkaProducer:
        async with self._connecting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self.bootstrap,
                    acks="all",
                    enable_idempotence=self.settings.idempotence,
                    max_batch_size=self.settings.batch_bytes,
                    request_timeout_ms=int(self.settings.deadline_seconds * 1000),
                )
                try:
                    async with asyncio.timeout(self.settings.start_seconds):
                        await producer.start()
                except (TimeoutError, KafkaError, OSError) as error:
                    self._discard(producer)
                    raise BusUnavailable("Kafka cannot be reached") from error
                self._producer = producer
            return self._producer

    def _discard(self, producer: AIOKafkaProducer) -> None:
        """Close a producer aside; the next publish makes a new one."""
        if self._producer is producer:
            self._producer = None
        self._closing.close(producer.stop(), producer.client)
