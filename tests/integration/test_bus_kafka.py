"""Real Apache Kafka does all that a bus does; nothing acknowledged is lost when it goes and comes back."""

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import pytest

from deploy.parts.kafka import Kafka
from shared.bus.kafka import KafkaBus
from shared.bus.kafka_clients import KafkaSettings
from shared.bus.kafka_member import KafkaSubscription
from shared.bus.port import BusUnavailable
from tests.integration.bus_conformance import (
    PARTITIONS,
    TOPIC,
    BusConformance,
    BusUnderTest,
    Member,
    message,
    next_offsets,
    sequence,
    take,
    until,
    values,
)


def connect(
    bootstrap: str, prefix: str, max_poll_seconds: float = 60.0, stall_seconds: float = 60.0
) -> KafkaBus:
    return KafkaBus(
        bootstrap,
        settings=KafkaSettings(
            session_seconds=3.0,
            max_poll_seconds=max_poll_seconds,
            drain_seconds=1.0,
            deadline_seconds=5.0,
            stall_seconds=stall_seconds,
        ),
        topic_prefix=prefix,
        group_prefix=prefix,
    )


@pytest.fixture
def prefix() -> str:
    return f"t{uuid4().hex[:12]}."


class TestKafka(BusConformance):
    @pytest.fixture
    def place(self, kafka: Kafka, prefix: str) -> BusUnderTest:
        return BusUnderTest(lambda max_poll_seconds: connect(kafka.bootstrap, prefix, max_poll_seconds))


@pytest.fixture
def broker(kafka: Kafka) -> Iterator[Kafka]:
    """The run's broker, running again for the next test whatever this one did to it."""
    yield kafka
    if not kafka.running:
        kafka.restart()


async def publish_stubbornly(
    bus: KafkaBus, numbers: range, keys: int, acknowledged: set[tuple[str, int]]
) -> None:
    """What the relay does: the same batch again until the bus has taken it."""
    for number in numbers:
        batch = [message(f"key-{key}", number) for key in range(keys)]
        while True:
            try:
                await bus.publish(batch)
            except BusUnavailable:
                await asyncio.sleep(0.1)
            else:
                break
        acknowledged |= {(one.key, number) for one in batch}
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_broker_that_goes_and_comes_back_loses_nothing_acknowledged(
    broker: Kafka, prefix: str, how: str
) -> None:
    bus = connect(broker.bootstrap, prefix)
    await bus.start()
    await bus.ensure_topics({TOPIC: PARTITIONS})
    acknowledged: set[tuple[str, int]] = set()
    async with bus.subscribe("group", [TOPIC]) as subscription:
        member = Member(subscription)
        publishing = asyncio.create_task(publish_stubbornly(bus, range(150), 5, acknowledged))
        await until("some are published", lambda: len(acknowledged) > 100)
        await asyncio.to_thread(broker.stop if how == "stop" else broker.kill)
        await asyncio.sleep(1)
        await asyncio.to_thread(broker.restart)
        async with asyncio.timeout(60):
            await publishing
        await until("all came", lambda: acknowledged <= set(values(member.received)))
        await member.stop()
    await bus.stop()
    assert len(acknowledged) == 5 * 150
    for key in range(5):
        first_seen = list(
            dict.fromkeys(
                int(one.message.value) for one in member.received if one.message.key == f"key-{key}"
            )
        )
        assert first_seen == list(range(150))


async def test_publishing_while_the_broker_is_away_fails_in_time_and_works_when_it_is_back(
    broker: Kafka, prefix: str
) -> None:
    bus = connect(broker.bootstrap, prefix)
    await bus.start()
    await bus.ensure_topics({TOPIC: PARTITIONS})
    await asyncio.to_thread(broker.stop)
    async with asyncio.timeout(20):
        with pytest.raises(BusUnavailable):
            await bus.publish([message("key", 1)])
        assert not await bus.healthy()
        with pytest.raises(BusUnavailable):
            await bus.lag("group", [TOPIC])
    await asyncio.to_thread(broker.restart)
    await bus.publish([message("key", 2)])
    async with bus.subscribe("group", [TOPIC]) as member:
        assert 2 in [int(one.message.value) for one in await take(member, 1)]
    assert await bus.healthy()
    await bus.stop()


