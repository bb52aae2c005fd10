"""The one write protocol of every POST and PUT: one transaction, answered once however often it is sent.

With an `Idempotency-Key` the answer is kept for IDEMPOTENCY_DAYS: the same input gets the same answer, other
input is a conflict. Keys are scoped to caller, method and path and kept as a keyed hash, like the input.
Only answers are kept, never errors: a refused request may be repaired and sent again under its key. What is
kept of an answer is encrypted: with a key of the service, and inside of that, when the answer is about a
person, with that person's key. Once the key is destroyed the answer is gone, here as everywhere else.
"""

import hmac
import json
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import Request, Response
from pydantic import BaseModel
from sqlalchemy import Row, bindparam, delete, select, update

from shared import access_log
from shared.database import Database, Tx, insert_ignore
from shared.errors import Conflict, Fault
from shared.personal_keys import KeyStore, PersonErased, Plain, Sealed
from shared.plumbing import TABLES
from shared.requests import InvalidParameters
from shared.tokens import Caller

_IDEMPOTENCY = TABLES.idempotency
_NONCE = 12
_KEY_MAX = 255
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_OF_A_PERSON = "answer"
"""The purpose for which kept answers are encrypted with a person's key."""


@dataclass(frozen=True, slots=True)
class About:
    """Whom an answer is about, and how the access log names why and what was done."""

    participant_id: str
    purpose: str
    action: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command answers: a body (None for none), its status and headers such as Location.

    An answer that tells anything of a person says `about` whom: it is kept under that person's key, and its
    replays are in the access log. The headers are kept in the clear and name nobody.
    """

    body: BaseModel | None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    about: About | None = None


class KeptAnswers:
    """How one service keeps answers: hashes with one key, bodies encrypted with another and with people's."""

    def __init__(self, secret: bytes, keep_for: timedelta, people: KeyStore | None = None) -> None:
        self._hash_key = hmac.digest(secret, b"hash", "sha256")
        self._cipher = AESGCM(hmac.digest(secret, b"cipher", "sha256"))
        self._people = people
        self.keep_for = keep_for

    def hash(self, *parts: bytes) -> str:
        """A keyed hash of parts, each by its length, so that no two lists of parts run together."""
        framed = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        return hmac.digest(self._hash_key, framed, "sha256").hex()

    async def seal(self, body: bytes, about: About | None, key_hash: str) -> bytes:
        """Encrypt an answer for one row: moved to another row it does not open.

        Of an answer about somebody whose key is destroyed already, only that there was one is kept.
        """
        content = body if about is None else await self._sealed_for(about, body)
        whom = None if about is None else [about.participant_id, about.purpose, about.action]
        nonce = os.urandom(_NONCE)
        framed = json.dumps(whom).encode() + b"\n" + content
        return nonce + self._cipher.encrypt(nonce, framed, key_hash.encode())

    async def open(self, sealed: bytes, key_hash: str) -> tuple[bytes, About | None]:
        """A kept answer and whom it is about; raises PersonErased once that person's key is destroyed."""
        whom, _, content = self.framed(sealed, key_hash).partition(b"\n")
        if (named := json.loads(whom)) is None:
            return content, None
        about = About(*named)
        item = Sealed(about.participant_id, _OF_A_PERSON, content)
        return (await self._store().decrypt_many([item], fresh=True))[0], about

    def framed(self, sealed: bytes, key_hash: str) -> bytes:
        """What the service's key alone opens: whom the answer is about, and if anybody, a ciphertext."""
        return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], key_hash.encode())

    async def _sealed_for(self, about: About, body: bytes) -> bytes:
        item = Plain(about.participant_id, _OF_A_PERSON, body)
        try:
            return (await self._store().encrypt_many([item]))[0]
        except PersonErased:
            return b""

    def _store(self) -> KeyStore:
        if self._people is None:
            raise ValueError("an answer about a person needs a service that has a key store")
        return self._people


