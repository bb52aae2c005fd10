"""Somebody else opens the database while a service runs: a backup, an auditor's query, a curious engineer.

A SQLite client that believes to be the last one takes the write-ahead log away when it closes. It may believe
so only when this process holds no lock, so nothing here may ever drop its locks.
"""

import subprocess
import sys
from pathlib import Path

from sqlalchemy import text

from shared.database import Database

OUTSIDE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
print(connection.execute("SELECT count(*) FROM fact").fetchone()[0])
"""


def _look_from_outside(path: Path) -> int:
    done = subprocess.run(
        [sys.executable, "-c", OUTSIDE, str(path)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


async def test_what_is_committed_after_an_outside_reader_left_is_still_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "service.db"
    database = Database(f"sqlite:///{path}", name="service")
    async with database.write() as tx:
        await tx.execute(text("CREATE TABLE fact (number INTEGER)"))
    async with database.read() as reading:
        assert await reading.scalar(text("SELECT count(*) FROM fact")) == 0
    for number in range(3):
        async with database.write() as tx:
            await tx.execute(text("INSERT INTO fact VALUES (:number)"), [{"number": number}])
        assert _look_from_outside(path) == number + 1
        assert (tmp_path / "service.db-wal").exists()
    second = Database(f"sqlite:///{path}", name="second")
    async with second.read() as reading:
        assert await reading.scalar(text("SELECT count(*) FROM fact")) == 3
    await second.close()
    async with database.write() as tx:
        await tx.execute(text("INSERT INTO fact VALUES (99)"))
    assert _look_from_outside(path) == 4
    await database.close()
