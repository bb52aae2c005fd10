"""One person's months from facts: the same facts give the same rows, whatever their order of arrival.

`run` is pure and total. It asks no clock and refuses nothing: what it cannot know makes a row *held*, with
the reason, and a held row is shown but never booked.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from buffer_ledger.attribution import (
    NOTHING_EARNED,
    NOTHING_RECEIVED,
    Earned,
    MunicipalityRules,
    OffsetMethod,
    Part,
    Received,
    SlipFact,
    affected_from,
    base_months,
    current,
    earned_by_month,
    received_by_month,
    rules_in_force,
    touched_rows,
)
from buffer_ledger.offset import (
    Exemption,
    Household,
    HouseholdKind,
    benefit,
    counted,
    exempt,
    holiday_claim,
    household_in,
    law_month,
)
from buffer_ledger.policy import Draw, DrawAmount, Limit, Policy, draw, repayment
from shared.law import Law, ParameterMissing, ReceiptLine
from shared.money import Cents
from shared.months import Month

__all__ = [
    "FIRST_COMPUTED",
    "Case",
    "Exemption",
    "HeldReason",
    "Household",
    "HouseholdKind",
    "MonthRow",
    "MunicipalityRules",
    "OffsetMethod",
    "Part",
    "Policy",
    "SlipFact",
    "affected_from",
    "run",
    "touched_rows",
]

_NIL = Cents(0)

FIRST_COMPUTED = Month(2020, 1)
"""Before it nobody was enrolled anywhere: an earlier month is a slip of the pen."""

HeldReason = Literal["SLIP_MISSING", "PARKED", "NOT_REGISTERED", "PARAMETER_MISSING"]


@dataclass(frozen=True, slots=True)
class MonthRow:
    """One month of one enrolment, as readings 8-17 say. Amounts in cents.

    `draw_cents` of a held row is what would be drawn with what is known now; it is reserved in
    `balance_cents` of this and later rows, and not to be booked.
    """

    month: Month
    wage_cents: Cents
    attributed_wage_cents: Cents
    exempt_cents: Cents
    counted_cents: Cents
    benefit_paid_cents: Cents
    holiday_reserve_cents: Cents
    other_cash_cents: Cents
    cash_cents: Cents
    floor_cents: Cents
    shortfall_cents: Cents
    offset_cents: Cents
    draw_cents: Cents
    repayment_cents: Cents
    balance_cents: Cents
    cash_after_cents: Cents
    evidence: tuple[str, ...] = ()
    receipt: tuple[ReceiptLine, ...] = ()
    held: tuple[HeldReason, ...] = ()
    missing_slips: int = 0
    missing_parameters: tuple[str, ...] = ()
    """A sentence per parameter that has no value for this month: its name, the day and the dates we have."""
    offset_method: OffsetMethod = "M0"
    base_months: tuple[Month, ...] = ()
    """The months whose wage this row counts: one, none or two where the method changes (reading 8)."""
    draw_amount: DrawAmount = "TOPUP"
    rule_cents: Cents = _NIL
    """What the policy asked for before balance, maximum and minimum."""
    limit: Limit = "NONE"

    def to_json(self) -> str:
        """The row as JSON text; `from_json` gives an equal row back."""
        members = {name: getattr(self, name) for name in _ROW_MEMBERS}
        members["month"] = str(self.month)
        members["base_months"] = [str(base) for base in self.base_months]
        members["receipt"] = [line.to_json() for line in self.receipt]
        return json.dumps(members, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "MonthRow":
        """Read what `to_json` wrote."""
        members: dict[str, Any] = json.loads(text)
        members["month"] = Month.parse(members["month"])
        # Rows that were written before a row named its base months had the one of their method.
        before = members["month"].plus(-1 if members["offset_method"] == "M1" else 0)
        bases = members.get("base_months", [str(before)])
        members["base_months"] = tuple(Month.parse(base) for base in bases)
        members["receipt"] = tuple(ReceiptLine.from_json(line) for line in members["receipt"])
        for name in ("evidence", "held", "missing_parameters"):
            members[name] = tuple(members[name])
        return cls(**members)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything known about one enrolment.

    `paid` holds the rows of months whose money has really moved: they come out as they went in but for the
    running balance, and their draws are kept free in it. `expected_employers` are the employments that owe a
    slip for every month from `first_month` on, unless the month is one of `zero_months`. `norm_month` pins
    every dated parameter to that month's. `simulate` books a revolving buffer's repayments at once; a real
    one waits for the money.
    """

    first_month: Month
    until: Month
    households: Sequence[Household]
    rules: Sequence[MunicipalityRules]
    policy: Policy
    cap_cents: Cents
    last_month: Month | None = None
    slips: Sequence[SlipFact] = ()
    zero_months: frozenset[Month] = frozenset()
    expected_employers: frozenset[str] = frozenset()
    paid: Mapping[Month, MonthRow] = field(default_factory=dict)
    registered: bool = True
    parked: bool = False
    norm_month: Month | None = None
    exemption: Exemption | None = None
    simulate: bool = False


