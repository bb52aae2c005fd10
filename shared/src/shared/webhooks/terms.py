"""Who may subscribe to which events, and what each subscriber is told of one. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from shared.contracts.catalogue import ALL_EVENTS, EVENT_BY_TYPE, TOPICS
from shared.contracts.events import DonationReceived, Event, FundLow, ParticipantErased, ParticipantEvent
from shared.errors import Fault

NOT_BUILT: Final = frozenset({"draw-proposed", "toeslag-impact-warned"}) - {e.FACT for e in ALL_EVENTS}
"""Facts that the interface names and that nothing tells yet."""

OF_A_FUND: Final[frozenset[type[Event]]] = frozenset({DonationReceived, FundLow})
"""All that a fund's own token may be told."""

_NOT_FOR_FUNDS: Final[Mapping[type[Event], frozenset[str]]] = {FundLow: frozenset({"availableCents"})}
"""Members that a fund is not told: what is free moves with each single person who is enrolled."""

FIRST_PAUSE: Final = timedelta(seconds=10)
LONGEST_PAUSE: Final = timedelta(hours=1)
RETRIED_FOR: Final = timedelta(days=1)
"""How long a delivery is tried again, from the moment it was queued or queued anew."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """On whose behalf a subscription is: one municipality, or one fund."""

    municipality: str | None = None
    fund_id: str | None = None

    def may_know(self, event: type[Event]) -> bool:
        """Whether events of this class are for this subscriber at all."""
        if self.fund_id is not None:
            return event in OF_A_FUND
        return self.municipality is not None

    def is_about(self, key: str, payload: Mapping[str, Any]) -> bool:
        """Whether an event is about the subscriber's own fund, or of its own municipality."""
        if self.fund_id is not None:
            return key.lower() == self.fund_id.lower()
        return self.municipality is not None and payload.get("municipality") == self.municipality

    def shown(self, event: type[Event], payload: Mapping[str, Any]) -> dict[str, Any]:
        """The payload as the subscriber is told it."""
        hidden = _NOT_FOR_FUNDS.get(event, frozenset()) if self.fund_id is not None else frozenset()
        return {name: value for name, value in payload.items() if name not in hidden}


def told_by(services: Collection[str]) -> dict[str, str]:
    """Every type that these services tell, with the service."""
    return {
        event.type_name(): topic.producer
        for topic in TOPICS.values()
        if topic.producer in services
        for event in topic.events
    }


def full_name(name: str) -> str:
    """The type of an event, also when only its fact is named: `fund-low`; else the name as it is."""
    found = (event.type_name() for event in ALL_EVENTS if name in {event.FACT, event.type_name()})
    return next(found, name)


def type_faults(names: Iterable[str], services: Collection[str]) -> list[Fault]:
    """Faults of the types that a subscription names, where these services answer."""
    told, faults = told_by(services), []
    for place, name in enumerate(names):
        pointer, full = f"/types/{place}", full_name(name)
        if full in told:
            continue
        if _fact(name) in NOT_BUILT:
            detail = f"types {_fact(name)} is known but not built yet in this version"
            faults.append(Fault("N001", pointer, detail))
        elif full in EVENT_BY_TYPE:
            teller = TOPICS[EVENT_BY_TYPE[full].topic()].producer
            faults.append(Fault("S003", pointer, f"is told by {teller}: subscribe there"))
        else:
            detail = f"is not an event that is told here; there are {', '.join(sorted(told))}"
            faults.append(Fault("S003", pointer, detail))
    return faults


def is_about_a_person(event_type: str) -> bool:
    """Whether an event of this type is not delivered any more once its person is erased.

    The erasure itself is told: whoever keeps what it was sent must learn that it has to go.
    """
    event = EVENT_BY_TYPE.get(event_type)
    return event is None or (issubclass(event, ParticipantEvent) and event is not ParticipantErased)


def pause_after(failures: int) -> timedelta:
    """How long to wait after so many failures (1 and up): doubling from ten seconds to an hour."""
    return min(FIRST_PAUSE * (1 << min(failures - 1, 20)), LONGEST_PAUSE)


def _fact(name: str) -> str:
    """The fact in a full type, or the name as it is."""
    parts = name.split(".")
    return parts[3] if len(parts) == 5 else name
