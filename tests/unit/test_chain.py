"""A chain of links, and an export of books that is verified by itself: every kind of tampering is found."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buffer_ledger.beancount_text import beancount_lines
from buffer_ledger.bookkeeping import Account, Transaction, commitment, donation, draw, execution, reversal
from buffer_ledger.books_check import Verdict, verify
from buffer_ledger.chain import FIRST, canonical, link_hash
from shared.money import Cents
from shared.months import Month

FUND = "f0000000-0000-4000-8000-000000000001"
PERSON = "e0000000-0000-4000-8000-000000000001"
JANUARY = Month(2026, 1)
Line = dict[str, Any]


class Books:
    """Books in memory, written out as the ledger writes them."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.standing: dict[str, tuple[int, int]] = {}
        self.head = FIRST
        self.sealed = 0

    def book(self, transaction: Transaction, *, enrolment: str | None = PERSON, seal: bool = True) -> str:
        transaction_id = f"a0000000-0000-4000-8000-{len(self.lines):012}"
        content = {
            "transactionId": transaction_id,
            "chartVersion": 1,
            "kind": transaction.kind,
            "reason": transaction.reason,
            "fundId": FUND,
            "enrolmentId": enrolment,
            "effectiveMonth": str(transaction.effective_month),
            "policyVersion": None,
            "evidence": list(transaction.evidence),
            "receiptRevision": None,
            "receiptHash": None,
            "reverses": transaction.reverses,
            "recordedAt": "2026-02-28T23:30:00.000000Z",
            "transfers": [
                self._move(position, moved) for position, moved in enumerate(transaction.transfers)
            ],
        }
        line: Line = {"line": "TRANSACTION", "number": None, "hash": None, "transaction": content}
        if seal:
            self.sealed += 1
            self.head = link_hash(self.head, FUND, self.sealed, content)
            line |= {"number": self.sealed, "hash": self.head}
        self.lines.append(line)
        return transaction_id

    def _move(self, position: int, moved: Any) -> Line:
        told: Line = {
            "position": position,
            "debit": moved.debit.key,
            "credit": moved.credit.key,
            "amountCents": moved.amount_cents,
        }
        for side, account, sign in (("debit", moved.debit, -1), ("credit", moved.credit, 1)):
            version, balance = self.standing.get(account.key, (0, 0))
            self.standing[account.key] = (version + 1, balance + sign * moved.amount_cents)
            after = self.standing[account.key] if account.limited else (None, None)
            told |= {f"{side}Version": after[0], f"{side}BalanceAfter": after[1]}
        return told

    def export(self) -> list[Line]:
        accounts = [f"bank:{FUND}", f"fund-free:{FUND}", f"payable:{FUND}", f"buffer:{PERSON}"]
        listed = []
        for key in accounts:
            version, balance = self.standing.get(key, (0, 0))
            limited = Account.parse(key).limited
            listed.append(
                {
                    "line": "ACCOUNT",
                    "account": key,
                    "balanceCents": balance if limited else None,
                    "capCents": 100_000 if key.startswith("buffer") else None,
                    "version": version if limited else None,
                }
            )
        waiting = len(self.lines) - self.sealed
        end = {"line": "END", "sealed": self.sealed, "waiting": waiting, "head": self.head}
        return [{"line": "BOOKS", "format": 1, "fundId": FUND}, *listed, *self.lines, end]


@pytest.fixture
def books() -> Books:
    """A donation, a commitment, a draw that was corrected and paid, and a last one that waits for its
    seal."""
    made = Books()
    made.book(donation(FUND, Cents(500_000), JANUARY, reason="DONATION"), enrolment=None)
    made.book(commitment(FUND, PERSON, Cents(100_000), JANUARY))
    first = draw(FUND, PERSON, Cents(46_820), JANUARY, reason="SHORTFALL", evidence=["slip-1"])
    first_id = made.book(first)
    made.book(reversal(first_id, first, reason="CORRECTION"))
    made.book(draw(FUND, PERSON, Cents(41_820), JANUARY, reason="SHORTFALL", evidence=["slip-2"]))
    made.book(execution(FUND, Cents(41_820), JANUARY, payment_order_id="order-1"))
    made.book(
        draw(FUND, PERSON, Cents(5), JANUARY.plus(1), reason="SHORTFALL", evidence=["slip-3"]), seal=False
    )
    return made


