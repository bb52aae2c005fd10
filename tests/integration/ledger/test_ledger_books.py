"""The books under attack and under many hands: append-only, never below nil, never above the cap."""

import asyncio
from datetime import date

import pytest
from sqlalchemy import Executable, insert, text, update
from sqlalchemy.exc import DBAPIError

from buffer_ledger.bookkeeping import commitment
from buffer_ledger.books import Entry, NotEnough, book, open_buffer
from buffer_ledger.casefiles import Enrolment, add_enrolment
from buffer_ledger.proposal_store import announce
from buffer_ledger.tables import ACCOUNT, APPEND_ONLY, METADATA, OFFSET_STATEMENT, TRANSFER
from shared.database import Tx
from shared.migrate import drift
from shared.money import Cents
from tests.integration.ledger.ledger_office import JANUARY, LedgerOffice, Scheme, new_uuid, slip

ATTACKS = (
    "UPDATE {table} SET {column} = {column}",
    "DELETE FROM {table}",
    "INSERT INTO {table} SELECT * FROM {table}",
)


@pytest.mark.parametrize("table", APPEND_ONLY)
async def test_what_is_booked_cannot_be_changed_deleted_or_written_again(
    ledger: LedgerOffice, table: str
) -> None:
    scheme = await ledger.scheme()
    for _ in range(10):
        person, enrolment = await ledger.enrolled(scheme)
        await ledger.hear(slip(person, "2026-01", 70_000), slip(person, "2026-02", 25_000))
    await ledger.close("2026-01")
    await ledger.close("2026-02")
    await ledger.seal()
    await _decided(ledger, person)
    if table in {"draw_decision", "decision_announcement"}:
        await _agreed(ledger)
    if table == "repayment":
        (order, *_) = await ledger.orders(enrolmentId=enrolment)
        path = f"/payment-orders/{order['orderId']}/_executed"
        await ledger.call("POST", path, {"executedOn": "2026-03-01"})
        body = {"month": "2026-02", "amountCents": 100, "receivedOn": "2026-03-01"}
        await ledger.call("POST", f"/enrolments/{enrolment}/repayments", body)
    if table == "exit_settlement":
        body = {"benefitEndedOn": "2026-02-01", "reason": "WORK"}
        ledger.at("2026-03-09")
        await ledger.call("POST", f"/enrolments/{enrolment}/_end", body)
    database = ledger.service.database
    column = list(METADATA.tables[table].columns)[-1].name
    attacks = [attack.format(table=table, column=column) for attack in ATTACKS]
    if database.dialect == "sqlite":
        attacks.append(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")
    else:
        attacks.append(f"TRUNCATE {table} CASCADE")
    before = await _rows(ledger, table)
    assert before
    for attack in attacks:
        with pytest.raises(DBAPIError):
            await _run(ledger, text(attack))
    assert await _rows(ledger, table) == before


async def _agreed(ledger: LedgerOffice) -> None:
    """A draw that an official agreed to, with the row that says it was announced."""
    policy = {"drawAmount": "REPLACE", "capCents": 100_000, "approval": "FOUR_EYES"}
    scheme = await ledger.scheme(policy=policy)
    person, _ = await ledger.enrolled(scheme)
    await ledger.hear(slip(person, "2026-01", 70_000))
    await ledger.close("2026-02")
    (proposal,) = (await ledger.call("GET", "/draw-proposals"))["items"]
    path = f"/draw-proposals/{proposal['proposalId']}/_approve"
    await ledger.call("POST", path, {}, office=ledger.client("official"))
    async with ledger.service.database.write() as tx:
        await announce(tx, proposal["proposalId"], date(2026, 3, 2), "test")


async def test_the_database_itself_refuses_a_balance_outside_its_limits(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme()
    _, enrolment = await ledger.enrolled(scheme)
    for account, cents in ((f"buffer:{enrolment}", -1), (f"buffer:{enrolment}", 100_001)):
        changed = update(ACCOUNT).where(ACCOUNT.c.account == account).values(balance_cents=cents)
        with pytest.raises(DBAPIError):
            await _run(ledger, changed)


async def test_a_transfer_of_nil_or_to_itself_is_refused_by_the_database(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme()
    async with ledger.service.database.read() as reading:
        transaction = await reading.scalar(text("SELECT transaction_id FROM ledger_transaction"))
    bank, free = f"bank:{scheme.fund_id}", f"fund-free:{scheme.fund_id}"
    for debit, credit, amount in ((bank, free, 0), (bank, free, -5), (bank, bank, 5)):
        row = {"transaction_id": transaction, "position": 7, "debit": debit, "credit": credit}
        with pytest.raises(DBAPIError):
            await _run(ledger, insert(TRANSFER).values(**row, amount_cents=amount))


async def test_of_two_enrolments_at_once_only_one_gets_the_last_of_the_fund(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme(donated=150_000)
    office = ledger.client()

    async def enrol() -> int:
        body = {
            "participantId": new_uuid(),
            "schemeId": scheme.scheme_id,
            "household": {"kind": "SINGLE"},
            "firstMonth": "2026-01",
        }
        return (await office.post("/enrolments", json=body)).status_code

    assert sorted(await asyncio.gather(*(enrol() for _ in range(5)))) == [201, 409, 409, 409, 409]
    refused = await office.post(
        "/enrolments",
        json={
            "participantId": new_uuid(),
            "schemeId": scheme.scheme_id,
            "household": {"kind": "SINGLE"},
            "firstMonth": "2026-01",
        },
    )
    assert "50000" in refused.json()["detail"]
    await ledger.must_be_sound()


async def test_first_debits_of_a_fund_at_once_do_not_both_pass(ledger: LedgerOffice) -> None:
    """The fund's account was never debited before; its row is there to be locked from the first day."""
    scheme = await ledger.scheme(donated=1_000)
    database, enrolments = ledger.service.database, [new_uuid(), new_uuid()]

    async def take(enrolment: str) -> bool:
        try:
            async with database.write() as tx:
                await _open_enrolment(tx, scheme, enrolment)
                transaction = commitment(scheme.fund_id, enrolment, Cents(1_000), JANUARY)
                entry = Entry(transaction_id=new_uuid(), transaction=transaction, fund_id=scheme.fund_id)
                await book(tx, [entry])
        except NotEnough:
            return False
        return True

    assert sorted(await asyncio.gather(*(take(enrolment) for enrolment in enrolments))) == [False, True]


async def test_the_migrated_database_has_the_declared_tables(ledger: LedgerOffice) -> None:
    url = ledger.settings.owner_database_url("buffer-ledger")
    assert await drift(url, METADATA, ledger.service.migrations) == []


async def _open_enrolment(tx: Tx, scheme: Scheme, enrolment_id: str) -> None:
    enrolment = Enrolment(
        enrolment_id=enrolment_id,
        participant_id=new_uuid(),
        municipality="0344",
        scheme_id=scheme.scheme_id,
        fund_id=scheme.fund_id,
        policy_version=1,
        cap_cents=Cents(1_000),
        first_month=JANUARY,
        last_month=JANUARY,
        household={"kind": "SINGLE"},
    )
    await add_enrolment(tx, enrolment)
    await open_buffer(tx, scheme.fund_id, enrolment_id, 1_000)


async def _decided(ledger: LedgerOffice, person: str) -> None:
    """What the municipality decided for a month."""
    row = {
        "statement_id": new_uuid(),
        "participant_id": person,
        "municipality": "0344",
        "month": "2026-01",
        "number": 1,
        "counted_cents": 0,
        "benefit_paid_cents": 0,
        "holiday_allowance_cents": 0,
        "decided_on": ledger.clock.now().date(),
        "reference": None,
        "recorded_at": ledger.clock.now(),
    }
    await _run(ledger, insert(OFFSET_STATEMENT).values(**row))


async def _run(ledger: LedgerOffice, statement: Executable) -> None:
    async with ledger.service.database.write() as tx:
        await tx.execute(statement)


async def _rows(ledger: LedgerOffice, table: str) -> list[tuple[object, ...]]:
    async with ledger.service.database.read() as reading:
        rows = await reading.rows(text(f"SELECT * FROM {table}"))
    return sorted((tuple(row) for row in rows), key=str)
