"""One person's months from facts: the same facts give the same rows, whatever their order of arrival.

`run` is pure and total. It asks no clock and refuses nothing: what it cannot know makes a row *held*, with
the reason, and a held row is shown but never booked.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from typing import Any, Literal

from buffer_ledger.approvals import Agreed, ApprovalNeed, agreed
from buffer_ledger.attribution import (
    FourWeekMethod,
    MunicipalityRules,
    OffsetMethod,
    Part,
    PayPeriod,
    SlipFact,
)
from buffer_ledger.benefit_periods import BenefitPeriod
from buffer_ledger.drawing import (
    Causes,
    Draw,
    Limit,
    draw,
    floor_cents,
    repayment,
)
from buffer_ledger.earnings import affected_from, touched_rows
from buffer_ledger.entitlement import (
    Circumstances,
    Earner,
    Entitlement,
    Entitlements,
    OffsetStatement,
    OtherIncome,
)
from buffer_ledger.exemptions import Ground
from buffer_ledger.norms import Household, HouseholdKind, LawMonth
from buffer_ledger.offset import Exemption
from buffer_ledger.policy import DrawAmount, Policy
from buffer_ledger.running import Running
from buffer_ledger.statutory import first_month_in_force
from shared.law import Law, ReceiptLine
from shared.money import Cents, half_up
from shared.months import Month

__all__ = [
    "FIRST_COMPUTED",
    "BenefitPeriod",
    "Case",
    "Earner",
    "Exemption",
    "Ground",
    "HeldReason",
    "Household",
    "HouseholdKind",
    "MonthRow",
    "MunicipalityRules",
    "OffsetMethod",
    "OffsetStatement",
    "OtherIncome",
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

HeldReason = Literal[
    "SLIP_MISSING",
    "ESTIMATED",
    "MANUAL_REVIEW",
    "STATEMENT_MISSING",
    "STATEMENT_DIFFERS",
    "PARKED",
    "NOT_REGISTERED",
    "PARAMETER_MISSING",
]


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
    normal_cents: Cents = _NIL
    """The normal offset that EXCESS compares with."""
    late_cents: Cents = _NIL
    """What of the month's benefit had not landed when the month ended."""
    netted_cents: Cents = _NIL
    """What of an earlier overpayment this month's draw made good."""
    proposed_cents: Cents = _NIL
    """What waits for a person to agree: held in `balance_cents`, and neither drawn nor paid."""
    need: ApprovalNeed | None = None
    above_gift_limit: bool = False
    four_week_method: FourWeekMethod = "X13_12"
    """How the municipality converts four-weekly pay in this month."""
    other_income_cents: Cents = _NIL
    """Income beside wage that is in the counted amount."""
    debt_cents: Cents = _NIL
    """What earlier months below nil took off the wage before it was counted; nil or less."""
    official: bool = False
    """Whether counted and paid are the municipality's own (an offset statement)."""
    shadow_counted_cents: Cents = _NIL
    shadow_paid_cents: Cents = _NIL
    """What we compute ourselves, to compare a statement with."""
    days_of_right: int | None = None
    """Days with right to bijstand where that is not the whole month."""
    norm_cents: Cents = _NIL
    """The norm with its holiday part: the other floor that article 34b(1)(a) may mean (reading 30)."""

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
    running balance, and their draws are kept free in it. With `extra_draws` a paid month that would now draw
    more comes out with the higher draw; without, and for every lower one, its draw stays. `approved` and
    `rejected` are the totals a person agreed to and last refused for a month, `decided_on` the days of those
    decisions; `drawn_elsewhere` what schemes before this one drew for a month, `benefit_paid_on` the days on
    which benefits landed that did not land in their own month, `gift_room` what may still be given in a
    calendar year, `received_in` the year in which a month's draw was really received.

    `expected_employers` are the employments that owe a slip for every month from `first_month` on, unless the
    month is one of `zero_months`. `norm_month` pins every dated parameter to that month's. `simulate` books a
    revolving buffer's repayments at once; a real one waits for the money. `right` are the periods with
    bijstand, None for always; `partner` is who earns beside the participant; `statements` are the
    municipality's own decisions by month.
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
    extra_draws: bool = False
    approved: Mapping[Month, int] = field(default_factory=dict)
    rejected: Mapping[Month, int] = field(default_factory=dict)
    decided_on: Mapping[Month, date] = field(default_factory=dict)
    drawn_elsewhere: Mapping[Month, int] = field(default_factory=dict)
    benefit_paid_on: Mapping[Month, date] = field(default_factory=dict)
    gift_room: Mapping[int, int] = field(default_factory=dict)
    grounds: Sequence[Ground] = ()
    pay_periods: Mapping[str, PayPeriod] = field(default_factory=dict)
    """The pay period of an expected employer that does not pay by the month."""
    unchanged_months: frozenset[Month] = frozenset()
    partner: Earner | None = None
    right: Sequence[BenefitPeriod] | None = None
    other_income: Sequence[OtherIncome] = ()
    other_cash: Mapping[Month, int] = field(default_factory=dict)
    statements: Mapping[Month, OffsetStatement] = field(default_factory=dict)
    received_in: Mapping[Month, int] = field(default_factory=dict)
    repaid: Mapping[Month, int] = field(default_factory=dict)
    """What the person really gave back, by the month it belongs to."""