def run(case: Case, law: Law) -> tuple[MonthRow, ...]:
    """Every month row from `first_month` to the earlier of `until` and `last_month`, in month order.

    Paid months come out unchanged but for `balance_cents`, which is the running balance of this run, and
    their draws are set aside from the start, so that no fact about an earlier month can make all draws
    together pass the cap.
    """
    last = case.until if case.last_month is None else min(case.until, case.last_month)
    facts = _Facts.of(case)
    used = 0
    paid_later: int = sum(row.draw_cents for row in case.paid.values())
    rows = []
    for month in Month.span(case.first_month, last):
        row = case.paid.get(month)
        if row is not None:
            paid_later -= row.draw_cents
            used_after = used + row.draw_cents - row.repayment_cents
            row = replace(row, balance_cents=Cents(max(0, case.cap_cents - used_after)))
        else:
            row = _row(case, law, facts, month, used_cents=used, paid_later_cents=paid_later)
        used += row.draw_cents - row.repayment_cents
        rows.append(row)
    return tuple(rows)


_ROW_MEMBERS = tuple(member.name for member in fields(MonthRow))


@dataclass(frozen=True, slots=True)
class _Facts:
    """The slips of a case, by the month they were earned and received in."""

    earned: Mapping[Month, Earned]
    received: Mapping[Month, Received]

    @classmethod
    def of(cls, case: Case) -> "_Facts":
        slips = current(case.slips)
        return cls(earned_by_month(slips), received_by_month(slips))


@dataclass(frozen=True, slots=True)
class _Offset:
    """The benefit side of a row, before the buffer. Without a figure of the law it is nil throughout, which
    says that it could not be computed and not that there is no benefit."""

    exempt_cents: int
    counted_cents: int = 0
    benefit_paid_cents: int = 0
    holiday_reserve_cents: int = 0
    floor_cents: int = 0
    offset_cents: int = 0
    receipt: tuple[ReceiptLine, ...] = ()
    missing_parameter: str | None = None


