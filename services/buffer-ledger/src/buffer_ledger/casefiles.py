"""Everything known about enrolments, loaded in bulk: some fifteen queries, for one or for two hundred."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Row, Table, insert, or_, select, update

from buffer_ledger.attribution import MunicipalityRules, Part, PayPeriod, SlipFact
from buffer_ledger.benefit_periods import BenefitPeriod
from buffer_ledger.circumstances import benefit_periods, household_changes, statements_of
from buffer_ledger.entitlement import Earner
from buffer_ledger.gifts import room_by_year
from buffer_ledger.household_request import grounds_of, household_of, other_income_of
from buffer_ledger.policy import Policy, policy_from_json
from buffer_ledger.proposal_store import NOTHING_AGREED, Agreement, agreements
from buffer_ledger.store import maybe_month, month_of, rules_of
from buffer_ledger.tables import (
    EMPLOYMENT,
    ENROLMENT,
    FUND,
    PARTICIPANT,
    PAYMENT_ORDER,
    REPAYMENT,
    SCHEME_POLICY,
    SETTLED_MONTH,
    SLIP,
    UNCHANGED_MONTH,
    ZERO_MONTH,
)
from buffer_ledger.timeline import Case, MonthRow, run
from shared.database import ReadTx, Tx, among
from shared.law import Law
from shared.money import Cents
from shared.months import Month
from shared.parking import has_parked

Level = Literal["NORMAL", "LOW", "EXHAUSTED"]
ClosedBy = Literal["CLOSE", "LATE_FACT"]
OrderState = Literal["OPEN", "EXECUTED", "SUPERSEDED", "CANCELLED"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """A person's place in a scheme. `closed_through` is the last month a close has gone through for it."""

    enrolment_id: str
    participant_id: str
    municipality: str
    scheme_id: str
    fund_id: str
    policy_version: int
    cap_cents: Cents
    first_month: Month
    last_month: Month
    household: Mapping[str, Any]
    exemptions: Sequence[Mapping[str, Any]] = ()
    partner_id: str | None = None
    state: Literal["ACTIVE", "ENDED"] = "ACTIVE"
    ended_reason: str | None = None
    closed_through: Month | None = None
    told_level: Level = "NORMAL"
    benefit_ended_on: date | None = None
    exit_reason: str | None = None
    allowance_set_off: bool = True

    @property
    def closed_months(self) -> tuple[Month, ...]:
        """Its months that a close has gone through."""
        if self.closed_through is None:
            return ()
        return tuple(Month.span(self.first_month, min(self.closed_through, self.last_month)))


@dataclass(frozen=True, slots=True)
class Settled:
    """What stands as settled for a month: its highest revision."""

    row: MonthRow
    revision: int
    closed_by: ClosedBy
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Order:
    """A payment order."""

    order_id: str
    enrolment_id: str
    month: Month
    revision: int
    amount_cents: Cents
    state: OrderState
    draw_transaction_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFile:
    """One enrolment with all facts: what `timeline.run` takes, and what was booked so far.

    `orders` holds the order that counts (open or executed) of each month with a draw.
    """

    enrolment: Enrolment
    case: Case
    settled: Mapping[Month, Settled]
    orders: Mapping[Month, Order]
    agreement: Agreement = NOTHING_AGREED

    def until(self, month: Month) -> "CaseFile":
        """The same file, to be run until a month."""
        return replace(self, case=replace(self.case, until=month))


async def add_enrolment(tx: Tx, enrolment: Enrolment) -> None:
    """Keep a new enrolment."""
    row = {
        "enrolment_id": enrolment.enrolment_id,
        "participant_id": enrolment.participant_id,
        "municipality": enrolment.municipality,
        "scheme_id": enrolment.scheme_id,
        "fund_id": enrolment.fund_id,
        "policy_version": enrolment.policy_version,
        "cap_cents": enrolment.cap_cents,
        "first_month": str(enrolment.first_month),
        "last_month": str(enrolment.last_month),
        "household": dict(enrolment.household),
        "exemptions": [dict(exemption) for exemption in enrolment.exemptions],
        "partner_id": enrolment.household.get("partnerParticipantId"),
        "state": enrolment.state,
        "ended_reason": None,
        "closed_through": None,
        "benefit_ended_on": None,
        "exit_reason": None,
        "allowance_set_off": True,
        "told_level": enrolment.told_level,
        "recorded_at": tx.now,
    }
    await tx.execute(insert(ENROLMENT), [row])


