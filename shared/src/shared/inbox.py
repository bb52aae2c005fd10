"""The inbox: a message is taken once. Its mark is committed together with what it caused."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete

from shared.bus.port import Received
from shared.contracts.cloudevents import decode
from shared.contracts.events import Event
from shared.database import Tx, insert_ignore
from shared.errors import PoisonMessage
from shared.plumbing import TABLES

_INBOX = TABLES.inbox


@dataclass(frozen=True, slots=True)
class Incoming:
    """One event as a handler gets it; `time` is when its sender recorded it."""

    id: str
    source: str
    time: datetime
    event: Any  # the class the handler is wired to

    @property
    def key(self) -> str:
        """The participant or fund the event is about."""
        return str(self.event.key())


Handler = Callable[[Tx, Sequence[Incoming]], Awaitable[None]]
"""Does, in the transaction it is given, what a batch of events of its kinds asks; in order."""

Wiring = Mapping[type[Event], Handler]


@dataclass(frozen=True, slots=True)
class Item:
    """A received message with what could be read of it: `incoming`, or the `fault` that forbids reading."""

    received: Received
    source: str
    message_id: str
    type: str
    incoming: Incoming | None
    fault: str | None = None

    @property
    def identity(self) -> tuple[str, str]:
        return (self.source, self.message_id)

    @property
    def key(self) -> str:
        return self.received.message.key


def read_item(received: Received) -> Item | None:
    """Read a message; None for a type of the family that this version does not know yet."""
    try:
        envelope = decode(received)
    except PoisonMessage as error:
        return _unreadable(received, error.detail)
    if envelope.event is None:
        return None
    incoming = Incoming(envelope.id, envelope.source, envelope.time, envelope.event)
    return Item(received, envelope.source, envelope.id, envelope.type, incoming)


def _unreadable(received: Received, fault: str) -> Item:
    """It has no id that could be trusted, so its content is its identity."""
    message = received.message
    digest = hashlib.sha256(repr((message.topic, message.key, message.headers)).encode() + message.value)
    return Item(received, f"unreadable:{message.topic}", digest.hexdigest(), "", None, fault)


async def take_new(tx: Tx, consumer: str, items: Sequence[Item]) -> list[Item]:
    """Mark the messages as taken and give back, in order, those that were not taken before."""
    first_seen = {item.identity: item for item in reversed(items)}
    rows = [
        {"consumer": consumer, "source": source, "message_id": message_id, "recorded_at": tx.now}
        for source, message_id in first_seen
    ]
    marked = insert_ignore(tx, _INBOX, ["consumer", "source", "message_id"])
    new = await tx.rows(marked.returning(_INBOX.c.source, _INBOX.c.message_id), rows)
    fresh = {(row.source, row.message_id) for row in new}
    return [item for item in items if item.identity in fresh and first_seen[item.identity] is item]


async def forget_before(tx: Tx, instant: datetime) -> int:
    """Delete marks from before an instant: longer ago than any topic keeps its messages."""
    return await tx.execute(delete(_INBOX).where(_INBOX.c.recorded_at < instant))
