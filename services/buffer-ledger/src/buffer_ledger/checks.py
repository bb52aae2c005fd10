"""What must always hold in the books, computed from what the database really has.

Each check is one or two grouped queries, over the whole ledger or over the funds of one municipality.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, case, func, select

from buffer_ledger import store
from buffer_ledger.bookkeeping import Account, bank, buffer, check_fund, check_limits, check_used, payable
from buffer_ledger.books import fund_figures
from buffer_ledger.figures import Figures
from buffer_ledger.tables import (
    ACCOUNT,
    DRAW_PROPOSAL,
    ENROLMENT,
    LEDGER_TRANSACTION,
    PAYMENT_ORDER,
    SEAL,
    SETTLED_MONTH,
    TRANSFER,
    UNSEALED,
)
from shared.database import Database, ReadTx, among
from shared.log import Log


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found: the sum of all balances (nil) and a sentence per violation, by invariant."""

    sum_cents: int
    violations: Mapping[str, tuple[str, ...]]
    accounts: int
    transfers: int

    @property
    def sentences(self) -> tuple[str, ...]:
        return tuple(sentence for found in self.violations.values() for sentence in found)


@dataclass(frozen=True, slots=True)
class _Accounts:
    """The accounts of some funds: what their transfers add up to, and what they carry themselves."""

    summed: Mapping[Account, int]
    recorded: Mapping[Account, int]
    versions: Mapping[Account, int]
    caps: Mapping[Account, int]
    postings: Mapping[Account, int]

    @property
    def sum_cents(self) -> int:
        """All balances together: those that are carried, and the sums of the counters."""
        return sum(self.recorded.get(account, cents) for account, cents in self.summed.items())


async def invariants(reading: ReadTx, municipality: str | None = None) -> Checked:
    """Check the books of all funds, or of those of one municipality."""
    funds = await store.fund_ids_of(reading, municipality)
    accounts = await _accounts(reading, funds)
    total = accounts.sum_cents
    drawn = await _net_draws(reading, funds)
    return Checked(
        sum_cents=total,
        violations={
            "sum_is_nil": () if total == 0 else (f"all balances add up to {total} cents instead of 0",),
            "balance_is_sum": _balance_is_sum(accounts),
            "within_limits": check_limits(accounts.recorded, accounts.caps),
            "used_within_cap": await _used_within_cap(reading, funds, accounts.caps),
            "draws_follow_months": await _draws_follow_months(reading, funds, drawn),
            "draws_have_evidence": await _draws_have_evidence(reading, funds),
            "fund_adds_up": await _fund_adds_up(reading, funds, accounts.summed),
            "reversals_mirror_draws": await _reversals_mirror_draws(reading, funds),
            "sealed_or_waiting": await _sealed_or_waiting(reading, funds),
            "holds_add_up": await _holds_add_up(reading, funds),
            "orders_are_payable": await _orders_are_payable(reading, funds, accounts.summed),
        },
        accounts=len(accounts.summed),
        transfers=sum(accounts.postings.values()) // 2,
    )


class Checking:
    """Checks the whole ledger again and again in production, and shows what it found."""

    def __init__(self, database: Database, figures: Figures, log: Log) -> None:
        self._database = database
        self._figures = figures
        self._log = log

    async def step(self) -> bool:
        """Check once; there is never more to do at once."""
        async with self._database.read(aside=True) as reading:
            checked = await invariants(reading)
            counted = select(ENROLMENT.c.state, func.count()).group_by(ENROLMENT.c.state)
            states = {row[0]: int(row[1]) for row in await reading.rows(counted)}
        self._figures.enrolled(states)
        breaches = {invariant: len(found) for invariant, found in checked.violations.items()}
        self._figures.checked(checked.sum_cents, breaches)
        for invariant, count in breaches.items():
            if count:
                self._log.write("invariant_broken", invariant=invariant, breaches=count)
        return False


async def _accounts(reading: ReadTx, funds: Sequence[str]) -> _Accounts:
    summed: dict[Account, int] = {}
    recorded: dict[Account, int] = {}
    versions: dict[Account, int] = {}
    caps: dict[Account, int] = {}
    postings: dict[Account, int] = {}
    for row in await reading.rows(select(ACCOUNT).where(among(ACCOUNT.c.fund_id, funds))):
        account = Account.parse(row.account)
        summed[account] = postings[account] = 0
        if row.balance_cents is not None:
            recorded[account], versions[account] = row.balance_cents, row.version
        if row.cap_cents is not None:
            caps[account] = row.cap_cents
    for sign, side in ((-1, TRANSFER.c.debit), (1, TRANSFER.c.credit)):
        sums = select(side, func.sum(TRANSFER.c.amount_cents), func.count()).group_by(side)
        for name, cents, count in await reading.rows(_of_funds(sums, funds)):
            account = Account.parse(name)
            summed[account] = summed.get(account, 0) + sign * int(cents)
            postings[account] = postings.get(account, 0) + count
    return _Accounts(summed, recorded, versions, caps, postings)


