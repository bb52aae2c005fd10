"""Transactions, column types and batch statements mean the same on SQLite and on PostgreSQL."""

import asyncio
import sqlite3
import stat
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import bindparam, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from shared import access_log
from shared.contracts.events import ParticipantErased
from shared.database import Database, Tx, among, chunks, insert_ignore, lock_for_update, upsert
from shared.errors import TryAgain
from shared.months import Month
from shared.outbox import outbox_state
from shared.plumbing import TABLES
from tests.integration.database.conftest import NOW, Place
from tests.integration.database.tables import FACT, TOTAL

PERSON = "8d5c9a40-6a3f-4a2e-9d1b-1c2d3e4f5a6b"


def fact(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "fact_id": f"fact-{number}",
        "reverses": None,
        "participant_id": PERSON,
        "month": Month(2026, 3),
        "amount_cents": 100,
        "recorded_at": NOW,
        "receipt": None,
    } | changes


def erased() -> ParticipantErased:
    return ParticipantErased(participant_id=PERSON, municipality="0344")


class Refusal(Exception):
    """What a use case raises in these tests."""


async def test_values_come_back_as_they_went_in(database: Database) -> None:
    amsterdam = timezone(timedelta(hours=2))
    recorded = datetime(2026, 7, 1, 1, 30, 0, 123456, tzinfo=amsterdam)
    receipt = {"naam": "€ één", "lines": [1, "0.15", None]}
    async with database.write() as tx:
        row = fact(amount_cents=-(10**15), recorded_at=recorded, receipt=receipt)
        await tx.execute(insert(FACT), [row])
    async with database.read() as reading:
        read = await reading.one(select(FACT))
    assert read.month == Month(2026, 3)
    assert read.amount_cents == -(10**15)
    assert read.recorded_at == recorded
    assert read.recorded_at.tzinfo is UTC
    assert read.receipt == receipt
    assert read.reverses is None


async def test_an_instant_without_time_zone_is_refused(database: Database) -> None:
    naive = datetime(2026, 3, 2, 9, 0)  # noqa: DTZ001 - what is refused
    with pytest.raises(Exception, match="time zone"):
        async with database.write() as tx:
            await tx.execute(insert(FACT), [fact(recorded_at=naive)])


async def test_instants_compare_by_time_in_both_databases(database: Database) -> None:
    instants = [NOW + timedelta(microseconds=step) for step in (0, 1, 1_000_000)]
    async with database.write() as tx:
        await tx.execute(insert(FACT), [fact(n, recorded_at=at) for n, at in enumerate(instants)])
        later = select(FACT.c.fact_id).where(FACT.c.recorded_at > instants[0]).order_by(FACT.c.recorded_at)
        assert [row.fact_id for row in await tx.rows(later)] == ["fact-1", "fact-2"]


async def test_what_raises_leaves_no_row_and_no_event(database: Database) -> None:
    woken: list[str] = []

    async def refuse(tx: Tx) -> None:
        await tx.execute(insert(FACT), [fact()])
        tx.emit(erased())
        tx.on_commit(lambda: woken.append("woken"))
        raise Refusal

    with pytest.raises(Refusal):
        await database.retrying(refuse)
    async with database.read() as reading:
        assert await reading.rows(select(FACT)) == []
        assert (await outbox_state(reading)).pending == 0
    assert woken == []


async def test_events_are_committed_with_their_facts_in_order(database: Database) -> None:
    woken: list[str] = []
    database.on_emitted(lambda: woken.append("relay"))
    others = [f"{n:08d}-0000-4000-8000-000000000000" for n in range(5)]
    async with database.write() as tx:
        for other in others:
            tx.emit(ParticipantErased(participant_id=other, municipality="0344"))
        assert woken == []
    async with database.read() as reading:
        rows = await reading.rows(select(TABLES.outbox).order_by(TABLES.outbox.c.id))
    assert [row.key for row in rows] == others
    assert {row.recorded_at for row in rows} == {NOW}
    assert woken == ["relay"]


