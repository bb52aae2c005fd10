"""Connections to SQLite and PostgreSQL: settings per connection, and which errors pass by themselves."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool

from shared.errors import TryAgain
from shared.sqlite_threads import SqliteThreads

BUSY_SECONDS = 15.0
CONNECT_SECONDS = 5.0
LOCK_SECONDS = 10.0
SQLITE_READERS = 4

# PostgreSQL: connection lost, restart, out of resources, deadlock, serialization, lock or statement timeout,
# read-only (a standby just after a failover).
_TRANSIENT_STATES = ("08", "53", "57P", "40001", "40P01", "55P03", "57014", "25006")
# SQLite result codes: busy, locked, interrupted, input/output error, disk full, cannot open, lock protocol.
_TRANSIENT_CODES = frozenset({5, 6, 9, 10, 13, 14, 15})


@dataclass(frozen=True, slots=True)
class Connecting:
    """How to reach one database."""

    url: str
    name: str
    pool_size: int
    pool_seconds: float
    statement_seconds: float


def dialect_of(url: str) -> Literal["sqlite", "postgresql"]:
    """Which database an url names; anything else is refused by name, without showing the url's password."""
    scheme = url.partition(":")[0]
    if scheme == "sqlite":
        return "sqlite"
    if scheme == "postgresql":
        return "postgresql"
    raise ValueError(f"a database url starts with sqlite:/// or postgresql://, not with {scheme}:")


def sqlite_path(url: str) -> Path:
    """The file of a SQLite url."""
    path = make_url(url).database
    if not path or path == ":memory:":
        raise ValueError("a SQLite url names a file: sqlite:///var/data/service.db")
    return Path(path)


def write_engine(connecting: Connecting) -> AsyncEngine | SqliteThreads:
    """Connections for write transactions: exactly one on SQLite, a pool on PostgreSQL."""
    if dialect_of(connecting.url) == "sqlite":
        return _sqlite(connecting, size=1, begin="BEGIN IMMEDIATE", read_only=False)
    return _postgresql(connecting)


def read_engine(
    connecting: Connecting, writing: AsyncEngine | SqliteThreads | None
) -> AsyncEngine | SqliteThreads:
    """Connections for reading only: readers of their own on SQLite, the same pool on PostgreSQL."""
    if dialect_of(connecting.url) == "sqlite":
        return _sqlite(connecting, size=SQLITE_READERS, begin="BEGIN", read_only=True)
    engine = writing if isinstance(writing, AsyncEngine) else _postgresql(connecting)
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


@contextmanager
def translated(*, driver: bool = False) -> Iterator[None]:
    """Raise TryAgain for an error after which the same work may well succeed a little later.

    `driver` says that nothing but the driver runs inside, so that time-outs and network errors are its own.
    """
    try:
        yield
    except Exception as error:
        reason = _passing(error, driver)
        if reason is None:
            raise
        raise TryAgain(reason) from error


def _passing(error: Exception, driver: bool) -> str | None:
    if isinstance(error, PoolTimeout):
        return "every connection to the database is in use; the work is done again shortly"
    cause: Any = error.orig if isinstance(error, DBAPIError) else error
    state, code = getattr(cause, "sqlstate", None), getattr(cause, "sqlite_errorcode", None)
    if isinstance(error, DBAPIError):
        lost = error.connection_invalidated or isinstance(cause.__cause__, OSError) or _closed(str(cause))
        if lost or _is_passing_state(state) or (isinstance(code, int) and code & 0xFF in _TRANSIENT_CODES):
            return f"the database is away or busy ({state or type(cause).__name__})"
    elif driver and (isinstance(error, OSError) or _is_passing_state(state)):
        return f"the database cannot be reached ({state or type(error).__name__})"
    return None


def _is_passing_state(state: object) -> bool:
    return isinstance(state, str) and state.startswith(_TRANSIENT_STATES)


def _closed(message: str) -> bool:
    return "connection is closed" in message or "connection was closed" in message


def _sqlite(connecting: Connecting, *, size: int, begin: str, read_only: bool) -> SqliteThreads:
    path = sqlite_path(connecting.url)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # The journal files take over the permissions of the database file: its owner's only. A file that is there
    # may not even be opened and closed: that would drop every lock this process has on it (POSIX), and the
    # next program that closes the database would take the log away from under us.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={
            "timeout": min(BUSY_SECONDS, connecting.statement_seconds),
            "isolation_level": None,  # we say BEGIN ourselves
            "check_same_thread": False,  # one thread at a time: SqliteThreads sees to it
        },
        hide_parameters=True,  # parameters hold personal data, error messages end up in logs
        poolclass=QueuePool,
        pool_size=size,
        max_overflow=0,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        for pragma in _pragmas(read_only):
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine, "begin")
    def say_begin(connection: Connection) -> None:
        if not connection.get_execution_options().get("bare"):
            connection.exec_driver_sql(begin)

    return SqliteThreads(engine, name=f"sqlite {connecting.name}", size=size, writes=not read_only)


def _pragmas(read_only: bool) -> list[str]:
    pragmas = [
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "PRAGMA foreign_keys=ON",
        "PRAGMA recursive_triggers=ON",  # or INSERT OR REPLACE walks past the append-only triggers
        "PRAGMA secure_delete=ON",
        "PRAGMA trusted_schema=OFF",
        "PRAGMA cache_size=-16000",
    ]
    return [*pragmas, "PRAGMA query_only=ON"] if read_only else pragmas


def _postgresql(connecting: Connecting) -> AsyncEngine:
    milliseconds = int(connecting.statement_seconds * 1000)
    return create_async_engine(
        make_url(connecting.url).set(drivername="postgresql+asyncpg"),
        pool_size=connecting.pool_size,
        max_overflow=0,
        pool_timeout=connecting.pool_seconds,
        pool_pre_ping=True,  # survives a restarted server
        hide_parameters=True,  # parameters hold personal data, error messages end up in logs
        connect_args={
            "timeout": CONNECT_SECONDS,
            # A dead network gives no answer at all; the server's own limit comes first otherwise.
            "command_timeout": connecting.statement_seconds + 10,
            "server_settings": {
                "application_name": f"bufferbudget {connecting.name}",
                "timezone": "UTC",
                "statement_timeout": str(milliseconds),
                "lock_timeout": str(min(milliseconds, int(LOCK_SECONDS * 1000))),
                "idle_in_transaction_session_timeout": str(max(60_000, 2 * milliseconds)),
            },
        },
    )
