"""What every bus does, whichever it is: the suite that each implementation's test file inherits.

A fake that has not passed it is a rumour; a broker that has not passed it is not supported.
"""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from shared.bus.port import Bus, BusUnavailable, Fenced, Message, Position, Received, Subscription

TOPIC = "bufferbudget.things"
PARTITIONS = 3
PATIENCE = 30.0
BATCH = 500


@dataclass(frozen=True)
class BusUnderTest:
    """How to reach one log again and again, as restarted processes do."""

    connect: Callable[[float], Bus]
    """Makes a client that loses its membership after so many seconds without a poll."""
    counts_lag: bool = True

    @asynccontextmanager
    async def process(self, max_poll_seconds: float = 60.0) -> AsyncIterator[Bus]:
        """One client from start to stop, with the topic made."""
        bus = self.connect(max_poll_seconds)
        await bus.start()
        try:
            await bus.ensure_topics({TOPIC: PARTITIONS})
            yield bus
        finally:
            await bus.stop()


def message(key: str, number: int, size: int = 0) -> Message:
    return Message(TOPIC, key, f"{number}".encode().ljust(size), (("ce_id", f"{key}/{number}".encode()),))


def sequence(keys: int, each: int, start: int = 0) -> list[Message]:
    """`each` messages for every key, numbered from `start`, the keys taking turns."""
    return [message(f"key-{key}", number) for number in range(start, start + each) for key in range(keys)]


async def take(subscription: Subscription, count: int, seconds: float = PATIENCE) -> list[Received]:
    """Poll until `count` messages have come; fails when they do not."""
    taken: list[Received] = []
    until = time.monotonic() + seconds
    while len(taken) < count:
        assert time.monotonic() < until, f"only {len(taken)} of {count} messages came"
        taken += await subscription.poll(BATCH, 0.2)
    return taken


def next_offsets(received: Iterable[Received]) -> dict[Position, int]:
    ends: dict[Position, int] = {}
    for one in received:
        ends[one.position] = max(ends.get(one.position, 0), one.next_offset)
    return ends


def first_offsets(received: Iterable[Received]) -> dict[Position, int]:
    starts: dict[Position, int] = {}
    for one in received:
        starts[one.position] = min(starts.get(one.position, one.offset), one.offset)
    return starts


def by_key(received: Iterable[Received]) -> dict[str, list[int]]:
    numbers: dict[str, list[int]] = defaultdict(list)
    for one in received:
        numbers[one.message.key].append(int(one.message.value))
    return dict(numbers)


def values(received: Iterable[Received]) -> list[tuple[str, int]]:
    return sorted((one.message.key, int(one.message.value)) for one in received)


