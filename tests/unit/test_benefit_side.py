"""What the scenarios do not reach: the regimes of exempt shares, who owes slips, days, deadlines."""

import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from buffer_ledger.attribution import MonthDay, MunicipalityRules, PayPeriod, SlipFact, current
from buffer_ledger.benefit_periods import BenefitPeriod, days_between, days_of_right, joined
from buffer_ledger.deadlines import flags
from buffer_ledger.earnings import earned_by_month, payroll_period, pieces
from buffer_ledger.exemptions import Ground, GroundKind, exempt_by_month
from buffer_ledger.expectations import missing_slips, real_slips
from buffer_ledger.norms import AgeBand, Household
from buffer_ledger.timeline import Earner, OffsetStatement, Part, run
from shared.law import PARAMETERS, Law
from shared.money import Cents
from shared.months import Month
from tests.ledger_facts import JANUARY, SAME_MONTH, case, month, slip

LAW = Law.load()


def paid_every(
    first: str, last: str, net: int = 10_000, *, period: PayPeriod = "FOUR_WEEKS", paid: str | None = None
) -> SlipFact:
    """A slip over any period."""
    ends = date.fromisoformat(last)
    return SlipFact(
        wage_slip_id=first,
        slip_key=first,
        employer_key="care",
        version=1,
        period_from=date.fromisoformat(first),
        period_to=ends,
        pay_date=ends if paid is None else date.fromisoformat(paid),
        parts=(Part("WAGE", Cents(net)),),
        pay_period=period,
    )


# ---- exempt shares over the turn to 2027 ------------------------------------------------------------------


def exempt_in(
    kind: GroundKind, share: str, since: str, months: int, wages: dict[str, int], age: AgeBand = "Y21_AOW"
) -> dict[str, int]:
    ground = Ground(kind, Decimal(share), month(since), months)
    given = exempt_by_month(
        LAW,
        {month(text): wage for text, wage in wages.items()},
        [ground],
        [Household("SINGLE", month("2026-01"), age)],
    )
    return {str(when): exempted.amount_cents for when, exempted in given.items()}


def test_from_2027_fifteen_percent_without_a_maximum_for_twelve_unbroken_months() -> None:
    wages = {str(Month(2027, 1).plus(n)): 200_000 for n in range(14)}
    del wages["2027-03"]

    given = exempt_in("WORK", "0.15", "2027-01", 24, wages)

    assert set(given.values()) == {30_000}
    assert (min(given), max(given), len(given)) == ("2027-01", "2027-12", 11)


def test_what_was_granted_before_2027_ends_with_2026_until_the_transition_is_known() -> None:
    wages = {"2026-12": 40_000, "2027-01": 40_000}

    assert exempt_in("GENERAL", "0.25", "2026-12", 6, wages) == {"2026-12": 10_000}
    assert exempt_in("WAGE_SUBSIDY", "0.15", "2026-12", 6, wages) == {"2026-12": 6_000}


def test_a_transition_of_some_months_lets_an_old_ground_go_on_with_its_last_figures(tmp_path: Path) -> None:
    staged = tmp_path / "parameters"
    shutil.copytree(PARAMETERS, staged)
    file = staged / "participatiewet" / "vrijlating_transition_months.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("value: 0", "value: 2"), encoding="utf-8")
    wages = {Month(2026, 11).plus(n): 200_000 for n in range(5)}

    given = exempt_by_month(
        Law.load(staged),
        wages,
        [Ground("GENERAL", Decimal("0.25"), Month(2026, 11), 6)],
        [Household("SINGLE", Month(2026, 1))],
    )

    assert {str(when): exempted.amount_cents for when, exempted in given.items()} == {
        "2026-11": 28_500,
        "2026-12": 28_500,
        "2027-01": 28_500,
        "2027-02": 28_500,
    }


def test_a_medical_limit_has_no_end_and_from_2027_no_maximum() -> None:
    assert exempt_in("MEDICAL", "0.15", "2026-01", 600, {"2026-12": 200_000, "2027-01": 200_000}) == {
        "2026-12": 18_019,
        "2027-01": 30_000,
    }


def test_at_aow_age_a_quarter_without_an_end_and_from_2027_up_to_a_maximum_of_its_own() -> None:
    wages = {str(Month(2026, 1).plus(n)): 40_000 for n in range(8)}

    assert len(exempt_in("GENERAL", "0.25", "2026-01", 100, wages, "AOW")) == 8
    assert exempt_in("WORK", "0.25", "2027-01", 100, {"2027-01": 100_000}, "AOW") == {"2027-01": 22_600}


