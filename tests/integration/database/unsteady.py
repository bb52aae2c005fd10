"""A bus that a test can take away: the real embedded log behind a switch."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

from shared.bus.port import Bus, BusUnavailable, Fenced, Message, Position, Received, Subscription, TopicLag


class UnsteadyBus:
    """Passes everything on while `there`; remembers what was published."""

    def __init__(self, real: Bus) -> None:
        self._real = real
        self.there = True
        self.fence_commits = 0
        self.lose_answers = 0
        self.published: list[Message] = []
        self.meanwhile: Callable[[], Awaitable[None]] | None = None
        """Done once, after the next publish and before its answer."""

    async def start(self) -> None:
        await self._real.start()

    async def stop(self) -> None:
        await self._real.stop()

    async def ensure_topics(self, topics: Mapping[str, int]) -> None:
        await self._real.ensure_topics(topics)

    async def publish(self, messages: Sequence[Message]) -> None:
        self.check()
        await self._real.publish(messages)
        self.published += messages
        if (meanwhile := self.meanwhile) is not None:
            self.meanwhile = None
            await meanwhile()
        if self.lose_answers:
            self.lose_answers -= 1
            raise BusUnavailable("published, but the answer was lost")

    def subscribe(self, group: str, topics: Sequence[str]) -> "UnsteadySubscription":
        return UnsteadySubscription(self, self._real.subscribe(group, topics))

    async def lag(self, group: str, topics: Sequence[str]) -> dict[str, TopicLag]:
        return await self._real.lag(group, topics)

    async def healthy(self) -> bool:
        return self.there and await self._real.healthy()

    def check(self) -> None:
        if not self.there:
            raise BusUnavailable("taken away by the test")


class UnsteadySubscription:
    """A member whose commits can be fenced."""

    def __init__(self, bus: UnsteadyBus, real: Subscription) -> None:
        self._bus = bus
        self._real = real

    async def __aenter__(self) -> Self:
        self._bus.check()
        await self._real.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._real.__aexit__(kind, error, trace)

    async def poll(self, max_messages: int, timeout_seconds: float) -> list[Received]:
        self._bus.check()
        return await self._real.poll(max_messages, timeout_seconds)

    async def commit(self, next_offsets: Mapping[Position, int]) -> None:
        self._bus.check()
        if self._bus.fence_commits:
            self._bus.fence_commits -= 1
            raise Fenced("by the test")
        await self._real.commit(next_offsets)

    async def rewind(self, positions: Mapping[Position, int]) -> None:
        await self._real.rewind(positions)

    def assigned(self) -> frozenset[Position]:
        return self._real.assigned()

    async def healthy(self) -> bool:
        return await self._real.healthy()
