"""buffer-ledger with its database (of either kind) behind its HTTP application; facts go in as events."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import count, groupby
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from sqlalchemy import event as engine_events
from sqlalchemy import select

from buffer_ledger.checks import invariants
from buffer_ledger.service import build
from shared.bus.sqlite_log import SqliteLog
from shared.clock import FixedClock
from shared.contracts.catalogue import ALL_EVENTS
from shared.contracts.events import (
    Employment,
    Event,
    MonthDeclared,
    ParticipantErased,
    ParticipantRegistered,
    WageSlipCorrected,
    WageSlipPart,
    WageSlipReported,
)
from shared.edge import EdgeState
from shared.ids import Ids, RandomIds
from shared.inbox import Incoming
from shared.law import Law
from shared.log import get_log
from shared.metrics import Metrics
from shared.migrate import migrate
from shared.money import Cents
from shared.months import Month
from shared.plumbing import TABLES
from shared.serve import application
from shared.service import Service
from shared.settings import Settings
from shared.status import Health
from shared.tokens import caller_from, token_for
from shared.workers import Worker
from tests.migrated import copy_to_sqlite

MUNICIPALITY = "0344"
OTHER = "0363"
NOW = datetime(2025, 12, 15, 9, 0, tzinfo=UTC)
JANUARY = Month(2026, 1)
EMPLOYER = "zorg" * 8
_numbers = count(1)


def new_uuid() -> str:
    return str(UUID(int=0xC0000000000040008000000000000000 + next(_numbers)))


@dataclass
class Scheme:
    """A fund with a scheme, ready to enrol."""

    fund_id: str
    scheme_id: str


@dataclass
class LedgerOffice:
    """The service as its callers meet it, what it hears and what it would publish."""

    service: Service
    app: FastAPI
    settings: Settings
    clock: FixedClock
    metrics: Metrics
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    def client(
        self, role: str = "backoffice", municipality: str = MUNICIPALITY, **words: str
    ) -> httpx.AsyncClient:
        caller = caller_from({"ROLE": role, "MUNICIPALITY": municipality, **words})
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app),
            base_url="http://ledger.test/v1",
            headers={"Authorization": f"Bearer {token_for(self.settings, caller)}"},
        )
        self.clients.append(client)
        return client

    # ---- what is set up

    async def call(
        self, method: str, path: str, body: Any = None, *, expect: int | None = None, **options: Any
    ) -> Any:
        """One call of the back office; its JSON. `expect` is the status, else any success."""
        office = options.pop("office", None) or self._office()
        answer = await office.request(method, path, json=body, **options)
        if expect is None:
            assert answer.status_code < 300, answer.text
        else:
            assert answer.status_code == expect, answer.text
        return answer.json()

    def _office(self) -> httpx.AsyncClient:
        return self.clients[0] if self.clients else self.client()

    async def scheme(
        self,
        *,
        donated: int = 1_000_000,
        method: str = "M1",
        policy: dict[str, Any] | None = None,
        kind: str = "PRIVATE",
    ) -> Scheme:
        """The municipality's settings, a fund with money in it, a scheme."""
        await self.call("PUT", f"/municipalities/{MUNICIPALITY}", {"name": "Utrecht", "offsetMethod": method})
        fund = await self.call(
            "POST", "/funds", {"name": "Bestaansbuffer", "type": kind, "municipalities": [MUNICIPALITY]}
        )
        if donated:
            await self.call(
                "POST",
                f"/funds/{fund['fundId']}/donations",
                {"amountCents": donated, "valueDate": "2025-12-15"},
            )
        scheme_id = new_uuid()
        await self.call(
            "PUT",
            f"/schemes/{scheme_id}",
            {
                "fundId": fund["fundId"],
                "municipality": MUNICIPALITY,
                "policy": policy or {"drawAmount": "TOPUP", "capCents": 100_000},
                "validFrom": "2026-01",
            },
        )
        return Scheme(fund["fundId"], scheme_id)

    async def enrolled(
        self, scheme: Scheme, *, employers: Sequence[str] = (), first: str = "2026-01", register: bool = True
    ) -> tuple[str, str]:
        """A registered person with an enrolment: their id and the enrolment's."""
        person = new_uuid()
        if register:
            await self.hear(registered(person, employers=employers))
        answer = await self.call(
            "POST",
            "/enrolments",
            {
                "participantId": person,
                "schemeId": scheme.scheme_id,
                "household": {"kind": "SINGLE"},
                "firstMonth": first,
            },
        )
        return person, answer["enrolmentId"]

    # ---- what happens

    async def hear(self, *events: Event) -> None:
        """Handle events as the consumer does: runs of the same handler together, in one transaction."""
        wiring = self.service.wiring
        async with self.service.database.write() as tx:
            for handler, group in groupby(events, key=lambda event: wiring[type(event)]):
                batch = [Incoming(new_uuid(), "urn:test", tx.now, event) for event in group]
                await handler(tx, batch)

    def at(self, day: str) -> None:
        """Let it be nine o'clock on a day."""
        self.clock.set(datetime.fromisoformat(f"{day}T09:00:00+00:00"))

    async def work(self) -> None:
        """Let the month closes be done."""
        while await self.service.workers[0].step():
            pass

    async def seal(self) -> None:
        """Let everything that was booked get its seal."""
        while await self.worker("ledger-seals").step():
            pass

    def worker(self, name: str) -> Worker:
        """One of the service's workers."""
        return next(worker for worker in self.service.workers if worker.name == name)

    async def export(self, fund_id: str) -> list[str]:
        """The lines of a fund's books."""
        answer = await self._office().get(f"/funds/{fund_id}/ledger")
        assert answer.status_code == 200, answer.text
        return answer.text.splitlines()

    async def close(self, month: str) -> dict[str, Any]:
        """Close a month at the first day it can be closed, or later; the finished close."""
        opens = datetime.combine(Month.parse(month).plus(1).first_day, NOW.timetz())
        self.clock.set(max(self.clock.now(), opens))
        asked = await self.call("POST", f"/municipalities/{MUNICIPALITY}/months/{month}/_close", expect=202)
        await self.work()
        done: dict[str, Any] = await self.call("GET", f"/month-closes/{asked['closeId']}")
        assert done["state"] == "DONE", done
        return done

    # ---- what is to be seen

    async def statement(self, enrolment_id: str, **parameters: str) -> dict[str, Any]:
        answer: dict[str, Any] = await self.call(
            "GET", f"/enrolments/{enrolment_id}/statement", params=parameters
        )
        return answer

    async def settled(self, enrolment_id: str) -> list[dict[str, Any]]:
        """The settled months of a statement."""
        months = (await self.statement(enrolment_id))["months"]
        return [month for month in months if not month["provisional"]]

    async def orders(self, **parameters: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await self.call("GET", "/payment-orders", params=parameters))["items"]
        return items

    async def told(self, kind: type[Event] | None = None) -> list[Any]:
        """What waits in the outbox, oldest first."""
        by_type = {event.type_name(): event for event in ALL_EVENTS}
        async with self.service.database.read() as reading:
            rows = await reading.rows(select(TABLES.outbox).order_by(TABLES.outbox.c.id))
        found = [by_type[dict(row.headers)["ce_type"]].read(row.value) for row in rows]
        return [event for event in found if kind is None or isinstance(event, kind)]

    async def must_be_sound(self) -> None:
        """Every invariant of the books holds."""
        async with self.service.database.read() as reading:
            checked = await invariants(reading)
        assert (checked.sum_cents, checked.sentences) == (0, ())

    def count_statements(self) -> "StatementCount":
        """Counts the SQL statements of writing transactions from now on."""
        engine = self.service.database._writing
        assert engine is not None
        return StatementCount(engine.sync_engine)


