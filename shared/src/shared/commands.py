"""The one write protocol of every POST and PUT: one transaction, answered once however often it is sent.

With an `Idempotency-Key` the answer is kept for IDEMPOTENCY_DAYS: the same input gets the same answer, other
input is a conflict. Keys are scoped to caller, method and path and kept as a keyed hash, like the input.
Only answers are kept, never errors: a refused request may be repaired and sent again under its key. What is
kept of an answer is encrypted with a key of the service, because an answer can name a participant.
"""

import hmac
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import Request, Response
from pydantic import BaseModel
from sqlalchemy import Row, bindparam, delete, select, update

from shared.database import Database, Tx, insert_ignore
from shared.errors import Conflict, Fault
from shared.plumbing import TABLES
from shared.requests import InvalidParameters
from shared.tokens import Caller

_IDEMPOTENCY = TABLES.idempotency
_NONCE = 12
_KEY_MAX = 255


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command answers: a body (None for none), its status and headers such as Location."""

    body: BaseModel | None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class KeptAnswers:
    """How one service keeps answers: hashes with one key, bodies encrypted with another."""

    def __init__(self, secret: bytes, keep_for: timedelta) -> None:
        self._hash_key = hmac.digest(secret, b"hash", "sha256")
        self._cipher = AESGCM(hmac.digest(secret, b"cipher", "sha256"))
        self.keep_for = keep_for

    def hash(self, *parts: bytes) -> str:
        """A keyed hash of parts, each by its length, so that no two lists of parts run together."""
        framed = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        return hmac.digest(self._hash_key, framed, "sha256").hex()

    def seal(self, body: bytes, key_hash: str) -> bytes:
        """Encrypt an answer for one row: moved to another row it does not open."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, body, key_hash.encode())

    def open(self, sealed: bytes, key_hash: str) -> bytes:
        return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], key_hash.encode())


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
    Conflict when the key was used with other input, TryAgain when the database is away.
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
        return await _once(tx, kept, key_hash, wanted, run)

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
    who = (caller.subject, caller.role.value, caller.municipality or "", caller.fund or "")
    return (*(part.encode() for part in who), request.method.encode(), request.url.path.encode())


async def _once(
    tx: Tx, kept: KeptAnswers, key_hash: str, wanted: str, run: Callable[[Tx], Awaitable[Answer]]
) -> Response:
    """Claim the key or find its answer. A second claim waits until the first has committed or rolled back."""
    table = _IDEMPOTENCY
    claim = {"key_hash": key_hash, "input_hash": wanted, "recorded_at": tx.now}
    claiming = insert_ignore(tx, table, ("key_hash",)).returning(table.c.key_hash)
    cutoff = tx.now - kept.keep_for
    while not await tx.rows(claiming, [claim]):
        row = await tx.one(select(table).where(table.c.key_hash == key_hash))
        if row.recorded_at > cutoff:
            return _replayed(row, kept, wanted)
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
            "body": kept.seal(bytes(response.body), key_hash),
        },
    )
    return response


def _replayed(row: Row[Any], kept: KeptAnswers, wanted: str) -> Response:
    if row.input_hash != wanted:
        raise Conflict("this Idempotency-Key was used with other input: send a new key")
    headers = {**row.headers, "Idempotency-Replayed": "true"}
    body = kept.open(row.body, row.key_hash) or None
    return Response(body, row.status, headers, media_type="application/json" if body else None)


def _response(answer: Answer) -> Response:
    if answer.body is None:
        return Response(status_code=answer.status, headers=dict(answer.headers))
    content = answer.body.model_dump_json(by_alias=True, exclude_none=True)
    return Response(content, answer.status, dict(answer.headers), media_type="application/json")
