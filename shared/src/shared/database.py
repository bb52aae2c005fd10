"""One service's database: transactions on SQLite or PostgreSQL that behave alike.

    async with database.write() as tx:              # commits at the end, rolls back on any exception
        await lock_for_update(tx, SLIP, SLIP.c.participant_id, ids)
        await tx.execute(insert(SLIP), [dict, dict, ...])
        tx.emit(WageSlipReported(...))              # leaves with the commit, never without it

    async with database.read() as reading:          # one consistent snapshot, cannot write
        rows = await reading.rows(select(SLIP).where(among(SLIP.c.slip_key, keys)))

A database that is away, locked or asks for a retry raises `TryAgain`; broken rules of the schema raise
SQLAlchemy's IntegrityError. When the connection is lost during the commit nobody knows whether it held:
whoever repeats needs an idempotency key or the inbox.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any, Literal, TypeAlias, TypeVar

from sqlalchemy import ColumnElement, Connection, CursorResult, Row, Table, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql import Executable

from shared.clock import Clock, SystemClock
from shared.columns import among
from shared.contracts.events import Event
from shared.engines import Connecting, dialect_of, read_engine, translated, write_engine
from shared.errors import TryAgain
from shared.ids import Ids, RandomIds
from shared.plumbing import TABLES
from shared.sqlite_threads import SqliteConnection, SqliteThreads

__all__ = [
    "AnyRow",
    "Database",
    "Parameters",
    "ReadTx",
    "Tx",
    "among",
    "chunks",
    "insert_ignore",
    "lock_for_update",
    "upsert",
]

Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]
AnyRow: TypeAlias = Row[*tuple[Any, ...]]
Result = TypeVar("Result")
Item = TypeVar("Item")


class ReadTx:
    """Queries on one connection; rows come back as tuples with names, never as mapped objects."""

    def __init__(self, connection: AsyncConnection | SqliteConnection) -> None:
        self.connection = connection

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.connection.dialect.name

    async def rows(self, statement: Executable, parameters: Parameters | None = None) -> list[AnyRow]:
        """All rows of a query (or of a statement with RETURNING); none for an empty list of parameters."""
        if parameters is not None and not parameters:
            return []
        return await self._run(statement, parameters, lambda result: list(result.all()))

    async def one(self, statement: Executable) -> AnyRow:
        """The only row; raises SQLAlchemy's NoResultFound or MultipleResultsFound otherwise."""
        return await self._run(statement, None, lambda result: result.one())

    async def first(self, statement: Executable) -> AnyRow | None:
        """The first row, or None when there is none."""
        return await self._run(statement, None, lambda result: result.first())

    async def scalar(self, statement: Executable) -> Any:
        """The first column of the first row, or None when there is no row."""
        return await self._run(statement, None, lambda result: result.scalar())

    async def _run(
        self,
        statement: Executable,
        parameters: Parameters | None,
        take: Callable[[CursorResult[*tuple[Any, ...]]], Result],
    ) -> Result:
        """Execute, and take from the result what is wanted while its cursor is at hand."""

        def work(connection: Connection) -> Result:
            return take(connection.execute(statement, parameters))

        with translated(driver=True):
            return await self.connection.run_sync(work)


