"""income-intake with its database (of either kind) behind its HTTP application, without a bus."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import select

from income_intake.service import build
from shared.bus.sqlite_log import SqliteLog
from shared.clock import FixedClock
from shared.contracts.catalogue import ALL_EVENTS
from shared.contracts.events import Event
from shared.edge import EdgeState
from shared.ids import RandomIds
from shared.log import get_log
from shared.metrics import Metrics
from shared.migrate import migrate
from shared.plumbing import TABLES
from shared.serve import application
from shared.service import Service
from shared.settings import Settings
from shared.status import Health
from shared.tokens import caller_from, token_for
from tests.migrated import copy_to_sqlite

NOW = datetime(2026, 4, 2, 9, 0, tzinfo=UTC)
BSN, OTHER_BSN = "123456782", "111222333"
_numbers = count(1)


@dataclass
class Intake:
    """The service as its callers meet it, and what it would publish."""

    service: Service
    app: FastAPI
    settings: Settings
    clock: FixedClock
    metrics: Metrics
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    def office(self, municipality: str = "0344", **words: str) -> httpx.AsyncClient:
        """A client with the token of a municipality's back office (or what `words` say)."""
        caller = caller_from({"ROLE": "backoffice", "MUNICIPALITY": municipality, **words})
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app),
            base_url="http://intake.test/v1",
            headers={"Authorization": f"Bearer {token_for(self.settings, caller)}"},
        )
        self.clients.append(client)
        return client

    async def events(self, kind: type[Event] | None = None) -> list[Event]:
        """What waits in the outbox, oldest first."""
        by_type = {event.type_name(): event for event in ALL_EVENTS}
        async with self.service.database.read() as reading:
            rows = await reading.rows(select(TABLES.outbox).order_by(TABLES.outbox.c.id))
        found = [by_type[dict(row.headers)["ce_type"]].read(row.value) for row in rows]
        return [event for event in found if kind is None or isinstance(event, kind)]

    async def work(self) -> None:
        """Let the workers finish what there is."""
        for worker in self.service.workers:
            while await worker.step():
                pass

    async def batch(self, office: httpx.AsyncClient, body: bytes) -> dict[str, Any]:
        """Send a batch and let it be taken in; its answer when done."""
        sent = await office.post(
            "/wage-slip-batches", content=body, headers={"Content-Type": "application/x-ndjson"}
        )
        assert sent.status_code == 202, sent.text
        await self.work()
        done = await office.get(f"/wage-slip-batches/{sent.json()['batchId']}")
        assert done.status_code == 200, done.text
        answer: dict[str, Any] = done.json()
        return answer


async def started(settings: Settings) -> Intake:
    """The service, migrated, behind its application."""
    clock, metrics = FixedClock(NOW), Metrics()
    service = build(settings, clock, RandomIds(), metrics)
    copy_to_sqlite(service.migrations, settings.database_url(service.name))
    await migrate(
        settings.owner_database_url(service.name),
        service.migrations,
        service_url=settings.database_url(service.name),
    )
    health = Health(SqliteLog(settings.data_dir / "events", clock), clock, lag_max_seconds=None)
    edge = EdgeState(log=get_log("process"), metrics=metrics, started=True)
    app = application((service,), settings, health, edge)
    return Intake(service, app, settings, clock, metrics)


async def registered(office: httpx.AsyncClient, **members: Any) -> str:
    """Register a person of 0344; the id."""
    body = {"municipality": "0344", **members}
    if "bsn" not in body and "externalReference" not in body:
        body["externalReference"] = f"inwoner-{next(_numbers)}"
    answer = await office.post("/participants", json=body)
    assert answer.status_code in {200, 201}, answer.text
    participant_id: str = answer.json()["participantId"]
    return participant_id


def slip(participant_id: str | None = None, **members: Any) -> dict[str, Any]:
    """A slip of March 2026."""
    body: dict[str, Any] = {
        "participantId": participant_id,
        "source": "SLIP",
        "employerName": "Thuiszorg Voorbeeld",
        "periodFrom": "2026-03-01",
        "periodTo": "2026-03-31",
        "netCents": 60_000,
        **members,
    }
    return {name: value for name, value in body.items() if value is not None}


def ndjson(bodies: Sequence[Any]) -> bytes:
    """A batch file."""
    return "".join(json.dumps(body, ensure_ascii=False) + "\n" for body in bodies).encode()
