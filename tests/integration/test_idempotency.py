"""Idempotency-Key, on both databases: done once, answered alike, kept encrypted and not for ever."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import select

from deploy.parts.postgres import Postgres
from shared.commands import forget_expired
from shared.plumbing import TABLES
from tests.integration.toy.edge import NOTE, START, Edge, faults, problem, running_toy

_numbers = count(1)


@pytest_asyncio.fixture(params=["embedded", "postgres"])
async def edge(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Edge]:
    urls: dict[str, str] = {}
    if request.param == "postgres":
        part: Postgres = request.getfixturevalue("postgres")
        owner, service = part.create_service_database(f"toy_{next(_numbers)}")
        urls = {"notifier_owner_database_url": owner, "notifier_database_url": service}
    async with running_toy(tmp_path, **urls) as running:
        yield running


async def test_the_same_key_and_input_gets_the_same_answer_and_does_it_once(edge: Edge) -> None:
    first = await edge.post(NOTE, key="k1")
    again = await edge.post(NOTE, key="k1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert first.headers["location"] == again.headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    assert await edge.notes() == 1


async def test_the_same_key_with_other_input_is_a_conflict(edge: Edge) -> None:
    await edge.post(NOTE, key="k1")
    problem(await edge.post({**NOTE, "amountCents": 1}, key="k1"), 409)
    assert await edge.notes() == 1


async def test_of_ten_at_once_with_one_key_one_runs_and_nine_replay(edge: Edge) -> None:
    answers = await asyncio.gather(*(edge.post({**NOTE, "slowSeconds": 0.1}, key="k1") for _ in range(10)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 9
    assert await edge.notes() == 1


async def test_a_key_is_scoped_to_its_caller(edge: Edge) -> None:
    await edge.post(NOTE, key="k1")
    other = edge.token(ROLE="backoffice", SUBJECT="somebody-else")
    answer = await edge.client.post("/v1/notes", json=NOTE, headers={**other, "Idempotency-Key": "k1"})
    assert "idempotency-replayed" not in answer.headers
    assert await edge.notes() == 2


async def test_errors_are_not_kept_so_a_repaired_request_may_use_its_key(edge: Edge) -> None:
    problem(await edge.post({**NOTE, "amountCents": 409}, key="k1"), 409)
    assert await edge.notes() == 0
    assert (await edge.post(NOTE, key="k1")).status_code == 201


async def test_after_thirty_days_a_key_is_free_again(edge: Edge) -> None:
    await edge.post(NOTE, key="k1")
    edge.clock.set(START + timedelta(days=29))
    assert "idempotency-replayed" in (await edge.post(NOTE, key="k1")).headers
    edge.clock.set(START + timedelta(days=31))
    assert (await edge.post({**NOTE, "amountCents": 7}, key="k1")).status_code == 201
    assert await edge.notes() == 2


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_key_that_is_empty_or_long_is_refused(edge: Edge, key: str) -> None:
    assert faults(await edge.post(NOTE, key=key)) == {("G005", "/Idempotency-Key")}


async def test_what_is_kept_of_an_answer_cannot_be_read_in_the_database(edge: Edge) -> None:
    answer = await edge.post(NOTE, key="my-secret-key")
    async with edge.process.services[0].database.read() as reading:
        (row,) = await reading.rows(select(TABLES.idempotency))
    assert row.status == 201
    assert answer.json()["noteId"].encode() not in row.body
    assert b"noteId" not in row.body
    assert "my-secret-key" not in repr(row)


async def test_expired_answers_are_forgotten(edge: Edge) -> None:
    for number in range(3):
        await edge.post(NOTE, key=f"k{number}")
    database, keep_for = edge.process.services[0].database, timedelta(days=30)
    assert await forget_expired(database, keep_for) == 0
    edge.clock.set(START + timedelta(days=31))
    assert await forget_expired(database, keep_for, at_most=2) == 2
    assert await forget_expired(database, keep_for, at_most=2) == 1
