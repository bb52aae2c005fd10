"""Every query of the notifier; rows come in and go out as values of this module or as named tuples."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, bindparam, delete, func, insert, or_, select, update

from notifier import store_followups
from notifier.tables import DELIVERY, EVIDENCE, HOUSEHOLD, MESSAGE, PERSON, SENDER
from shared.database import ReadTx, Tx, among, insert_ignore, lock_for_update, upsert

OPEN_DELIVERY: Final = ("DUE", "CLAIMED")
UNSENT_MESSAGE: Final = ("WAITING", "DUE", "FAILED")
REACHABLE_LATER: Final = ("WAITING", "FAILED")


@dataclass(frozen=True, slots=True)
class Person:
    """One person as recorded; `municipality` is the one registered in, `news` the stored PersonNews."""

    participant_id: str
    state: str
    municipality: str | None
    news: dict[str, Any] | None


def _person(row: Row[Any]) -> Person:
    return Person(row.participant_id, row.state, row.municipality, row.news)


# ---- people ----------------------------------------------------------------------------------------------


async def lock_people(tx: Tx, participant_ids: Collection[str]) -> dict[str, Person]:
    """Make a row for each person who has none, lock all of them until the commit, and give them."""
    wanted = sorted(set(participant_ids))
    rows = [
        {"participant_id": participant_id, "state": "UNSEEN", "municipality": None, "news": None}
        for participant_id in wanted
    ]
    await tx.execute(insert_ignore(tx, PERSON, ["participant_id"]), rows)
    await lock_for_update(tx, PERSON, PERSON.c.participant_id, wanted)
    found = await tx.rows(select(PERSON).where(among(PERSON.c.participant_id, wanted)))
    return {row.participant_id: _person(row) for row in found}


async def save_news(tx: Tx, news: Mapping[str, dict[str, Any]]) -> None:
    """Replace what is kept of the news of these (locked) people."""
    statement = (
        update(PERSON).where(PERSON.c.participant_id == bindparam("who")).values(news=bindparam("stored"))
    )
    await tx.execute(statement, [{"who": who, "stored": stored} for who, stored in news.items()])


async def register(tx: Tx, municipalities: Mapping[str, str]) -> None:
    """Record in which municipality people are registered, and drop what other municipalities said of them."""
    statement = (
        update(PERSON)
        .where(PERSON.c.participant_id == bindparam("who"))
        .values(state="REGISTERED", municipality=bindparam("where"))
    )
    await tx.execute(statement, [{"who": who, "where": where} for who, where in municipalities.items()])
    people = sorted(municipalities)
    await tx.execute(
        delete(HOUSEHOLD).where(
            among(HOUSEHOLD.c.participant_id, people),
            HOUSEHOLD.c.municipality != _registered_in(HOUSEHOLD.c.participant_id),
        )
    )
    await tx.execute(
        update(MESSAGE)
        .where(
            among(MESSAGE.c.participant_id, people),
            MESSAGE.c.municipality != _registered_in(MESSAGE.c.participant_id),
            MESSAGE.c.state.in_(UNSENT_MESSAGE),
        )
        .values(state="CANCELLED")
    )


def _registered_in(participant_id: ColumnElement[str]) -> Any:
    return select(PERSON.c.municipality).where(PERSON.c.participant_id == participant_id).scalar_subquery()


async def erase(tx: Tx, participant_ids: Collection[str]) -> None:
    """Forget people: contact, news and texts go, what was not sent yet is cancelled."""
    await tx.execute(delete(HOUSEHOLD).where(among(HOUSEHOLD.c.participant_id, participant_ids)))
    await tx.execute(
        update(PERSON)
        .where(among(PERSON.c.participant_id, participant_ids))
        .values(state="ERASED", news=None)
    )
    of_them = among(MESSAGE.c.participant_id, participant_ids)
    await tx.execute(update(MESSAGE).where(of_them).values(content=b"", wording=None))
    unsent = MESSAGE.c.state.in_(UNSENT_MESSAGE)
    await tx.execute(update(MESSAGE).where(of_them, unsent).values(state="CANCELLED"))
    open_ones = DELIVERY.c.state.in_(OPEN_DELIVERY)
    await tx.execute(
        update(DELIVERY)
        .where(among(DELIVERY.c.participant_id, participant_ids), open_ones)
        .values(state="CANCELLED")
    )
    await store_followups.forget(tx, participant_ids)


async def unseen_since(
    reading: ReadTx, before: datetime, limit: int, *, among_these: Collection[str] | None = None
) -> list[str]:
    """People never registered whose contact was last recorded before an instant, and who have no message."""
    has_message = select(MESSAGE.c.message_id).where(MESSAGE.c.participant_id == PERSON.c.participant_id)
    found = (
        select(PERSON.c.participant_id)
        .join(HOUSEHOLD, HOUSEHOLD.c.participant_id == PERSON.c.participant_id)
        .where(PERSON.c.state == "UNSEEN", ~has_message.exists())
        .group_by(PERSON.c.participant_id)
        .having(func.max(HOUSEHOLD.c.recorded_at) < before)
        .order_by(PERSON.c.participant_id)
        .limit(limit)
    )
    if among_these is not None:
        found = found.where(among(PERSON.c.participant_id, among_these))
    return [row.participant_id for row in await reading.rows(found)]


async def person(reading: ReadTx, participant_id: str) -> Person | None:
    """What is recorded of a person, None when nothing is."""
    row = await reading.first(select(PERSON).where(PERSON.c.participant_id == participant_id))
    return _person(row) if row else None


# ---- contacts and senders --------------------------------------------------------------------------------


async def save_household(tx: Tx, participant_id: str, municipality: str, contact: bytes) -> None:
    """Replace the (encrypted) contact a municipality recorded of a person."""
    row = {
        "participant_id": participant_id,
        "municipality": municipality,
        "contact": contact,
        "recorded_at": tx.now,
    }
    key = ["participant_id", "municipality"]
    await tx.execute(upsert(tx, HOUSEHOLD, key, ["contact", "recorded_at"]), [row])


async def household(reading: ReadTx, participant_id: str, municipality: str) -> Row[Any] | None:
    """The (encrypted) contact and when it was recorded."""
    found = select(HOUSEHOLD.c.contact, HOUSEHOLD.c.recorded_at).where(
        HOUSEHOLD.c.participant_id == participant_id, HOUSEHOLD.c.municipality == municipality
    )
    return await reading.first(found)


async def save_sender(tx: Tx, row: Mapping[str, Any]) -> None:
    """Replace how a fund signs in a municipality."""
    columns = ["name", "contact", "phone", "email", "recorded_at"]
    await tx.execute(upsert(tx, SENDER, ["municipality", "fund_id"], columns), [dict(row)])


async def senders(reading: ReadTx, fund_ids: Collection[str]) -> dict[tuple[str, str], Row[Any]]:
    """How funds sign, by municipality and fund."""
    found = await reading.rows(select(SENDER).where(among(SENDER.c.fund_id, sorted(set(fund_ids)))))
    return {(row.municipality, row.fund_id): row for row in found}


# ---- messages --------------------------------------------------------------------------------------------


async def add_messages(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Record messages; the schema refuses a second one for the same person and occasion."""
    await tx.execute(insert(MESSAGE), list(rows))