async def enrolments(
    reading: ReadTx,
    *,
    enrolment_ids: Collection[str] | None = None,
    participant_ids: Collection[str] | None = None,
    lock: bool = False,
) -> list[Enrolment]:
    """Enrolments by their ids or their people, in id order; `lock` holds their rows until the commit."""
    found = select(ENROLMENT).order_by(ENROLMENT.c.enrolment_id)
    if enrolment_ids is not None:
        found = found.where(among(ENROLMENT.c.enrolment_id, enrolment_ids))
    if participant_ids is not None:
        found = found.where(among(ENROLMENT.c.participant_id, participant_ids))
    if not (enrolment_ids or participant_ids):
        return []
    return [enrolment_of(row) for row in await reading.rows(found.with_for_update() if lock else found)]


async def enrolments_touched(
    reading: ReadTx, participant_ids: Collection[str], *, lock: bool = False
) -> list[Enrolment]:
    """The enrolments whose months a fact about these people can change: their own and their partners', in id
    order; `lock` holds their rows until the commit."""
    if not participant_ids:
        return []
    mine = among(ENROLMENT.c.participant_id, participant_ids)
    partners = among(ENROLMENT.c.partner_id, participant_ids)
    found = select(ENROLMENT).where(or_(mine, partners)).order_by(ENROLMENT.c.enrolment_id)
    return [enrolment_of(row) for row in await reading.rows(found.with_for_update() if lock else found)]


async def set_partner(tx: Tx, enrolment_id: str, partner_id: str | None) -> None:
    """Note whose slips count beside the participant's."""
    of = update(ENROLMENT).where(ENROLMENT.c.enrolment_id == enrolment_id)
    await tx.execute(of.values(partner_id=partner_id))


async def enrolment_page(
    reading: ReadTx,
    municipality: str,
    *,
    after: str = "",
    limit: int,
    first_month_up_to: Month | None = None,
    active_only: bool = False,
    lock: bool = False,
) -> list[Enrolment]:
    """A municipality's enrolments in id order, from after an id."""
    found = (
        select(ENROLMENT)
        .where(ENROLMENT.c.municipality == municipality, ENROLMENT.c.enrolment_id > after)
        .order_by(ENROLMENT.c.enrolment_id)
        .limit(limit)
    )
    if active_only:
        found = found.where(ENROLMENT.c.state == "ACTIVE")
    if first_month_up_to is not None:
        found = found.where(ENROLMENT.c.first_month <= str(first_month_up_to))
    return [enrolment_of(row) for row in await reading.rows(found.with_for_update() if lock else found)]


async def closed_through(tx: Tx, enrolment_ids: Collection[str], month: Month) -> None:
    """Note that a close has gone through a month for these enrolments; never goes back."""
    behind = ENROLMENT.c.closed_through.is_(None) | (ENROLMENT.c.closed_through < str(month))
    moved = update(ENROLMENT).where(among(ENROLMENT.c.enrolment_id, enrolment_ids), behind)
    await tx.execute(moved.values(closed_through=str(month)))


