"""Deadlocks, lost connections and a restarted PostgreSQL: the same work succeeds a little later."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from sqlalchemy import insert, select, text, update

from deploy.parts.postgres import Postgres
from shared.database import Database, Tx
from shared.errors import TryAgain
from shared.migrate import migrate
from tests.integration.database.conftest import Place, postgres_place
from tests.integration.database.tables import MIGRATIONS, TOTAL


@pytest.fixture
async def away(postgres: Postgres) -> AsyncIterator[tuple[Place, Database]]:
    place = postgres_place(postgres)
    await migrate(place.owner_url, MIGRATIONS, service_url=place.service_url)
    database = place.database()
    async with database.write() as tx:
        rows = [{"participant_id": name, "amount_cents": 0, "version": 0} for name in ("a", "b")]
        await tx.execute(insert(TOTAL), rows)
    yield place, database
    await database.close()


async def raise_total(tx: Tx, name: str) -> None:
    await tx.execute(
        update(TOTAL).where(TOTAL.c.participant_id == name).values(amount_cents=TOTAL.c.amount_cents + 1)
    )


async def totals(database: Database) -> list[int]:
    async with database.read() as reading:
        rows = await reading.rows(select(TOTAL).order_by(TOTAL.c.participant_id))
    return [row.amount_cents for row in rows]


async def test_of_two_transactions_in_a_deadlock_the_victim_is_done_again(
    away: tuple[Place, Database],
) -> None:
    _, database = away
    both_hold_one = asyncio.Barrier(2)
    attempts: list[str] = []

    def crossing(first: str, second: str) -> Callable[[Tx], Awaitable[None]]:
        async def work(tx: Tx) -> None:
            attempts.append(first)
            await raise_total(tx, first)
            if attempts.count(first) == 1:
                await both_hold_one.wait()
            await raise_total(tx, second)

        return work

    await asyncio.gather(
        database.retrying(crossing("a", "b")),
        database.retrying(crossing("b", "a")),
    )
    assert len(attempts) == 3
    assert await totals(database) == [2, 2]


async def test_a_connection_cut_in_the_middle_is_try_again_and_the_next_one_works(
    away: tuple[Place, Database], postgres: Postgres
) -> None:
    place, database = away
    name = place.service_url.rpartition("/")[2]

    async def cut_in_the_middle() -> None:
        async with database.write() as tx:
            await raise_total(tx, "a")
            postgres.run_sql(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            )
            await raise_total(tx, "b")

    with pytest.raises(TryAgain):
        await cut_in_the_middle()
    assert await totals(database) == [0, 0]


async def test_connections_of_before_a_restart_are_replaced_unnoticed(
    away: tuple[Place, Database], postgres: Postgres
) -> None:
    _, database = away
    await totals(database)
    postgres.stop()
    try:
        with pytest.raises(TryAgain):
            async with database.write() as tx:
                await raise_total(tx, "a")
        assert not await database.healthy()
    finally:
        postgres.restart()
    assert await totals(database) == [0, 0]
    async with database.write() as tx:
        await raise_total(tx, "a")
    assert await totals(database) == [1, 0]
    assert await database.healthy()


async def test_a_statement_that_takes_too_long_is_try_again(away: tuple[Place, Database]) -> None:
    place, _ = away
    impatient = Database(place.service_url, name="tests", statement_seconds=0.2)
    with pytest.raises(TryAgain):
        async with impatient.read() as reading:
            await reading.scalar(text("SELECT 1 FROM pg_sleep(5)"))
    await impatient.close()


async def test_an_exhausted_pool_is_try_again(away: tuple[Place, Database]) -> None:
    place, _ = away
    small = Database(place.service_url, name="tests", pool_size=1, pool_seconds=0.2)
    async with small.read():
        with pytest.raises(TryAgain, match="in use"):
            async with small.read():
                pass
    await small.close()


async def test_a_wrong_password_is_no_reason_to_try_again(away: tuple[Place, Database]) -> None:
    place, _ = away
    user, _, rest = place.service_url.partition("@")
    wrong = Database(user.rpartition(":")[0] + ":wrong@" + rest, name="tests")
    with pytest.raises(Exception, match="password authentication failed") as refused:
        async with wrong.read():
            pass
    assert not isinstance(refused.value, TryAgain)
    await wrong.close()
