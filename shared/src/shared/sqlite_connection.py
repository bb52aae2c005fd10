"""SQLite connections for SQLAlchemy: short work is done where it stands, long work in a thread.

aiosqlite hands everything to a thread, four questions for each statement (cursor, execute, fetch, close), and
waking a thread and being woken by it takes many times as long as most statements do. Here

- BEGIN, savepoints, SELECT and INSERT of a few rows are done at once, in the event loop;
- a SELECT that turns out to be long is broken off after some milliseconds and done anew in the thread, and
  what finds the database locked by another process waits for it there;
- all else takes one trip to the thread: COMMIT, which waits for the disk, UPDATE and DELETE, which may touch
  any number of rows, long lists, PRAGMA, DDL.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Self

import aiosqlite

LONG_OPERATIONS: Final = 200_000
"""Steps of SQLite's machine after which a SELECT is long: about ten milliseconds."""
FEW_ROWS: Final = 50
"""Rows of one INSERT that are written in the event loop; more go to the thread."""
TURN_SECONDS: Final = 0.005
"""How long short statements may follow one another before other tasks get a turn."""

_AT_ONCE: Final = ("BEGIN", "SELECT", "SAVEPOINT", "RELEASE", "ROLLBACK TO")
_AGAIN_IN_THREAD: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_INTERRUPT})


class SqliteConnection(aiosqlite.Connection):
    """One connection; hand the class to SQLAlchemy as `async_creator_fn`. `timeout`: seconds for a lock."""

    def __init__(self, *arguments: Any, timeout: float, **options: Any) -> None:
        super().__init__(lambda: self._opened(*arguments, **options), FEW_ROWS)
        # The process must be able to end though a connection was never closed.
        self._thread.daemon = True
        self._patience = f"PRAGMA busy_timeout={int(timeout * 1000)}"
        self._impatient = False
        self._asked = 0
        self._answered = 0
        self._turn_seconds = 0.0
        self._writing = False

    def _opened(self, *arguments: Any, **options: Any) -> sqlite3.Connection:
        # Two threads use it, never at once; nothing waits for a lock unless it says so.
        connection = sqlite3.connect(*arguments, **{**options, "timeout": 0, "check_same_thread": False})
        connection.set_progress_handler(lambda: self._impatient, LONG_OPERATIONS)
        return connection

    def cursor(self) -> "SqliteCursor":  # type: ignore[override]  # made without asking the thread
        return SqliteCursor(self)

    async def commit(self) -> None:
        """Commit; in the thread when there is something to sync to disk."""
        if self._writing or self._busy:
            await self._in_thread(self._conn.commit)
        else:
            self._conn.commit()

    async def rollback(self) -> None:
        """Roll back what is open. The pool asks it of each connection it takes back, mostly after a commit."""
        if self._busy:
            # A statement whose caller was cancelled is still at work: the rollback stands behind it.
            await self._in_thread(self._conn.rollback)
        elif self.in_transaction:
            self._conn.rollback()

    async def result_of(self, statement: str, parameters: Any) -> "Result":
        """What a statement gives, all of it. Raises sqlite3's errors."""
        if statement.startswith("BEGIN"):
            self._writing = statement != "BEGIN"
        insertion = statement.startswith("INSERT") and "SELECT" not in statement
        if (insertion or statement.startswith(_AT_ONCE)) and not self._busy:
            try:
                return await self._at_once(lambda: self._result(statement, parameters))
            except sqlite3.OperationalError as error:
                if insertion or error.sqlite_errorcode & 0xFF not in _AGAIN_IN_THREAD:
                    raise
        return await self._in_thread(lambda: self._result(statement, parameters))

    async def result_of_many(self, statement: str, parameters: Sequence[Any]) -> "Result":
        """What a statement gives that is executed once for each of the parameters."""
        few = len(parameters) <= FEW_ROWS and "SELECT" not in statement
        if few and statement.startswith("INSERT") and not self._busy:
            return await self._at_once(lambda: Result(self._conn.executemany(statement, parameters)))
        return await self._in_thread(lambda: Result(self._conn.executemany(statement, parameters)))

    def _result(self, statement: str, parameters: Any) -> "Result":
        return Result(self._conn.execute(statement, parameters))

    @property
    def _busy(self) -> bool:
        """Whether the thread has work: then all that follows stands behind it."""
        return self._asked != self._answered

    async def _at_once(self, work: Callable[[], "Result"]) -> "Result":
        if self._turn_seconds > TURN_SECONDS:
            self._turn_seconds = 0.0
            await asyncio.sleep(0)
        began = time.perf_counter()
        self._impatient = True
        try:
            return work()
        finally:
            self._impatient = False
            self._turn_seconds += time.perf_counter() - began

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        def patiently() -> Any:
            try:
                self._conn.execute(self._patience)
                return work()
            finally:
                self._conn.execute("PRAGMA busy_timeout=0")
                self._answered += 1  # by the thread alone, as `_asked` is by the event loop

        self._turn_seconds = 0.0
        self._asked += 1
        return await self._execute(patiently)  # type: ignore[no-untyped-call]


class Result:
    """What a statement gave, read to the end."""

    __slots__ = ("description", "lastrowid", "rowcount", "rows")

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        try:
            self.description = cursor.description
            self.rows: list[Any] = cursor.fetchall() if cursor.description else []
            self.rowcount = cursor.rowcount
            self.lastrowid = cursor.lastrowid
        finally:
            cursor.close()


class SqliteCursor:
    """What SQLAlchemy asks of a cursor."""

    arraysize = 1

    def __init__(self, connection: SqliteConnection) -> None:
        self._connection = connection
        self._result: Result | None = None

    async def __aenter__(self) -> Self:
        return self

    @property
    def description(self) -> Any:
        return self._result.description if self._result else None

    @property
    def rowcount(self) -> int:
        return self._result.rowcount if self._result else -1

    @property
    def lastrowid(self) -> int | None:
        return self._result.lastrowid if self._result else None

    async def execute(self, statement: str, parameters: Any = ()) -> Self:
        self._result = None
        self._result = await self._connection.result_of(statement, parameters)
        return self

    async def executemany(self, statement: str, parameters: Any) -> Self:
        self._result = None
        self._result = await self._connection.result_of_many(statement, parameters)
        return self

    async def fetchall(self) -> Sequence[Any]:
        """Every row; none when asked again."""
        if self._result is None:
            return ()
        rows, self._result.rows = self._result.rows, []
        return rows

    async def close(self) -> None:
        """Let go of the rows; row count and last id can still be asked."""
        await self.fetchall()
