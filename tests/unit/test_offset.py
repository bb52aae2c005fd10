"""What a wage takes off the benefit, at each rounding and at each row of the claim table."""

from decimal import Decimal
from fractions import Fraction

import pytest

from buffer_ledger.norms import Household, HouseholdKind, LawMonth, household_in, law_month
from buffer_ledger.offset import Exemption, benefit, counted, exempt, holiday_claim
from shared.law import Law, ParameterMissing
from shared.money import Cents
from shared.months import Month
from tests.ledger_facts import JANUARY, month

LAW = Law.load()
JULY = month("2026-07")


@pytest.mark.parametrize(
    ("when", "kind", "norm", "paid"),
    [
        ("2025-01", "SINGLE", 134_545, 127_818),
        ("2025-07", "SINGLE", 136_906, 130_061),
        ("2026-01", "SINGLE", 140_150, 133_143),
        ("2026-07", "SINGLE", 141_946, 134_849),
        ("2026-07", "SINGLE_PARENT", 141_946, 134_849),
        ("2025-01", "COUPLE", 192_207, 182_597),
        ("2025-07", "COUPLE", 195_580, 185_801),
        ("2026-01", "COUPLE", 200_213, 190_202),
        ("2026-07", "COUPLE", 202_779, 192_640),
    ],
)
def test_a_month_without_income_pays_the_norm_without_its_holiday_part(
    when: str, kind: HouseholdKind, norm: int, paid: int
) -> None:
    norms = law_month(LAW, month(when), kind)

    assert (norms.norm_cents, norms.full_payment_cents) == (norm, paid)


@pytest.mark.parametrize(
    ("rest", "claim"),
    [
        (1, 0),
        (6, 0),
        (7, 1),
        (87_638, 7_011),
        (87_639, 4_934),
        (105_925, 6_397),
        (105_926, 8_207),
        (217_547, 17_137),
        (217_548, 10_753),
    ],
)
def test_the_claim_jumps_at_the_rows_of_the_table(rest: int, claim: int) -> None:
    assert holiday_claim(LAW, JANUARY, rest, credit_not_applied=False).amount_cents == claim


def test_a_cent_more_wage_can_raise_the_benefit() -> None:
    norms = law_month(LAW, JANUARY, "SINGLE")

    def paid(wage: int) -> int:
        claim = holiday_claim(LAW, JANUARY, wage, credit_not_applied=False).amount_cents
        return benefit(norms, counted(wage, 0, claim)).paid_cents

    assert paid(87_639) > paid(87_638)


def test_without_a_tax_credit_the_claim_is_a_flat_eight_percent() -> None:
    assert holiday_claim(LAW, JANUARY, 87_639, credit_not_applied=True).amount_cents == 7_011
    assert holiday_claim(LAW, JANUARY, 250_000, credit_not_applied=True).amount_cents == 20_000


@pytest.mark.parametrize("rest", [0, -1, -50_000])
def test_no_wage_builds_up_no_claim_and_needs_no_table(rest: int) -> None:
    claim = holiday_claim(LAW, Month(2025, 12), rest, credit_not_applied=False)

    assert (claim.amount_cents, claim.receipt) == (0, ())


def test_a_wage_in_a_year_whose_table_we_lack_is_refused() -> None:
    with pytest.raises(ParameterMissing, match="holiday_claim_table"):
        holiday_claim(LAW, Month(2025, 12), 1, credit_not_applied=False)


def test_the_exempt_share_is_rounded_before_its_maximum_is_applied() -> None:
    quarter = Exemption(Decimal("0.25"), Cents(28_500))

    assert exempt(113_999, quarter, JANUARY) == 28_500
    assert exempt(114_000, quarter, JANUARY) == 28_500
    assert exempt(130_000, quarter, JANUARY) == 28_500
    assert exempt(40_002, quarter, JANUARY) == 10_001
    assert exempt(40_002, Exemption(Decimal("0.15")), JANUARY) == 6_000


def test_a_negative_wage_exempts_nothing() -> None:
    assert exempt(-40_000, Exemption(Decimal("0.25")), JANUARY) == 0
    assert exempt(40_000, None, JANUARY) == 0


def test_an_exemption_holds_for_its_months_and_without_them_always() -> None:
    six = Exemption(Decimal("0.25"), Cents(28_500), first_month=JANUARY, months=6)

    assert [six.holds_in(JANUARY.plus(step)) for step in (-1, 0, 5, 6)] == [False, True, True, False]
    assert Exemption(Decimal("0.25")).holds_in(Month(2030, 1))
    assert Exemption(Decimal("0.25"), first_month=JANUARY).holds_in(Month(2030, 1))


def test_the_share_is_taken_first_and_the_claim_is_on_the_rest() -> None:
    claim = holiday_claim(LAW, JANUARY, 130_000 - 28_500, credit_not_applied=False).amount_cents

    assert counted(130_000, 28_500, claim) == 107_543


def test_half_a_cent_of_the_payment_goes_up_and_the_reserve_is_the_rest() -> None:
    norms = LawMonth(Cents(140_150), Cents(133_143), Fraction(95, 100), ())

    left = benefit(norms, 140_150 - 13_750)

    assert (left.paid_cents, left.reserve_cents) == (13_063, 687)


def test_what_is_counted_is_never_below_nil_and_the_benefit_never_below_nil_or_above_the_norm() -> None:
    norms = law_month(LAW, JANUARY, "SINGLE")

    assert counted(-20_000, 0, 0) == 0
    assert benefit(norms, 0).paid_cents + benefit(norms, 0).reserve_cents == norms.norm_cents
    assert (benefit(norms, 200_000).paid_cents, benefit(norms, 200_000).reserve_cents) == (0, 0)


def test_the_household_of_a_month_is_the_last_that_began() -> None:
    alone, together = Household("SINGLE", JANUARY), Household("COUPLE", JULY)

    assert household_in([together, alone], month("2026-06")) is alone
    assert household_in([together, alone], JULY) is together
    assert household_in([together, alone], Month(2025, 12)) is alone
    with pytest.raises(ValueError, match="at least one household"):
        household_in([], JANUARY)
