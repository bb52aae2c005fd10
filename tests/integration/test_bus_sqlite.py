"""The embedded log does all that a bus does, survives kill -9 and is shared by processes."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.bus.port import BusUnavailable, Message
from shared.bus.sqlite_log import SqliteLog
from shared.bus.sqlite_topic import PAGE_SIZE
from shared.clock import FixedClock, SystemClock
from tests.integration.bus_conformance import (
    PARTITIONS,
    TOPIC,
    BusConformance,
    BusUnderTest,
    message,
    next_offsets,
    sequence,
    take,
    values,
    values_of,
)


class TestSqliteLog(BusConformance):
    @pytest.fixture
    def place(self, tmp_path: Path) -> BusUnderTest:
        def connect(max_poll_seconds: float) -> SqliteLog:
            return SqliteLog(
                tmp_path / "log", SystemClock(), session_seconds=1.5, max_poll_seconds=max_poll_seconds
            )

        return BusUnderTest(connect)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "log"


def run(folder: Path, body: str) -> subprocess.Popen[str]:
    """Another process with the log of this folder open as `log`."""
    lines = textwrap.indent(textwrap.dedent(body), "    ")
    program = (
        "import asyncio, pathlib, sys\n"
        "from shared.bus.sqlite_log import SqliteLog\n"
        "from shared.clock import SystemClock\n"
        "from tests.integration.bus_conformance import *\n"
        "async def main():\n"
        f"    log = SqliteLog(pathlib.Path({str(folder)!r}), SystemClock())\n"
        "    await log.start()\n"
        "    await log.ensure_topics({TOPIC: PARTITIONS})\n"
        f"{lines}\n"
        "asyncio.run(main())\n"
    )
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


async def test_kill_9_of_a_writer_loses_no_acknowledged_message(folder: Path) -> None:
    for _ in range(3):
        with run(
            folder,
            """
            for number in range(1_000_000):
                await log.publish([message(f"key-{key}", number) for key in range(5)])
                print(number, flush=True)
            """,
        ) as writer:
            assert writer.stdout is not None
            acknowledged = [int(writer.stdout.readline()) for _ in range(50)][-1]
            writer.send_signal(signal.SIGKILL)
            acknowledged = max([acknowledged, *(int(line) for line in writer.stdout.read().split())])
        log = SqliteLog(folder, SystemClock())
        await log.start()
        async with log.subscribe("group", [TOPIC]) as member:
            received = await take(member, 5 * (acknowledged + 1))
            await member.commit(next_offsets(received))
        await log.stop()
        numbers = {(one.message.key, int(one.message.value)) for one in received}
        assert {(f"key-{key}", number) for key in range(5) for number in range(acknowledged + 1)} <= numbers


async def test_a_member_whose_process_was_killed_is_replaced_without_waiting_for_its_lease(
    folder: Path,
) -> None:
    with run(
        folder,
        """
        async with log.subscribe("group", [TOPIC]) as member:
            await member.poll(1, 0.1)
            print("in", flush=True)
            await asyncio.sleep(600)
        """,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        other.send_signal(signal.SIGKILL)
    log = SqliteLog(folder, SystemClock(), session_seconds=600)
    await log.start()
    await log.publish([message("key", 1)])
    async with log.subscribe("group", [TOPIC]) as member:
        assert len(await take(member, 1, seconds=5)) == 1
    await log.stop()


async def test_two_processes_write_to_one_topic_and_a_third_reads_it_whole(folder: Path) -> None:
    writers = [
        run(
            folder,
            f"""
            for number in range(100):
                await log.publish([message("key-{name}", number)])
            await log.stop()
            """,
        )
        for name in range(2)
    ]
    log = SqliteLog(folder, SystemClock())
    await log.start()
    await log.ensure_topics({TOPIC: PARTITIONS})
    async with log.subscribe("group", [TOPIC]) as member:
        received = await take(member, 200)
    await log.stop()
    for writer in writers:
        with writer:
            assert writer.wait() == 0
    assert values(received) == values_of(sequence(keys=2, each=100))


async def test_publishers_that_wait_share_commits_and_each_gets_its_answer(folder: Path) -> None:
    log = SqliteLog(folder, SystemClock())
    await log.start()
    await log.ensure_topics({TOPIC: PARTITIONS})
    await asyncio.gather(*(log.publish([message(f"key-{number}", number)]) for number in range(300)))
    assert (await log.lag("group", [TOPIC]))[TOPIC].messages == 300
    await log.stop()


async def test_the_file_has_its_page_size_and_syncs_each_commit(folder: Path) -> None:
    log = SqliteLog(folder, SystemClock())
    await log.start()
    await log.ensure_topics({TOPIC: PARTITIONS})
    await log.stop()
    with sqlite3.connect(folder / f"{TOPIC}.db") as file:
        assert file.execute("PRAGMA page_size").fetchone() == (PAGE_SIZE,)
        assert file.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    file.close()


async def test_the_log_is_its_owners_alone_also_in_a_folder_that_was_there(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)  # noqa: ASYNC240 - a test's own folder
    log = SqliteLog(tmp_path / "events", SystemClock())
    await log.start()
    await log.ensure_topics({TOPIC: 2})
    await log.publish([message("key", 1)])
    folder = tmp_path / "events"
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir() if path.is_file()}
    await log.stop()
    assert {f"{TOPIC}.db", f"{TOPIC}.db-wal", f"{TOPIC}.db-shm", "groups.db"} <= modes.keys()
    assert set(modes.values()) == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


async def test_publishing_to_a_topic_nobody_made_is_refused(folder: Path) -> None:
    log = SqliteLog(folder, SystemClock())
    await log.start()
    with pytest.raises(BusUnavailable, match="ensure_topics"):
        await log.publish([Message("bufferbudget.unknown", "key", b"")])
    await log.stop()


@pytest.fixture
def damaged(folder: Path) -> Path:
    """A log whose only topic is not a database any more."""
    folder.mkdir()
    (folder / f"{TOPIC}.db").write_bytes(b"this is no database" * 1000)
    return folder


async def test_a_damaged_file_is_a_bus_that_is_away_not_a_lost_message(damaged: Path) -> None:
    log = SqliteLog(damaged, SystemClock())
    await log.start()
    with pytest.raises(BusUnavailable):
        await log.publish([message("key", 1)])
    await log.stop()


async def test_retention_deletes_only_what_is_old_and_read_by_every_group(folder: Path) -> None:
    clock = FixedClock(datetime(2026, 1, 1, tzinfo=UTC))
    log = SqliteLog(folder, clock, retention={TOPIC: timedelta(days=30)})
    await log.start()
    await log.ensure_topics({TOPIC: 1})
    await log.publish([message("key", number) for number in range(10)])
    async with log.subscribe("fast", [TOPIC]) as fast, log.subscribe("slow", [TOPIC]) as slow:
        await fast.commit(next_offsets(await take(fast, 10)))
        held = await take(slow, 10)
        await slow.commit({held[0].position: 4})
        clock.set(datetime(2026, 3, 1, tzinfo=UTC))
        await log.publish([message("key", 10)])
        assert await log.trim() == {TOPIC: 4}
        await slow.commit({held[0].position: 11})
        assert await log.trim() == {TOPIC: 6}
    async with log.subscribe("new", [TOPIC]) as new:
        assert [one.offset for one in await take(new, 1)] == [10]
    await log.stop()


async def test_offsets_never_start_again_when_everything_old_was_deleted(folder: Path) -> None:
    clock = FixedClock(datetime(2026, 1, 1, tzinfo=UTC))
    log = SqliteLog(folder, clock, retention={TOPIC: timedelta(days=1)})
    await log.start()
    await log.ensure_topics({TOPIC: 1})
    await log.publish([message("key", 0), message("key", 1)])
    clock.set(datetime(2026, 6, 1, tzinfo=UTC))
    await log.trim()
    await log.publish([message("key", 2)])
    async with log.subscribe("group", [TOPIC]) as member:
        assert [one.offset for one in await take(member, 2)] == [1, 2]
    await log.stop()


async def test_a_member_may_be_left_after_its_log_was_stopped(folder: Path) -> None:
    log = SqliteLog(folder, SystemClock())
    await log.start()
    await log.ensure_topics({TOPIC: PARTITIONS})
    async with log.subscribe("group", [TOPIC]) as member:
        await log.stop()
        with pytest.raises(BusUnavailable):
            await member.poll(1, 0.1)
    assert not await log.healthy()
