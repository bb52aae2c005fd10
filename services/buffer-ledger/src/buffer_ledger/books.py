"""Writing transactions into the ledger and reading its figures, many of them in a handful of statements.

Accounts with a floor and a cap are locked in sorted order, their new balances are worked out here and checked
again by the database. Counter accounts (bank, payable) have no balance to lock: they are summed when asked.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update

from buffer_ledger.bookkeeping import CHART_VERSION, Account, Transaction, bank, buffer, fund_free, payable
from buffer_ledger.tables import ACCOUNT, LEDGER_TRANSACTION, TRANSFER, UNSEALED
from shared.database import ReadTx, Tx, among
from shared.errors import Conflict, NotFound


class NotEnough(Conflict):
    """An account holds less than is asked of it; the amount that is free is told."""

    def __init__(self, account: Account, asked_cents: int, free_cents: int) -> None:
        super().__init__(
            f"{asked_cents} cents are asked of the {account.kind} account and {free_cents} cents are free"
        )
        self.account = account
        self.asked_cents = asked_cents
        self.free_cents = free_cents


class OverCap(Conflict):
    """More would come back to an account than ever left it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A transaction with its id and what the books keep beside it.

    `receipt_revision` names the settled month whose row holds the parameter receipt.
    """

    transaction_id: str
    transaction: Transaction
    fund_id: str
    enrolment_id: str | None = None
    policy_version: int | None = None
    receipt_revision: int | None = None


@dataclass(frozen=True, slots=True)
class FundFigures:
    """What a fund's books add up to, in cents. Committed is gross: caps set apart, before what came back."""

    donated_cents: int = 0
    committed_cents: int = 0
    drawn_cents: int = 0
    returned_cents: int = 0
    executed_cents: int = 0
    repaid_cents: int = 0
    available_cents: int = 0


@dataclass(slots=True)
class _Standing:
    """An account with a balance while a batch is worked out."""

    balance: int
    pending: int
    floor: int
    cap: int | None
    version: int
    recorded_at: datetime | None


async def open_fund_accounts(tx: Tx, fund_id: str) -> None:
    """The three accounts of a new fund."""
    await tx.execute(
        insert(ACCOUNT),
        [
            _account_row(bank(fund_id), fund_id),
            _account_row(payable(fund_id), fund_id),
            _account_row(fund_free(fund_id), fund_id),
        ],
    )


async def open_buffer(tx: Tx, fund_id: str, enrolment_id: str, cap_cents: int) -> None:
    """The account of a new enrolment, empty until its commitment is booked."""
    await tx.execute(insert(ACCOUNT), [_account_row(buffer(enrolment_id), fund_id, enrolment_id, cap_cents)])


async def book(tx: Tx, entries: Sequence[Entry]) -> dict[Account, int]:
    """Write the entries in order; returns the balance after of each limited account they touched.

    Raises NotEnough when an account would fall below its floor and OverCap when it would pass its cap: then
    nothing of the batch may be kept. Put what gives back before what takes.
    """
    if not entries:
        return {}
    standings = await _lock(tx, _limited(entries))
    for standing in standings.values():
        tx.not_before(standing.recorded_at)
    before = {account: standing.version for account, standing in standings.items()}
    transactions, transfers = [], []
    for entry in entries:
        transactions.append(_transaction_row(tx, entry))
        transfers += _transfer_rows(entry, standings)
    await tx.execute(insert(LEDGER_TRANSACTION), transactions)
    await tx.execute(insert(TRANSFER), transfers)
    # The chain is sealed beside this path (sealing.py): here a transaction only asks for its seal.
    await tx.execute(insert(UNSEALED), [_unsealed_row(entry) for entry in entries])
    await tx.execute(_SET_BALANCE, [_balance_row(tx, a, s, before[a]) for a, s in standings.items()])
    return {account: standing.balance for account, standing in standings.items()}


