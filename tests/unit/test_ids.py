"""Identifiers: people's tell nothing, the others sort by the instant they were made."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from shared.ids import RandomIds, SequenceIds

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_an_id_for_a_person_is_a_random_uuid() -> None:
    ids = RandomIds()
    made = {ids.random() for _ in range(100)}

    assert len(made) == 100
    assert {UUID(text).version for text in made} == {4}


def test_an_id_of_a_later_instant_sorts_later() -> None:
    ids = RandomIds()
    made = [ids.ordered(NOON + timedelta(milliseconds=step)) for step in range(50)]

    assert made == sorted(made)
    assert {UUID(text).version for text in made} == {7}


def test_ids_of_the_same_instant_differ() -> None:
    ids = RandomIds()

    assert len({ids.ordered(NOON) for _ in range(100)}) == 100


def test_a_sequence_gives_the_same_ids_again() -> None:
    first, second = SequenceIds(), SequenceIds()

    assert [first.random(), first.ordered(NOON)] == [second.random(), second.ordered(NOON)]
    assert len({first.random() for _ in range(10)}) == 10