async def messages_to_prepare(tx: Tx, participant_ids: Collection[str]) -> list[Row[Any]]:
    """Messages of registered people that have no way out yet, with the contact as it is known now."""
    joined = MESSAGE.join(
        PERSON,
        and_(
            PERSON.c.participant_id == MESSAGE.c.participant_id,
            PERSON.c.state == "REGISTERED",
            PERSON.c.municipality == MESSAGE.c.municipality,
        ),
    ).join(
        HOUSEHOLD,
        and_(
            HOUSEHOLD.c.participant_id == MESSAGE.c.participant_id,
            HOUSEHOLD.c.municipality == MESSAGE.c.municipality,
        ),
    )
    found = select(MESSAGE, HOUSEHOLD.c.contact).select_from(joined)
    waiting = MESSAGE.c.state.in_(REACHABLE_LATER)
    return await tx.rows(found.where(among(MESSAGE.c.participant_id, sorted(set(participant_ids))), waiting))


async def set_wording(tx: Tx, wordings: Sequence[Mapping[str, Any]]) -> None:
    """Keep the (encrypted) text of messages, the versions of its templates and the new state.

    Rows of message_id_, wording_, templates_ and state_.
    """
    statement = (
        update(MESSAGE)
        .where(MESSAGE.c.message_id == bindparam("message_id_"))
        .values(wording=bindparam("wording_"), templates=bindparam("templates_"), state=bindparam("state_"))
    )
    await tx.execute(statement, list(wordings))


async def add_deliveries(tx: Tx, rows: Sequence[Mapping[str, str]]) -> None:
    """Start (or start again) sending messages by a channel; rows of message_id, participant_id, channel."""
    full = [
        {**row, "delivery_id": tx.new_id(), "state": "DUE", "attempts": 0, "next_attempt_at": tx.now}
        for row in rows
    ]
    again = ["state", "attempts", "next_attempt_at"]
    # A channel that took the message once is never started again.
    statement = upsert(
        tx, DELIVERY, ["message_id", "channel"], again, where=lambda new: DELIVERY.c.state != "SENT"
    )
    await tx.execute(statement, full)


