"""Closing a month: asked for once, done in chunks that survive a crash, and repeatable.

A close goes through every enrolment of the municipality that began by that month, settles what is not settled
and rebooks what differs, then ends the enrolments whose period and late window are over.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Literal

from sqlalchemy import Row, func, insert, select, update

from buffer_ledger import municipalities, store
from buffer_ledger.casefiles import CaseFile, Enrolment, closed_through, enrolment_page, load
from buffer_ledger.figures import Figures
from buffer_ledger.funds import take_snapshots, tell_returned
from buffer_ledger.settling import Outcome, end, settle
from buffer_ledger.tables import ENROLMENT, MONTH_CLOSE
from buffer_ledger.timeline import HeldReason
from shared.database import Database, ReadTx, Tx
from shared.errors import Conflict, NotFound, TooEarly, TryAgain
from shared.failpoints import hit
from shared.law import Law
from shared.log import Log
from shared.months import AMSTERDAM, Month, amsterdam_date
from shared.tokens import Caller

CHUNK = 200
"""Enrolments in one transaction: large enough to share its statements, small enough not to hold up others."""

CloseState = Literal["RUNNING", "DONE", "FAILED"]


@dataclass(frozen=True, slots=True)
class MonthClose:
    """One call to close a month. Settled and held count the enrolments that have a row of that month, missing
    the slips its held rows wait for; newly settled and rebooked count rows of every month that this close
    booked."""

    close_id: str
    municipality: str
    month: Month
    state: CloseState
    settled: int
    held: int
    missing: int
    newly_settled: int
    rebooked: int
    requested_at: datetime
    finished_at: datetime | None
    detail: str | None


async def request(tx: Tx, caller: Caller, code: str, month: Month) -> MonthClose:
    """Take a call to close a month; the work follows.

    Raises NotFound for a municipality without settings, TooEarly before its cut-off day of the month after,
    and Conflict while an earlier month with enrolled people was never closed.
    """
    caller.must_be_of(code)
    if not await store.lock_municipality(tx, code):
        raise NotFound(f"municipality {code} has no settings yet: PUT /v1/municipalities/{code} first")
    known = await municipalities.get(tx, code)
    cut_off = municipalities.in_force(known.settings, month).rules.cut_off_day
    opens = month.plus(1).first_day.replace(day=cut_off)
    if amsterdam_date(tx.now) < opens:
        raise TooEarly(f"{month} can be closed from {opens} on", _start_of(opens))
    await _must_be_next(tx, code, month)
    await store.mark_closed(tx, code, month)
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
        self._held: Counter[HeldReason] = Counter()

    async def step(self) -> bool:
        """Do one chunk of the oldest running close; False when there is none.

        What fails for a reason that will not pass by itself makes the close FAILED: the months before the
        chunk stay settled, and a new call goes on from there.
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
            tally = await self._close_chunk(tx, listed, month)
            done = len(listed) < self._chunk
            changes: dict[str, Any] = {name: getattr(row, name) + tally[name] for name in tally}
            if listed:
                changes["after_enrolment"] = listed[-1].enrolment_id
            if done:
                changes |= {"state": "DONE", "finished_at": tx.now}
                await take_snapshots(tx, row.municipality, month)
                tx.on_commit(self._finished(row, changes))
            await tx.execute(update(MONTH_CLOSE).where(MONTH_CLOSE.c.close_id == close_id).values(**changes))
            hit("close-before-commit")
        hit("close-after-commit")

    async def _close_chunk(self, tx: Tx, listed: Sequence[Enrolment], month: Month) -> dict[str, int]:
        if not listed:
            return {}
        files = [file.until(_through(file, month)) for file in await load(tx, listed)]
        outcome = await settle(tx, files, self._law, "CLOSE")
        await closed_through(tx, [enrolment.enrolment_id for enrolment in listed], month)
        self._figures.count(tx, outcome, "CLOSE")
        tx.on_commit(lambda: self._held.update(outcome.held))
        today = amsterdam_date(tx.now)
        over = [file.enrolment for file in files if _is_over(file, today)]
        await tell_returned(tx, await end(tx, over, "EXPIRED"))
        return _tally(files, outcome, month)

    async def _fail(self, close_id: str, reason: str) -> None:
        async with self._database.write() as tx:
            running = update(MONTH_CLOSE).where(
                MONTH_CLOSE.c.close_id == close_id, MONTH_CLOSE.c.state == "RUNNING"
            )
            detail = f"a chunk failed ({reason}); close the month again once it is repaired"
            await tx.execute(running.values(state="FAILED", detail=detail, finished_at=tx.now))

    def _finished(self, row: Row[Any], changes: dict[str, Any]) -> Callable[[], None]:
        seconds = (changes["finished_at"] - row.requested_at).total_seconds()
        counts = {name: changes.get(name, getattr(row, name)) for name in ("settled", "held", "missing")}

        def write() -> None:
            self._log.write(
                "close_finished", close_id=row.close_id, month=row.month, seconds=seconds, **counts
            )
            self._figures.held(self._held)
            self._held.clear()

        return write


def _through(file: CaseFile, month: Month) -> Month:
    """How far a file is settled: a repeated close of an early month never takes a later one back."""
    through = file.enrolment.closed_through
    return month if through is None else max(month, through)


def _tally(files: Sequence[CaseFile], outcome: Outcome, month: Month) -> dict[str, int]:
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
    return {
        "settled": settled,
        "held": held,
        "missing": missing,
        "newly_settled": len(outcome.newly_settled),
        "rebooked": len(outcome.rebooked),
    }


def _is_over(file: CaseFile, today: date) -> bool:
    """Whether the period and the late window after it have passed (definition 22)."""
    window = timedelta(days=file.case.policy.late_window_days)
    return today > file.enrolment.last_month.last_day + window


async def _must_be_next(tx: Tx, code: str, month: Month) -> None:
    """Months are closed in order: none with enrolled people may be left out."""
    spans = select(ENROLMENT.c.first_month, ENROLMENT.c.last_month).where(
        ENROLMENT.c.municipality == code,
        ENROLMENT.c.state == "ACTIVE",
        ENROLMENT.c.first_month < str(month),
    )
    closed = await store.closed_months(tx, code)
    skipped = {
        earlier
        for row in await tx.rows(spans.distinct())
        for earlier in Month.span(
            store.month_of(row.first_month), min(store.month_of(row.last_month), month.plus(-1))
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
        requested_at=row.requested_at,
        finished_at=row.finished_at,
        detail=row.detail,
    )