def _verified(export: Sequence[Line], head: str | None = None) -> Verdict:
    return verify([json.dumps(line) for line in export], expected_head=head)


def test_sound_books_are_sound_and_add_up(books: Books) -> None:
    verdict = _verified(books.export())
    assert verdict.faults == ()
    assert (verdict.fund_id, verdict.sealed, verdict.waiting, verdict.head) == (FUND, 6, 1, books.head)
    assert verdict.balances == {
        f"bank:{FUND}": -458_180,
        f"buffer:{PERSON}": 58_175,
        f"fund-free:{FUND}": 400_000,
        f"payable:{FUND}": 5,
    }


FIRST_LINK = 5
"""The line of the first transaction in the export above; the line of the last sealed one is 10."""


def _change_amount(export: list[Line]) -> None:
    export[FIRST_LINK + 4]["transaction"]["transfers"][0]["amountCents"] += 1


def _change_reason(export: list[Line]) -> None:
    export[FIRST_LINK + 2]["transaction"]["reason"] = "OFFSET"


def _change_time(export: list[Line]) -> None:
    export[FIRST_LINK]["transaction"]["recordedAt"] = "2026-02-28T23:30:00.000001Z"


def _change_receipt(export: list[Line]) -> None:
    export[FIRST_LINK + 4]["transaction"]["receiptHash"] = "0" * 64


def _change_hash(export: list[Line]) -> None:
    export[FIRST_LINK + 3]["hash"] = "f" * 64


def _remove_first(export: list[Line]) -> None:
    del export[FIRST_LINK]


def _remove_middle(export: list[Line]) -> None:
    del export[FIRST_LINK + 3]


def _remove_last_sealed(export: list[Line]) -> None:
    del export[FIRST_LINK + 5]


def _insert_copy(export: list[Line]) -> None:
    export.insert(FIRST_LINK + 4, export[FIRST_LINK + 2])


def _swap(export: list[Line]) -> None:
    at = FIRST_LINK + 3
    export[at], export[at + 1] = export[at + 1], export[at]


def _swap_and_renumber(export: list[Line]) -> None:
    _swap(export)
    at = FIRST_LINK + 3
    export[at]["number"], export[at + 1]["number"] = export[at + 1]["number"], export[at]["number"]


def _other_fund(export: list[Line]) -> None:
    export[0]["fundId"] = "f0000000-0000-4000-8000-000000000002"


def _cut_off_end(export: list[Line]) -> None:
    del export[-1]


def _no_books(export: list[Line]) -> None:
    del export[0]


def _more_behind(export: list[Line]) -> None:
    export.append(export[-1])


def _hide_account(export: list[Line]) -> None:
    del export[4]


def _list_more(export: list[Line]) -> None:
    export[4]["balanceCents"] += 1


def _unknown_line(export: list[Line]) -> None:
    export.insert(2, {"line": "NOTE"})


def _no_line(export: list[Line]) -> None:
    export.insert(2, {})


TAMPERING: tuple[Callable[[list[Line]], None], ...] = (
    _change_amount,
    _change_reason,
    _change_time,
    _change_receipt,
    _change_hash,
    _remove_first,
    _remove_middle,
    _remove_last_sealed,
    _insert_copy,
    _swap,
    _swap_and_renumber,
    _other_fund,
    _cut_off_end,
    _no_books,
    _more_behind,
    _hide_account,
    _list_more,
    _unknown_line,
    _no_line,
)


@pytest.mark.parametrize("tamper", TAMPERING, ids=lambda tamper: str(tamper.__name__).strip("_"))
def test_every_kind_of_tampering_is_found(books: Books, tamper: Callable[[list[Line]], None]) -> None:
    export = json.loads(json.dumps(books.export()))
    tamper(export)
    assert _verified(export).faults


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_member_of_a_sealed_transaction_can_be_changed_unseen(data: st.DataObject) -> None:
    made = Books()
    made.book(donation(FUND, Cents(500_000), JANUARY, reason="DONATION"), enrolment=None)
    made.book(commitment(FUND, PERSON, Cents(100_000), JANUARY))
    export = json.loads(json.dumps(made.export()))
    content = export[FIRST_LINK + data.draw(st.integers(0, 1))]["transaction"]
    if data.draw(st.booleans()):
        content = content["transfers"][0]
    member = data.draw(st.sampled_from(sorted(content)))
    was = content[member]
    content[member] = data.draw(
        st.one_of(st.none(), st.integers(-5, 5), st.text(max_size=3), st.just([]), st.just({})).filter(
            lambda value: value != was or type(value) is not type(was)
        )
    )
    assert _verified(export).faults