async def load(reading: ReadTx, listed: Sequence[Enrolment], law: Law) -> list[CaseFile]:
    """The files of enrolments, in the same order, to be run until the last month of each."""
    if not listed:
        return []
    ids = [enrolment.enrolment_id for enrolment in listed]
    people = sorted({e.participant_id for e in listed} | {e.partner_id for e in listed if e.partner_id})
    rules = {
        code: total_rules([dated.rules for dated in known])
        for code, known in (await rules_of(reading, sorted({e.municipality for e in listed}))).items()
    }
    policies = await _policies(reading, listed)
    known_people = await _people(reading, people)
    changes = await household_changes(reading, ids)
    periods = await benefit_periods(reading, ids)
    statements = await statements_of(reading, [enrolment.participant_id for enrolment in listed])
    grants = await _grants(reading, [e.partner_id for e in listed if e.partner_id is not None])
    settled = await settled_months(reading, ids)
    orders = await counting_orders(reading, ids)
    agreed = await agreements(reading, ids)
    gifts = await _gifts(reading, people)
    repaid = await _repaid(reading, ids)
    files = []
    for enrolment in listed:
        own_orders = orders.get(enrolment.enrolment_id, {})
        own_settled = settled.get(enrolment.enrolment_id, {})
        changed = changes.get(enrolment.enrolment_id, [])
        told = [enrolment.household, *(change.household for change in changed)]
        person = known_people.of(enrolment.participant_id)
        partner = None if enrolment.partner_id is None else known_people.of(enrolment.partner_id)
        here = {enrolment.municipality}
        case = Case(
            first_month=enrolment.first_month,
            last_month=enrolment.last_month,
            until=enrolment.last_month,
            households=(
                household_of(enrolment.household, enrolment.first_month),
                *(
                    household_of(change.household, Month.of(change.from_day), change.from_day)
                    for change in changed
                ),
            ),
            rules=rules.get(enrolment.municipality, ()),
            policy=policies[enrolment.scheme_id, enrolment.policy_version],
            cap_cents=enrolment.cap_cents,
            slips=person.slips,
            zero_months=person.zero_months,
            unchanged_months=person.unchanged_months,
            expected_employers=frozenset(person.jobs),
            pay_periods=person.jobs,
            grounds=grounds_of(enrolment.exemptions, "APPLICANT"),
            partner=None if partner is None else _earner(partner, enrolment, grants),
            right=_right(enrolment, periods.get(enrolment.enrolment_id)),
            other_income=other_income_of(told),
            statements=statements.get((enrolment.participant_id, enrolment.municipality), {}),
            paid={
                month: own_settled[month].row
                for month, order in own_orders.items()
                if order.state == "EXECUTED"
            },
            registered={each.municipality for each in (person, partner) if each is not None} == here,
            parked=any(each.parked for each in (person, partner) if each is not None),
        )
        case = replace(case, repaid=repaid.get(enrolment.enrolment_id, {}))
        agreement = agreed.get(enrolment.enrolment_id, NOTHING_AGREED)
        case = _with_people(case, agreement, enrolment, gifts.get(enrolment.participant_id, ()), law)
        files.append(
            CaseFile(
                enrolment=enrolment,
                case=case,
                settled=own_settled,
                orders=own_orders,
                agreement=agreement,
            )
        )
    return await _held_to_one_amount(reading, files, law)


async def _repaid(reading: ReadTx, enrolment_ids: Collection[str]) -> dict[str, dict[Month, int]]:
    """What came back by month, by enrolment."""
    repaid: dict[str, dict[Month, int]] = {}
    found = select(REPAYMENT).where(among(REPAYMENT.c.enrolment_id, enrolment_ids))
    for row in await reading.rows(found):
        months = repaid.setdefault(row.enrolment_id, {})
        month = month_of(row.month)
        months[month] = months.get(month, 0) + row.amount_cents
    return repaid


def _right(enrolment: Enrolment, periods: Sequence[BenefitPeriod] | None) -> Sequence[BenefitPeriod] | None:
    """The days with bijstand: all unless something was said; none from the day on which it ended."""
    if enrolment.benefit_ended_on is None:
        return periods
    last = enrolment.benefit_ended_on - timedelta(days=1)
    known = periods or (BenefitPeriod(enrolment.first_month.first_day),)
    return tuple(
        BenefitPeriod(period.first, last if period.last is None else min(period.last, last))
        for period in known
        if period.first <= last
    )


@dataclass(frozen=True, slots=True)
class _Gift:
    """A draw of a private fund that was ordered: of which enrolment and month, received in which year."""

    enrolment_id: str
    month: Month
    year: int
    amount_cents: int
    paid: bool


