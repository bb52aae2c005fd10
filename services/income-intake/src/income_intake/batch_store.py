"""Queries on batches; rows become values of this module before they leave it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Final

from sqlalchemy import delete, func, insert, select, update

from income_intake.tables import BATCH, BATCH_PIECE, BATCH_RESULT, WAGE_SLIP
from shared.database import ReadTx, Tx, among, insert_ignore

RECEIVED: Final = "RECEIVED"
RUNNING: Final = "RUNNING"
DONE: Final = "DONE"
FAILED: Final = "FAILED"


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch and how far it is: lines by what became of them, cents by the same."""

    batch_id: str
    municipality: str
    digest: str
    submitted_by: str
    state: str
    received_at: datetime
    finished_at: datetime | None
    pieces: int
    next_piece: int
    attempts: int
    failure: str | None
    received: int
    accepted: int = 0
    corrections: int = 0
    duplicates: int = 0
    refused: int = 0
    accepted_cents: int = 0
    corrections_cents: int = 0
    duplicates_cents: int = 0

    @property
    def taken_in(self) -> int:
        """How many lines have their result."""
        return self.accepted + self.corrections + self.duplicates + self.refused

    @property
    def attempts_at(self) -> tuple[str, int, int]:
        """What changes whenever anybody worked on the batch."""
        return self.state, self.next_piece, self.attempts


@dataclass(frozen=True, slots=True)
class Piece:
    """Some lines of a batch, encrypted; `first_line` counts from 1."""

    batch_id: str
    piece: int
    first_line: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one line; faults are encrypted."""

    batch_id: str
    line: int
    status: str
    wage_slip_id: str | None
    supersedes: str | None
    superseded_by: str | None
    faults: bytes | None


_RESULT_COLUMNS: Final = tuple(field.name for field in fields(Result))


def advanced(batch: Batch, **more: int) -> Batch:
    """The batch one piece further, with these added to its counts and sums."""
    counted = {name: getattr(batch, name) + number for name, number in more.items()}
    return replace(batch, state=RUNNING, next_piece=batch.next_piece + 1, attempts=0, **counted)


def finished(batch: Batch, now: datetime) -> Batch:
    """The batch after its last piece."""
    return replace(batch, state=DONE, finished_at=now)


def failed_once(batch: Batch) -> Batch:
    """The batch after its next piece failed as a whole."""
    return replace(batch, attempts=batch.attempts + 1)


def failed(batch: Batch, failure: str, now: datetime) -> Batch:
    """The batch given up, and why; what it had taken in stands."""
    return replace(batch, state=FAILED, failure=failure, finished_at=now)


def taken_up_again(batch: Batch, pieces: int) -> Batch:
    """A failed batch that was sent again: it goes on with so many pieces anew."""
    again = batch.next_piece + pieces
    return replace(batch, state=RUNNING, failure=None, finished_at=None, attempts=0, pieces=again)


async def add_batch(tx: Tx, batch: Batch) -> bool:
    """Add a batch; False when somebody else has just sent the same bytes."""
    statement = insert_ignore(tx, BATCH, ["municipality", "digest"]).returning(BATCH.c.batch_id)
    return bool(await tx.rows(statement, [asdict(batch)]))


async def add_pieces(tx: Tx, pieces: Sequence[Piece]) -> None:
    """Keep pieces of a batch."""
    await tx.execute(insert(BATCH_PIECE), [asdict(piece) for piece in pieces])


async def batch_with_digest(tx: ReadTx, municipality: str, digest: str) -> Batch | None:
    """The batch with these bytes, if there is one."""
    row = await tx.first(select(BATCH).where(BATCH.c.municipality == municipality, BATCH.c.digest == digest))
    return None if row is None else Batch(*tuple(row))


async def batch_with_id(tx: ReadTx, batch_id: str) -> Batch | None:
    """The batch, if there is one."""
    row = await tx.first(select(BATCH).where(BATCH.c.batch_id == batch_id))
    return None if row is None else Batch(*tuple(row))


async def oldest_unfinished(tx: ReadTx) -> Batch | None:
    """The batch that is next in turn."""
    waiting = (
        select(BATCH)
        .where(BATCH.c.state.in_([RECEIVED, RUNNING]))
        .order_by(BATCH.c.received_at, BATCH.c.batch_id)
        .limit(1)
    )
    row = await tx.first(waiting)
    return None if row is None else Batch(*tuple(row))


async def unfinished(tx: ReadTx) -> int:
    """How many batches are not done."""
    number: int = await tx.scalar(
        select(func.count()).select_from(BATCH).where(BATCH.c.state.in_([RECEIVED, RUNNING]))
    )
    return number


async def lock_batch(tx: Tx, batch_id: str) -> Batch:
    """The batch as it is now, for this transaction alone."""
    return Batch(*tuple(await tx.one(select(BATCH).where(BATCH.c.batch_id == batch_id).with_for_update())))


async def piece_of(tx: ReadTx, batch_id: str, piece: int) -> Piece:
    """One piece that has not been taken in."""
    found = select(BATCH_PIECE).where(BATCH_PIECE.c.batch_id == batch_id, BATCH_PIECE.c.piece == piece)
    return Piece(*tuple(await tx.one(found)))


async def delete_piece(tx: Tx, piece: Piece) -> None:
    """Forget the lines as they came."""
    await tx.execute(
        delete(BATCH_PIECE).where(
            BATCH_PIECE.c.batch_id == piece.batch_id, BATCH_PIECE.c.piece == piece.piece
        )
    )


async def delete_pieces(tx: Tx, batch_id: str) -> None:
    """Forget every line of a batch that is still kept."""
    await tx.execute(delete(BATCH_PIECE).where(BATCH_PIECE.c.batch_id == batch_id))


async def move_batch(tx: Tx, batch: Batch) -> None:
    """Write how far a (locked) batch is."""
    values = {name: value for name, value in asdict(batch).items() if name != "batch_id"}
    await tx.execute(update(BATCH).where(BATCH.c.batch_id == batch.batch_id).values(**values))


async def add_results(tx: Tx, results: Sequence[Result]) -> None:
    """Write what became of some lines, in one statement."""
    # asdict copies each value: it would be a tenth of the time of a piece.
    rows = [{name: getattr(result, name) for name in _RESULT_COLUMNS} for result in results]
    await tx.execute(insert(BATCH_RESULT), rows)


async def results_after(tx: ReadTx, batch_id: str, line: int, limit: int) -> list[Result]:
    """Results of the lines after one, in order of lines."""
    found = (
        select(BATCH_RESULT)
        .where(BATCH_RESULT.c.batch_id == batch_id, BATCH_RESULT.c.line > line)
        .order_by(BATCH_RESULT.c.line)
        .limit(limit)
    )
    return [Result(*tuple(row)) for row in await tx.rows(found)]


async def people_of(tx: ReadTx, results: Sequence[Result]) -> list[str]:
    """The people whose slips these results tell of."""
    slips = sorted({result.wage_slip_id for result in results if result.wage_slip_id is not None})
    if not slips:
        return []
    found = select(WAGE_SLIP.c.participant_id).where(among(WAGE_SLIP.c.wage_slip_id, slips))
    return sorted({row.participant_id for row in await tx.rows(found)})