def run(case: Case, law: Law) -> tuple[MonthRow, ...]:
    """Every month row from `first_month` to the earlier of `until` and `last_month`, in month order.

    Paid months come out unchanged but for `balance_cents`, which is the running balance of this run, and
    their draws are set aside from the start, so that no fact about an earlier month can make all draws
    together pass the cap.
    """
    last = case.until if case.last_month is None else min(case.until, case.last_month)
    entitlements = Entitlements(_circumstances(case, last), law)
    running = Running(
        policy=case.policy,
        cap_cents=case.cap_cents,
        first_month=case.first_month,
        decided_on=case.decided_on,
        gift_room=case.gift_room,
        received_in=case.received_in,
        not_before=first_month_in_force(law) if case.policy.statutory else None,
    )
    for month, paid in case.paid.items():
        running.set_aside(month, paid.draw_cents)
    rows: list[MonthRow] = []
    for month in Month.span(case.first_month, last):
        row = _paid_row if month in case.paid else _row
        rows.append(row(case, entitlements, month, running, rows))
    return tuple(rows)


_ROW_MEMBERS = tuple(member.name for member in fields(MonthRow))


def _circumstances(case: Case, last: Month) -> Circumstances:
    applicant = Earner(
        slips=case.slips,
        expected={key: case.pay_periods.get(key, "MONTH") for key in sorted(case.expected_employers)},
        zero_months=case.zero_months,
        unchanged_months=case.unchanged_months,
        grounds=case.grounds,
        exemption=case.exemption,
    )
    return Circumstances(
        first_month=case.first_month,
        until=last,
        households=case.households,
        rules=case.rules,
        earners=(applicant,) if case.partner is None else (applicant, case.partner),
        right=case.right,
        other_income=case.other_income,
        other_cash=case.other_cash,
        statements=case.statements,
        norm_month=case.norm_month,
    )


def _paid_row(
    case: Case, entitlements: Entitlements, month: Month, running: Running, before: Sequence[MonthRow]
) -> MonthRow:
    """A month whose money moved: as it was, but for an extra draw that it now turns out to lack."""
    paid = case.paid[month]
    running.set_aside(month, -paid.draw_cents)
    now = _as_known_now(case, entitlements, month, running, before)
    if not case.simulate:
        back = case.repaid.get(month, 0)
        after = Cents(paid.cash_cents + paid.draw_cents - back)
        paid = replace(paid, repayment_cents=Cents(back), cash_after_cents=after)
    running.owed_cents -= paid.netted_cents
    if now is not None and case.policy.on_negative_correction == "NET_NEXT_DRAW":
        running.owed_cents += max(0, paid.draw_cents - now.draw_cents - now.proposed_cents)
    if now is not None and case.extra_draws and now.draw_cents + now.proposed_cents > paid.draw_cents:
        whole = now.draw_cents + now.proposed_cents
        drawn = max(paid.draw_cents, now.draw_cents)
        row = replace(
            now,
            draw_cents=Cents(drawn),
            proposed_cents=Cents(whole - drawn),
            repayment_cents=paid.repayment_cents,
            cash_after_cents=Cents(now.cash_cents + drawn - paid.repayment_cents),
        )
    else:
        row = paid
    running.use(month, row.draw_cents + row.proposed_cents, row.repayment_cents)
    running.closed_offsets.append(row.offset_cents)
    return replace(row, balance_cents=running.balance(month))


