"""Batches of slips: kept durably as they came, then taken in piece by piece by a worker.

A piece is some hundred lines. The transaction that takes it in also writes its results, moves the batch on
and deletes the piece: killed at any moment, the worker goes on with the first piece that is not done, and
nothing is lost or done twice.
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from income_intake import batch_store
from income_intake.batch_store import Batch, Piece, Result
from income_intake.intake import Outcome, Read, refused, take_in
from income_intake.keys import FAULTS, PIECE, Keys
from income_intake.slip_form import read_slip
from income_intake.versions import Status
from shared.clock import Clock
from shared.database import Database, Tx
from shared.errors import Fault, Invalid, TryAgain
from shared.log import Log
from shared.metrics import ServiceMetrics
from shared.months import amsterdam_date
from shared.requests import strict_json

PIECE_LINES_MAX: Final = 500
"""Lines of a transaction: more cost readers and single slips their turn, fewer cost speed (measured)."""
PIECE_BYTES_MAX: Final = 4_194_304
"""Bytes of a piece; a piece of long lines has fewer."""
LINE_BYTES_MAX: Final = 65_536
"""Longest line; a slip with a hundred lines is a tenth of it."""

_YIELD_EVERY: Final = 50
_BOM: Final = b"\xef\xbb\xbf"
_PIECES_AT_ONCE: Final = 16


async def receive(tx: Tx, keys: Keys, municipality: str, body: bytes, actor: str) -> tuple[Batch, bool]:
    """Keep a batch; returns it and whether it is new. The same bytes of a municipality are the same batch.

    Raises Invalid when there is no line in it.
    """
    digest = keys.digest(municipality, body)
    known = await batch_store.batch_with_digest(tx, municipality, digest)
    if known is not None:
        return known, False
    if not body:
        raise Invalid([Fault("G011", "", "send the slips, one JSON object per line")])
    pieces = [list(piece) for piece in _pieces(body)]
    received = sum(len(piece) for piece in pieces)
    batch = Batch(
        batch_id=tx.new_id(),
        municipality=municipality,
        digest=digest,
        submitted_by=actor,
        state=batch_store.RECEIVED,
        received_at=tx.now,
        finished_at=None,
        pieces=len(pieces),
        next_piece=0,
        received=received,
    )
    if not await batch_store.add_batch(tx, batch):
        known = await batch_store.batch_with_digest(tx, municipality, digest)
        if known is None:
            raise TryAgain("the same batch is being received elsewhere")
        return known, False
    first_line = 1
    for start in range(0, len(pieces), _PIECES_AT_ONCE):
        group = pieces[start : start + _PIECES_AT_ONCE]
        sealed = await keys.seal(PIECE, [(batch.batch_id, b"\n".join(lines)) for lines in group])
        rows = []
        for offset, (lines, content) in enumerate(zip(group, sealed, strict=True)):
            rows.append(Piece(batch.batch_id, start + offset, first_line, content))
            first_line += len(lines)
        await batch_store.add_pieces(tx, rows)
        await asyncio.sleep(0)
    return batch, True


def _pieces(body: bytes) -> Iterator[list[bytes]]:
    """The lines of a body in pieces; a line end at the very end begins no line of its own."""
    lines = body.split(b"\n")
    if not lines[-1]:
        lines.pop()
    piece: list[bytes] = []
    size = 0
    for line in lines:
        # Of a line that is too long no more is kept than shows that it is.
        kept = line[: LINE_BYTES_MAX + 2]
        if piece and (len(piece) == PIECE_LINES_MAX or size + len(kept) > PIECE_BYTES_MAX):
            yield piece
            piece, size = [], 0
        piece.append(kept)
        size += len(kept)
    yield piece


def read_line(line: bytes, today: date) -> Read:
    """Read one line that came on a day: the slip, or every fault for which it is refused."""
    line = line.removesuffix(b"\r")
    if not line.strip():
        return [Fault("W020", "", "the line is empty")]
    if line.startswith(_BOM):
        return [Fault("W023", "", "the line begins with a byte order mark: send it again without")]
    if len(line) > LINE_BYTES_MAX:
        return [Fault("W024", "", f"the line is longer than {LINE_BYTES_MAX} bytes")]
    try:
        raw = strict_json(line)
        if not isinstance(raw, dict):
            return [Fault("W021", "", "the line is not a JSON object")]
        return read_slip(raw, today)
    except Invalid as invalid:
        if invalid.faults[0].rule == "G006":
            return [_unreadable(line, invalid.faults[0])]
        return invalid.faults


def _unreadable(line: bytes, fault: Fault) -> Fault:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        return Fault("W022", "", f"the line is not UTF-8 at byte {error.start}")
    return Fault("W021", "", fault.detail.replace("the body", "the line"))


@dataclass(frozen=True, slots=True)
class BatchWork:
    """Takes in batches, oldest first; `step` is the work of a Worker."""

    database: Database
    keys: Keys
    clock: Clock
    metrics: ServiceMetrics
    log: Log

    async def step(self) -> bool:
        """Take in the next piece of the oldest batch that is not done; says whether there was one."""
        async with self.database.read() as reading:
            batch = await batch_store.oldest_unfinished(reading)
            if batch is None:
                return False
            piece = await batch_store.piece_of(reading, batch.batch_id, batch.next_piece)
        (content,) = await self.keys.unseal(PIECE, [(batch.batch_id, piece.content)])
        lines = content.split(b"\n")
        today = amsterdam_date(self.clock.now())
        read: list[Read] = []
        for count, line in enumerate(lines):
            read.append(read_line(line, today))
            if count % _YIELD_EVERY == _YIELD_EVERY - 1:
                await asyncio.sleep(0)
        async with self.database.write() as tx:
            current = await batch_store.lock_batch(tx, batch.batch_id)
            if current.next_piece != piece.piece:  # another process was faster: its work stands
                return True
            outcomes = await self._take_in(tx, current, read)
            await self._write(tx, current, piece, outcomes)
        return True

    async def _take_in(self, tx: Tx, batch: Batch, read: Sequence[Read]) -> list[Outcome]:
        """Take in slips; where that fails through a fault of ours, the one slip at fault is refused.

        Halving finds it in a few attempts, so that one slip never keeps a batch, and all after it, from
        going on.
        """
        try:
            async with tx.savepoint():
                return await take_in(tx, self.keys, batch.municipality, read, batch.batch_id)
        except TryAgain:
            raise
        except Exception as error:
            if len(read) == 1:
                self.log.failure("worker_failed", error, worker="batches", seconds=0)
                detail = (
                    "the slip could not be taken in through a fault of ours: report it, or send it singly"
                )
                return [refused([Fault("W026", "", detail)])]
        middle = len(read) // 2
        return [
            *await self._take_in(tx, batch, read[:middle]),
            *await self._take_in(tx, batch, read[middle:]),
        ]

    async def _write(self, tx: Tx, batch: Batch, piece: Piece, outcomes: Sequence[Outcome]) -> None:
        """Write the results, move the batch on and delete the piece."""
        with_faults = [(index, outcome) for index, outcome in enumerate(outcomes) if outcome.faults]
        sealed = await self.keys.seal(
            FAULTS, [(batch.batch_id, packed_faults(outcome.faults)) for _, outcome in with_faults]
        )
        faults = {index: content for (index, _), content in zip(with_faults, sealed, strict=True)}
        results = [
            Result(
                batch.batch_id,
                piece.first_line + index,
                outcome.status.value,
                outcome.wage_slip_id,
                outcome.supersedes,
                outcome.superseded_by,
                faults.get(index),
            )
            for index, outcome in enumerate(outcomes)
        ]
        await batch_store.add_results(tx, results)
        moved = _moved_on(batch, outcomes)
        if moved.next_piece == moved.pieces:
            moved = batch_store.finished(moved, tx.now)
            tx.on_commit(lambda: self._finished(moved))
        await batch_store.move_batch(tx, moved)
        await batch_store.delete_piece(tx, piece)
        tx.on_commit(lambda: count(self.metrics, outcomes))

    def _finished(self, batch: Batch) -> None:
        seconds = (
            0.0 if batch.finished_at is None else (batch.finished_at - batch.received_at).total_seconds()
        )
        self.log.write(
            "batch_finished",
            batch_id=batch.batch_id,
            received=batch.received,
            accepted=batch.accepted,
            corrections=batch.corrections,
            duplicates=batch.duplicates,
            refused=batch.refused,
            seconds=seconds,
        )


def _moved_on(batch: Batch, outcomes: Sequence[Outcome]) -> Batch:
    def number(status: Status) -> int:
        return sum(1 for outcome in outcomes if outcome.status is status)

    def cents(status: Status) -> int:
        return sum(outcome.net_cents for outcome in outcomes if outcome.status is status)

    return batch_store.advanced(
        batch,
        accepted=number(Status.ACCEPTED),
        corrections=number(Status.CORRECTION),
        duplicates=number(Status.DUPLICATE),
        refused=number(Status.REFUSED),
        accepted_cents=cents(Status.ACCEPTED),
        corrections_cents=cents(Status.CORRECTION),
        duplicates_cents=cents(Status.DUPLICATE),
    )


def count(metrics: ServiceMetrics, outcomes: Sequence[Outcome]) -> None:
    """Count slips by what became of them."""
    for status in Status:
        number = sum(1 for outcome in outcomes if outcome.status is status)
        if number:
            metrics.add("bufferbudget_wage_slips_total", number, outcome=status.value.lower())


def packed_faults(faults: Sequence[Fault]) -> bytes:
    """Faults as bytes to encrypt: their pointers and details can show what a slip held."""
    listed: list[dict[str, Any]] = [
        {"rule": fault.rule, "pointer": fault.pointer, "detail": fault.detail} for fault in faults
    ]
    return json.dumps(listed, ensure_ascii=False, separators=(",", ":")).encode()


def unpacked_faults(content: bytes) -> tuple[Fault, ...]:
    """What `packed_faults` made."""
    return tuple(Fault(fault["rule"], fault["pointer"], fault["detail"]) for fault in json.loads(content))
