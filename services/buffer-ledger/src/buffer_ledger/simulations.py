"""What a buffer would do: the real path in a transaction that is undone.

A fund, a scheme and an enrolment are made, the slips are kept, the months are settled and booked by the very
code that closes real ones; then everything is rolled back. So a preview and the real thing cannot differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from buffer_ledger import store
from buffer_ledger.attribution import MunicipalityRules, SlipFact
from buffer_ledger.bookkeeping import commitment, donation
from buffer_ledger.books import Entry, book, open_buffer, open_fund_accounts
from buffer_ledger.casefiles import Enrolment, add_enrolment, enrolments, load
from buffer_ledger.circumstances import HouseholdChange, keep_household_change
from buffer_ledger.household_request import HouseholdRequest, kept_household
from buffer_ledger.periods import period_of
from buffer_ledger.policy import Policy
from buffer_ledger.settling import settle
from buffer_ledger.statements import Statement, StatementMonth, booked
from buffer_ledger.store import Fund, Scheme
from buffer_ledger.timeline import BenefitPeriod, Earner, Exemption, Ground, MonthRow
from shared.database import Tx
from shared.errors import BufferbudgetError, Fault, Invalid
from shared.law import Law
from shared.money import Cents
from shared.months import Month

PLACE = "0000"
"""A municipality that does not exist, so that what is simulated shares no row with anything real."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is simulated. `exemption` holds in every month; `norm_month` pins every dated parameter."""

    rules: MunicipalityRules
    household: HouseholdRequest
    policy: Policy
    exemption: Exemption | None
    norm_month: Month | None
    first_month: Month
    last_month: Month
    slips: Sequence[SlipFact]
    benefit_paid_on: Mapping[Month, date] = field(default_factory=dict)
    partner_slips: Sequence[SlipFact] = ()
    household_changes: Sequence[HouseholdChange] = ()
    benefit_periods: Sequence[BenefitPeriod] | None = None
    exemptions: Sequence[Ground] = ()
    other_cash: Mapping[Month, int] = field(default_factory=dict)

    @property
    def caps_cents(self) -> Cents:
        """The caps of every period the months lie in: what the fund of the simulation has to hold."""
        months = Month.span(self.first_month, self.last_month)
        periods = {period_of(self.policy, self.first_month, month) for month in months}
        return Cents(self.policy.cap_cents * len(periods))


@dataclass(frozen=True, slots=True)
class Simulated:
    """The statement of the simulated enrolment and how many months lie below the floor."""

    statement: Statement
    below_floor_before: int
    below_floor_after: int


class _Undo(BufferbudgetError):
    """Carries the outcome out of the savepoint that is rolled back."""

    def __init__(self, outcome: Simulated) -> None:
        super().__init__("a simulation is undone")
        self.outcome = outcome


async def simulate(tx: Tx, scenario: Scenario, law: Law) -> Simulated:
    """Run a scenario through the ledger and undo it: no row and no event of it stays.

    Raises Invalid when a month lacks a parameter of the law (reading 7).
    """
    try:
        async with tx.savepoint():
            raise _Undo(await _run(tx, scenario, law))
    except _Undo as undone:
        return undone.outcome


async def _run(tx: Tx, scenario: Scenario, law: Law) -> Simulated:
    enrolment = await _enrol(tx, scenario)
    (file,) = await load(tx, await enrolments(tx, enrolment_ids=[enrolment.enrolment_id]), law)
    case = replace(
        file.case,
        rules=(scenario.rules,),
        exemption=scenario.exemption,
        norm_month=scenario.norm_month,
        simulate=True,
        until=scenario.last_month,
        cap_cents=scenario.policy.cap_cents,
        benefit_paid_on=scenario.benefit_paid_on,
        grounds=[ground for ground in scenario.exemptions if ground.person == "APPLICANT"],
        partner=_partner(scenario),
        right=scenario.benefit_periods,
        other_cash=scenario.other_cash,
    )
    outcome = await settle(tx, [replace(file, case=case)], law, "CLOSE", actor="simulation")
    rows = outcome.rows[enrolment.enrolment_id]
    missing = dict.fromkeys(sentence for row in rows for sentence in row.missing_parameters)
    if missing:
        raise Invalid([Fault("L008", "", sentence) for sentence in missing])
    statement = _with_held(await booked(tx, enrolment), rows)
    return Simulated(
        replace(statement, balance_cents=rows[-1].balance_cents),
        sum(row.cash_cents < row.floor_cents for row in rows),
        sum(row.cash_after_cents < row.floor_cents for row in rows),
    )


def _partner(scenario: Scenario) -> Earner | None:
    """The partner who earns too; their wages have an exempt share of their own."""
    if scenario.household.kind != "COUPLE":
        return None
    return Earner(
        slips=scenario.partner_slips,
        grounds=[ground for ground in scenario.exemptions if ground.person == "PARTNER"],
        exemption=scenario.exemption,
    )


def _with_held(statement: Statement, rows: Sequence[MonthRow]) -> Statement:
    """The statement with the months that a close would hold, such as those of an estimate."""
    shown = {month.row.month: month for month in statement.months}
    for row in rows:
        shown.setdefault(row.month, StatementMonth(row, True, 0))
    return replace(statement, months=tuple(shown[month] for month in sorted(shown)))


async def _enrol(tx: Tx, scenario: Scenario) -> Enrolment:
    """A fund with exactly the cap, a scheme, a registered person and their slips."""
    fund_id, scheme_id, person = tx.new_id(), tx.new_id(), tx.ids.random()
    month, policy = scenario.first_month, scenario.policy
    await store.add_fund(tx, Fund(fund_id, "simulation", "PRIVATE", 0, (PLACE,), tx.now))
    await open_fund_accounts(tx, fund_id)
    scheme = Scheme(scheme_id, PLACE, fund_id, 1, policy, {}, month, None)
    await store.put_scheme(tx, scheme, new_version=True)
    await store.register(tx, {person: PLACE}, [])
    await store.keep_slips(tx, [(person, slip.source, slip.pay_period, slip) for slip in scenario.slips])
    enrolment = Enrolment(
        enrolment_id=tx.new_id(),
        participant_id=person,
        municipality=PLACE,
        scheme_id=scheme_id,
        fund_id=fund_id,
        policy_version=1,
        cap_cents=scenario.caps_cents,
        first_month=month,
        last_month=scenario.last_month,
        household=kept_household(scenario.household.model_copy(update={"partner_participant_id": None})),
        closed_through=scenario.last_month,
    )
    await add_enrolment(tx, enrolment)
    for change in scenario.household_changes:
        await keep_household_change(tx, enrolment.enrolment_id, change)
    await open_buffer(tx, fund_id, enrolment.enrolment_id, enrolment.cap_cents)
    if policy.cap_cents > 0:
        given = donation(fund_id, enrolment.cap_cents, month, reason="SIMULATION")
        committed = commitment(fund_id, enrolment.enrolment_id, enrolment.cap_cents, month)
        await book(
            tx,
            [
                Entry(transaction_id=tx.new_id(), transaction=given, fund_id=fund_id),
                Entry(
                    transaction_id=tx.new_id(),
                    transaction=committed,
                    fund_id=fund_id,
                    enrolment_id=enrolment.enrolment_id,
                    policy_version=1,
                ),
            ],
        )
    return enrolment