def _as_known_now(
    case: Case, entitlements: Entitlements, month: Month, running: Running, before: Sequence[MonthRow]
) -> MonthRow | None:
    """What a paid month would be if it had not been paid; None when that makes no difference or is not known
    for sure."""
    if not case.extra_draws and case.policy.on_negative_correction != "NET_NEXT_DRAW":
        return None
    row = _row(case, entitlements, month, running.copy(), before)
    return None if row.held else row


def _row(
    case: Case, entitlements: Entitlements, month: Month, running: Running, before: Sequence[MonthRow]
) -> MonthRow:
    entitled = entitlements.of(month)
    received, norms = entitled.received, entitled.norms
    known = norms is not None
    floor = 0 if norms is None else _floor(case.policy, norms, received.wage_cents)
    cash = received.wage_cents + entitled.benefit_paid_cents + received.other_cash_cents
    causes = Causes(
        shortfall_cents=max(0, floor - cash) if known else 0,
        offset_cents=entitled.offset_cents,
        normal_cents=running.normal(),
        late_cents=_late(case, month, entitled.benefit_paid_cents, before) if known else 0,
    )
    trusted = known and not _lacks_statement(case, entitled) and not _differs(case, entitled)
    drawn = _draw(case, month, running, causes) if trusted else Draw(0, 0, "NONE")
    above_limit = running.above_gift_limit(month, drawn.amount_cents)
    divided = _divided(case, month, drawn, above_limit=above_limit)
    repaid = _repaid(case, entitled, month, floor, cash, drawn, running.room(month).missing_from_cap_cents)
    held = _held(case, entitled)
    running.use(month, divided.booked_cents + divided.proposed_cents, repaid)
    running.owed_cents -= drawn.netted_cents
    if not held:
        running.closed_offsets.append(entitled.offset_cents)
    return MonthRow(
        month=month,
        wage_cents=Cents(received.wage_cents),
        attributed_wage_cents=Cents(entitled.attributed_cents),
        exempt_cents=Cents(entitled.exempt_cents),
        counted_cents=Cents(entitled.counted_cents),
        benefit_paid_cents=Cents(entitled.benefit_paid_cents),
        holiday_reserve_cents=Cents(entitled.holiday_reserve_cents),
        other_cash_cents=Cents(received.other_cash_cents),
        cash_cents=Cents(cash),
        floor_cents=Cents(floor if known else 0),
        shortfall_cents=Cents(causes.shortfall_cents),
        offset_cents=Cents(entitled.offset_cents),
        draw_cents=Cents(divided.booked_cents),
        repayment_cents=repaid,
        balance_cents=running.balance(month),
        cash_after_cents=Cents(cash + divided.booked_cents - repaid),
        evidence=entitled.evidence,
        receipt=entitled.receipt,
        held=held,
        missing_slips=entitled.missing_slips,
        missing_parameters=() if entitled.missing_parameter is None else (entitled.missing_parameter,),
        offset_method=entitled.rules.offset_method,
        base_months=entitled.base_months,
        draw_amount=case.policy.draw_amount,
        rule_cents=Cents(drawn.rule_cents),
        limit=drawn.limit,
        normal_cents=Cents(causes.normal_cents),
        late_cents=Cents(causes.late_cents),
        netted_cents=Cents(drawn.netted_cents),
        proposed_cents=Cents(divided.proposed_cents),
        need=divided.need,
        above_gift_limit=above_limit,
        four_week_method=entitled.rules.four_week_method,
        other_income_cents=Cents(entitled.other_income_cents),
        debt_cents=Cents(entitled.debt_cents),
        official=entitled.official,
        shadow_counted_cents=Cents(entitled.shadow_counted_cents),
        shadow_paid_cents=Cents(entitled.shadow_paid_cents),
        days_of_right=_part_of_month(norms, month),
        norm_cents=Cents(0 if norms is None else norms.norm_cents),
    )


