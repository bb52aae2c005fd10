"""Nothing about a person outlives its purpose: letters go with the person or their term, contacts of ids that
are never registered with theirs."""

import asyncio
import copy
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from notifier import store
from notifier.retention import Retention
from notifier.service import MIGRATIONS
from shared.errors import NotFound
from shared.inbox import Incoming
from shared.personal_keys import PersonErased
from tests.integration.notifier_desk import (
    CANARY_NAME,
    LEDGER,
    MUNICIPALITY,
    NOW,
    Desk,
    contact_of,
    drawn,
    erased,
    person_id,
    registered,
    settled,
)
from tests.integration.test_households import HOUSEHOLD, PATH, Running, notifier
from tests.migrated import copy_in_postgres, copy_to_sqlite

__all__ = ["notifier"]  # the fixture of a running one

DAY = 86_400.0
_numbers = count(1)


@pytest.fixture(params=["embedded", "postgres"])
async def desk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Desk]:
    owner = service = f"sqlite:///{tmp_path / 'notifier.db'}"
    if request.param == "postgres":
        postgres = request.getfixturevalue("postgres")
        owner, service = copy_in_postgres(postgres, MIGRATIONS, f"retention_{next(_numbers)}")
    else:
        copy_to_sqlite(MIGRATIONS, owner)
    opened = await Desk.open(tmp_path, owner, service)
    yield opened
    await opened.close()


def retention(desk: Desk, *, letters: int = 90, contacts: int = 90) -> Retention:
    return Retention(
        desk.database,
        desk.keys,
        desk.letters,
        keep_letters_days=letters,
        keep_unseen_contacts_days=contacts,
    )


async def written(desk: Desk, number: int) -> str:
    """The file name of a letter to a new person."""
    await desk.known(number, mail=False)
    before = set(desk.letters_written())
    await desk.hear(drawn(number, "2026-03", 46_820), settled(number, "2026-03", 46_820))
    await desk.deliver()
    (name,) = set(desk.letters_written()) - before
    return name


async def test_the_letters_of_an_erased_person_are_gone_and_those_of_others_stay(desk: Desk) -> None:
    gone, stays = await written(desk, 1), await written(desk, 2)
    left_by_a_kill = desk.letters / f".{Path(gone).stem}.part"
    left_by_a_kill.write_text(CANARY_NAME)
    left_by_a_kill.chmod(0o600)
    await desk.hear(erased(1))
    # Whoever erased was killed here; any process that starts does the rest, as often as it likes.
    for _ in range(2):
        assert await retention(desk).remove_letters() is False
        assert set(desk.letters_written()) == {stays}


async def test_an_erasure_asks_for_the_letters_once_it_is_committed(desk: Desk) -> None:
    name = await written(desk, 1)
    seen: list[bool] = []
    desk.notifications.on_erased = lambda: seen.append((desk.letters / name).exists())

    async def rolled_back() -> None:
        async with desk.database.write() as tx:
            await desk.notifications.erase_people(tx, [Incoming("one", LEDGER, NOW, erased(1))])
            raise NotFound("so that nothing is committed")

    with pytest.raises(NotFound):
        await rolled_back()
    assert seen == []
    await desk.hear(erased(1))
    assert seen == [True]


async def test_a_running_notifier_removes_the_letter_of_whoever_is_erased(
    notifier: Running, tmp_path: Path
) -> None:
    household: dict[str, Any] = copy.deepcopy(HOUSEHOLD)
    household["contact"] |= {"channels": ["LETTER"], "consents": []}
    await notifier.client.put(PATH, json=household)
    await notifier.publish(registered(1), drawn(1, "2026-03", 10_000), settled(1, "2026-03", 10_000))
    await notifier.quiet()
    [letter] = (tmp_path / "letters").iterdir()
    await notifier.publish(erased(1))
    async with asyncio.timeout(10):
        while letter.exists():  # noqa: ASYNC110 - another task removes it
            await asyncio.sleep(0.02)


async def test_a_letter_is_removed_when_its_term_is_over_and_not_a_day_earlier(desk: Desk) -> None:
    name = await written(desk, 1)
    desk.later(89 * DAY)
    await retention(desk).remove_letters()
    assert set(desk.letters_written()) == {name}
    desk.later(2 * DAY)
    await retention(desk, letters=0).remove_letters()
    assert set(desk.letters_written()) == {name}
    await retention(desk).remove_letters()
    assert desk.letters_written() == {}


async def test_files_that_are_no_letters_of_ours_are_left_alone(desk: Desk) -> None:
    desk.letters.mkdir()
    for name in ("README.txt", "printed.pdf", f"{person_id(7)}.txt"):
        (desk.letters / name).write_text("x")
        (desk.letters / name).chmod(0o600)
    desk.later(400 * DAY)
    await retention(desk).remove_letters()
    assert len(desk.letters_written()) == 3


async def test_without_a_folder_of_letters_there_is_nothing_to_remove(desk: Desk) -> None:
    assert await retention(desk).remove_letters() is False


async def test_a_contact_of_an_id_that_is_never_registered_is_destroyed_with_its_key(desk: Desk) -> None:
    await desk.contact(1, contact_of(1))
    await desk.known(2)
    sealed = await _sealed(desk, 1)
    desk.later(89 * DAY)
    assert await retention(desk).forget_unseen() is False
    assert await _sealed(desk, 1) == sealed
    desk.later(2 * DAY)
    assert await retention(desk, contacts=0).forget_unseen() is False
    assert await retention(desk).forget_unseen() is True
    assert await retention(desk).forget_unseen() is False
    assert await _sealed(desk, 1) is None
    assert await _sealed(desk, 2) is not None
    assert sealed is not None
    with pytest.raises(PersonErased):
        await desk.keys.decrypt(person_id(1), "contact", sealed)
    with pytest.raises(NotFound):
        await desk.contact(1, contact_of(1))
    await desk.hear(registered(1))
    assert (await desk.messages()) == []


async def test_a_contact_that_is_recorded_again_starts_its_term_again(desk: Desk) -> None:
    await desk.contact(1, contact_of(1))
    desk.later(80 * DAY)
    await desk.contact(1, contact_of(1, mail=False))
    desk.later(80 * DAY)
    assert await retention(desk).forget_unseen() is False
    assert await _sealed(desk, 1) is not None


async def test_who_has_messages_waiting_for_a_registration_that_is_late_is_not_forgotten(desk: Desk) -> None:
    await desk.contact(1, contact_of(1, mail=False))
    await desk.hear(drawn(1, "2026-03", 46_820), settled(1, "2026-03", 46_820))
    desk.later(400 * DAY)
    assert await retention(desk).forget_unseen() is False
    await desk.hear(registered(1))
    await desk.deliver()
    assert len(desk.letters_written()) == 1


async def _sealed(desk: Desk, number: int) -> bytes | None:
    async with desk.database.read() as reading:
        row = await store.household(reading, person_id(number), MUNICIPALITY)
    return None if row is None else row.contact
