"""What follows a delivery: asking a provider what became of it, and the letter when nobody was reached.

A provider that accepted a message says later whether the address took it. Where it did not, or where nobody
told a resident in time, the message goes as a letter; without an address for one it has failed.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Row

from notifier import store
from notifier import store_followups as followed
from notifier.bounces import Bounced, Bounces
from notifier.contacts import ChannelName, Contact
from notifier.delivery import evidence_row, failed
from notifier.notifications import CONTACT
from notifier.notify import Fate, NotifyApi, Unanswered
from shared.database import Database, Tx
from shared.metrics import ServiceMetrics
from shared.personal_keys import KeyStore, Sealed

ASKED_AT_ONCE: Final = 50
LAPSED_AT_ONCE: Final = 50
_PAUSES: Final = (60, 300, 900, 3_600, 14_400, 43_200, 86_400, 86_400, 86_400)
"""Seconds between questions: providers try for three days."""


def ask_after(polls: int) -> int:
    """Seconds until a provider is asked for the n-th time (n from 0)."""
    return _PAUSES[min(polls, len(_PAUSES) - 1)]


@dataclass(frozen=True, slots=True)
class Heard:
    """What a provider said about one delivery; `fate` None: it gave no answer."""

    row: Row[Any]
    fate: Fate | None
    word: str

    @property
    def state(self) -> str:
        """The state of the confirmation from now on; after the last question it stays unknown."""
        if self.fate in {Fate.DELIVERED, Fate.BOUNCED, Fate.LOST}:
            return str(self.fate)
        return "UNKNOWN" if self.row.polls + 1 >= len(_PAUSES) else str(Fate.UNDER_WAY)


class FollowUps:
    """The worker of one service; `step` is run by one process at a time, under a lease."""

    def __init__(
        self,
        database: Database,
        keys: KeyStore,
        bounces: Bounces,
        metrics: ServiceMetrics,
        api: NotifyApi | None = None,
    ) -> None:
        self._database = database
        self._keys = keys
        self._bounces = bounces
        self._metrics = metrics
        self._api = api

    async def step(self) -> bool:
        """Ask about a batch and let a batch of late tasks lapse; whether there may be more."""
        asked = await self._ask()
        lapsed = await self._lapse()
        return asked or lapsed

    async def sample(self) -> None:
        """Set the gauges of tasks for people."""
        async with self._database.read() as reading:
            rows = {row.kind: row for row in await followed.waiting_tasks(reading)}
        now = self._database.clock.now()
        for kind in ("TELL", "CONTACT"):
            row = rows.get(kind)
            age = max(0.0, (now - row.oldest).total_seconds()) if row else 0.0
            self._metrics.set("bufferbudget_tasks_open", row.number if row else 0, kind=kind)
            self._metrics.set("bufferbudget_tasks_oldest_seconds", age, kind=kind)

    async def report_bounce(self, tx: Tx, delivery: Row[Any]) -> None:
        """Somebody heard that an address did not take a message which its server had accepted; locked."""
        found = await store.parcels_of(tx, [delivery.delivery_id])
        await store.add_evidence(tx, [_evidence(tx, row, "REFUSED", "reported as bounced") for row in found])
        await self._bounces.record(tx, [_bounced(row) for row in found])
        await self._instead(tx, found, "BOUNCED")

    async def _ask(self) -> bool:
        if self._api is None:
            return False
        async with self._database.read() as reading:
            due = await followed.confirmations_due(reading, self._database.clock.now(), ASKED_AT_ONCE)
        if not due:
            return False
        limit = asyncio.Semaphore(4)
        async with self._api.client() as client:

            async def ask(row: Row[Any], api: NotifyApi) -> Heard:
                async with limit:
                    try:
                        return Heard(row, *await api.fate(client, row.provider_id))
                    except Unanswered as gap:
                        return Heard(row, None, str(gap))

            heard = await asyncio.gather(*(ask(row, self._api) for row in due))
        async with self._database.write() as tx:
            await self._record(tx, heard)
        # Whoever did not answer is left in peace until the next look.
        return any(one.fate is not None for one in heard) and len(due) == ASKED_AT_ONCE

    async def _record(self, tx: Tx, heard: Sequence[Heard]) -> None:
        people = await store.lock_people(tx, {one.row.participant_id for one in heard})
        living = [one for one in heard if people[one.row.participant_id].state != "ERASED"]
        await followed.settle_confirmations(
            tx,
            [
                {
                    "delivery_id_": one.row.delivery_id,
                    "state_": one.state,
                    "polls_": one.row.polls + 1,
                    "next_": tx.now + timedelta(seconds=ask_after(one.row.polls + 1)),
                }
                for one in living
            ],
        )
        told = {one.row.delivery_id: one for one in living if one.state in {"DELIVERED", "BOUNCED", "LOST"}}
        rows = await store.parcels_of(tx, sorted(told)) if told else []
        await store.add_evidence(tx, [_evidence_of(tx, row, told[row.delivery_id]) for row in rows])
        unreached = [row for row in rows if told[row.delivery_id].fate is not Fate.DELIVERED]
        await self._bounces.record(
            tx, [_bounced(row) for row in unreached if told[row.delivery_id].fate is Fate.BOUNCED]
        )
        await self._instead(tx, unreached, "BOUNCED")

    async def _lapse(self) -> bool:
        async with self._database.write() as tx:
            late = await followed.lapse_tasks(tx, LAPSED_AT_ONCE)
            if not late:
                return False
            await store.lock_people(tx, {row.participant_id for row in late})
            rows = await store.parcels_of(tx, [row.delivery_id for row in late])
            await self._instead(tx, rows, "NOT_TOLD")
        return len(late) == LAPSED_AT_ONCE

    async def _instead(self, tx: Tx, rows: Sequence[Row[Any]], reason: str) -> None:
        """A letter for each delivery that reached nobody; without an address the message has failed."""
        if not rows:
            return
        sealed = {
            row.delivery_id: Sealed(row.participant_id, CONTACT, row.contact) for row in rows if row.contact
        }
        opened: Mapping[str, Any] = dict(
            zip(sealed, await self._keys.decrypt_readable(list(sealed.values())), strict=True)
        )
        await store.fail_deliveries(tx, [row.delivery_id for row in rows])
        by_letter = [row for row in rows if _has_address(opened.get(row.delivery_id))]
        await store.add_deliveries(
            tx,
            [
                {
                    "message_id": row.message_id,
                    "participant_id": row.participant_id,
                    "channel": ChannelName.LETTER.value,
                }
                for row in by_letter
            ],
        )
        await store.set_message_state(tx, [row.message_id for row in by_letter], "DUE")
        lost = [row for row in rows if row not in by_letter]
        await store.set_message_state(tx, [row.message_id for row in lost], "FAILED")
        tx.emit(*(failed(row, reason) for row in lost))


def _has_address(contact: object) -> bool:
    return isinstance(contact, bytes) and Contact.from_bytes(contact).postal_address is not None


def _bounced(row: Row[Any]) -> Bounced:
    return Bounced(row.delivery_id, row.participant_id, row.municipality, ChannelName(row.channel))


def _evidence_of(tx: Tx, row: Row[Any], heard: Heard) -> dict[str, Any]:
    if heard.fate is Fate.DELIVERED:
        return _evidence(tx, row, "ACCEPTED", f"delivered: {heard.word}", heard.row.provider_id)
    return _evidence(tx, row, "REFUSED", f"not delivered: {heard.word}", heard.row.provider_id)


def _evidence(
    tx: Tx, row: Row[Any], outcome: str, text: str, provider_id: str | None = None
) -> dict[str, Any]:
    return evidence_row(tx, row, row.attempts, tx.new_id(), outcome, None, text, provider_id)
