"""What moved on a person's buffer, transfer by transfer: version and balance after, on both axes of time."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, select

from buffer_ledger.bookkeeping import Account
from buffer_ledger.store import maybe_month
from buffer_ledger.tables import LEDGER_TRANSACTION, TRANSFER
from shared.database import ReadTx, among
from shared.months import Month


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One transfer of an account. Its version counts them without a gap; `balance_after_cents` stood after
    it.

    `effective_month` is the month it belongs to, `recorded_at` when the books learnt of it: along the
    versions the latter never goes back.
    """

    version: int
    transaction_id: str
    kind: str
    reason: str
    effective_month: Month | None
    recorded_at: datetime
    change_cents: int
    balance_after_cents: int
    policy_version: int | None
    revision: int | None
    evidence: tuple[str, ...]
    reverses: str | None


async def movements(
    reading: ReadTx, account: Account, *, after: int = 0, limit: int, as_of: datetime | None = None
) -> list[Movement]:
    """The transfers of a limited account in the order of its versions; with `as_of` those recorded by
    then."""
    key, moved, booked = account.key, TRANSFER.c, LEDGER_TRANSACTION.c
    taken = moved.debit == key
    version = case((taken, moved.debit_version), else_=moved.credit_version)
    balance = case((taken, moved.debit_balance_after), else_=moved.credit_balance_after)
    found = (
        select(
            LEDGER_TRANSACTION,
            version.label("version"),
            balance.label("balance_after"),
            case((taken, -moved.amount_cents), else_=moved.amount_cents).label("change"),
        )
        .join(TRANSFER, moved.transaction_id == booked.transaction_id)
        .where(taken | (moved.credit == key), version > after)
        .order_by(version)
        .limit(limit)
    )
    if as_of is not None:
        found = found.where(booked.recorded_at <= as_of)
    return [
        Movement(
            version=row.version,
            transaction_id=row.transaction_id,
            kind=row.kind,
            reason=row.reason,
            effective_month=maybe_month(row.effective_month),
            recorded_at=row.recorded_at,
            change_cents=row.change,
            balance_after_cents=row.balance_after,
            policy_version=row.policy_version,
            revision=row.receipt_revision,
            evidence=tuple(row.evidence),
            reverses=row.reverses,
        )
        for row in await reading.rows(found)
    ]


async def balances_as_of(
    reading: ReadTx, accounts: Collection[Account], instant: datetime
) -> dict[Account, int]:
    """The balances of accounts as the books had them at an instant: the sums of what was recorded by then."""
    keys = {account.key: account for account in accounts}
    sums = dict.fromkeys(accounts, 0)
    for sign, side in ((-1, TRANSFER.c.debit), (1, TRANSFER.c.credit)):
        found = (
            select(side, func.sum(TRANSFER.c.amount_cents))
            .join(LEDGER_TRANSACTION, LEDGER_TRANSACTION.c.transaction_id == TRANSFER.c.transaction_id)
            .where(among(side, list(keys)), LEDGER_TRANSACTION.c.recorded_at <= instant)
            .group_by(side)
        )
        for key, cents in await reading.rows(found):
            sums[keys[key]] += sign * int(cents)
    return sums