async def messages_page(
    reading: ReadTx, participant_id: str, municipality: str, after: str, limit: int
) -> list[Row[Any]] | None:
    """A person's messages for one municipality, oldest first, after a message; None if that is unknown."""
    mine = and_(MESSAGE.c.participant_id == participant_id, MESSAGE.c.municipality == municipality)
    found = select(MESSAGE).where(mine)
    # Ids of one instant sort at random: several months closed at once are told in their own order.
    order = (MESSAGE.c.composed_at, MESSAGE.c.month, MESSAGE.c.message_id)
    if after:
        last = await reading.first(select(*order).where(mine, MESSAGE.c.message_id == after))
        if last is None:
            return None
        composed_at, month, message_id = order
        later_then = or_(month > last.month, and_(month == last.month, message_id > last.message_id))
        found = found.where(
            or_(composed_at > last.composed_at, and_(composed_at == last.composed_at, later_then))
        )
    return await reading.rows(found.order_by(*order).limit(limit))


async def deliveries_of(
    reading: ReadTx, message_ids: Collection[str]
) -> tuple[list[Row[Any]], list[Row[Any]]]:
    """The deliveries of messages and their evidence, attempt after attempt."""
    deliveries = await reading.rows(
        select(DELIVERY).where(among(DELIVERY.c.message_id, message_ids)).order_by(DELIVERY.c.delivery_id)
    )
    evidence = await reading.rows(
        select(EVIDENCE)
        .where(among(EVIDENCE.c.message_id, message_ids))
        .order_by(EVIDENCE.c.attempt, EVIDENCE.c.recorded_at, EVIDENCE.c.evidence_id)
    )
    return deliveries, evidence


# ---- letters ---------------------------------------------------------------------------------------------


async def letters_of_erased(reading: ReadTx, message_ids: Collection[str]) -> set[str]:
    """Which of these are messages to people who were erased."""
    joined = MESSAGE.join(PERSON, PERSON.c.participant_id == MESSAGE.c.participant_id)
    found = select(MESSAGE.c.message_id).select_from(joined)
    erased = found.where(among(MESSAGE.c.message_id, message_ids), PERSON.c.state == "ERASED")
    return {row.message_id for row in await reading.rows(erased)}


async def letters_written_before(reading: ReadTx, message_ids: Collection[str], before: datetime) -> set[str]:
    """Which of these went out as a letter before an instant."""
    found = (
        select(DELIVERY.c.message_id)
        .join(EVIDENCE, EVIDENCE.c.delivery_id == DELIVERY.c.delivery_id)
        .where(
            among(DELIVERY.c.message_id, message_ids),
            DELIVERY.c.channel == "LETTER",
            EVIDENCE.c.outcome == "ACCEPTED",
        )
        .group_by(DELIVERY.c.message_id)
        .having(func.max(EVIDENCE.c.recorded_at) < before)
    )
    return {row.message_id for row in await reading.rows(found)}


# ---- deliveries ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Restraint:
    """What keeps due deliveries back: channels that are held, and how many a person may get in a day.

    `most_a_day` counts what channels in `counted` took in the last 24 hours; 0 is no limit.
    """

    held: frozenset[str] = frozenset()
    counted: frozenset[str] = frozenset()
    most_a_day: int = 0


def _due(now: datetime, restraint: Restraint) -> Any:
    """A claim that is still there was left by a process that died: one worker at a time looks for work."""
    due = and_(DELIVERY.c.state.in_(OPEN_DELIVERY), DELIVERY.c.next_attempt_at <= now)
    if restraint.held:
        due = and_(due, DELIVERY.c.channel.not_in(sorted(restraint.held)))
    if not restraint.most_a_day:
        return due
    earlier, taken = DELIVERY.alias("earlier"), EVIDENCE.alias("taken")
    of_today = (
        select(func.count(func.distinct(earlier.c.delivery_id)))
        .select_from(earlier.join(taken, taken.c.message_id == earlier.c.message_id))
        .where(
            earlier.c.participant_id == DELIVERY.c.participant_id,
            earlier.c.delivery_id == taken.c.delivery_id,
            earlier.c.channel.in_(sorted(restraint.counted)),
            taken.c.outcome == "ACCEPTED",
            taken.c.recorded_at > now - timedelta(days=1),
        )
        .correlate(DELIVERY)
        .scalar_subquery()
    )
    uncounted = DELIVERY.c.channel.not_in(sorted(restraint.counted))
    return and_(due, or_(uncounted, of_today < restraint.most_a_day))


