"""What the ledger keeps beside its books: settings, funds, schemes, enrolments, people's facts.

Functions take a transaction and give values back; rows never leave this module. Months are values here and
text in the database.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, func, insert, not_, or_, select, update

from buffer_ledger.attribution import ESTIMATE, MonthDay, MunicipalityRules, SlipFact
from buffer_ledger.policy import Policy, policy_from_json, policy_to_json
from buffer_ledger.tables import (
    CLOSED_MONTH,
    EMPLOYMENT,
    ENROLMENT,
    EVERY_MONTH,
    FUND,
    FUND_MUNICIPALITY,
    MONTH_CLOSE,
    MUNICIPALITY,
    MUNICIPALITY_RULES,
    PARTICIPANT,
    PAYEE,
    SCHEME,
    SCHEME_POLICY,
    SLIP,
    UNCHANGED_MONTH,
    ZERO_MONTH,
)
from shared.database import ReadTx, Tx, among, insert_ignore, lock_for_update, upsert
from shared.months import Month

PAGE_MAX = 500


@lru_cache(maxsize=4096)
def month_of(text: str) -> Month:
    """Read a month column."""
    return Month.parse(text)


def maybe_month(text: str | None) -> Month | None:
    """Read a month column that may be empty."""
    return None if text is None else month_of(text)


# ---- municipalities --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DatedRules:
    """A municipality's settings with the name it had then."""

    name: str
    rules: MunicipalityRules


async def lock_municipality(tx: Tx, code: str, *, create: bool = False) -> bool:
    """Take the municipality's turn until the commit; says whether it is known (created, if asked)."""
    if create:
        await tx.execute(
            insert_ignore(tx, MUNICIPALITY, ["municipality"]), [{"municipality": code, "recorded_at": tx.now}]
        )
    return bool(await lock_for_update(tx, MUNICIPALITY, MUNICIPALITY.c.municipality, [code]))


async def municipality_rules(reading: ReadTx, code: str) -> list[DatedRules]:
    """All settings of a municipality, oldest first; empty when it is not known."""
    return (await rules_of(reading, [code])).get(code, [])


async def rules_of(reading: ReadTx, codes: Collection[str]) -> dict[str, list[DatedRules]]:
    """The settings of several municipalities, oldest first."""
    found = select(MUNICIPALITY_RULES).where(among(MUNICIPALITY_RULES.c.municipality, codes))
    rules: dict[str, list[DatedRules]] = {}
    for row in await reading.rows(found.order_by(MUNICIPALITY_RULES.c.valid_from)) if codes else ():
        rules.setdefault(row.municipality, []).append(DatedRules(row.name, _rules(row)))
    return rules


async def put_rules(tx: Tx, code: str, dated: DatedRules) -> None:
    """Keep settings from their month on; those of the same month are replaced."""
    rules = dated.rules
    row = {
        "municipality": code,
        "valid_from": EVERY_MONTH if rules.valid_from is None else str(rules.valid_from),
        "name": dated.name,
        "offset_method": rules.offset_method,
        "four_week_method": rules.four_week_method,
        "holiday_claim": rules.holiday_claim,
        "year_end_pay": rules.year_end_pay,
        "cut_off_day": rules.cut_off_day,
        "late_slip": rules.late_slip,
        "case_tolerance_cents": rules.case_tolerance_cents,
        "calendar": {
            name: asdict(day)
            for name, day in (("deadline", rules.deadline), ("pay_day", rules.pay_day))
            if day is not None
        },
        "recorded_at": tx.now,
    }
    changed = [name for name in row if name not in {"municipality", "valid_from"}]
    await tx.execute(upsert(tx, MUNICIPALITY_RULES, ["municipality", "valid_from"], changed), [row])


async def closed_months(reading: ReadTx, code: str) -> set[Month]:
    """The months of a municipality that were closed at least once."""
    found = select(CLOSED_MONTH.c.month).where(CLOSED_MONTH.c.municipality == code)
    return {month_of(row.month) for row in await reading.rows(found)}


