"""Double entry: each act makes its one move, and the checks see what breaks."""

from typing import Any, get_args

import pytest

from buffer_ledger.bookkeeping import (
    CHART,
    CHART_VERSION,
    Account,
    Transaction,
    TransactionKind,
    Transfer,
    UnknownAccount,
    balances_of,
    bank,
    buffer,
    check_balances,
    check_draws,
    check_fund,
    check_limits,
    check_sum,
    check_used,
    claim_settled,
    commitment,
    donation,
    draw,
    execution,
    expiry,
    fund_free,
    payable,
    rebooking,
    repayment,
    returned,
    reversal,
)
from shared.money import Cents
from tests.ledger_facts import JANUARY, month

FUND, PERSON = "fund-1", "enrolment-1"
FEBRUARY = month("2026-02")


def transfers_of(*transactions: Transaction) -> list[Transfer]:
    return [transfer for transaction in transactions for transfer in transaction.transfers]


def test_a_year_of_a_buffer_moves_from_donor_to_person_and_back_to_the_fund() -> None:
    made = (
        donation(FUND, Cents(150_000), JANUARY, reason="DONATION"),
        commitment(FUND, PERSON, Cents(100_000), JANUARY),
        draw(FUND, PERSON, Cents(46_820), FEBRUARY, reason="SHORTFALL", evidence=["slip-1"]),
        execution(FUND, Cents(46_820), FEBRUARY, payment_order_id="order-1"),
        expiry(FUND, PERSON, Cents(53_180), month("2026-12")),
    )
    balances = balances_of(transfers_of(*made))

    assert balances == {
        bank(FUND): -103_180,
        fund_free(FUND): 103_180,
        buffer(PERSON): 0,
        payable(FUND): 0,
    }
    assert check_sum(balances) == ()
    assert check_limits(balances, {buffer(PERSON): 100_000}) == ()


def test_a_reversal_gives_the_buffer_back_what_it_gave_and_points_to_the_first() -> None:
    first = draw(FUND, PERSON, Cents(46_820), FEBRUARY, reason="SHORTFALL", evidence=["slip-1"])
    undone = reversal("transaction-1", first, reason="CORRECTION")

    assert undone.reverses == "transaction-1"
    assert undone.effective_month == FEBRUARY
    assert set(balances_of(transfers_of(first, undone)).values()) == {0}


def test_only_a_draw_can_be_undone() -> None:
    with pytest.raises(ValueError, match="only a draw"):
        reversal("transaction-1", commitment(FUND, PERSON, Cents(1), JANUARY), reason="CORRECTION")


@pytest.mark.parametrize(
    ("before", "after", "kinds"),
    [
        (None, 0, []),
        (None, 300, ["DRAW"]),
        (300, 300, []),
        (300, 500, ["REVERSAL", "DRAW"]),
        (300, 100, ["REVERSAL", "DRAW"]),
        (300, 0, ["REVERSAL"]),
    ],
)
def test_rebooking_leaves_one_draw_of_the_new_total(before: int | None, after: int, kinds: list[str]) -> None:
    standing = None if before is None else draw(FUND, PERSON, Cents(before), FEBRUARY, reason="SHORTFALL")
    previous = None if standing is None else ("transaction-1", standing)

    made = rebooking(previous, FUND, PERSON, Cents(after), FEBRUARY, reason="SHORTFALL", evidence=["slip-2"])

    assert [transaction.kind for transaction in made] == kinds
    everything = transfers_of(*([] if standing is None else [standing]), *made)
    assert balances_of(everything).get(payable(FUND), 0) == after


def test_a_refused_enrolment_gives_its_cap_back() -> None:
    made = (
        commitment(FUND, PERSON, Cents(100_000), JANUARY),
        returned(FUND, PERSON, Cents(100_000), JANUARY, reason="MUNICIPALITY_MISMATCH"),
    )

    assert balances_of(transfers_of(*made)) == {fund_free(FUND): 0, buffer(PERSON): 0}


def test_what_a_revolving_buffer_takes_back_can_be_drawn_again() -> None:
    made = (
        commitment(FUND, PERSON, Cents(100_000), JANUARY),
        draw(FUND, PERSON, Cents(46_820), FEBRUARY, reason="SHORTFALL"),
        repayment(FUND, PERSON, Cents(46_820), month("2026-03")),
    )
    balances = balances_of(transfers_of(*made))

    assert balances[buffer(PERSON)] == 100_000
    assert check_sum(balances) == ()


@pytest.mark.parametrize("amount", [0, -1])
def test_a_transfer_moves_an_amount_above_nil(amount: int) -> None:
    with pytest.raises(ValueError, match="above nil"):
        Transfer(bank(FUND), fund_free(FUND), Cents(amount))


def test_a_transfer_moves_between_two_accounts() -> None:
    with pytest.raises(ValueError, match="two accounts"):
        Transfer(bank(FUND), bank(FUND), Cents(1))


