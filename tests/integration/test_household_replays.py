"""A contact under an Idempotency-Key: the same answer again, until the person is erased."""

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import select

from notifier.service import build
from shared.bus.sqlite_log import SqliteLog
from shared.clock import FixedClock
from shared.contracts.events import Event
from shared.edge import EdgeState
from shared.ids import RandomIds
from shared.inbox import Incoming
from shared.log import get_log
from shared.metrics import Metrics
from shared.migrate import migrate
from shared.personal_keys import PersonErased
from shared.plumbing import TABLES
from shared.serve import application
from shared.service import Service
from shared.settings import Settings
from shared.status import Health
from shared.tokens import caller_from, token_for
from tests.integration.notifier_desk import LEDGER, NOW, erased, person_id, registered
from tests.integration.toy.edge import problem

CANARY = "kanarie.vogelkooi@zwaluw.example"
HOUSEHOLD = {
    "municipality": "0344",
    "contact": {
        "language": "nl",
        "email": CANARY,
        "channels": ["EMAIL"],
        "consents": [{"channel": "EMAIL", "messageKind": "BUFFER", "givenOn": "2025-12-01"}],
    },
}
PATH = f"/households/{person_id(1)}"
KEY = {"Idempotency-Key": "k1"}
_numbers = count(1)


class Office:
    """The notifier behind its application; events go in by hand."""

    def __init__(self, service: Service, client: httpx.AsyncClient) -> None:
        self.service = service
        self.client = client

    async def hear(self, event: Event) -> None:
        incoming = Incoming(str(UUID(int=next(_numbers))), LEDGER, NOW, event)
        async with self.service.database.write() as tx:
            await self.service.wiring[type(event)](tx, [incoming])

    async def put(self) -> httpx.Response:
        return await self.client.put(PATH, json=HOUSEHOLD, headers=KEY)


@pytest_asyncio.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    settings, clock, metrics = Settings(data_dir=tmp_path), FixedClock(NOW), Metrics()
    service = build(settings, clock, RandomIds(), metrics)
    url = settings.database_url("notifier")
    await migrate(url, service.migrations, service_url=url)
    health = Health(SqliteLog(tmp_path / "events", clock), clock, lag_max_seconds=None)
    edge = EdgeState(log=get_log("process"), metrics=metrics, started=True)
    app = application((service,), settings, health, edge)
    token = token_for(settings, caller_from({"ROLE": "backoffice"}))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="http://notifier.test/v1",
        headers={"Authorization": f"Bearer {token}"},
    ) as client:
        yield Office(service, client)
    await service.database.close()
    assert service.key_store is not None
    await service.key_store.close()


@pytest.mark.parametrize("known_first", [True, False])
async def test_contact_details_of_an_erased_person_do_not_come_back_under_their_key(
    office: Office, known_first: bool
) -> None:
    if known_first:
        await office.hear(registered(1))
    first = await office.put()
    again = await office.put()
    assert again.json() == first.json()
    assert CANARY in again.text
    await office.hear(erased(1))
    gone = await office.put()
    problem(gone, 404)
    assert CANARY not in gone.text
    problem(await office.client.get(PATH), 404)


async def test_after_the_erasure_no_key_that_is_left_opens_the_kept_answer(office: Office) -> None:
    await office.put()
    async with office.service.database.read() as reading:
        (row,) = await reading.rows(select(TABLES.idempotency))
    kept = office.client._transport.app.state.kept_answers["notifier"]  # type: ignore[attr-defined]
    body, _ = await kept.open(row.body, row.key_hash)
    assert CANARY.encode() in body
    await office.hear(erased(1))
    assert CANARY.encode() not in kept.framed(row.body, row.key_hash)
    with pytest.raises(PersonErased):
        await kept.open(row.body, row.key_hash)


async def test_a_replayed_contact_is_in_the_access_log(office: Office) -> None:
    await office.put()
    await office.put()
    async with office.service.database.read() as reading:
        rows = await reading.rows(select(TABLES.access_log))
    assert sorted((row.action, row.purpose, row.participant_id) for row in rows) == [
        ("record contact", "MESSAGES", person_id(1)),
        ("record contact, replayed", "MESSAGES", person_id(1)),
    ]
