"""The catalogue has every event once, on one topic, with one producer."""

from shared.contracts import events
from shared.contracts.catalogue import ALL_EVENTS, EVENT_BY_TYPE, TOPICS, partitions_by_topic
from shared.contracts.events import Event


def _concrete(event: type[Event]) -> set[type[Event]]:
    below = {found for child in event.__subclasses__() for found in _concrete(child)}
    return below | ({event} if hasattr(event, "FACT") else set())


def test_every_event_class_is_in_the_catalogue() -> None:
    defined = {event for event in _concrete(Event) if event.__module__ == events.__name__}
    assert set(ALL_EVENTS) == defined


def test_no_two_events_share_a_type() -> None:
    assert len(EVENT_BY_TYPE) == len(ALL_EVENTS)


def test_every_event_lies_on_exactly_one_topic() -> None:
    placed = [event for topic in TOPICS.values() for event in topic.events]
    assert sorted(map(repr, placed)) == sorted(map(repr, ALL_EVENTS))


def test_topics_that_one_service_reads_together_have_equal_partitions() -> None:
    """A member gets the same partition number of each, so it sees all of a participant."""
    assert len(set(partitions_by_topic().values())) == 1


def test_no_service_reads_its_own_topic() -> None:
    assert all(topic.producer not in topic.consumers for topic in TOPICS.values())
