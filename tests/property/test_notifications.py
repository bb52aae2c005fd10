"""At most one message per person and closed month, the same however people mix.

An event comes again under its own id only, and the inbox hands it on once (test_households.py tries that on a
running notifier). What carries a revision is told once even without the inbox, because the ledger counts.
"""

from collections import defaultdict
from collections.abc import Sequence
from random import Random
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.news import Announcement, BufferEvent, PersonNews, Why, hear
from notifier.wording import BufferLevel, MessageKind
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

CAP = 100_000
LOW = 25_000
FIRST = Month(2026, 1)


def _id(number: int) -> str:
    return str(UUID(int=0x40008000000000000000 + number))


def _about(person: int) -> dict[str, Any]:
    return {
        "municipality": "0344",
        "participant_id": _id(person),
        "enrolment_id": _id(1000 + person),
        "scheme_id": _id(1),
        "fund_id": _id(2),
    }


class Ledger:
    """Tells one person's events as the ledger does: corrections first, the closed month's row last."""

    def __init__(self, person: int) -> None:
        self.person = person
        self.draws: dict[Month, int] = {}
        self.revisions: dict[Month, int] = {}
        self.events: list[BufferEvent] = []

    @property
    def balance(self) -> int:
        return CAP - sum(self.draws.values())

    def settle(self, month: Month, wanted: int) -> None:
        """Settle or rebook a month; the draw is what is wanted as far as the buffer goes."""
        before, level = self.draws.get(month, 0), self._level()
        draw = min(wanted, self.balance + before)
        revision = self.revisions.get(month, 0) + 1
        if revision > 1 and draw == before:
            return
        self.draws[month], self.revisions[month] = draw, revision
        about = {**_about(self.person), "month": month}
        balance = Cents(self.balance)
        if draw != before:
            self.events.append(
                BufferDrawn(
                    **about,
                    revision=revision,
                    draw_cents=Cents(draw),
                    previous_draw_cents=Cents(before),
                    balance_cents=balance,
                )
            )
        if draw < before:
            gone = Cents(before - draw)
            self.events.append(
                BufferReplenished(**about, revision=revision, amount_cents=gone, balance_cents=balance)
            )
        if level < 1 <= self._level():
            self.events.append(BufferLow(**about, balance_cents=balance, threshold_cents=Cents(LOW)))
        if level < 2 <= self._level():
            self.events.append(BufferExhausted(**about))
        self.events.append(_row(about, revision, draw, before if revision > 1 else None, balance))

    def end(self, reason: str, unsettled: tuple[Month, ...] = ()) -> None:
        last = max(self.draws, default=FIRST)
        about = _about(self.person)
        self.events.append(
            EnrolmentEnded(
                **about,
                last_month=last,
                returned_cents=Cents(self.balance),
                reason=reason,
                unsettled_months=unsettled,
            )
        )

    def _level(self) -> int:
        return (self.balance < LOW) + (self.balance < 500)


def _row(
    about: dict[str, Any], revision: int, draw: int, previous: int | None, balance: Cents
) -> MonthSettled:
    return MonthSettled(
        **about,
        revision=revision,
        closed_by="CLOSE",
        wage_cents=Cents(25_000),
        benefit_paid_cents=Cents(61_323),
        other_cash_cents=Cents(0),
        cash_cents=Cents(86_323),
        floor_cents=Cents(133_143),
        shortfall_cents=Cents(46_820),
        draw_cents=Cents(draw),
        previous_draw_cents=None if previous is None else Cents(previous),
        balance_cents=balance,
        cash_after_cents=Cents(86_323 + draw),
    )


amounts = st.one_of(st.just(0), st.integers(500, 60_000))


@st.composite
def histories(draw: st.DrawFn, person: int) -> list[BufferEvent]:
    """A year of one person: months closed in order, earlier ones corrected now and then, perhaps an end."""
    ledger = Ledger(person)
    for number in range(draw(st.integers(1, 8))):
        for earlier in draw(st.lists(st.integers(0, max(0, number - 1)), max_size=2)) if number else []:
            ledger.settle(FIRST.plus(earlier), draw(amounts))
        ledger.settle(FIRST.plus(number), draw(amounts))
        if draw(st.booleans()):
            ledger.settle(FIRST.plus(draw(st.integers(0, number))), draw(amounts))
    ending = draw(st.sampled_from([None, "EXPIRED", "MUNICIPALITY_MISMATCH"]))
    if ending:
        ledger.end(ending)
    return ledger.events


years = st.tuples(*(histories(person) for person in range(3)))


def _messages(events: Sequence[BufferEvent]) -> dict[str, list[Announcement]]:
    """What each person gets when the events arrive in this order; news is stored and read back in between."""
    news: dict[str, PersonNews] = defaultdict(PersonNews)
    made: dict[str, list[Announcement]] = defaultdict(list)
    for event in events:
        who = event.participant_id
        known, announcement = hear(news[who], event)
        news[who] = PersonNews.from_json(known.to_json())
        assert news[who] == known
        if announcement is not None:
            made[who].append(announcement)
    return dict(made)


