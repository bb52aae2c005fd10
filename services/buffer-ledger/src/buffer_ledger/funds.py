"""Funds, donations and schemes: whose money, for whom, under which policy."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from sqlalchemy import insert

from buffer_ledger import store
from buffer_ledger.bookkeeping import donation
from buffer_ledger.books import Entry, FundFigures, book, fund_figures, open_fund_accounts
from buffer_ledger.fund_snapshots import last_snapshot
from buffer_ledger.policy import Policy
from buffer_ledger.statutory import faults_of, with_statutory_defaults
from buffer_ledger.store import Fund, Scheme
from buffer_ledger.tables import DONATION
from shared.contracts.events import CapitalReturned, DonationReceived, FundLow
from shared.database import ReadTx, Tx
from shared.errors import Conflict, Fault, Invalid, NotAllowed, NotFound
from shared.law import Law
from shared.money import CENTS_MAX, Cents
from shared.months import Month
from shared.tokens import Caller, Role


@dataclass(frozen=True, slots=True)
class FundView:
    """A fund as one caller may see it; `as_of` is the month of the snapshot it comes from, None when live."""

    fund: Fund
    figures: FundFigures
    as_of: Month | None = None


async def create(
    tx: Tx, caller: Caller, *, name: str, kind: str, municipalities: Sequence[str], low_threshold_cents: int
) -> FundView:
    """Open a fund for the caller's municipality; raises NotAllowed when it names another."""
    for code in municipalities:
        caller.must_be_of(code)
    fund = Fund(
        fund_id=tx.new_id(),
        name=name,
        kind=kind,
        low_threshold_cents=low_threshold_cents,
        municipalities=tuple(sorted(set(municipalities))),
        recorded_at=tx.now,
    )
    await store.add_fund(tx, fund)
    await open_fund_accounts(tx, fund.fund_id)
    return FundView(fund, FundFigures())


async def fund_for(reading: ReadTx, caller: Caller, fund_id: str) -> Fund:
    """The fund, for its own token and for the back office of one of its municipalities; raises NotFound."""
    fund = (await store.funds(reading, [fund_id])).get(fund_id)
    if fund is None or not _may_see(caller, fund):
        raise NotFound("there is no such fund")
    return fund


async def view(reading: ReadTx, caller: Caller, fund_id: str) -> FundView:
    """The fund with the figures that the caller may see.

    A back office sees them live. A fund sees what it gave live, and each other figure as it was after the
    last close at which it could move without telling of fewer than ten people (anonymity.py); available
    follows from these. Raises NotFound.
    """
    fund = await fund_for(reading, caller, fund_id)
    live = (await fund_figures(reading, [fund_id]))[fund_id]
    if caller.role is not Role.FUND:
        return FundView(fund, live)
    seen, month = await last_snapshot(reading, fund_id)
    available = live.donated_cents - seen.committed_cents + seen.returned_cents
    return FundView(fund, replace(seen, donated_cents=live.donated_cents, available_cents=available), month)


async def views(reading: ReadTx, caller: Caller) -> list[FundView]:
    """All funds of the caller's municipality, live."""
    fund_ids = await store.fund_ids_of(reading, caller.of_municipality)
    figures = await fund_figures(reading, fund_ids)
    known = await store.funds(reading, fund_ids)
    return [FundView(known[fund_id], figures[fund_id]) for fund_id in fund_ids]


async def donate(
    tx: Tx, caller: Caller, fund_id: str, amount_cents: Cents, value_date: date, reference: str | None
) -> str:
    """Book money that came in; returns the donation's id. Raises NotFound, and Invalid when all donations of
    the fund together would be more than any amount that is told of it can carry."""
    fund = await fund_for(tx, caller, fund_id)
    donation_id, transaction_id = tx.new_id(), tx.new_id()
    transaction = donation(fund_id, amount_cents, Month.of(value_date), reason="DONATION")
    await book(tx, [Entry(transaction_id=transaction_id, transaction=transaction, fund_id=fund_id)])
    donated = (await fund_figures(tx, [fund_id]))[fund_id].donated_cents
    if donated > CENTS_MAX:
        detail = f"with it this fund would have got {donated} cents of at most {CENTS_MAX}"
        raise Invalid([Fault("L015", "/amountCents", detail)])
    row = {
        "donation_id": donation_id,
        "fund_id": fund_id,
        "amount_cents": amount_cents,
        "value_date": value_date,
        "donor_reference": reference,
        "transaction_id": transaction_id,
        "recorded_at": tx.now,
    }
    await tx.execute(insert(DONATION), [row])
    tx.emit(
        DonationReceived(
            municipality=fund.municipalities[0],
            fund_id=fund_id,
            donation_id=donation_id,
            amount_cents=amount_cents,
            value_date=value_date,
        )
    )
    return donation_id


