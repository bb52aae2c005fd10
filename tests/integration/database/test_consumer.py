"""Every message is handled once, tried again later, or parked with its reason; nothing else can happen."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from shared.bus.port import BusUnavailable
from shared.consumer import Consumer, ConsumerSettings
from shared.contracts.events import ParticipantErased
from shared.database import Database
from shared.errors import Conflict, Invalid, NotFound
from shared.metrics import Metrics
from shared.outbox import outbox_state
from shared.parking import Parking, has_parked
from shared.plumbing import TABLES
from tests.integration.database.facts import (
    AT_COMMIT,
    AWAY,
    BUG,
    POISON,
    Facts,
    declared,
    kept,
    key,
    message,
    publish,
)
from tests.integration.database.unsteady import UnsteadyBus

QUICK = ConsumerSettings(idle_seconds=0.05, linger_ms=0, pause_seconds=0.01, pause_max_seconds=0.02)
GROUP = "tests"


class Bench:
    """A consumer whose steps a test takes itself."""

    def __init__(self, database: Database, bus: UnsteadyBus, settings: ConsumerSettings = QUICK) -> None:
        self.database = database
        self.bus = bus
        self.facts = Facts()
        self.metrics = Metrics()
        self.consumer = Consumer(
            GROUP,
            database,
            bus,
            self.facts.wiring,
            settings,
            non_commuting=frozenset({ParticipantErased}),
            metrics=self.metrics.of("tests"),
        )
        self.parking = Parking(database, {GROUP: self.consumer})

    async def drain(self, *, steps: int = 60) -> None:
        """Take steps until all is committed."""
        async with self.bus.subscribe(GROUP, self.consumer.topics) as subscription:
            for _ in range(steps):
                await self.consumer.step(subscription)
                if not await self.lag():
                    return

    async def lag(self) -> int:
        lags = await self.bus.lag(GROUP, self.consumer.topics)
        return sum(lag.messages or 0 for lag in lags.values())

    def handled(self, outcome: str) -> float:
        labels = {"service": "tests", "topic": "bufferbudget.wage-slips", "outcome": outcome}
        return self.metrics.value("bufferbudget_consumer_handled_total", **labels) or 0


async def until(reached: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await reached():  # noqa: ASYNC110 - what is watched is a database
            await asyncio.sleep(0.02)


def nothing_left(bench: Bench) -> Callable[[], Awaitable[bool]]:
    async def reached() -> bool:
        return bench.consumer.stopped_reason is None and not await bench.lag()

    return reached


@pytest.fixture
def bench(database: Database, bus: UnsteadyBus) -> Bench:
    return Bench(database, bus)


async def test_a_batch_is_one_call_and_one_transaction(bench: Bench) -> None:
    await publish(bench.bus, *(declared(n) for n in range(300)))
    await bench.drain()
    assert await kept(bench.database) == [f"event-{n}" for n in range(300)]
    assert sum(bench.facts.calls) == 300
    assert len(bench.facts.calls) <= 3
    async with bench.database.read() as reading:
        assert (await outbox_state(reading)).pending == 300
        times = select(func.count(TABLES.inbox.c.recorded_at.distinct()))
        assert await reading.scalar(times) == 1
    assert bench.handled("handled") == 300


async def test_a_message_that_comes_again_has_no_second_effect(bench: Bench) -> None:
    twice = [message(declared(n % 3), f"event-{n % 3}") for n in range(9)]
    await bench.bus.publish(twice)  # duplicates inside one batch
    await bench.drain()
    await bench.bus.publish(twice)  # and again later
    await bench.drain()
    assert await kept(bench.database) == ["event-0", "event-1", "event-2"]
    assert sum(bench.facts.calls) == 3
    assert bench.handled("duplicate") == 15


async def test_the_same_id_of_another_source_is_another_message(bench: Bench) -> None:
    first = message(declared(1), "event-1")
    headers = dict(first.headers) | {"ce_source": dict(first.headers)["ce_source"] + b"-two"}
    bench.facts.broken.clear()
    await bench.bus.publish(
        [message(ParticipantErased(participant_id=key(1), municipality="0344"), "event-1")]
    )
    await bench.bus.publish([replace(first, headers=tuple(headers.items()))])
    await bench.drain()
    assert bench.facts.erasures == [1]
    assert await kept(bench.database) == ["event-1"]


async def test_one_poison_among_500_costs_few_calls_and_is_parked_alone(bench: Bench) -> None:
    for place in (0, 137, 499):
        events = [declared(n, municipality=POISON if n == place else "0344") for n in range(500)]
        before = len(bench.facts.calls)
        await publish(bench.bus, *events, start=place * 1000)
        await bench.drain()
        failed = [size for size in bench.facts.calls[before:] if size > 1]
        # Two partitions may come as two batches; each halving costs at most one failed and one good call.
        assert len(failed) <= 9 * 2 + 2
        assert len(bench.facts.calls) - before <= 22
    assert len(await kept(bench.database)) == 3 * 499
    parked = await bench.parking.list()
    assert [one.message_id for one in parked] == [f"event-{place * 1001}" for place in (0, 137, 499)]
    assert "this cannot be handled" in parked[0].reason
    assert bench.handled("parked") == 3


async def test_many_poisons_are_all_found_and_the_rest_keeps_its_order(bench: Bench) -> None:
    bad = {0, 1, 50, 51, 99}
    events = [declared(7, n, municipality=POISON if n in bad else "0344") for n in range(100)]
    await publish(bench.bus, *events)
    await bench.drain()
    assert await kept(bench.database) == [f"event-{n}" for n in range(100) if n not in bad]
    async with bench.database.read() as reading:
        assert await has_parked(reading, [key(7), key(8)]) == {key(7)}
        rows = await reading.rows(select(TABLES.outbox.c.value).order_by(TABLES.outbox.c.id))
    assert [row.value for row in rows] == [events[n].written() for n in range(100) if n not in bad]


async def test_a_message_that_cannot_be_read_is_parked_as_it_came(bench: Bench) -> None:
    good = message(declared(1), "event-1")
    await bench.bus.publish(
        [replace(good, value=b"{", headers=good.headers), good, replace(good, headers=())]
    )
    await bench.drain()
    parked = await bench.parking.list()
    assert [(await bench.parking.inspect(one.parked_id)).payload for one in parked] == [b"{", good.value]
    assert "header ce_specversion" in parked[1].reason
    assert await kept(bench.database) == ["event-1"]


async def test_events_of_a_kind_nobody_knows_or_wants_are_skipped(bench: Bench) -> None:
    good = message(declared(1), "event-1")
    headers = dict(good.headers) | {"ce_type": b"nl.bufferbudget.wage-slips.yet-unknown.v1"}
    await bench.bus.publish([replace(good, headers=tuple(headers.items()))])
    await bench.drain()
    assert await kept(bench.database) == []
    assert await bench.parking.count() == 0


async def test_try_again_holds_its_partition_and_lets_others_go_on(bench: Bench) -> None:
    await publish(bench.bus, *(declared(n, municipality=AWAY if n == 3 else "0344") for n in range(40)))
    await bench.drain(steps=4)
    waiting = await bench.lag()
    done = await kept(bench.database)
    assert 0 < waiting < 40
    assert len(done) == 40 - waiting
    assert "event-3" not in done
    bench.facts.broken.discard(AWAY)
    await bench.drain()
    assert await kept(bench.database) == [f"event-{n}" for n in range(40)]
    assert await bench.parking.count() == 0


async def test_an_unexpected_error_is_tried_again_and_then_parked_without_its_words(bench: Bench) -> None:
    await publish(bench.bus, *(declared(n, municipality=BUG if n == 5 else "0344") for n in range(20)))
    await bench.drain()
    (parked,) = await bench.parking.list()
    assert parked.message_id == "event-5"
    assert "BugError" in parked.reason
    assert "canary" not in parked.reason
    assert len(await kept(bench.database)) == 19
    labels = {"service": "tests", "reason": "unexpected"}
    assert bench.metrics.value("bufferbudget_consumer_retries_total", **labels) == 3


async def test_an_error_that_passes_parks_nothing(bench: Bench) -> None:
    await publish(bench.bus, declared(1, municipality=BUG))
    async with bench.bus.subscribe(GROUP, bench.consumer.topics) as subscription:
        await bench.consumer.step(subscription)
        bench.facts.broken.clear()
        await bench.consumer.step(subscription)
    assert await kept(bench.database) == ["event-0"]
    assert await bench.parking.count() == 0


async def test_a_message_with_which_no_commit_succeeds_is_found_and_parked(bench: Bench) -> None:
    await publish(bench.bus, *(declared(n, municipality=AT_COMMIT if n == 5 else "0344") for n in range(12)))
    await bench.drain()
    (parked,) = await bench.parking.list()
    assert parked.message_id == "event-5"
    assert len(await kept(bench.database)) == 11


async def test_facts_that_do_not_commute_park_behind_an_earlier_one(bench: Bench) -> None:
    def erased(person: int, municipality: str = "0344") -> ParticipantErased:
        return ParticipantErased(participant_id=key(person), municipality=municipality)

    await publish(bench.bus, erased(1, POISON), erased(1), erased(2))  # in one batch
    await bench.drain()
    await publish(bench.bus, erased(1), start=3)  # and later
    await publish(bench.bus, declared(1), start=4)  # a fact that commutes goes on
    await bench.drain()
    parked = await bench.parking.list()
    assert [one.message_id for one in parked] == ["event-0", "event-1", "event-3"]
    assert "behind" in parked[1].reason
    assert await kept(bench.database) == ["event-4"]
    bench.facts.broken.clear()
    with pytest.raises(Conflict, match=parked[0].parked_id):
        await bench.parking.release(parked[1].parked_id, actor="operator")
    for one in parked:
        await bench.parking.release(one.parked_id, actor="operator")
    assert await bench.parking.count() == 0


async def test_fenced_offsets_are_normal_and_cause_nothing_twice(bench: Bench) -> None:
    bench.bus.fence_commits = 1
    await publish(bench.bus, *(declared(n) for n in range(5)))
    async with bench.bus.subscribe(GROUP, bench.consumer.topics) as subscription:
        await bench.consumer.step(subscription)
    assert await bench.lag() > 0
    await bench.drain()
    assert len(await kept(bench.database)) == 5
    assert sum(bench.facts.calls) == 5


async def test_the_running_consumer_outlives_an_outage_of_the_bus(bench: Bench) -> None:
    bench.bus.there = False
    await publish_directly(bench)
    task = asyncio.create_task(bench.consumer.run())
    await asyncio.sleep(0.1)
    assert await kept(bench.database) == []
    bench.bus.there = True
    await until(nothing_left(bench))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await kept(bench.database) == ["event-0"]


async def publish_directly(bench: Bench) -> None:
    bench.bus.there = True
    await publish(bench.bus, declared(1))
    bench.bus.there = False


async def test_a_bus_that_goes_away_while_polling_is_told_to_the_loop(bench: Bench) -> None:
    async with bench.bus.subscribe(GROUP, bench.consumer.topics) as subscription:
        bench.bus.there = False
        with pytest.raises(BusUnavailable):
            await bench.consumer.step(subscription)


async def test_at_the_cap_the_consumer_stands_still_until_an_operator_decides(
    database: Database, bus: UnsteadyBus
) -> None:
    bench = Bench(database, bus, replace(QUICK, parked_max=3))
    await publish(bus, *(declared(1, n, municipality=POISON if n % 2 else "0344") for n in range(12)))
    task = asyncio.create_task(bench.consumer.run())

    async def stopped() -> bool:
        return not await bench.consumer.healthy()

    await until(stopped)
    assert bench.consumer.stopped_reason == "3 messages are parked: release or discard some"
    assert await kept(database) == ["event-0", "event-2", "event-4", "event-6"]
    assert await bench.parking.count() == 3
    for one in await bench.parking.list():
        await bench.parking.discard(one.parked_id, actor="operator", reason="test")
    await until(nothing_left(bench))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await kept(database) == [f"event-{n}" for n in range(0, 12, 2)]
    assert await bench.parking.count() == 3


async def test_two_consumers_of_a_group_share_the_work_and_do_it_once(
    database: Database, bus: UnsteadyBus
) -> None:
    benches = [Bench(database, bus), Bench(database, bus)]
    tasks = [asyncio.create_task(bench.consumer.run()) for bench in benches]
    for start in range(0, 400, 20):
        await publish(bus, *(declared(n % 17, n) for n in range(start, start + 20)), start=start)
    await until(nothing_left(benches[0]))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert await kept(database) == [f"event-{n}" for n in range(400)]
    assert sum(sum(bench.facts.calls) for bench in benches) >= 400


# ---- what an operator does --------------------------------------------------------------------------------


async def parked_one(bench: Bench) -> str:
    await publish(bench.bus, declared(1, municipality=POISON))
    await bench.drain()
    (parked,) = await bench.parking.list()
    return parked.parked_id


async def test_a_released_message_is_handled_once_as_if_it_came_now(bench: Bench) -> None:
    parked_id = await parked_one(bench)
    bench.facts.broken.clear()
    await bench.parking.release(parked_id, actor="operator")
    with pytest.raises(Conflict, match="released already"):
        await bench.parking.release(parked_id, actor="operator")
    await bench.bus.publish([message(declared(1, municipality=POISON), "event-0")])
    await bench.drain()
    assert await kept(bench.database) == ["event-0"]
    seen = await bench.parking.inspect(parked_id)
    assert (seen.state, seen.resolved_by) == ("RELEASED", "operator")
    async with bench.database.read() as reading:
        assert (await outbox_state(reading)).pending == 1
        assert await has_parked(reading, [key(1)]) == set()


async def test_a_release_that_fails_again_leaves_the_message_parked_with_its_reason(bench: Bench) -> None:
    parked_id = await parked_one(bench)
    with pytest.raises(Conflict, match="stays parked: PoisonMessage: this cannot be handled"):
        await bench.parking.release(parked_id, actor="operator")
    seen = await bench.parking.inspect(parked_id)
    assert (seen.state, seen.attempts) == ("PARKED", 2)
    assert await kept(bench.database) == []


async def test_two_operators_who_release_at_once_cause_one_effect(bench: Bench) -> None:
    parked_id = await parked_one(bench)
    bench.facts.broken.clear()
    results = await asyncio.gather(
        *(bench.parking.release(parked_id, actor=f"operator-{n}") for n in range(4)), return_exceptions=True
    )
    assert sum(result is None for result in results) == 1
    assert sum(isinstance(result, Conflict) for result in results) == 3
    assert await kept(bench.database) == ["event-0"]


async def test_a_discarded_message_keeps_its_record_and_never_comes_back(bench: Bench) -> None:
    parked_id = await parked_one(bench)
    with pytest.raises(Invalid):
        await bench.parking.discard(parked_id, actor="operator", reason="  ")
    await bench.parking.discard(parked_id, actor="operator", reason="sent by mistake")
    with pytest.raises(Conflict, match="discarded already"):
        await bench.parking.release(parked_id, actor="operator")
    bench.facts.broken.clear()
    await bench.bus.publish([message(declared(1, municipality=POISON), "event-0")])
    await bench.drain()
    assert await kept(bench.database) == []
    seen = await bench.parking.inspect(parked_id)
    assert (seen.state, seen.resolution, seen.payload) == (
        "DISCARDED",
        "sent by mistake",
        declared(1, municipality=POISON).written(),
    )


async def test_an_unknown_parked_id_is_told(bench: Bench) -> None:
    with pytest.raises(NotFound):
        await bench.parking.release("nobody", actor="operator")
    with pytest.raises(NotFound):
        await bench.parking.inspect("nobody")


async def test_parked_messages_are_listed_page_by_page(bench: Bench) -> None:
    await publish(bench.bus, *(declared(n, municipality=POISON) for n in range(5)))
    await bench.drain()
    first = await bench.parking.list(limit=2)
    rest = await bench.parking.list(after=first[-1].parked_id, limit=10)
    assert len({one.parked_id for one in first + rest}) == 5
