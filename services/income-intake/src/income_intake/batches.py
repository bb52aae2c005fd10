"""Batches of slips: kept durably as they came, then taken in piece by piece by a worker.

A piece is some hundred lines. The transaction that takes it in also writes its results, moves the batch on
and deletes the piece: killed at any moment, the worker goes on with the first piece that is not done, and
nothing is lost or done twice.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from income_intake import batch_store
from income_intake.batch_lines import OUR_FAULT, lines_of, packed_faults, pieces, read_lines
from income_intake.batch_store import Batch, Piece, Result
from income_intake.intake import BATCH_PURPOSE, REPORT, Outcome, Read, refused, take_in
from income_intake.keys import FAULTS, PIECE, Keys
from income_intake.versions import Status
from shared import access_log
from shared.clock import Clock
from shared.database import Database, Tx
from shared.errors import Fault, Invalid, TryAgain
from shared.log import Log
from shared.metrics import ServiceMetrics
from shared.months import amsterdam_date
from shared.personal_keys import PersonErased, Unreadable

ATTEMPTS_MAX: Final = 5
"""How often a piece may fail as a whole before its batch has failed; the pauses between them grow."""

_PIECES_AT_ONCE: Final = 16


async def receive(tx: Tx, keys: Keys, municipality: str, body: bytes, actor: str) -> tuple[Batch, bool]:
    """Keep a batch; returns it and whether it is new. The same bytes of a municipality are the same batch.

    Raises Invalid when there is no line in it.
    """
    digest = keys.digest(municipality, body)
    known = await batch_store.batch_with_digest(tx, municipality, digest)
    if known is not None:
        return await _taken_up_again(tx, keys, known, body)
    if not body:
        raise Invalid([Fault("G011", "", "send the slips, one JSON object per line")])
    cut = list(pieces(lines_of(body)))
    batch = Batch(
        batch_id=tx.new_id(),
        municipality=municipality,
        digest=digest,
        submitted_by=actor,
        state=batch_store.RECEIVED,
        received_at=tx.now,
        finished_at=None,
        pieces=len(cut),
        next_piece=0,
        attempts=0,
        failure=None,
        received=sum(len(piece) for piece in cut),
    )
    if not await batch_store.add_batch(tx, batch):
        known = await batch_store.batch_with_digest(tx, municipality, digest)
        if known is None:
            raise TryAgain("the same batch is being received elsewhere")
        return known, False
    await _keep_pieces(tx, keys, batch, cut, first_line=1)
    return batch, True


async def _taken_up_again(tx: Tx, keys: Keys, known: Batch, body: bytes) -> tuple[Batch, bool]:
    """The batch with these bytes; one that failed goes on with the lines that were not taken in.

    Whether it has work again. Its lines are encrypted anew, for their key may be what was lost.
    """
    if known.state != batch_store.FAILED:
        return known, False
    batch = await batch_store.lock_batch(tx, known.batch_id)
    if batch.state != batch_store.FAILED:  # sent twice at once
        return batch, True
    done = batch.taken_in
    cut = list(pieces(lines_of(body)[done:]))
    again = batch_store.taken_up_again(batch, len(cut))
    await batch_store.delete_pieces(tx, batch.batch_id)
    await batch_store.move_batch(tx, again)
    await _keep_pieces(tx, keys, again, cut, first_line=done + 1)
    return again, True


async def _keep_pieces(
    tx: Tx, keys: Keys, batch: Batch, cut: Sequence[Sequence[bytes]], first_line: int
) -> None:
    """Keep the pieces that come next in a batch, encrypted."""
    for start in range(0, len(cut), _PIECES_AT_ONCE):
        group = cut[start : start + _PIECES_AT_ONCE]
        sealed = await keys.seal(PIECE, [(batch.batch_id, b"\n".join(lines)) for lines in group])
        rows = []
        for offset, (lines, content) in enumerate(zip(group, sealed, strict=True)):
            rows.append(Piece(batch.batch_id, batch.next_piece + start + offset, first_line, content))
            first_line += len(lines)
        await batch_store.add_pieces(tx, rows)
        await asyncio.sleep(0)


@dataclass(frozen=True, slots=True)
class BatchWork:
    """Takes in batches, oldest first; `step` is the work of a Worker."""

    database: Database
    keys: Keys
    clock: Clock
    metrics: ServiceMetrics
    log: Log

    async def step(self) -> bool:
        """Take in the next piece of the oldest batch that has any; says whether there was one.

        Raises what a piece fails of as a whole, to be tried again after a pause. After ATTEMPTS_MAX times the
        batch is FAILED and the next one has its turn: none may stop those of everybody else.
        """
        async with self.database.read() as reading:
            batch = await batch_store.oldest_unfinished(reading)
        if batch is None:
            return False
        try:
            await self._next_piece(batch)
        except TryAgain:
            raise
        except Exception as error:
            if not await self._failed(batch, error):
                raise
        return True

    async def _next_piece(self, batch: Batch) -> None:
        async with self.database.read() as reading:
            piece = await batch_store.piece_of(reading, batch.batch_id, batch.next_piece)
        (content,) = await self.keys.unseal(PIECE, [(batch.batch_id, piece.content)])
        today = amsterdam_date(self.clock.now())
        read = await read_lines(content.split(b"\n"), today, self.log)
        async with self.database.write() as tx:
            current = await batch_store.lock_batch(tx, batch.batch_id)
            # Another process was faster, or the batch was sent anew: that stands.
            if current.attempts_at != batch.attempts_at:
                return
            outcomes = await self._take_in(tx, current, read)
            await self._write(tx, current, piece, outcomes)

    async def _failed(self, batch: Batch, error: Exception) -> bool:
        """Count an attempt that failed; says whether the worker need not try this again."""
        async with self.database.write() as tx:
            current = await batch_store.lock_batch(tx, batch.batch_id)
            if current.attempts_at != batch.attempts_at:
                return True
            moved = batch_store.failed_once(current)
            given_up = moved.attempts >= ATTEMPTS_MAX
            if given_up:
                moved = batch_store.failed(moved, _reason(error), tx.now)
            await batch_store.move_batch(tx, moved)
        if given_up:
            self.log.failure("batch_failed", error, batch_id=batch.batch_id, attempts=moved.attempts)
        return given_up

    async def _take_in(self, tx: Tx, batch: Batch, read: Sequence[Read]) -> list[Outcome]:
        """Take in slips; where that fails through a fault of ours, the one slip at fault is refused.

        Halving finds it in a few attempts, so that one slip never keeps a batch, and all after it, from
        going on.
        """
        try:
            async with tx.savepoint():
                outcomes = await take_in(tx, self.keys, batch.municipality, read, batch.batch_id)
                await tx.flush()  # here, so that a fact that cannot be written is its slip's fault alone
                return outcomes
        except TryAgain:
            raise
        except Exception as error:
            if len(read) == 1:
                self.log.failure("worker_failed", error, worker="batches", seconds=0)
                return [refused([OUR_FAULT])]
        middle = len(read) // 2
        return [
            *await self._take_in(tx, batch, read[:middle]),
            *await self._take_in(tx, batch, read[middle:]),
        ]

    async def _write(self, tx: Tx, batch: Batch, piece: Piece, outcomes: Sequence[Outcome]) -> None:
        """Write the results and who reported about whom, move the batch on and delete the piece."""
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
        await access_log.record(
            tx,
            actor=batch.submitted_by,
            purpose=BATCH_PURPOSE,
            action=REPORT,
            participant_ids=[outcome.participant_id for outcome in outcomes if outcome.participant_id],
        )
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


def _reason(error: Exception) -> str:
    """Why a batch failed, for its sender: nothing of what it held."""
    if isinstance(error, PersonErased | Unreadable):
        return "the key that its lines are encrypted with is lost: send the same file again"
    return f"a fault of ours ({type(error).__name__}): report it, then send the same file again"


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
