"""What the ledger's events mean for one person, and when that becomes a message. Values in, values out.

One message per person per closed month at most, and only when money moved, the buffer's state changed
or an earlier month was corrected. A person's events come in order and, by the inbox, once: two events that
say the same are two things that happened.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, replace
from enum import StrEnum
from typing import Any

from notifier.wording import NIL, BufferLevel, Content, Correction, Figures, MessageKind
from shared.contracts.events import (
    BufferDrawn,
    BufferExhausted,
    BufferLow,
    BufferReplenished,
    EnrolmentEnded,
    MonthSettled,
)
from shared.money import Cents
from shared.months import Month

BufferEvent = MonthSettled | BufferDrawn | BufferLow | BufferExhausted | BufferReplenished | EnrolmentEnded
REFUSED_ENROLMENT = "MUNICIPALITY_MISMATCH"
"""An enrolment that ends for this reason never was the resident's: nobody is told."""


class Why(StrEnum):
    """Why a message is sent; a message has one or more reasons."""

    MONEY_MOVED = "MONEY_MOVED"
    BUFFER_LOW = "BUFFER_LOW"
    BUFFER_EXHAUSTED = "BUFFER_EXHAUSTED"
    CORRECTION = "CORRECTION"
    BUFFER_ENDED = "BUFFER_ENDED"


@dataclass(frozen=True, slots=True)
class MonthNews:
    """What is known of one month of one enrolment.

    `revision` is that of the newest settled row heard (0: not settled yet), `draw_cents` the month's total
    draw as of `draw_revision`, `told_cents` the total the resident was last told, 0 when never told.
    """

    revision: int = 0
    draw_revision: int = 0
    draw_cents: Cents = NIL
    told_cents: Cents = NIL


@dataclass(frozen=True, slots=True)
class EnrolmentNews:
    """What is known of one enrolment; `level` is a state of the buffer that was crossed and not told yet.

    `balance_cents` is what the buffer holds now: the balance after `newest`, the latest month settled.
    """

    months: Mapping[Month, MonthNews] = field(default_factory=dict)
    level: BufferLevel | None = None
    threshold_cents: Cents = NIL
    newest: Month | None = None
    balance_cents: Cents = NIL
    ended: bool = False