class Tx(ReadTx):
    """One open write transaction: its rows, its events and its time belong together."""

    def __init__(
        self, connection: AsyncConnection | SqliteConnection, *, now: datetime, ids: Ids, source: str
    ) -> None:
        super().__init__(connection)
        self.now = now
        """The recorded time of everything in this transaction, aware and in UTC."""
        self.ids = ids
        self._source = source
        self._events: list[Event] = []
        self._callbacks: list[Callable[[], None]] = []
        self.emitted = 0
        """How many events have been written to the outbox by `flush`."""

    def new_id(self) -> str:
        """A fresh id that sorts by time, for rows that are listed."""
        return self.ids.ordered(self.now)

    async def execute(self, statement: Executable, parameters: Parameters | None = None) -> int:
        """Run a statement, once or for each of a list of parameters (nothing for an empty list).

        Returns the number of rows it touched, -1 where the driver does not say (lists on PostgreSQL).
        """
        if parameters is not None and not parameters:
            return 0
        return await self._run(statement, parameters, _touched)

    def not_before(self, instant: datetime | None) -> None:
        """Let everything of this transaction be recorded no earlier than what it builds upon.

        A transaction knows its time before it gets its locks: without this, what it read under them could
        have been recorded after it, and who asks for the state at an instant in between would get one that
        never was.
        """
        if instant is not None:
            self.now = max(self.now, instant)

    def emit(self, *events: Event) -> None:
        """Tell facts to the other services: written in this order just before the commit, published after it.

        Lock the participant's row first (`lock_for_update`): that keeps the order per participant.
        """
        self._events.extend(events)

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Call something quick in this process once the transaction has been committed."""
        self._callbacks.append(callback)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """A part that can fail alone: an exception undoes its rows, its events and its callbacks."""
        events, callbacks = len(self._events), len(self._callbacks)
        try:
            with translated():
                async with self.connection.begin_nested():
                    yield
        except BaseException:
            del self._events[events:]
            del self._callbacks[callbacks:]
            raise

    async def flush(self) -> None:
        """Write the events to the outbox; done by itself before the commit."""
        if not self._events:
            return
        if not self._source:
            raise ValueError("a database whose transactions emit needs its service's CloudEvents source")
        from shared.outbox import outbox_row  # noqa: PLC0415 - outbox.py reads databases itself

        rows = [outbox_row(event, self.new_id(), self._source, self.now) for event in self._events]
        self._events.clear()
        self.emitted += len(rows)
        await self.execute(insert(TABLES.outbox), rows)

    def committed(self) -> None:
        """Run the callbacks; called by the database after the commit."""
        for callback in self._callbacks:
            callback()


class Database:
    """Opens transactions on one database; constructing it starts nothing.

    The url is `sqlite:///relative/or//absolute/path` or `postgresql://user:password@host:port/name`. SQLite
    has one writer at a time (BEGIN IMMEDIATE) and readers beside it. PostgreSQL writes under READ COMMITTED,
    so rows that are read to be changed are locked first, and reads under REPEATABLE READ, READ ONLY.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        source: str = "",
        clock: Clock | None = None,
        ids: Ids | None = None,
        pool_size: int = 8,
        pool_seconds: float = 10.0,
        statement_seconds: float = 30.0,
    ) -> None:
        self.url = url
        self.name = name
        self.source = source
        self.dialect: Literal["sqlite", "postgresql"] = dialect_of(url)
        self.clock: Clock = clock or SystemClock()
        self.ids: Ids = ids or RandomIds()
        self._connecting = Connecting(url, name, pool_size, pool_seconds, statement_seconds)
        self._writing: AsyncEngine | SqliteThreads | None = None
        self._reading: AsyncEngine | SqliteThreads | None = None
        self._turn = asyncio.Lock()
        self._writer: asyncio.Task[Any] | None = None
        self._on_emitted: list[Callable[[], None]] = []

    def on_emitted(self, callback: Callable[[], None]) -> None:
        """Call something quick after each commit that wrote events; the relay wakes by it."""
        self._on_emitted.append(callback)

    @asynccontextmanager
    async def write(self, now: datetime | None = None) -> AsyncIterator[Tx]:
        """A write transaction, recorded at `now` (default: the clock's). Raises TryAgain; see the module."""
        async with AsyncExitStack() as stack:
            if self.dialect == "sqlite":
                await stack.enter_async_context(self._alone())
            if self._writing is None:
                self._writing = write_engine(self._connecting)
            with translated():
                async with _transaction(self._writing) as connection:
                    tx = Tx(connection, now=now or self.clock.now(), ids=self.ids, source=self.source)
                    yield tx
                    await tx.flush()
        tx.committed()
        if tx.emitted:
            for callback in self._on_emitted:
                callback()

    @asynccontextmanager
    async def read(self, *, aside: bool = False) -> AsyncIterator[ReadTx]:
        """A consistent snapshot to read from; every attempt to write fails. Raises TryAgain.

        `aside` is for queries that go through whole tables: on SQLite they run beside the event loop.
        """
        if self._reading is None:
            # PostgreSQL shares one pool; SQLite's writer connection belongs to the writer.
            if self.dialect == "postgresql" and self._writing is None:
                self._writing = write_engine(self._connecting)
            self._reading = read_engine(self._connecting, self._writing)
        with translated():
            async with _transaction(self._reading, aside=aside) as connection:
                yield ReadTx(connection)

    async def retrying(self, work: Callable[[Tx], Awaitable[Result]], *, attempts: int = 5) -> Result:
        """Do work in a write transaction and do it again after a deadlock or a lost connection.

        The work must be such that doing it again does no harm (see the module about lost commits).
        """
        for attempt in range(1, attempts):
            try:
                async with self.write() as tx:
                    return await work(tx)
            except TryAgain:
                await asyncio.sleep(0.02 * 2**attempt)
        async with self.write() as tx:
            return await work(tx)

    async def healthy(self) -> bool:
        """Whether the database answers now."""
        try:
            async with asyncio.timeout(5), self.read() as reading:
                return bool(await reading.scalar(select(func.abs(1))))
        except (TryAgain, TimeoutError):
            return False

    async def scrub(self, table: str) -> None:
        """Make deleted or overwritten content of a table leave the files, as far as the database can.

        SQLite: overwritten at once (secure_delete), and the journal is emptied here. PostgreSQL: VACUUM,
        which only the table's owner may do; its write-ahead log lives on until it is recycled.
        """
        if self._writing is None:
            self._writing = write_engine(self._connecting)
        if isinstance(self._writing, SqliteThreads):
            async with self._alone():
                with translated():
                    await self._writing.outside(_empty_journal)
            return
        engine = self._writing.execution_options(isolation_level="AUTOCOMMIT")
        async with _connection(engine) as connection:
            with translated():
                name = connection.dialect.identifier_preparer.quote(table)
                await connection.exec_driver_sql(f"VACUUM {name}")

    async def close(self) -> None:
        """Close every connection; a later transaction opens new ones."""
        engines = {id(engine): engine for engine in (self._reading, self._writing) if engine is not None}
        self._reading = self._writing = None
        for engine in engines.values():
            await engine.dispose()

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        task = asyncio.current_task()
        if self._writer is not None and self._writer is task:
            raise RuntimeError("a write transaction is open in this task already: pass its tx on")
        async with self._turn:
            self._writer = task
            try:
                yield
            finally:
                self._writer = None


