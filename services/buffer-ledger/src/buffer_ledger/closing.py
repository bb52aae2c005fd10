"""Closing a month: asked for once, done in chunks that survive a crash, and repeatable.

A close goes through every enrolment of the municipality that began by that month, settles what is not settled
and rebooks what differs, then ends the enrolments whose period and late window are over. An enrolment that
cannot be computed is left as it was and named; all others are closed. Closes are worked off in the order they
were asked for.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from typing import Any, Literal

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from buffer_ledger import municipalities, store
from buffer_ledger.casefiles import CaseFile, Enrolment, closed_through, enrolment_page, load
from buffer_ledger.cases import compare
from buffer_ledger.draw_log import Drawn, draws_of, note_draws
from buffer_ledger.exits import settle_exits
from buffer_ledger.figures import Figures
from buffer_ledger.fund_snapshots import take_snapshots
from buffer_ledger.funds import tell_returned
from buffer_ledger.periods import late_window_ends
from buffer_ledger.settling import Outcome, end, settle
from buffer_ledger.tables import ENROLMENT, MONTH_CLOSE
from buffer_ledger.timeline import FIRST_COMPUTED, HeldReason
from shared.database import Database, ReadTx, Tx
from shared.errors import Conflict, Fault, NotFound, TooEarly, TryAgain
from shared.failpoints import hit
from shared.law import Law
from shared.log import Log
from shared.months import AMSTERDAM, Month, amsterdam_date
from shared.requests import InvalidParameters
from shared.tokens import Caller

CHUNK = 200
"""Enrolments in one transaction: large enough to share its statements, small enough not to hold up others."""

NAMED_MAX = 100
"""How many of the enrolments that failed a close names; it counts all of them."""

CloseState = Literal["RUNNING", "DONE", "FAILED"]


@dataclass(frozen=True, slots=True)
class MonthClose:
    """One call to close a month. Settled and held count the enrolments that have a row of that month, missing
    the slips its held rows wait for; newly settled and rebooked count rows of every month that this close
    booked; held reasons count the rows of every month up to there that were never settled, under each of
    their reasons. Failed counts the enrolments that could not be computed, and names the first of them."""

    close_id: str
    municipality: str
    month: Month
    state: CloseState
    settled: int
    held: int
    missing: int
    newly_settled: int
    rebooked: int
    held_reasons: Mapping[HeldReason, int]
    failed: int
    failed_enrolments: tuple[str, ...]
    requested_at: datetime
    finished_at: datetime | None
    detail: str | None


async def request(tx: Tx, caller: Caller, code: str, month: Month) -> MonthClose:
    """Take a call to close a month; the work follows.

    Raises InvalidParameters for a month before 2020, NotFound for a municipality without
    settings, TooEarly before its cut-off day of the month after, and Conflict while an earlier month with
    enrolled people was never closed.
    """
    caller.must_be_of(code)
    if month < FIRST_COMPUTED:
        raise InvalidParameters("path", [Fault("L013", "/month", f"must be {FIRST_COMPUTED} or later")])
    if not await store.lock_municipality(tx, code):
        raise NotFound(f"municipality {code} has no settings yet: PUT /v1/municipalities/{code} first")
    known = await municipalities.get(tx, code)
    cut_off = municipalities.in_force(known.settings, month).rules.cut_off_day
    opens = month.plus(1).first_day.replace(day=cut_off)
    if amsterdam_date(tx.now) < opens:
        raise TooEarly(f"{month} can be closed from {opens} on", _start_of(opens))
    await _must_be_next(tx, code, month)
    close_id = tx.new_id()
    row = {
        "close_id": close_id,
        "municipality": code,
        "month": str(month),
        "state": "RUNNING",
        "after_enrolment": "",
        "settled": 0,
        "held": 0,
        "missing": 0,
        "newly_settled": 0,
        "rebooked": 0,
        "held_reasons": {},
        "failed": 0,
        "failed_enrolments": [],
        "detail": None,
        "requested_by": caller.subject[:200],
        "requested_at": tx.now,
        "finished_at": None,
    }
    await tx.execute(insert(MONTH_CLOSE), [row])
    return await close_for(tx, caller, close_id)


async def close_for(reading: ReadTx, caller: Caller, close_id: str) -> MonthClose:
    """A close and how far it is; raises NotFound."""
    row = await reading.first(select(MONTH_CLOSE).where(MONTH_CLOSE.c.close_id == close_id))
    if row is None:
        raise NotFound("there is no such month close")
    caller.must_see(row.municipality, "month close")
    return _close_of(row)


async def unfinished(reading: ReadTx) -> int:
    """How many closes are still running."""
    running = select(func.count()).select_from(MONTH_CLOSE).where(MONTH_CLOSE.c.state == "RUNNING")
    return int(await reading.scalar(running))


@dataclass(slots=True)
class _Closed:
    """What closing some enrolments did: counts by the columns of the close, rows held by reason, capital that
    came back by fund, the enrolments that could not be computed, and draws that were booked or changed."""

    tally: Counter[str] = field(default_factory=Counter)
    held: Counter[HeldReason] = field(default_factory=Counter)
    came_back: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    drawn: list[Drawn] = field(default_factory=list)

    def add(self, other: "_Closed") -> None:
        self.tally += other.tally
        self.held += other.held
        self.came_back += other.came_back
        self.failed += other.failed
        self.drawn += other.drawn


class Closing:
    """The work of closing, a chunk at a time. Two processes that do it at once do it one after the other."""

    def __init__(
        self, database: Database, law: Law, figures: Figures, log: Log, *, chunk: int = CHUNK
    ) -> None:
        self._database = database
        self._law = law
        self._figures = figures
        self._log = log
        self._chunk = chunk

    async def step(self) -> bool:
        """Do one chunk of the oldest running close; False when there is none.

        Only a part of the machine that fails, for a reason that will not pass by itself, makes the close
        FAILED: the months before the chunk stay settled, a new call goes on from there, and until then the
        month was not closed.
        """
        async with self._database.read() as reading:
            oldest = select(MONTH_CLOSE.c.close_id).where(MONTH_CLOSE.c.state == "RUNNING")
            close_id = await reading.scalar(
                oldest.order_by(MONTH_CLOSE.c.requested_at, MONTH_CLOSE.c.month).limit(1)
            )
        if close_id is None:
            return False
        try:
            await self._one_chunk(close_id)
        except TryAgain:
            raise
        except Exception as error:
            await self._fail(close_id, type(error).__name__)
            raise
        return True

    async def _one_chunk(self, close_id: str) -> None:
        async with self._database.write() as tx:
            found = select(MONTH_CLOSE).where(MONTH_CLOSE.c.close_id == close_id)
            row = await tx.first(found.with_for_update())
            if row is None or row.state != "RUNNING":
                return
            month = Month.parse(row.month)
            listed = await enrolment_page(
                tx,
                row.municipality,
                after=row.after_enrolment,
                limit=self._chunk,
                first_month_up_to=month,
                active_only=True,
                lock=True,
            )
            closed = await self._close_chunk(tx, listed, month, row.requested_by)
            await note_draws(tx, row.requested_by, closed.drawn)
            done = len(listed) < self._chunk
            changes: dict[str, Any] = {
                name: getattr(row, name) + count for name, count in closed.tally.items()
            }
            changes["held_reasons"] = dict(Counter(row.held_reasons) + closed.held)
            changes["failed_enrolments"] = [*row.failed_enrolments, *closed.failed][:NAMED_MAX]
            if listed:
                changes["after_enrolment"] = listed[-1].enrolment_id
            if done:
                changes |= {"state": "DONE", "finished_at": tx.now}
                await store.mark_closed(tx, row.municipality, month)
                await take_snapshots(tx, row.municipality, month)
                tx.on_commit(self._finished(row, changes))
            await tx.execute(update(MONTH_CLOSE).where(MONTH_CLOSE.c.close_id == close_id).values(**changes))
            hit("close-before-commit")
        hit("close-after-commit")

    async def _close_chunk(self, tx: Tx, listed: Sequence[Enrolment], month: Month, actor: str) -> _Closed:
        """Close a chunk for all enrolments but those that cannot be computed."""
        closed = await self._close_all_that_can(tx, listed, month, actor) if listed else _Closed()
        # Once for all of them: a sum for each would show single people to the fund.
        await tell_returned(tx, closed.came_back)
        return closed

    async def _close_all_that_can(
        self, tx: Tx, listed: Sequence[Enrolment], month: Month, actor: str
    ) -> _Closed:
        """Close enrolments, or halve them until one that cannot be computed stands alone and is left as it
        was: one among 200 costs about sixteen attempts, not 200."""
        try:
            async with tx.savepoint():
                return await self._close_these(tx, listed, month, actor)
        except Exception as error:
            if _is_the_machines(error):
                raise
            if len(listed) == 1:
                enrolment_id = listed[0].enrolment_id
                tx.on_commit(self._failed(enrolment_id, error))
                return _Closed(tally=Counter(failed=1), failed=[enrolment_id])
        middle = len(listed) // 2
        closed = await self._close_all_that_can(tx, listed[:middle], month, actor)
        closed.add(await self._close_all_that_can(tx, listed[middle:], month, actor))
        return closed

    async def _close_these(self, tx: Tx, listed: Sequence[Enrolment], month: Month, actor: str) -> _Closed:
        files = [file.until(_through(file, month)) for file in await load(tx, listed, self._law)]
        outcome = await settle(tx, files, self._law, "CLOSE", actor=actor)
        await compare(tx, files, outcome)
        await closed_through(tx, [enrolment.enrolment_id for enrolment in listed], month)
        self._figures.count(tx, outcome, "CLOSE")
        today = amsterdam_date(tx.now)
        exiting = [_seen(file) for file in files if file.enrolment.benefit_ended_on is not None]
        came_back = Counter(await settle_exits(tx, exiting, self._law, actor=actor))
        over = [
            _seen(file)
            for file in files
            if file.enrolment.benefit_ended_on is None and _is_over(file, today) and not _waits(file, outcome)
        ]
        came_back += Counter(await end(tx, over, "EXPIRED"))
        drawn = draws_of(outcome)
        return _Closed(_tally(files, outcome, month), outcome.held, came_back, drawn=drawn)

    async def _fail(self, close_id: str, reason: str) -> None:
        """Give a close up, and with it those of later months that count on it."""
        columns = MONTH_CLOSE.c
        async with self._database.write() as tx:
            found = await tx.one(select(MONTH_CLOSE).where(columns.close_id == close_id))
            await store.lock_municipality(tx, found.municipality)
            running = update(MONTH_CLOSE).where(columns.state == "RUNNING")
            detail = f"a chunk failed ({reason}); close the month again once it is repaired"
            given_up = running.where(columns.close_id == close_id)
            await tx.execute(given_up.values(state="FAILED", detail=detail, finished_at=tx.now))
            if Month.parse(found.month) in await store.closed_months(tx, found.municipality):
                return
            detail = f"the close of {found.month} failed, so that month is still open: close both again"
            later = running.where(columns.municipality == found.municipality, columns.month > found.month)
            await tx.execute(later.values(state="FAILED", detail=detail, finished_at=tx.now))

    def _failed(self, enrolment_id: str, error: Exception) -> Callable[[], None]:
        def write() -> None:
            self._log.failure("enrolment_failed", error, enrolment_id=enrolment_id)
            self._figures.failed()

        return write

    def _finished(self, row: Row[Any], changes: dict[str, Any]) -> Callable[[], None]:
        seconds = (changes["finished_at"] - row.requested_at).total_seconds()
        named = ("settled", "held", "missing", "failed")
        counts = {name: changes.get(name, getattr(row, name)) for name in named}

        def write() -> None:
            self._log.write(
                "close_finished", close_id=row.close_id, month=row.month, seconds=seconds, **counts
            )
            self._figures.held(changes["held_reasons"])

        return write


def _through(file: CaseFile, month: Month) -> Month:
    """How far a file is settled: a repeated close of an early month never takes a later one back."""
    through = file.enrolment.closed_through
    return month if through is None else max(month, through)


def _is_the_machines(error: Exception) -> bool:
    """Whether an error says nothing of the enrolments at hand: the database, a disk, memory. What the
    database refuses to keep (a broken rule of the books, a value that does not fit) is an enrolment's own."""
    if isinstance(error, IntegrityError | DataError):
        return False
    return isinstance(error, TryAgain | SQLAlchemyError | OSError | MemoryError)