def _of_funds(query: Select[Any], funds: Sequence[str]) -> Select[Any]:
    """A query over transfers, of the transactions of some funds."""
    same = LEDGER_TRANSACTION.c.transaction_id == TRANSFER.c.transaction_id
    return query.join(LEDGER_TRANSACTION, same).where(among(LEDGER_TRANSACTION.c.fund_id, funds))


def _balance_is_sum(accounts: _Accounts) -> tuple[str, ...]:
    """A carried balance is the sum of its transfers, and its version counts them without a gap."""
    wrong = [
        f"{account.key} carries {cents} cents and its transfers add up to {accounts.summed[account]}"
        for account, cents in accounts.recorded.items()
        if cents != accounts.summed[account]
    ]
    wrong += [
        f"{account.key} is at version {version} after {accounts.postings[account]} transfers"
        for account, version in accounts.versions.items()
        if version != accounts.postings[account]
    ]
    return tuple(wrong)


async def _used_within_cap(
    reading: ReadTx, funds: Sequence[str], caps: Mapping[Account, int]
) -> tuple[str, ...]:
    kind, enrolment = LEDGER_TRANSACTION.c.kind, LEDGER_TRANSACTION.c.enrolment_id

    def total(name: str) -> Any:
        return func.sum(case((kind == name, TRANSFER.c.amount_cents), else_=0))

    sums = select(enrolment, total("DRAW") + total("CLAIM"), total("REVERSAL"), total("REPAYMENT")).group_by(
        enrolment
    )
    wrong: list[str] = []
    for enrolment_id, draws, reversals, repayments in await reading.rows(
        _of_funds(sums, funds).where(enrolment.is_not(None))
    ):
        found = check_used(
            caps.get(buffer(enrolment_id), 0),
            draws_cents=int(draws),
            reversals_cents=int(reversals),
            repayments_cents=int(repayments),
        )
        wrong += [f"enrolment {enrolment_id}: {sentence}" for sentence in found]
    return tuple(wrong)


async def _net_draws(reading: ReadTx, funds: Sequence[str]) -> dict[tuple[str, str], int]:
    """Draws less what was undone, by enrolment and month; nil left out."""
    kind = LEDGER_TRANSACTION.c.kind
    signed = case((kind == "DRAW", TRANSFER.c.amount_cents), else_=-TRANSFER.c.amount_cents)
    by = (LEDGER_TRANSACTION.c.enrolment_id, LEDGER_TRANSACTION.c.effective_month)
    sums = select(*by, func.sum(signed)).where(kind.in_(("DRAW", "REVERSAL"))).group_by(*by)
    rows = await reading.rows(_of_funds(sums, funds))
    return {(enrolment_id, month): int(cents) for enrolment_id, month, cents in rows if cents}


async def _draws_follow_months(
    reading: ReadTx, funds: Sequence[str], drawn: Mapping[tuple[str, str], int]
) -> tuple[str, ...]:
    """What is drawn for a month is what its settled row says, and that is within the rule's amount."""
    months = SETTLED_MONTH.c
    newest = (
        select(months.enrolment_id, months.month, func.max(months.revision).label("revision"))
        .join(ENROLMENT, ENROLMENT.c.enrolment_id == months.enrolment_id)
        .where(among(ENROLMENT.c.fund_id, funds))
        .group_by(months.enrolment_id, months.month)
        .subquery()
    )
    standing = select(months.enrolment_id, months.month, months.draw_cents, months.rule_cents).join(
        newest,
        (newest.c.enrolment_id == months.enrolment_id)
        & (newest.c.month == months.month)
        & (newest.c.revision == months.revision),
    )
    left = dict(drawn)
    wrong = []
    for enrolment_id, month, cents, rule in await reading.rows(standing):
        booked = left.pop((enrolment_id, month), 0)
        if not 0 <= booked <= rule or booked != cents:
            wrong.append(f"enrolment {enrolment_id} drew {booked} cents for {month}; its row says {cents}")
    wrong += [f"enrolment {enrolment_id} drew for {month}, never settled" for enrolment_id, month in left]
    return tuple(wrong)


async def _draws_have_evidence(reading: ReadTx, funds: Sequence[str]) -> tuple[str, ...]:
    found = select(LEDGER_TRANSACTION.c.transaction_id, LEDGER_TRANSACTION.c.evidence).where(
        LEDGER_TRANSACTION.c.kind == "DRAW", among(LEDGER_TRANSACTION.c.fund_id, funds)
    )
    return tuple(
        f"draw {row.transaction_id} rests on no slip" for row in await reading.rows(found) if not row.evidence
    )