async def command(
    request: Request,
    database: Database,
    caller: Caller,
    run: Callable[[Tx], Awaitable[Answer]],
    *,
    input_hash: bytes | None = None,
) -> Response:
    """Run one command in one transaction and answer; replays the kept answer when the key was used before.

    `run` makes its changes on the transaction and returns the answer; whatever it raises rolls all back.
    `input_hash` (sha256 of the body) is for calls that stream their body; others leave it out. Raises
    Conflict when the key was used with other input, PersonErased when the kept answer was about a person who
    has been erased, TryAgain when the database is away.
    """
    key = idempotency_key(request)
    if key is None:
        async with database.write() as tx:
            answer = await run(tx)
        return _response(answer)
    kept: KeptAnswers = request.app.state.kept_answers[request.scope["route"].service]
    digest = input_hash if input_hash is not None else sha256(await request.body()).digest()
    key_hash = kept.hash(*_scope(request, caller), key.encode())
    query, kind = request.url.query.encode(), request.headers.get("content-type", "").encode()
    wanted = kept.hash(digest, query, kind)

    async def once(tx: Tx) -> Response:
        return await _once(tx, kept, key_hash, wanted, run, caller)

    # With a key a repeated attempt finds what an attempt of unknown outcome left, so retrying does no harm.
    return await database.retrying(once)


def idempotency_key(request: Request) -> str | None:
    """The request's key, None without; raises InvalidParameters for one that is empty, long or not plain."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not (1 <= len(key) <= _KEY_MAX and key.isascii() and key.isprintable()):
        detail = f"must be 1 to {_KEY_MAX} printable ASCII characters"
        raise InvalidParameters("header", [Fault("G005", "/Idempotency-Key", detail)])
    return key


async def forget_expired(database: Database, keep_for: timedelta, *, at_most: int = 1000) -> int:
    """Delete answers kept longer than `keep_for`, oldest first; returns how many. Call until it returns 0."""
    async with database.write() as tx:
        return await _forget(tx, tx.now - keep_for, at_most)


async def _forget(tx: Tx, before: datetime, at_most: int) -> int:
    table = _IDEMPOTENCY
    oldest = select(table.c.key_hash).where(table.c.recorded_at < before).order_by(table.c.recorded_at)
    statement = delete(table).where(table.c.key_hash.in_(oldest.limit(at_most).scalar_subquery()))
    return await tx.execute(statement)


def _scope(request: Request, caller: Caller) -> tuple[bytes, ...]:
    """Caller, method and path; a UUID in capitals is the same path."""
    who = (caller.subject, caller.role.value, caller.municipality or "", caller.fund or "")
    path = _UUID.sub(lambda found: found[0].lower(), request.url.path)
    return (*(part.encode() for part in who), request.method.encode(), path.encode())


async def _once(
    tx: Tx,
    kept: KeptAnswers,
    key_hash: str,
    wanted: str,
    run: Callable[[Tx], Awaitable[Answer]],
    caller: Caller,
) -> Response:
    """Claim the key or find its answer. A second claim waits until the first has committed or rolled back."""
    table = _IDEMPOTENCY
    claim = {"key_hash": key_hash, "input_hash": wanted, "recorded_at": tx.now}
    claiming = insert_ignore(tx, table, ("key_hash",)).returning(table.c.key_hash)
    cutoff = tx.now - kept.keep_for
    while not await tx.rows(claiming, [claim]):
        row = await tx.one(select(table).where(table.c.key_hash == key_hash))
        if row.recorded_at > cutoff:
            return await _replayed(tx, row, kept, wanted, caller)
        # The clean-up has not come by yet. Of two requests that both see this, the delete lets one claim.
        await tx.execute(delete(table).where(table.c.key_hash == key_hash, table.c.recorded_at <= cutoff))
    answer = await run(tx)
    response = _response(answer)
    await tx.execute(
        update(table).where(table.c.key_hash == bindparam("claimed")),
        {
            "claimed": key_hash,
            "status": answer.status,
            "headers": dict(answer.headers),
            "body": await kept.seal(bytes(response.body), answer.about, key_hash),
        },
    )
    return response


async def _replayed(tx: Tx, row: Row[Any], kept: KeptAnswers, wanted: str, caller: Caller) -> Response:
    if row.input_hash != wanted:
        raise Conflict("this Idempotency-Key was used with other input: send a new key")
    headers = {**row.headers, "Idempotency-Replayed": "true"}
    body, about = await kept.open(row.body, row.key_hash)
    if about is not None:
        await access_log.record(
            tx,
            actor=caller.subject,
            purpose=about.purpose,
            action=f"{about.action}, replayed",
            participant_ids=[about.participant_id],
        )
    return Response(body or None, row.status, headers, media_type="application/json" if body else None)


def _response(answer: Answer) -> Response:
    if answer.body is None:
        return Response(status_code=answer.status, headers=dict(answer.headers))
    content = answer.body.model_dump_json(by_alias=True, exclude_none=True)
    return Response(content, answer.status, dict(answer.headers), media_type="application/json")
