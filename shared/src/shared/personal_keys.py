"""Per-person encryption: destroying a person's key erases the person wherever the ciphertext lies.

Each person (or other subject, such as a batch file) has a data key, wrapped by a key derived from the
service's master key, in a store of its own: a backup of the data does not hold the keys. Ciphertext is bound
to its person and its purpose; moved to another row or column it does not open.
"""

import hmac
import os
import time
from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Column, LargeBinary, MetaData, String, Table, select, text, update

from shared.columns import UtcInstant
from shared.database import Database, Tx, among, insert_ignore
from shared.errors import BufferbudgetError
from shared.key_files import MasterKey

_KEY = Table(
    "personal_key",
    MetaData(),
    Column("subject", String(100), primary_key=True),
    Column("wrapped", LargeBinary, nullable=True),  # empty once destroyed
    Column("made_at", UtcInstant, nullable=False),
    Column("destroyed_at", UtcInstant, nullable=True),
)
_FORMAT = b"\x01"
_NONCE = 12
_CREATION_LOCK = 0x6B65_7973
_CACHE_SECONDS = 60.0


class PersonErased(BufferbudgetError):
    """The person's key has been destroyed: what was encrypted with it is gone for good."""


class Unreadable(BufferbudgetError):
    """A ciphertext does not open: wrong master key, or moved, cut or changed."""


class Plain(NamedTuple):
    """Something to encrypt: about whom, for which purpose (a column's name, say), and what."""

    subject: str
    purpose: str
    content: bytes


class Sealed(NamedTuple):
    """Something to decrypt, with the same subject and purpose that it was encrypted with."""

    subject: str
    purpose: str
    ciphertext: bytes


