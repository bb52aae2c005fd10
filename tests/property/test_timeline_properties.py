"""What holds for every history of a person, however the facts came in."""

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buffer_ledger.attribution import OffsetMethod, base_months, current
from buffer_ledger.bookkeeping import Transfer, balances_of, check_sum, check_used, rebooking
from buffer_ledger.earnings import affected_from, touched_rows
from buffer_ledger.norms import law_month
from buffer_ledger.timeline import Case, Exemption, MonthRow, MunicipalityRules, Part, SlipFact, run
from shared.law import Law, ParameterMissing
from shared.money import Cents
from shared.months import Month
from tests.ledger_facts import JANUARY, case, policy, slips_of

LAW = Law.load()
MONTHS = 6
EMPLOYERS = ("care", "shop")

amounts = st.one_of(
    st.integers(-60_000, 180_000),
    st.sampled_from([0, 87_638, 87_639, 105_925, 105_926, 217_547, 217_548, 130_263, -1, 1]),
)


@st.composite
def slips(draw: st.DrawFn) -> SlipFact:
    period = JANUARY.plus(draw(st.integers(-1, MONTHS)))
    employer = draw(st.sampled_from(EMPLOYERS))
    version = draw(st.integers(1, 3))
    pay_date: date | None = None
    if draw(st.booleans()):
        pay_date = period.last_day + timedelta(days=draw(st.integers(-40, 45)))
    parts = [Part("WAGE", Cents(draw(amounts)))]
    if draw(st.integers(0, 5)) == 0:
        parts.append(Part("HOLIDAY_PAY", Cents(draw(st.integers(-10_000, 90_000)))))
    key = f"{employer}/{period}"
    return SlipFact(
        wage_slip_id=f"{key}#{version}",
        slip_key=key,
        employer_key=employer,
        version=version,
        period_from=period.first_day,
        period_to=period.last_day,
        pay_date=pay_date,
        parts=tuple(parts),
        tax_credit_applied=draw(st.sampled_from([None, True, False])),
    )


def _one_content_per_version(made: Sequence[SlipFact]) -> tuple[SlipFact, ...]:
    return tuple({slip.wage_slip_id: slip for slip in made}.values())


histories = st.lists(slips(), max_size=14).map(_one_content_per_version)

methods: st.SearchStrategy[OffsetMethod] = st.sampled_from(["M0", "M1"])
rules = st.one_of(
    st.sampled_from([(MunicipalityRules(None, "M0"),), (MunicipalityRules(None, "M1"),)]),
    st.lists(st.tuples(st.integers(-1, MONTHS), methods), min_size=1, max_size=4).map(
        lambda steps: (
            MunicipalityRules(None, "M1"),
            *(MunicipalityRules(JANUARY.plus(step), method) for step, method in dict(steps).items()),
        )
    ),
)


@st.composite
def cases(draw: st.DrawFn, *, simulated: bool = False) -> Case:
    amount = draw(st.sampled_from(["TOPUP", "REPLACE"]))
    chosen = policy(
        draw_amount=amount,
        cap_cents=Cents(draw(st.sampled_from([100_000, 120_000, 30_000, 1]))),
        trigger=draw(st.sampled_from([(), ("SHORTFALL",), ("OFFSET",), ("SHORTFALL", "OFFSET")])),
        min_draw_cents=Cents(draw(st.sampled_from([0, 500, 5_000]))),
        max_draw_per_month_cents=draw(st.sampled_from([None, Cents(20_000)])),
        replenish="REVOLVE_FROM_SURPLUS" if simulated else "NONE",
    )
    exemption = draw(
        st.sampled_from([None, Exemption(Decimal("0.25"), Cents(28_500)), Exemption(Decimal("0.15"))])
    )
    first = draw(st.sampled_from([JANUARY, JANUARY, Month(2026, 9)]))
    return case(
        draw(histories),
        first=first,
        months=MONTHS,
        household=draw(st.sampled_from(["SINGLE", "SINGLE_PARENT", "COUPLE"])),
        rules=draw(rules),
        policy=chosen,
        exemption=exemption,
        expected_employers=draw(
            st.sampled_from([frozenset(), frozenset(EMPLOYERS[:1]), frozenset(EMPLOYERS)])
        ),
        zero_months=frozenset(draw(st.lists(st.sampled_from(list(Month.span(JANUARY, Month(2026, 6)))))))
        if not simulated
        else frozenset(),
        registered=draw(st.sampled_from([True, True, False])),
        parked=draw(st.sampled_from([False, False, True])),
        simulate=simulated,
    )