async def test_a_bus_stops_in_time_while_the_broker_is_away(broker: Kafka, prefix: str) -> None:
    bus = connect(broker.bootstrap, prefix)
    await bus.start()
    await bus.ensure_topics({TOPIC: PARTITIONS})
    async with asyncio.timeout(40):
        async with bus.subscribe("group", [TOPIC]) as member:
            await bus.publish([message("key", 1)])
            await take(member, 1)
            await asyncio.to_thread(broker.stop)
        await bus.stop()


async def test_a_start_without_a_broker_fails_in_time_and_a_later_one_works(
    broker: Kafka, prefix: str
) -> None:
    await asyncio.to_thread(broker.stop)
    bus = connect(broker.bootstrap, prefix)
    async with asyncio.timeout(40):
        with pytest.raises(BusUnavailable):
            await bus.start()
    await asyncio.to_thread(broker.restart)
    await bus.start()
    await bus.ensure_topics({TOPIC: PARTITIONS})
    await bus.publish([message("key", 1)])
    await bus.stop()


async def test_a_member_entered_while_the_broker_is_away_joins_when_it_is_back(
    broker: Kafka, prefix: str
) -> None:
    bus = connect(broker.bootstrap, prefix)
    await bus.start()
    await bus.ensure_topics({TOPIC: PARTITIONS})
    await bus.publish(sequence(keys=3, each=2))
    await asyncio.to_thread(broker.stop)
    async with bus.subscribe("group", [TOPIC]) as member:
        with pytest.raises(BusUnavailable):
            await member.poll(10, 0.1)
        await asyncio.to_thread(broker.restart)
        received = await take(member, 6)
        await member.commit(next_offsets(received))
    await bus.stop()


async def test_a_member_that_receives_nothing_while_messages_wait_calls_itself_unhealthy(
    kafka: Kafka, prefix: str
) -> None:
    bus = connect(kafka.bootstrap, prefix, stall_seconds=0.3)
    await bus.start()
    await bus.ensure_topics({TOPIC: PARTITIONS})
    async with bus.subscribe("group", [TOPIC]) as member:
        assert await member.poll(10, 0.5) == []
        await asyncio.sleep(0.4)
        assert await member.healthy(), "nothing waits, so nothing is wrong"
        assert isinstance(member, KafkaSubscription)
        client = member._consumer
        assert client is not None
        client.pause(
            *client.assignment()
        )  # as a client that stops receiving, which aiokafka's have been seen to do
        await bus.publish(sequence(keys=3, each=2))
        assert await member.poll(10, 0.5) == []
        assert not await member.healthy()
        client.resume(*client.assignment())
        await take(member, 6)
        assert await member.healthy()
    await bus.stop()


async def test_a_batch_in_hand_is_committed_before_a_rebalance_takes_its_partitions(
    kafka: Kafka, prefix: str
) -> None:
    first_bus, second_bus = connect(kafka.bootstrap, prefix), connect(kafka.bootstrap, prefix)
    await first_bus.start()
    await first_bus.ensure_topics({TOPIC: PARTITIONS})
    await first_bus.publish(sequence(keys=20, each=2))
    async with first_bus.subscribe("group", [TOPIC]) as first:
        held = await take(first, 40)
        joining = asyncio.create_task(second_bus.subscribe("group", [TOPIC]).__aenter__())
        await asyncio.sleep(
            1.2
        )  # the first member's client knows of the rebalance now and waits for the batch
        await first.commit(next_offsets(held))
        second = await joining
        assert await second.poll(10, 0.5) == []
        await second.__aexit__(None, None, None)
    await second_bus.stop()
    await first_bus.stop()