def _with_people(
    case: Case, agreement: Agreement, enrolment: Enrolment, gifts: Sequence[_Gift], law: Law
) -> Case:
    """The case with what people decided about its months and what was given to this person beside it.

    A year is watched when a month of the case can be received in it.
    """
    given: dict[int, int] = {}
    own = [gift for gift in gifts if gift.enrolment_id == enrolment.enrolment_id]
    for gift in gifts:
        if gift.enrolment_id != enrolment.enrolment_id:
            given[gift.year] = given.get(gift.year, 0) + gift.amount_cents
    last = case.until.plus(1).year
    return replace(
        case,
        approved=agreement.approved,
        rejected=agreement.rejected,
        decided_on=agreement.decided_on,
        received_in={gift.month: gift.year for gift in own if gift.paid},
        gift_room=room_by_year(law, case.policy, range(case.first_month.year, last + 2), given),
    )


async def _gifts(reading: ReadTx, people: Collection[str]) -> dict[str, list[_Gift]]:
    """The draws of private funds for these people that count: a paid one in the year of its payment, an open
    one in that of the month after its own; also those paid to the municipality."""
    order = PAYMENT_ORDER.c
    found = (
        select(order.participant_id, order.enrolment_id, order.month, order.executed_on, order.amount_cents)
        .join(FUND, FUND.c.fund_id == order.fund_id)
        .where(
            among(order.participant_id, people),
            order.state.in_(("OPEN", "EXECUTED")),
            FUND.c.kind == "PRIVATE",
        )
    )
    gifts: dict[str, list[_Gift]] = {}
    for row in await reading.rows(found):
        month = month_of(row.month)
        year = month.plus(1).year if row.executed_on is None else row.executed_on.year
        gift = _Gift(row.enrolment_id, month, year, row.amount_cents, row.executed_on is not None)
        gifts.setdefault(row.participant_id, []).append(gift)
    return gifts


async def _held_to_one_amount(reading: ReadTx, files: list[CaseFile], law: Law) -> list[CaseFile]:
    """Of two partners with an enrolment each, the later one draws what the earlier one leaves of the rule's
    amount (reading 15). The earlier one is taken as it is computed now, where it is among the files."""
    partners = {file.enrolment.partner_id for file in files if file.enrolment.partner_id is not None}
    if not partners:
        return files
    theirs = await enrolments(reading, participant_ids=partners)
    settled = await settled_months(reading, [enrolment.enrolment_id for enrolment in theirs])
    here = {file.enrolment.enrolment_id: file for file in files}
    held = []
    for file in files:
        drawn = dict(file.case.drawn_elsewhere)
        for other in theirs:
            if not _comes_before(other, file.enrolment):
                continue
            draws: dict[Month, int] = {
                month: standing.row.draw_cents
                for month, standing in settled.get(other.enrolment_id, {}).items()
            }
            if other.enrolment_id in here and other.state == "ACTIVE":
                now = run(here[other.enrolment_id].case, law)
                draws |= {row.month: row.draw_cents + row.proposed_cents for row in now}
            for month, cents in draws.items():
                drawn[month] = drawn.get(month, 0) + cents
        held.append(replace(file, case=replace(file.case, drawn_elsewhere=drawn)))
    return held


