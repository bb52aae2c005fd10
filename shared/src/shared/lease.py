"""Leases: one process at a time does a thing, and one that was away too long cannot do harm.

Leases run on the real clock (PostgreSQL's own, the machine's on SQLite), never on the clock of the simulated
year. Whoever takes a lease over gets a higher fencing number; `check` it in each transaction that rests on
the lease.
"""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from sqlalchemy import BigInteger, ColumnElement, case, cast, func, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from shared.database import Database, ReadTx, Tx
from shared.errors import TryAgain
from shared.plumbing import TABLES

_LEASE = TABLES.lease


class LeaseLost(TryAgain):
    """Somebody else holds the lease now: the transaction must not be committed."""


class Lease:
    """A named right in one database, held by at most one Lease object at a time."""

    def __init__(self, database: Database, name: str, *, seconds: float = 15.0) -> None:
        self.name = name
        self.seconds = seconds
        self.holder = f"{os.getpid()}-{uuid4()}"
        self._database = database
        self._fencing: int | None = None
        self._renew_at = 0.0

    async def acquire(self) -> int | None:
        """Take or renew the lease; the fencing number, or None while somebody else holds it.

        Cheap to call in a loop: it goes to the database again only after a third of the lease's time.
        """
        if self._fencing is not None and time.monotonic() < self._renew_at:
            return self._fencing
        self._fencing = None
        renew_at = time.monotonic() + self.seconds / 3
        async with self._database.write() as tx:
            self._fencing = await self._take(tx)
        self._renew_at = renew_at
        return self._fencing

    async def release(self) -> None:
        """Let the next one in at once; does nothing when the lease is not ours."""
        self._fencing = None
        async with self._database.write() as tx:
            ours = (_LEASE.c.name == self.name) & (_LEASE.c.holder == self.holder)
            await tx.execute(update(_LEASE).where(ours).values(expires_ms=0))

    async def check(self, tx: Tx, fencing: int) -> None:
        """Make sure, until this transaction's commit, that nobody took over since `fencing` was given.

        Raises LeaseLost. An expired lease that nobody took is still good.
        """
        current = select(_LEASE.c.fencing).where(_LEASE.c.name == self.name).with_for_update()
        if await tx.scalar(current) != fencing:
            self._fencing = None
            raise LeaseLost(f"the lease {self.name} has gone to somebody else")

    @asynccontextmanager
    async def writing(self, fencing: int) -> AsyncIterator[Tx]:
        """A write transaction that commits only while the lease has not been taken over; raises LeaseLost."""
        async with self._database.write() as tx:
            await self.check(tx, fencing)
            yield tx

    async def _take(self, tx: Tx) -> int | None:
        now = _now_ms(tx)
        mine = _LEASE.c.holder == self.holder
        row = {
            "name": self.name,
            "holder": self.holder,
            "fencing": 1,
            "expires_ms": now + int(self.seconds * 1000),
        }
        insertion: Any = postgresql.insert(_LEASE) if tx.dialect == "postgresql" else sqlite.insert(_LEASE)
        insertion = insertion.values(row)
        return await tx.scalar(  # type: ignore[no-any-return]
            insertion.on_conflict_do_update(
                index_elements=["name"],
                set_={
                    "holder": insertion.excluded.holder,
                    "expires_ms": insertion.excluded.expires_ms,
                    "fencing": _LEASE.c.fencing + case((mine, 0), else_=1),
                },
                where=or_(mine, _LEASE.c.expires_ms < now),
            ).returning(_LEASE.c.fencing)
        )


def _now_ms(tx: ReadTx) -> ColumnElement[int]:
    if tx.dialect == "postgresql":
        return cast(func.extract("epoch", func.clock_timestamp()) * 1000, BigInteger)
    return literal(time.time_ns() // 1_000_000, BigInteger)
