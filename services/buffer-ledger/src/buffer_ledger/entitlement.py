"""The benefit side of a month: what was earned and received, what is exempt and counted, what is paid.

Everything here is before the buffer. Each person of a household has an exempt share and a claim of their
own; the counted amounts are added and taken off the one norm (Participatiewet art. 19, 31 and 32).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from buffer_ledger.attribution import (
    CARRIED,
    NOTHING_RECEIVED,
    UNCHANGED,
    MunicipalityRules,
    PayPeriod,
    Received,
    SlipFact,
    base_months,
    received_by_month,
    rules_in_force,
    usable,
)
from buffer_ledger.benefit_periods import BenefitPeriod, days_of_right
from buffer_ledger.earnings import (
    NOTHING_EARNED,
    Earned,
    carried_debts,
    earned_by_month,
    other_income,
    stand_in,
)
from buffer_ledger.exemptions import NOTHING_EXEMPT, Exempted, Ground, exempt_by_month
from buffer_ledger.expectations import JobSlips, missing_slips, real_slips, without_pay
from buffer_ledger.norms import Household, LawMonth, household_in, norm_for_days
from buffer_ledger.offset import Exemption, benefit, counted, exempt, holiday_claim
from shared.law import Law, ParameterMissing, ReceiptLine
from shared.money import Cents
from shared.months import Month

_NIL = Cents(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Earner:
    """One person of the household: their slips, their jobs, their grounds for an exempt share.

    `expected` are the jobs that owe slips, with their pay period. `exemption` is a simulation's.
    """

    slips: Sequence[SlipFact] = ()
    expected: Mapping[str, PayPeriod] = field(default_factory=dict)
    zero_months: frozenset[Month] = frozenset()
    unchanged_months: frozenset[Month] = frozenset()
    grounds: Sequence[Ground] = ()
    exemption: Exemption | None = None


@dataclass(frozen=True, slots=True)
class OtherIncome:
    """Income beside wage in a month: the net amount received, and the claim that counts with it (art. 12)."""

    month: Month
    amount_cents: Cents
    claim_cents: Cents = _NIL


@dataclass(frozen=True, slots=True)
class OffsetStatement:
    """The municipality's own decision for a month; what it says goes before what is computed here."""

    counted_cents: Cents
    benefit_paid_cents: Cents
    holiday_allowance_cents: Cents = _NIL
    """Holiday allowance of the municipality that was paid in the month, which is cash of it."""
    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What the benefit side of an enrolment's months follows from."""

    first_month: Month
    until: Month
    households: Sequence[Household]
    rules: Sequence[MunicipalityRules]
    earners: Sequence[Earner]
    right: Sequence[BenefitPeriod] | None = None
    other_income: Sequence[OtherIncome] = ()
    other_cash: Mapping[Month, int] = field(default_factory=dict)
    statements: Mapping[Month, OffsetStatement] = field(default_factory=dict)
    norm_month: Month | None = None


@dataclass(frozen=True, slots=True)
class Entitlement:
    """The benefit side of a row, in cents. Without a figure of the law it is nil throughout, which says that
    it could not be computed and not that there is no benefit."""

    base_months: tuple[Month, ...]
    rules: MunicipalityRules
    attributed_cents: int = 0
    exempt_cents: int = 0
    debt_cents: int = 0
    """What earlier months below nil took off the counted wage; nil or less."""
    other_income_cents: int = 0
    counted_cents: int = 0
    benefit_paid_cents: int = 0
    holiday_reserve_cents: int = 0
    norms: LawMonth | None = None
    offset_cents: int = 0
    received: Received = NOTHING_RECEIVED
    official: bool = False
    shadow_counted_cents: int = 0
    shadow_paid_cents: int = 0
    missing_slips: int = 0
    estimated: bool = False
    manual_review: bool = False
    evidence: tuple[str, ...] = ()
    receipt: tuple[ReceiptLine, ...] = ()
    missing_parameter: str | None = None


@dataclass(frozen=True, slots=True)
class _Wages:
    """One earner's facts by month."""

    earner: Earner
    slips: tuple[SlipFact, ...]
    real: JobSlips
    earned: Mapping[Month, Earned]
    received: Mapping[Month, Received]
    debts: Mapping[Month, int]
    exempted: Mapping[Month, Exempted]
    other_by_base: Mapping[Month, int]
    other_by_row: Mapping[Month, int]

    def wage(self, base: Month) -> int:
        """E of a month, less what earlier months below nil left over."""
        return self.earned.get(base, NOTHING_EARNED).wage_cents + self.debts.get(base, 0)


