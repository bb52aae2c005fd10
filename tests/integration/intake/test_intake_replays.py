"""What an Idempotency-Key gives back about a person: while the person is known, and after the erasure."""

from typing import Any

import httpx
from sqlalchemy import select

from shared.plumbing import TABLES
from tests.integration.intake.office import BSN, Intake, slip
from tests.integration.toy.edge import problem


async def _keyed(office: httpx.AsyncClient, path: str, body: Any, key: str) -> httpx.Response:
    return await office.post(path, json=body, headers={"Idempotency-Key": key})


async def test_replays_about_a_person_are_gone_once_the_person_is_erased(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    person_body = {"municipality": "0344", "bsn": BSN}
    person = (await _keyed(office, "/participants", person_body, "person")).json()["participantId"]
    calls = {
        "/participants": (person_body, "person"),
        "/wage-slips": (slip(person), "slip"),
        "/month-declarations": ({"participantId": person, "month": "2026-01", "kind": "ZERO"}, "zero"),
    }
    for path, (body, key) in calls.items():
        first, again = await _keyed(office, path, body, key), await _keyed(office, path, body, key)
        assert first.status_code == again.status_code == 201, path
        assert first.content == again.content
    assert intake.service.key_store is not None
    await intake.service.key_store.destroy(person)
    for path, (body, key) in calls.items():
        problem(await _keyed(office, path, body, key), 404)


async def test_an_erasure_under_a_key_is_confirmed_however_often_it_is_sent(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    person_body = {"municipality": "0344", "bsn": BSN}
    person = (await _keyed(office, "/participants", person_body, "person")).json()["participantId"]
    first = await _keyed(office, f"/participants/{person}/_erase", None, "erase")
    assert first.status_code == 202, first.text
    await intake.work()
    again = await _keyed(office, f"/participants/{person}/_erase", None, "erase")
    assert (again.status_code, again.json()) == (202, first.json())
    problem(await _keyed(office, "/participants", person_body, "person"), 404)


async def test_a_replay_about_a_person_is_in_the_access_log(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    person_body = {"municipality": "0344", "bsn": BSN}
    person = (await _keyed(office, "/participants", person_body, "person")).json()["participantId"]
    await _keyed(office, "/participants", person_body, "person")
    log = TABLES.access_log
    async with intake.service.database.read() as reading:
        rows = await reading.rows(select(log).where(log.c.participant_id == person))
    assert sorted(row.action for row in rows) == ["register", "register, replayed"]
    assert {row.purpose for row in rows} == {"income-intake"}