class StatementCount:
    """How many statements one engine was given; a list of parameters is one."""

    def __init__(self, engine: Any) -> None:
        self.statements: list[str] = []
        engine_events.listen(engine, "before_cursor_execute", self._seen)

    def _seen(self, _1: Any, _2: Any, statement: str, *_: Any) -> None:
        self.statements.append(statement)

    def __len__(self) -> int:
        return len(self.statements)


async def started(settings: Settings, ids: Ids | None = None, *, law: Law | None = None) -> LedgerOffice:
    """The service, migrated, behind its application."""
    clock, metrics = FixedClock(NOW), Metrics()
    service = build(settings, clock, ids or RandomIds(), metrics, law=law)
    copy_to_sqlite(service.migrations, settings.database_url(service.name))
    await migrate(
        settings.owner_database_url(service.name),
        service.migrations,
        service_url=settings.database_url(service.name),
    )
    health = Health(SqliteLog(settings.data_dir / "events", clock), clock, lag_max_seconds=None)
    edge = EdgeState(log=get_log("process"), metrics=metrics, started=True)
    app = application((service,), settings, health, edge)
    return LedgerOffice(service, app, settings, clock, metrics)


async def stop(office: LedgerOffice) -> None:
    """Close what was opened."""
    for client in office.clients:
        await client.aclose()
    await office.service.database.close()
    assert office.service.key_store is not None
    await office.service.key_store.close()


def registered(
    person: str, *, municipality: str = MUNICIPALITY, employers: Sequence[str] = ()
) -> ParticipantRegistered:
    jobs = tuple(Employment(employer_key=key, pay_period="MONTH") for key in employers)
    return ParticipantRegistered(participant_id=person, municipality=municipality, employments=jobs)


def erased(person: str) -> ParticipantErased:
    return ParticipantErased(participant_id=person, municipality=MUNICIPALITY)


def declared(person: str, month: str) -> MonthDeclared:
    return MonthDeclared(
        participant_id=person, municipality=MUNICIPALITY, month=Month.parse(month), kind="ZERO"
    )


def slip(
    person: str,
    month: str,
    net: int,
    *,
    version: int = 1,
    employer: str = EMPLOYER,
    municipality: str = MUNICIPALITY,
    paid: date | None = None,
) -> WageSlipReported | WageSlipCorrected:
    """What intake tells of a monthly slip."""
    period = Month.parse(month)
    kind = WageSlipReported if version == 1 else WageSlipCorrected
    return kind(
        participant_id=person,
        municipality=municipality,
        wage_slip_id=str(UUID(int=abs(hash((person, month, employer, version))))),
        slip_key=f"{employer[:20]}-{month}-{'k' * 20}",
        employer_key=employer,
        version=version,
        source="SLIP",
        period_from=period.first_day,
        period_to=period.last_day,
        pay_period="MONTH",
        pay_date=paid or period.last_day,
        parts=(WageSlipPart(kind="WAGE", net_cents=Cents(net)),),
    )
