"""The notifier's routes: who may call them, what they read and write; notifications.py does the work."""

from datetime import UTC
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request, Response
from sqlalchemy import Row

from notifier import store
from notifier.contacts import Contact
from notifier.followups import FollowUps
from notifier.forms import (
    ContactView,
    DeliveryView,
    EvidenceView,
    HouseholdForm,
    HouseholdView,
    MessagePage,
    MessageView,
    SenderForm,
    SenderView,
)
from notifier.http_previews import add_preview_routes
from notifier.http_tasks import add_task_routes
from notifier.http_toeslagen import toeslag_calls
from notifier.http_what_ifs import what_if_call
from notifier.letters import undrawable
from notifier.notifications import CONTACT, FORGOTTEN, WORDING, Notifications
from notifier.wording import MessageKind, Templates, Wording
from shared import access_log
from shared.api import NO_SUCH, ServiceRouter
from shared.commands import About, Answer, command
from shared.database import Database, Tx
from shared.errors import Fault, Invalid, NotFound
from shared.ids import UuidText
from shared.law import Law
from shared.months import amsterdam_date
from shared.personal_keys import KeyStore, Sealed
from shared.requests import InvalidParameters
from shared.tokens import Caller, Role, allow

PAGE_MAX = 100
PURPOSE = "MESSAGES"
RECORD = "record contact"

BackOffice = Annotated[Caller, Depends(allow(Role.BACKOFFICE))]
ParticipantId = Annotated[UuidText, Path(alias="participantId")]
FundId = Annotated[UuidText, Path(alias="fundId")]


def make_router(
    database: Database,
    keys: KeyStore,
    notifications: Notifications,
    templates: Templates,
    followups: FollowUps,
) -> ServiceRouter:
    """The routes over this database."""
    router = ServiceRouter("notifier")

    @router.put("/households/{participantId}", response_model=HouseholdView)
    async def put_household(
        request: Request, participant_id: ParticipantId, form: HouseholdForm, caller: BackOffice
    ) -> Response:
        """Record how to reach a participant, whole; what was recorded before is replaced.

        An id that is not registered yet is accepted, but nothing is sent until it is; a registration in
        another municipality wipes what is recorded here. E-mail needs a consent with `messageKind` BUFFER.
        """
        caller.must_be_of(form.municipality)

        async def run(tx: Tx) -> Answer:
            contact = form.contact.contact()
            if faults := [*form.faults_on(amsterdam_date(tx.now)), *_unprintable(contact)]:
                raise Invalid(faults)
            await notifications.record_contact(tx, participant_id, form.municipality, contact)
            await _log(tx, caller, RECORD, participant_id)
            about = About(participant_id, PURPOSE, RECORD)
            return Answer(
                await _household(tx, keys, notifications, participant_id, form.municipality), about=about
            )

        return await command(request, database, caller, run)

    @router.get("/households/{participantId}", response_model=HouseholdView)
    async def get_household(participant_id: ParticipantId, caller: BackOffice) -> HouseholdView:
        """How a participant can be reached; the read is logged."""
        async with database.write() as tx:
            household = await _household(tx, keys, notifications, participant_id, caller.of_municipality)
            await _log(tx, caller, "read contact", participant_id)
        return household

    _add_message_routes(router, database, keys)
    _add_sender_routes(router, database)
    add_preview_routes(router, database, templates)
    law = Law.load()
    toeslag_calls(router, database, law)
    what_if_call(router, database, law)
    add_task_routes(router, database, keys, followups)
    return router


