"""What holds for every household: sums, bounds, and that a higher income never gives more."""

from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as some

from notifier.award import EURO, PARTS
from notifier.income_projection import IncomeMonth, TaxCreditAt, project
from notifier.income_room import income_room
from notifier.reconciliation import reconcile, small_amount
from notifier.toeslag_household import Care, Home, Residents, ToeslagHousehold, ToeslagHouseholdKind
from notifier.toeslagen import toeslagen
from tests.toeslag_facts import LAW, awards, household, rules

YEARS = some.sampled_from([2024, 2025, 2026])
INCOMES = some.integers(0, 4_236_000)
"""Within what is known of the childcare table of 2024; that of 2025 ends at 45,000 euro."""
AGES = some.integers(0, 25) | some.dates(date(1999, 1, 1), date(2026, 12, 31))
CARE = some.builds(
    Care,
    some.sampled_from(["DAYCARE", "AFTER_SCHOOL", "CHILDMINDER"]),
    some.integers(0, 30_000),
    some.integers(0, 1_500),
    some.integers(1, 6),
    some.integers(6, 12),
)


@some.composite
def households(draw: some.DrawFn) -> ToeslagHousehold:
    children = tuple(draw(some.lists(AGES, max_size=4)))
    partner = draw(some.booleans())
    least = 1 + partner + len(children)
    homes = [Home(1, draw(some.integers(0, 120_000)), draw(some.integers(0, 6_000)))]
    if draw(some.booleans()):
        homes.append(Home(draw(some.integers(2, 12)), draw(some.integers(0, 120_000))))
    residents = [Residents(1, least)]
    if draw(some.booleans()):
        residents.append(Residents(draw(some.integers(2, 12)), least + 1))
    return ToeslagHousehold(
        partner=partner,
        applicant=draw(some.integers(18, 66) | some.dates(date(1960, 1, 1), date(2009, 12, 31))),
        residents=tuple(residents),
        children=children,
        partner_insured=draw(some.booleans()),
        homes=tuple(homes),
        care=tuple(draw(some.lists(CARE, max_size=3))),
    )


@given(households(), INCOMES, YEARS)
@settings(max_examples=150, deadline=None)
def test_a_year_is_the_sum_of_its_months_and_its_award_the_rounded_year(
    people: ToeslagHousehold, income: int, year: int
) -> None:
    for found in awards(people, income, year).values():
        assert sum(count for count, _ in found.runs) == 12 == len(found.months_cents)
        assert sum(count * parts for count, parts in found.runs) == found.year_parts
        assert all(parts >= 0 for _, parts in found.runs)
        assert abs(sum(found.months_cents) - found.exact_cents) <= 6
        if found.awarded_cents:
            assert found.awarded_cents % 100 == 0
            assert abs(found.awarded_cents * PARTS - found.year_parts) <= EURO // 2
            entitled = sum(count for count, parts in found.runs if parts)
            assert 0 <= found.awarded_cents - entitled * found.monthly_paid_cents <= entitled * 100
            assert found.reason is None
        else:
            assert found.year_parts < 24 * EURO
            assert found.reason is not None


@given(households(), INCOMES, some.integers(1, 2_000_000), YEARS)
@settings(max_examples=150, deadline=None)
def test_more_income_never_gives_more_of_a_toeslag(
    people: ToeslagHousehold, income: int, more: int, year: int
) -> None:
    higher = min(income + more, 4_236_000)
    before, after = awards(people, income, year), awards(people, higher, year)
    for name, found in before.items():
        assert after[name].year_parts <= found.year_parts
        assert after[name].awarded_cents <= found.awarded_cents


@given(some.integers(0, 110_000), some.integers(0, 20_000), INCOMES, some.integers(1, 5))
@settings(max_examples=150, deadline=None)
def test_a_higher_rent_never_gives_less_in_2026(rent: int, more: int, income: int, persons: int) -> None:
    lower = awards(household(persons=persons, rent=rent), income)["huurtoeslag"]
    higher = awards(household(persons=persons, rent=rent + more), income)["huurtoeslag"]
    assert higher.year_parts >= lower.year_parts
    # Of every euro of rent at most the whole euro comes back.
    assert higher.year_parts - lower.year_parts <= 12 * more * PARTS