class Entitlements:
    """The benefit side of all months of one enrolment; facts are put in order once."""

    def __init__(self, circumstances: Circumstances, law: Law) -> None:
        self._facts = circumstances
        self._law = law
        self._wages = [_wages_of(earner, circumstances, law) for earner in circumstances.earners]

    def of(self, month: Month) -> Entitlement:
        """The benefit side of a month. What it lacks is named in it, never guessed."""
        facts = self._facts
        bases = base_months(facts.rules, month)
        rules = rules_in_force(facts.rules, month)
        known = Entitlement(
            base_months=bases,
            rules=rules,
            attributed_cents=sum(
                wages.earned.get(base, NOTHING_EARNED).wage_cents for wages in self._wages for base in bases
            ),
            debt_cents=sum(wages.debts.get(base, 0) for wages in self._wages for base in bases),
            exempt_cents=sum(
                self._exempt(wages, base).amount_cents for wages in self._wages for base in bases
            ),
            received=self._received(month),
            missing_slips=self._missing({*bases, month}),
            estimated=self._estimated(bases, month),
            manual_review=not household_in(facts.households, month).partner_entitled,
            evidence=self._evidence(bases, month),
        )
        try:
            return self._computed(known, month)
        except ParameterMissing as lacking:
            return replace(known, missing_parameter=lacking.detail)

    def _computed(self, known: Entitlement, month: Month) -> Entitlement:
        facts, law = self._facts, self._law
        right = days_of_right(facts.right, month)
        norms = norm_for_days(law, month, facts.households, right, pinned=facts.norm_month)
        receipt = list(norms.receipt)
        total = 0
        for base in known.base_months:
            for wages in self._wages:
                amount, lines = self._counted(wages, base)
                total += amount
                receipt += lines
        other = self._other(known.base_months, month)
        shadow_counted = max(0, total + other)
        shadow = benefit(norms, shadow_counted)
        without_work = benefit(norms, max(0, other))
        paid, counted_cents = shadow.paid_cents, shadow_counted
        reserve = shadow.reserve_cents
        received = known.received
        if known.rules.offset_method == "SURPLUS":
            paid = Cents(max(without_work.paid_cents + known.exempt_cents, known.attributed_cents))
            paid = paid if right else Cents(0)
            received = Received(0, received.other_cash_cents, received.evidence, received.estimated)
        statement = facts.statements.get(month)
        if statement is not None:
            counted_cents, paid = statement.counted_cents, statement.benefit_paid_cents
            reserve = benefit(norms, counted_cents).reserve_cents
        return replace(
            known,
            other_income_cents=other,
            counted_cents=counted_cents,
            benefit_paid_cents=paid,
            holiday_reserve_cents=reserve,
            norms=norms,
            offset_cents=max(0, without_work.paid_cents - paid),
            received=received,
            official=statement is not None,
            shadow_counted_cents=shadow_counted,
            shadow_paid_cents=shadow.paid_cents,
            receipt=tuple(dict.fromkeys(receipt)),
        )

    def _exempt(self, wages: _Wages, base: Month) -> Exempted:
        if wages.earner.exemption is not None:
            return Exempted(exempt(wages.wage(base), wages.earner.exemption, base))
        return wages.exempted.get(base, NOTHING_EXEMPT)

    def _counted(self, wages: _Wages, base: Month) -> tuple[int, tuple[ReceiptLine, ...]]:
        """What one person's wage of one month counts for, with the lines of the law it came from."""
        facts = self._facts
        earned = wages.earned.get(base, NOTHING_EARNED)
        exempted = self._exempt(wages, base)
        if exempted.missing is not None:
            lacking = exempted.missing
            raise ParameterMissing(lacking.name, lacking.on, lacking.known)
        rest = wages.wage(base) - exempted.amount_cents
        if rules_in_force(facts.rules, base).holiday_claim == "WHEN_PAID":
            return counted(wages.wage(base), exempted.amount_cents, 0), exempted.receipt
        claim = holiday_claim(
            self._law,
            facts.norm_month or base,
            rest,
            credit_not_applied=earned.credit_not_applied,
            aow=household_in(facts.households, base).age_band == "AOW",
        )
        amount = counted(wages.wage(base), exempted.amount_cents, claim.amount_cents)
        return amount, (*exempted.receipt, *claim.receipt)

    def _other(self, bases: Sequence[Month], month: Month) -> int:
        """Income beside wage that counts in a row: with the base months, or in the row itself."""
        given = sum(
            income.amount_cents + income.claim_cents
            for income in self._facts.other_income
            if income.month in bases
        )
        when_paid = sum(
            sum(wages.other_by_base.get(base, 0) for base in bases) + wages.other_by_row.get(month, 0)
            for wages in self._wages
        )
        return given + when_paid

    def _received(self, month: Month) -> Received:
        facts = self._facts
        got = [wages.received.get(month, NOTHING_RECEIVED) for wages in self._wages]
        statement = facts.statements.get(month)
        beside: int = sum(income.amount_cents for income in facts.other_income if income.month == month)
        beside += facts.other_cash.get(month, 0)
        beside += 0 if statement is None else statement.holiday_allowance_cents
        return Received(
            wage_cents=sum(one.wage_cents for one in got),
            other_cash_cents=sum(one.other_cash_cents for one in got) + beside,
            evidence=tuple(evidence for one in got for evidence in one.evidence),
            estimated=any(one.estimated for one in got),
        )

    def _missing(self, months: set[Month]) -> int:
        """How many slips the row waits for: those of its months from the first one on, unless the person
        declared the month to be without work."""
        return sum(
            missing_slips(wages.real, wages.earner.expected, month)
            for wages in self._wages
            for month in months
            if wages.earner.expected
            and month >= self._facts.first_month
            and month not in wages.earner.zero_months
        )

    def _estimated(self, bases: Sequence[Month], month: Month) -> bool:
        return any(
            wages.received.get(month, NOTHING_RECEIVED).estimated
            or any(wages.earned.get(base, NOTHING_EARNED).estimated for base in bases)
            for wages in self._wages
        )

    def _evidence(self, bases: Sequence[Month], month: Month) -> tuple[str, ...]:
        earned = [
            evidence
            for base in bases
            for wages in self._wages
            for evidence in wages.earned.get(base, NOTHING_EARNED).evidence
        ]
        received = [
            evidence
            for wages in self._wages
            for evidence in wages.received.get(month, NOTHING_RECEIVED).evidence
        ]
        return tuple(dict.fromkeys((*earned, *received)))