def _reseal(export: list[Line]) -> None:
    """What an intruder with the program can do: make every link and the end anew."""
    head, number = FIRST, 0
    for line in export:
        if line["line"] == "TRANSACTION" and line["number"] is not None:
            number += 1
            head = link_hash(head, FUND, number, line["transaction"])
            line |= {"number": number, "hash": head}
    export[-1] |= {"sealed": number, "head": head}


@pytest.mark.parametrize("tamper", [_change_reason, _change_time, _remove_last_sealed])
def test_a_chain_made_anew_is_found_by_a_head_that_was_kept(
    books: Books, tamper: Callable[[list[Line]], None]
) -> None:
    """These changes keep the books' arithmetic; only a hash kept outside tells the two pasts apart."""
    kept = books.head
    export = json.loads(json.dumps(books.export()))
    tamper(export)
    _reseal(export)
    found = _verified(export, kept).faults
    assert found[-1].startswith(f"the hash {kept} is not in this chain")


def test_a_head_that_was_kept_of_an_earlier_day_is_in_a_later_chain(books: Books) -> None:
    kept = books.export()[FIRST_LINK + 3]["hash"]
    assert _verified(books.export(), kept).faults == ()


def _rebooked(change: Callable[[list[Line]], None]) -> tuple[str, ...]:
    """The faults of books whose chain was made to fit the change: what is left to find is in the rules."""
    made = Books()
    made.book(donation(FUND, Cents(500_000), JANUARY, reason="DONATION"), enrolment=None)
    made.book(commitment(FUND, PERSON, Cents(100_000), JANUARY))
    first = draw(FUND, PERSON, Cents(46_820), JANUARY, reason="SHORTFALL", evidence=["slip-1"])
    made.book(reversal(made.book(first), first, reason="CORRECTION"))
    export = json.loads(json.dumps(made.export()))
    change(export)
    _reseal(export)
    return _verified(export).faults


def _of(export: list[Line], link: int) -> Line:
    content: Line = export[FIRST_LINK + link]["transaction"]
    return content


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda e: _of(e, 2).update(evidence=[]), "is a draw without evidence"),
        (lambda e: _of(e, 2).update(reason=""), "a draw has a cause"),
        (lambda e: _of(e, 2).update(kind="GIFT"), "there is no transaction of kind 'GIFT'"),
        (lambda e: _of(e, 2).update(kind="REPAYMENT"), "a REPAYMENT moves from bank to buffer"),
        (lambda e: _of(e, 2).update(fundId=PERSON), "belongs to the books of fund"),
        (lambda e: _of(e, 2).update(transactionId=_of(e, 1)["transactionId"]), "was booked before"),
        (lambda e: _of(e, 3).update(reverses=PERSON), "which is not booked before it"),
        (lambda e: _of(e, 3).update(reverses=_of(e, 1)["transactionId"]), "is not what it reverses"),
        (lambda e: _of(e, 3).update(enrolmentId=None), "is not what it reverses"),
        (lambda e: _of(e, 3).update(effectiveMonth="2026-02"), "is not what it reverses"),
        (lambda e: _of(e, 2)["transfers"][0].update(amountCents=0), "a transfer moves an amount above nil"),
        (lambda e: _of(e, 2)["transfers"][0].update(debitVersion=3), "would be at version 3"),
        (lambda e: _of(e, 2)["transfers"][0].update(debitBalanceAfter=1), "with 1 cents; its transfers"),
        (lambda e: _of(e, 2)["transfers"][0].update(position=1), "its transfers are numbered [1]"),
        (lambda e: e[4].update(capCents=99_999), "outside nil and its cap of 99999"),
        (lambda e: e.__delitem__(slice(FIRST_LINK + 1, FIRST_LINK + 2)), "stands at -46820 cents"),
        (lambda e: e.insert(FIRST_LINK + 4, e[FIRST_LINK + 3]), "a second time"),
        (lambda e: e[4].update(account=f"buffer:{FUND}"), "is not among the accounts of these books"),
        (lambda e: e[0].update(format=2), "is of format 2; this program reads 1"),
    ],
)
def test_books_that_break_a_rule_are_found_even_when_their_chain_fits(
    change: Callable[[list[Line]], None], told: str
) -> None:
    assert any(told in fault for fault in _rebooked(change)), _rebooked(change)