async def closed_or_closing_months(reading: ReadTx, code: str) -> set[Month]:
    """The months of a municipality that were closed at least once or are being closed; a failed close is
    neither."""
    running = select(MONTH_CLOSE.c.month).where(
        MONTH_CLOSE.c.municipality == code, MONTH_CLOSE.c.state == "RUNNING"
    )
    closing = {month_of(row.month) for row in await reading.rows(running)}
    return closing | await closed_months(reading, code)


async def mark_closed(tx: Tx, code: str, month: Month) -> None:
    """Note that a month was closed; again is no harm."""
    row = {"municipality": code, "month": str(month), "recorded_at": tx.now}
    await tx.execute(insert_ignore(tx, CLOSED_MONTH, ["municipality", "month"]), [row])


def _rules(row: Row[Any]) -> MunicipalityRules:
    return MunicipalityRules(
        valid_from=None if row.valid_from == EVERY_MONTH else month_of(row.valid_from),
        offset_method=row.offset_method,
        four_week_method=row.four_week_method,
        holiday_claim=row.holiday_claim,
        year_end_pay=row.year_end_pay,
        cut_off_day=row.cut_off_day,
        late_slip=row.late_slip,
        case_tolerance_cents=row.case_tolerance_cents,
        **{name: MonthDay(**day) for name, day in row.calendar.items()},
    )


# ---- funds and schemes -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fund:
    """A fund and the municipalities whose people it may pay."""

    fund_id: str
    name: str
    kind: str
    low_threshold_cents: int
    municipalities: tuple[str, ...]
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Scheme:
    """A scheme with the version of its policy that holds. `given` is the policy as it was sent."""

    scheme_id: str
    municipality: str
    fund_id: str
    policy_version: int
    policy: Policy
    given: Mapping[str, Any]
    valid_from: Month
    valid_to: Month | None


async def add_fund(tx: Tx, fund: Fund) -> None:
    """Keep a new fund."""
    row = {
        "fund_id": fund.fund_id,
        "name": fund.name,
        "kind": fund.kind,
        "low_threshold_cents": fund.low_threshold_cents,
        "recorded_at": fund.recorded_at,
    }
    await tx.execute(insert(FUND), [row])
    pairs = [{"fund_id": fund.fund_id, "municipality": code} for code in fund.municipalities]
    await tx.execute(insert(FUND_MUNICIPALITY), pairs)


async def funds(reading: ReadTx, fund_ids: Collection[str]) -> dict[str, Fund]:
    """The funds of these ids that exist."""
    if not fund_ids:
        return {}
    found = (
        select(FUND, FUND_MUNICIPALITY.c.municipality)
        .join(FUND_MUNICIPALITY, FUND_MUNICIPALITY.c.fund_id == FUND.c.fund_id)
        .where(among(FUND.c.fund_id, fund_ids))
        .order_by(FUND.c.fund_id, FUND_MUNICIPALITY.c.municipality)
    )
    grouped: dict[str, list[Row[Any]]] = {}
    for row in await reading.rows(found):
        grouped.setdefault(row.fund_id, []).append(row)
    return {
        fund_id: Fund(
            fund_id=fund_id,
            name=rows[0].name,
            kind=rows[0].kind,
            low_threshold_cents=rows[0].low_threshold_cents,
            municipalities=tuple(row.municipality for row in rows),
            recorded_at=rows[0].recorded_at,
        )
        for fund_id, rows in grouped.items()
    }


async def fund_ids_of(reading: ReadTx, municipality: str | None) -> list[str]:
    """The funds that may pay people of a municipality; all of them for None."""
    found = select(FUND.c.fund_id).order_by(FUND.c.fund_id)
    if municipality is not None:
        mine = select(FUND_MUNICIPALITY.c.fund_id).where(FUND_MUNICIPALITY.c.municipality == municipality)
        found = found.where(FUND.c.fund_id.in_(mine))
    return [row.fund_id for row in await reading.rows(found)]


