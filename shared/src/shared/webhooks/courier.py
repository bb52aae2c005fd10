"""The worker that posts what waits: in order per subscription and key, at least once, for a day.

An event that its receiver answers with anything but 2xx holds back its own key alone. A receiver that does
not answer at all is left alone as a whole: one attempt finds out for everything that waits.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from shared.database import AnyRow, Database, chunks
from shared.failpoints import hit
from shared.log import Log
from shared.metrics import ServiceMetrics
from shared.personal_keys import KeyStore
from shared.webhooks import store
from shared.webhooks.callbacks import read_callback
from shared.webhooks.posting import CONNECTIONS, Outcome, Poster, Posting
from shared.webhooks.signatures import key_of, signed_headers
from shared.webhooks.terms import is_about_a_person, pause_after
from shared.webhooks.vault import Vault

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
USER_AGENT: Final = "bufferbudget-webhooks"
POSTS_AT_ONCE: Final = 20
"""Most posts to one subscription before they are recorded: so many can come twice after a kill."""
SUBSCRIPTIONS_AT_ONCE: Final = 8
STEP_SECONDS: Final = 10.0
"""A slow receiver gives the turn back after this."""
FAILED_KEPT: Final = timedelta(days=30)
TIDY_SECONDS: Final = 3600.0
PEOPLE_AT_ONCE: Final = 500


class Courier:
    """Delivers what waits in one service's database."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        poster: Poster,
        metrics: ServiceMetrics,
        log: Log,
        *,
        keys: KeyStore | None = None,
        seconds_now: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._vault = vault
        self._poster = poster
        self._metrics = metrics
        self._log = log
        self._keys = keys
        # Of the machine: a receiver holds the signature's time against its own clock, whatever day a
        # simulated year has reached.
        self._seconds_now = seconds_now
        self._tidied_at: float | None = None

    async def step(self) -> bool:
        """Post what is due, to several receivers at once; whether there may be more to do now."""
        await self._tidy()
        now = self._database.clock.now()
        async with self._database.read() as reading:
            due = await store.due(reading, now)
        turns = asyncio.Semaphore(SUBSCRIPTIONS_AT_ONCE)

        async def in_turn(subscription: AnyRow) -> bool:
            async with turns:
                return await self._deliver(subscription, now)

        found = await asyncio.gather(*(in_turn(each) for each in due), return_exceptions=True)
        for failure in found:
            if isinstance(failure, BaseException):
                raise failure
        return any(found)

    async def _deliver(self, subscription: AnyRow, now: datetime) -> bool:
        """Post the due heads of one subscription; whether anything was posted."""
        async with self._database.read() as reading:
            waiting = await store.heads(reading, subscription.subscription_id, now, POSTS_AT_ONCE)
        rows = await self._of_the_living(waiting)
        if not rows:
            return bool(waiting)
        known = self._vault.open(subscription.subscription_id, subscription.confidential)
        callback, key = read_callback(known.callback_url), key_of(known.secret)
        ends = time.monotonic() + STEP_SECONDS
        done: list[tuple[AnyRow, Outcome]] = []

        async def post(posting: Posting, row: AnyRow) -> Outcome:
            signed = signed_headers(key, row.event_id, int(self._seconds_now()), row.body)
            headers = {"content-type": CONTENT_TYPE, "user-agent": USER_AGENT, **signed}
            return await posting.post(callback, headers, row.body)

        async with self._poster.open() as posting:
            for some in chunks(rows, CONNECTIONS):
                outcomes = await asyncio.gather(*(post(posting, row) for row in some))
                done += zip(some, outcomes, strict=True)
                away = all(outcome.kind == "unreachable" for outcome in outcomes)
                if away or time.monotonic() > ends:
                    break
        if any(outcome.kind == "accepted" for _, outcome in done):
            hit("after-webhook")
        await self._record(subscription, done)
        return True

    async def _record(self, subscription: AnyRow, done: Sequence[tuple[AnyRow, Outcome]]) -> None:
        """Keep how the posts of one subscription went, in one transaction."""
        subscription_id = subscription.subscription_id
        silent = [outcome.code for _, outcome in done if outcome.kind == "unreachable"]
        # One event that a receiver chokes on is not the receiver being away.
        away = silent[-1] if len(silent) == len(done) else None
        async with self._database.write() as tx:
            await store.delivered(tx, [row.number for row, outcome in done if outcome.kind == "accepted"])
            changes = [
                _after_failure(row, outcome, tx.now) for row, outcome in done if outcome.kind != "accepted"
            ]
            await store.not_delivered(tx, changes)
            given_up = sum(change["state"] == store.FAILED for change in changes)
            pause = None
            if away is not None:
                unreachable = subscription.unreachable + 1
                pause = pause_after(unreachable)
                await store.note_answer(tx, subscription_id, unreachable, tx.now + pause)
                given_up += await store.give_up_late(tx, subscription_id, away)
            elif subscription.unreachable:
                await store.note_answer(tx, subscription_id, 0, None)
        for _, outcome in done:
            self._metrics.add("bufferbudget_webhook_attempts_total", outcome=outcome.kind)
        refused = [outcome.code for _, outcome in done if outcome.kind == "answered"]
        if refused:
            self._log.write(
                "webhook_refused", subscription_id=subscription_id, count=len(refused), code=refused[-1]
            )
        if pause is not None:
            seconds = pause.total_seconds()
            self._log.write("webhook_paused", subscription_id=subscription_id, code=away, seconds=seconds)
        if given_up:
            last = next(outcome.code for _, outcome in reversed(done) if outcome.kind != "accepted")
            self._log.write("webhook_given_up", subscription_id=subscription_id, count=given_up, code=last)

    # ---- people who were erased ----------------------------------------------------------------------------

    async def _of_the_living(self, rows: Sequence[AnyRow]) -> list[AnyRow]:
        """Without what is about somebody erased, of whom all that waits is deleted."""
        about = {row.key for row in rows if is_about_a_person(row.type)}
        erased = await self._forget_erased(about)
        return [row for row in rows if not (row.key in erased and is_about_a_person(row.type))]

    async def _forget_erased(self, keys: set[str]) -> set[str]:
        if self._keys is None or not keys:
            return set()
        erased = await self._keys.destroyed(keys)
        if erased:
            async with self._database.write() as tx:
                await store.forget_people(tx, erased)
        return erased

    async def _tidy(self) -> None:
        """Now and then: forget what was given up long ago, and erased people in what is never due again."""
        if self._tidied_at is not None and time.monotonic() < self._tidied_at + TIDY_SECONDS:
            return
        async with self._database.write() as tx:
            await store.forget_failed(tx, tx.now - FAILED_KEPT)
        after = ""
        while True:
            async with self._database.read() as reading:
                keys = await store.people(reading, after, PEOPLE_AT_ONCE)
            await self._forget_erased(set(keys))
            if len(keys) < PEOPLE_AT_ONCE:
                break
            after = keys[-1]
        self._tidied_at = time.monotonic()


def _after_failure(row: AnyRow, outcome: Outcome, now: datetime) -> dict[str, Any]:
    """How a delivery stands after an attempt that failed; the last attempt is made when its time ends."""
    attempts = row.attempts + 1
    over = now >= row.give_up_at
    return {
        "number": row.number,
        "state": store.FAILED if over else store.WAITING,
        "attempts": attempts,
        "next_attempt_at": now if over else min(now + pause_after(attempts), row.give_up_at),
        "last_failure": outcome.code,
    }