async def test_a_failed_savepoint_takes_its_rows_events_and_callbacks_with_it(database: Database) -> None:
    woken: list[str] = []
    async with database.write() as tx:
        await tx.execute(insert(FACT), [fact(1)])
        try:
            async with tx.savepoint():
                tx.emit(erased())
                tx.on_commit(lambda: woken.append("undone"))
                await tx.execute(insert(FACT), [fact(2), fact(2, amount_cents=0)])
        except IntegrityError:
            await tx.execute(insert(FACT), [fact(3)])
    async with database.read() as reading:
        assert {row.fact_id for row in await reading.rows(select(FACT))} == {"fact-1", "fact-3"}
        assert (await outbox_state(reading)).pending == 0
    assert woken == []


async def test_a_read_transaction_cannot_write(database: Database) -> None:
    with pytest.raises((DBAPIError, TryAgain)):
        async with database.read() as reading:
            await reading.rows(insert(FACT).returning(FACT.c.fact_id), [fact()])
    async with database.read() as reading:
        assert await reading.rows(select(FACT)) == []


async def test_a_read_transaction_sees_one_state_while_others_commit(database: Database) -> None:
    async with database.read() as reading:
        assert await reading.scalar(select(func.count()).select_from(FACT)) == 0
        async with database.write() as tx:
            await tx.execute(insert(FACT), [fact()])
        assert await reading.scalar(select(func.count()).select_from(FACT)) == 0
    async with database.read() as reading:
        assert await reading.scalar(select(func.count()).select_from(FACT)) == 1


async def test_a_list_of_keys_may_be_longer_than_the_parameter_limits(database: Database) -> None:
    async with database.write() as tx:
        for piece in chunks([fact(n) for n in range(2_000)]):
            await tx.execute(insert(FACT), piece)
        wanted = [f"fact-{n}" for n in range(1_000, 100_000)]
        counted = select(func.count()).select_from(FACT)
        assert await tx.scalar(counted.where(among(FACT.c.fact_id, wanted))) == 1_000
        assert await tx.scalar(counted.where(among(FACT.c.fact_id, []))) == 0
        assert await tx.scalar(counted.where(among(FACT.c.amount_cents, [100, 2**40]))) == 2_000
        assert await tx.scalar(counted.where(among(FACT.c.month, [Month(2026, 3)]))) == 2_000
        assert await tx.scalar(counted.where(~among(FACT.c.fact_id, wanted))) == 1_000


async def test_an_empty_list_of_rows_does_nothing(database: Database) -> None:
    async with database.write() as tx:
        assert await tx.execute(insert(FACT), []) == 0
        assert await tx.rows(insert(FACT).returning(FACT.c.fact_id), []) == []


async def test_insert_ignore_gives_back_only_new_rows(database: Database) -> None:
    def total(number: int) -> dict[str, Any]:
        return {"participant_id": f"p-{number}", "amount_cents": 0, "version": 1}

    async with database.write() as tx:
        statement = insert_ignore(tx, TOTAL, ["participant_id"]).returning(TOTAL.c.participant_id)
        assert len(await tx.rows(statement, [total(n) for n in range(1_500)])) == 1_500
        again = await tx.rows(statement, [total(n) for n in range(1_499, 1_501)])
    assert [row.participant_id for row in again] == ["p-1500"]


async def test_upsert_can_be_held_back_by_the_row_that_is_there(database: Database) -> None:
    async with database.write() as tx:
        statement = upsert(
            tx,
            TOTAL,
            ["participant_id"],
            ["amount_cents", "version"],
            where=lambda new: TOTAL.c.version < new.version,
        )
        for version, amount in ((2, 20), (1, 10), (3, 30)):
            row = {"participant_id": PERSON, "amount_cents": amount, "version": version}
            await tx.execute(statement, [row])
            read = await tx.one(select(TOTAL))
            assert read.amount_cents == (30 if version == 3 else 20)


