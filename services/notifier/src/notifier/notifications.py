"""What the notifier does when something happens: one function, one transaction's worth of work.

Events of a batch are taken in per person, in order. A message is made once per occasion, and gets a way out
as soon as the person is registered in the municipality that the ledger and the contact name.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Row

from notifier import store
from notifier import store_followups as followed
from notifier.bounces import Bounces
from notifier.contacts import ChannelName, Contact
from notifier.languages import MessageLanguage
from notifier.news import Announcement, PersonNews, hear
from notifier.wording import Content, MessageKind, Sender, Templates, Wording, word
from shared.database import ReadTx, Tx
from shared.errors import NotFound, PoisonMessage
from shared.inbox import Incoming
from shared.metrics import ServiceMetrics
from shared.personal_keys import KeyStore, Plain, Sealed, Unreadable

CONTACT: Final = "contact"
CONTENT: Final = "message content"
WORDING: Final = "message wording"
"""Purposes that ciphertexts are bound to."""

FORGOTTEN: Final = "there is no such participant"


class Notifications:
    """The use cases and event handlers; `deliver_soon` is called when a commit made something to send."""

    def __init__(
        self,
        keys: KeyStore,
        templates: Templates,
        default_sender: Sender,
        metrics: ServiceMetrics,
        deliver_soon: Callable[[], None] = lambda: None,
        *,
        bounces: Bounces,
        languages: Collection[str] = ("nl", "en"),
    ) -> None:
        self._keys = keys
        self._templates = templates
        self._default_sender = default_sender
        self._metrics = metrics
        self._deliver_soon = deliver_soon
        self._languages = languages
        self._bounces = bounces
        self.on_erased: Callable[[], None] = lambda: None
        """Called when an erasure is committed: what lies outside the database is still to be removed."""

    # ---- event handlers ----------------------------------------------------------------------------------

    async def register_people(self, tx: Tx, batch: Sequence[Incoming]) -> None:
        """participant-registered: messages may go to these people, in their own municipality only."""
        municipalities = {incoming.key: incoming.event.municipality for incoming in batch}
        people = await store.lock_people(tx, municipalities)
        for person in people.values():
            if person.state == "REGISTERED" and person.municipality != municipalities[person.participant_id]:
                raise PoisonMessage("the participant is registered in another municipality already")
        new = {
            participant_id: municipality
            for participant_id, municipality in municipalities.items()
            if people[participant_id].state == "UNSEEN"
        }
        await store.register(tx, new)
        await self._prepare(tx, new)

    async def erase_people(self, tx: Tx, batch: Sequence[Incoming]) -> None:
        """participant-erased: contact, texts and key go, letters after the commit; nothing more is sent."""
        participant_ids = sorted({incoming.key for incoming in batch})
        await store.lock_people(tx, participant_ids)
        await store.erase(tx, participant_ids)
        tx.on_commit(self.on_erased)
        # The keys stand in a store of their own: if this rolls back, destroying them again does no harm.
        for participant_id in participant_ids:
            await self._keys.destroy(participant_id)

    async def hear_news(self, tx: Tx, batch: Sequence[Incoming]) -> None:
        """Events of the buffers family: take them in, and make the messages they set off."""
        people = await store.lock_people(tx, {incoming.key for incoming in batch})
        known = {
            participant_id: PersonNews.from_json(person.news) if person.news else PersonNews()
            for participant_id, person in people.items()
            if person.state != "ERASED"
        }
        announcements: list[tuple[str, Announcement]] = []
        for incoming in batch:
            if incoming.key not in known:
                continue
            known[incoming.key], announcement = hear(known[incoming.key], incoming.event)
            if announcement is not None:
                announcements.append((incoming.key, announcement))
        await store.save_news(tx, {who: news.to_json() for who, news in known.items()})
        await self._compose(tx, people, announcements)
        await self._prepare(tx, {who for who, _ in announcements})

    # ---- commands ----------------------------------------------------------------------------------------

    async def record_contact(self, tx: Tx, participant_id: str, municipality: str, contact: Contact) -> None:
        """Keep how to reach a person; messages that waited for it get their way out.

        Raises NotFound when the person is registered elsewhere or erased.
        """
        person = (await store.lock_people(tx, [participant_id]))[participant_id]
        if person.state == "ERASED" or person.municipality not in {None, municipality}:
            raise NotFound(FORGOTTEN)
        [sealed] = await self._keys.encrypt_many([Plain(participant_id, CONTACT, contact.to_bytes())])
        await store.save_household(tx, participant_id, municipality, sealed)
        await followed.end_contact_tasks(tx, participant_id)
        await self._prepare(tx, [participant_id])

    async def broken_channels(
        self, reading: ReadTx, participant_id: str, municipality: str
    ) -> frozenset[ChannelName]:
        """The channels of a person's contact that bounced too often to be used again."""
        found = await self._bounces.broken(reading, [participant_id])
        return frozenset(found.get((participant_id, municipality), ()))

    # ---- from news to a message with a way out -----------------------------------------------------------

    async def _compose(
        self, tx: Tx, people: dict[str, store.Person], announcements: Sequence[tuple[str, Announcement]]
    ) -> None:
        sealed = await self._keys.encrypt_many(
            [Plain(who, CONTENT, announcement.content.to_bytes()) for who, announcement in announcements]
        )
        rows = []
        for (who, announcement), content in zip(announcements, sealed, strict=True):
            # The ledger refuses a foreign municipality too; what slipped through is not sent.
            foreign = people[who].municipality not in {None, announcement.municipality}
            rows.append(
                {
                    "message_id": tx.new_id(),
                    "participant_id": who,
                    "municipality": announcement.municipality,
                    "enrolment_id": announcement.enrolment_id,
                    "fund_id": announcement.fund_id,
                    "kind": announcement.content.kind.value,
                    "month": announcement.content.month,
                    "occasion": announcement.occasion,
                    "why": [why.value for why in announcement.why],
                    "content": content,
                    "wording": None,
                    "templates": None,
                    "state": "CANCELLED" if foreign else "WAITING",
                    "composed_at": tx.now,
                }
            )
        await store.add_messages(tx, rows)
        for _, announcement in announcements:
            self._metrics.add("bufferbudget_messages_composed_total", kind=announcement.content.kind.value)

    async def _prepare(self, tx: Tx, participant_ids: Collection[str]) -> None:
        """Word the waiting messages of reachable people and start their delivery."""
        waiting = await store.messages_to_prepare(tx, participant_ids) if participant_ids else []
        if not waiting:
            return
        worded, spoilt = await self._worded(tx, waiting)
        sealed = await self._keys.encrypt_many(
            [Plain(row.participant_id, WORDING, text.to_bytes()) for row, _, text in worded]
        )
        await store.set_wording(
            tx,
            [
                {
                    "message_id_": row.message_id,
                    "wording_": wording,
                    "templates_": list(text.templates),
                    "state_": "DUE" if channel else "FAILED",
                }
                for (row, channel, text), wording in zip(worded, sealed, strict=True)
            ],
        )
        await store.add_deliveries(
            tx,
            [
                {
                    "message_id": row.message_id,
                    "participant_id": row.participant_id,
                    "channel": channel.value,
                }
                for row, channel, _ in worded
                if channel is not None
            ],
        )
        await store.set_message_state(tx, [row.message_id for row in spoilt], "FAILED")
        tx.on_commit(self._deliver_soon)
        unreachable = Counter(row.kind for row, channel, _ in worded if channel is None)
        unreachable.update(row.kind for row in spoilt)
        tx.on_commit(lambda: self._count_unreachable(unreachable))

    async def _worded(
        self, tx: Tx, waiting: Sequence[Row[Any]]
    ) -> tuple[list[tuple[Row[Any], ChannelName | None, Wording]], list[Row[Any]]]:
        """Each message with its channel (None: no way) and text; and those with a spoilt contact or content.

        What cannot be read fails alone: it stops neither other people's messages nor the person's next event.
        """
        signing = await store.senders(tx, {row.fund_id for row in waiting})
        broken = await self._bounces.broken(tx, {row.participant_id for row in waiting})
        contacts = await self._keys.decrypt_readable(
            [Sealed(row.participant_id, CONTACT, row.contact) for row in waiting]
        )
        contents = await self._keys.decrypt_readable(
            [Sealed(row.participant_id, CONTENT, row.content) for row in waiting]
        )
        worded: list[tuple[Row[Any], ChannelName | None, Wording]] = []
        spoilt: list[Row[Any]] = []
        for row, contact_bytes, content_bytes in zip(waiting, contacts, contents, strict=True):
            if isinstance(contact_bytes, Unreadable) or isinstance(content_bytes, Unreadable):
                spoilt.append(row)
            elif contact_bytes is not None and content_bytes is not None:
                contact = Contact.from_bytes(contact_bytes)
                text = self._word(row, content_bytes, contact.language, signing)
                lame = broken.get((row.participant_id, row.municipality), set())
                worded.append((row, contact.channel_for(MessageKind(row.kind), lame), text))
        return worded, spoilt

    def _count_unreachable(self, kinds: Mapping[str, int]) -> None:
        for kind, number in kinds.items():
            self._metrics.add(
                "bufferbudget_messages_total", number, kind=kind, channel="NONE", outcome="failed"
            )

    def _word(
        self,
        row: Row[Any],
        content: bytes,
        language: MessageLanguage,
        signing: dict[tuple[str, str], Row[Any]],
    ) -> Wording:
        sender = sender_of(signing.get((row.municipality, row.fund_id)), self._default_sender)
        return word(Content.from_bytes(content), sender, language, self._templates, self._languages)


def sender_of(row: Row[Any] | None, otherwise: Sender) -> Sender:
    """How a fund signs, as recorded for the municipality or else by default."""
    if row is None:
        return otherwise
    return Sender(name=row.name, contact=row.contact, phone=row.phone, email=row.email)
