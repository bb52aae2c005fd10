"""What a fund's own token is shown of people: figures that move at a close, in steps of at least ten people.

Beside each snapshot stands whose money it was moved by and how much, so that the next step is held against
what was really shown, not against what a clock says was booked by then.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select

from buffer_ledger.anonymity import NOTHING, Share, Shares, next_shown, people_moved
from buffer_ledger.books import FundFigures
from buffer_ledger.tables import (
    ACCOUNT,
    ENROLMENT,
    FUND_MUNICIPALITY,
    FUND_SHARE,
    FUND_SNAPSHOT,
    LEDGER_TRANSACTION,
    TRANSFER,
)
from shared.database import ReadTx, Tx, among
from shared.months import Month

_INSTANT = timedelta(microseconds=1)
_SHARE_OF: Mapping[str, Share] = {
    "COMMITMENT": Share(committed_cents=1),
    "DRAW": Share(drawn_cents=1),
    "CLAIM": Share(drawn_cents=1),
    "REVERSAL": Share(drawn_cents=-1),
    "RETURN": Share(returned_cents=1),
    "EXPIRY": Share(returned_cents=1),
}
"""Which figure a kind of transaction adds to, by how much for each cent."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """What was shown of a fund until now: after each snapshot, whose amounts made it up."""

    steps: Sequence[Shares] = ()
    taken_at: datetime | None = None


async def take_snapshots(tx: Tx, municipality: str, month: Month) -> None:
    """Let the funds' own views of a municipality move, each figure only if enough people moved it."""
    fund_ids = await _lock_funds(tx, municipality)
    if not fund_ids:
        return
    booked, shown = await _booked(tx, fund_ids), await _shown(tx, fund_ids)
    snapshots: list[dict[str, Any]] = []
    shares: list[dict[str, Any]] = []
    for fund_id in fund_ids:
        before = shown.get(fund_id, _Shown())
        last = before.steps[-1] if before.steps else {}
        now = next_shown(booked.get(fund_id, {}), before.steps)
        moved = [people for figure in range(len(NOTHING)) if (people := people_moved(now, last, figure))]
        if not moved:
            continue
        taken_at = tx.now if before.taken_at is None else max(tx.now, before.taken_at + _INSTANT)
        key = {"fund_id": fund_id, "taken_at": taken_at}
        total = _total(now)
        snapshots.append({**key, "month": str(month), "people": min(moved), **total._asdict()})
        for person in sorted(now):
            change = now[person].minus(last.get(person, NOTHING))
            if change != NOTHING:
                shares.append({**key, "participant_id": person, **change._asdict()})
    await tx.execute(insert(FUND_SNAPSHOT), snapshots)
    await tx.execute(insert(FUND_SHARE), shares)


async def last_snapshot(reading: ReadTx, fund_id: str) -> tuple[FundFigures, Month | None]:
    """What the fund is shown of people, and the month of the close at which it last moved."""
    found = select(FUND_SNAPSHOT).where(FUND_SNAPSHOT.c.fund_id == fund_id)
    row = await reading.first(found.order_by(FUND_SNAPSHOT.c.taken_at.desc()).limit(1))
    if row is None:
        return FundFigures(), None
    figures = FundFigures(
        committed_cents=row.committed_cents,
        drawn_cents=row.drawn_cents,
        returned_cents=row.returned_cents,
    )
    return figures, Month.parse(row.month)


async def _lock_funds(tx: Tx, municipality: str) -> list[str]:
    """The municipality's funds, one close at a time: two would hold their steps against the same last one."""
    theirs = select(FUND_MUNICIPALITY.c.fund_id).where(FUND_MUNICIPALITY.c.municipality == municipality)
    free = select(ACCOUNT.c.fund_id).where(ACCOUNT.c.kind == "fund-free", ACCOUNT.c.fund_id.in_(theirs))
    return [row.fund_id for row in await tx.rows(free.order_by(ACCOUNT.c.account).with_for_update())]


async def _booked(reading: ReadTx, fund_ids: Collection[str]) -> dict[str, dict[str, Share]]:
    """What each person accounts for in the funds' books, over all enrolments of theirs."""
    fund, kind = LEDGER_TRANSACTION.c.fund_id, LEDGER_TRANSACTION.c.kind
    summed = (
        select(fund, kind, ENROLMENT.c.participant_id, func.sum(TRANSFER.c.amount_cents).label("cents"))
        .join(TRANSFER, TRANSFER.c.transaction_id == LEDGER_TRANSACTION.c.transaction_id)
        .join(ENROLMENT, ENROLMENT.c.enrolment_id == LEDGER_TRANSACTION.c.enrolment_id)
        .where(among(fund, fund_ids), kind.in_(list(_SHARE_OF)))
        .group_by(fund, kind, ENROLMENT.c.participant_id)
    )
    booked: dict[str, dict[str, Share]] = {}
    for row in await reading.rows(summed):
        people = booked.setdefault(row.fund_id, {})
        adds = Share(*(sign * int(row.cents) for sign in _SHARE_OF[row.kind]))
        people[row.participant_id] = people.get(row.participant_id, NOTHING).plus(adds)
    return booked


async def _shown(reading: ReadTx, fund_ids: Collection[str]) -> dict[str, _Shown]:
    found = select(FUND_SHARE).where(among(FUND_SHARE.c.fund_id, fund_ids))
    steps: dict[str, list[dict[str, Share]]] = {}
    taken: dict[str, datetime] = {}
    for row in await reading.rows(found.order_by(FUND_SHARE.c.fund_id, FUND_SHARE.c.taken_at)):
        of_fund = steps.setdefault(row.fund_id, [])
        if taken.get(row.fund_id) != row.taken_at:
            taken[row.fund_id] = row.taken_at
            of_fund.append(dict(of_fund[-1]) if of_fund else {})
        step = of_fund[-1]
        change = Share(row.committed_cents, row.drawn_cents, row.returned_cents)
        step[row.participant_id] = step.get(row.participant_id, NOTHING).plus(change)
    return {fund_id: _Shown(of_fund, taken[fund_id]) for fund_id, of_fund in steps.items()}


def _total(shares: Shares) -> Share:
    return Share(*(sum(share[figure] for share in shares.values()) for figure in range(len(NOTHING))))