def _draw(case: Case, month: Month, running: Running, causes: Causes) -> Draw:
    if running.not_before is not None and month < running.not_before:
        return Draw(0, 0, "NOT_IN_FORCE")
    room = running.room(month)
    return draw(
        case.policy,
        causes,
        available_cents=room.available_cents,
        unfilled_cents=room.unfilled_cents,
        drawn_elsewhere_cents=case.drawn_elsewhere.get(month, 0),
        owed_cents=running.owed_cents,
    )


def _divided(case: Case, month: Month, drawn: Draw, *, above_limit: bool) -> Agreed:
    """What of a draw is booked and what waits for a person; a simulation shows what is paid in the end."""
    if case.simulate:
        return Agreed(drawn.amount_cents)
    return agreed(
        case.policy,
        drawn.amount_cents,
        approved_cents=case.approved.get(month, 0),
        rejected_cents=case.rejected.get(month),
        above_gift_limit=above_limit,
    )


def _late(case: Case, month: Month, benefit_cents: int, before: Sequence[MonthRow]) -> int:
    """What the month's benefit is more than the benefits that landed in it: nil unless days are known."""
    if not case.benefit_paid_on:
        return 0
    benefits = [*((row.month, row.benefit_paid_cents) for row in before), (month, benefit_cents)]
    landed = sum(
        cents
        for paid_for, cents in benefits
        if (Month.of(case.benefit_paid_on[paid_for]) if paid_for in case.benefit_paid_on else paid_for)
        == month
    )
    return max(0, benefit_cents - landed)


def _repaid(
    case: Case,
    entitled: Entitlement,
    month: Month,
    floor: int,
    cash_cents: int,
    drawn: Draw,
    used_cents: int,
) -> Cents:
    """What flows back: in a simulation at once, to a real buffer what really came."""
    if not case.simulate:
        return Cents(case.repaid.get(month, 0))
    if entitled.missing_parameter is not None:
        return _NIL
    return repayment(
        case.policy,
        cash_cents=cash_cents,
        floor_cents=floor,
        draw_cents=drawn.amount_cents,
        missing_from_cap_cents=used_cents,
    )


def _floor(policy: Policy, norms: LawMonth, wage_cents: int) -> int:
    """The policy's floor for the days of right (readings 11 and 16): none without any, and an amount that the
    scheme names in proportion."""
    if norms.share_of_month == 0:
        return 0
    floor = floor_cents(
        policy.floor,
        norm_cents=norms.norm_cents,
        full_payment_cents=norms.floor_cents,
        wage_cents=wage_cents,
    )
    if policy.floor.amount_cents is None:
        return floor
    return half_up(floor * norms.share_of_month)


def _part_of_month(norms: LawMonth | None, month: Month) -> int | None:
    if norms is None or norms.share_of_month == 1:
        return None
    return int(norms.share_of_month * month.days)


def _lacks_statement(case: Case, entitled: Entitlement) -> bool:
    """Whether the policy draws on the municipality's own decision and the month has none (reading 18)."""
    return case.policy.trigger_source != "SHADOW" and not case.simulate and not entitled.official


def _differs(case: Case, entitled: Entitlement) -> bool:
    """Whether the policy wants the decision and our computation to agree, and they lie further apart than
    the municipality's tolerance."""
    if case.policy.trigger_source != "BOTH_AGREE" or case.simulate or not entitled.official:
        return False
    apart = abs(entitled.benefit_paid_cents - entitled.shadow_paid_cents)
    return apart > entitled.rules.case_tolerance_cents


def _held(case: Case, entitled: Entitlement) -> tuple[HeldReason, ...]:
    reasons: list[tuple[bool, HeldReason]] = [
        (entitled.missing_slips > 0, "SLIP_MISSING"),
        (entitled.estimated, "ESTIMATED"),
        (entitled.manual_review, "MANUAL_REVIEW"),
        (_lacks_statement(case, entitled), "STATEMENT_MISSING"),
        (_differs(case, entitled), "STATEMENT_DIFFERS"),
        (case.parked, "PARKED"),
        (not case.registered, "NOT_REGISTERED"),
        (entitled.missing_parameter is not None, "PARAMETER_MISSING"),
    ]
    return tuple(reason for holds, reason in reasons if holds)
