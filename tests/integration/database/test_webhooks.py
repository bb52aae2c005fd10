"""From the outbox to subscribers: who is told what, in which order, how often, and what is given up."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.bus.port import BusUnavailable
from shared.clock import FixedClock
from shared.contracts.events import DonationReceived, Event, FundLow, MonthDeclared, ParticipantErased
from shared.database import Database
from shared.key_files import MasterKey
from shared.log import Log
from shared.metrics import Metrics
from shared.money import Cents
from shared.months import Month
from shared.outbox import Relay
from shared.personal_keys import KeyStore
from shared.webhooks import store
from shared.webhooks.callbacks import Callback
from shared.webhooks.courier import FAILED_KEPT, Courier
from shared.webhooks.posting import Outcome, Posting
from shared.webhooks.signatures import key_of, signed_headers
from shared.webhooks.terms import RETRIED_FOR
from shared.webhooks.vault import Confidential, Vault
from tests.integration.database.conftest import NOW
from tests.integration.database.unsteady import UnsteadyBus

FUND, OTHER_FUND = "0f000000-0000-4000-8000-00000000000a", "0f000000-0000-4000-8000-00000000000b"
ROBIN, SAM = "0a000000-0000-4000-8000-000000000001", "0a000000-0000-4000-8000-000000000002"
SECRET = "whsec_" + "a" * 43 + "="
MASTER = MasterKey(b"m" * 32)
ACCEPTED, REFUSED, AWAY = (
    Outcome("accepted", "STATUS_200"),
    Outcome("answered", "STATUS_500"),
    Outcome("unreachable", "CONNECTION"),
)


def declared(person: str, month: int = 1, municipality: str = "0344") -> MonthDeclared:
    return MonthDeclared(
        participant_id=person, municipality=municipality, month=Month(2026, month), kind="ZERO"
    )


def low(fund: str, municipality: str = "0344") -> FundLow:
    return FundLow(
        fund_id=fund,
        municipality=municipality,
        available_cents=Cents(99_000),
        threshold_cents=Cents(100_000),
    )


@dataclass
class Doors:
    """Receivers by host: what they were posted, and how they answer."""

    answer: Outcome = ACCEPTED
    by_text: dict[str, Outcome] = field(default_factory=dict)
    posted: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Posting]:
        yield self

    async def post(self, callback: Callback, headers: Mapping[str, str], body: bytes) -> Outcome:
        self.posted.append((callback.host, headers, body))
        return next((outcome for text, outcome in self.by_text.items() if text.encode() in body), self.answer)

    def ids(self) -> list[str]:
        return [headers["webhook-id"] for _, headers, _ in self.posted]

    def said(self, what: str) -> list[str]:
        """Which of some texts each post held, in order."""
        return [host for host, _, body in self.posted if what.encode() in body]


@dataclass
class Post:
    """The relay and the courier of one database, with receivers that do as they are told."""

    database: Database
    clock: FixedClock
    relay: Relay
    courier: Courier
    doors: Doors
    keys: KeyStore
    metrics: Metrics
    vault: Vault
    log: list[Mapping[str, Any]]

    async def subscribe(
        self, name: str, *events: type[Event], municipality: str | None = None, fund: str | None = None
    ) -> None:
        known = Confidential(f"https://{name}.example/in", SECRET)
        row = {
            "subscription_id": name,
            "municipality": municipality,
            "fund_id": fund,
            "made_by": "test",
            "types": [event.type_name() for event in events],
            "confidential": self.vault.seal(name, known),
        }
        async with self.database.write() as tx:
            await store.save(tx, row)

    async def tell(self, *events: Event) -> None:
        """Emit, and let the relay take them out of the outbox."""
        async with self.database.write() as tx:
            tx.emit(*events)
        while await self.relay.relay_once():
            pass

    async def deliver(self) -> None:
        while await self.courier.step():
            pass

    def later(self, by: timedelta) -> None:
        self.clock.set(self.clock.now() + by)

    async def counts(self, name: str = "office") -> store.Counts:
        async with self.database.read() as reading:
            return (await store.counts(reading)).get(name, store.Counts())


@pytest.fixture
async def post(database: Database, bus: UnsteadyBus, tmp_path: Path) -> AsyncIterator[Post]:
    assert isinstance(database.clock, FixedClock)
    keys = KeyStore(f"sqlite:///{tmp_path / 'keys.db'}", MASTER, service="income-intake")
    metrics, vault, doors, lines = Metrics(), Vault(MASTER, "tests"), Doors(), list[Mapping[str, Any]]()
    courier = Courier(
        database,
        vault,
        doors,
        metrics.of("notifier"),
        Log("notifier", lines.append),
        keys=keys,
        seconds_now=lambda: 1_772_442_000.5,
    )
    relay = Relay(database, bus)
    yield Post(database, database.clock, relay, courier, doors, keys, metrics, vault, lines)
    await keys.close()


# ---- who -------------------------------------------------------------------------------------------------


async def test_each_is_told_of_its_own_municipality_or_fund_and_of_the_types_it_asked_for(post: Post) -> None:
    await post.subscribe("office", MonthDeclared, FundLow, municipality="0344")
    await post.subscribe("elsewhere", MonthDeclared, FundLow, municipality="0363")
    await post.subscribe("fund", FundLow, DonationReceived, fund=FUND)
    await post.subscribe("forged", MonthDeclared, fund=ROBIN)
    await post.tell(declared(ROBIN), low(FUND), low(OTHER_FUND, "0363"), declared(SAM, municipality="0363"))
    await post.deliver()
    hosts = {what: post.doors.said(what) for what in (ROBIN, SAM, FUND, OTHER_FUND)}
    assert hosts == {
        ROBIN: ["office.example"],
        SAM: ["elsewhere.example"],
        FUND: ["office.example", "fund.example"],
        OTHER_FUND: ["elsewhere.example"],
    }
    assert post.doors.said("availableCents") == ["office.example", "elsewhere.example"]
    assert await post.counts() == store.Counts()


async def test_what_is_posted_is_the_event_signed_at_the_machines_time(post: Post, bus: UnsteadyBus) -> None:
    await post.subscribe("office", MonthDeclared, municipality="0344")
    await post.tell(declared(ROBIN, 2))
    await post.deliver()
    [(_, headers, body)] = post.doors.posted
    attributes = {name: value.decode() for name, value in bus.published[0].headers}
    assert json.loads(body) == {
        "specversion": "1.0",
        "id": attributes["ce_id"],
        "source": attributes["ce_source"],
        "type": "nl.bufferbudget.wage-slips.month-declared.v1",
        "time": "2026-03-02T09:00:00.000000Z",
        "datacontenttype": "application/json",
        "data": json.loads(bus.published[0].value),
    }
    assert headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    signed = signed_headers(key_of(SECRET), attributes["ce_id"], 1_772_442_000, body)
    assert {name: headers[name] for name in signed} == signed


async def test_without_a_subscription_nothing_is_kept(post: Post) -> None:
    await post.tell(declared(ROBIN))
    await post.subscribe("office", MonthDeclared, municipality="0344")
    await post.deliver()
    assert post.doors.posted == []
    assert await post.counts() == store.Counts()


async def test_events_wait_in_the_outbox_with_the_bus_and_are_told_once_when_it_is_back(
    post: Post, bus: UnsteadyBus
) -> None:
    await post.subscribe("office", MonthDeclared, municipality="0344")
    bus.there = False
    with pytest.raises(BusUnavailable):
        await post.tell(declared(ROBIN))
    await post.deliver()
    assert post.doors.posted == []
    bus.there, bus.lose_answers = True, 1
    with pytest.raises(BusUnavailable):
        await post.tell(declared(SAM))
    await post.tell()
    assert len(bus.published) == 4, "the bus got both twice"
    await post.deliver()
    assert [post.doors.said(ROBIN), post.doors.said(SAM)] == [["office.example"]] * 2


async def test_a_subscription_that_is_deleted_hears_nothing_any_more(post: Post) -> None:
    await post.subscribe("office", MonthDeclared, municipality="0344")
    await post.tell(declared(ROBIN))
    async with post.database.write() as tx:
        assert await store.remove(tx, "office") == 1
        assert await store.remove(tx, "office") == 0
    await post.tell(declared(ROBIN, 2))
    await post.deliver()
    assert post.doors.posted == []
    assert await post.counts() == store.Counts()


# ---- order and retries -----------------------------------------------------------------------------------


async def test_events_of_a_key_come_in_order_and_one_that_fails_holds_back_its_key_alone(post: Post) -> None:
    await post.subscribe("office", MonthDeclared, municipality="0344")
    post.doors.by_text = {ROBIN: REFUSED}
    await post.tell(*(declared(person, month) for month in (1, 2, 3) for person in (ROBIN, SAM)))
    await post.deliver()
    assert len(post.doors.said(SAM)) == 3
    assert len(post.doors.said(ROBIN)) == 1
    post.doors.by_text.clear()
    await post.deliver()
    assert len(post.doors.said(ROBIN)) == 1, "it is too early"
    post.later(timedelta(seconds=10))
    await post.deliver()
    months = [
        body.partition(b'"month":"')[2][:7] for _, _, body in post.doors.posted if ROBIN.encode() in body
    ]
    assert months == [b"2026-01", b"2026-01", b"2026-02", b"2026-03"]
    assert post.doors.ids()[0] in post.doors.ids()[1:], "a second attempt has the same id"
    assert await post.counts() == store.Counts()


async def test_a_receiver_that_is_away_is_asked_for_all_with_one_post_and_gets_all_when_it_is_back(
    post: Post,
) -> None:
    await post.subscribe("office", MonthDeclared, municipality="0344")
    people = [f"0a000000-0000-4000-8000-{number:012d}" for number in range(60)]
    post.doors.answer = AWAY
    await post.tell(*(declared(person) for person in people))
    await post.deliver()
    assert len(post.doors.posted) <= 4
    for _ in range(40):  # five hours: one step each time that somebody could look
        post.later(timedelta(minutes=7.5))
        await post.deliver()
    assert len(post.doors.posted) <= 4 * 14, "attempts grow rarer"
    assert (await post.counts()).waiting == 60
    post.doors.answer = ACCEPTED
    post.later(timedelta(hours=1))
    await post.deliver()
    told = [body for _, _, body in post.doors.posted[-60:]]
    assert sorted(person for person in people if any(person.encode() in body for body in told)) == people
    assert await post.counts() == store.Counts()


@pytest.mark.parametrize("failure", [REFUSED, AWAY])
async def test_after_a_day_an_event_is_given_up_told_of_and_sent_again_on_demand(
    post: Post, failure: Outcome
) -> None:
    await post.subscribe("office", MonthDeclared, municipality="0344")
    post.doors.answer = failure
    await post.tell(declared(ROBIN, 1), declared(SAM, 1))
    while post.clock.now() < NOW + RETRIED_FOR:
        assert (await post.counts()).failed == 0
        await post.deliver()
        post.later(timedelta(minutes=30))
    post.later(timedelta(hours=1))
    await post.deliver()
    assert await post.counts() == store.Counts(failed=2)
    given_up = [line for line in post.log if line["event"] == "webhook_given_up"]
    assert sum(line["count"] for line in given_up) == 2
    assert {line["code"] for line in given_up} == {failure.code}
    async with post.database.read() as reading:
        rows = await store.failed(reading, "office", "", 10)
        assert await store.failed(reading, "office", rows[-1].event_id, 10) == []
    assert [row.last_failure for row in rows] == [failure.code] * 2

    post.doors.answer = ACCEPTED
    await post.tell(declared(ROBIN, 2))
    async with post.database.write() as tx:
        assert await store.retry(tx, "office") == 2
    before = len(post.doors.posted)
    await post.deliver()
    again = [body for _, _, body in post.doors.posted[before:] if ROBIN.encode() in body]
    assert [b"2026-01" in body for body in again] == [True, False], "an event returns to its old place"
    assert await post.counts() == store.Counts()


async def test_what_was_given_up_is_forgotten_after_thirty_days(post: Post) -> None:
    await post.subscribe("office", MonthDeclared, municipality="0344")
    post.doors.answer = REFUSED
    await post.tell(declared(ROBIN))
    post.later(RETRIED_FOR)
    await post.deliver()
    async with post.database.write() as tx:
        assert await store.forget_failed(tx, tx.now - FAILED_KEPT) == 0
    post.later(FAILED_KEPT + timedelta(seconds=1))
    async with post.database.write() as tx:
        assert await store.forget_failed(tx, tx.now - FAILED_KEPT) == 1


async def test_an_event_that_a_receiver_chokes_on_keeps_nothing_else_from_it(post: Post) -> None:
    await post.subscribe("office", MonthDeclared, municipality="0344")
    post.doors.by_text = {ROBIN: AWAY}
    await post.tell(declared(ROBIN), declared(SAM))
    await post.deliver()
    await post.tell(declared(SAM, 2))
    await post.deliver()
    assert len(post.doors.said(SAM)) == 2
    assert len(post.doors.said(ROBIN)) == 1


async def test_one_receiver_that_is_away_keeps_nothing_from_another(post: Post) -> None:
    await post.subscribe("office", MonthDeclared, municipality="0344")
    await post.subscribe("second", MonthDeclared, municipality="0363")
    post.doors.by_text = {"0344": AWAY}
    await post.tell(declared(ROBIN), declared(SAM, municipality="0363"))
    await post.deliver()
    assert (await post.counts("office")).waiting == 1
    assert (await post.counts("second")).waiting == 0
    for outcome in ("accepted", "unreachable"):
        labels = {"service": "notifier", "outcome": outcome}
        assert post.metrics.value("bufferbudget_webhook_attempts_total", **labels) == 1


# ---- people who were erased ------------------------------------------------------------------------------


async def test_of_somebody_erased_the_erasure_is_told_and_nothing_that_waited(post: Post) -> None:
    """As in income-intake, where the erasure begins: the key goes later than the event."""
    await post.subscribe("office", MonthDeclared, ParticipantErased, municipality="0344")
    post.doors.answer = REFUSED
    await post.tell(declared(ROBIN), declared(SAM))
    await post.deliver()
    post.doors.answer, post.doors.posted = ACCEPTED, []
    await post.tell(declared(ROBIN, 2), ParticipantErased(participant_id=ROBIN, municipality="0344"))
    post.later(timedelta(hours=1))
    await post.deliver()
    bodies = [body for _, _, body in post.doors.posted]
    assert len(bodies) == 2
    assert [b"participant-erased" in body for body in bodies if ROBIN.encode() in body] == [True]


async def test_once_the_key_is_gone_nothing_about_the_person_goes_out_from_any_service(post: Post) -> None:
    """As in the other services, which hear of the erasure and destroy their own key."""
    await post.subscribe("office", MonthDeclared, FundLow, municipality="0344")
    await post.tell(declared(ROBIN), declared(SAM), low(FUND))
    await post.keys.destroy(ROBIN)
    await post.deliver()
    assert post.doors.said(ROBIN) == []
    assert len(post.doors.posted) == 2
    assert await post.counts() == store.Counts()


async def test_an_erased_person_is_forgotten_in_what_was_given_up_too(post: Post) -> None:
    await post.subscribe("office", MonthDeclared, municipality="0344")
    post.doors.answer = REFUSED
    await post.tell(declared(ROBIN), declared(SAM))
    post.later(RETRIED_FOR)
    await post.deliver()
    assert await post.counts() == store.Counts(failed=2)
    await post.keys.destroy(ROBIN)
    restarted = Courier(
        post.database,
        post.vault,
        post.doors,
        post.metrics.of("notifier"),
        Log("notifier", post.log.append),
        keys=post.keys,
    )
    await restarted.step()
    assert await post.counts() == store.Counts(failed=1)
