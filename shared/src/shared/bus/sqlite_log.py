"""The embedded bus: a durable log in SQLite files, for one machine and any number of processes on it.

One writer per topic drains a queue, so that everything waiting shares one synced commit (group commit).
SQLite works in threads of its own and the event loop stays free. Subscribers in this process are woken at
once; another process notices within a tenth of a second.
"""

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from shared.bus.port import BusUnavailable, Message, Subscription, TopicLag
from shared.bus.sqlite_groups import GroupFile
from shared.bus.sqlite_member import SqliteSubscription
from shared.bus.sqlite_topic import TopicFile
from shared.clock import Clock

T = TypeVar("T")
logger = logging.getLogger(__name__)


class _Thread:
    """One thread in which the blocking work of a file happens, in order."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._shut = False

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Raises BusUnavailable where SQLite cannot do it now, or the log is stopped."""
        if self._shut:
            raise BusUnavailable("the event log is stopped")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work, *arguments)
        except sqlite3.Error as error:
            raise BusUnavailable(f"the event log cannot be used now: {error}") from error

    def shut(self) -> None:
        self._shut = True
        self._executor.shutdown(wait=False)


class _Writer:
    """Appends to one topic: takes all that waits, commits it once, then answers everybody."""

    def __init__(self, file: TopicFile, clock: Clock, appended: Callable[[str], None]) -> None:
        self.file = file
        self.thread = _Thread(f"log-{file.topic}")
        self._clock = clock
        self._appended = appended
        self._waiting: list[tuple[list[Message], asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name=f"log-writer-{file.topic}")

    def append(self, messages: list[Message]) -> asyncio.Future[None]:
        """A future that is done when the messages are synced to disk."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((messages, done))
        self._wake.set()
        return done

    async def stop(self) -> None:
        """Write what still waits, then close the file."""
        if self._waiting:
            await asyncio.wait([done for _, done in self._waiting])
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self.thread.run(self.file.close_writing)
        self.thread.shut()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            taken = list(self._waiting)
            messages = [message for part, _ in taken for message in part]
            error: Exception | None = None
            try:
                await self.thread.run(self.file.append, messages, self._clock.now())
            except Exception as failure:
                error = failure
            del self._waiting[: len(taken)]
            if self._waiting:
                self._wake.set()
            for _, done in taken:
                if not done.done():
                    if error is None:
                        done.set_result(None)
                    else:
                        done.set_exception(error)
            if error is None:
                self._appended(self.file.topic)


class SqliteLog:
    """The bus port on a folder of SQLite files. Processes that share the folder share the log."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        retention: Mapping[str, timedelta] | None = None,
        session_seconds: float = 10.0,
        max_poll_seconds: float = 300.0,
        deadline_seconds: float = 30.0,
        trim_every_seconds: float = 3600.0,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._retention = dict(retention or {})
        self.session_seconds = session_seconds
        self.max_poll_seconds = max_poll_seconds
        self._deadline_seconds = deadline_seconds
        self._trim_every_seconds = trim_every_seconds
        # Leases are real time even where the clock of the facts is set by hand: it may jump by months.
        self.groups = GroupFile(folder, time.time)
        self._writers: dict[str, _Writer] = {}
        self._opening = asyncio.Lock()
        self._listeners: dict[str, set[asyncio.Event]] = {}
        self._trimmer: asyncio.Task[None] | None = None
        self._started = False

    async def start(self) -> None:
        self._group_thread = _Thread("log-groups")
        self._read_thread = _Thread("log-reader")
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        await self.on_groups(self.groups.open)
        self._started = True
        if self._retention:
            self._trimmer = asyncio.create_task(self._trim_regularly(), name="log-retention")

    async def stop(self) -> None:
        if not self._started:
            return
        self._started = False
        if self._trimmer is not None:
            self._trimmer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._trimmer
        for writer in self._writers.values():
            # In the thread that reads: a connection must not be closed while another thread uses it.
            await self.on_reader(writer.file.close_reading)
            await writer.stop()
        self._writers.clear()
        await self.on_groups(self.groups.close)
        self._group_thread.shut()
        self._read_thread.shut()

    async def ensure_topics(self, topics: Mapping[str, int]) -> None:
        for topic, partitions in topics.items():
            await self._writer(topic, partitions)

    async def publish(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        by_topic: dict[str, list[Message]] = {}
        for message in messages:
            by_topic.setdefault(message.topic, []).append(message)
        writers = [(await self._writer(topic), part) for topic, part in by_topic.items()]
        appended = [writer.append(part) for writer, part in writers]
        _, late = await asyncio.wait(appended, timeout=self._deadline_seconds)
        if late:
            raise BusUnavailable("the event log did not take the messages in time")
        for result in appended:
            result.result()

    def subscribe(self, group: str, topics: Sequence[str]) -> Subscription:
        return SqliteSubscription(self, group, tuple(topics))

    async def lag(self, group: str, topics: Sequence[str]) -> dict[str, TopicLag]:
        committed = await self.on_groups(self.groups.committed, group, tuple(topics))
        files = [(await self._writer(topic)).file for topic in topics]

        def count() -> dict[str, TopicLag]:
            lags: dict[str, TopicLag] = {}
            for file in files:
                parts = [
                    file.waiting(part, committed.get((file.topic, part), 0))
                    for part in range(file.partitions)
                ]
                oldest = min((at for _, at in parts if at is not None), default=None)
                lags[file.topic] = TopicLag(sum(waiting for waiting, _ in parts), oldest)
            return lags

        return await self.on_reader(count)

    async def healthy(self) -> bool:
        if not self._started:
            return False
        try:
            async with asyncio.timeout(self._deadline_seconds):
                await self.on_groups(self.groups.committed, "", ())
                await self.on_reader(int)
        except (TimeoutError, BusUnavailable):
            return False
        return True

    # --- for its subscriptions ---

    async def on_groups(self, work: Callable[..., T], *arguments: Any) -> T:
        return await self._group_thread.run(work, *arguments)

    async def on_reader(self, work: Callable[..., T], *arguments: Any) -> T:
        return await self._read_thread.run(work, *arguments)

    async def files(self, topics: Sequence[str]) -> dict[str, TopicFile]:
        return {topic: (await self._writer(topic)).file for topic in topics}

    def listen(self, topics: Sequence[str], wake: asyncio.Event) -> Callable[[], None]:
        """Set the event whenever one of the topics grows; returns what ends it."""
        for topic in topics:
            self._listeners.setdefault(topic, set()).add(wake)

        def end() -> None:
            for topic in topics:
                self._listeners[topic].discard(wake)

        return end

    def wake_all(self) -> None:
        """Membership has changed: let members in this process look at once."""
        for topic in self._listeners:
            self._wake(topic)

    def _wake(self, topic: str) -> None:
        for wake in self._listeners.get(topic, ()):
            wake.set()

    async def _writer(self, topic: str, create_with: int | None = None) -> _Writer:
        writer = self._writers.get(topic)
        if writer is not None:
            return writer
        if not self._started:
            raise BusUnavailable("the event log is not started")
        async with self._opening:
            if topic not in self._writers:
                file = TopicFile(self._folder, topic)
                await self.on_groups(file.open, create_with)
                self._writers[topic] = _Writer(file, self._clock, self._wake)
            return self._writers[topic]

    async def _trim_regularly(self) -> None:
        while True:
            try:
                await self.trim()
            except BusUnavailable as error:
                logger.warning("the event log was not trimmed: %s", error)
            await asyncio.sleep(self._trim_every_seconds)

    async def trim(self) -> dict[str, int]:
        """Delete what is older than its topic's retention and read by every group; counts by topic."""
        now = self._clock.now()
        removed: dict[str, int] = {}
        for topic, keep in self._retention.items():
            writer = await self._writer(topic)
            needed = await self.on_groups(self.groups.least_committed, topic, writer.file.partitions)
            removed[topic] = await writer.thread.run(writer.file.trim, now - keep, needed)
        return removed