async def scheme(reading: ReadTx, scheme_id: str, *, lock: bool = False) -> Scheme | None:
    """A scheme with its present policy, or None; `lock` keeps it as it is until the commit."""
    found = (
        select(SCHEME, SCHEME_POLICY.c.policy)
        .join(
            SCHEME_POLICY,
            (SCHEME_POLICY.c.scheme_id == SCHEME.c.scheme_id)
            & (SCHEME_POLICY.c.policy_version == SCHEME.c.policy_version),
        )
        .where(SCHEME.c.scheme_id == scheme_id)
    )
    row = await reading.first(found.with_for_update(of=SCHEME) if lock else found)
    if row is None:
        return None
    return Scheme(
        scheme_id=row.scheme_id,
        municipality=row.municipality,
        fund_id=row.fund_id,
        policy_version=row.policy_version,
        policy=policy_from_json(row.policy["rules"]),
        given=row.policy["given"],
        valid_from=month_of(row.valid_from),
        valid_to=maybe_month(row.valid_to),
    )


async def put_scheme(tx: Tx, new: Scheme, *, new_version: bool) -> None:
    """Keep a scheme; with `new_version` its policy becomes a version of its own."""
    row = {
        "scheme_id": new.scheme_id,
        "municipality": new.municipality,
        "fund_id": new.fund_id,
        "policy_version": new.policy_version,
        "valid_from": str(new.valid_from),
        "valid_to": None if new.valid_to is None else str(new.valid_to),
        "recorded_at": tx.now,
    }
    changed = ["fund_id", "policy_version", "valid_from", "valid_to", "recorded_at"]
    await tx.execute(upsert(tx, SCHEME, ["scheme_id"], changed), [row])
    if new_version:
        policy = {"rules": policy_to_json(new.policy), "given": dict(new.given)}
        version = {
            "scheme_id": new.scheme_id,
            "policy_version": new.policy_version,
            "policy": policy,
            "recorded_at": tx.now,
        }
        await tx.execute(insert(SCHEME_POLICY), [version])


async def last_first_month(reading: ReadTx, scheme_id: str) -> Month | None:
    """The latest first month of the scheme's enrolments, None when it has none."""
    found = select(func.max(ENROLMENT.c.first_month)).where(ENROLMENT.c.scheme_id == scheme_id)
    return maybe_month(await reading.scalar(found))


# ---- people ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Participant:
    """What is known of a participant; without municipality while nobody registered them here."""

    participant_id: str
    municipality: str | None
    erased: bool


async def lock_participant(tx: Tx, participant_id: str) -> Participant:
    """Take the participant's turn until the commit; an id that was never seen gets a row to lock."""
    blank = {"participant_id": participant_id, "municipality": None, "registered_at": None, "erased_at": None}
    await tx.execute(insert_ignore(tx, PARTICIPANT, ["participant_id"]), [blank])
    found = select(PARTICIPANT).where(PARTICIPANT.c.participant_id == participant_id)
    row = await tx.one(found.with_for_update())
    return Participant(row.participant_id, row.municipality, row.erased_at is not None)


async def participants(reading: ReadTx, participant_ids: Collection[str]) -> dict[str, Participant]:
    """The participants of these ids that are known."""
    if not participant_ids:
        return {}
    found = select(PARTICIPANT).where(among(PARTICIPANT.c.participant_id, participant_ids))
    return {
        row.participant_id: Participant(row.participant_id, row.municipality, row.erased_at is not None)
        for row in await reading.rows(found)
    }