@given(households(), INCOMES)
@settings(max_examples=100, deadline=None)
def test_the_order_of_children_and_care_does_not_matter(people: ToeslagHousehold, income: int) -> None:
    turned = ToeslagHousehold(
        partner=people.partner,
        applicant=people.applicant,
        residents=people.residents,
        children=people.children[::-1],
        partner_insured=people.partner_insured,
        homes=people.homes,
        care=people.care[::-1],
    )
    assert awards(people, income) == awards(turned, income)


# ---- the income of a year, and two incomes compared -------------------------------------------------------

MONTHS = some.lists(
    some.builds(
        IncomeMonth,
        some.integers(1, 12),
        some.integers(0, 400_000),
        some.integers(0, 200_000),
        some.integers(0, 28_500),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda month: month.number,
)
CREDITS: some.SearchStrategy[TaxCreditAt] = some.sampled_from(["MUNICIPALITY", "EMPLOYER", "BOTH", "NONE"])
KINDS: some.SearchStrategy[ToeslagHouseholdKind] = some.sampled_from(["SINGLE", "SINGLE_PARENT", "COUPLE"])


@given(MONTHS, CREDITS, KINDS)
@settings(max_examples=150, deadline=None)
def test_a_projection_lies_within_its_bounds_and_the_order_of_months_does_not_matter(
    months: list[IncomeMonth], credit: TaxCreditAt, kind: ToeslagHouseholdKind
) -> None:
    found = project(LAW, 2026, kind, months, credit)
    assert found == project(LAW, 2026, kind, months[::-1], credit)
    assert 0 <= found.lower_cents <= found.toetsingsinkomen_cents + 1
    assert found.toetsingsinkomen_cents <= found.upper_cents + 1
    assert found.toetsingsinkomen_cents == found.wage_gross_cents + found.benefit_gross_cents
    assert found.wage_gross_cents >= sum(month.gross_wage_cents for month in months)
    assert found.benefit_gross_cents >= sum(month.net_benefit_cents for month in months)
    if len(months) == 12:
        assert found.wage_gross_cents == sum(month.gross_wage_cents for month in months)


@given(MONTHS, KINDS)
@settings(max_examples=100, deadline=None)
def test_the_credit_at_the_municipality_never_makes_the_year_higher(
    months: list[IncomeMonth], kind: ToeslagHouseholdKind
) -> None:
    there, elsewhere = (project(LAW, 2026, kind, months, place) for place in ("MUNICIPALITY", "EMPLOYER"))
    assert there.toetsingsinkomen_cents <= elsewhere.toetsingsinkomen_cents
    assert there.tax_credit_effect_cents == 0 <= elsewhere.tax_credit_effect_cents


@given(households(), INCOMES, INCOMES, some.integers(0, 12), YEARS)
@settings(max_examples=150, deadline=None)
def test_two_incomes_compared_are_awards_and_payments_subtracted(
    people: ToeslagHousehold, known: int, projected: int, elapsed: int, year: int
) -> None:
    small = small_amount(LAW, year + 1)
    before, after = (toeslagen(rules(year), people, income) for income in (known, projected))
    found = reconcile(before, after, elapsed, small)
    back = reconcile(after, before, elapsed, small)
    for name, one in found.differences.items():
        assert one.overpayment_year_cents == -back.differences[name].overpayment_year_cents
        assert one.overpayment_so_far_cents == -back.differences[name].overpayment_so_far_cents
        assert one.reclaimed_cents in {0, one.overpayment_year_cents}
        assert one.reclaimed_cents == 0 or one.against_paid_cents > small.cents
        assert one.repayable_now_cents >= 0 <= one.avoided_cents
        if projected <= known:
            assert one.overpayment_year_cents <= 0
            assert one.reclaimed_cents == 0
    assert found.reclaimed_cents >= max(one.reclaimed_cents for one in found.differences.values())


@given(households(), INCOMES, some.integers(0, 1_500_000), YEARS)
@settings(max_examples=150, deadline=None)
def test_no_loss_is_larger_than_the_cheap_bound(
    people: ToeslagHousehold, known: int, rise: int, year: int
) -> None:
    highest = min(known + rise, 4_236_000)
    before, after = awards(people, known, year), awards(people, max(known, highest), year)
    for name, room in income_room(rules(year), people, known, max(known, highest)).items():
        lost = before[name].awarded_cents - after[name].awarded_cents
        assert 0 <= lost <= room.at_most_cents
        if not room.can_lose:
            assert before[name] == after[name]
