"""What other services tell: who is registered, what slips say, which months had no work, who is erased.

Each handler takes a batch in one transaction. A fact about an open month costs its own row and no more; one
that touches a month a close has gone through makes the months of that person run again, together with those
of all others in the batch.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from buffer_ledger import store
from buffer_ledger.attribution import Part, SlipFact
from buffer_ledger.casefiles import Enrolment, enrolments, enrolments_touched
from buffer_ledger.earnings import earliest_month
from buffer_ledger.figures import Figures
from buffer_ledger.funds import tell_returned
from buffer_ledger.resettling import resettle
from buffer_ledger.settling import active, end
from shared.contracts.events import (
    MonthDeclared,
    ParticipantErased,
    ParticipantEvent,
    ParticipantRegistered,
    WageSlipFact,
)
from shared.database import Tx
from shared.errors import PoisonMessage
from shared.inbox import Incoming
from shared.law import Law
from shared.months import Month
from shared.personal_keys import KeyStore

EARLIEST = Month(1900, 1)
_KINDS = ("ZERO", "UNCHANGED")


class Facts:
    """The handlers of the ledger's events."""

    def __init__(self, law: Law, keys: KeyStore, figures: Figures) -> None:
        self._law = law
        self._keys = keys
        self._figures = figures

    async def registered(self, tx: Tx, batch: Sequence[Incoming]) -> None:
        """Keep who is registered where and which employments owe slips; the last one in order counts.

        An enrolment that waited for it settles its closed months now; one of another municipality is ended
        and its cap goes back. A participant never moves: another municipality later is refused.
        """
        events: dict[str, ParticipantRegistered] = {told.event.participant_id: told.event for told in batch}
        known = await store.participants(tx, list(events))
        for person, event in events.items():
            before = known.get(person)
            if before is not None and before.municipality not in (None, event.municipality):
                raise PoisonMessage("the participant is registered in another municipality already")
        await store.register(
            tx,
            {person: event.municipality for person, event in events.items()},
            [
                (person, employment.employer_key, employment.pay_period)
                for person, event in sorted(events.items())
                for employment in event.employments
            ],
        )
        enrolled = active(await enrolments_touched(tx, list(events), lock=True))
        wrong = [
            e
            for e in enrolled
            if e.participant_id in events and e.municipality != events[e.participant_id].municipality
        ]
        await tell_returned(tx, await end(tx, wrong, "MUNICIPALITY_MISMATCH"))
        await self._settle(tx, [enrolment for enrolment in enrolled if enrolment not in wrong])

    async def slips(self, tx: Tx, batch: Sequence[Incoming]) -> None:
        """Keep what slips say, of each the highest version, and rebook the closed months they touch."""
        facts: dict[tuple[str, str], tuple[WageSlipFact, SlipFact]] = {}
        for told in batch:
            event: WageSlipFact = told.event
            fact = slip_fact(event)
            standing = facts.get((event.participant_id, event.slip_key))
            if standing is None or standing[1].version < fact.version:
                facts[event.participant_id, event.slip_key] = (event, fact)
        people = {event.participant_id for event, _ in facts.values()}
        await self._must_match(tx, (event for event, _ in facts.values()))
        await store.keep_slips(
            tx,
            [(event.participant_id, event.source, event.pay_period, fact) for event, fact in facts.values()],
        )
        # A correction may have moved its pay date away from a closed month, so every one counts as touching.
        touched: dict[str, Month] = {}
        for event, fact in facts.values():
            since = earliest_month(fact)
            month = EARLIEST if fact.version > 1 else since
            touched[event.participant_id] = min(month, touched.get(event.participant_id, month))
        await self._settle_touched(tx, people, touched)

    async def declared(self, tx: Tx, batch: Sequence[Incoming]) -> None:
        """Keep months declared to be without work or unchanged; a held month may settle by it."""
        events: list[MonthDeclared] = [told.event for told in batch]
        await self._must_match(tx, events)
        said = {kind: [(e.participant_id, e.month) for e in events if e.kind == kind] for kind in _KINDS}
        await store.keep_zero_months(tx, said["ZERO"])
        await store.keep_unchanged_months(tx, said["UNCHANGED"])
        touched: dict[str, Month] = {}
        for event in events:
            touched[event.participant_id] = min(event.month, touched.get(event.participant_id, event.month))
        await self._settle_touched(tx, touched.keys(), touched)

    async def erased(self, tx: Tx, batch: Sequence[Incoming]) -> None:
        """Destroy the person's key and account, end what runs; the books and their amounts stay."""
        events: list[ParticipantErased] = [told.event for told in batch]
        people = sorted({event.participant_id for event in events})
        await self._must_match(tx, events)
        await store.erase(tx, people)
        enrolled = active(await enrolments(tx, participant_ids=people, lock=True))
        await tell_returned(tx, await end(tx, enrolled, "PARTICIPANT_ERASED"))
        for person in people:
            await self._keys.destroy(person)

    async def _settle_touched(self, tx: Tx, people: Collection[str], touched: dict[str, Month]) -> None:
        """Run again whoever has a closed month from the touched one on.

        The lock comes before the look: a close that is under way either sees these facts or is seen here.
        """
        enrolled = active(await enrolments_touched(tx, people, lock=True))
        await self._settle(
            tx,
            [
                enrolment
                for enrolment in enrolled
                if enrolment.closed_through is not None
                and _first_touched(enrolment, touched) <= enrolment.closed_through
            ],
        )

    async def _settle(self, tx: Tx, listed: Sequence[Enrolment]) -> None:
        """Settle the months a close has gone through for these enrolments, as their facts stand now."""
        await resettle(tx, listed, self._law, self._figures)

    async def _must_match(self, tx: Tx, events: Iterable[ParticipantEvent]) -> None:
        """Refuse a fact that names another municipality than the participant was registered in."""
        listed = list(events)
        known = await store.participants(tx, {event.participant_id for event in listed})
        for event in listed:
            participant = known.get(event.participant_id)
            if participant is not None and participant.municipality not in (None, event.municipality):
                raise PoisonMessage("the participant is registered in another municipality")


def _first_touched(enrolment: Enrolment, touched: Mapping[str, Month]) -> Month:
    """The first month that facts about the person, or the partner, can change."""
    people = (enrolment.participant_id, enrolment.partner_id or "")
    return min(touched[person] for person in people if person in touched)


def slip_fact(event: WageSlipFact) -> SlipFact:
    """The fact as the rules use it; raises PoisonMessage for what no rule knows."""
    try:
        return SlipFact(
            wage_slip_id=event.wage_slip_id,
            slip_key=event.slip_key,
            employer_key=event.employer_key,
            version=event.version,
            period_from=event.period_from,
            period_to=event.period_to,
            pay_date=event.pay_date,
            parts=tuple(Part(part.kind, part.net_cents) for part in event.parts),
            tax_credit_applied=event.tax_credit_applied,
            pay_period=event.pay_period,
            source=event.source,
        )
    except ValueError as refused:
        raise PoisonMessage(str(refused)) from None
