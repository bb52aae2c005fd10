"""Migrations: two processes at once, all or nothing, no drift; and what append-only means, by attack."""

import asyncio
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, MetaData, String, Table, insert, select, text
from sqlalchemy.exc import DBAPIError

from shared.database import Database, upsert
from shared.migrate import draft, drift, migrate
from shared.months import Month
from shared.plumbing import TABLES, plumbing
from tests.integration.database.conftest import NOW, Place
from tests.integration.database.tables import FACT, METADATA, MIGRATIONS, TOTAL

RUN = """
import asyncio, sys
from pathlib import Path
from shared.migrate import migrate
print(asyncio.run(migrate(sys.argv[1], Path(sys.argv[2]), service_url=sys.argv[3])))
"""


async def test_two_processes_that_migrate_at_once_both_succeed(empty: Place) -> None:
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", RUN, empty.owner_url, str(MIGRATIONS), empty.service_url),
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(2)
    ]
    told = [(await process.communicate())[0].decode().strip() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(told) == ["('', '0001')", "('0001', '0001')"]


async def test_a_migrated_database_has_no_drift(place: Place) -> None:
    assert await drift(place.owner_url, METADATA, MIGRATIONS) == []


async def test_drift_is_told(place: Place) -> None:
    other = MetaData()
    plumbing(other)
    Table("fact", other, Column("fact_id", String(64), primary_key=True))
    told = "\n".join(await drift(place.owner_url, other, MIGRATIONS))
    assert "remove_table" in told
    assert "amount_cents" in told


async def test_an_empty_database_is_told_as_behind_and_can_be_drafted(empty: Place) -> None:
    (first, *_) = await drift(empty.owner_url, METADATA, MIGRATIONS)
    assert "the newest script is 0001" in first
    assert "op.create_table('fact'" in await draft(empty.owner_url, METADATA)


async def test_a_script_that_fails_leaves_nothing_behind(place: Place, tmp_path: Path) -> None:
    versions = tmp_path / "broken" / "versions"
    versions.mkdir(parents=True)
    for script in (MIGRATIONS / "versions").glob("*.py"):
        (versions / script.name).write_text(script.read_text())
    (versions / "0002_broken.py").write_text(
        "from alembic import op\n"
        "revision, down_revision, branch_labels, depends_on = '0002', '0001', None, None\n"
        "def upgrade():\n"
        "    op.execute('CREATE TABLE half (a INTEGER)')\n"
        "    op.execute('INSERT INTO nowhere VALUES (1)')\n"
    )
    with pytest.raises(DBAPIError):
        await migrate(place.owner_url, tmp_path / "broken", service_url=place.service_url)
    assert await drift(place.owner_url, METADATA, MIGRATIONS) == []


async def test_the_migrating_process_waits_for_nothing_when_all_is_done(place: Place) -> None:
    assert await migrate(place.owner_url, MIGRATIONS, service_url=place.service_url) == ("0001", "0001")


# ---- append-only, by attack -------------------------------------------------------------------------------


def fact(fact_id: str, reverses: str | None = None) -> dict[str, Any]:
    return {
        "fact_id": fact_id,
        "reverses": reverses,
        "participant_id": "p",
        "month": Month(2026, 3),
        "amount_cents": 1,
        "recorded_at": NOW,
        "receipt": None,
    }


ATTACKS = [
    "UPDATE fact SET amount_cents = 2",
    "UPDATE fact SET amount_cents = 2 WHERE fact_id = 'nobody'",
    "DELETE FROM fact",
    "INSERT INTO fact SELECT * FROM fact WHERE true ON CONFLICT (fact_id) DO UPDATE SET amount_cents = 2",
    "UPDATE access_log SET actor = 'somebody else'",
    "DELETE FROM access_log",
]
ON_POSTGRESQL = [
    "TRUNCATE fact",
    "TRUNCATE fact CASCADE",
    "WITH gone AS (DELETE FROM fact RETURNING *) SELECT * FROM gone",
    "MERGE INTO fact USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE",
]
ON_SQLITE = [
    "INSERT OR REPLACE INTO fact SELECT fact_id, reverses, participant_id, month, 2, '', '' FROM fact",
    "REPLACE INTO fact SELECT 'new', 'fact-0', participant_id, month, 2, recorded_at, '' FROM fact LIMIT 1",
    "INSERT OR REPLACE INTO fact (rowid, fact_id, participant_id, month, amount_cents, recorded_at) "
    "VALUES (1, 'new', 'p', '2026-03', 2, '')",
    "UPDATE OR REPLACE fact SET fact_id = 'fact-2'",
]
# A row that matches nothing fires no row trigger on SQLite, and changes nothing either.
NO_ROW = ATTACKS[1]


@pytest.fixture
async def filled(place: Place, database: Database) -> Database:
    async with database.write() as tx:
        await tx.execute(insert(FACT), [fact("fact-1", "fact-0"), fact("fact-2")])
        row = {"access_id": "a", "recorded_at": NOW, "actor": "x", "purpose": "p", "action": "read"}
        await tx.execute(insert(TABLES.access_log), [row | {"participant_id": "p"}])
    return database


async def everything(database: Database) -> list[Any]:
    async with database.read() as reading:
        facts = await reading.rows(select(FACT).order_by(FACT.c.fact_id))
        return [*facts, *await reading.rows(select(TABLES.access_log))]


@pytest.mark.parametrize("role", ["owner", "service"])
async def test_append_only_tables_refuse_every_change(place: Place, filled: Database, role: str) -> None:
    before = await everything(filled)
    attacker = place.database(url=place.owner_url if role == "owner" else place.service_url)
    attacks = ATTACKS + (ON_POSTGRESQL if place.kind == "postgresql" else ON_SQLITE)
    for attack in attacks:
        if place.kind == "sqlite" and attack == NO_ROW:
            continue
        with pytest.raises(DBAPIError, match=r"append-only|permission denied"):
            async with attacker.write() as tx:
                await tx.execute(text(attack))
    await attacker.close()
    assert await everything(filled) == before


@pytest.mark.parametrize("embedded", ["embedded"])
async def test_replace_is_refused_from_a_connection_without_our_pragmas(
    tmp_path: Path, embedded: str
) -> None:
    path = tmp_path / "service.db"
    await migrate(f"sqlite:///{path}", MIGRATIONS)
    database = Database(f"sqlite:///{path}", name="tests")
    async with database.write() as tx:
        await tx.execute(insert(FACT), [fact("fact-1", "fact-0"), fact("fact-2")])
    await database.close()
    bare = sqlite3.connect(path)
    assert bare.execute("PRAGMA recursive_triggers").fetchone() == (0,)
    for attack in (*ON_SQLITE, "DELETE FROM fact", "UPDATE fact SET amount_cents = 2"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            bare.execute(attack)
    bare.close()


async def test_new_facts_are_still_taken_and_unique_keys_still_hold(filled: Database) -> None:
    async with filled.write() as tx:
        await tx.execute(insert(FACT), [fact("fact-3", "fact-1"), fact("fact-4")])
    with pytest.raises(DBAPIError):
        async with filled.write() as tx:
            await tx.execute(insert(FACT), [fact("fact-5", "fact-1")])
    assert len(await everything(filled)) == 5


async def test_the_service_role_changes_only_what_the_scripts_name(place: Place, database: Database) -> None:
    async with database.write() as tx:
        statement = upsert(tx, TOTAL, ["participant_id"], ["amount_cents"])
        for amount in (1, 2):
            await tx.execute(statement, [{"participant_id": "p", "amount_cents": amount, "version": 1}])
        assert await tx.execute(TOTAL.delete()) == 1
    if place.kind == "sqlite":
        return
    for attack in (
        "DROP TABLE total",
        "ALTER TABLE fact DISABLE TRIGGER ALL",
        "DROP TRIGGER append_only ON fact",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE sql AS 'SELECT NULL'",
        "SET session_replication_role = replica",
        "UPDATE alembic_version SET version_num = '9'",
        "INSERT INTO alembic_version VALUES ('9')",
        "TRUNCATE total",
        "CREATE TABLE mine (a integer)",
    ):
        with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
            async with database.write() as tx:
                await tx.execute(text(attack))


async def test_with_one_role_for_everything_the_triggers_still_refuse(empty: Place) -> None:
    await migrate(empty.owner_url, MIGRATIONS, service_url=empty.owner_url)
    database = empty.database(url=empty.owner_url)
    async with database.write() as tx:
        await tx.execute(insert(FACT), [fact("fact-1")])
    with pytest.raises(DBAPIError, match="append-only"):
        async with database.write() as tx:
            await tx.execute(FACT.delete())
    await database.close()
