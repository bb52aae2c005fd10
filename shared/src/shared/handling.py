"""One batch of messages in one transaction: each is handled, a duplicate, or parked.

A message that can never be handled is found by halving with savepoints: one among 500 costs about nine failed
attempts, not 500, and all others are handled in the same transaction and in order.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from shared.contracts.events import Event
from shared.database import Tx
from shared.errors import BufferbudgetError, TryAgain
from shared.inbox import Handler, Item, Wiring, take_new
from shared.log import error_fields
from shared.parking import count_parked, has_parked, park, reason_of


class ParkedFull(Exception):
    """One more would be parked than the cap allows: the batch must be rolled back."""


@dataclass(slots=True)
class Parked:
    """A message that this batch set aside, in words for the log."""

    item: Item
    error: BaseException | None

    def log_fields(self) -> dict[str, object]:
        fields: dict[str, object] = {
            "topic": self.item.received.message.topic,
            "message_id": self.item.message_id,
            "event_type": self.item.type,
        }
        return fields if self.error is None else fields | error_fields(self.error)


@dataclass(slots=True)
class Outcome:
    """What became of a batch: messages by topic and outcome (handled, duplicate, parked)."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    parked: list[Parked] = field(default_factory=list)

    def note(self, outcome: str, items: Sequence[Item]) -> None:
        self.counts.update((item.received.message.topic, outcome) for item in items)


class Handling:
    """Applies a wiring to batches of one consumer."""

    def __init__(
        self,
        consumer: str,
        wiring: Wiring,
        *,
        non_commuting: frozenset[type[Event]] = frozenset(),
        parked_max: int = 1000,
    ) -> None:
        self.consumer = consumer
        self.wiring = wiring
        self.parked_max = parked_max
        self._non_commuting = non_commuting

    def commutes(self, item: Item) -> bool:
        """False for an event that must wait behind an earlier parked one of its key."""
        return item.incoming is None or type(item.incoming.event) not in self._non_commuting

    async def rehandle(self, tx: Tx, item: Item) -> None:
        """Handle one message alone; raises what its handler raises."""
        if item.incoming is not None and (handler := self._handler(item)) is not None:
            await handler(tx, [item.incoming])

    async def handle(self, tx: Tx, items: Sequence[Item], *, park_unknown: bool) -> Outcome:
        """Do everything a batch asks, in order. `park_unknown`: also park after errors that nobody expects.

        Raises TryAgain, ParkedFull, and unless `park_unknown` whatever unexpected a handler raises.
        """
        wanted = [item for item in items if item.fault is not None or self._handler(item) is not None]
        outcome = Outcome()
        if not wanted:
            return outcome
        fresh = await take_new(tx, self.consumer, wanted)
        new = {id(item) for item in fresh}
        outcome.note("duplicate", [item for item in wanted if id(item) not in new])
        waiting = {item.key for item in fresh if not self.commutes(item)}
        batch = _Batch(self, tx, outcome, await has_parked(tx, waiting), park_unknown)
        for handler, run in self._runs(fresh):
            if handler is None:
                for item in run:
                    await batch.set_aside(item, item.fault or "unreadable", None)
            else:
                await batch.attempt(handler, run)
        return outcome

    async def park_all(self, tx: Tx, items: Sequence[Item], error: BaseException) -> Outcome:
        """Set messages aside unhandled, for the case that even their transaction cannot be committed."""
        outcome = Outcome()
        batch = _Batch(self, tx, outcome, set(), park_unknown=True)
        for item in await take_new(tx, self.consumer, items):
            await batch.set_aside(item, reason_of(error), error)
        return outcome

    def _handler(self, item: Item) -> Handler | None:
        return None if item.incoming is None else self.wiring.get(type(item.incoming.event))

    def _runs(self, items: Sequence[Item]) -> Iterator[tuple[Handler | None, list[Item]]]:
        """Consecutive messages of the same handler, to be handed over together."""
        run: list[Item] = []
        current: Handler | None = None
        for item in items:
            handler = self._handler(item)
            if run and handler is not current:
                yield current, run
                run = []
            current = handler
            run.append(item)
        if run:
            yield current, run


class _Batch:
    """The state of one batch: which keys have something parked, and what has become of its messages."""

    def __init__(
        self, handling: Handling, tx: Tx, outcome: Outcome, blocked: set[str], park_unknown: bool
    ) -> None:
        self._handling = handling
        self._tx = tx
        self._outcome = outcome
        self._blocked = blocked
        self._park_unknown = park_unknown
        self._room: int | None = None

    async def attempt(self, handler: Handler, run: list[Item], *, known_bad: bool = False) -> bool:
        """Handle a run, or halve it until what fails stands alone. True when all of it was handled.

        `known_bad` says that the run is certain enough to fail as a whole, so that trying it is a waste.
        """
        run = await self._without_blocked(run)
        if not run:
            return False
        if len(run) == 1 or not known_bad:
            try:
                async with self._tx.savepoint():
                    await handler(self._tx, [item.incoming for item in run if item.incoming is not None])
            except TryAgain:
                raise
            except Exception as error:
                if not self._may_park(error):
                    raise
                if len(run) == 1:
                    await self.set_aside(run[0], reason_of(error), error)
                    return False
            else:
                self._outcome.note("handled", run)
                return True
        middle = len(run) // 2
        left = await self.attempt(handler, run[:middle])
        right = await self.attempt(handler, run[middle:], known_bad=left)
        return left and right

    async def set_aside(self, item: Item, reason: str, error: BaseException | None) -> None:
        """Park one message; raises ParkedFull at the cap."""
        if self._room is None:
            parked = await count_parked(self._tx, self._handling.consumer)
            self._room = self._handling.parked_max - parked
        if self._room <= 0:
            raise ParkedFull(f"{self._handling.parked_max} messages are parked")
        self._room -= 1
        await park(self._tx, self._handling.consumer, item, reason)
        self._blocked.add(item.key)
        self._outcome.note("parked", [item])
        self._outcome.parked.append(Parked(item, error))

    async def _without_blocked(self, run: list[Item]) -> list[Item]:
        free: list[Item] = []
        for item in run:
            if item.key in self._blocked and not self._handling.commutes(item):
                await self.set_aside(item, "waits behind an earlier parked message of the same key", None)
            else:
                free.append(item)
        return free

    def _may_park(self, error: Exception) -> bool:
        """Refusals of our own and invalid values stay what they are however often they are tried."""
        return self._park_unknown or isinstance(error, BufferbudgetError | ValidationError)
