"""The chain that seals the books: gap-free whatever becomes visible when, and broken by every kind of
tampering."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text
from sqlalchemy.exc import IntegrityError

from buffer_ledger.beancount_text import beancount_lines
from buffer_ledger.bookkeeping import donation, draw, reversal
from buffer_ledger.books import Entry, OverCap, book
from buffer_ledger.books_check import verify
from buffer_ledger.checks import invariants
from buffer_ledger.sealing import contents_of
from buffer_ledger.tables import ACCOUNT, LEDGER_TRANSACTION, SEAL, TRANSFER, UNSEALED
from shared.database import Database
from shared.money import Cents
from tests.integration.ledger.ledger_office import JANUARY, OTHER, LedgerOffice, Scheme, new_uuid, slip
from tests.integration.toy.edge import problem


async def _lived(ledger: LedgerOffice) -> Scheme:
    """Two people whose January and February were closed, one of them corrected, all sealed."""
    scheme = await ledger.scheme()
    for wage in (70_000, 60_000):
        person, _ = await ledger.enrolled(scheme)
        await ledger.hear(slip(person, "2026-01", wage), slip(person, "2026-02", 25_000))
    for month in ("2026-01", "2026-02"):
        await ledger.close(month)
    await ledger.hear(slip(person, "2026-02", 30_000, version=2))
    await ledger.seal()
    return scheme


def _transactions(export: list[str]) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, export) if line["line"] == "TRANSACTION"]


async def test_what_is_booked_is_sealed_and_its_export_is_sound(ledger: LedgerOffice) -> None:
    scheme = await _lived(ledger)
    export = await ledger.export(scheme.fund_id)
    verdict = verify(export)
    assert verdict.faults == ()
    assert (verdict.sealed, verdict.waiting) == (7, 0)
    assert [line["number"] for line in _transactions(export)] == [1, 2, 3, 4, 5, 6, 7]
    await ledger.call(
        "POST", f"/funds/{scheme.fund_id}/donations", {"amountCents": 500, "valueDate": "2026-02-28"}
    )
    later = verify(await ledger.export(scheme.fund_id), expected_head=verdict.head)
    assert (later.faults, later.sealed, later.waiting) == ((), 7, 1)
    await ledger.seal()
    assert verify(await ledger.export(scheme.fund_id), expected_head=verdict.head).sealed == 8
    await ledger.must_be_sound()


async def test_the_books_of_a_fund_are_for_its_own_municipality_and_every_export_is_noted(
    ledger: LedgerOffice,
) -> None:
    scheme = await _lived(ledger)
    problem(await ledger.client(municipality=OTHER).get(f"/funds/{scheme.fund_id}/ledger"), 404)
    assert (
        await ledger.client("fund", FUND=scheme.fund_id).get(f"/funds/{scheme.fund_id}/ledger")
    ).status_code == 403
    await ledger.export(scheme.fund_id)
    async with ledger.service.database.read() as reading:
        noted = await reading.rows(
            text("SELECT participant_id FROM access_log WHERE action = 'export-ledger'")
        )
    assert len(noted) == 2


async def test_an_export_names_no_person_and_no_wage(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme()
    person, _ = await ledger.enrolled(scheme)
    await ledger.hear(slip(person, "2026-01", 77_713), slip(person, "2026-02", 25_000))
    for month in ("2026-01", "2026-02"):
        await ledger.close(month)
    export = "\n".join(await ledger.export(scheme.fund_id))
    assert person not in export
    assert "77713" not in export
    assert '"receiptHash":"' in export


async def test_every_column_of_what_is_booked_is_sealed(ledger: LedgerOffice) -> None:
    """A column that is added is not left out by oversight."""
    await _lived(ledger)
    async with ledger.service.database.read() as reading:
        ids = [row.transaction_id for row in await reading.rows(select(LEDGER_TRANSACTION.c.transaction_id))]
        content = next(iter((await contents_of(reading, ids)).values()))

    def names(members: Any) -> set[str]:
        return {name.replace("_", "").lower() for name in members}

    columns = names(column.name for column in LEDGER_TRANSACTION.columns)
    assert names(content) == columns | {"receipthash", "transfers"}
    moved = names(column.name for column in TRANSFER.columns) - {"transactionid"}
    assert names(content["transfers"][0]) == moved


async def _donate(database: Database, scheme: Scheme, cents: int) -> None:
    async with database.write() as tx:
        given = donation(scheme.fund_id, Cents(cents), JANUARY, reason="DONATION")
        await book(tx, [Entry(transaction_id=new_uuid(), transaction=given, fund_id=scheme.fund_id)])


async def test_two_sealers_at_once_leave_one_chain_without_a_gap(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme()
    for cents in range(1, 30):
        await _donate(ledger.service.database, scheme, cents)
    sealer = ledger.worker("ledger-seals")
    await asyncio.gather(*(sealer.step() for _ in range(4)), return_exceptions=True)
    await ledger.seal()
    assert verify(await ledger.export(scheme.fund_id)).sealed == 30
    await ledger.must_be_sound()


async def test_a_transaction_that_becomes_visible_late_takes_a_later_place(ledger: LedgerOffice) -> None:
    """PostgreSQL gives numbers at once and shows them at the commit: a lower one may come after a higher
    one."""
    if ledger.service.database.dialect == "sqlite":
        return  # one writer at a time: nothing becomes visible out of order
    scheme = await ledger.scheme()
    enrolments = [(await ledger.enrolled(scheme))[1] for _ in range(2)]
    await ledger.seal()
    database = ledger.service.database

    def taken(enrolment: str) -> Entry:
        made = draw(scheme.fund_id, enrolment, Cents(100), JANUARY, reason="SHORTFALL", evidence=["slip"])
        return Entry(
            transaction_id=new_uuid(),
            transaction=made,
            fund_id=scheme.fund_id,
            enrolment_id=enrolment,
            receipt_revision=1,
        )

    early, late = taken(enrolments[0]), taken(enrolments[1])
    async with database.write() as slow:
        await book(slow, [early])
        async with database.write() as quick:
            await book(quick, [late])
        await ledger.seal()
        async with database.read() as reading:
            assert await reading.scalar(select(SEAL.c.number).order_by(SEAL.c.number.desc())) == 4
    await ledger.seal()
    export = await ledger.export(scheme.fund_id)
    assert verify(export).faults == ()
    placed = [line["transaction"]["transactionId"] for line in _transactions(export)]
    assert placed[3:] == [late.transaction_id, early.transaction_id]


async def test_the_chain_is_read_again_and_a_sound_one_shows_no_break(ledger: LedgerOffice) -> None:
    await _lived(ledger)
    await ledger.worker("ledger-chain").step()
    assert ledger.metrics.value("bufferbudget_ledger_chain_breaks", service="buffer-ledger") == 0
    assert ledger.metrics.value("bufferbudget_ledger_chain_sealed_total", service="buffer-ledger") == 7


LAST = "(SELECT transaction_id FROM seal ORDER BY number DESC LIMIT 1)"
DATABASE_TAMPERING = {
    "amount": "UPDATE transfer SET amount_cents = amount_cents + 1 WHERE transaction_id = " + LAST,
    "reason": "UPDATE ledger_transaction SET reason = 'OFFSET' WHERE transaction_id = " + LAST,
    "receipt": "UPDATE settled_month SET row = row || ' '",
    "removed": "DELETE FROM seal WHERE number = 3",
    "swapped": "UPDATE seal SET number = CASE number WHEN 3 THEN -4 ELSE -3 END WHERE number IN (3, 4)",
}


@pytest.mark.parametrize("tampering", DATABASE_TAMPERING)
async def test_a_change_past_every_guard_of_the_database_breaks_the_chain(
    ledger: LedgerOffice, tampering: str
) -> None:
    scheme = await _lived(ledger)
    owner = Database(ledger.settings.owner_database_url("buffer-ledger"), name="intruder", pool_size=1)
    async with owner.write() as tx:
        for table in ("transfer", "ledger_transaction", "settled_month", "seal"):
            for statement in _unguard(owner.dialect, table):
                await tx.execute(text(statement))
        await tx.execute(text(_UNCHECKED[owner.dialect]))
        await tx.execute(text(DATABASE_TAMPERING[tampering]))
        if tampering == "swapped":
            await tx.execute(text("UPDATE seal SET number = -number WHERE number < 0"))
    await owner.close()
    for _ in range(2):
        await ledger.worker("ledger-chain").step()
        breaks = ledger.metrics.value("bufferbudget_ledger_chain_breaks", service="buffer-ledger")
        assert breaks is not None
        assert breaks > 0
    assert verify(await ledger.export(scheme.fund_id)).faults


_UNCHECKED = {
    "postgresql": "ALTER TABLE seal DROP CONSTRAINT ck_seal_number_counts_from_one",
    "sqlite": "PRAGMA ignore_check_constraints = ON",
}


def _unguard(dialect: str, table: str) -> list[str]:
    """What an owner of the database can do, and nobody else."""
    if dialect == "postgresql":
        return [f"ALTER TABLE {table} DISABLE TRIGGER append_only"]
    return [f"DROP TRIGGER append_only_{table}_{event}" for event in ("update", "delete", "insert")]


async def test_what_was_taken_out_of_the_queue_unsealed_is_found(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme()
    async with ledger.service.database.write() as tx:
        await tx.execute(delete(UNSEALED))
    async with ledger.service.database.read() as reading:
        found = (await invariants(reading)).violations["sealed_or_waiting"]
    assert found == (f"fund {scheme.fund_id}: of 1 transactions 0 are sealed and 0 wait for it",)


async def test_what_waits_is_shown_also_where_nobody_seals(ledger: LedgerOffice) -> None:
    await ledger.scheme()
    assert ledger.service.sample is not None
    await ledger.service.sample()
    assert ledger.metrics.value("bufferbudget_ledger_chain_waiting", service="buffer-ledger") == 1
    await ledger.seal()
    await ledger.service.sample()
    assert ledger.metrics.value("bufferbudget_ledger_chain_waiting", service="buffer-ledger") == 0


# ---- a transaction can be reversed once ------------------------------------------------------------------


async def _drawn(ledger: LedgerOffice) -> tuple[Scheme, str, Any, list[Entry]]:
    """A draw, and two reversals of it."""
    scheme = await ledger.scheme()
    person, enrolment = await ledger.enrolled(scheme)
    await ledger.hear(slip(person, "2026-01", 70_000), slip(person, "2026-02", 25_000))
    for month in ("2026-01", "2026-02"):
        await ledger.close(month)
    async with ledger.service.database.read() as reading:
        row = await reading.one(select(LEDGER_TRANSACTION).where(LEDGER_TRANSACTION.c.kind == "DRAW"))
    first = draw(
        scheme.fund_id, enrolment, Cents(46_820), JANUARY.plus(1), reason="SHORTFALL", evidence=row.evidence
    )
    undone = reversal(row.transaction_id, first, reason="CORRECTION")
    twice = [
        Entry(transaction_id=new_uuid(), transaction=undone, fund_id=scheme.fund_id, enrolment_id=enrolment)
        for _ in range(2)
    ]
    return scheme, enrolment, row, twice


async def test_of_two_reversals_at_once_one_is_booked(ledger: LedgerOffice) -> None:
    _, enrolment, _, twice = await _drawn(ledger)

    async def undo(entry: Entry) -> bool:
        try:
            async with ledger.service.database.write() as tx:
                await book(tx, [entry])
        except (IntegrityError, OverCap):
            return False
        return True

    assert sorted(await asyncio.gather(*map(undo, twice))) == [False, True]
    async with ledger.service.database.read() as reading:
        balance = select(ACCOUNT.c.balance_cents).where(ACCOUNT.c.account == f"buffer:{enrolment}")
        assert await reading.scalar(balance) == 100_000


async def test_the_database_itself_refuses_a_second_reversal_and_one_of_nothing(ledger: LedgerOffice) -> None:
    """Past the program: straight into the table, where no balance stands in the way."""
    scheme, enrolment, row, twice = await _drawn(ledger)
    async with ledger.service.database.write() as tx:
        await book(tx, twice[:1])
    like = {
        "chart_version": 1,
        "kind": "REVERSAL",
        "reason": "CORRECTION",
        "fund_id": scheme.fund_id,
        "enrolment_id": enrolment,
        "effective_month": "2026-02",
        "evidence": [],
        "recorded_at": row.recorded_at,
    }
    for reverses in (row.transaction_id, new_uuid(), None):
        new = {**like, "transaction_id": new_uuid(), "reverses": reverses}
        with pytest.raises(IntegrityError):
            await _insert(ledger.service.database, new)


async def _insert(database: Database, row: dict[str, Any]) -> None:
    async with database.write() as tx:
        await tx.execute(insert(LEDGER_TRANSACTION).values(**row))


async def test_a_reversal_that_does_not_mirror_its_draw_is_found(ledger: LedgerOffice) -> None:
    scheme, enrolment, row, _ = await _drawn(ledger)
    less = draw(scheme.fund_id, enrolment, Cents(1), JANUARY.plus(1), reason="SHORTFALL", evidence=["slip"])
    undone = reversal(row.transaction_id, less, reason="CORRECTION")
    entry = Entry(
        transaction_id=new_uuid(), transaction=undone, fund_id=scheme.fund_id, enrolment_id=enrolment
    )
    async with ledger.service.database.write() as tx:
        await book(tx, [entry])
    async with ledger.service.database.read() as reading:
        found = (await invariants(reading)).violations["reversals_mirror_draws"]
    assert found == (f"reversal {entry.transaction_id} is not what it reverses",)


# ---- another program adds the books up --------------------------------------------------------------------


async def test_beancount_adds_a_year_of_a_small_population_up_to_the_same_balances(
    ledger: LedgerOffice, tmp_path: Path
) -> None:
    scheme = await ledger.scheme(donated=3_000_000)
    people = [(await ledger.enrolled(scheme))[0] for _ in range(12)]
    for number in range(12):
        month = JANUARY.plus(number)
        wages = [(7_919 * (at + 3) * (number + 1)) % 140_000 for at in range(len(people))]
        await ledger.hear(
            *(slip(person, str(month), wage) for person, wage in zip(people, wages, strict=True))
        )
        await ledger.close(str(month))
        late = [at for at in range(len(people)) if at % 4 == number % 4]
        await ledger.hear(*(slip(people[at], str(month), wages[at] // 2, version=2) for at in late))
        for order in (await ledger.orders(state="OPEN"))[::2]:
            paid = {"executedOn": str(ledger.clock.now().date())}
            await ledger.call("POST", f"/payment-orders/{order['orderId']}/_executed", paid)
    await ledger.seal()
    export = await ledger.export(scheme.fund_id)
    verdict = verify(export)
    assert verdict.faults == ()
    kinds = {line["transaction"]["kind"] for line in _transactions(export)}
    assert kinds == {"DONATION", "COMMITMENT", "DRAW", "REVERSAL", "EXECUTION"}

    made = "\n".join(beancount_lines(export)) + "\n"
    assert _bean_check(tmp_path, made) == (0, "")
    owed = f"balance Liabilities:Free:N-{scheme.fund_id}  -"
    assert owed in made
    code, told = _bean_check(tmp_path, made.replace(owed, f"{owed}9"))
    assert code == 1
    assert "Balance failed" in told
    assert verdict.balances[f"bank:{scheme.fund_id}"] < 0


def _bean_check(folder: Path, text: str) -> tuple[int, str]:
    file = folder / "books.beancount"
    file.write_text(text, encoding="utf-8")
    program = Path(sys.executable).with_name("bean-check")
    ran = subprocess.run(
        [str(program), "--no-cache", str(file)], capture_output=True, text=True, timeout=120, check=False
    )
    return ran.returncode, ran.stdout + ran.stderr