async def balances(reading: ReadTx, accounts: Collection[Account]) -> dict[Account, int]:
    """The balances that limited accounts carry, in cents."""
    keys = {account.key: account for account in accounts}
    found = select(ACCOUNT.c.account, ACCOUNT.c.balance_cents).where(among(ACCOUNT.c.account, list(keys)))
    return {keys[row.account]: row.balance_cents for row in await reading.rows(found)} if keys else {}


async def free_balances(reading: ReadTx, accounts: Collection[Account]) -> dict[Account, int]:
    """What limited accounts carry less what is held on them: cap - used - holds for a buffer (reading 17)."""
    keys = {account.key: account for account in accounts}
    found = select(ACCOUNT.c.account, ACCOUNT.c.balance_cents, ACCOUNT.c.pending_cents)
    rows = await reading.rows(found.where(among(ACCOUNT.c.account, list(keys)))) if keys else ()
    return {keys[row.account]: row.balance_cents - row.pending_cents for row in rows}


async def hold(tx: Tx, changes: Mapping[Account, int]) -> None:
    """Hold amounts on limited accounts, or release them with a negative amount.

    A hold is no transfer: nothing has moved, the amount can only no longer be taken by another. Raises
    NotEnough when an account has less free.
    """
    moving = {account: cents for account, cents in changes.items() if cents}
    if not moving:
        return
    standings = await _lock(tx, sorted(moving, key=lambda account: account.key))
    for account, cents in moving.items():
        standing = standings[account]
        free = standing.balance - standing.pending - standing.floor
        if cents > free:
            raise NotEnough(account, cents, free)
    rows = [{"b_account": account.key, "b_held": cents} for account, cents in moving.items()]
    await tx.execute(_HOLD, rows)


_HOLD = (
    update(ACCOUNT)
    .where(ACCOUNT.c.account == bindparam("b_account"))
    .values(pending_cents=ACCOUNT.c.pending_cents + bindparam("b_held"))
)


async def fund_figures(reading: ReadTx, fund_ids: Collection[str]) -> dict[str, FundFigures]:
    """The figures of funds, from their transfers; available is what their free capital carries."""
    if not fund_ids:
        return {}
    kind, fund = LEDGER_TRANSACTION.c.kind, LEDGER_TRANSACTION.c.fund_id
    summed = (
        select(fund, kind, func.sum(TRANSFER.c.amount_cents).label("cents"))
        .join(TRANSFER, TRANSFER.c.transaction_id == LEDGER_TRANSACTION.c.transaction_id)
        .where(among(fund, fund_ids))
        .group_by(fund, kind)
    )
    sums: dict[tuple[str, str], int] = {}
    for row in await reading.rows(summed):
        sums[row.fund_id, row.kind] = int(row.cents)
    free = await balances(reading, [fund_free(fund_id) for fund_id in fund_ids])

    def total(fund_id: str, *kinds: str) -> int:
        return sum(sums.get((fund_id, kind), 0) for kind in kinds)

    return {
        fund_id: FundFigures(
            donated_cents=total(fund_id, "DONATION"),
            committed_cents=total(fund_id, "COMMITMENT"),
            drawn_cents=total(fund_id, "DRAW", "CLAIM") - total(fund_id, "REVERSAL"),
            returned_cents=total(fund_id, "RETURN", "EXPIRY"),
            executed_cents=total(fund_id, "EXECUTION"),
            repaid_cents=total(fund_id, "REPAYMENT"),
            available_cents=free.get(fund_free(fund_id), 0),
        )
        for fund_id in fund_ids
    }


def _limited(entries: Iterable[Entry]) -> list[Account]:
    touched = {
        account
        for entry in entries
        for transfer in entry.transaction.transfers
        for account in (transfer.debit, transfer.credit)
        if account.limited
    }
    return sorted(touched, key=lambda account: account.key)


