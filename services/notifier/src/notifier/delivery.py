"""Getting messages out: deliveries are rows, a worker tries those that are due, each attempt leaves evidence.

No transaction is open while the mail server is spoken to. What it accepted is recorded as it comes in, a few
at a time, so that a killed process repeats at most what was on its way just then, under the same Message-ID.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row

from notifier import store
from notifier import store_followups as followed
from notifier.bounces import Bounced, Bounces
from notifier.channels import Channel, Outcome, Parcel, Result, message_header_id
from notifier.contacts import ELECTRONIC, ChannelName, Contact
from notifier.letters import letter
from notifier.notifications import CONTACT, WORDING, sender_of
from notifier.quiet_hours import QuietHours
from notifier.wording import MessageKind, Sender, Wording
from shared.contracts.events import MessageFailed, MessageSent
from shared.database import Database, Tx
from shared.failpoints import hit
from shared.log import Log
from shared.metrics import ServiceMetrics
from shared.months import amsterdam_date
from shared.personal_keys import KeyStore, Sealed, Unreadable

BATCH_MAX: Final = 200
RECORD_ATTEMPTS: Final = 8
_PAUSES: Final = (60, 300, 900, 3_600, 10_800, 21_600, 43_200)
LONGEST_PAUSE: Final = 86_400


def retry_after(attempt: int, channel: ChannelName) -> int | None:
    """Seconds to wait after the n-th failed attempt (n from 1), growing; None to give up.

    E-mail and text messages are given up within a day, because a letter can replace them; a letter never is.
    """
    if attempt <= len(_PAUSES):
        return _PAUSES[attempt - 1]
    return None if channel in ELECTRONIC else LONGEST_PAUSE


@dataclass(frozen=True, slots=True)
class Errand:
    """A claimed delivery: `attempt` counts from 1, `reserve` says whether a letter could follow."""

    row: Row[Any]
    attempt: int
    reserve: bool

    @property
    def channel(self) -> ChannelName:
        return ChannelName(self.row.channel)


@dataclass(frozen=True, slots=True)
class Attempt:
    """How an errand ended; the evidence id is fixed before recording, so that recording twice shows."""

    errand: Errand
    outcome: Outcome
    evidence_id: str

    @property
    def is_final(self) -> bool:
        """Whether nothing more is tried on this channel."""
        if self.outcome.result is not Result.LATER:
            return True
        return retry_after(self.errand.attempt, self.errand.channel) is None

    @property
    def is_replaced(self) -> bool:
        """Whether it is given up for a letter: the message has not failed."""
        lost = self.is_final and self.outcome.result is not Result.ACCEPTED
        return lost and self.errand.channel is not ChannelName.LETTER and self.errand.reserve

    @property
    def is_given_up(self) -> bool:
        """Whether it was tried for as long as it can be."""
        return self.is_final and self.outcome.result is Result.LATER


class Courier:
    """The delivery worker of one service; `step` is run by one process at a time, under a lease."""

    def __init__(
        self,
        database: Database,
        keys: KeyStore,
        channels: Mapping[ChannelName, Channel],
        default_sender: Sender,
        mail_from: str,
        log: Log,
        metrics: ServiceMetrics,
        *,
        bounces: Bounces,
        quiet_hours: QuietHours | None = None,
        task_days: int = 14,
        most_a_day: int = 0,
    ) -> None:
        self._database = database
        self._keys = keys
        self._channels = channels
        self._default_sender = default_sender
        self._mail_from = mail_from
        self._log = log
        self._metrics = metrics
        self._bounces = bounces
        self._quiet_hours = quiet_hours
        self._task_days = task_days
        self._most_a_day = most_a_day

    async def step(self) -> bool:
        """Try a batch of due deliveries; whether there were any."""
        claimed = await self._claim()
        if not claimed:
            return False
        parcels, attempts = await self._pack(claimed)
        ended: asyncio.Queue[Attempt | None] = asyncio.Queue()
        for attempt in attempts:
            ended.put_nowait(attempt)
        recording = asyncio.create_task(self._record(ended))
        try:
            async with asyncio.TaskGroup() as sending:
                for name, batch in parcels.items():
                    sending.create_task(self._send(name, batch, ended))
        finally:
            # Whatever else failed: what was accepted is recorded before this step ends.
            ended.put_nowait(None)
            await recording
        return True

    async def pending(self) -> int:
        """How many deliveries are due now."""
        async with self._database.read() as reading:
            now = self._database.clock.now()
            return await store.due_now(reading, now, self._restraint(now))

    def _restraint(self, now: datetime) -> store.Restraint:
        held, counted = (frozenset(str(name) for name in names) for names in (self._held(now), ELECTRONIC))
        return store.Restraint(held, counted, self._most_a_day)

    def _held(self, now: datetime) -> frozenset[ChannelName]:
        """The channels that wait for the end of quiet hours."""
        quiet = self._quiet_hours is not None and self._quiet_hours.hold(now)
        return ELECTRONIC if quiet else frozenset()

    async def sample(self) -> None:
        """Set the gauges of what waits."""
        async with self._database.read() as reading:
            rows = {row.channel: row for row in await store.waiting(reading)}
        now = self._database.clock.now()
        for name in ChannelName:
            row = rows.get(name.value)
            since = row.oldest if row else now
            if self._quiet_hours is not None and name in ELECTRONIC:
                # Waiting for the morning is no delay.
                since = now if self._held(now) else max(since, self._quiet_hours.last_end(now))
            age = max(0.0, (now - since).total_seconds())
            self._metrics.set("bufferbudget_deliveries_waiting", row.number if row else 0, channel=name.value)
            self._metrics.set("bufferbudget_deliveries_oldest_seconds", age, channel=name.value)

    def _new_id(self) -> str:
        return self._database.ids.ordered(self._database.clock.now())

    # ---- claim and pack ----------------------------------------------------------------------------------

    async def _claim(self) -> list[Row[Any]]:
        async with self._database.write() as tx:
            before = await store.claim(tx, BATCH_MAX, self._restraint(tx.now))
            # A claim without an end: the process was killed, and the message may have been accepted.
            left = [row for row in before if row.state == "CLAIMED"]
            await store.add_evidence(
                tx,
                [
                    evidence_row(
                        tx, row, row.attempts, tx.new_id(), "UNKNOWN", None, "ended unrecorded", None
                    )
                    for row in left
                ],
            )
        async with self._database.read() as reading:
            return await store.parcels_of(reading, [row.delivery_id for row in before])

    async def _pack(
        self, rows: Sequence[Row[Any]]
    ) -> tuple[dict[ChannelName, dict[str, tuple[Errand, Parcel]]], list[Attempt]]:
        """Make parcels by channel; what cannot go this way (any more) ends at once."""
        contacts = await self._opened(CONTACT, {row.delivery_id: (row, row.contact) for row in rows})
        texts = await self._opened(WORDING, {row.delivery_id: (row, row.wording) for row in rows})
        async with self._database.read() as reading:
            signing = await store.senders(reading, {row.fund_id for row in rows})
        parcels: dict[ChannelName, dict[str, tuple[Errand, Parcel]]] = {}
        ended: list[Attempt] = []
        for row in rows:
            contact_bytes, text = contacts[row.delivery_id], texts[row.delivery_id]
            if isinstance(contact_bytes, Unreadable) or isinstance(text, Unreadable):
                what = "contact" if isinstance(contact_bytes, Unreadable) else "text"
                spoilt = Outcome(Result.REFUSED, None, f"the stored {what} cannot be read", "UNREADABLE")
                ended.append(Attempt(Errand(row, row.attempts, reserve=False), spoilt, self._new_id()))
                continue
            contact = Contact.from_bytes(contact_bytes) if contact_bytes else None
            errand = Errand(row, row.attempts, contact is not None and contact.postal_address is not None)
            sender = sender_of(signing.get((row.municipality, row.fund_id)), self._default_sender)
            if contact is None or text is None or not contact.may_use(errand.channel, MessageKind(row.kind)):
                gone = Outcome(Result.REFUSED, None, "the contact or consent for this channel is gone")
                ended.append(Attempt(errand, gone, self._new_id()))
            elif errand.channel not in self._channels:
                absent = Outcome(Result.REFUSED, None, "this channel is not set up here")
                ended.append(Attempt(errand, absent, self._new_id()))
            else:
                parcel = _parcel(row, Wording.from_bytes(text), contact, sender)
                parcels.setdefault(errand.channel, {})[row.delivery_id] = (errand, parcel)
        return parcels, ended

    async def _opened(
        self, purpose: str, sealed: Mapping[str, tuple[Row[Any], bytes | None]]
    ) -> Mapping[str, bytes | Unreadable | None]:
        """Decrypted by delivery; None for what is not there (any more), the fault for what does not open."""
        kept = {
            delivery_id: Sealed(row.participant_id, purpose, content)
            for delivery_id, (row, content) in sealed.items()
            if content is not None
        }
        opened = dict(zip(kept, await self._keys.decrypt_readable(list(kept.values())), strict=True))
        return {delivery_id: opened.get(delivery_id) for delivery_id in sealed}

    async def _send(
        self,
        name: ChannelName,
        batch: Mapping[str, tuple[Errand, Parcel]],
        ended: "asyncio.Queue[Attempt | None]",
    ) -> None:
        async def report(parcel: Parcel, outcome: Outcome) -> None:
            if outcome.result is Result.ACCEPTED:
                hit("after-delivery")
            ended.put_nowait(Attempt(batch[parcel.delivery_id][0], outcome, self._new_id()))

        await self._channels[name].deliver([parcel for _, parcel in batch.values()], report)

    # ---- record ------------------------------------------------------------------------------------------

    async def _record(self, ended: "asyncio.Queue[Attempt | None]") -> None:
        """Record ends as they come in; while one transaction runs the next ones gather."""
        more = True
        while more:
            gathered = [await ended.get()]
            while not ended.empty():
                gathered.append(ended.get_nowait())
            attempts = [attempt for attempt in gathered if attempt is not None]
            more = len(attempts) == len(gathered)
            if attempts:
                await self._database.retrying(
                    lambda tx, batch=attempts: self._record_batch(tx, batch),  # type: ignore[misc]
                    attempts=RECORD_ATTEMPTS,
                )
                self._tell(attempts)

    async def _record_batch(self, tx: Tx, attempts: Sequence[Attempt]) -> None:
        known = await store.known_evidence(tx, [attempt.evidence_id for attempt in attempts])
        fresh = [attempt for attempt in attempts if attempt.evidence_id not in known]
        people = await store.lock_people(tx, {attempt.errand.row.participant_id for attempt in fresh})
        await store.add_evidence(tx, [self._evidence_row(tx, attempt) for attempt in fresh])
        await store.settle_deliveries(tx, [_settled(tx, attempt) for attempt in fresh])
        living = [a for a in fresh if people[a.errand.row.participant_id].state != "ERASED"]
        sent = [a for a in living if a.outcome.result is Result.ACCEPTED]
        lost = [a for a in living if a.is_final and a.outcome.result is not Result.ACCEPTED]
        await store.set_message_state(tx, [a.errand.row.message_id for a in sent], "SENT")
        await store.add_deliveries(
            tx,
            [
                {
                    "message_id": a.errand.row.message_id,
                    "participant_id": a.errand.row.participant_id,
                    "channel": ChannelName.LETTER.value,
                }
                for a in lost
                if a.is_replaced
            ],
        )
        await self._follow(tx, [a for a in living if a.is_final])
        unreached = [a.errand.row.message_id for a in lost if not a.is_replaced]
        await store.set_message_state(tx, unreached, "FAILED")
        tx.emit(*(_event(attempt) for attempt in living if attempt.is_final and not attempt.is_replaced))

    async def _follow(self, tx: Tx, ended: Sequence[Attempt]) -> None:
        """Put up tasks, start asking providers, count bounces: in the transaction of the evidence."""
        taken = [a for a in ended if a.outcome.result is Result.ACCEPTED]
        await followed.add_tasks(
            tx,
            [
                {
                    "kind": "TELL",
                    "participant_id": a.errand.row.participant_id,
                    "municipality": a.errand.row.municipality,
                    "delivery_id": a.errand.row.delivery_id,
                    "due_at": tx.now + timedelta(days=self._task_days),
                }
                for a in taken
                if a.errand.channel is ChannelName.TASK
            ],
        )
        await followed.await_confirmations(
            tx,
            [
                {
                    "delivery_id": a.errand.row.delivery_id,
                    "participant_id": a.errand.row.participant_id,
                    "provider_id": a.outcome.provider_id,
                    "next_poll_at": tx.now + timedelta(seconds=60),
                }
                for a in taken
                if a.outcome.provider_id is not None
            ],
        )
        bounced = [a.errand for a in ended if a.outcome.of_address]
        await self._bounces.record(
            tx,
            [
                Bounced(e.row.delivery_id, e.row.participant_id, e.row.municipality, e.channel)
                for e in bounced
            ],
        )

    def _evidence_row(self, tx: Tx, attempt: Attempt) -> dict[str, Any]:
        row, outcome = attempt.errand.row, attempt.outcome
        header = outcome.provider_id
        if header is None and attempt.errand.channel is ChannelName.EMAIL:
            header = message_header_id(row.message_id, self._mail_from)
        return evidence_row(
            tx,
            row,
            attempt.errand.attempt,
            attempt.evidence_id,
            outcome.result.value,
            outcome.code,
            outcome.text,
            header,
        )

    def _tell(self, attempts: Sequence[Attempt]) -> None:
        """Metrics and log lines, after the commit."""
        for attempt in attempts:
            row, channel, result = attempt.errand.row, attempt.errand.channel, attempt.outcome.result
            self._metrics.add(
                "bufferbudget_delivery_attempts_total", channel=channel.value, outcome=result.value.lower()
            )
            if attempt.is_given_up:
                self._metrics.add("bufferbudget_deliveries_given_up_total", channel=channel.value)
            if attempt.is_final:
                replaced = "replaced" if attempt.is_replaced else "failed"
                outcome = "sent" if result is Result.ACCEPTED else replaced
                self._metrics.add(
                    "bufferbudget_messages_total", kind=row.kind, channel=channel.value, outcome=outcome
                )
            if result is not Result.ACCEPTED:
                seconds = retry_after(attempt.errand.attempt, channel) if result is Result.LATER else None
                fields: dict[str, Any] = {
                    "message_id": row.message_id,
                    "channel": channel.value,
                    "attempt": attempt.errand.attempt,
                    "code": attempt.outcome.code,
                }
                if seconds is None:
                    self._log.write(
                        "delivery_replaced" if attempt.is_replaced else "delivery_given_up", **fields
                    )
                else:
                    self._log.write("delivery_failed", **fields, seconds=seconds)


def _parcel(row: Row[Any], wording: Wording, contact: Contact, sender: Sender) -> Parcel:
    page = ""
    if contact.postal_address is not None:
        day = amsterdam_date(row.composed_at)
        language = wording.sections[0].language
        page = letter(wording, contact.postal_address.lines(), sender, day, language)
    return Parcel(
        delivery_id=row.delivery_id,
        message_id=row.message_id,
        sender=sender,
        wording=wording,
        composed_at=row.composed_at,
        email=contact.email or "",
        phone=contact.phone or "",
        page=page,
        attempt=row.attempts,
        language=wording.sections[0].language,
    )


def _settled(tx: Tx, attempt: Attempt) -> dict[str, Any]:
    state, pause = "DUE", retry_after(attempt.errand.attempt, attempt.errand.channel) or 0
    if attempt.is_final:
        state = "SENT" if attempt.outcome.result is Result.ACCEPTED else "FAILED"
    return {
        "delivery_id_": attempt.errand.row.delivery_id,
        "state_": state,
        "next_": tx.now + timedelta(seconds=pause),
    }


def _event(attempt: Attempt) -> MessageSent | MessageFailed:
    row = attempt.errand.row
    if attempt.outcome.result is Result.ACCEPTED:
        return MessageSent(**_about(row))
    return failed(row, _reason(attempt.outcome))


def failed(row: Row[Any], reason: str) -> MessageFailed:
    """The event that nobody was reached; `reason` is a code."""
    return MessageFailed(**_about(row), reason=reason)


def _about(row: Row[Any]) -> dict[str, Any]:
    return {
        "municipality": row.municipality,
        "participant_id": row.participant_id,
        "message_id": row.message_id,
        "kind": row.kind,
        "month": row.month,
        "channel": row.channel,
    }


def _reason(outcome: Outcome) -> str:
    if outcome.reason is not None:
        return outcome.reason
    if outcome.result is Result.LATER:
        return "GAVE_UP"
    return "REFUSED_BY_SERVER" if outcome.code is not None else "NO_WAY"


def evidence_row(
    tx: Tx,
    row: Row[Any],
    attempt: int,
    evidence_id: str,
    outcome: str,
    code: int | None,
    text: str,
    header_id: str | None,
) -> dict[str, Any]:
    """How one attempt ended, as a row; `header_id` is the Message-ID, or the provider's id."""
    return {
        "evidence_id": evidence_id,
        "delivery_id": row.delivery_id,
        "message_id": row.message_id,
        "attempt": attempt,
        "outcome": outcome,
        "code": code,
        "text": text,
        "header_id": header_id,
        "recorded_at": tx.now,
    }