class KeyStore:
    """The personal keys of one service, in a database of their own; constructing it starts nothing."""

    def __init__(self, url: str, master_key: MasterKey, *, service: str, cache_max: int = 20_000) -> None:
        self._database = Database(url, name=f"{service} keys", pool_size=4)
        self._wrapping = AESGCM(master_key.derive(f"{service}/personal-keys"))
        self._index_key = master_key.derive(f"{service}/blind-index")
        self._cache: OrderedDict[str, tuple[AESGCM, float]] = OrderedDict()
        self._cache_max = cache_max
        self._ready = False

    async def start(self) -> None:
        """Make the store's table when it is missing; done by itself at the first use.

        Raises TryAgain, and Unreadable when the keys here were wrapped with another master key: a service
        that went on would take everybody it knows for somebody new.
        """
        if self._ready:
            return
        async with self._database.write() as tx:
            if tx.dialect == "postgresql":  # two processes at once, see shared.migrate
                await tx.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _CREATION_LOCK})
            await tx.connection.run_sync(_KEY.metadata.create_all)
            living = select(_KEY.c.subject, _KEY.c.wrapped).where(_KEY.c.wrapped.is_not(None)).limit(1)
            if (any_key := await tx.first(living)) is not None:
                self._remember(any_key.subject, any_key.wrapped)
        self._ready = True

    async def close(self) -> None:
        """Forget the unwrapped keys and close the connections."""
        self._cache.clear()
        await self._database.close()

    async def encrypt_many(self, items: Sequence[Plain]) -> list[bytes]:
        """Encrypt, in order, making keys for new subjects. Raises PersonErased, TryAgain."""
        keys = await self._keys({item.subject for item in items}, make=True)
        sealed = []
        for item in items:
            nonce = os.urandom(_NONCE)
            content = keys[item.subject].encrypt(nonce, item.content, _bound(item.subject, item.purpose))
            sealed.append(_FORMAT + nonce + content)
        return sealed

    async def decrypt_many(self, items: Sequence[Sealed], *, fresh: bool = False) -> list[bytes]:
        """Decrypt, in order. Raises PersonErased when one of them is erased, Unreadable, TryAgain.

        `fresh` looks into the store whatever this process remembers: for content that nothing but its key
        keeps from being read.
        """
        keys = await self._keys({item.subject for item in items}, make=False, fresh=fresh)
        opened = [self._open(keys.get(item.subject), item) for item in items]
        if any(content is None for content in opened):
            raise PersonErased("the person has been erased: nothing of the content can be read any more")
        return [content for content in opened if content is not None]

    async def decrypt_present(self, items: Sequence[Sealed]) -> list[bytes | None]:
        """Decrypt, in order, with None for whoever has been erased: for lists of several people."""
        keys = await self._keys({item.subject for item in items}, make=False)
        return [self._open(keys.get(item.subject), item) for item in items]

    async def decrypt_readable(self, items: Sequence[Sealed]) -> list[bytes | Unreadable | None]:
        """Decrypt, in order, with the fault itself for what does not open and None for whoever is erased.

        For work on several people that one spoilt row may not stop. Raises TryAgain, and Unreadable when
        the whole store was wrapped with another master key.
        """
        await self.start()
        try:
            return list(await self.decrypt_present(items))
        except Unreadable:
            return [await self._readable(item) for item in items]

    async def _readable(self, item: Sealed) -> bytes | Unreadable | None:
        try:
            return (await self.decrypt_present([item]))[0]
        except Unreadable as fault:
            return fault

    async def encrypt(self, subject: str, purpose: str, content: str) -> bytes:
        """Encrypt one text."""
        return (await self.encrypt_many([Plain(subject, purpose, content.encode())]))[0]

    async def decrypt(self, subject: str, purpose: str, ciphertext: bytes) -> str:
        """Decrypt one text."""
        return (await self.decrypt_many([Sealed(subject, purpose, ciphertext)]))[0].decode()

    async def destroy(self, subject: str) -> None:
        """Erase a subject: its key is gone and no new one is ever made for it. May be done again.

        Other processes forget an unwrapped key within a minute.
        """
        await self.start()
        self._cache.pop(subject, None)
        async with self._database.write() as tx:
            row = {"subject": subject, "wrapped": None, "made_at": tx.now, "destroyed_at": tx.now}
            if not await tx.rows(insert_ignore(tx, _KEY, ["subject"]).returning(_KEY.c.subject), [row]):
                living = update(_KEY).where(_KEY.c.subject == subject, _KEY.c.wrapped.is_not(None))
                await tx.execute(living.values(wrapped=None, destroyed_at=tx.now))
        self._cache.pop(subject, None)
        await self._database.scrub("personal_key")

    async def destroyed(self, subjects: Collection[str]) -> set[str]:
        """Which of these subjects are erased, as the store says now. Raises TryAgain."""
        await self.start()
        gone = select(_KEY.c.subject).where(among(_KEY.c.subject, subjects), _KEY.c.wrapped.is_(None))
        async with self._database.read() as reading:
            return {row.subject for row in await reading.rows(gone)}

    def blind_index(self, purpose: str, value: str) -> str:
        """A keyed hash by which an encrypted value is found again: equal for equal purpose and value.

        HMAC-SHA256 in hexadecimal; without the master key nobody can try out all BSNs.
        """
        return hmac.digest(self._index_key, f"{purpose}\0{value}".encode(), "sha256").hex()

    # ---- keys ---------------------------------------------------------------------------------------------

    async def _keys(self, subjects: Collection[str], *, make: bool, fresh: bool = False) -> dict[str, AESGCM]:
        """The unwrapped keys; without `make` an erased or unknown subject is left out."""
        await self.start()
        if fresh:
            for subject in subjects:
                self._cache.pop(subject, None)
        found = {subject: key for subject in subjects if (key := self._cached(subject)) is not None}
        missing = [subject for subject in subjects if subject not in found]
        if not missing:
            return found
        wrapped = await self._stored(missing)
        if make and (unknown := [subject for subject in missing if subject not in wrapped]):
            async with self._database.write() as tx:
                made = await self._make(tx, unknown)
            wrapped |= made
            if others := [subject for subject in unknown if subject not in made]:
                wrapped |= await self._stored(others)
        for subject, stored in wrapped.items():
            if stored is not None:
                found[subject] = self._remember(subject, stored)
            elif make:
                raise PersonErased("the person has been erased: nothing can be kept about them any more")
        return found

    async def _stored(self, subjects: Sequence[str]) -> dict[str, bytes | None]:
        stored = select(_KEY.c.subject, _KEY.c.wrapped).where(among(_KEY.c.subject, subjects))
        async with self._database.read() as reading:
            return {row.subject: row.wrapped for row in await reading.rows(stored)}

    async def _make(self, tx: Tx, subjects: Sequence[str]) -> dict[str, bytes | None]:
        """Whoever is first at a subject makes its key; nobody replaces one. Returns those made here."""
        rows = []
        for subject in subjects:
            nonce = os.urandom(_NONCE)
            fresh = AESGCM.generate_key(bit_length=256)
            wrapped = nonce + self._wrapping.encrypt(nonce, fresh, _bound(subject, "key"))
            rows.append({"subject": subject, "wrapped": wrapped, "made_at": tx.now, "destroyed_at": None})
        making = insert_ignore(tx, _KEY, ["subject"]).returning(_KEY.c.subject, _KEY.c.wrapped)
        return {row.subject: row.wrapped for row in await tx.rows(making, rows)}

    def _remember(self, subject: str, wrapped: bytes) -> AESGCM:
        try:
            key = self._wrapping.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], _bound(subject, "key"))
        except InvalidTag:
            raise Unreadable("a personal key does not open: is MASTER_KEY_FILE the right one?") from None
        cipher = AESGCM(key)
        self._cache[subject] = (cipher, time.monotonic() + _CACHE_SECONDS)
        while len(self._cache) > self._cache_max:
            self._cache.popitem(last=False)
        return cipher

    def _cached(self, subject: str) -> AESGCM | None:
        known = self._cache.get(subject)
        if known is None or known[1] < time.monotonic():
            return None
        self._cache.move_to_end(subject)
        return known[0]

    def _open(self, key: AESGCM | None, item: Sealed) -> bytes | None:
        if key is None:
            return None
        if not item.ciphertext.startswith(_FORMAT):
            raise Unreadable("a ciphertext has a format that this version does not know")
        nonce, content = item.ciphertext[1 : 1 + _NONCE], item.ciphertext[1 + _NONCE :]
        try:
            return key.decrypt(nonce, content, _bound(item.subject, item.purpose))
        except InvalidTag:
            raise Unreadable(f"the {item.purpose} of a person does not open: moved, cut or changed") from None


def _bound(subject: str, purpose: str) -> bytes:
    return f"{purpose}\0{subject}".encode()
