"""From the outbox to the queues of subscribers, in the transaction that takes an event out of the outbox.

So no event is lost or queued twice, whatever the bus does, and writing transactions cost nothing more. Which
subscriptions there are is read in the snapshot of the outbox rows themselves: one that is not in it was made
after them.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from shared.bus.port import Message
from shared.clock import parse_instant
from shared.contracts.catalogue import EVENT_BY_TYPE
from shared.contracts.events import ParticipantErased
from shared.database import AnyRow, ReadTx, Tx, lock_for_update
from shared.webhooks import store
from shared.webhooks.terms import Subscriber, is_about_a_person


async def subscribed(reading: ReadTx) -> list[AnyRow]:
    """The subscriptions that hold for what is read in the same snapshot."""
    return await store.subscriptions(reading)


async def fan_out(tx: Tx, messages: Sequence[Message], subscriptions: Sequence[AnyRow]) -> int:
    """Queue messages that leave the outbox, in their order, for whoever subscribed; how many deliveries.

    Of somebody who is erased by one of them nothing goes out any more but the erasure.
    """
    if not subscriptions:
        return 0
    erased = {message.key for message in messages if _type(message) == ParticipantErased.type_name()}
    await store.forget_people(tx, erased)
    rows = [
        row
        for message in messages
        if not (message.key in erased and is_about_a_person(_type(message)))
        for row in _deliveries(message, subscriptions)
    ]
    if not rows:
        return 0
    wanted = {row["subscription_id"] for row in rows}
    column = store.SUBSCRIPTION.c.subscription_id
    # Whoever deletes a subscription now waits for this, or is waited for.
    present = await lock_for_update(tx, store.SUBSCRIPTION, column, wanted)
    kept = [row for row in rows if row["subscription_id"] in present]
    await store.queue(tx, kept)
    return len(kept)


def _deliveries(message: Message, subscriptions: Sequence[AnyRow]) -> list[dict[str, Any]]:
    event_type = _type(message)
    wanting = [one for one in subscriptions if event_type in one.types]
    event = EVENT_BY_TYPE.get(event_type)
    if not wanting or event is None:
        return []
    payload = json.loads(message.value)
    attributes = _attributes(message)
    rows = []
    for subscription in wanting:
        subscriber: Subscriber = store.subscriber_of(subscription)
        if not (subscriber.may_know(event) and subscriber.is_about(message.key, payload)):
            continue
        rows.append(
            {
                "subscription_id": subscription.subscription_id,
                "key": message.key,
                "event_id": attributes["id"],
                "type": event_type,
                "body": structured(attributes, subscriber.shown(event, payload)),
                "recorded_at": parse_instant(attributes["time"]),
            }
        )
    return rows


def structured(attributes: Mapping[str, str], payload: Mapping[str, Any]) -> bytes:
    """A CloudEvent as one JSON object (structured content mode)."""
    event = {**attributes, "datacontenttype": "application/json", "data": payload}
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _attributes(message: Message) -> dict[str, str]:
    return {
        name.removeprefix("ce_"): value.decode() for name, value in message.headers if name.startswith("ce_")
    }


def _type(message: Message) -> str:
    return next((value.decode() for name, value in message.headers if name == "ce_type"), "")