def _tally(files: Sequence[CaseFile], outcome: Outcome, month: Month) -> Counter[str]:
    booked = {change.enrolment.enrolment_id for change in outcome.newly_settled if change.row.month == month}
    settled = held = missing = 0
    for file in files:
        enrolment_id = file.enrolment.enrolment_id
        row = next((row for row in outcome.rows[enrolment_id] if row.month == month), None)
        if row is None:
            continue
        if month in file.settled or enrolment_id in booked:
            settled += 1
        else:
            held += 1
            missing += row.missing_slips
    return Counter(
        settled=settled,
        held=held,
        missing=missing,
        newly_settled=len(outcome.newly_settled),
        rebooked=len(outcome.rebooked),
    )


def _is_over(file: CaseFile, today: date) -> bool:
    """Whether every month was closed, and the period and the late window after it have passed
    (reading 22)."""
    if file.case.until < file.enrolment.last_month:
        return False
    return today > late_window_ends(file.case.policy, file.enrolment.last_month)


def _waits(file: CaseFile, outcome: Outcome) -> bool:
    """Whether something that is not the person's to bring keeps the money in the buffer (reading 22): a slip
    that never comes lets its month lapse, what is missing or unread in this system does not."""
    if file.case.parked or not file.case.registered:
        return True
    held = outcome.held_rows[file.enrolment.enrolment_id]
    return any(reason != "SLIP_MISSING" for row in held for reason in row.held)