SETTINGS = settings(max_examples=int(os.environ.get("PROPERTY_EXAMPLES", "200")), deadline=None)


@SETTINGS
@given(known=cases(), data=st.data())
def test_slips_in_any_order_and_twice_give_the_same_rows(known: Case, data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(known.slips), max_size=5)) if known.slips else []
    shuffled = data.draw(st.permutations([*known.slips, *again]))

    assert run(replace(known, slips=tuple(shuffled)), LAW) == run(known, LAW)


@SETTINGS
@given(known=st.one_of(cases(), cases(simulated=True)))
def test_every_row_adds_up_and_stays_within_its_bounds(known: Case) -> None:
    used = 0
    for row in run(known, LAW):
        assert row.base_months == base_months(known.rules, row.month)
        _adds_up(row)
        _stays_within_bounds(row, known)
        used += row.draw_cents - row.repayment_cents
        assert check_used(known.cap_cents, draws_cents=used) == ()
        assert row.balance_cents == known.cap_cents - used


def _adds_up(row: MonthRow) -> None:
    assert row.cash_cents == row.wage_cents + row.benefit_paid_cents + row.other_cash_cents
    assert row.cash_after_cents == row.cash_cents + row.draw_cents - row.repayment_cents
    assert row.shortfall_cents == max(0, row.floor_cents - row.cash_cents)
    assert row.offset_cents == row.floor_cents - row.benefit_paid_cents or "PARAMETER_MISSING" in row.held


def _stays_within_bounds(row: MonthRow, known: Case) -> None:
    assert 0 <= row.balance_cents <= known.cap_cents
    assert 0 <= row.draw_cents <= row.rule_cents
    assert row.rule_cents in (0, row.shortfall_cents, row.offset_cents)
    assert row.draw_cents == 0 or row.draw_cents >= known.policy.min_draw_cents
    assert (row.limit == "NONE") == (row.draw_cents == row.rule_cents)
    assert row.draw_cents == 0 or row.repayment_cents == 0
    assert row.counted_cents >= 0
    assert row.wage_cents >= 0
    assert row.exempt_cents >= 0
    if len(row.base_months) <= 1:
        assert row.exempt_cents <= max(0, row.attributed_wage_cents)
    benefit = row.benefit_paid_cents + row.holiday_reserve_cents
    assert row.benefit_paid_cents >= 0
    assert row.holiday_reserve_cents >= 0
    if "PARAMETER_MISSING" in row.held:
        assert (benefit, row.draw_cents, row.receipt) == (0, 0, ())
        return
    norm = law_month(LAW, row.month, known.households[0].kind).norm_cents
    assert benefit == max(0, norm - row.counted_cents) <= norm
    assert len(set(row.receipt)) == len(row.receipt)
    if len(row.base_months) <= 1:
        assert len({line.parameter for line in row.receipt}) == len(row.receipt)


@SETTINGS
@given(known=cases(), data=st.data())
def test_paid_months_stay_and_all_draws_together_never_pass_the_cap(known: Case, data: st.DataObject) -> None:
    before = run(known, LAW)
    settled = [row for row in before if not row.held]
    paid = data.draw(st.lists(st.sampled_from(settled), unique_by=lambda row: row.month)) if settled else []
    learned = replace(
        known,
        slips=_one_content_per_version([*known.slips, *data.draw(histories)]),
        paid={row.month: row for row in paid},
        parked=data.draw(st.booleans()),
    )

    after = run(learned, LAW)

    used = 0
    for row in after:
        used += row.draw_cents
        assert row.balance_cents == known.cap_cents - used
    frozen = {row.month: _but_balance(row) for row in after}
    for row in paid:
        assert frozen[row.month] == _but_balance(row)
    assert sum(row.draw_cents for row in after) <= known.cap_cents
    assert all(0 <= row.balance_cents <= known.cap_cents for row in after)
    assert all(0 <= row.draw_cents <= row.rule_cents for row in after)