def test_a_year_without_a_maximum_says_which_figure_lacks() -> None:
    given = exempt_by_month(
        LAW,
        {Month(2024, 12): 40_000},
        [Ground("GENERAL", Decimal("0.25"), Month(2024, 12), 6)],
        [Household("SINGLE", Month(2024, 1))],
    )

    lacking = given[Month(2024, 12)].missing
    assert lacking is not None
    assert "vrijlating_general_share has no value for 2024-12-01" in lacking.detail


# ---- periods ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "year", "number"),
    [
        ("2025-12-29", 2026, 1),
        ("2026-11-02", 2026, 12),
        ("2026-11-30", 2026, 13),
        ("2026-12-28", 2027, 1),
        ("2026-01-01", 2026, 1),
        ("2026-01-12", 2026, 1),
    ],
)
def test_the_number_of_a_four_weekly_period_follows_from_its_days(first: str, year: int, number: int) -> None:
    begins = date.fromisoformat(first)
    slip_of_it = paid_every(first, str(date.fromordinal(begins.toordinal() + 27)))

    assert payroll_period(slip_of_it) == (year, number)


def test_every_way_to_split_keeps_every_cent() -> None:
    rules = [MunicipalityRules(None, "M0", four_week_method="DAY20")]
    slips = [
        paid_every("2026-01-26", "2026-02-22", 73_847),
        paid_every("2026-03-30", "2026-04-05", 9_999, period="WEEK"),
        paid_every("2026-01-16", "2026-02-15", 12_345, period="MONTH"),
    ]

    for each in slips:
        assert sum(piece.wage_cents for piece in pieces([each], rules)) == each.net("WAGE")


def test_a_leap_february_and_one_of_28_days_are_months() -> None:
    for text, days in (("2026-02", 28), ("2028-02", 29)):
        when = month(text)
        (whole,) = days_of_right(None, when)
        assert days_between(*whole, working_only=False) == days


def test_periods_are_joined_over_short_gaps_and_in_any_order() -> None:
    first = BenefitPeriod(date(2026, 1, 1), date(2026, 1, 31))
    second = BenefitPeriod(date(2026, 3, 1), date(2026, 3, 31))
    third = BenefitPeriod(date(2026, 5, 31))

    assert joined([third, second, first]) == (BenefitPeriod(date(2026, 1, 1), date(2026, 3, 31)), third)


# ---- who owes slips ---------------------------------------------------------------------------------------


def missing(slips: list[SlipFact], period: PayPeriod, when: str, method: str = "X13_12") -> int:
    rules = [MunicipalityRules(None, "M0", four_week_method=method)]  # type: ignore[arg-type]
    return missing_slips(real_slips(slips, rules), {"care": period}, month(when))


def test_a_weekly_job_owes_every_working_day_of_the_month() -> None:
    weeks = [
        paid_every("2026-05-25", "2026-05-31", period="WEEK"),
        paid_every("2026-06-01", "2026-06-07", period="WEEK"),
        paid_every("2026-06-08", "2026-06-14", period="WEEK"),
        paid_every("2026-06-22", "2026-06-28", period="WEEK"),
    ]
    last = paid_every("2026-06-29", "2026-07-05", period="WEEK")

    assert missing([], "WEEK", "2026-06") == 1
    assert missing(weeks, "WEEK", "2026-06") == 2
    assert missing([*weeks, last], "WEEK", "2026-06") == 1
    assert (
        missing([*weeks, last, paid_every("2026-06-15", "2026-06-21", period="WEEK")], "WEEK", "2026-06") == 0
    )


def test_a_job_that_began_within_a_month_owes_nothing_of_the_days_before() -> None:
    begun = [paid_every("2026-06-15", "2026-06-21", period="WEEK"), paid_every("2026-06-22", "2026-07-05")]

    assert missing(begun, "WEEK", "2026-06") == 0


def test_a_four_weekly_job_owes_what_the_method_counts() -> None:
    first = paid_every("2025-12-29", "2026-01-25", paid="2026-01-23")

    assert missing([first], "FOUR_WEEKS", "2026-01") == 0
    assert missing([first], "FOUR_WEEKS", "2026-02") == 1
    assert missing([first], "FOUR_WEEKS", "2026-01", "DAY20") == 1
    assert missing([first], "FOUR_WEEKS", "2026-01", "AS_RECEIVED") == 0
    tenth = paid_every("2026-09-07", "2026-10-04", paid="2026-10-02")
    assert missing([first, tenth], "FOUR_WEEKS", "2026-10", "AS_RECEIVED") == 1
    twelfth = paid_every("2026-11-02", "2026-11-29")
    assert missing([twelfth], "FOUR_WEEKS", "2026-12", "AS_RECEIVED_DEC") == 1
    assert missing([first], "FOUR_WEEKS", "2026-03", "X13_12_QUARTERLY") > 0


