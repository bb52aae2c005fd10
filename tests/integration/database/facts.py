"""A consumer of month declarations that keeps them as facts, and fails where an event tells it to."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert, select

from shared.bus.port import Bus, Message
from shared.contracts.cloudevents import Envelope, encode
from shared.contracts.events import Event, MonthDeclared, ParticipantErased
from shared.database import Database, Tx
from shared.errors import PoisonMessage, TryAgain
from shared.inbox import Incoming, Wiring
from shared.months import Month
from tests.integration.database.conftest import NOW, SOURCE
from tests.integration.database.tables import FACT

POISON, AWAY, BUG, AT_COMMIT = "9001", "9002", "9003", "9004"
"""Municipalities whose events are refused, cannot be handled now, meet a bug, or break the commit."""


class BugError(Exception):
    """A fault in a handler that nobody expected."""


class Facts:
    """The handlers and what they were called with."""

    def __init__(self, *, echo: bool = True) -> None:
        self.echo = echo
        """Whether it emits each event again, as something a handler tells."""
        self.calls: list[int] = []
        self.erasures: list[int] = []
        self.broken = {POISON, AWAY, BUG, AT_COMMIT}

    @property
    def wiring(self) -> Wiring:
        return {MonthDeclared: self.keep, ParticipantErased: self.erase}

    async def keep(self, tx: Tx, batch: Sequence[Incoming]) -> None:
        self.calls.append(len(batch))
        await tx.execute(insert(FACT), [_fact(tx, incoming) for incoming in batch])
        for incoming in batch:
            event: MonthDeclared = incoming.event
            self.fail_for(event.municipality)
            if event.municipality == AT_COMMIT and AT_COMMIT in self.broken:
                event = event.model_copy(update={"participant_id": None})
            if self.echo:
                tx.emit(event)

    async def erase(self, tx: Tx, batch: Sequence[Incoming]) -> None:
        self.erasures.append(len(batch))
        for incoming in batch:
            self.fail_for(incoming.event.municipality)

    def fail_for(self, municipality: str) -> None:
        if municipality not in self.broken:
            return
        if municipality == POISON:
            raise PoisonMessage("this cannot be handled")
        if municipality == AWAY:
            raise TryAgain("not now")
        if municipality == BUG:
            raise BugError("canary 123456782")


def _fact(tx: Tx, incoming: Incoming) -> dict[str, Any]:
    return {
        "fact_id": incoming.id,
        "reverses": None,
        "participant_id": incoming.key,
        "month": incoming.event.month,
        "amount_cents": 1,
        "recorded_at": tx.now,
        "receipt": None,
    }


def declared(person: int, months: int = 0, municipality: str = "0344") -> MonthDeclared:
    month = Month(2026, 1).plus(months)
    return MonthDeclared(participant_id=key(person), municipality=municipality, month=month, kind="ZERO")


def key(person: int) -> str:
    return f"{person:08d}-0000-4000-8000-000000000000"


def message(event: Event, event_id: str) -> Message:
    return encode(Envelope.of(event, id=event_id, source=SOURCE, time=NOW))


async def publish(bus: Bus, *events: Event, start: int = 0) -> None:
    await bus.publish([message(event, f"event-{start + n}") for n, event in enumerate(events)])


async def kept(database: Database) -> list[str]:
    """The ids of the events whose effect is there, in the order of their numbers."""
    async with database.read() as reading:
        rows = await reading.rows(select(FACT.c.fact_id))
    return sorted((row.fact_id for row in rows), key=lambda name: int(name.rpartition("-")[2]))