async def _fund_adds_up(
    reading: ReadTx, funds: Sequence[str], summed: Mapping[Account, int]
) -> tuple[str, ...]:
    """Free capital is donations less commitments plus returns, and the bank holds donations less payments."""
    wrong: list[str] = []
    for fund_id, figures in (await fund_figures(reading, funds)).items():
        wrong += [
            f"fund {fund_id}: {sentence}"
            for sentence in check_fund(
                available_cents=figures.available_cents,
                donated_cents=figures.donated_cents,
                committed_cents=figures.committed_cents,
                returned_cents=figures.returned_cents,
            )
        ]
        held = -summed.get(bank(fund_id), 0)
        if held != figures.donated_cents - figures.executed_cents + figures.repaid_cents:
            wrong.append(
                f"fund {fund_id}: the bank holds {held} cents where donations and payments leave "
                f"{figures.donated_cents - figures.executed_cents + figures.repaid_cents}"
            )
    return tuple(wrong)


async def _holds_add_up(reading: ReadTx, funds: Sequence[str]) -> tuple[str, ...]:
    """What is held on a buffer is exactly what its pending proposals ask for."""
    sums = (
        select(DRAW_PROPOSAL.c.enrolment_id, func.sum(DRAW_PROPOSAL.c.amount_cents))
        .where(DRAW_PROPOSAL.c.state == "PENDING", among(DRAW_PROPOSAL.c.fund_id, funds))
        .group_by(DRAW_PROPOSAL.c.enrolment_id)
    )
    asked = {enrolment_id: int(cents) for enrolment_id, cents in await reading.rows(sums)}
    held = select(ACCOUNT.c.enrolment_id, ACCOUNT.c.pending_cents).where(
        ACCOUNT.c.kind == "buffer", among(ACCOUNT.c.fund_id, funds)
    )
    return tuple(
        f"enrolment {enrolment_id}: {cents} cents are held and proposals ask for {asked.get(enrolment_id, 0)}"
        for enrolment_id, cents in await reading.rows(held)
        if cents != asked.get(enrolment_id, 0)
    )


async def _orders_are_payable(
    reading: ReadTx, funds: Sequence[str], summed: Mapping[Account, int]
) -> tuple[str, ...]:
    """What is drawn and not yet paid is exactly what open payment orders ask for."""
    sums = (
        select(PAYMENT_ORDER.c.fund_id, func.sum(PAYMENT_ORDER.c.amount_cents))
        .where(PAYMENT_ORDER.c.state == "OPEN", among(PAYMENT_ORDER.c.fund_id, funds))
        .group_by(PAYMENT_ORDER.c.fund_id)
    )
    asked = {fund_id: int(cents) for fund_id, cents in await reading.rows(sums)}
    return tuple(
        f"fund {fund_id}: {summed.get(payable(fund_id), 0)} cents are payable and open orders ask for "
        f"{asked.get(fund_id, 0)}"
        for fund_id in funds
        if summed.get(payable(fund_id), 0) != asked.get(fund_id, 0)
    )


async def _reversals_mirror_draws(reading: ReadTx, funds: Sequence[str]) -> tuple[str, ...]:
    """What a reversal undoes is a draw of the same person and month, whole (once, says the schema)."""
    undoing, first = LEDGER_TRANSACTION.alias("undoing"), LEDGER_TRANSACTION.alias("first")
    back, there = TRANSFER.alias("back"), TRANSFER.alias("there")
    mirrors = (
        (first.c.kind == "DRAW")
        & (first.c.enrolment_id == undoing.c.enrolment_id)
        & (first.c.effective_month == undoing.c.effective_month)
        & (there.c.debit == back.c.credit)
        & (there.c.credit == back.c.debit)
        & (there.c.amount_cents == back.c.amount_cents)
    )
    wrong = (
        select(undoing.c.transaction_id)
        .join(back, back.c.transaction_id == undoing.c.transaction_id)
        .join(first, first.c.transaction_id == undoing.c.reverses)
        .join(
            there,
            (there.c.transaction_id == first.c.transaction_id) & (there.c.position == back.c.position),
            isouter=True,
        )
        .where(undoing.c.kind == "REVERSAL", among(undoing.c.fund_id, funds), mirrors.is_not(True))
    )
    return tuple(
        f"reversal {row.transaction_id} is not what it reverses" for row in await reading.rows(wrong)
    )


async def _sealed_or_waiting(reading: ReadTx, funds: Sequence[str]) -> tuple[str, ...]:
    """Every transaction has its seal or waits for it, and no seal is of none."""

    async def counted(table: Any) -> dict[str, int]:
        found = select(table.c.fund_id, func.count()).where(among(table.c.fund_id, funds))
        return {fund_id: int(n) for fund_id, n in await reading.rows(found.group_by(table.c.fund_id))}

    booked, sealed, waits = [await counted(table) for table in (LEDGER_TRANSACTION, SEAL, UNSEALED)]
    return tuple(
        f"fund {fund_id}: of {booked.get(fund_id, 0)} transactions {sealed.get(fund_id, 0)} are sealed and "
        f"{waits.get(fund_id, 0)} wait for it"
        for fund_id in funds
        if booked.get(fund_id, 0) != sealed.get(fund_id, 0) + waits.get(fund_id, 0)
    )