def test_carry_last_shows_last_months_wage_and_books_nothing() -> None:
    rules = (MunicipalityRules(None, "M0", late_slip="CARRY_LAST"),)
    rows = run(
        case([slip("2026-01", 60_000)], months=2, rules=rules, expected_employers=frozenset({"care"})), LAW
    )

    assert [row.wage_cents for row in rows] == [60_000, 60_000]
    assert [row.held for row in rows] == [(), ("SLIP_MISSING", "ESTIMATED")]


def test_an_estimate_is_no_slip_and_never_stands_in_for_one_that_came() -> None:
    estimate = paid_every("2026-01-01", "2026-01-31", 70_000, period="MONTH")
    real = slip("2026-01", 60_000)
    guessed = SlipFact(
        "e",
        real.slip_key,
        "care",
        9,
        real.period_from,
        real.period_to,
        None,
        estimate.parts,
        None,
        "MONTH",
        "ESTIMATE",
    )

    assert current([real, guessed]) == (real,)
    rules = (MunicipalityRules(None, "EST"),)
    (row,) = run(case([guessed], months=1, rules=rules, expected_employers=frozenset({"care"})), LAW)
    assert (row.missing_slips, row.held) == (1, ("SLIP_MISSING", "ESTIMATED"))


def test_a_partner_that_is_waited_for_holds_the_month() -> None:
    partner = Earner(expected={"shop": "MONTH"})
    (row,) = run(case([slip("2026-01", 60_000)], months=1, household="COUPLE", partner=partner), LAW)

    assert (row.missing_slips, row.held) == (1, ("SLIP_MISSING",))


def test_an_offset_statement_fixes_counted_and_paid_and_keeps_ours_beside_it() -> None:
    decided = OffsetStatement(Cents(60_000), Cents(76_143), holiday_allowance_cents=Cents(10_000))
    (row,) = run(
        case([slip("2026-01", 60_000)], months=1, rules=SAME_MONTH, statements={JANUARY: decided}), LAW
    )

    assert (row.counted_cents, row.benefit_paid_cents, row.official) == (60_000, 76_143, True)
    assert (row.shadow_counted_cents, row.shadow_paid_cents) == (64_800, 71_583)
    # 60,000 of wage, what was decided, and the allowance that was paid in the month
    assert (row.cash_cents, row.other_cash_cents) == (60_000 + 76_143 + 10_000, 10_000)
    assert row.offset_cents == 133_143 - 76_143


# ---- days -------------------------------------------------------------------------------------------------


def test_a_day_of_the_month_is_the_last_one_where_the_month_is_shorter() -> None:
    assert MonthDay(31).on(month("2026-02")) == date(2026, 2, 28)
    assert MonthDay(None).on(month("2026-04")) == date(2026, 4, 30)
    assert MonthDay(10, 1).on(month("2026-12")) == date(2027, 1, 10)


@pytest.mark.parametrize(
    ("when", "today", "overpaid", "raised"),
    [
        ("2026-01", date(2026, 5, 31), True, ()),
        ("2026-01", date(2026, 6, 1), True, ("SIX_MONTHS_NEAR",)),
        ("2026-01", date(2026, 6, 30), True, ("SIX_MONTHS_NEAR",)),
        ("2026-01", date(2026, 7, 1), True, ("SIX_MONTHS_PAST",)),
        ("2026-09", date(2026, 11, 30), True, ()),
        ("2026-09", date(2026, 12, 1), True, ("GROSS_UP_NEAR",)),
        ("2026-09", date(2026, 12, 1), False, ()),
        ("2026-09", date(2027, 1, 1), True, ("GROSS_UP_PAST",)),
        ("2026-07", date(2026, 12, 31), True, ("SIX_MONTHS_NEAR", "GROSS_UP_NEAR")),
    ],
)
def test_flags_are_raised_in_time(when: str, today: date, overpaid: bool, raised: tuple[str, ...]) -> None:
    assert flags(month(when), today, overpaid=overpaid) == raised


def test_earned_without_rules_takes_the_default_methods() -> None:
    assert earned_by_month([slip("2026-01", 50_000)])[JANUARY].wage_cents == 50_000