async def _lock(tx: Tx, accounts: Sequence[Account]) -> dict[Account, _Standing]:
    keys = [account.key for account in accounts]
    found = select(ACCOUNT).where(among(ACCOUNT.c.account, keys)).order_by(ACCOUNT.c.account)
    rows = {row.account: row for row in await tx.rows(found.with_for_update())} if keys else {}
    missing = [key for key in keys if key not in rows]
    if missing:
        # A row that is not there cannot be locked: the account is opened before anything is booked on it.
        raise NotFound(f"there is no account {missing[0]}")
    return {
        account: _Standing(
            row.balance_cents, row.pending_cents, row.floor_cents, row.cap_cents, row.version, row.recorded_at
        )
        for account in accounts
        for row in (rows[account.key],)
    }


def _transfer_rows(entry: Entry, standings: Mapping[Account, _Standing]) -> list[dict[str, Any]]:
    rows = []
    for position, transfer in enumerate(entry.transaction.transfers):
        debit, credit = standings.get(transfer.debit), standings.get(transfer.credit)
        if debit is not None:
            free = debit.balance - debit.pending - debit.floor
            if transfer.amount_cents > free:
                raise NotEnough(transfer.debit, transfer.amount_cents, free)
            debit.balance -= transfer.amount_cents
            debit.version += 1
        if credit is not None:
            if credit.cap is not None and credit.balance + transfer.amount_cents > credit.cap:
                raise OverCap(f"{transfer.credit.key} would hold more than its cap of {credit.cap} cents")
            credit.balance += transfer.amount_cents
            credit.version += 1
        rows.append(
            {
                "transaction_id": entry.transaction_id,
                "position": position,
                "debit": transfer.debit.key,
                "credit": transfer.credit.key,
                "amount_cents": transfer.amount_cents,
                "debit_version": debit.version if debit else None,
                "debit_balance_after": debit.balance if debit else None,
                "credit_version": credit.version if credit else None,
                "credit_balance_after": credit.balance if credit else None,
            }
        )
    return rows


def _transaction_row(tx: Tx, entry: Entry) -> dict[str, Any]:
    transaction = entry.transaction
    return {
        "transaction_id": entry.transaction_id,
        "chart_version": CHART_VERSION,
        "kind": transaction.kind,
        "reason": transaction.reason,
        "fund_id": entry.fund_id,
        "enrolment_id": entry.enrolment_id,
        "effective_month": str(transaction.effective_month),
        "policy_version": entry.policy_version,
        "evidence": list(transaction.evidence),
        "receipt_revision": entry.receipt_revision,
        "reverses": transaction.reverses,
        "recorded_at": tx.now,
    }


def _unsealed_row(entry: Entry) -> dict[str, Any]:
    return {"transaction_id": entry.transaction_id, "fund_id": entry.fund_id}


# The version in the condition makes a second writer's update touch nothing, and then the unique key on
# (account, version) of its transfers refuses it.
_SET_BALANCE = (
    update(ACCOUNT)
    .where(ACCOUNT.c.account == bindparam("b_account"), ACCOUNT.c.version == bindparam("b_before"))
    .values(
        balance_cents=bindparam("b_balance"),
        version=bindparam("b_version"),
        recorded_at=bindparam("b_recorded_at"),
    )
)


def _balance_row(tx: Tx, account: Account, standing: _Standing, before: int) -> dict[str, Any]:
    return {
        "b_account": account.key,
        "b_before": before,
        "b_balance": standing.balance,
        "b_version": standing.version,
        "b_recorded_at": tx.now,
    }


def _account_row(
    account: Account, fund_id: str, enrolment_id: str | None = None, cap_cents: int | None = None
) -> dict[str, Any]:
    nothing = 0 if account.limited else None
    return {
        "account": account.key,
        "kind": account.kind,
        "fund_id": fund_id,
        "enrolment_id": enrolment_id,
        "balance_cents": nothing,
        "pending_cents": nothing,
        "floor_cents": nothing,
        "cap_cents": cap_cents,
        "version": nothing,
        "recorded_at": None,
    }


__all__ = [
    "Entry",
    "FundFigures",
    "NotEnough",
    "OverCap",
    "balances",
    "book",
    "free_balances",
    "fund_figures",
    "hold",
    "open_buffer",
    "open_fund_accounts",
]
