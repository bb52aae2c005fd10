"""Queries of what follows a delivery: tasks for people, confirmations of a provider, bounces."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, and_, bindparam, func, insert, select, update

from notifier.tables import BOUNCE, CONFIRMATION, DELIVERY, HOUSEHOLD, MESSAGE, TASK
from shared.database import ReadTx, Tx, among, insert_ignore, upsert

ASKING: Final = "UNDER_WAY"


# ---- bounces ---------------------------------------------------------------------------------------------


async def add_bounces(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Record that addresses did not take messages; rows of all columns but the time."""
    if rows:
        await tx.execute(insert(BOUNCE), [{**row, "recorded_at": tx.now} for row in rows])


async def bounces(reading: ReadTx, participant_ids: Collection[str]) -> dict[tuple[str, str, str], int]:
    """How often each channel bounced since the contact was recorded, by person, municipality and channel."""
    joined = BOUNCE.join(
        HOUSEHOLD,
        and_(
            HOUSEHOLD.c.participant_id == BOUNCE.c.participant_id,
            HOUSEHOLD.c.municipality == BOUNCE.c.municipality,
            HOUSEHOLD.c.recorded_at <= BOUNCE.c.recorded_at,
        ),
    )
    key = (BOUNCE.c.participant_id, BOUNCE.c.municipality, BOUNCE.c.channel)
    found = select(*key, func.count().label("times")).select_from(joined)
    of_them = among(BOUNCE.c.participant_id, sorted(set(participant_ids)))
    return {
        (row.participant_id, row.municipality, row.channel): row.times
        for row in await reading.rows(found.where(of_them).group_by(*key))
    }


# ---- confirmations ---------------------------------------------------------------------------------------


async def await_confirmations(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Start asking what became of deliveries; rows of delivery, person, provider's id and first instant."""
    if rows:
        full = [{**row, "state": ASKING, "polls": 0} for row in rows]
        again = ["provider_id", "state", "polls", "next_poll_at"]
        await tx.execute(upsert(tx, CONFIRMATION, ["delivery_id"], again), full)


async def confirmations_due(reading: ReadTx, now: datetime, limit: int) -> list[Row[Any]]:
    """Deliveries whose provider is to be asked now, longest waiting first."""
    due = and_(CONFIRMATION.c.state == ASKING, CONFIRMATION.c.next_poll_at <= now)
    found = select(CONFIRMATION).where(due).order_by(CONFIRMATION.c.next_poll_at, CONFIRMATION.c.delivery_id)
    return await reading.rows(found.limit(limit))


async def settle_confirmations(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Set what was heard; rows of delivery_id_, state_, polls_ and next_; ended ones stay as they are."""
    statement = (
        update(CONFIRMATION)
        .where(CONFIRMATION.c.delivery_id == bindparam("delivery_id_"), CONFIRMATION.c.state == ASKING)
        .values(state=bindparam("state_"), polls=bindparam("polls_"), next_poll_at=bindparam("next_"))
    )
    if rows:
        await tx.execute(statement, list(rows))


# ---- tasks -----------------------------------------------------------------------------------------------


async def add_tasks(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put up tasks, one per delivery and kind; rows of kind, delivery and person, and when it is due."""
    if rows:
        full = [{**row, "task_id": tx.new_id(), "state": "OPEN", "made_at": tx.now} for row in rows]
        await tx.execute(insert_ignore(tx, TASK, ["delivery_id", "kind"]), full)


async def open_contact_tasks(tx: Tx, participant_ids: Collection[str]) -> set[str]:
    """Which of these people's contact somebody is asked for already."""
    found = select(TASK.c.participant_id).where(
        among(TASK.c.participant_id, sorted(set(participant_ids))),
        TASK.c.kind == "CONTACT",
        TASK.c.state == "OPEN",
    )
    return {row.participant_id for row in await tx.rows(found)}


async def tasks_page(
    reading: ReadTx, municipality: str, state: str, after: str, limit: int
) -> list[Row[Any]]:
    """Tasks of a municipality in a state, oldest first, with what their message says (encrypted)."""
    joined = TASK.join(DELIVERY, DELIVERY.c.delivery_id == TASK.c.delivery_id).join(
        MESSAGE, MESSAGE.c.message_id == DELIVERY.c.message_id
    )
    found = (
        select(TASK, MESSAGE.c.message_id, MESSAGE.c.wording, DELIVERY.c.channel)
        .select_from(joined)
        .where(TASK.c.municipality == municipality, TASK.c.state == state, TASK.c.task_id > after)
        .order_by(TASK.c.task_id)
    )
    return await reading.rows(found.limit(limit))


async def task(tx: Tx, task_id: str) -> Row[Any] | None:
    """One task, locked."""
    return await tx.first(select(TASK).where(TASK.c.task_id == task_id).with_for_update())


async def end_task(tx: Tx, task_id: str, done_by: str) -> None:
    """Somebody has done an open task."""
    await tx.execute(
        update(TASK)
        .where(TASK.c.task_id == task_id, TASK.c.state == "OPEN")
        .values(state="DONE", done_at=tx.now, done_by=done_by)
    )


async def end_contact_tasks(tx: Tx, participant_id: str) -> None:
    """A new contact came: nobody needs to ask for it any more."""
    await tx.execute(
        update(TASK)
        .where(TASK.c.participant_id == participant_id, TASK.c.kind == "CONTACT", TASK.c.state == "OPEN")
        .values(state="DONE", done_at=tx.now)
    )


async def lapse_tasks(tx: Tx, limit: int) -> list[Row[Any]]:
    """End the tasks to tell somebody that nobody did in time, and give their deliveries."""
    late = and_(TASK.c.kind == "TELL", TASK.c.state == "OPEN", TASK.c.due_at <= tx.now)
    found = await tx.rows(select(TASK).where(late).order_by(TASK.c.task_id).limit(limit).with_for_update())
    await tx.execute(
        update(TASK).where(among(TASK.c.task_id, [row.task_id for row in found])).values(state="LAPSED")
    )
    return found


async def waiting_tasks(reading: ReadTx) -> list[Row[Any]]:
    """Per kind: how many tasks are open and when the oldest was made."""
    counted = select(TASK.c.kind, func.count().label("number"), func.min(TASK.c.made_at).label("oldest"))
    return await reading.rows(counted.where(TASK.c.state == "OPEN").group_by(TASK.c.kind))


async def forget(tx: Tx, participant_ids: Collection[str]) -> None:
    """Nothing is asked or done any more about people who are erased."""
    of_them = among(TASK.c.participant_id, participant_ids)
    await tx.execute(update(TASK).where(of_them, TASK.c.state == "OPEN").values(state="CANCELLED"))
    asked = among(CONFIRMATION.c.participant_id, participant_ids)
    await tx.execute(
        update(CONFIRMATION).where(asked, CONFIRMATION.c.state == ASKING).values(state="CANCELLED")
    )


async def delivery_of(tx: Tx, message_id: str, channel: str) -> Row[Any] | None:
    """A message's delivery by a channel, with whom it is about."""
    joined = DELIVERY.join(MESSAGE, MESSAGE.c.message_id == DELIVERY.c.message_id)
    found = select(
        DELIVERY.c.delivery_id,
        DELIVERY.c.state,
        DELIVERY.c.attempts,
        MESSAGE.c.participant_id,
        MESSAGE.c.municipality,
    ).select_from(joined)
    return await tx.first(found.where(DELIVERY.c.message_id == message_id, DELIVERY.c.channel == channel))