def _row(
    case: Case, law: Law, facts: _Facts, month: Month, *, used_cents: int, paid_later_cents: int
) -> MonthRow:
    earned = {base: facts.earned.get(base, NOTHING_EARNED) for base in base_months(case.rules, month)}
    received = facts.received.get(month, NOTHING_RECEIVED)
    offset = _offset(case, law, month, earned)
    cash = received.wage_cents + offset.benefit_paid_cents + received.other_cash_cents
    shortfall = max(0, offset.floor_cents - cash)
    left = max(0, case.cap_cents - used_cents)
    drawn = draw(
        case.policy,
        shortfall_cents=shortfall,
        offset_cents=offset.offset_cents,
        available_cents=left - paid_later_cents,
    )
    repaid = _repaid(case, offset, cash, drawn, used_cents)
    missing_slips = _missing_slips(case, facts, {*earned, month})
    evidence = [slip for wages in earned.values() for slip in wages.evidence]
    return MonthRow(
        month=month,
        wage_cents=Cents(received.wage_cents),
        attributed_wage_cents=Cents(sum(wages.wage_cents for wages in earned.values())),
        exempt_cents=Cents(offset.exempt_cents),
        counted_cents=Cents(offset.counted_cents),
        benefit_paid_cents=Cents(offset.benefit_paid_cents),
        holiday_reserve_cents=Cents(offset.holiday_reserve_cents),
        other_cash_cents=Cents(received.other_cash_cents),
        cash_cents=Cents(cash),
        floor_cents=Cents(offset.floor_cents),
        shortfall_cents=Cents(shortfall),
        offset_cents=Cents(offset.offset_cents),
        draw_cents=Cents(drawn.amount_cents),
        repayment_cents=repaid,
        balance_cents=Cents(max(0, left - drawn.amount_cents) + repaid),
        cash_after_cents=Cents(cash + drawn.amount_cents - repaid),
        evidence=tuple(dict.fromkeys((*evidence, *received.evidence))),
        receipt=offset.receipt,
        held=_held(case, missing_slips, offset.missing_parameter),
        missing_slips=missing_slips,
        missing_parameters=() if offset.missing_parameter is None else (offset.missing_parameter,),
        offset_method=rules_in_force(case.rules, month).offset_method,
        base_months=tuple(earned),
        draw_amount=case.policy.draw_amount,
        rule_cents=Cents(drawn.rule_cents),
        limit=drawn.limit,
    )


def _repaid(case: Case, offset: _Offset, cash_cents: int, drawn: Draw, used_cents: int) -> Cents:
    """What flows back at once, which only a simulation books: a real buffer waits for the money."""
    if not case.simulate or offset.missing_parameter is not None:
        return _NIL
    return repayment(
        case.policy,
        cash_cents=cash_cents,
        floor_cents=offset.floor_cents,
        draw_cents=drawn.amount_cents,
        missing_from_cap_cents=used_cents,
    )


def _offset(case: Case, law: Law, month: Month, earned: Mapping[Month, Earned]) -> _Offset:
    """Exempt share, claim and counted wage of each base month against the norm of the row month.

    Without a norm or a claim table there is no benefit, no floor and so no shortfall: what is not known never
    becomes a draw.
    """
    exempted = {base: exempt(wages.wage_cents, case.exemption, base) for base, wages in earned.items()}
    total = 0
    receipt: list[ReceiptLine] = []
    try:
        norms = law_month(law, case.norm_month or month, household_in(case.households, month).kind)
        for base, wages in earned.items():
            claim = holiday_claim(
                law,
                case.norm_month or base,
                wages.wage_cents - exempted[base],
                credit_not_applied=wages.credit_not_applied,
            )
            total += counted(wages.wage_cents, exempted[base], claim.amount_cents)
            receipt += claim.receipt
    except ParameterMissing as missing:
        return _Offset(sum(exempted.values()), missing_parameter=missing.detail)
    left = benefit(norms, total)
    return _Offset(
        exempt_cents=sum(exempted.values()),
        counted_cents=total,
        benefit_paid_cents=left.paid_cents,
        holiday_reserve_cents=left.reserve_cents,
        floor_cents=norms.full_payment_cents,
        offset_cents=norms.full_payment_cents - left.paid_cents,
        receipt=tuple(dict.fromkeys((*norms.receipt, *receipt))),
    )


def _missing_slips(case: Case, facts: _Facts, months: set[Month]) -> int:
    """How many slips the row waits for: one per employment and month, from the first month on, that has
    neither a slip nor a declaration that nothing was earned."""
    missing = 0
    for month in months:
        if month >= case.first_month and month not in case.zero_months:
            missing += len(case.expected_employers - facts.earned.get(month, NOTHING_EARNED).employers)
    return missing


def _held(case: Case, missing_slips: int, missing_parameter: str | None) -> tuple[HeldReason, ...]:
    reasons: list[HeldReason] = []
    if missing_slips > 0:
        reasons.append("SLIP_MISSING")
    if case.parked:
        reasons.append("PARKED")
    if not case.registered:
        reasons.append("NOT_REGISTERED")
    if missing_parameter is not None:
        reasons.append("PARAMETER_MISSING")
    return tuple(reasons)