def _mixed(year: Sequence[Sequence[BufferEvent]], chance: Random) -> list[BufferEvent]:
    """The people's events interleaved at random, each person's in order."""
    waiting = [list(events) for events in year]
    arrived: list[BufferEvent] = []
    while any(waiting):
        person = chance.choice([index for index, events in enumerate(waiting) if events])
        arrived.append(waiting[person].pop(0))
    return arrived


def _repeated(events: Sequence[BufferEvent], chance: Random) -> list[BufferEvent]:
    """The same with repeats, at random, of whatever carries a revision or is an end."""
    arrived: list[BufferEvent] = []
    for event in events:
        arrived.append(event)
        told_by_revision = [
            one for one in arrived if isinstance(one, MonthSettled | BufferDrawn | EnrolmentEnded)
        ]
        while told_by_revision and chance.random() < 0.3:
            arrived.append(chance.choice(told_by_revision))
    return arrived


@given(years, st.integers(0, 2**32))
def test_any_mix_of_people_and_repeats_of_revisions_give_the_same_messages(
    year: Sequence[Sequence[BufferEvent]], seed: int
) -> None:
    calm = _messages([event for events in year for event in events])
    mixed = _mixed(year, Random(seed))
    assert _messages(mixed) == calm
    assert _messages(_repeated(mixed, Random(seed))) == calm


@given(histories(0))
def test_every_crossing_that_still_holds_when_a_month_closes_is_told_in_that_months_message(
    events: list[BufferEvent],
) -> None:
    said = {
        announcement.content.month: announcement.content.level
        for announcement in _messages(events).get(_id(0), [])
        if announcement.content.figures is not None
    }
    crossed, closed = False, set()
    for event in events:
        if isinstance(event, BufferLow | BufferExhausted):
            crossed = True
        if isinstance(event, MonthSettled) and event.month not in closed:
            closed.add(event.month)
            if crossed and event.balance_cents < LOW:
                assert said[event.month] is not None
            if event.balance_cents >= LOW:
                assert said.get(event.month) is None
            crossed = False


@given(histories(0))
def test_there_is_one_message_per_occasion_and_none_without_a_reason(events: list[BufferEvent]) -> None:
    made = _messages(events).get(_id(0), [])
    occasions = [announcement.occasion for announcement in made]
    assert len(set(occasions)) == len(occasions)
    for announcement in made:
        assert announcement.why
        moved = announcement.content.figures is not None and announcement.content.figures.draw_cents > 0
        assert (Why.MONEY_MOVED in announcement.why) == moved
        assert (Why.CORRECTION in announcement.why) == bool(announcement.content.corrections)


@given(histories(0))
def test_whoever_adds_up_what_was_told_knows_every_settled_draw_after_the_end(
    events: list[BufferEvent],
) -> None:
    ledger_says: dict[Month, int] = {}
    for event in events:
        if isinstance(event, MonthSettled):
            ledger_says[event.month] = event.draw_cents
    ended = any(isinstance(event, EnrolmentEnded) and event.reason == "EXPIRED" for event in events)
    told: dict[Month, int] = defaultdict(int)
    for announcement in _messages(events).get(_id(0), []):
        content = announcement.content
        if content.figures is not None:
            assert told[content.month] == 0, "a closed month is told as new only once"
            told[content.month] = content.figures.draw_cents
        for correction in content.corrections:
            assert told[correction.month] == correction.told_cents
            told[correction.month] = correction.draw_cents
    if ended:
        assert {month: cents for month, cents in told.items() if cents} == {
            month: cents for month, cents in ledger_says.items() if cents
        }


@given(histories(0))
def test_a_refused_enrolment_is_not_announced_as_ended(events: list[BufferEvent]) -> None:
    ends = [event.reason for event in events if isinstance(event, EnrolmentEnded)]
    announced = [
        announcement.content.kind is MessageKind.BUFFER_END
        for announcement in _messages(events).get(_id(0), [])
    ]
    assert sum(announced) == ends.count("EXPIRED")


@settings(max_examples=25)
@given(st.integers(1, 8))
def test_months_in_which_nothing_moves_are_not_reported(months: int) -> None:
    ledger = Ledger(0)
    for number in range(months):
        ledger.settle(FIRST.plus(number), 0)
    assert _messages(ledger.events) == {}


def test_a_late_correction_waits_for_the_next_closed_month() -> None:
    ledger = Ledger(0)
    ledger.settle(FIRST, 10_000)
    ledger.settle(FIRST, 4_000)
    [first] = _messages(ledger.events)[_id(0)]
    assert first.content.corrections == ()
    ledger.settle(FIRST.plus(1), 0)
    _, second = _messages(ledger.events)[_id(0)]
    assert second.why == (Why.CORRECTION,)
    [correction] = second.content.corrections
    assert (correction.month, correction.told_cents, correction.draw_cents) == (FIRST, 10_000, 4_000)


