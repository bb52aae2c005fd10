"""SQLite for asyncio: SQLAlchemy's own SQLite dialect, with a thread for whatever may wait.

Waiting is what an event loop must be spared, and in a transaction of ours only three things wait: opening
the file, beginning to write (for a lock that another process holds) and committing (for the disk). These run
in a thread. A statement inside the transaction waits for nobody, is done in tens of microseconds, and a trip
to a thread and back costs several times that: it runs where it is asked for. Work that reads through whole
tables asks to be put `aside`, and then every statement runs in the thread.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Dialect, Engine, Transaction
from sqlalchemy.pool import QueuePool

from shared.errors import TryAgain

Result = TypeVar("Result")

__all__ = ["SqliteConnection", "SqliteThreads"]


class SqliteConnection:
    """One connection in its transaction. Nothing on it ever runs twice at once, in whichever thread."""

    def __init__(self, engine: Engine, thread: ThreadPoolExecutor, *, aside: bool) -> None:
        self.thread = thread
        self._engine = engine
        self._aside = aside
        self._connection: Connection | None = None
        self._transaction: Transaction | None = None

    @property
    def dialect(self) -> Dialect:
        return self._engine.dialect

    async def run_sync(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Call `work(connection, *arguments)`. It hands back values, never an open cursor."""
        if not self._aside:
            return work(self._open(), *arguments)
        return await self.in_thread(lambda: work(self._open(), *arguments))

    @asynccontextmanager
    async def begin_nested(self) -> AsyncIterator[None]:
        """A savepoint: released at the end, rolled back on any exception."""
        savepoint = await self.run_sync(lambda connection: connection.begin_nested())
        try:
            yield
        except BaseException:
            await asyncio.shield(self.run_sync(lambda connection: savepoint.rollback()))
            raise
        await self.run_sync(lambda connection: savepoint.commit())

    def in_thread(self, work: Callable[[], Result]) -> asyncio.Future[Result]:
        """Begin something in the connection's thread, after whatever it does now."""
        return asyncio.get_running_loop().run_in_executor(self.thread, work)

    def begin(self) -> None:
        """Connect and begin; blocks."""
        self._connection = self._engine.connect()
        self._transaction = self._connection.begin()

    def end(self, commit: bool) -> None:
        """Commit or roll back and give the connection back; blocks. Also after a beginning that failed or
        was given up by whoever waited for it."""
        connection, transaction = self._connection, self._transaction
        self._connection = self._transaction = None
        if connection is None:
            return
        try:
            if transaction is not None and commit:
                transaction.commit()
            elif transaction is not None:
                transaction.rollback()
        finally:
            connection.close()

    def _open(self) -> Connection:
        if self._connection is None:
            raise RuntimeError("this transaction has ended: its connection belongs to somebody else now")
        return self._connection


class SqliteThreads:
    """At most `size` connections to one file; whoever comes when all are in use waits `wait_seconds`."""

    def __init__(
        self, engine: Engine, *, name: str, size: int, writes: bool, wait_seconds: float = 60.0
    ) -> None:
        self._engine = engine
        self._name = name
        self._writes = writes
        self._wait_seconds = wait_seconds
        self._places = asyncio.Semaphore(size)
        self._idle: list[ThreadPoolExecutor] = []
        """Threads without work, the one used last at the end: few are busy rather than all a little."""

    @asynccontextmanager
    async def transaction(self, *, aside: bool = False) -> AsyncIterator[SqliteConnection]:
        """A transaction: committed at the end, rolled back on any exception, also when cancelled."""
        connection = SqliteConnection(self._engine, await self._place(), aside=aside)
        if self._writes or aside or not self._is_open():
            async with self._waiting(connection):
                yield connection
            return
        try:
            connection.begin()
            yield connection
        finally:
            connection.end(commit=False)  # nothing was written
            self._free(connection.thread)

    @asynccontextmanager
    async def _waiting(self, connection: SqliteConnection) -> AsyncIterator[None]:
        commit = False
        try:
            await connection.in_thread(connection.begin)
            yield
            commit = True
        finally:
            ending = connection.in_thread(lambda: connection.end(commit))
            # The place is free once the thread is done, also when nobody waits for that any more.
            ending.add_done_callback(lambda done: self._free(connection.thread, done))
            await asyncio.shield(ending)

    async def outside(self, work: Callable[[Connection], Result]) -> Result:
        """Call something that must not run in a transaction, such as a checkpoint."""

        def here() -> Result:
            with self._engine.connect().execution_options(bare=True) as connection:
                return work(connection)

        thread = await self._place()
        working = asyncio.get_running_loop().run_in_executor(thread, here)
        working.add_done_callback(lambda done: self._free(thread, done))
        return await asyncio.shield(working)

    async def dispose(self) -> None:
        """Close every connection that is not in use and let the threads end."""
        await asyncio.get_running_loop().run_in_executor(None, self._engine.dispose)
        for thread in self._idle:
            thread.shutdown(wait=False)
        self._idle.clear()

    @property
    def sync_engine(self) -> Engine:
        """SQLAlchemy's engine, for whoever listens to its events."""
        return self._engine

    def _is_open(self) -> bool:
        return isinstance(self._engine.pool, QueuePool) and self._engine.pool.checkedin() > 0

    async def _place(self) -> ThreadPoolExecutor:
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._places.acquire()
        except TimeoutError:
            raise TryAgain("every connection to the database is in use; try again shortly") from None
        return self._idle.pop() if self._idle else ThreadPoolExecutor(1, thread_name_prefix=self._name)

    def _free(self, thread: ThreadPoolExecutor, done: "asyncio.Future[Any] | None" = None) -> None:
        if done is not None and not done.cancelled():
            done.exception()  # whoever waited has it; nobody else is to hear that it was never fetched
        self._idle.append(thread)
        self._places.release()
