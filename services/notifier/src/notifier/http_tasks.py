"""Tasks for people, and bounces that a back office heard of."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Query, Request, Response
from pydantic import Field
from sqlalchemy import Row

from notifier import store
from notifier import store_followups as followed
from notifier.contacts import ChannelName, Contact
from notifier.followups import FollowUps
from notifier.notifications import CONTACT, WORDING
from notifier.wording import Wording
from shared import access_log
from shared.api import NO_SUCH, ServiceRouter
from shared.commands import About, Answer, command
from shared.contracts.events import Id
from shared.database import Database, Tx
from shared.errors import Conflict, NotFound
from shared.ids import UuidText
from shared.personal_keys import KeyStore, Sealed
from shared.requests import RequestModel, ResponseModel
from shared.tokens import Caller, Role, allow

PURPOSE = "MESSAGES"
PAGE_MAX = 100
Office = Annotated[Caller, Depends(allow(Role.BACKOFFICE, Role.OFFICIAL))]
BackOffice = Annotated[Caller, Depends(allow(Role.BACKOFFICE))]
TaskId = Annotated[UuidText, Path(alias="taskId")]
MessageId = Annotated[UuidText, Path(alias="messageId")]
TaskState = Literal["OPEN", "DONE", "LAPSED", "CANCELLED"]


class TaskView(ResponseModel):
    """Something for a person to do. Its text is absent once the participant is erased."""

    task_id: Id
    kind: Literal["TELL", "CONTACT"] = Field(
        description="TELL: tell the participant the message. CONTACT: ask for a new contact and record it."
    )
    participant_id: Id
    message_id: Id
    state: TaskState = Field(description="LAPSED: nobody did it in time, a letter went out instead.")
    channel: ChannelName | None = Field(default=None, description="CONTACT: which address bounces.")
    told_by: str | None = Field(default=None, description="TELL: the coach; absent: an official.")
    subject: str | None = None
    text: str | None = None
    made_at: datetime
    due_at: datetime
    done_at: datetime | None = None


class TaskPage(ResponseModel):
    """A page of tasks, oldest first."""

    items: list[TaskView]
    next_cursor: str | None = Field(default=None, description="Send it as `cursor` for the next page.")


class TaskDone(ResponseModel):
    """A task that somebody did."""

    task_id: Id
    state: TaskState


class BounceForm(RequestModel):
    """By which channel a message came back."""

    channel: Literal["EMAIL", "SMS"]


class BounceView(ResponseModel):
    """The bounce is recorded; the message goes as a letter where there is an address."""

    message_id: Id
    channel: Literal["EMAIL", "SMS"]


def add_task_routes(router: ServiceRouter, database: Database, keys: KeyStore, followups: FollowUps) -> None:
    """`GET /v1/tasks`, `POST /v1/tasks/{taskId}/_done`, `POST /v1/messages/{messageId}/_bounced`."""

    @router.get("/tasks", response_model=TaskPage)
    async def list_tasks(
        caller: Office,
        state: Annotated[TaskState, Query()] = "OPEN",
        cursor: Annotated[UuidText | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
    ) -> TaskPage:
        """What somebody has to do for residents of this municipality; oldest first, the read is logged."""
        async with database.write() as tx:
            rows = await followed.tasks_page(tx, caller.of_municipality, state, cursor or "", limit + 1)
            shown = rows[:limit]
            views = await _views(tx, keys, shown)
            people = sorted({row.participant_id for row in shown})
            if people:
                await access_log.record(
                    tx, actor=caller.subject, purpose=PURPOSE, action="read tasks", participant_ids=people
                )
        more = len(rows) > limit
        return TaskPage(items=views, next_cursor=shown[-1].task_id if more else None)

    @router.post("/tasks/{taskId}/_done", response_model=TaskDone, responses=NO_SUCH)
    async def finish_task(request: Request, task_id: TaskId, caller: Office) -> Response:
        """Say that the participant was told, or was asked for a contact. Saying it again changes nothing."""

        async def run(tx: Tx) -> Answer:
            found = await followed.task(tx, task_id)
            if found is None or found.municipality != caller.of_municipality:
                raise NotFound("there is no such task")
            if found.state not in {"OPEN", "DONE"}:
                raise Conflict(
                    f"the task is {found.state}: it was not done in time, or is not needed any more"
                )
            await followed.end_task(tx, task_id, caller.subject)
            about = About(found.participant_id, PURPOSE, "finish task")
            await access_log.record(
                tx,
                actor=caller.subject,
                purpose=PURPOSE,
                action="finish task",
                participant_ids=[found.participant_id],
            )
            return Answer(TaskDone(task_id=task_id, state="DONE"), about=about)

        return await command(request, database, caller, run)

    @router.post("/messages/{messageId}/_bounced", response_model=BounceView, responses=NO_SUCH)
    async def report_bounce(
        request: Request, message_id: MessageId, form: BounceForm, caller: BackOffice
    ) -> Response:
        """Report that a message came back after its server had accepted it, such as an e-mail's non-delivery.

        The message goes as a letter. Repeated bounces of an address leave it for a new contact, which a task
        asks for. A second report about the same delivery is a conflict.
        """

        async def run(tx: Tx) -> Answer:
            delivery = await followed.delivery_of(tx, message_id, form.channel)
            if delivery is None or delivery.municipality != caller.of_municipality:
                raise NotFound("there is no such message by this channel")
            # Locked before its state is looked at: two reports of one bounce count once.
            await store.lock_people(tx, [delivery.participant_id])
            delivery = await followed.delivery_of(tx, message_id, form.channel)
            if delivery is None or delivery.state != "SENT":
                raise Conflict("no message went out by this channel that could have come back")
            await followups.report_bounce(tx, delivery)
            await access_log.record(
                tx,
                actor=caller.subject,
                purpose=PURPOSE,
                action="report bounce",
                participant_ids=[delivery.participant_id],
            )
            about = About(delivery.participant_id, PURPOSE, "report bounce")
            return Answer(BounceView(message_id=message_id, channel=form.channel), about=about)

        return await command(request, database, caller, run)


async def _views(tx: Tx, keys: KeyStore, rows: list[Row[Any]]) -> list[TaskView]:
    contacts, texts = {}, {}
    for row in rows:
        household = await store.household(tx, row.participant_id, row.municipality)
        if household is not None:
            contacts[row.task_id] = Sealed(row.participant_id, CONTACT, household.contact)
        if row.wording is not None:
            texts[row.task_id] = Sealed(row.participant_id, WORDING, row.wording)
    opened = dict(zip(contacts, await keys.decrypt_readable(list(contacts.values())), strict=True))
    worded = dict(zip(texts, await keys.decrypt_readable(list(texts.values())), strict=True))
    return [_view(row, opened.get(row.task_id), worded.get(row.task_id)) for row in rows]


def _view(row: Row[Any], contact: object, text: object) -> TaskView:
    tell = row.kind == "TELL"
    wording = Wording.from_bytes(text) if tell and isinstance(text, bytes) else None
    return TaskView(
        task_id=row.task_id,
        kind=row.kind,
        participant_id=row.participant_id,
        message_id=row.message_id,
        state=row.state,
        channel=None if tell else row.channel,
        told_by=Contact.from_bytes(contact).coach if tell and isinstance(contact, bytes) else None,
        subject=wording.subject if wording else None,
        text=wording.text if wording else None,
        made_at=row.made_at,
        due_at=row.due_at,
        done_at=row.done_at,
    )