def _seen(file: CaseFile) -> Enrolment:
    """The enrolment as this close leaves it: gone through up to where its file was run."""
    return replace(file.enrolment, closed_through=file.case.until)


async def _must_be_next(tx: Tx, code: str, month: Month) -> None:
    """Months are closed in order: none with enrolled people may be left out (reading 35).

    A month counts as closed when a close of it is done, or waits or works ahead in the queue. Months before
    the municipality's first close do not count: an enrolment that begins before it is settled by the next
    close there is. Before any close they count from the first month in which somebody is enrolled.
    """
    spans = select(ENROLMENT.c.first_month, ENROLMENT.c.last_month).where(
        ENROLMENT.c.municipality == code,
        ENROLMENT.c.state == "ACTIVE",
        ENROLMENT.c.first_month < str(month),
    )
    closed = await store.closed_or_closing_months(tx, code)
    since = min(closed, default=FIRST_COMPUTED)
    skipped = {
        earlier
        for row in await tx.rows(spans.distinct())
        for earlier in Month.span(
            max(store.month_of(row.first_month), since),
            min(store.month_of(row.last_month), month.plus(-1)),
        )
        if earlier not in closed
    }
    if skipped:
        raise Conflict(f"{min(skipped)} was never closed and people are enrolled in it: close it first")


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time.min, AMSTERDAM)


def _close_of(row: Row[Any]) -> MonthClose:
    return MonthClose(
        close_id=row.close_id,
        municipality=row.municipality,
        month=Month.parse(row.month),
        state=row.state,
        settled=row.settled,
        held=row.held,
        missing=row.missing,
        newly_settled=row.newly_settled,
        rebooked=row.rebooked,
        held_reasons=row.held_reasons,
        failed=row.failed,
        failed_enrolments=tuple(row.failed_enrolments),
        requested_at=row.requested_at,
        finished_at=row.finished_at,
        detail=row.detail,
    )