@dataclass(frozen=True, slots=True)
class PersonNews:
    """Everything heard of one person, and the months a message was made for."""

    enrolments: Mapping[str, EnrolmentNews] = field(default_factory=dict)
    messaged: frozenset[Month] = frozenset()

    def to_json(self) -> dict[str, Any]:
        """JSON values that `from_json` reads back to an equal value."""
        return {
            "messaged": sorted(str(month) for month in self.messaged),
            "enrolments": {key: _enrolment_json(value) for key, value in self.enrolments.items()},
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "PersonNews":
        return cls(
            enrolments={key: _enrolment_from(value) for key, value in stored["enrolments"].items()},
            messaged=frozenset(Month.parse(month) for month in stored["messaged"]),
        )


@dataclass(frozen=True, slots=True)
class Announcement:
    """A message to make: what it says, why, and the occasion that may have one message only."""

    enrolment_id: str
    fund_id: str
    municipality: str
    occasion: str
    why: tuple[Why, ...]
    content: Content


def hear(news: PersonNews, event: BufferEvent) -> tuple[PersonNews, Announcement | None]:
    """Take in one event of the person; give what is known now and the message it sets off, if any."""
    match event:
        case MonthSettled():
            return _hear_settled(news, event)
        case EnrolmentEnded():
            return _hear_ended(news, event)
        case BufferDrawn():
            known = _enrolment(news, event.enrolment_id)
            return _with(news, event.enrolment_id, _drawn(known, event)), None
        case BufferLow():
            return _crossed(news, event, BufferLevel.LOW, event.threshold_cents), None
        case BufferExhausted():
            return _crossed(news, event, BufferLevel.EXHAUSTED), None
        case BufferReplenished():
            return _replenished(news, event), None


def _hear_settled(news: PersonNews, event: MonthSettled) -> tuple[PersonNews, Announcement | None]:
    enrolment = _enrolment(news, event.enrolment_id)
    known = enrolment.months.get(event.month, MonthNews())
    if event.revision <= known.revision:
        return news, None
    # The first row heard closes the month, whatever its revision: revision 1 may have been discarded.
    closes = known.revision == 0
    row = replace(known, revision=event.revision)
    if event.revision >= known.draw_revision:
        row = replace(row, draw_revision=event.revision, draw_cents=event.draw_cents)
    enrolment = _with_month(enrolment, event.month, row)
    if enrolment.newest is None or event.month >= enrolment.newest:
        enrolment = replace(enrolment, newest=event.month, balance_cents=event.balance_cents)
    news = _with(news, event.enrolment_id, enrolment)
    if not closes or event.month in news.messaged:
        return news, None
    return _tell_month(news, event, row)


def _tell_month(
    news: PersonNews, event: MonthSettled, row: MonthNews
) -> tuple[PersonNews, Announcement | None]:
    corrections = _corrections(news, leave_out=(event.enrolment_id, event.month))
    enrolment = _enrolment(news, event.enrolment_id)
    level = _level_now(enrolment)
    why = _reasons(bool(row.draw_cents), level, bool(corrections))
    if not why:
        return _with_level(news, event.enrolment_id, None), None
    content = Content(
        kind=MessageKind.BUFFER_MONTH,
        month=event.month,
        figures=Figures(
            wage_cents=event.wage_cents,
            benefit_cents=event.benefit_paid_cents,
            other_cash_cents=event.other_cash_cents,
            cash_cents=event.cash_cents,
            floor_cents=event.floor_cents,
            draw_cents=row.draw_cents,
            balance_cents=enrolment.balance_cents,
            cash_after_cents=event.cash_after_cents,
        ),
        level=level,
        corrections=corrections,
    )
    announcement = _announcement(event, str(event.month), why, content)
    told = _told(news, event.enrolment_id)
    return replace(told, messaged=told.messaged | {event.month}), announcement


def _hear_ended(news: PersonNews, event: EnrolmentEnded) -> tuple[PersonNews, Announcement | None]:
    enrolment = _enrolment(news, event.enrolment_id)
    if enrolment.ended:
        return news, None
    news = _with(news, event.enrolment_id, replace(enrolment, ended=True, level=None))
    if event.reason == REFUSED_ENROLMENT:
        return news, None
    corrections = _corrections(news, leave_out=None)
    why = (Why.BUFFER_ENDED, *_reasons(False, None, bool(corrections)))
    content = Content(
        kind=MessageKind.BUFFER_END,
        month=event.last_month,
        returned_cents=event.returned_cents,
        corrections=corrections,
        unsettled=event.unsettled_months,
    )
    announcement = _announcement(event, f"end:{event.enrolment_id}", why, content)
    return _told(news, event.enrolment_id), announcement


def _announcement(
    event: MonthSettled | EnrolmentEnded, occasion: str, why: tuple[Why, ...], content: Content
) -> Announcement:
    return Announcement(
        enrolment_id=event.enrolment_id,
        fund_id=event.fund_id,
        municipality=event.municipality,
        occasion=occasion,
        why=why,
        content=content,
    )


def _reasons(moved: bool, level: BufferLevel | None, corrected: bool) -> tuple[Why, ...]:
    reasons = [Why.MONEY_MOVED] if moved else []
    if level is not None:
        reasons.append(Why.BUFFER_LOW if level is BufferLevel.LOW else Why.BUFFER_EXHAUSTED)
    if corrected:
        reasons.append(Why.CORRECTION)
    return tuple(reasons)


def _corrections(news: PersonNews, leave_out: tuple[str, Month] | None) -> tuple[Correction, ...]:
    """Settled months whose draw differs from what the resident was told, oldest first."""
    found = [
        Correction(month=month, told_cents=row.told_cents, draw_cents=row.draw_cents)
        for enrolment_id, enrolment in sorted(news.enrolments.items())
        for month, row in enrolment.months.items()
        if (enrolment_id, month) != leave_out and row.revision > 0 and row.draw_cents != row.told_cents
    ]
    return tuple(sorted(found, key=lambda correction: correction.month))


def _told(news: PersonNews, enrolment_id: str) -> PersonNews:
    """The resident now knows every settled month's draw, and this enrolment's buffer state."""
    enrolments = {
        key: replace(
            enrolment,
            level=None if key == enrolment_id else enrolment.level,
            months={
                month: replace(row, told_cents=row.draw_cents) if row.revision > 0 else row
                for month, row in enrolment.months.items()
            },
        )
        for key, enrolment in news.enrolments.items()
    }
    return replace(news, enrolments=enrolments)


def _drawn(known: EnrolmentNews, event: BufferDrawn) -> EnrolmentNews:
    row = known.months.get(event.month, MonthNews())
    if event.revision <= row.draw_revision:
        return known
    return _with_month(
        known, event.month, replace(row, draw_revision=event.revision, draw_cents=event.draw_cents)
    )


def _crossed(
    news: PersonNews,
    event: BufferLow | BufferExhausted,
    level: BufferLevel,
    threshold_cents: Cents | None = None,
) -> PersonNews:
    known = _enrolment(news, event.enrolment_id)
    # Both can be crossed by one draw; the emptier state is the one worth telling.
    worst = BufferLevel.EXHAUSTED if BufferLevel.EXHAUSTED in (level, known.level) else level
    threshold = known.threshold_cents if threshold_cents is None else threshold_cents
    return _with(news, event.enrolment_id, replace(known, level=worst, threshold_cents=threshold))


def _replenished(news: PersonNews, event: BufferReplenished) -> PersonNews:
    """What was not told yet is low at worst, and whether it still is shows when it is told.

    The event's own balance is that after its month: later months may have drawn.
    """
    waits = _enrolment(news, event.enrolment_id).level is not None
    return _with_level(news, event.enrolment_id, BufferLevel.LOW) if waits else news


def _level_now(known: EnrolmentNews) -> BufferLevel | None:
    """The crossing to tell, None when there is none or the buffer was filled up since."""
    filled_up = known.level is BufferLevel.LOW and known.balance_cents >= known.threshold_cents
    return None if filled_up else known.level


def _with_level(news: PersonNews, enrolment_id: str, level: BufferLevel | None) -> PersonNews:
    return _with(news, enrolment_id, replace(_enrolment(news, enrolment_id), level=level))


def _enrolment(news: PersonNews, enrolment_id: str) -> EnrolmentNews:
    return news.enrolments.get(enrolment_id, EnrolmentNews())


def _with(news: PersonNews, enrolment_id: str, enrolment: EnrolmentNews) -> PersonNews:
    return replace(news, enrolments={**news.enrolments, enrolment_id: enrolment})


def _with_month(enrolment: EnrolmentNews, month: Month, row: MonthNews) -> EnrolmentNews:
    return replace(enrolment, months={**enrolment.months, month: row})


def _enrolment_json(enrolment: EnrolmentNews) -> dict[str, Any]:
    return {
        "months": {str(month): list(astuple(row)) for month, row in enrolment.months.items()},
        "level": enrolment.level,
        "thresholdCents": enrolment.threshold_cents,
        "newest": None if enrolment.newest is None else str(enrolment.newest),
        "balanceCents": enrolment.balance_cents,
        "ended": enrolment.ended,
    }


def _enrolment_from(stored: Mapping[str, Any]) -> EnrolmentNews:
    return EnrolmentNews(
        months={Month.parse(month): MonthNews(*row) for month, row in stored["months"].items()},
        level=None if stored["level"] is None else BufferLevel(stored["level"]),
        threshold_cents=stored["thresholdCents"],
        newest=Month.parse(stored["newest"]) if stored.get("newest") else None,
        balance_cents=stored.get("balanceCents", NIL),
        ended=stored["ended"],
    )