@SETTINGS
@given(known=cases(), late=slips())
def test_no_row_before_the_first_touched_month_changes(known: Case, late: SlipFact) -> None:
    before = run(known, LAW)
    learned = _one_content_per_version([*known.slips, late])
    after = run(replace(known, slips=learned), LAW)
    first = affected_from(late, known.rules, _counting_until_now(known, late))

    for old, new in zip(before, after, strict=True):
        if old.month < first:
            assert new == old


@SETTINGS
@given(known=cases(), late=slips())
def test_a_row_that_a_slip_does_not_touch_changes_through_the_balance_alone(
    known: Case, late: SlipFact
) -> None:
    before = run(known, LAW)
    learned = _one_content_per_version([*known.slips, late])
    after = run(replace(known, slips=learned), LAW)
    touched = touched_rows(late, known.rules, _counting_until_now(known, late))

    for old, new in zip(before, after, strict=True):
        # A month below nil takes from later ones, so what the slip does to it may reach those.
        if old.month not in touched and old.debt_cents == new.debt_cents == 0:
            assert _without_buffer(new) == _without_buffer(old)


@SETTINGS
@given(known_rules=rules, wages=st.lists(st.integers(0, 90_000), min_size=MONTHS, max_size=MONTHS))
def test_over_any_change_of_method_each_wage_counts_exactly_once(
    known_rules: tuple[MunicipalityRules, ...], wages: list[int]
) -> None:
    slips = slips_of(JANUARY, wages)
    rows = run(case(slips, months=MONTHS + 1, rules=known_rules), LAW)
    counted = [base for row in rows for base in row.base_months if base >= JANUARY]
    after = JANUARY.plus(MONTHS)

    assert sorted(base for base in counted if base < after) == list(Month.span(JANUARY, after.plus(-1)))
    assert sum(row.attributed_wage_cents for row in rows) == sum(wages)


def _but_balance(row: MonthRow) -> MonthRow:
    return replace(row, balance_cents=Cents(0))


def _counting_until_now(known: Case, late: SlipFact) -> SlipFact | None:
    return next((slip for slip in current(known.slips) if slip.slip_key == late.slip_key), None)


def _without_buffer(row: MonthRow) -> MonthRow:
    nil = Cents(0)
    return replace(row, draw_cents=nil, balance_cents=nil, cash_after_cents=nil, limit="NONE")


@SETTINGS
@given(known=cases())
def test_what_is_held_is_always_explained_and_what_is_not_held_has_its_receipt(known: Case) -> None:
    for row in run(known, LAW):
        assert ("SLIP_MISSING" in row.held) == (row.missing_slips > 0)
        assert ("PARAMETER_MISSING" in row.held) == bool(row.missing_parameters)
        assert ("PARKED" in row.held) == known.parked
        assert ("NOT_REGISTERED" in row.held) != known.registered
        assert row.receipt or "PARAMETER_MISSING" in row.held


@SETTINGS
@given(known=st.one_of(cases(), cases(simulated=True)))
def test_every_row_reads_back_from_its_text(known: Case) -> None:
    for row in run(known, LAW):
        assert MonthRow.from_json(row.to_json()) == row


@SETTINGS
@given(totals=st.lists(st.integers(0, 100_000).map(Cents), max_size=8))
def test_rebooking_a_month_again_and_again_leaves_its_last_total(totals: list[Cents]) -> None:
    standing = None
    transfers: list[Transfer] = []
    for step, total in enumerate(totals):
        for made in rebooking(standing, "fund", "person", total, JANUARY, reason="SHORTFALL"):
            transfers += made.transfers
            standing = (f"t{step}", made) if made.kind == "DRAW" else None
        balances = balances_of(transfers)
        assert check_sum(balances) == ()
        assert sum(amount for account, amount in balances.items() if account.kind == "payable") == total


@SETTINGS
@given(
    name=st.sampled_from(LAW.names),
    day=st.dates(date(2020, 1, 1), date(2032, 12, 31)),
)
def test_a_figure_holds_on_the_day_or_is_refused_and_is_never_one_of_another_day(
    name: str, day: date
) -> None:
    holding = [
        value
        for value in LAW.values(name)
        if value.since <= day and (value.until is None or day <= value.until)
    ]
    if not holding:
        with pytest.raises(ParameterMissing, match=f"{name} has no value for {day}"):
            LAW.value(name, day)
    else:
        assert LAW.value(name, day) == holding[-1]