def test_more_paid_than_drawn_is_found() -> None:
    made = Books()
    made.book(execution(FUND, Cents(5), JANUARY, payment_order_id="order-1"))
    assert any("5 cents more were paid than drawn" in fault for fault in _verified(made.export()).faults)


def test_many_faults_are_counted_and_the_first_are_told(books: Books) -> None:
    export = books.export()
    export[1:1] = [{} for _ in range(70)]
    assert len(_verified(export).faults) == 51
    assert _verified(export).faults[-1] == "and 20 more"


def test_nothing_at_all_is_no_sound_export() -> None:
    assert verify([]).faults == ("line 0: the export stops before its end",)
    for text in ("no json", "[1]", '{"line":"ACCOUNT","account":"bank:x","balanceCents":1.0}', "[" * 100_000):
        assert verify([text]).faults[0] == "line 1: is no JSON object"


def test_members_of_any_type_are_faults_and_never_an_accident(books: Books) -> None:
    anything: tuple[Any, ...] = (None, [], {}, "x", True, float("nan"))
    for wrong in anything:
        for line, member in (
            (4, "capCents"),
            (4, "balanceCents"),
            (4, "account"),
            (FIRST_LINK, "transaction"),
        ):
            export = json.loads(json.dumps(books.export()))
            export[line][member] = wrong
            assert _verified(export).faults, (line, member, wrong)


def test_equal_content_has_one_spelling_and_a_float_has_none() -> None:
    assert canonical({"b": [1, None], "a": "é"}) == canonical({"a": "é", "b": [1, None]})
    assert canonical({"a": "é"}) == b'{"a":"\xc3\xa9"}'
    for content in ({"a": 1.0}, {"a": [{"b": 1.5}]}):
        with pytest.raises(ValueError, match="a float has no one spelling"):
            canonical(content)


def test_a_hash_covers_the_place_the_fund_and_what_stands_before() -> None:
    made = link_hash(FIRST, FUND, 1, {"a": 1})
    others = {
        link_hash("1" * 64, FUND, 1, {"a": 1}),
        link_hash(FIRST, PERSON, 1, {"a": 1}),
        link_hash(FIRST, FUND, 2, {"a": 1}),
        link_hash(FIRST, FUND, 1, {"a": 2}),
    }
    assert len(others | {made}) == 5


def test_beancount_gets_every_posting_with_the_bank_as_an_asset(books: Books) -> None:
    text = "\n".join(beancount_lines(json.dumps(line) for line in books.export()))
    assert f"2026-03-01 open Assets:Bank:N-{FUND} EUR" in text
    assert f"  Assets:Bank:N-{FUND}  5000.00 EUR\n  Liabilities:Free:N-{FUND}  -5000.00 EUR" in text
    assert f"2026-03-02 balance Liabilities:Payable:N-{FUND}  -0.05 EUR" in text
    assert text.count(' * "') == 7


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "buffer_ledger.books_file", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_verifier_says_sound_or_what_is_wrong_and_loads_no_database(books: Books, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.ndjson", tmp_path / "bad.ndjson"
    export = [json.dumps(line) + "\n" for line in books.export()]
    good.write_text("".join(export), encoding="utf-8")
    bad.write_text("".join(export[:-3] + export[-2:]), encoding="utf-8")
    sound, wrong, kept = (
        _run("verify", str(good), ""),
        _run("verify", str(bad)),
        _run("verify", str(good), "0b"),
    )
    assert (sound.returncode, wrong.returncode, kept.returncode) == (0, 1, 1)
    assert (
        sound.stdout
        == f"Sound: the books of fund {FUND} (6 transactions sealed, 1 waiting, head {books.head})\n"
    )
    assert wrong.stdout.splitlines()[-1].startswith(f"NOT SOUND: the books of fund {FUND}")
    assert _run("verify", str(tmp_path / "none")).returncode == _run("guess").returncode == 2
    assert (_run("beancount", str(good)).returncode, _run("beancount", str(bad)).returncode) == (0, 1)
    loaded = subprocess.run(
        [sys.executable, "-c", "import buffer_ledger.books_file, sys; print('sqlalchemy' in sys.modules)"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert loaded.stdout == "False\n"
