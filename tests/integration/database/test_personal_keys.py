"""Destroying a key erases the person; ciphertext opens only where it belongs."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from shared.key_files import MasterKey
from shared.personal_keys import KeyStore, PersonErased, Plain, Sealed, Unreadable
from tests.integration.database.conftest import Place

MASTER = MasterKey(bytes(range(32)))
ANNA, BEN = "11111111-0000-4000-8000-000000000000", "22222222-0000-4000-8000-000000000000"


@pytest.fixture
async def keys(empty: Place) -> AsyncIterator[KeyStore]:
    store = opened(empty)
    yield store
    await store.close()


def opened(place: Place, master: MasterKey = MASTER, *, cache_max: int = 20_000) -> KeyStore:
    """The store's own database, whose owner is the service itself."""
    return KeyStore(place.owner_url, master, service="tests", cache_max=cache_max)


async def test_what_was_encrypted_comes_back_in_order_also_in_another_process(
    empty: Place, keys: KeyStore
) -> None:
    plain = [Plain(f"person-{n % 50}", "payee", f"rekening {n} é".encode()) for n in range(200)]
    sealed = await keys.encrypt_many(plain)
    assert all(item.content not in box for item, box in zip(plain, sealed, strict=True))
    elsewhere = opened(empty, cache_max=3)
    boxes = [Sealed(item.subject, item.purpose, box) for item, box in zip(plain, sealed, strict=True)]
    assert await elsewhere.decrypt_many(boxes) == [item.content for item in plain]
    await elsewhere.close()


async def test_equal_texts_never_look_equal(keys: KeyStore) -> None:
    assert len({await keys.encrypt(ANNA, "name", "Anna") for _ in range(20)}) == 20


async def test_ciphertext_moved_to_another_person_or_column_does_not_open(keys: KeyStore) -> None:
    of_anna = await keys.encrypt(ANNA, "payee", "NL00BANK0123456789")
    await keys.encrypt(BEN, "payee", "other")
    for subject, purpose in ((BEN, "payee"), (ANNA, "name")):
        with pytest.raises(Unreadable):
            await keys.decrypt(subject, purpose, of_anna)
    for spoiled in (of_anna[:-1], of_anna[:-1] + bytes([of_anna[-1] ^ 1]), b"\x02" + of_anna[1:]):
        with pytest.raises(Unreadable):
            await keys.decrypt(ANNA, "payee", spoiled)
    assert await keys.decrypt(ANNA, "payee", of_anna) == "NL00BANK0123456789"


async def test_one_spoilt_ciphertext_or_key_keeps_nobody_else_from_being_read(
    empty: Place, keys: KeyStore
) -> None:
    await keys.destroy("erased")
    anna, ben = await keys.encrypt_many([Plain(ANNA, "payee", b"a"), Plain(BEN, "payee", b"b")])
    boxes = [
        Sealed(ANNA, "payee", anna),
        Sealed(ANNA, "payee", b"\x01" + b"x" * 40),
        Sealed("erased", "payee", anna),
        Sealed(BEN, "payee", ben),
    ]
    first, spoilt, gone, last = await keys.decrypt_readable(boxes)
    assert (first, gone, last) == (b"a", None, b"b")
    assert isinstance(spoilt, Unreadable)
    elsewhere = opened(empty, MasterKey(bytes(range(1, 33))))
    with pytest.raises(Unreadable):
        await elsewhere.decrypt_readable(boxes)
    await elsewhere.close()


async def test_after_destruction_nothing_opens_and_nothing_new_is_kept(empty: Place, keys: KeyStore) -> None:
    of_anna, of_ben = await keys.encrypt(ANNA, "name", "Anna"), await keys.encrypt(BEN, "name", "Ben")
    await keys.destroy(ANNA)
    await keys.destroy(ANNA)
    for store in (keys, opened(empty)):
        with pytest.raises(PersonErased):
            await store.decrypt(ANNA, "name", of_anna)
        with pytest.raises(PersonErased):
            await store.encrypt(ANNA, "name", "Anna again")
        seen = await store.decrypt_present([Sealed(ANNA, "name", of_anna), Sealed(BEN, "name", of_ben)])
        assert seen == [None, b"Ben"]
        await store.close()


async def test_a_person_erased_before_the_first_key_stays_erased(keys: KeyStore) -> None:
    await keys.destroy(ANNA)
    with pytest.raises(PersonErased):
        await keys.encrypt(ANNA, "name", "Anna")


async def test_a_destroyed_key_leaves_the_files_of_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    store = KeyStore(f"sqlite:///{path}", MASTER, service="tests")
    await store.encrypt(ANNA, "name", "Anna")
    await store.encrypt(BEN, "name", "Ben")

    def bytes_on_disk() -> bytes:
        return b"".join(file.read_bytes() for file in sorted(tmp_path.iterdir()))

    with closing(sqlite3.connect(path)) as seen:
        (wrapped,) = seen.execute("SELECT wrapped FROM personal_key WHERE subject = ?", [ANNA]).fetchone()
    assert wrapped in bytes_on_disk()
    await store.destroy(ANNA)
    assert wrapped not in bytes_on_disk()
    await store.close()


async def test_two_processes_that_make_the_same_keys_at_once_agree(empty: Place) -> None:
    stores = [opened(empty) for _ in range(4)]
    plain = [Plain(f"person-{n}", "name", b"x") for n in range(30)]
    batches = await asyncio.gather(*(store.encrypt_many(plain) for store in stores))
    reader = opened(empty)
    for batch in batches:
        boxes = [Sealed(item.subject, item.purpose, box) for item, box in zip(plain, batch, strict=True)]
        assert await reader.decrypt_many(boxes) == [b"x"] * 30
    for store in (*stores, reader):
        await store.close()


async def test_another_master_key_is_told_as_such(empty: Place, keys: KeyStore) -> None:
    of_anna = await keys.encrypt(ANNA, "name", "Anna")
    other = opened(empty, MasterKey(b"another master key of 32 bytes..!"))
    with pytest.raises(Unreadable, match="MASTER_KEY_FILE"):
        await other.decrypt(ANNA, "name", of_anna)
    await other.close()


async def test_a_store_does_not_start_with_another_master_key_than_its_keys_were_wrapped_with(
    empty: Place, keys: KeyStore
) -> None:
    await keys.start()  # nothing to compare with yet
    await keys.encrypt(ANNA, "name", "Anna")
    other = opened(empty, MasterKey(b"another master key of 32 bytes..!"))
    with pytest.raises(Unreadable, match="MASTER_KEY_FILE"):
        await other.start()
    await other.close()
    again = opened(empty)
    await again.start()
    await again.close()


async def test_a_blind_index_finds_equal_values_of_one_purpose_only(keys: KeyStore) -> None:
    index = keys.blind_index("bsn", "123456782")
    assert index == keys.blind_index("bsn", "123456782")
    assert len({index, keys.blind_index("bsn", "123456783"), keys.blind_index("payee", "123456782")}) == 3
    assert len(index) == 64
    assert "123456782" not in index