def test_a_correction_that_is_undone_before_the_next_close_is_not_reported() -> None:
    ledger = Ledger(0)
    for month, draw in ((FIRST, 10_000), (FIRST, 4_000), (FIRST, 10_000), (FIRST.plus(1), 0)):
        ledger.settle(month, draw)
    assert len(_messages(ledger.events)[_id(0)]) == 1


def test_low_and_exhausted_by_one_draw_are_told_as_exhausted_once() -> None:
    ledger = Ledger(0)
    ledger.settle(FIRST, CAP)
    ledger.settle(FIRST.plus(1), 0)
    [message] = _messages(ledger.events)[_id(0)]
    assert message.why == (Why.MONEY_MOVED, Why.BUFFER_EXHAUSTED)


def test_low_then_refilled_then_low_again_at_the_same_balance_is_told_again() -> None:
    ledger = Ledger(0)
    for month, draw in (
        (FIRST, 80_000),  # low at 20 000, told
        (FIRST, 10_000),  # refilled
        (FIRST, 80_000),  # low again at 20 000, of the same month
        (FIRST.plus(1), 0),
    ):
        ledger.settle(month, draw)
    low, again = _messages(ledger.events)[_id(0)]
    assert (low.content.level, again.content.level) == (BufferLevel.LOW, BufferLevel.LOW)
    assert again.why == (Why.BUFFER_LOW,)


def test_exhausted_then_refilled_then_exhausted_again_is_told_again() -> None:
    ledger = Ledger(0)
    for month, draw in ((FIRST, CAP), (FIRST, 10_000), (FIRST, CAP), (FIRST.plus(1), 0)):
        ledger.settle(month, draw)
    empty, again = _messages(ledger.events)[_id(0)]
    assert (empty.content.level, again.content.level) == (BufferLevel.EXHAUSTED, BufferLevel.EXHAUSTED)


def test_a_buffer_that_was_refilled_before_anybody_was_told_is_not_called_low() -> None:
    ledger = Ledger(0)
    for month, draw in ((FIRST, 0), (FIRST, 80_000), (FIRST, 10_000), (FIRST.plus(1), 0)):
        ledger.settle(month, draw)
    [message] = _messages(ledger.events)[_id(0)]
    assert message.why == (Why.CORRECTION,)


def test_a_replenishment_of_an_early_month_does_not_hide_that_the_buffer_is_still_low() -> None:
    """The ledger gives the balance after the month that was corrected; later months drew since."""
    ledger = Ledger(0)
    for month, draw in ((FIRST, 40_000), (FIRST.plus(1), 30_000), (FIRST, 50_000), (FIRST, 46_000)):
        ledger.settle(month, draw)
    replenished = next(event for event in ledger.events if isinstance(event, BufferReplenished))
    after_january = replenished.model_copy(update={"balance_cents": Cents(54_000)})
    ledger.settle(FIRST.plus(2), 0)
    events = [after_january if event is replenished else event for event in ledger.events]
    assert _messages(events)[_id(0)][-1].content.level is BufferLevel.LOW


def test_a_held_month_that_is_settled_after_a_later_one_tells_the_balance_and_state_of_now() -> None:
    """The later month is booked again first; the row of the held one has the balance after that month."""
    february, march = FIRST.plus(1), FIRST.plus(2)
    about = _about(0)
    low = BufferLow(**about, month=february, balance_cents=Cents(20_000), threshold_cents=Cents(LOW))
    events: list[BufferEvent] = [
        _row({**about, "month": march}, 1, 30_000, None, Cents(70_000)),
        _row({**about, "month": march}, 2, 30_000, 30_000, Cents(20_000)),
        low,
        _row({**about, "month": february}, 1, 50_000, None, Cents(50_000)),
    ]
    _, late = _messages(events)[_id(0)]
    assert (late.content.month, late.content.level) == (february, BufferLevel.LOW)
    assert late.content.figures is not None
    assert late.content.figures.balance_cents == 20_000


def test_the_end_names_the_months_that_were_never_settled() -> None:
    ledger = Ledger(0)
    ledger.settle(FIRST, 10_000)
    ledger.end("EXPIRED", (FIRST.plus(1), FIRST.plus(2)))
    _, end = _messages(ledger.events)[_id(0)]
    assert end.content.unsettled == (FIRST.plus(1), FIRST.plus(2))


def test_what_was_stored_while_repeats_were_told_by_their_content_reads_back() -> None:
    stored = {
        "messaged": [],
        "enrolments": {
            "e": {
                "months": {},
                "level": "LOW",
                "thresholdCents": 5,
                "heard": ["LOW:2026-01:4"],
                "ended": False,
            }
        },
    }
    assert PersonNews.from_json(stored).enrolments["e"].level is BufferLevel.LOW