async def test_concurrent_changes_of_locked_rows_are_all_kept(database: Database) -> None:
    people = [f"p-{n}" for n in range(4)]
    async with database.write() as tx:
        rows = [{"participant_id": one, "amount_cents": 0, "version": 0} for one in people]
        await tx.execute(insert(TOTAL), rows)

    async def add(tx: Tx) -> None:
        # In opposite orders: the lock sorts, so nobody waits in a circle.
        assert await lock_for_update(tx, TOTAL, TOTAL.c.participant_id, people[::-1]) == set(people)
        read = await tx.rows(select(TOTAL))
        await asyncio.sleep(0)
        raised = [{"who": row.participant_id, "amount": row.amount_cents + 1} for row in read]
        change = update(TOTAL).where(TOTAL.c.participant_id == bindparam("who"))
        await tx.execute(change.values(amount_cents=bindparam("amount")), raised)

    await asyncio.gather(*(database.retrying(add) for _ in range(20)))
    async with database.read() as reading:
        assert [row.amount_cents for row in await reading.rows(select(TOTAL))] == [20] * 4


async def test_a_row_that_does_not_exist_is_not_reported_as_locked(database: Database) -> None:
    async with database.write() as tx:
        await tx.execute(insert(TOTAL), [{"participant_id": "p-1", "amount_cents": 0, "version": 0}])
        assert await lock_for_update(tx, TOTAL, TOTAL.c.participant_id, ["p-1", "p-2"]) == {"p-1"}
        assert await lock_for_update(tx, TOTAL, TOTAL.c.participant_id, []) == set()


async def test_error_messages_do_not_quote_values(database: Database) -> None:
    with pytest.raises(IntegrityError) as refused:
        async with database.write() as tx:
            await tx.execute(insert(FACT), [fact(participant_id="canary-123456782", amount_cents=0)])
    assert "hidden due to hide_parameters" in str(refused.value)
    assert "[parameters: (" not in str(refused.value)


async def test_cancelled_transactions_leave_nothing_and_give_their_connections_back(
    place: Place,
) -> None:
    database = place.database(pool_size=2)

    async def write(number: int) -> None:
        async with database.write() as tx:
            await tx.execute(insert(FACT), [fact(number)])
            await asyncio.sleep(30)

    for pause in (0, 0.001, 0.003, 0.01, 0.03, 0.1):
        tasks = [asyncio.create_task(write(number)) for number in range(4)]
        await asyncio.sleep(pause)
        for task in tasks:
            task.cancel()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    async with database.write() as tx:
        assert await tx.rows(select(FACT)) == []
        await tx.execute(insert(FACT), [fact()])
    async with database.read() as one, database.read() as other:
        assert len(await one.rows(select(FACT))) == len(await other.rows(select(FACT))) == 1
    await database.close()


async def test_a_file_locked_by_another_process_is_try_again(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'a.db'}", name="tests", statement_seconds=0.1)
    async with database.read():
        pass
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TryAgain):
            async with database.write():
                pass
    async with database.write() as tx:
        assert await tx.scalar(select(1)) == 1
    await database.close()


async def test_reads_and_decisions_are_logged_once_per_participant(database: Database) -> None:
    async with database.write() as tx:
        people = ["p-2", "p-1", "p-2"]
        await access_log.record(tx, actor="o", purpose="audit", action="read", participant_ids=people)
    async with database.read() as reading:
        rows = await reading.rows(select(TABLES.access_log))
    assert {(row.participant_id, row.actor, row.purpose, row.action, row.recorded_at) for row in rows} == {
        ("p-1", "o", "audit", "read", NOW),
        ("p-2", "o", "audit", "read", NOW),
    }
    assert len(rows) == 2


async def test_a_second_write_inside_a_write_is_refused_rather_than_waiting_for_ever(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'a.db'}", name="tests")
    with pytest.raises(RuntimeError, match="pass its tx on"):
        async with database.write(), database.write():
            pass
    await database.close()


async def test_sqlite_files_are_for_their_owner_only_and_synced(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'deep' / 'a.db'}", name="tests")
    async with database.write() as tx:
        await tx.execute(text("CREATE TABLE t (a INTEGER)"))
        pragmas = {
            name: await tx.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys", "recursive_triggers", "secure_delete")
        }
    files = list((tmp_path / "deep").iterdir())
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    await database.close()
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "recursive_triggers": 1,
        "secure_delete": 1,
    }


def test_an_unknown_kind_of_database_is_refused_without_showing_the_password() -> None:
    with pytest.raises(ValueError, match="sqlite:/// or postgresql://") as refused:
        Database("mysql://user:geheim@host/db", name="tests")
    assert "geheim" not in str(refused.value)
