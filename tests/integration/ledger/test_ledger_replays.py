"""What an Idempotency-Key gives back about a person: while the person is known, and after the erasure."""

from typing import Any

import httpx
from sqlalchemy import select

from shared.plumbing import TABLES
from shared.service import key_store_of
from tests.integration.ledger.ledger_office import LedgerOffice, erased, slip
from tests.integration.toy.edge import problem

PAYEE = {"iban": "NL91ABNA0417164300", "holder": "Anna de Vries", "kind": "PERSON"}


async def _again(ledger: LedgerOffice, method: str, path: str, body: Any, key: str) -> httpx.Response:
    client = ledger.clients[0] if ledger.clients else ledger.client()
    return await client.request(method, path, json=body, headers={"Idempotency-Key": key})


async def _access(ledger: LedgerOffice, person: str) -> list[str]:
    log = TABLES.access_log
    mine = select(log.c.action).where(log.c.participant_id == person)
    async with ledger.service.database.read() as reading:
        return sorted(row.action for row in await reading.rows(mine))


async def test_a_replayed_payee_is_gone_once_the_person_is_erased(ledger: LedgerOffice) -> None:
    person, enrolment_id = await ledger.enrolled(await ledger.scheme())
    path = f"/enrolments/{enrolment_id}/payee"
    first = await _again(ledger, "PUT", path, PAYEE, "k1")
    again = await _again(ledger, "PUT", path, PAYEE, "k1")
    assert first.status_code == again.status_code == 200
    assert first.content == again.content
    assert again.headers["idempotency-replayed"] == "true"
    await ledger.hear(erased(person))
    gone = problem(await _again(ledger, "PUT", path, PAYEE, "k1"), 404)
    assert gone["type"].endswith(":erased")
    problem(await ledger.clients[0].get(path), 404)


async def test_a_replay_about_a_person_is_in_the_access_log_and_a_refused_one_is_not(
    ledger: LedgerOffice,
) -> None:
    person, enrolment_id = await ledger.enrolled(await ledger.scheme())
    path = f"/enrolments/{enrolment_id}/payee"
    await _again(ledger, "PUT", path, PAYEE, "k1")
    before = await _access(ledger, person)
    await _again(ledger, "PUT", path, PAYEE, "k1")
    assert await _access(ledger, person) == sorted([*before, "change-payee, replayed"])
    problem(await _again(ledger, "PUT", path, {**PAYEE, "kind": "ADMINISTRATOR"}, "k1"), 409)
    await ledger.hear(erased(person))
    await _again(ledger, "PUT", path, PAYEE, "k1")
    assert await _access(ledger, person) == sorted([*before, "change-payee, replayed"])


async def test_a_key_destroyed_by_another_process_holds_at_once(ledger: LedgerOffice) -> None:
    person, enrolment_id = await ledger.enrolled(await ledger.scheme())
    path = f"/enrolments/{enrolment_id}/payee"
    await _again(ledger, "PUT", path, PAYEE, "k1")
    elsewhere = key_store_of("buffer-ledger", ledger.settings)
    await elsewhere.destroy(person)
    await elsewhere.close()
    problem(await _again(ledger, "PUT", path, PAYEE, "k1"), 404)


async def test_a_replayed_enrolment_is_gone_once_the_person_is_erased(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme()
    person, _ = await ledger.enrolled(scheme, first="2026-01")
    body = {
        "participantId": person,
        "schemeId": scheme.scheme_id,
        "household": {"kind": "SINGLE"},
        "firstMonth": "2027-01",
    }
    assert (await _again(ledger, "POST", "/enrolments", body, "k2")).status_code == 201
    assert (await _again(ledger, "POST", "/enrolments", body, "k2")).status_code == 201
    await ledger.hear(erased(person))
    problem(await _again(ledger, "POST", "/enrolments", body, "k2"), 404)


async def test_a_payment_for_an_erased_person_can_be_reported_under_a_key_once(ledger: LedgerOffice) -> None:
    """The money went out whether or not the person is known: the report counts, its answer is not kept."""
    person, _ = await ledger.enrolled(await ledger.scheme())
    await ledger.hear(slip(person, "2026-01", 70_000), slip(person, "2026-02", 25_000))
    await ledger.close("2026-01")
    await ledger.close("2026-02")
    (order,) = await ledger.orders()
    await ledger.hear(erased(person))
    ledger.at("2026-03-05")
    path, body = f"/payment-orders/{order['orderId']}/_executed", {"executedOn": "2026-03-03"}
    assert (await _again(ledger, "POST", path, body, "k3")).json()["state"] == "EXECUTED"
    problem(await _again(ledger, "POST", path, body, "k3"), 404)
    problem(await _again(ledger, "POST", path, {"executedOn": "2026-03-04"}, "k3"), 409)
