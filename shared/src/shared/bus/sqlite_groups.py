"""Who reads what in the embedded log: members, generations, leases and committed offsets, in one file.

It behaves as a Kafka group coordinator does, for processes that share a folder. Each change of membership
counts the group's generation up and divides the partitions anew. Nobody reads in a new generation before
every member has adopted it, so two members never hold one partition; a member that does not renew its lease,
or whose process is gone, is expelled, and its commits are refused from then on.
"""

import fcntl
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from shared.bus.port import Fenced, Position
from shared.bus.sqlite_topic import open_file

_SCHEMA = """
CREATE TABLE IF NOT EXISTS generation (grp TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS member (
    grp TEXT NOT NULL, id TEXT NOT NULL, instance TEXT NOT NULL, topics TEXT NOT NULL,
    lease_until REAL NOT NULL, adopted INTEGER NOT NULL, PRIMARY KEY (grp, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owner (
    grp TEXT NOT NULL, topic TEXT NOT NULL, part INTEGER NOT NULL, member TEXT NOT NULL,
    PRIMARY KEY (grp, topic, part)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS committed (
    grp TEXT NOT NULL, topic TEXT NOT NULL, part INTEGER NOT NULL, next_off INTEGER NOT NULL,
    PRIMARY KEY (grp, topic, part)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Share:
    """What a member may read in a generation: each position with the offset to start from."""

    generation: int
    settled: bool
    """Whether every member has adopted the generation; before that nothing may be read."""
    offsets: Mapping[Position, int]


class GroupFile:
    """Membership and offsets of all groups. Blocking: call it from one thread."""

    def __init__(self, folder: Path, wall: Callable[[], float]) -> None:
        self._folder = folder
        self._wall = wall
        self._connection: sqlite3.Connection | None = None
        self._lock: int | None = None
        self.instance = uuid4().hex

    def open(self) -> None:
        """Open the file and show that this process lives, by a lock that the kernel drops when it dies."""
        self._connection = open_file(self._folder / "groups.db")
        with self._writing():
            for statement in _SCHEMA.split(";"):
                self._db.execute(statement)
        (self._folder / "alive").mkdir(exist_ok=True)
        self._lock = os.open(self._alive(self.instance), os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._lock is not None:
            self._alive(self.instance).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def join(self, group: str, topics: Mapping[str, int], lease_seconds: float) -> str:
        """Become a member for these topics (each with its partitions); returns the member's id."""
        member = uuid4().hex
        with self._writing() as db:
            self._expel_dead(group)
            db.execute(
                "INSERT INTO member VALUES (?, ?, ?, ?, ?, -1)",
                (group, member, self.instance, json.dumps(topics), self._wall() + lease_seconds),
            )
            self._divide(group)
        return member

    def leave(self, group: str, member: str) -> None:
        with self._writing() as db:
            if db.execute("DELETE FROM member WHERE grp = ? AND id = ?", (group, member)).rowcount:
                self._divide(group)

    def renew(self, group: str, member: str, lease_seconds: float) -> None:
        """Keep the membership alive; raises Fenced when it was ended."""
        with self._writing() as db:
            renewed = db.execute(
                "UPDATE member SET lease_until = ? WHERE grp = ? AND id = ?",
                (self._wall() + lease_seconds, group, member),
            ).rowcount
        if not renewed:
            raise Fenced(f"the group {group} has expelled this member")

    def look(self, group: str, member: str, known: Share | None) -> Share | None:
        """The member's share when it differs from the one it knows, else None.

        Adopts a new generation for the member: from here on its old partitions are free for others.
        Raises Fenced when the membership was ended.
        """
        rows = self._members(group)
        if any(self._is_dead(row) for row in rows if row["id"] != member):
            with self._writing():
                self._expel_dead(group, but=member)
            rows = self._members(group)
        if all(row["id"] != member for row in rows):
            raise Fenced(f"the group {group} has expelled this member")
        if known is not None and known.settled and known.generation == self._generation(group):
            return None
        with self._writing() as db:
            generation = self._generation(group)
            db.execute("UPDATE member SET adopted = ? WHERE grp = ? AND id = ?", (generation, group, member))
            waiting = db.execute(
                "SELECT count(*) FROM member WHERE grp = ? AND adopted <> ?", (group, generation)
            ).fetchone()[0]
            offsets = db.execute(
                "SELECT o.topic, o.part, ifnull(c.next_off, 0) FROM owner o LEFT JOIN committed c"
                " ON c.grp = o.grp AND c.topic = o.topic AND c.part = o.part"
                " WHERE o.grp = ? AND o.member = ?",
                (group, member),
            ).fetchall()
        share = Share(generation, waiting == 0, {(topic, part): offset for topic, part, offset in offsets})
        return None if share == known else share

    def commit(self, group: str, member: str, next_offsets: Mapping[Position, int]) -> None:
        """Keep offsets of partitions that the member holds; raises Fenced when its membership was ended."""
        with self._writing() as db:
            if (
                db.execute("SELECT 1 FROM member WHERE grp = ? AND id = ?", (group, member)).fetchone()
                is None
            ):
                raise Fenced(f"the group {group} has expelled this member")
            db.executemany(
                "INSERT INTO committed VALUES (?, ?, ?, ?)"
                " ON CONFLICT (grp, topic, part) DO UPDATE SET next_off = excluded.next_off",
                [(group, topic, part, offset) for (topic, part), offset in next_offsets.items()],
            )

    def committed(self, group: str, topics: Sequence[str]) -> dict[Position, int]:
        rows = self._db.execute("SELECT topic, part, next_off FROM committed WHERE grp = ?", (group,))
        return {(topic, part): offset for topic, part, offset in rows if topic in topics}

    def least_committed(self, topic: str, partitions: int) -> list[int | None]:
        """The lowest offset any group that has read the topic still needs, by partition; None without one."""
        groups = [
            row[0] for row in self._db.execute("SELECT DISTINCT grp FROM owner WHERE topic = ?", (topic,))
        ]
        needed: list[int | None] = []
        for part in range(partitions):
            offsets = [self.committed(group, [topic]).get((topic, part), 0) for group in groups]
            needed.append(min(offsets, default=None))
        return needed

    # --- inside a transaction ---

    def _divide(self, group: str) -> None:
        """Count the generation up and share every topic's partitions over its members.

        The same number of each topic goes to the same member, so one member sees all of a participant.
        """
        db = self._db
        db.execute(
            "INSERT INTO generation VALUES (?, 1) ON CONFLICT (grp) DO UPDATE SET number = number + 1",
            (group,),
        )
        members = self._members(group)
        partitions: dict[str, int] = {}
        readers: dict[str, list[str]] = {}
        for row in members:
            for topic, count in json.loads(row["topics"]).items():
                partitions[topic] = count
                readers.setdefault(topic, []).append(row["id"])
        if not members:
            return
        for topic, count in partitions.items():
            names = readers[topic]
            db.executemany(
                "INSERT INTO owner VALUES (?, ?, ?, ?)"
                " ON CONFLICT (grp, topic, part) DO UPDATE SET member = excluded.member",
                [(group, topic, part, names[part % len(names)]) for part in range(count)],
            )

    def _expel_dead(self, group: str, but: str = "") -> None:
        dead = [row["id"] for row in self._members(group) if row["id"] != but and self._is_dead(row)]
        for member in dead:
            self._db.execute("DELETE FROM member WHERE grp = ? AND id = ?", (group, member))
        if dead:
            self._divide(group)

    # --- reading ---

    def _members(self, group: str) -> list[sqlite3.Row]:
        cursor = self._db.cursor()
        cursor.row_factory = sqlite3.Row
        return cursor.execute(
            "SELECT id, instance, topics, lease_until, adopted FROM member WHERE grp = ? ORDER BY id",
            (group,),
        ).fetchall()

    def _generation(self, group: str) -> int:
        row = self._db.execute("SELECT number FROM generation WHERE grp = ?", (group,)).fetchone()
        return 0 if row is None else int(row[0])

    def _is_dead(self, row: sqlite3.Row) -> bool:
        return row["lease_until"] < self._wall() or not self._lives(row["instance"])

    def _lives(self, instance: str) -> bool:
        """Whether an instance's process still holds its lock; spares a restart the wait for the lease."""
        if instance == self.instance:
            return True
        try:
            descriptor = os.open(self._alive(instance), os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            self._alive(instance).unlink(missing_ok=True)
            return False
        finally:
            os.close(descriptor)

    def _alive(self, instance: str) -> Path:
        return self._folder / "alive" / f"{instance}.lock"

    @property
    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            raise sqlite3.OperationalError("the log is closed")
        return self._connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")