@pytest.mark.parametrize("key", ["loan:fund-1", "buffer:", "buffer", "", ":x"])
def test_an_account_outside_the_chart_is_refused(key: str) -> None:
    with pytest.raises(UnknownAccount):
        Account.parse(key)


def test_an_account_reads_back_from_its_key() -> None:
    for kind in CHART:
        account = Account(kind, "a:b")
        assert Account.parse(account.key) == account


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"kind": "GIFT"}, "no transaction of kind"),
        ({"kind": "DONATION"}, "moves from bank to fund-free"),
        ({"transfers": ()}, "at least one transfer"),
        ({"reverses": "transaction-1"}, "nothing else does"),
        (
            {"kind": "REVERSAL", "transfers": (Transfer(payable(FUND), buffer(PERSON), Cents(1)),)},
            "names the",
        ),
        ({"reason": ""}, "has a cause"),
    ],
)
def test_a_transaction_makes_only_the_move_of_its_kind(wrong: dict[str, Any], fault: str) -> None:
    right: dict[str, Any] = {
        "kind": "DRAW",
        "reason": "SHORTFALL",
        "effective_month": JANUARY,
        "transfers": (Transfer(buffer(PERSON), payable(FUND), Cents(1)),),
    }

    assert Transaction(**right).amount_cents == 1
    with pytest.raises((ValueError, UnknownAccount), match=fault):
        Transaction(**(right | wrong))


def test_the_checks_name_what_does_not_hold() -> None:
    move = Transfer(fund_free(FUND), buffer(PERSON), Cents(100))

    assert check_sum({bank(FUND): -100, fund_free(FUND): 99}) == (
        "all balances add up to -1 cents instead of 0",
    )
    assert check_balances({fund_free(FUND): -100, buffer(PERSON): 100}, [move]) == ()
    assert check_balances({buffer(PERSON): 99}, [move]) == (
        "buffer:enrolment-1 is recorded as 99 cents and its transfers add up to 100",
    )
    assert check_balances({buffer("other"): 1}, [move])
    assert check_limits({bank(FUND): -100, buffer(PERSON): -1}, {}) == (
        "buffer:enrolment-1 is at -1 cents, below nil",
    )
    assert check_limits({buffer(PERSON): 101}, {buffer(PERSON): 100}) == (
        "buffer:enrolment-1 is at 101 cents, above its cap of 100",
    )


def test_of_a_buffer_no_more_than_its_cap_is_used() -> None:
    assert check_used(100, draws_cents=150, reversals_cents=30, repayments_cents=20) == ()
    assert check_used(100, draws_cents=101) == ("101 cents are used of a cap of 100",)
    assert check_used(100, draws_cents=10, reversals_cents=11) == ("-1 cents are used of a cap of 100",)


def test_a_months_draws_together_are_no_more_than_its_rule_gives() -> None:
    first = draw(FUND, PERSON, Cents(300), FEBRUARY, reason="SHORTFALL")
    again = draw(FUND, PERSON, Cents(200), FEBRUARY, reason="SHORTFALL")
    undone = reversal("transaction-1", first, reason="CORRECTION")

    assert check_draws([first, undone, again], {FEBRUARY: 200}) == ()
    assert check_draws([first, again], {FEBRUARY: 300}) == (
        "2026-02 drew 500 cents where its rule gives 300",
    )
    assert check_draws([first], {}) == ("2026-02 drew 300 cents where its rule gives 0",)


def test_a_funds_free_money_follows_from_donations_and_buffers() -> None:
    amounts = {"donated_cents": 350, "committed_cents": 100, "returned_cents": 40}

    assert check_fund(available_cents=290, **amounts) == ()
    assert check_fund(available_cents=291, **amounts) == (
        "291 cents are free where donations and buffers leave 290",
    )


def test_the_chart_says_who_owns_an_account_and_which_ones_carry_a_balance() -> None:
    """Only a limited account has a row to lock: were the bank one, every donation would wait for it."""
    told = {kind: (rule.owner, rule.limited) for kind, rule in CHART.items()}
    assert told == {
        "bank": ("FUND", False),
        "fund-free": ("FUND", True),
        "buffer": ("ENROLMENT", True),
        "payable": ("FUND", False),
    }


def test_the_chart_has_the_version_that_its_kinds_belong_to() -> None:
    """A kind that is added counts it up: transactions say by which chart they were booked."""
    assert CHART_VERSION == 2
    assert set(get_args(TransactionKind)) == {
        "DONATION",
        "COMMITMENT",
        "DRAW",
        "CLAIM",
        "REVERSAL",
        "EXECUTION",
        "REPAYMENT",
        "RETURN",
        "EXPIRY",
    }


def test_a_settled_claim_moves_from_the_buffer_to_what_is_payable() -> None:
    made = claim_settled("fund", "person", Cents(5), JANUARY)
    assert (made.kind, made.reason, made.evidence) == ("CLAIM", "CLAIM_SETTLED", ("exit:person",))
    assert made.transfers == (Transfer(buffer("person"), payable("fund"), Cents(5)),)
