"""A fund's books as a beancount file, so that a program of others adds them up again.

Beancount's accounts carry debits as positive: what the bank holds is an asset, what is promised to people and
to payees is a liability. A date there is one day; the books' is the Amsterdam day of recording, and the
effective month is written beside it. The file ends with a balance for each account, which `bean-check` holds
against its own sums.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from buffer_ledger.bookkeeping import Account, AccountKind
from shared.months import amsterdam_date

_PLACES: Mapping[AccountKind, str] = {
    "bank": "Assets:Bank",
    "fund-free": "Liabilities:Free",
    "buffer": "Liabilities:Buffer",
    "payable": "Liabilities:Payable",
}
"""Where each kind of account of the chart stands in beancount."""


def beancount_lines(export: Iterable[str]) -> Iterator[str]:
    """The lines of a beancount file of an export. Expects an export that `verify` found sound."""
    told = [json.loads(line) for line in export]
    accounts = [line["account"] for line in told if line["line"] == "ACCOUNT"]
    booked = [line["transaction"] for line in told if line["line"] == "TRANSACTION"]
    days = [_day(transaction) for transaction in booked]
    yield f'option "title" "Books of fund {told[0]["fundId"]}"'
    yield 'option "operating_currency" "EUR"'
    yield ""
    if not days:
        return
    for account in accounts:
        yield f"{min(days)} open {_name(account)} EUR"
    balances = dict.fromkeys(accounts, 0)
    for day, transaction in sorted(zip(days, booked, strict=True), key=lambda pair: pair[0]):
        yield ""
        yield from _transaction(day, transaction)
        for moved in transaction["transfers"]:
            balances[moved["debit"]] += moved["amountCents"]
            balances[moved["credit"]] -= moved["amountCents"]
    yield ""
    for account, cents in balances.items():
        yield f"{max(days) + timedelta(days=1)} balance {_name(account)}  {_euros(cents)} EUR"


def _transaction(day: date, transaction: Mapping[str, Any]) -> Iterator[str]:
    yield f'{day} * "{transaction["kind"]}" "{transaction["reason"]}"'
    yield f'  transaction: "{transaction["transactionId"]}"'
    yield f'  effective: "{transaction["effectiveMonth"]}"'
    if transaction["reverses"] is not None:
        yield f'  reverses: "{transaction["reverses"]}"'
    for moved in transaction["transfers"]:
        yield f"  {_name(moved['debit'])}  {_euros(moved['amountCents'])} EUR"
        yield f"  {_name(moved['credit'])}  {_euros(-moved['amountCents'])} EUR"


def _day(transaction: Mapping[str, Any]) -> date:
    return amsterdam_date(datetime.fromisoformat(transaction["recordedAt"]))


def _name(key: str) -> str:
    account = Account.parse(key)
    return f"{_PLACES[account.kind]}:N-{account.owner}"


def _euros(cents: int) -> str:
    """Whole cents as euros, exactly: -5 is -0.05."""
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole}.{rest:02}"
