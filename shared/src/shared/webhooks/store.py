"""The rows of webhooks: subscriptions, and what is on its way to them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, exists, func, insert, or_, select, update

from shared.database import AnyRow, Database, ReadTx, Tx, among, upsert
from shared.plumbing import TABLES
from shared.webhooks.terms import RETRIED_FOR, Subscriber, is_about_a_person

SUBSCRIPTION = TABLES.webhook_subscription
DELIVERY = TABLES.webhook_delivery
WAITING, FAILED = "WAITING", "FAILED"


@dataclass(frozen=True, slots=True)
class Counts:
    """What is on its way: how many wait, since when the oldest, how many were given up."""

    waiting: int = 0
    oldest: datetime | None = None
    failed: int = 0


def subscriber_of(row: AnyRow) -> Subscriber:
    """On whose behalf a subscription is."""
    return Subscriber(row.municipality, row.fund_id)


# ---- subscriptions ---------------------------------------------------------------------------------------


async def save(tx: Tx, row: Mapping[str, Any]) -> None:
    """Add a subscription, or put it in the place of an unfinished attempt at the same one."""
    new = {**row, "made_at": tx.now, "unreachable": 0, "paused_until": None}
    await tx.execute(
        upsert(tx, SUBSCRIPTION, ["subscription_id"], [name for name in new if name != "subscription_id"]),
        [new],
    )


async def remove(tx: Tx, subscription_id: str) -> int:
    """Delete a subscription with all that waits for it; how many there were (0 or 1)."""
    gone = await tx.execute(delete(SUBSCRIPTION).where(SUBSCRIPTION.c.subscription_id == subscription_id))
    await tx.execute(delete(DELIVERY).where(DELIVERY.c.subscription_id == subscription_id))
    return gone


async def subscriptions(reading: ReadTx) -> list[AnyRow]:
    """All subscriptions of this service."""
    return await reading.rows(select(SUBSCRIPTION))


async def subscriptions_of(reading: ReadTx, subscriber: Subscriber) -> list[AnyRow]:
    """Those on behalf of one municipality or fund."""
    return await reading.rows(select(SUBSCRIPTION).where(_theirs(subscriber)))


async def subscription(reading: ReadTx, subscription_id: str) -> AnyRow | None:
    """One subscription."""
    return await reading.first(select(SUBSCRIPTION).where(SUBSCRIPTION.c.subscription_id == subscription_id))


def _theirs(subscriber: Subscriber) -> ColumnElement[bool]:
    if subscriber.fund_id is not None:
        return SUBSCRIPTION.c.fund_id == subscriber.fund_id
    return SUBSCRIPTION.c.municipality == subscriber.municipality


async def due(reading: ReadTx, now: datetime) -> list[AnyRow]:
    """Subscriptions that are not paused and for which something is due."""
    something = exists().where(
        DELIVERY.c.subscription_id == SUBSCRIPTION.c.subscription_id,
        DELIVERY.c.state == WAITING,
        DELIVERY.c.next_attempt_at <= now,
    )
    going = or_(SUBSCRIPTION.c.paused_until.is_(None), SUBSCRIPTION.c.paused_until <= now)
    return await reading.rows(select(SUBSCRIPTION).where(going, something))


async def note_answer(tx: Tx, subscription_id: str, unreachable: int, until: datetime | None) -> None:
    """Keep how often in a row a receiver did not answer, and until when it is left alone."""
    one = update(SUBSCRIPTION).where(SUBSCRIPTION.c.subscription_id == subscription_id)
    await tx.execute(one.values(unreachable=unreachable, paused_until=until))


# ---- deliveries ------------------------------------------------------------------------------------------


async def queue(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put events in the queue of their subscriptions, in this order."""
    standing = {
        "state": WAITING,
        "attempts": 0,
        "next_attempt_at": tx.now,
        "give_up_at": tx.now + RETRIED_FOR,
        "last_failure": None,
    }
    await tx.execute(insert(DELIVERY), [{**row, **standing} for row in rows])


async def heads(reading: ReadTx, subscription_id: str, now: datetime, at_most: int) -> list[AnyRow]:
    """What is due and has nothing before it: of each key the oldest that waits, in the order of events."""
    earlier = DELIVERY.alias("earlier")
    is_head = ~exists().where(
        earlier.c.subscription_id == subscription_id,
        earlier.c.state == WAITING,
        earlier.c.key == DELIVERY.c.key,
        earlier.c.number < DELIVERY.c.number,
    )
    found = select(DELIVERY).where(
        DELIVERY.c.subscription_id == subscription_id,
        DELIVERY.c.state == WAITING,
        DELIVERY.c.next_attempt_at <= now,
        is_head,
    )
    return await reading.rows(found.order_by(DELIVERY.c.number).limit(at_most))