def _comes_before(other: Enrolment, enrolment: Enrolment) -> bool:
    """Whether another enrolment is the partner's, points back, and is the one that draws first."""
    couple = other.participant_id == enrolment.partner_id and other.partner_id == enrolment.participant_id
    return couple and other.enrolment_id < enrolment.enrolment_id


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known about one person."""

    municipality: str | None
    slips: Sequence[SlipFact]
    jobs: Mapping[str, PayPeriod]
    zero_months: frozenset[Month]
    unchanged_months: frozenset[Month]
    parked: bool


@dataclass(frozen=True, slots=True)
class _People:
    """What is known about several people, by kind of fact."""

    registered: Mapping[str, str | None]
    slips: Mapping[str, Sequence[SlipFact]]
    jobs: Mapping[str, Mapping[str, PayPeriod]]
    zero_months: Mapping[str, Collection[Month]]
    unchanged_months: Mapping[str, Collection[Month]]
    parked: Collection[str]

    def of(self, person: str) -> _Known:
        """What is known about one of them."""
        return _Known(
            self.registered.get(person),
            self.slips.get(person, ()),
            self.jobs.get(person, {}),
            frozenset(self.zero_months.get(person, ())),
            frozenset(self.unchanged_months.get(person, ())),
            person in self.parked,
        )


async def _people(reading: ReadTx, people: Sequence[str]) -> _People:
    return _People(
        registered=await _registered(reading, people),
        slips=await _slips(reading, people),
        jobs=await _employers(reading, people),
        zero_months=await _declared_months(reading, ZERO_MONTH, people),
        unchanged_months=await _declared_months(reading, UNCHANGED_MONTH, people),
        parked=await has_parked(reading, people),
    )


def _earner(
    partner: _Known, enrolment: Enrolment, grants: Mapping[str, Sequence[Mapping[str, Any]]]
) -> Earner:
    """The partner as an earner; what they were granted stands with this enrolment or with their own."""
    granted = grants.get(enrolment.partner_id or "", ())
    return Earner(
        slips=partner.slips,
        expected=partner.jobs,
        zero_months=partner.zero_months,
        unchanged_months=partner.unchanged_months,
        grounds=(*grounds_of(enrolment.exemptions, "PARTNER"), *grounds_of(granted, "APPLICANT")),
    )


def total_rules(dated: Sequence[MunicipalityRules]) -> tuple[MunicipalityRules, ...]:
    """The rules with the first ones holding for every earlier month too, so that each month has some."""
    if not dated:
        return ()
    return (replace(dated[0], valid_from=None), *dated[1:])


async def settled_months(
    reading: ReadTx, enrolment_ids: Collection[str], *, as_of: datetime | None = None
) -> dict[str, dict[Month, Settled]]:
    """The highest revision of each settled month, by enrolment; with `as_of` of those recorded by then."""
    columns = SETTLED_MONTH.c
    found = (
        select(SETTLED_MONTH)
        .where(among(columns.enrolment_id, enrolment_ids))
        .order_by(columns.enrolment_id, columns.month, columns.revision)
    )
    if as_of is not None:
        found = found.where(columns.recorded_at <= as_of)
    months: dict[str, dict[Month, Row[Any]]] = {}
    for row in await reading.rows(found):
        months.setdefault(row.enrolment_id, {})[month_of(row.month)] = row
    return {
        enrolment_id: {month: _settled_of(row) for month, row in rows.items()}
        for enrolment_id, rows in months.items()
    }


async def settled_revision(reading: ReadTx, enrolment_id: str, month: Month, revision: int) -> Settled | None:
    """One revision of one settled month, whether it still stands or not."""
    columns = SETTLED_MONTH.c
    row = await reading.first(
        select(SETTLED_MONTH).where(
            columns.enrolment_id == enrolment_id, columns.month == str(month), columns.revision == revision
        )
    )
    return None if row is None else _settled_of(row)


def _settled_of(row: Row[Any]) -> Settled:
    return Settled(MonthRow.from_json(row.row), row.revision, row.closed_by, row.recorded_at)


async def counting_orders(reading: ReadTx, enrolment_ids: Collection[str]) -> dict[str, dict[Month, Order]]:
    """The open or executed payment order of each month's draw, by enrolment."""
    found = select(PAYMENT_ORDER).where(
        among(PAYMENT_ORDER.c.enrolment_id, enrolment_ids),
        PAYMENT_ORDER.c.state.in_(("OPEN", "EXECUTED")),
        PAYMENT_ORDER.c.kind == "DRAW",
    )
    orders: dict[str, dict[Month, Order]] = {}
    for row in await reading.rows(found):
        order = order_of(row)
        orders.setdefault(order.enrolment_id, {})[order.month] = order
    return orders


def order_of(row: Row[Any]) -> Order:
    """A payment order from its row."""
    return Order(
        order_id=row.order_id,
        enrolment_id=row.enrolment_id,
        month=month_of(row.month),
        revision=row.revision,
        amount_cents=Cents(row.amount_cents),
        state=row.state,
        draw_transaction_id=row.draw_transaction_id,
    )