# ---- schemes ---------------------------------------------------------------------------------------------


async def put_scheme(
    tx: Tx,
    caller: Caller,
    scheme_id: str,
    *,
    fund_id: str,
    municipality: str,
    policy: Policy,
    named: Collection[str],
    given: Mapping[str, Any],
    valid_from: Month,
    valid_to: Month | None,
    law: Law,
) -> tuple[Scheme, bool]:
    """Set up a scheme; says whether it is new. The same again changes nothing.

    Once people are enrolled only its last month can change: they joined under this policy, and a settled
    month must stay what it was. `named` holds the fields of the policy that were written down: the others of
    a statutory fund take the defaults of its article. Raises NotAllowed, NotFound, Conflict, and Invalid for
    what a statutory policy may not say.
    """
    caller.must_be_of(municipality)
    fund = await fund_for(tx, caller, fund_id)
    if municipality not in fund.municipalities:
        raise NotAllowed(f"fund {fund_id} does not pay people of municipality {municipality}")
    if fund.kind == "STATUTORY":
        policy = with_statutory_defaults(policy, named)
        given = {**given, **_as_given(policy)}
        if faults := faults_of(policy, law):
            raise Invalid(faults)
    known = await store.scheme(tx, scheme_id, lock=True)
    wanted = Scheme(scheme_id, municipality, fund_id, 1, policy, given, valid_from, valid_to)
    if known is None:
        await store.put_scheme(tx, wanted, new_version=True)
        return wanted, True
    caller.must_see(known.municipality, "scheme")
    same_policy = (known.policy, known.given) == (policy, given)
    wanted = replace(wanted, policy_version=known.policy_version + (0 if same_policy else 1))
    if wanted == known:
        return known, False
    last_first = await store.last_first_month(tx, scheme_id)
    if last_first is not None:
        _only_the_end_moved(known, wanted, last_first)
    await store.put_scheme(tx, wanted, new_version=not same_policy)
    return wanted, False


async def scheme_for(reading: ReadTx, caller: Caller, scheme_id: str, *, lock: bool = False) -> Scheme:
    """The scheme, for its own municipality; raises NotFound."""
    known = await store.scheme(reading, scheme_id, lock=lock)
    if known is None:
        raise NotFound("there is no such scheme")
    caller.must_see(known.municipality, "scheme")
    return known


def _as_given(policy: Policy) -> dict[str, Any]:
    """The members of a statutory policy as its scheme shows them."""
    return {
        "approval": policy.approval,
        "triggerSource": policy.trigger_source,
        "period": policy.period,
        "yearAttribution": policy.year_attribution,
        "expiry": policy.expiry,
        "lateWindowDays": policy.late_window_days,
        "onNegativeCorrection": policy.on_negative_correction,
        "replenish": policy.replenish,
        "giftGuard": policy.gift_guard,
    }


def _only_the_end_moved(known: Scheme, wanted: Scheme, last_first: Month) -> None:
    if replace(wanted, valid_to=known.valid_to) != known:
        raise Conflict(
            "people are enrolled in this scheme: its fund, first month and policy stay as they are; "
            "set up a new scheme for the new policy and enrol new people in it"
        )
    if wanted.valid_to is not None and wanted.valid_to < last_first:
        raise Conflict(f"an enrolment in this scheme begins in {last_first}: it cannot end before that month")


# ---- what is told of a fund ------------------------------------------------------------------------------


def tell_if_low(tx: Tx, fund: Fund, before_cents: int, after_cents: int) -> None:
    """Tell once that free capital fell below the fund's threshold."""
    if before_cents >= fund.low_threshold_cents > after_cents:
        low = FundLow(
            municipality=fund.municipalities[0],
            fund_id=fund.fund_id,
            available_cents=Cents(after_cents),
            threshold_cents=Cents(fund.low_threshold_cents),
        )
        tx.emit(low)


async def tell_returned(tx: Tx, came_back: Mapping[str, int]) -> None:
    """Tell which funds got capital back, in one sum each, so that no single person shows."""
    amounts = {fund_id: cents for fund_id, cents in came_back.items() if cents > 0}
    known = await store.funds(tx, list(amounts))
    figures = await fund_figures(tx, list(amounts))
    for fund_id, cents in sorted(amounts.items()):
        tx.emit(
            CapitalReturned(
                municipality=known[fund_id].municipalities[0],
                fund_id=fund_id,
                amount_cents=Cents(cents),
                available_cents=Cents(figures[fund_id].available_cents),
            )
        )


def _may_see(caller: Caller, fund: Fund) -> bool:
    if caller.role is Role.FUND:
        return caller.fund == fund.fund_id
    return caller.municipality in fund.municipalities