async def delivered(tx: Tx, numbers: Collection[int]) -> None:
    """Forget what was taken."""
    if numbers:
        await tx.execute(delete(DELIVERY).where(among(DELIVERY.c.number, numbers)))


async def not_delivered(tx: Tx, changes: Sequence[Mapping[str, Any]]) -> None:
    """Keep how attempts went: number, state, attempts, next_attempt_at, last_failure."""
    renamed = [{"which": change["number"], **change} for change in changes]
    for change in renamed:
        del change["number"]
    await tx.execute(update(DELIVERY).where(DELIVERY.c.number == bindparam("which")), renamed)


async def give_up_late(tx: Tx, subscription_id: str, code: str) -> int:
    """Give up whatever waits past its time behind a receiver that does not answer; how many."""
    late = (
        DELIVERY.c.subscription_id == subscription_id,
        DELIVERY.c.state == WAITING,
        DELIVERY.c.give_up_at <= tx.now,
    )
    return await tx.execute(update(DELIVERY).where(*late).values(state=FAILED, last_failure=code))


async def failed(reading: ReadTx, subscription_id: str, after: str, at_most: int) -> list[AnyRow]:
    """What was given up, by event id, on from `after`."""
    found = select(DELIVERY).where(
        DELIVERY.c.subscription_id == subscription_id,
        DELIVERY.c.state == FAILED,
        DELIVERY.c.event_id > after,
    )
    return await reading.rows(found.order_by(DELIVERY.c.event_id).limit(at_most))


async def retry(tx: Tx, subscription_id: str) -> int:
    """Queue again what was given up, in its old place, and let everything that waits go at once; how many
    were given up."""
    theirs = DELIVERY.c.subscription_id == subscription_id
    anew = {"attempts": 0, "next_attempt_at": tx.now, "give_up_at": tx.now + RETRIED_FOR}
    again = update(DELIVERY).where(theirs, DELIVERY.c.state == FAILED)
    number = await tx.execute(again.values(state=WAITING, **anew))
    await tx.execute(
        update(DELIVERY).where(theirs, DELIVERY.c.state == WAITING).values(next_attempt_at=tx.now)
    )
    await note_answer(tx, subscription_id, 0, None)
    return number


async def forget_people(tx: Tx, keys: Collection[str]) -> int:
    """Delete all that is on its way about these people, except that they were erased."""
    if not keys:
        return 0
    found = select(DELIVERY.c.number, DELIVERY.c.type).where(among(DELIVERY.c.key, keys))
    numbers = [row.number for row in await tx.rows(found) if is_about_a_person(row.type)]
    await delivered(tx, numbers)
    return len(numbers)


async def forget_failed(tx: Tx, before: datetime) -> int:
    """Delete what was given up before an instant."""
    old = delete(DELIVERY).where(DELIVERY.c.state == FAILED, DELIVERY.c.give_up_at < before)
    return await tx.execute(old)


async def people(reading: ReadTx, after: str, at_most: int) -> list[str]:
    """Keys of what is on its way, on from one; those of funds among them."""
    found = select(DELIVERY.c.key).where(DELIVERY.c.key > after).distinct().order_by(DELIVERY.c.key)
    return [row.key for row in await reading.rows(found.limit(at_most))]


async def counts(reading: ReadTx, subscription_ids: Collection[str] | None = None) -> dict[str, Counts]:
    """What is on its way by subscription; those without anything are left out."""
    columns = DELIVERY.c.subscription_id, DELIVERY.c.state
    grouped = select(*columns, func.count().label("number"), func.min(DELIVERY.c.recorded_at).label("oldest"))
    if subscription_ids is not None:
        grouped = grouped.where(among(DELIVERY.c.subscription_id, subscription_ids))
    found: dict[str, Counts] = {}
    for row in await reading.rows(grouped.group_by(*columns)):
        so_far = found.get(row.subscription_id, Counts())
        waits = row.state == WAITING
        found[row.subscription_id] = Counts(
            waiting=row.number if waits else so_far.waiting,
            oldest=row.oldest if waits else so_far.oldest,
            failed=so_far.failed if waits else row.number,
        )
    return found


async def all_counts(database: Database) -> Counts:
    """What is on its way from one service."""
    async with database.read() as reading:
        found = list((await counts(reading)).values())
    return Counts(
        waiting=sum(one.waiting for one in found),
        oldest=min((one.oldest for one in found if one.oldest is not None), default=None),
        failed=sum(one.failed for one in found),
    )
