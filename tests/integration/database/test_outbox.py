"""What was committed is published: once the bus is there, in order, by one relay at a time."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shared.bus.port import Message
from shared.contracts.events import MonthDeclared
from shared.database import Database
from shared.lease import LeaseLost
from shared.metrics import Metrics
from shared.months import Month
from shared.outbox import Relay
from tests.integration.database.conftest import NOW, Place
from tests.integration.database.unsteady import UnsteadyBus


def declared(person: int, months: int) -> MonthDeclared:
    participant = f"{person:08d}-0000-4000-8000-000000000000"
    month = Month(2026, 1).plus(months)
    return MonthDeclared(participant_id=participant, municipality="0344", month=month, kind="ZERO")


async def emit(database: Database, *events: MonthDeclared) -> None:
    async with database.write() as tx:
        tx.emit(*events)


@asynccontextmanager
async def running(*relays: Relay) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(relay.run()) for relay in relays]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until_empty(relay: Relay) -> None:
    async with asyncio.timeout(20):
        while (await relay.pending()).pending:  # noqa: ASYNC110 - what is watched is a database
            await asyncio.sleep(0.02)


def first_seen(messages: list[Message]) -> list[Message]:
    seen: dict[bytes, Message] = {}
    for message in messages:
        seen.setdefault(dict(message.headers)["ce_id"], message)
    return list(seen.values())


def by_key(messages: list[Message]) -> dict[str, list[bytes]]:
    keys: dict[str, list[bytes]] = defaultdict(list)
    for message in messages:
        keys[message.key].append(message.value)
    return keys


async def test_events_are_published_in_order_and_leave_the_outbox(
    database: Database, bus: UnsteadyBus
) -> None:
    metrics = Metrics()
    relay = Relay(database, bus, batch_max=7, metrics=metrics.of("tests"))
    events = [declared(person, month) for month in range(10) for person in range(3)]
    await emit(database, *events)
    assert (await relay.pending()).oldest == NOW
    sizes = [await relay.relay_once() for _ in range(6)]
    assert sizes == [7, 7, 7, 7, 2, 0]
    assert [message.value for message in bus.published] == [event.written() for event in events]
    assert (await relay.pending()).pending == 0
    labels = {"service": "tests", "topic": "bufferbudget.wage-slips"}
    assert metrics.value("bufferbudget_relay_published_total", **labels) == 30


async def test_a_commit_in_this_process_wakes_the_relay_at_once(database: Database, bus: UnsteadyBus) -> None:
    relay = Relay(database, bus, poll_seconds=60)
    async with running(relay):
        await asyncio.sleep(0.2)
        await emit(database, declared(1, 0))
        await until_empty(relay)
    assert len(bus.published) == 1


async def test_an_event_of_another_process_is_found_by_looking(
    place: Place, database: Database, bus: UnsteadyBus
) -> None:
    relay = Relay(database, bus, poll_seconds=0.05)
    elsewhere = place.database()
    async with running(relay):
        await asyncio.sleep(0.2)
        await emit(elsewhere, declared(1, 0))
        await until_empty(relay)
    assert len(bus.published) == 1
    await elsewhere.close()


async def test_an_outage_of_the_bus_loses_nothing(database: Database, bus: UnsteadyBus) -> None:
    relay = Relay(database, bus, batch_max=3, poll_seconds=0.05)
    bus.there = False
    events = [declared(person, month) for month in range(4) for person in range(2)]
    async with running(relay):
        await emit(database, *events)
        await asyncio.sleep(0.3)
        assert bus.published == []
        bus.there = True
        bus.lose_answers = 1
        await until_empty(relay)
    assert len(bus.published) > len(events), "the lost answer made it publish a batch again"
    assert [message.value for message in first_seen(bus.published)] == [event.written() for event in events]


async def test_two_relays_at_once_keep_the_order_per_key(
    place: Place, database: Database, bus: UnsteadyBus
) -> None:
    elsewhere = place.database()
    relays = [
        Relay(one, bus, batch_max=5, poll_seconds=0.02, lease_seconds=0.15) for one in (database, elsewhere)
    ]
    async with running(*relays):
        for month in range(30):
            await emit(database, *(declared(person, month) for person in range(3)))
            if month % 7 == 0:
                await asyncio.sleep(0.2)
        await until_empty(relays[0])
    await elsewhere.close()
    expected = [declared(1, month).written() for month in range(30)]
    assert by_key(first_seen(bus.published))[declared(1, 0).key()] == expected


async def test_a_relay_that_lost_its_lease_deletes_nothing(
    place: Place, database: Database, bus: UnsteadyBus
) -> None:
    """It published and was then away so long that another one took over."""
    elsewhere = place.database()
    slow, other = Relay(database, bus, lease_seconds=0.05), Relay(elsewhere, bus, lease_seconds=60)
    await emit(database, declared(1, 0))

    async def take_over() -> None:
        await asyncio.sleep(0.1)
        assert await other.relay_once() == 1
        await emit(database, declared(1, 1))

    bus.meanwhile = take_over
    with pytest.raises(LeaseLost):
        await slow.relay_once()
    assert await slow.relay_once() is None
    assert (await other.pending()).pending == 1
    await elsewhere.close()