class Member:
    """A member of a group that polls and commits in the background, as a service's consumer does."""

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.received: list[Received] = []
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            try:
                received = await self.subscription.poll(BATCH, 0.1)
                self.received += received
                await self.subscription.commit(next_offsets(received))
            except (Fenced, BusUnavailable):
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """Stop polling; raises what the member died of, if it did."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


async def until(what: str, fact: Callable[[], bool], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, f"it did not come true in {seconds} s: {what}"
        await asyncio.sleep(0.05)


class BusConformance:
    """The behaviours. A subclass gives the fixture `place`."""

    async def test_messages_of_one_key_come_in_the_order_they_were_published(
        self, place: BusUnderTest
    ) -> None:
        async with place.process() as bus:
            for start in (0, 20, 40):
                await bus.publish(sequence(keys=7, each=20, start=start))
            async with bus.subscribe("group", [TOPIC]) as member:
                received = await take(member, 7 * 60)
        assert by_key(received) == {f"key-{key}": list(range(60)) for key in range(7)}

    async def test_offsets_of_a_partition_count_up_without_a_gap(self, place: BusUnderTest) -> None:
        async with place.process() as bus:
            await bus.publish(sequence(keys=5, each=30))
            async with bus.subscribe("group", [TOPIC]) as member:
                received = await take(member, 150)
        offsets: dict[Position, list[int]] = defaultdict(list)
        for one in received:
            offsets[one.position].append(one.offset)
        assert all(found == list(range(len(found))) for found in offsets.values())

    async def test_a_message_comes_out_byte_for_byte_as_it_went_in(self, place: BusUnderTest) -> None:
        sent = Message(
            TOPIC,
            "kéy",
            bytes(range(256)),
            (("ce_id", b"\x00\xff\x80"), ("empty", b""), ("ce_id", b"second")),
        )
        async with place.process() as bus:
            await bus.publish([sent])
            async with bus.subscribe("group", [TOPIC]) as member:
                received = await take(member, 1)
        assert received[0].message == sent

    async def test_what_was_published_before_a_restart_is_there_after_it(self, place: BusUnderTest) -> None:
        async with place.process() as bus:
            await bus.publish(sequence(keys=3, each=10))
        async with place.process() as bus, bus.subscribe("group", [TOPIC]) as member:
            received = await take(member, 30)
        assert len(received) == 30

    async def test_a_large_batch_arrives_whole_and_in_order(self, place: BusUnderTest) -> None:
        large = [message(f"key-{number % 5}", number // 5, size=1500) for number in range(4000)]
        async with place.process() as bus:
            await bus.publish(large)
            async with bus.subscribe("group", [TOPIC]) as member:
                received = await take(member, 4000)
        assert by_key(received) == {f"key-{key}": list(range(800)) for key in range(5)}

    async def test_a_poll_hands_over_no_more_than_asked_for(self, place: BusUnderTest) -> None:
        async with place.process() as bus:
            await bus.publish(sequence(keys=4, each=25))
            async with bus.subscribe("group", [TOPIC]) as member:
                sizes, taken = [], 0
                while taken < 100:
                    received = await member.poll(7, PATIENCE)
                    sizes.append(len(received))
                    taken += len(received)
        assert max(sizes) <= 7

    async def test_a_poll_without_messages_returns_nothing_when_its_time_is_over(
        self, place: BusUnderTest
    ) -> None:
        async with place.process() as bus, bus.subscribe("group", [TOPIC]) as member:
            await bus.publish([message("key", 1)])
            await take(member, 1)
            began = time.monotonic()
            assert await member.poll(BATCH, 0.3) == []
            assert 0.2 < time.monotonic() - began < 5

    async def test_what_was_not_committed_comes_again_after_a_restart(self, place: BusUnderTest) -> None:
        async with place.process() as bus:
            await bus.publish(sequence(keys=3, each=10))
            async with bus.subscribe("group", [TOPIC]) as member:
                before = await take(member, 30)
        async with place.process() as bus, bus.subscribe("group", [TOPIC]) as member:
            again = await take(member, 30)
        assert values(again) == values(before)

    async def test_a_committed_offset_survives_a_restart(self, place: BusUnderTest) -> None:
        async with place.process() as bus:
            await bus.publish(sequence(keys=3, each=10))
            async with bus.subscribe("group", [TOPIC]) as member:
                await member.commit(next_offsets(await take(member, 30)))
        async with place.process() as bus:
            await bus.publish([message("key-0", 99)])
            async with bus.subscribe("group", [TOPIC]) as member:
                received = await take(member, 1)
                rest = await member.poll(BATCH, 0.3)
        assert values(received + rest) == [("key-0", 99)]

    async def test_a_rewind_brings_the_messages_again_without_a_restart(self, place: BusUnderTest) -> None:
        async with place.process() as bus, bus.subscribe("group", [TOPIC]) as member:
            await bus.publish(sequence(keys=3, each=10))
            before = await take(member, 30)
            await member.rewind(first_offsets(before))
            again = await take(member, 30)
            await member.commit(next_offsets(again))
        assert values(again) == values(before)

    async def test_without_a_rewind_the_next_poll_goes_on_behind_the_last(self, place: BusUnderTest) -> None:
        async with place.process() as bus, bus.subscribe("group", [TOPIC]) as member:
            await bus.publish(sequence(keys=3, each=10))
            await take(member, 30)
            await bus.publish([message("key-1", 10)])
            assert values(await take(member, 1)) == [("key-1", 10)]

    async def test_a_commit_below_the_end_keeps_the_rest_for_later(self, place: BusUnderTest) -> None:
        async with place.process() as bus:
            await bus.publish([message("key", number) for number in range(10)])
            async with bus.subscribe("group", [TOPIC]) as member:
                received = await take(member, 10)
                await member.commit({received[0].position: received[3].next_offset})
        async with place.process() as bus, bus.subscribe("group", [TOPIC]) as member:
            again = await take(member, 6)
        assert [int(one.message.value) for one in again] == list(range(4, 10))

    async def test_what_a_commit_left_open_can_be_rewound_at_once(self, place: BusUnderTest) -> None:
        async with place.process() as bus, bus.subscribe("group", [TOPIC]) as member:
            await bus.publish([message("key", number) for number in range(10)])
            received = await take(member, 10)
            await member.commit(next_offsets(received[:4]))
            await member.rewind(first_offsets(received[4:]))
            again = await take(member, 6)
            await member.rewind({received[0].position: received[8].offset})
            skipped_to = await take(member, 2)
        assert [int(one.message.value) for one in again] == [4, 5, 6, 7, 8, 9]
        assert [int(one.message.value) for one in skipped_to] == [8, 9]

    async def test_a_commit_may_follow_several_polls(self, place: BusUnderTest) -> None:
        async with place.process() as bus:
            await bus.publish([message("key", number) for number in range(10)])
            async with bus.subscribe("group", [TOPIC]) as member:
                received: list[Received] = []
                while len(received) < 10:
                    received += await member.poll(3, PATIENCE)
                await member.commit(next_offsets(received))
        async with place.process() as bus, bus.subscribe("group", [TOPIC]) as member:
            await bus.publish([message("key", 10)])
            assert values(await take(member, 1)) == [("key", 10)]

    async def test_two_groups_read_everything_independently(self, place: BusUnderTest) -> None:
        async with place.process() as bus:
            await bus.publish(sequence(keys=3, each=10))
            async with bus.subscribe("one", [TOPIC]) as one, bus.subscribe("other", [TOPIC]) as other:
                of_one = await take(one, 30)
                await one.commit(next_offsets(of_one))
                of_other = await take(other, 30)
        assert values(of_one) == values(of_other)

    async def test_making_topics_again_changes_nothing(self, place: BusUnderTest) -> None:
        async with place.process() as bus:
            await bus.publish(sequence(keys=3, each=2))
            await bus.ensure_topics({TOPIC: PARTITIONS})
            async with bus.subscribe("group", [TOPIC]) as member:
                assert len(await take(member, 6)) == 6

    async def test_two_members_share_the_partitions_between_them(self, place: BusUnderTest) -> None:
        async with (
            place.process() as bus,
            place.process() as other_bus,
            bus.subscribe("group", [TOPIC]) as first,
            other_bus.subscribe("group", [TOPIC]) as second,
        ):
            members = [Member(first), Member(second)]
            await until(
                "both read some and together all",
                lambda: (
                    bool(first.assigned())
                    and bool(second.assigned())
                    and len(first.assigned() | second.assigned()) == PARTITIONS
                    and not first.assigned() & second.assigned()
                ),
            )
            await bus.publish(sequence(keys=20, each=10))
            await until("all came", lambda: sum(len(member.received) for member in members) >= 200)
            for member in members:
                await member.stop()
        assert all(member.received for member in members)
        assert values(members[0].received + members[1].received) == values_of(sequence(keys=20, each=10))

    async def test_partitions_of_a_leaving_member_go_to_the_others(self, place: BusUnderTest) -> None:
        async with place.process() as bus, bus.subscribe("group", [TOPIC]) as staying:
            keeper = Member(staying)
            async with place.process() as other_bus, other_bus.subscribe("group", [TOPIC]) as leaving:
                leaver = Member(leaving)
                await until("the second member reads some", lambda: bool(leaving.assigned()))
                await leaver.stop()
            await until("the first has all again", lambda: len(staying.assigned()) == PARTITIONS)
            await bus.publish(sequence(keys=20, each=2))
            await until("all came", lambda: len(keeper.received) >= 40)
            await keeper.stop()
        assert values(keeper.received) == values_of(sequence(keys=20, each=2))

    async def test_a_member_that_hangs_loses_its_partitions_and_its_commit_is_fenced(
        self, place: BusUnderTest
    ) -> None:
        async with place.process() as bus:
            await bus.publish(sequence(keys=20, each=5))
            async with (
                place.process(max_poll_seconds=2.0) as hanging_bus,
                hanging_bus.subscribe("group", [TOPIC]) as hanging,
            ):
                held = await take(hanging, 100)
                async with bus.subscribe("group", [TOPIC]) as healthy:
                    keeper = Member(healthy)
                    await until("the healthy one took over", lambda: len(keeper.received) >= 100)
                    with pytest.raises(Fenced):
                        await hanging.commit(next_offsets(held))
                    await keeper.stop()
        assert values(keeper.received) == values(held)

    async def test_after_a_fenced_commit_a_member_goes_on_at_the_committed_offset(
        self, place: BusUnderTest
    ) -> None:
        async with place.process(max_poll_seconds=2.0) as bus, place.process() as other_bus:
            await bus.publish(sequence(keys=20, each=5))
            async with bus.subscribe("group", [TOPIC]) as hanging:
                held = await take(hanging, 100)
                async with other_bus.subscribe("group", [TOPIC]) as healthy:
                    keeper = Member(healthy)
                    await until("the healthy one took over", lambda: len(keeper.received) >= 100)
                    await keeper.stop()
                with pytest.raises(Fenced):
                    await hanging.commit(next_offsets(held))
                await bus.publish(sequence(keys=20, each=1, start=5))
                again = await take(hanging, 20)
        assert values(again) == values_of(sequence(keys=20, each=1, start=5))

    async def test_lag_counts_what_is_not_committed_and_names_the_oldest(self, place: BusUnderTest) -> None:
        async with place.process() as bus:
            began = datetime.now(UTC) - timedelta(seconds=1)
            await bus.publish(sequence(keys=6, each=5))
            lag = (await bus.lag("group", [TOPIC]))[TOPIC]
            assert lag.messages == (30 if place.counts_lag else None)
            assert lag.oldest is not None
            assert began <= lag.oldest <= datetime.now(UTC)
            async with bus.subscribe("group", [TOPIC]) as member:
                received = await take(member, 30)
                assert (await bus.lag("group", [TOPIC]))[TOPIC].oldest is not None
                await member.commit(next_offsets(received))
            lag = (await bus.lag("group", [TOPIC]))[TOPIC]
        assert lag.messages == (0 if place.counts_lag else None)
        assert lag.oldest is None

    async def test_a_bus_that_answers_is_healthy(self, place: BusUnderTest) -> None:
        async with place.process() as bus, bus.subscribe("group", [TOPIC]) as member:
            assert await bus.healthy()
            assert await member.healthy()


def values_of(messages: Iterable[Message]) -> list[tuple[str, int]]:
    return sorted((one.key, int(one.value)) for one in messages)
