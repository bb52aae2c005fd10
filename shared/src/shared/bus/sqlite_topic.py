"""One topic of the embedded log: a SQLite file with a table per partition.

`page_size` is set before WAL, commits are synced (`synchronous=FULL`), so an append that has returned
survives kill -9 and a power cut. Appends happen in the writer's thread, reads in the reader's; each has its
connection.
"""

import json
import os
import re
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from shared.bus.placement import partition_of
from shared.bus.port import BusUnavailable, Message, Received

PAGE_SIZE = 8192
BUSY_SECONDS = 5.0
_TRIM_ROWS = 5_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


def open_file(path: Path) -> sqlite3.Connection:
    """Open a file of the log with its durability settings; may be used by one thread at a time."""
    # Made for its owner alone; its journal takes that over. A file that is there is not touched: to open and
    # close it beside SQLite would drop every lock this process has on it (POSIX).
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute(f"PRAGMA page_size={PAGE_SIZE}")
            # Switching a new file to WAL does not wait for another process that does so at the same time.
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA secure_delete=ON")
            return connection
        except sqlite3.Error as error:
            connection.close()
            if not isinstance(error, sqlite3.OperationalError) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


class TopicFile:
    """Appends to and reads from one topic. Blocking: call it from a thread."""

    def __init__(self, folder: Path, topic: str) -> None:
        if not _NAME.fullmatch(topic):
            raise ValueError("a topic is named in letters, digits, dots, hyphens and underscores")
        self.topic = topic
        self._path = folder / f"{topic}.db"
        self._writing: sqlite3.Connection | None = None
        self._reading: sqlite3.Connection | None = None
        self.partitions = 0

    def open(self, create_with: int | None = None) -> None:
        """Open the file; make it with so many partitions when it does not exist. Raises BusUnavailable."""
        if create_with is None and not self._path.exists():
            raise BusUnavailable(f"the topic {self.topic} does not exist: use ensure_topics first")
        self._writing = open_file(self._path)
        try:
            self.partitions = self._made(self._writing, create_with)
            self._reading = open_file(self._path)
        except BaseException:
            self.close_reading()
            self.close_writing()
            raise

    def _made(self, writing: sqlite3.Connection, create_with: int | None) -> int:
        """The number of partitions, which the file carries as its user_version; 0 in a file just begun."""
        writing.execute("BEGIN IMMEDIATE")
        found = int(writing.execute("PRAGMA user_version").fetchone()[0])
        if found == 0:
            if create_with is None:
                raise BusUnavailable(f"the topic {self.topic} is not made yet: use ensure_topics first")
            for number in range(create_with):
                writing.execute(
                    f"CREATE TABLE p{number} (off INTEGER PRIMARY KEY, at INTEGER NOT NULL,"
                    " key TEXT NOT NULL, value BLOB NOT NULL, headers TEXT NOT NULL)"
                )
            writing.execute(f"PRAGMA user_version={create_with:d}")
            found = create_with
        writing.execute("COMMIT")
        return found

    def close_reading(self) -> None:
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    def close_writing(self) -> None:
        if self._writing is not None:
            self._writing.close()
            self._writing = None

    # --- the writer's thread ---

    def append(self, messages: Iterable[Message], at: datetime) -> None:
        """Append in one synced commit, in order; `at` is the instant of publishing."""
        writing = _opened(self._writing)
        stamp = int(at.timestamp() * 1_000_000)
        rows: dict[int, list[tuple[int, str, bytes, str]]] = {}
        for message in messages:
            place = partition_of(message.key, self.partitions)
            headers = json.dumps([(name, value.decode("latin-1")) for name, value in message.headers])
            rows.setdefault(place, []).append((stamp, message.key, message.value, headers))
        writing.execute("BEGIN IMMEDIATE")
        try:
            for place, values in rows.items():
                # Asked within the transaction, because another process may have appended since.
                first = writing.execute(f"SELECT ifnull(max(off) + 1, 0) FROM p{place}").fetchone()[0]
                writing.executemany(
                    f"INSERT INTO p{place} VALUES (?, ?, ?, ?, ?)",
                    ((first + index, *value) for index, value in enumerate(values)),
                )
            writing.execute("COMMIT")
        except BaseException:
            if writing.in_transaction:
                writing.execute("ROLLBACK")
            raise

    def trim(self, before: datetime, keep_from: Sequence[int | None]) -> int:
        """Delete what was published before an instant and lies below `keep_from` of its partition.

        None in `keep_from` sets no limit. The last row always stays, so that offsets never start again.
        Returns how many rows went.
        """
        writing = _opened(self._writing)
        stamp = int(before.timestamp() * 1_000_000)
        removed = 0
        for place in range(self.partitions):
            limit = keep_from[place]
            while True:
                gone = writing.execute(
                    f"DELETE FROM p{place} WHERE off IN (SELECT off FROM p{place} WHERE at < ?"
                    f" AND off < (SELECT max(off) FROM p{place}) AND (? IS NULL OR off < ?)"
                    " ORDER BY off LIMIT ?)",
                    (stamp, limit, limit, _TRIM_ROWS),
                ).rowcount
                removed += gone
                if gone < _TRIM_ROWS:
                    break
        return removed

    # --- the reader's thread ---

    def version(self) -> int:
        """A number that changes whenever anybody commits to the file."""
        return int(_opened(self._reading).execute("PRAGMA data_version").fetchone()[0])

    def read(self, partition: int, offset: int, limit: int) -> list[Received]:
        """Up to `limit` messages of a partition from an offset on, in order."""
        rows = _opened(self._reading).execute(
            f"SELECT off, key, value, headers FROM p{partition} WHERE off >= ? ORDER BY off LIMIT ?",
            (offset, limit),
        )
        topic = self.topic
        return [
            Received(Message(topic, key, value, _headers(headers)), partition, off)
            for off, key, value, headers in rows
        ]

    def waiting(self, partition: int, offset: int) -> tuple[int, datetime | None]:
        """How many messages lie at or after an offset, and when the oldest of them was published."""
        reading = _opened(self._reading)
        oldest = reading.execute(
            f"SELECT off, at FROM p{partition} WHERE off >= ? ORDER BY off LIMIT 1", (offset,)
        ).fetchone()
        if oldest is None:
            return 0, None
        last = reading.execute(f"SELECT max(off) FROM p{partition}").fetchone()[0]
        return last - oldest[0] + 1, datetime.fromtimestamp(oldest[1] / 1_000_000, UTC)


def _headers(text: str) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, value.encode("latin-1")) for name, value in json.loads(text))


def _opened(connection: sqlite3.Connection | None) -> sqlite3.Connection:
    if connection is None:
        raise BusUnavailable("the log is closed")
    return connection
