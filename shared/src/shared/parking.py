"""Parked messages: what could not be handled waits here for an operator, as it came, with its reason."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import func, insert, select, update

from shared.bus.port import Message, Received
from shared.database import AnyRow, Database, ReadTx, Tx, among
from shared.errors import BufferbudgetError, Conflict, Fault, Invalid, NotFound, TryAgain
from shared.inbox import Item, read_item
from shared.log import error_fields
from shared.outbox import headers_from_json, headers_to_json
from shared.plumbing import TABLES

_PARKED = TABLES.parked_message


@dataclass(frozen=True, slots=True)
class ParkedMessage:
    """One parked message as an operator sees it; `payload` is only there when it was asked for."""

    parked_id: str
    consumer: str
    state: str
    message_id: str
    type: str
    topic: str
    key: str
    reason: str
    attempts: int
    parked_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    resolution: str | None
    payload: bytes | None = None


class Rehandling(Protocol):
    """What a consumer does with one message outside its loop."""

    async def rehandle(self, tx: Tx, item: Item) -> None:
        """Handle it now; raises what the handler raises."""
        ...

    def commutes(self, item: Item) -> bool:
        """False when it must wait for earlier parked messages of its key."""
        ...


async def park(tx: Tx, consumer: str, item: Item, reason: str) -> str:
    """Set a message aside; returns its parked id."""
    message = item.received.message
    row = {
        "parked_id": tx.new_id(),
        "consumer": consumer,
        "state": "PARKED",
        "source": item.source,
        "message_id": item.message_id,
        "type": item.type,
        "topic": message.topic,
        "partition": item.received.partition,
        "offset": item.received.offset,
        "key": message.key,
        "value": message.value,
        "headers": headers_to_json(message.headers),
        "reason": reason,
        "attempts": 1,
        "parked_at": tx.now,
    }
    await tx.execute(insert(_PARKED), [row])
    return str(row["parked_id"])


def reason_of(error: BaseException) -> str:
    """Why a message was parked. Our own words are kept; of others only type and place: they quote values."""
    fields = error_fields(error)
    frames = fields["frames"]
    place = frames[-1] if isinstance(frames, list) and frames else "unknown place"
    ours = isinstance(error, BufferbudgetError) and not isinstance(error, Invalid)
    own = f": {error}" if ours else ""
    return f"{type(error).__qualname__}{own} (at {place})"


async def has_parked(reading: ReadTx, keys: Collection[str]) -> set[str]:
    """Which of these participants (or funds) have a message that waits in parking."""
    if not keys:
        return set()
    parked = select(_PARKED.c.key).where(_PARKED.c.state == "PARKED", among(_PARKED.c.key, keys)).distinct()
    return {row.key for row in await reading.rows(parked)}


async def count_parked(reading: ReadTx, consumer: str | None = None) -> int:
    """How many messages wait in parking."""
    counted = select(func.count()).select_from(_PARKED).where(_PARKED.c.state == "PARKED")
    if consumer is not None:
        counted = counted.where(_PARKED.c.consumer == consumer)
    return int(await reading.scalar(counted))


class Parking:
    """What an operator can do with the parked messages of one service."""

    def __init__(self, database: Database, consumers: Mapping[str, Rehandling]) -> None:
        self._database = database
        self._consumers = consumers

    async def list(self, *, after: str | None = None, limit: int = 100) -> list[ParkedMessage]:
        """Waiting messages in the order of their parking, on from the parked id `after`."""
        page = select(_PARKED).where(_PARKED.c.state == "PARKED").order_by(_PARKED.c.number).limit(limit)
        if after is not None:
            reached = select(_PARKED.c.number).where(_PARKED.c.parked_id == after).scalar_subquery()
            page = page.where(_PARKED.c.number > reached)
        async with self._database.read() as reading:
            return [_view(row) for row in await reading.rows(page)]

    async def inspect(self, parked_id: str) -> ParkedMessage:
        """One message, waiting or resolved, with its payload; raises NotFound."""
        async with self._database.read() as reading:
            row = await reading.first(select(_PARKED).where(_PARKED.c.parked_id == parked_id))
        if row is None:
            raise NotFound(f"there is no parked message {parked_id}")
        return _view(row, payload=True)

    async def count(self) -> int:
        """How many messages wait."""
        async with self._database.read() as reading:
            return await count_parked(reading)

    async def release(self, parked_id: str, *, actor: str) -> None:
        """Handle the message now, exactly as if it came now, in one transaction with its release.

        Raises NotFound, Conflict (released or discarded before, or it still cannot be handled: then it stays
        parked with the new reason) and TryAgain.
        """
        try:
            async with self._database.write() as tx:
                row = await _waiting(tx, parked_id)
                item = read_item(_received(row))
                # Resolved first, so that the handler does not find the person held by this very message.
                await _resolve(tx, parked_id, "RELEASED", actor, "handled")
                await self._rehandle(tx, row, item)
        except (TryAgain, NotFound, _NotWaiting):
            raise
        except Exception as error:
            reason = reason_of(error)
            async with self._database.write() as tx:
                again = update(_PARKED).where(_PARKED.c.parked_id == parked_id, _PARKED.c.state == "PARKED")
                await tx.execute(again.values(reason=reason, attempts=_PARKED.c.attempts + 1))
            raise Conflict(f"the message still cannot be handled and stays parked: {reason}") from error

    async def discard(self, parked_id: str, *, actor: str, reason: str) -> None:
        """Give the message up for a reason; the record stays. Raises NotFound, Conflict, Invalid."""
        if not reason.strip():
            raise Invalid([Fault("P001", "/reason", "say why the message is given up")])
        async with self._database.write() as tx:
            await _waiting(tx, parked_id)
            await _resolve(tx, parked_id, "DISCARDED", actor, reason.strip())

    async def _rehandle(self, tx: Tx, row: AnyRow, item: Item | None) -> None:
        consumer = self._consumers.get(row.consumer)
        if item is None or consumer is None:
            raise Conflict(f"nobody handles {row.type or 'this message'} for {row.consumer}")
        if item.fault is not None:
            raise Conflict(item.fault)
        if not consumer.commutes(item):
            earlier = select(_PARKED.c.parked_id).where(
                _PARKED.c.state == "PARKED",
                _PARKED.c.consumer == row.consumer,
                _PARKED.c.key == row.key,
                _PARKED.c.number < row.number,
            )
            if (first := await tx.scalar(earlier.order_by(_PARKED.c.number).limit(1))) is not None:
                raise Conflict(f"an earlier message of the same key waits: decide about {first} first")
        await consumer.rehandle(tx, item)


class _NotWaiting(Conflict):
    """Somebody has decided about this message already."""


async def _waiting(tx: Tx, parked_id: str) -> AnyRow:
    row = await tx.first(select(_PARKED).where(_PARKED.c.parked_id == parked_id).with_for_update())
    if row is None:
        raise NotFound(f"there is no parked message {parked_id}")
    if row.state != "PARKED":
        raise _NotWaiting(f"the message was {row.state.lower()} already")
    return row


async def _resolve(tx: Tx, parked_id: str, state: str, actor: str, resolution: str) -> None:
    resolved = update(_PARKED).where(_PARKED.c.parked_id == parked_id)
    await tx.execute(
        resolved.values(state=state, resolved_at=tx.now, resolved_by=actor, resolution=resolution)
    )


def _received(row: AnyRow) -> Received:
    message = Message(row.topic, row.key, row.value, headers_from_json(row.headers))
    return Received(message, row.partition, row.offset)


def _view(row: AnyRow, *, payload: bool = False) -> ParkedMessage:
    members = row._mapping
    shared = {name: members[name] for name in ParkedMessage.__dataclass_fields__ if name in members}
    return ParkedMessage(**shared, payload=row.value if payload else None)
