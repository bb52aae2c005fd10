"""Addresses that do not take messages: counted since the contact was recorded, then left for a new one.

The message itself goes as a letter. At BOUNCES_MAX somebody is asked for a new contact, once.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from notifier import store_followups as followed
from notifier.contacts import ChannelName
from shared.database import ReadTx, Tx
from shared.metrics import ServiceMetrics

CONTACT_DAYS: Final = 14
"""Days in which somebody asks for a new contact."""


@dataclass(frozen=True, slots=True)
class Bounced:
    """One delivery that its address did not take."""

    delivery_id: str
    participant_id: str
    municipality: str
    channel: ChannelName


class Bounces:
    """Records bounces and knows which channels are broken; `most` of them break one."""

    def __init__(self, most: int, metrics: ServiceMetrics) -> None:
        self._most = most
        self._metrics = metrics

    async def record(self, tx: Tx, bounced: Sequence[Bounced]) -> None:
        """Keep the bounces; whose channel is broken by them gets a task to repair the contact."""
        if not bounced:
            return
        await followed.add_bounces(
            tx,
            [
                {
                    "bounce_id": tx.new_id(),
                    "participant_id": one.participant_id,
                    "municipality": one.municipality,
                    "channel": one.channel.value,
                    "delivery_id": one.delivery_id,
                }
                for one in bounced
            ],
        )
        people = {one.participant_id for one in bounced}
        broken = await self.broken(tx, people)
        asked = await followed.open_contact_tasks(tx, people)
        tasks = {
            one.participant_id: {
                "kind": "CONTACT",
                "participant_id": one.participant_id,
                "municipality": one.municipality,
                "delivery_id": one.delivery_id,
                "due_at": tx.now + timedelta(days=CONTACT_DAYS),
            }
            for one in bounced
            if one.participant_id not in asked
            and one.channel in broken.get((one.participant_id, one.municipality), ())
        }
        await followed.add_tasks(tx, list(tasks.values()))
        channels = [one.channel.value for one in bounced]
        tx.on_commit(lambda: self._count(channels))

    async def broken(
        self, reading: ReadTx, participant_ids: Collection[str]
    ) -> dict[tuple[str, str], set[ChannelName]]:
        """The channels not to use until a new contact comes, by person and municipality."""
        found: dict[tuple[str, str], set[ChannelName]] = {}
        for (who, where, channel), times in (await followed.bounces(reading, participant_ids)).items():
            if times >= self._most:
                found.setdefault((who, where), set()).add(ChannelName(channel))
        return found

    def _count(self, channels: Sequence[str]) -> None:
        for channel in channels:
            self._metrics.add("bufferbudget_bounces_total", channel=channel)
