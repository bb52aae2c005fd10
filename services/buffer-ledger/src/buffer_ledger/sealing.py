"""Sealing what was booked, in batches beside the path that books it, and reading the chain again and again.

The order of a chain is the sealer's: PostgreSQL lets a transaction with a lower number appear after one with
a higher, so it takes whatever waits now and gives it the next numbers. No link is ever left out or moved.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Row, Select, delete, func, insert, select

from buffer_ledger.chain import FIRST, link_hash, receipt_hash
from buffer_ledger.figures import Figures
from buffer_ledger.tables import LEDGER_TRANSACTION, SEAL, SETTLED_MONTH, TRANSFER, UNSEALED
from shared.clock import format_instant
from shared.database import Database, ReadTx, Tx, among
from shared.log import Log

BATCH = 500
"""Links in one step: large enough to share its statements, small enough not to hold up who books."""

Content = dict[str, Any]
"""One transaction with its transfers, as a link covers it and an export shows it."""


@dataclass(frozen=True, slots=True)
class Link:
    """A sealed transaction as it stands in the books now, with the hash it was sealed with."""

    fund_id: str
    number: int
    hash: str
    content: Content


class Sealing:
    """Gives what waits its seal. Two processes that do it at once cannot both: a number is there once."""

    def __init__(self, database: Database, figures: Figures, log: Log, *, batch: int = BATCH) -> None:
        self._database = database
        self._figures = figures
        self._log = log
        self._batch = batch

    async def step(self) -> bool:
        """Seal one batch; says whether more may be waiting."""
        async with self._database.read() as reading:
            if not await waiting(reading):
                return False
        async with self._database.write() as tx:
            found = select(UNSEALED).order_by(UNSEALED.c.number).limit(self._batch).with_for_update()
            rows = await tx.rows(found)
            if not rows:  # another one was quicker
                return False
            for fund_id, of_fund in groupby(
                sorted(rows, key=lambda row: row.fund_id), lambda row: row.fund_id
            ):
                await self._seal(tx, fund_id, [row.transaction_id for row in of_fund])
            done = delete(UNSEALED).where(among(UNSEALED.c.number, [row.number for row in rows]))
            await tx.execute(done)
            tx.on_commit(lambda: self._figures.sealed(len(rows)))
        return len(rows) == self._batch

    async def _seal(self, tx: Tx, fund_id: str, transaction_ids: Sequence[str]) -> None:
        """Put transactions at the end of their fund's chain, in the order in which they waited."""
        number, previous = await head(tx, fund_id)
        contents = await contents_of(tx, transaction_ids)
        links = []
        for transaction_id in transaction_ids:
            number += 1
            previous = link_hash(previous, fund_id, number, contents[transaction_id])
            links.append(
                {
                    "fund_id": fund_id,
                    "number": number,
                    "transaction_id": transaction_id,
                    "hash": previous,
                    "sealed_at": tx.now,
                }
            )
        await tx.execute(insert(SEAL), links)
        tx.on_commit(lambda: self._log.write("chain_sealed", fund_id=fund_id, number=number, hash=previous))


class ChainReading:
    """Reads all chains from their first link to their last, a piece at a time, and then from the start
    again."""

    def __init__(self, database: Database, figures: Figures, log: Log, *, batch: int = BATCH) -> None:
        self._database = database
        self._figures = figures
        self._log = log
        self._batch = batch
        self._after = ("", 0)
        self._previous = FIRST
        self._broken = 0

    async def step(self) -> bool:
        """Read one piece. What was found broken is told at once, and again in each round."""
        async with self._database.read(aside=True) as reading:
            links = await links_after(reading, *self._after, limit=self._batch)
        for link in links:
            fund_id, number = self._after
            if link.fund_id != fund_id:
                number, self._previous = 0, FIRST
            if link.number != number + 1 or link.hash != link_hash(
                self._previous, link.fund_id, link.number, link.content
            ):
                self._broken += 1
                self._log.write("chain_broken", fund_id=link.fund_id, number=link.number)
            self._after, self._previous = (link.fund_id, link.number), link.hash
        ended = len(links) < self._batch
        self._figures.chain_read(self._broken, ended=ended)
        if ended:
            self._after, self._previous, self._broken = ("", 0), FIRST, 0
        return False


async def waiting(reading: ReadTx) -> int:
    """How many transactions have no seal yet."""
    return int(await reading.scalar(select(func.count()).select_from(UNSEALED)))


