"""The bus as the rest of the system sees it: durable publishing, pulled batches, offsets per group.

The one promise: when `publish` has returned, every group that subscribes will be handed each message at
least once, in order per key, even if this process dies now. Two implementations keep it under one conformance
suite.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from shared.errors import TryAgain

Position = tuple[str, int]
"""A topic and the number of one of its partitions."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message as bytes; all messages of one key keep their order."""

    topic: str
    key: str
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Received:
    """A message with the place it was read from."""

    message: Message
    partition: int
    offset: int

    @property
    def position(self) -> Position:
        """The topic and partition, as `commit` and `rewind` name them."""
        return (self.message.topic, self.partition)

    @property
    def next_offset(self) -> int:
        """What a group commits when it is done with this message: the offset it reads next."""
        return self.offset + 1


@dataclass(frozen=True, slots=True)
class TopicLag:
    """What a group has not committed yet of one topic; None where the broker cannot tell."""

    messages: int | None
    oldest: datetime | None
    """When the oldest message not committed yet was published (aware, UTC); None when all is committed."""


class BusUnavailable(TryAgain):
    """The bus did not answer in time or refused for now: nothing may be taken as published or committed."""


class Fenced(Exception):
    """The group has moved on without this member: its offsets count no more and others read its partitions.

    Normal after a rebalance or a long pause. Whoever gets it drops what it has not committed and polls again.
    """


class Subscription(Protocol):
    """One member of a group. A context manager: leaving it hands its partitions to the other members."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    async def poll(self, max_messages: int, timeout_seconds: float) -> list[Received]:
        """Hand over up to `max_messages`, each partition in order; an empty list when none came in time.

        Goes on where the last poll ended, not at the committed offset. Raises BusUnavailable.
        """
        ...

    async def commit(self, next_offsets: Mapping[Position, int]) -> None:
        """Keep durably where the group reads on; raises Fenced or BusUnavailable, then nothing is kept."""
        ...

    async def rewind(self, positions: Mapping[Position, int]) -> None:
        """Make the next poll read again from these offsets; a position that is not assigned is ignored."""
        ...

    def assigned(self) -> frozenset[Position]:
        """The partitions this member reads now."""
        ...

    async def healthy(self) -> bool:
        """False when messages wait but the position has stood still for longer than the watchdog allows."""
        ...


class Bus(Protocol):
    """The way events go from one service to another."""

    async def start(self) -> None:
        """Open files or connections; raises BusUnavailable."""
        ...

    async def stop(self) -> None:
        """Close everything within a deadline; never raises because the broker is away."""
        ...

    async def ensure_topics(self, topics: Mapping[str, int]) -> None:
        """Make the topics that do not exist yet, with their number of partitions; raises BusUnavailable."""
        ...

    async def publish(self, messages: Sequence[Message]) -> None:
        """Append all messages, in order per key; durable when it returns.

        Raises BusUnavailable within a deadline. Then some may have been appended all the same: publish the
        whole batch again, consumers recognise what they have by source and id.
        """
        ...

    def subscribe(self, group: str, topics: Sequence[str]) -> Subscription:
        """Make a member of a group; it joins when entered. A new group starts at the oldest message."""
        ...

    async def lag(self, group: str, topics: Sequence[str]) -> dict[str, TopicLag]:
        """What the group has not committed yet, by topic; raises BusUnavailable."""
        ...

    async def healthy(self) -> bool:
        """Whether the bus answers now."""
        ...