def enrolment_of(row: Row[Any]) -> Enrolment:
    """An enrolment from its row."""
    return Enrolment(
        enrolment_id=row.enrolment_id,
        participant_id=row.participant_id,
        municipality=row.municipality,
        scheme_id=row.scheme_id,
        fund_id=row.fund_id,
        policy_version=row.policy_version,
        cap_cents=Cents(row.cap_cents),
        first_month=month_of(row.first_month),
        last_month=month_of(row.last_month),
        household=row.household,
        exemptions=tuple(row.exemptions),
        partner_id=row.partner_id,
        state=row.state,
        ended_reason=row.ended_reason,
        closed_through=maybe_month(row.closed_through),
        told_level=row.told_level,
        benefit_ended_on=row.benefit_ended_on,
        exit_reason=row.exit_reason,
        allowance_set_off=row.allowance_set_off,
    )


async def _grants(reading: ReadTx, people: Collection[str]) -> dict[str, list[Mapping[str, Any]]]:
    """The exempt shares that people were granted with running enrolments of their own; one query."""
    if not people:
        return {}
    found = (
        select(ENROLMENT.c.participant_id, ENROLMENT.c.exemptions)
        .where(among(ENROLMENT.c.participant_id, people), ENROLMENT.c.state == "ACTIVE")
        .order_by(ENROLMENT.c.enrolment_id)
    )
    grants: dict[str, list[Mapping[str, Any]]] = {}
    for row in await reading.rows(found):
        grants.setdefault(row.participant_id, []).extend(row.exemptions)
    return grants


# ---- the parts of a file ---------------------------------------------------------------------------------


async def _policies(reading: ReadTx, listed: Iterable[Enrolment]) -> dict[tuple[str, int], Policy]:
    schemes = sorted({enrolment.scheme_id for enrolment in listed})
    found = select(SCHEME_POLICY).where(among(SCHEME_POLICY.c.scheme_id, schemes))
    return {
        (row.scheme_id, row.policy_version): policy_from_json(row.policy["rules"])
        for row in await reading.rows(found)
    }


async def _registered(reading: ReadTx, people: Collection[str]) -> dict[str, str | None]:
    found = select(PARTICIPANT.c.participant_id, PARTICIPANT.c.municipality).where(
        among(PARTICIPANT.c.participant_id, people), PARTICIPANT.c.erased_at.is_(None)
    )
    return {row.participant_id: row.municipality for row in await reading.rows(found)}


async def _employers(reading: ReadTx, people: Collection[str]) -> dict[str, dict[str, PayPeriod]]:
    """The registered jobs of people with their pay periods."""
    found = select(EMPLOYMENT).where(among(EMPLOYMENT.c.participant_id, people))
    employers: dict[str, dict[str, PayPeriod]] = {}
    for row in await reading.rows(found):
        employers.setdefault(row.participant_id, {})[row.employer_key] = row.pay_period
    return employers


async def _declared_months(reading: ReadTx, kind: Table, people: Collection[str]) -> dict[str, set[Month]]:
    found = select(kind).where(among(kind.c.participant_id, people))
    months: dict[str, set[Month]] = {}
    for row in await reading.rows(found):
        months.setdefault(row.participant_id, set()).add(month_of(row.month))
    return months


async def _slips(reading: ReadTx, people: Collection[str]) -> dict[str, list[SlipFact]]:
    found = select(SLIP).where(among(SLIP.c.participant_id, people))
    slips: dict[str, list[SlipFact]] = {}
    for row in await reading.rows(found):
        slips.setdefault(row.participant_id, []).append(_slip_of(row))
    return slips


def _slip_of(row: Row[Any]) -> SlipFact:
    return SlipFact(
        wage_slip_id=row.wage_slip_id,
        slip_key=row.slip_key,
        employer_key=row.employer_key,
        version=row.version,
        period_from=row.period_from,
        period_to=row.period_to,
        pay_date=row.pay_date,
        parts=tuple(Part(kind, Cents(net_cents)) for kind, net_cents in row.parts),
        tax_credit_applied=row.tax_credit_applied,
        pay_period=row.pay_period,
        source=row.source,
    )
