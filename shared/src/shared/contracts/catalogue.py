"""Which events there are, which topic carries them, who writes a topic and who reads it."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.contracts import events
from shared.contracts.events import Event, FundEvent

PARTITIONS = 6
"""Partitions of each topic. It never grows: a key would change its partition and lose its order."""

ALL_EVENTS: tuple[type[Event], ...] = (
    events.ParticipantRegistered,
    events.ParticipantErased,
    events.WageSlipReported,
    events.WageSlipCorrected,
    events.WageSlipMissing,
    events.MonthDeclared,
    events.Enrolled,
    events.MonthSettled,
    events.BufferDrawn,
    events.BufferReplenished,
    events.BufferLow,
    events.BufferExhausted,
    events.DrawProposed,
    events.EnrolmentEnded,
    events.DonationReceived,
    events.CapitalCommitted,
    events.CapitalReturned,
    events.FundLow,
    events.MessageSent,
    events.MessageFailed,
)


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic: all facts of one family, in order per key."""

    name: str
    family: str
    key: str
    """The payload member that is the key."""
    producer: str
    consumers: tuple[str, ...]
    """The groups that read it today; a group is named after its service."""
    events: tuple[type[Event], ...]
    partitions: int = PARTITIONS

    @property
    def retention_setting(self) -> str:
        """The setting with the number of days this topic keeps its messages; empty keeps everything."""
        return f"RETENTION_DAYS_{self.family.replace('-', '_').upper()}"


def _topic(family: str, producer: str, consumers: tuple[str, ...]) -> Topic:
    members = tuple(event for event in ALL_EVENTS if family == event.FAMILY)
    key = "fundId" if issubclass(members[0], FundEvent) else "participantId"
    return Topic(members[0].topic(), family, key, producer, consumers, members)


TOPICS: Mapping[str, Topic] = {
    topic.name: topic
    for topic in (
        _topic("participants", "income-intake", ("buffer-ledger", "notifier")),
        _topic("wage-slips", "income-intake", ("buffer-ledger",)),
        _topic("buffers", "buffer-ledger", ("notifier",)),
        _topic("funds", "buffer-ledger", ()),
        _topic("warnings", "notifier", ()),
    )
}

EVENT_BY_TYPE: Mapping[str, type[Event]] = {event.type_name(): event for event in ALL_EVENTS}


def partitions_by_topic() -> dict[str, int]:
    """Every topic with its number of partitions, as `Bus.ensure_topics` takes them."""
    return {topic.name: topic.partitions for topic in TOPICS.values()}