async def register(
    tx: Tx, municipality_of: Mapping[str, str], employments: Iterable[tuple[str, str, str]]
) -> None:
    """Keep participants with their municipality and, as a whole, their employments (person, key, period)."""
    rows = [
        {
            "participant_id": participant_id,
            "municipality": municipality,
            "registered_at": tx.now,
            "erased_at": None,
        }
        for participant_id, municipality in sorted(municipality_of.items())
    ]
    await tx.execute(upsert(tx, PARTICIPANT, ["participant_id"], ["municipality", "registered_at"]), rows)
    await tx.execute(delete(EMPLOYMENT).where(among(EMPLOYMENT.c.participant_id, list(municipality_of))))
    jobs = [
        {"participant_id": participant_id, "employer_key": key, "pay_period": period}
        for participant_id, key, period in employments
    ]
    await tx.execute(insert(EMPLOYMENT), jobs)


async def erase(tx: Tx, participant_ids: Collection[str]) -> None:
    """Mark people as erased and delete what only their keys could read; amounts stay."""
    blank = [
        {"participant_id": person, "municipality": None, "registered_at": None, "erased_at": None}
        for person in sorted(participant_ids)
    ]
    await tx.execute(insert_ignore(tx, PARTICIPANT, ["participant_id"]), blank)
    erased = update(PARTICIPANT).where(among(PARTICIPANT.c.participant_id, participant_ids))
    await tx.execute(erased.values(erased_at=tx.now))
    await tx.execute(delete(PAYEE).where(among(PAYEE.c.participant_id, participant_ids)))


async def keep_slips(tx: Tx, slips: Sequence[tuple[str, str, str, SlipFact]]) -> None:
    """Keep slip facts (person, source, pay period, fact); of each slip the highest version stays, and an
    estimate never replaces what a slip said.

    A slip may stand in the list once. Statements: one, for any number.
    """
    rows = [
        {
            "participant_id": participant_id,
            "slip_key": slip.slip_key,
            "wage_slip_id": slip.wage_slip_id,
            "version": slip.version,
            "employer_key": slip.employer_key,
            "source": source,
            "pay_period": pay_period,
            "period_from": slip.period_from,
            "period_to": slip.period_to,
            "pay_date": slip.pay_date,
            "parts": [[part.kind, part.net_cents] for part in slip.parts],
            "tax_credit_applied": slip.tax_credit_applied,
            "recorded_at": tx.now,
        }
        for participant_id, source, pay_period, slip in slips
    ]
    changed = [column.name for column in SLIP.columns if not column.primary_key]
    statement = upsert(
        tx,
        SLIP,
        ["participant_id", "slip_key"],
        changed,
        where=lambda new: _counts_more(new.version, new.source),
    )
    await tx.execute(statement, rows)


def _counts_more(version: Any, source: Any) -> ColumnElement[bool]:
    """Whether a new version takes the place of the one that is kept."""
    was_estimate = SLIP.c.source == ESTIMATE
    is_estimate = source == ESTIMATE
    higher = SLIP.c.version < version
    return or_(and_(was_estimate, not_(is_estimate)), and_(higher, or_(was_estimate, not_(is_estimate))))


async def keep_unchanged_months(tx: Tx, months: Collection[tuple[str, Month]]) -> None:
    """Keep declarations of a month as the one before (person, month); again is no harm."""
    rows = [
        {"participant_id": participant_id, "month": str(month), "recorded_at": tx.now}
        for participant_id, month in sorted(set(months))
    ]
    await tx.execute(insert_ignore(tx, UNCHANGED_MONTH, ["participant_id", "month"]), rows)


async def keep_zero_months(tx: Tx, months: Collection[tuple[str, Month]]) -> None:
    """Keep declarations of a month without work (person, month); again is no harm."""
    rows = [
        {"participant_id": participant_id, "month": str(month), "recorded_at": tx.now}
        for participant_id, month in sorted(set(months))
    ]
    await tx.execute(insert_ignore(tx, ZERO_MONTH, ["participant_id", "month"]), rows)
