"""A fund's books as lines of JSON that can be verified without this system (books_check.py).

First whose books, then every account, then the chain from its first link to its last, then what waits for its
seal, then the end with the head of the chain. One snapshot, in pieces, whatever its length. It names
enrolments, not people, and holds no wage: of the month a draw rests on it has the hash.
"""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from sqlalchemy import select

from buffer_ledger.bookkeeping import CHART_VERSION
from buffer_ledger.books_check import EXPORT_FORMAT
from buffer_ledger.chain import FIRST
from buffer_ledger.sealing import chain_of, unsealed_of
from buffer_ledger.tables import ACCOUNT
from shared.clock import format_instant
from shared.database import Database, ReadTx


async def lines(database: Database, fund_id: str) -> AsyncIterator[str]:
    """The lines of a fund's export, each with its line end."""
    async with database.read(aside=True) as reading:
        yield _line(
            "BOOKS",
            format=EXPORT_FORMAT,
            fundId=fund_id,
            chartVersion=CHART_VERSION,
            exportedAt=format_instant(database.clock.now()),
        )
        async for account in _accounts(reading, fund_id):
            yield _line("ACCOUNT", **account)
        sealed, head = 0, FIRST
        async for links in chain_of(reading, fund_id):
            for link in links:
                sealed, head = link.number, link.hash
                yield _line("TRANSACTION", number=sealed, hash=head, transaction=link.content)
        unsealed = await unsealed_of(reading, fund_id)
        for content in unsealed:
            yield _line("TRANSACTION", number=None, hash=None, transaction=content)
        yield _line("END", sealed=sealed, waiting=len(unsealed), head=head)


async def _accounts(reading: ReadTx, fund_id: str) -> AsyncIterator[Mapping[str, Any]]:
    found = select(ACCOUNT).where(ACCOUNT.c.fund_id == fund_id).order_by(ACCOUNT.c.account)
    for row in await reading.rows(found):
        yield {
            "account": row.account,
            "balanceCents": row.balance_cents,
            "pendingCents": row.pending_cents,
            "capCents": row.cap_cents,
            "version": row.version,
        }


def _line(kind: str, **members: Any) -> str:
    return json.dumps({"line": kind, **members}, separators=(",", ":"), ensure_ascii=False) + "\n"