def _wages_of(earner: Earner, facts: Circumstances, law: Law) -> _Wages:
    real = _with_unchanged(earner, facts)
    slips = _with_carried(earner, facts, real)
    earned = earned_by_month(slips, facts.rules, facts.right)
    debts = carried_debts(earned)
    by_base, by_row = other_income(slips, facts.rules)
    return _Wages(
        earner=earner,
        slips=slips,
        real=real_slips(real, facts.rules),
        earned=earned,
        received=received_by_month(slips, facts.right),
        debts=debts,
        exempted=exempt_by_month(
            law,
            {month: wages.wage_cents + debts.get(month, 0) for month, wages in earned.items()},
            earner.grounds,
            facts.households,
            pinned=facts.norm_month,
        ),
        other_by_base=by_base,
        other_by_row=by_row,
    )


def _with_unchanged(earner: Earner, facts: Circumstances) -> tuple[SlipFact, ...]:
    """The slips that count, and for months declared unchanged those of the month before again."""
    slips = usable(earner.slips, facts.rules)
    for month in sorted(earner.unchanged_months - earner.zero_months):
        jobs = earner.expected or {slip.employer_key: slip.pay_period for slip in slips}
        slips = (*slips, *stand_in(slips, facts.rules, jobs, month, UNCHANGED))
    return slips


def _with_carried(earner: Earner, facts: Circumstances, slips: tuple[SlipFact, ...]) -> tuple[SlipFact, ...]:
    """The same with last month's amounts for slips that did not come, where the municipality works so."""
    for month in Month.span(facts.first_month, facts.until) if earner.expected else ():
        if rules_in_force(facts.rules, month).late_slip not in ("CARRY_LAST", "ADVANCE"):
            continue
        if month in earner.zero_months:
            continue
        jobs = without_pay(JobSlips(slips, facts.rules), earner.expected, month)
        slips = (*slips, *stand_in(slips, facts.rules, jobs, month, CARRIED))
    return slips