async def claim(tx: Tx, limit: int, restraint: Restraint = Restraint()) -> list[Row[Any]]:
    """Take deliveries that are due, mark an attempt under way, and give them as they were before.

    One by one where a person may get only so many a day: the next look counts what this one sent.
    """
    due = select(DELIVERY).where(_due(tx.now, restraint))
    found = await tx.rows(
        due.order_by(DELIVERY.c.next_attempt_at, DELIVERY.c.delivery_id).limit(limit).with_for_update()
    )
    if restraint.most_a_day:
        found = _one_each(found, restraint.counted)
    ids = [row.delivery_id for row in found]
    await tx.execute(
        update(DELIVERY)
        .where(among(DELIVERY.c.delivery_id, ids))
        .values(state="CLAIMED", attempts=DELIVERY.c.attempts + 1)
    )
    return found


async def parcels_of(reading: ReadTx, delivery_ids: Collection[str]) -> list[Row[Any]]:
    """What is needed to send deliveries: message, (encrypted) wording and the contact as it is known now."""
    joined = DELIVERY.join(MESSAGE, MESSAGE.c.message_id == DELIVERY.c.message_id).outerjoin(
        HOUSEHOLD,
        and_(
            HOUSEHOLD.c.participant_id == MESSAGE.c.participant_id,
            HOUSEHOLD.c.municipality == MESSAGE.c.municipality,
        ),
    )
    columns = (
        DELIVERY.c.delivery_id,
        DELIVERY.c.channel,
        DELIVERY.c.attempts,
        MESSAGE.c.message_id,
        MESSAGE.c.participant_id,
        MESSAGE.c.municipality,
        MESSAGE.c.fund_id,
        MESSAGE.c.kind,
        MESSAGE.c.month,
        MESSAGE.c.wording,
        MESSAGE.c.composed_at,
        HOUSEHOLD.c.contact,
    )
    found = select(*columns).select_from(joined).where(among(DELIVERY.c.delivery_id, delivery_ids))
    return await reading.rows(found.order_by(DELIVERY.c.delivery_id))


async def known_evidence(tx: Tx, evidence_ids: Collection[str]) -> set[str]:
    """Which of these are recorded already (the commit held although its answer was lost)."""
    found = await tx.rows(select(EVIDENCE.c.evidence_id).where(among(EVIDENCE.c.evidence_id, evidence_ids)))
    return {row.evidence_id for row in found}


async def add_evidence(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Record how attempts ended; rows are never changed afterwards."""
    await tx.execute(insert(EVIDENCE), list(rows))


async def settle_deliveries(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Set state and next attempt of claimed deliveries; rows of delivery_id_, state_ and next_."""
    statement = (
        update(DELIVERY)
        .where(DELIVERY.c.delivery_id == bindparam("delivery_id_"), DELIVERY.c.state == "CLAIMED")
        .values(state=bindparam("state_"), next_attempt_at=bindparam("next_"))
    )
    await tx.execute(statement, list(rows))


async def fail_deliveries(tx: Tx, delivery_ids: Collection[str]) -> None:
    """What had been accepted, or told to nobody, did not arrive after all."""
    if delivery_ids:
        of_them = among(DELIVERY.c.delivery_id, delivery_ids)
        await tx.execute(update(DELIVERY).where(of_them, DELIVERY.c.state == "SENT").values(state="FAILED"))


async def set_message_state(tx: Tx, message_ids: Collection[str], state: str) -> None:
    """Move messages on; cancelled ones stay cancelled."""
    if message_ids:
        of_them = among(MESSAGE.c.message_id, message_ids)
        await tx.execute(update(MESSAGE).where(of_them, MESSAGE.c.state != "CANCELLED").values(state=state))


def _one_each(rows: Sequence[Row[Any]], counted: Collection[str]) -> list[Row[Any]]:
    """The first counted delivery of each person, and all others."""
    seen: set[str] = set()
    kept = []
    for row in rows:
        if row.channel in counted and row.participant_id in seen:
            continue
        if row.channel in counted:
            seen.add(row.participant_id)
        kept.append(row)
    return kept


async def due_now(reading: ReadTx, now: datetime, restraint: Restraint = Restraint()) -> int:
    """How many deliveries are due: those that wait for a later attempt, or are kept back, are not."""
    return int(await reading.scalar(select(func.count()).select_from(DELIVERY).where(_due(now, restraint))))


async def waiting(reading: ReadTx) -> list[Row[Any]]:
    """Per channel: how many deliveries are open and when the message of the oldest was made."""
    joined = DELIVERY.join(MESSAGE, MESSAGE.c.message_id == DELIVERY.c.message_id)
    counted = select(
        DELIVERY.c.channel, func.count().label("number"), func.min(MESSAGE.c.composed_at).label("oldest")
    )
    return await reading.rows(
        counted.select_from(joined).where(DELIVERY.c.state.in_(OPEN_DELIVERY)).group_by(DELIVERY.c.channel)
    )