def _add_message_routes(router: ServiceRouter, database: Database, keys: KeyStore) -> None:
    @router.get("/messages", response_model=MessagePage, responses=NO_SUCH)
    async def list_messages(
        caller: BackOffice,
        participant_id: Annotated[UuidText, Query(alias="participantId")],
        cursor: Annotated[UuidText | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
    ) -> MessagePage:
        """What was sent to a participant, why, and how it was delivered; oldest first, the read is logged."""
        municipality = caller.of_municipality
        async with database.write() as tx:
            await _must_know(tx, participant_id, municipality)
            rows = await store.messages_page(tx, participant_id, municipality, cursor or "", limit + 1)
            if rows is None:
                raise InvalidParameters("query", [Fault("G005", "/cursor", "is not a cursor of this list")])
            shown = rows[:limit]
            views = await _messages(tx, keys, shown)
            await _log(tx, caller, "read messages", participant_id)
        more = len(rows) > limit
        return MessagePage(items=views, next_cursor=shown[-1].message_id if more else None)


def _add_sender_routes(router: ServiceRouter, database: Database) -> None:
    @router.put("/senders/{fundId}", response_model=SenderView)
    async def put_sender(request: Request, fund_id: FundId, form: SenderForm, caller: BackOffice) -> Response:
        """Say under which name a fund writes to residents here, and who answers their questions."""
        municipality = caller.of_municipality

        async def run(tx: Tx) -> Answer:
            row: dict[str, Any] = {
                **form.model_dump(),
                "contact": form.contact or form.name,
                "municipality": municipality,
                "fund_id": fund_id,
                "recorded_at": tx.now,
            }
            await store.save_sender(tx, row)
            return Answer(SenderView(**row))

        return await command(request, database, caller, run)

    @router.get("/senders/{fundId}", response_model=SenderView)
    async def get_sender(fund_id: FundId, caller: BackOffice) -> SenderView:
        """How a fund signs in this municipality."""
        async with database.read() as reading:
            found = (await store.senders(reading, [fund_id])).get((caller.of_municipality, fund_id))
        if found is None:
            raise NotFound("there is no such sender")
        return SenderView.model_validate(found, from_attributes=True)


def _unprintable(contact: Contact) -> list[Fault]:
    """Faults of an address that no letter could show as it is written."""
    if contact.postal_address is None or not undrawable("".join(contact.postal_address.lines())):
        return []
    detail = "has a character that a letter cannot show: write it in Latin, Cyrillic or Arabic script"
    return [Fault("M005", "/contact/postalAddress", detail)]


async def _log(tx: Tx, caller: Caller, action: str, participant_id: str) -> None:
    await access_log.record(
        tx, actor=caller.subject, purpose=PURPOSE, action=action, participant_ids=[participant_id]
    )


async def _must_know(tx: Tx, participant_id: str, municipality: str) -> None:
    """Raise NotFound unless the person is this municipality's, or not registered but recorded by it."""
    person = await store.person(tx, participant_id)
    if person is not None and person.municipality == municipality:
        return
    if person is None or person.municipality is not None:
        raise NotFound(FORGOTTEN)
    if await store.household(tx, participant_id, municipality) is None:
        raise NotFound(FORGOTTEN)


async def _household(
    tx: Tx, keys: KeyStore, notifications: Notifications, participant_id: str, municipality: str
) -> HouseholdView:
    found = await store.household(tx, participant_id, municipality)
    person = await store.person(tx, participant_id)
    if found is None or person is None:
        raise NotFound(FORGOTTEN)
    [opened] = await keys.decrypt_present([Sealed(participant_id, CONTACT, found.contact)])
    if opened is None:
        raise NotFound(FORGOTTEN)
    contact = Contact.from_bytes(opened)
    broken = await notifications.broken_channels(tx, participant_id, municipality)
    return HouseholdView(
        participant_id=participant_id,
        municipality=municipality,
        contact=ContactView.of(contact),
        registered=person.state == "REGISTERED",
        buffer_messages_by=contact.channel_for(MessageKind.BUFFER_MONTH, broken),
        broken=sorted(broken),
        recorded_at=found.recorded_at,
    )


async def _messages(tx: Tx, keys: KeyStore, rows: list[Row[Any]]) -> list[MessageView]:
    worded = [row for row in rows if row.wording is not None]
    opened = await keys.decrypt_readable([Sealed(row.participant_id, WORDING, row.wording) for row in worded])
    texts = {row.message_id: text for row, text in zip(worded, opened, strict=True)}
    deliveries, evidence = await store.deliveries_of(tx, [row.message_id for row in rows])
    views = []
    for row in rows:
        text = texts.get(row.message_id)
        wording = Wording.from_bytes(text) if isinstance(text, bytes) else None
        views.append(
            MessageView(
                message_id=row.message_id,
                participant_id=row.participant_id,
                kind=row.kind,
                month=row.month,
                why=row.why,
                state=row.state,
                subject=wording.subject if wording else None,
                text=wording.text if wording else None,
                templates=row.templates,
                composed_at=row.composed_at.astimezone(UTC),
                deliveries=[
                    _delivery(delivery, [one for one in evidence if one.delivery_id == delivery.delivery_id])
                    for delivery in deliveries
                    if delivery.message_id == row.message_id
                ],
            )
        )
    return views


def _delivery(row: Row[Any], evidence: list[Row[Any]]) -> DeliveryView:
    return DeliveryView(
        channel=row.channel,
        state=row.state,
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at if row.state == "DUE" else None,
        evidence=[EvidenceView.model_validate(one, from_attributes=True) for one in evidence],
    )