async def head(reading: ReadTx, fund_id: str) -> tuple[int, str]:
    """The number and hash of the last link of a fund's chain; 0 and FIRST before there is one."""
    last = select(SEAL.c.number, SEAL.c.hash).where(SEAL.c.fund_id == fund_id)
    row = await reading.first(last.order_by(SEAL.c.number.desc()).limit(1))
    return (0, FIRST) if row is None else (row.number, row.hash)


async def links_after(reading: ReadTx, fund_id: str, number: int, *, limit: int) -> list[Link]:
    """The next links of all chains, fund by fund, from after a link; with their transactions as they are
    now."""
    beyond = (SEAL.c.fund_id > fund_id) | ((SEAL.c.fund_id == fund_id) & (SEAL.c.number > number))
    return await _links(reading, select(SEAL).where(beyond), limit)


async def chain_of(reading: ReadTx, fund_id: str, *, piece: int = BATCH) -> AsyncIterator[list[Link]]:
    """A fund's whole chain, in pieces."""
    after = 0
    while True:
        found = select(SEAL).where(SEAL.c.fund_id == fund_id, SEAL.c.number > after)
        links = await _links(reading, found, piece)
        if links:
            yield links
            after = links[-1].number
        if len(links) < piece:
            return


async def _links(reading: ReadTx, found: Select[Any], limit: int) -> list[Link]:
    rows = await reading.rows(found.order_by(SEAL.c.fund_id, SEAL.c.number).limit(limit))
    contents = await contents_of(reading, [row.transaction_id for row in rows])
    return [Link(row.fund_id, row.number, row.hash, contents.get(row.transaction_id, {})) for row in rows]


async def unsealed_of(reading: ReadTx, fund_id: str) -> list[Content]:
    """A fund's transactions that wait for their seal, in the order in which they will get it."""
    found = select(UNSEALED.c.transaction_id).where(UNSEALED.c.fund_id == fund_id).order_by(UNSEALED.c.number)
    ids = [row.transaction_id for row in await reading.rows(found)]
    contents = await contents_of(reading, ids)
    return [contents[transaction_id] for transaction_id in ids]


async def contents_of(reading: ReadTx, transaction_ids: Collection[str]) -> dict[str, Content]:
    """What a link covers of transactions: every column of them and of their transfers, and the hash of the
    settled month that holds the receipt. Two queries."""
    if not transaction_ids:
        return {}
    booked, months = LEDGER_TRANSACTION.c, SETTLED_MONTH.c
    receipt = (
        (months.enrolment_id == booked.enrolment_id)
        & (months.month == booked.effective_month)
        & (months.revision == booked.receipt_revision)
    )
    found = select(LEDGER_TRANSACTION, months.row.label("receipt_row")).join(
        SETTLED_MONTH, receipt, isouter=True
    )
    rows = await reading.rows(found.where(among(booked.transaction_id, transaction_ids)))
    contents = {row.transaction_id: _content(row) for row in rows}
    moved = select(TRANSFER).where(among(TRANSFER.c.transaction_id, transaction_ids))
    for row in await reading.rows(moved.order_by(TRANSFER.c.transaction_id, TRANSFER.c.position)):
        if row.transaction_id in contents:
            contents[row.transaction_id]["transfers"].append(_transfer(row))
    return contents


def _content(row: Row[Any]) -> Content:
    return {
        "transactionId": row.transaction_id,
        "chartVersion": row.chart_version,
        "kind": row.kind,
        "reason": row.reason,
        "fundId": row.fund_id,
        "enrolmentId": row.enrolment_id,
        "effectiveMonth": row.effective_month,
        "policyVersion": row.policy_version,
        "evidence": list(row.evidence),
        "receiptRevision": row.receipt_revision,
        "receiptHash": None if row.receipt_row is None else receipt_hash(row.receipt_row),
        "reverses": row.reverses,
        "recordedAt": format_instant(row.recorded_at),
        "transfers": [],
    }


def _transfer(row: Row[Any]) -> Mapping[str, Any]:
    return {
        "position": row.position,
        "debit": row.debit,
        "credit": row.credit,
        "amountCents": row.amount_cents,
        "debitVersion": row.debit_version,
        "debitBalanceAfter": row.debit_balance_after,
        "creditVersion": row.credit_version,
        "creditBalanceAfter": row.credit_balance_after,
    }
