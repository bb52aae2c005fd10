"""Random lives of a small municipality: whatever happens in whatever order, the books hold."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from pytest_socket import enable_socket, socket_allow_hosts
from sqlalchemy import text

from shared import log as logs
from tests.states import oracle
from tests.states.__main__ import live
from tests.states.world import World

STEPS = 90


@pytest.fixture(autouse=True)
def _loopback() -> Iterator[None]:
    logs.configure("error")
    socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)
    yield
    enable_socket()


@pytest.mark.parametrize("seed", [11, 34])
async def test_every_invariant_holds_after_every_step_of_a_random_life(tmp_path: Path, seed: int) -> None:
    world = World(tmp_path, seed, steps=STEPS, people=10)
    await live(world)

    assert world.violations == []
    assert world.done == STEPS
    happened = {name for name, count in world.counts.items() if count}
    assert happened >= {"facts", "payment", "close chunk", "close asked", "enrolment", "seal", "look back"}


async def test_the_same_seed_lives_the_same_life(tmp_path: Path) -> None:
    """A violation can be looked at again: seed and step lead back to it."""
    lives = []
    for name in ("once", "again"):
        (tmp_path / name).mkdir()
        world = World(tmp_path / name, 5, steps=60, people=12)
        await world.begin()
        while world.done < world.steps:
            await world.step()
        async with world.services[0].database.read() as reading:
            rows = await reading.rows(text("SELECT * FROM transfer ORDER BY transaction_id, position"))
        lives.append([tuple(row) for row in rows])
        await world.end()
    assert lives[0] == lives[1]
    assert len(lives[0]) > 8


TAMPERING = {
    "a balance that is not its sum": ("account", "UPDATE account SET balance_cents = balance_cents - 1"),
    "a draw without evidence": ("ledger_transaction", "UPDATE ledger_transaction SET evidence = '[]'"),
    "a month that says otherwise": ("settled_month", "UPDATE settled_month SET draw_cents = rule_cents"),
    "an order of another amount": (
        "payment_order",
        "UPDATE payment_order SET amount_cents = amount_cents + 1",
    ),
    "a version left out": ("transfer", "UPDATE transfer SET debit_version = debit_version + 1000"),
    "a time that goes back": (
        "ledger_transaction",
        "UPDATE ledger_transaction SET recorded_at = '2025-01-01T00:00:00.000000Z' WHERE kind = 'DRAW'",
    ),
}


async def test_the_oracle_sees_what_it_should(tmp_path: Path) -> None:
    """Checks that find nothing are worth something only if they find what is there."""
    world = World(tmp_path, 7, steps=120, people=10)
    await world.begin()
    while not await _paid(world):
        await world.step()
    database, ids = world.services[0].database, sorted(world.enrolments)
    for table, statement in TAMPERING.values():
        async with database.write() as tx:
            for event in ("update", "delete", "insert"):
                await tx.execute(text(f"DROP TRIGGER IF EXISTS append_only_{table}_{event}"))
            await tx.execute(text("PRAGMA ignore_check_constraints = ON"))
            with suppress(_Undo):
                async with tx.savepoint():
                    await tx.execute(text(statement))
                    faults, _ = await oracle.touched(tx, ids)
                    raise _Undo
        assert faults, statement
    async with database.read() as reading:
        assert (await oracle.touched(reading, ids))[0] == []
    await world.end()


async def _paid(world: World) -> bool:
    """Whether something was drawn and not paid, something was corrected, and something was paid."""
    async with world.services[0].database.read() as reading:
        states = await reading.rows(text("SELECT DISTINCT state FROM payment_order"))
    return {row.state for row in states} >= {"OPEN", "EXECUTED", "SUPERSEDED"}


class _Undo(Exception):
    """Nothing of a tampering stays."""
