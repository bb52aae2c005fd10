"""One member of a group on the embedded log: polls, commits, and keeps its lease."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from shared.bus.port import BusUnavailable, Fenced, Position, Received
from shared.bus.sqlite_groups import GroupFile, Share
from shared.bus.sqlite_topic import TopicFile

TICK_SECONDS = 0.1
"""How soon a member notices what another process did; within one process it is told at once."""

T = TypeVar("T")


class Log(Protocol):
    """What a member needs of its log."""

    groups: GroupFile
    session_seconds: float
    max_poll_seconds: float

    async def on_groups(self, work: Callable[..., T], *arguments: Any) -> T: ...

    async def on_reader(self, work: Callable[..., T], *arguments: Any) -> T: ...

    async def files(self, topics: Sequence[str]) -> dict[str, TopicFile]: ...

    def listen(self, topics: Sequence[str], wake: asyncio.Event) -> Callable[[], None]: ...

    def wake_all(self) -> None: ...


class SqliteSubscription:
    """One member of a group on the embedded log."""

    def __init__(self, log: Log, group: str, topics: tuple[str, ...]) -> None:
        self._log = log
        self._group = group
        self._topics = topics
        self._files: dict[str, TopicFile] = {}
        self._member: str | None = None
        self._share: Share | None = None
        self._next: dict[Position, int] = {}
        self._seen: dict[str, int] = {}
        self._turn = 0
        self._wake = asyncio.Event()
        self._heartbeat: asyncio.Task[None] | None = None
        self._polled = self._looked = 0.0

    async def __aenter__(self) -> Self:
        self._files = await self._log.files(self._topics)
        self._end_listening = self._log.listen(self._topics, self._wake)
        await self._join()
        self._heartbeat = asyncio.create_task(self._beat(), name=f"log-heartbeat-{self._group}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_listening()
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._heartbeat
        if self._member is not None:
            # Best effort: without it the others wait for the lease to end.
            with contextlib.suppress(BusUnavailable):
                await self._log.on_groups(self._log.groups.leave, self._group, self._member)
            self._log.wake_all()

    async def poll(self, max_messages: int, timeout_seconds: float) -> list[Received]:
        now = asyncio.get_running_loop().time
        until = now() + timeout_seconds
        while True:
            self._wake.clear()
            self._polled = now()
            await self._settle()
            if self._share is not None and self._share.settled:
                received = await self._log.on_reader(self._read, max_messages)
                if received:
                    return received
            remaining = until - now()
            if remaining <= 0:
                return []
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(remaining, TICK_SECONDS)):
                    await self._wake.wait()

    async def commit(self, next_offsets: Mapping[Position, int]) -> None:
        if not next_offsets:
            return
        if self._member is None or not next_offsets.keys() <= self._next.keys():
            raise Fenced(f"the group {self._group} has moved on: this member does not hold those partitions")
        await self._fence(
            self._log.on_groups(self._log.groups.commit, self._group, self._member, dict(next_offsets))
        )

    async def rewind(self, positions: Mapping[Position, int]) -> None:
        for position, offset in positions.items():
            if position in self._next:
                self._next[position] = offset
                self._seen.pop(position[0], None)

    def assigned(self) -> frozenset[Position]:
        return frozenset(self._next)

    async def healthy(self) -> bool:
        return self._heartbeat is None or not self._heartbeat.done()

    async def _join(self) -> None:
        partitions = {topic: file.partitions for topic, file in self._files.items()}
        self._forget()
        self._member = await self._log.on_groups(
            self._log.groups.join, self._group, partitions, self._log.session_seconds
        )
        self._polled = asyncio.get_running_loop().time()
        self._log.wake_all()

    def _forget(self) -> None:
        self._member = self._share = None
        self._next, self._seen = {}, {}

    async def _fence(self, work: Coroutine[Any, Any, T]) -> T:
        """Await the work; when the group has expelled this member, forget what it held and say so."""
        try:
            return await work
        except Fenced:
            self._forget()
            raise

    async def _settle(self) -> None:
        """Join again when expelled, and take over the share of a new generation."""
        now = asyncio.get_running_loop().time()
        if self._member is None:
            await self._join()
        elif self._share is not None and self._share.settled and now - self._looked < TICK_SECONDS:
            return
        self._looked = now
        try:
            share = await self._fence(
                self._log.on_groups(self._log.groups.look, self._group, self._member, self._share)
            )
        except Fenced:
            # Nothing is lost: what was not committed is read again by whoever holds the partition now.
            return
        if share is not None:
            self._share = share
            self._next = dict(share.offsets) if share.settled else {}
            self._seen = {}
            self._log.wake_all()

    def _read(self, limit: int) -> list[Received]:
        """Read on, in the reader's thread; partitions take turns to be first."""
        received: list[Received] = []
        positions = sorted(self._next)
        self._turn += 1
        start = self._turn % len(positions) if positions else 0
        current = {topic: file.version() for topic, file in self._files.items()}
        unchanged = {topic for topic, version in current.items() if self._seen.get(topic) == version}
        cut_off: set[str] = set()
        for topic, part in positions[start:] + positions[:start]:
            if topic in unchanged:
                continue
            room = limit - len(received)
            rows = self._files[topic].read(part, self._next[topic, part], room) if room else []
            if rows:
                received += rows
                self._next[topic, part] = rows[-1].next_offset
            if len(rows) >= room:
                cut_off.add(topic)
        for topic, version in current.items():
            if topic in cut_off:
                self._seen.pop(topic, None)
            else:
                self._seen[topic] = version
        return received

    async def _beat(self) -> None:
        """Renew the lease while this member polls often enough, whatever its handler is doing."""
        now = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(self._log.session_seconds / 3)
            member = self._member
            if member is None or now() - self._polled > self._log.max_poll_seconds:
                continue
            with contextlib.suppress(BusUnavailable, Fenced):
                await self._log.on_groups(
                    self._log.groups.renew, self._group, member, self._log.session_seconds
                )