@asynccontextmanager
async def _transaction(
    engine: AsyncEngine | SqliteThreads, *, aside: bool = False
) -> AsyncIterator[AsyncConnection | SqliteConnection]:
    """A transaction that commits at the end and rolls back on any exception."""
    if isinstance(engine, SqliteThreads):
        async with engine.transaction(aside=aside) as threaded:
            yield threaded
        return
    async with _connection(engine) as connection, connection.begin():
        yield connection


def _touched(result: CursorResult[*tuple[Any, ...]]) -> int:
    return result.rowcount if isinstance(result, CursorResult) else -1


def _empty_journal(connection: Connection) -> None:
    connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


@asynccontextmanager
async def _connection(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    connection = engine.connect()
    with translated(driver=True):
        await connection.start()
    try:
        yield connection
    finally:
        # A second cancellation may not leave the connection outside the pool.
        await asyncio.shield(connection.close())


async def lock_for_update(
    tx: Tx, table: Table, column: ColumnElement[Any], values: Collection[str | int]
) -> set[Any]:
    """Lock the rows whose column has one of the values until the commit, in sorted order against deadlocks.

    Returns the values that exist. A value that does not exist locks nothing: insert its row first
    (`insert_ignore`), or two first writers both pass. SQLite has one writer at a time and locks nothing more.
    """
    if not values:
        return set()
    found = select(column).select_from(table).where(among(column, sorted(set(values), key=str)))
    return {row[0] for row in await tx.rows(found.order_by(column).with_for_update())}


def insert_ignore(tx: ReadTx, table: Table, index: Sequence[str] = ()) -> Any:
    """An INSERT that skips rows whose key (`index`, default any unique key) is there already.

    With `.returning(...)` and `tx.rows(statement, [dicts])` it gives back only the rows that were new. Not
    for append-only tables: on SQLite their trigger refuses a known key loudly.
    """
    return _insert(tx, table).on_conflict_do_nothing(index_elements=list(index) or None)


def upsert(
    tx: ReadTx,
    table: Table,
    index: Sequence[str],
    set_: Sequence[str],
    where: Callable[[Any], ColumnElement[bool]] | None = None,
) -> Any:
    """An INSERT that overwrites the columns `set_` of a row whose key `index` is there already.

    `where` gets the new row and may hold the change back: `lambda new: table.c.version < new.version`. A list
    of rows must not hold the same key twice.
    """
    statement = _insert(tx, table)
    return statement.on_conflict_do_update(
        index_elements=list(index),
        set_={column: statement.excluded[column] for column in set_},
        where=where(statement.excluded) if where else None,
    )


def _insert(tx: ReadTx, table: Table) -> Any:
    return postgresql.insert(table) if tx.dialect == "postgresql" else sqlite.insert(table)


def chunks(items: Sequence[Item], size: int = 500) -> list[Sequence[Item]]:
    """A sequence in pieces of at most `size`; for lists of keys in a query use `among` instead."""
    return [items[start : start + size] for start in range(0, len(items), size)]
