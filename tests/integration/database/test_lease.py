"""One holder at a time; one that was away too long can no longer commit."""

import asyncio

import pytest
from sqlalchemy import insert, select

from shared.database import Database
from shared.lease import Lease, LeaseLost
from tests.integration.database.conftest import Place
from tests.integration.database.tables import TOTAL


async def test_only_one_of_two_gets_the_lease_and_keeps_it_by_renewing(database: Database) -> None:
    first, second = Lease(database, "relay", seconds=0.4), Lease(database, "relay", seconds=0.4)
    fencing = await first.acquire()
    for _ in range(6):
        assert await second.acquire() is None
        await asyncio.sleep(0.1)
        assert await first.acquire() == fencing


async def test_leases_of_other_names_do_not_touch(database: Database) -> None:
    assert await Lease(database, "relay").acquire() == 1
    assert await Lease(database, "closes").acquire() == 1


async def test_a_released_lease_is_taken_at_once_with_a_higher_number(database: Database) -> None:
    first, second = Lease(database, "relay"), Lease(database, "relay")
    assert await first.acquire() == 1
    await second.release()  # not its own: nothing happens
    assert await second.acquire() is None
    await first.release()
    assert await second.acquire() == 2


async def test_many_at_once_get_one_holder(place: Place) -> None:
    databases = [place.database(pool_size=2) for _ in range(3)]
    leases = [Lease(databases[n % 3], "relay") for n in range(9)]
    given = await asyncio.gather(*(lease.acquire() for lease in leases))
    assert sorted(fencing for fencing in given if fencing is not None) == [1]
    for database in databases:
        await database.close()


async def test_after_a_take_over_the_former_holder_cannot_commit(database: Database) -> None:
    first, second = Lease(database, "relay", seconds=0.1), Lease(database, "relay", seconds=60)
    old = await first.acquire()
    assert old is not None
    await asyncio.sleep(0.15)
    async with first.writing(old) as tx:  # expired, but nobody took over: still good
        await tx.execute(insert(TOTAL), [{"participant_id": "a", "amount_cents": 1, "version": 1}])
    new = await second.acquire()
    assert new == old + 1

    async def write_late() -> None:
        async with first.writing(old) as tx:
            await tx.execute(insert(TOTAL), [{"participant_id": "b", "amount_cents": 1, "version": 1}])

    with pytest.raises(LeaseLost):
        await write_late()
    async with database.read() as reading:
        assert [row.participant_id for row in await reading.rows(select(TOTAL))] == ["a"]
    assert await first.acquire() is None
