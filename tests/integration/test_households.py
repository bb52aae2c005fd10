"""The notifier as a back office meets it: contacts, messages and senders over HTTP, events over the bus."""

import asyncio
import copy
import io
import logging
from collections.abc import AsyncIterator, Sequence
from itertools import count
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from notifier.forms import NOT_BUILT_YET, HouseholdForm
from notifier.service import build
from shared import log as logs
from shared.bus.port import Message
from shared.bus.sqlite_log import SqliteLog
from shared.clock import FixedClock
from shared.contracts.cloudevents import Envelope, encode
from shared.contracts.events import BufferExhausted, BufferLow, BufferReplenished, Event
from shared.ids import RandomIds
from shared.metrics import Metrics
from shared.money import Cents
from shared.months import Month
from shared.plumbing import TABLES
from shared.serve import Process, process_of
from shared.settings import Settings
from shared.tokens import caller_from, token_for
from tests.integration.notifier_desk import (
    LEDGER,
    NOW,
    MailServer,
    drawn,
    enrolled,
    person_id,
    registered,
    settled,
)

HOUSEHOLD = {
    "municipality": "0344",
    "contact": {
        "language": "nl",
        "email": "robin@example.org",
        "postalAddress": {
            "name": "Robin",
            "street": "Laan 1",
            "postalCode": "1234ab",
            "city": "Dorp",
        },
        "channels": ["EMAIL", "LETTER"],
        "consents": [{"channel": "EMAIL", "messageKind": "BUFFER", "givenOn": "2025-12-01"}],
    },
}
PERSON = person_id(1)
PATH = f"/v1/households/{PERSON}"
MESSAGES = f"/v1/messages?participantId={PERSON}"


class Running:
    """A running notifier with a bus, a mail server and a client that carries a back office's token."""

    def __init__(
        self, process: Process, bus: SqliteLog, client: httpx.AsyncClient, settings: Settings
    ) -> None:
        self.process = process
        self.client = client
        self._bus = bus
        self._settings = settings
        self._numbers = count(1)

    def headers(self, **words: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token_for(self._settings, caller_from(words))}"}

    async def publish(self, *events: Event) -> None:
        await self._bus.publish(self.messages(*events))

    def messages(self, *events: Event) -> list[Message]:
        """The events as they travel, each with an id of its own."""
        return [
            encode(Envelope.of(event, id=str(UUID(int=next(self._numbers))), source=LEDGER, time=NOW))
            for event in events
        ]

    async def arrive(self, messages: Sequence[Message]) -> None:
        await self._bus.publish(messages)

    async def quiet(self) -> None:
        operator = self.headers(ROLE="operator")
        async with asyncio.timeout(20):
            while True:
                status = await self.client.get("/v1/status", headers=operator)
                if status.json()["quiet"]:
                    return
                await asyncio.sleep(0.02)

    async def access(self) -> list[tuple[str, str]]:
        log = TABLES.access_log
        async with self.process.services[0].database.read() as reading:
            rows = await reading.rows(select(log.c.action, log.c.participant_id))
        return sorted((row.action, row.participant_id) for row in rows)


@pytest.fixture
async def notifier(tmp_path: Path) -> AsyncIterator[Running]:
    mail = MailServer().start()
    settings = Settings(data_dir=tmp_path, port=0, smtp_url=mail.url)
    clock, metrics = FixedClock(NOW), Metrics()
    logs.configure("info", io.StringIO(), strict=True)
    bus = SqliteLog(tmp_path / "events", clock)
    process = process_of([build(settings, clock, RandomIds(), metrics)], bus, settings, clock, metrics)
    task = asyncio.create_task(process.run())
    async with asyncio.timeout(30):
        while not process.health.started:
            await asyncio.sleep(0.01)
            assert not task.done(), task.result()
    async with httpx.AsyncClient(base_url=process.url, timeout=20) as client:
        running = Running(process, bus, client, settings)
        client.headers.update(running.headers(ROLE="backoffice"))
        yield running
    process.stop("test")
    await task
    mail.stop()
    logging.getLogger().handlers = []


async def test_a_contact_is_recorded_shown_and_both_are_logged(notifier: Running) -> None:
    put = await notifier.client.put(PATH, json=HOUSEHOLD)
    assert put.status_code == 200, put.text
    assert put.json()["registered"] is False
    assert put.json()["bufferMessagesBy"] == "EMAIL"
    got = await notifier.client.get(PATH)
    assert got.json() == put.json()
    assert got.json()["contact"]["postalAddress"]["postalCode"] == "1234 AB"
    assert await notifier.access() == [("read contact", PERSON), ("record contact", PERSON)]


async def test_events_on_the_bus_become_a_sent_message_that_can_be_read_back(notifier: Running) -> None:
    await notifier.client.put(PATH, json=HOUSEHOLD)
    months = ["2026-01", "2026-02", "2026-03"]
    await notifier.publish(
        registered(1),
        *(event for month in months for event in (drawn(1, month, 10_000), settled(1, month, 10_000))),
    )
    await notifier.quiet()
    first = (await notifier.client.get(MESSAGES, params={"participantId": PERSON, "limit": 2})).json()
    rest = (
        await notifier.client.get(
            "/v1/messages", params={"participantId": PERSON, "limit": 2, "cursor": first["nextCursor"]}
        )
    ).json()
    messages = first["items"] + rest["items"]
    assert [message["month"] for message in messages] == months
    assert "nextCursor" not in rest
    lost = await notifier.client.get(MESSAGES, params={"participantId": PERSON, "cursor": person_id(7)})
    assert lost.status_code == 400
    for message in messages:
        assert (message["state"], message["kind"], message["why"]) == (
            "SENT",
            "BUFFER_MONTH",
            ["MONEY_MOVED"],
        )
        assert "uit uw buffer" in message["text"]
        [delivery] = message["deliveries"]
        assert (delivery["channel"], delivery["state"], delivery["attempts"]) == ("EMAIL", "SENT", 1)
        [evidence] = delivery["evidence"]
        assert (evidence["outcome"], evidence["code"]) == ("ACCEPTED", 250)


async def test_an_event_that_comes_again_is_told_once_and_a_second_crossing_is_told_again(
    notifier: Running,
) -> None:
    await notifier.client.put(PATH, json=HOUSEHOLD)
    january = {**enrolled(1), "month": Month(2026, 1)}
    low = BufferLow(**january, balance_cents=Cents(20_000), threshold_cents=Cents(25_000))
    filled = BufferReplenished(**january, revision=2, amount_cents=Cents(70_000), balance_cents=Cents(90_000))
    empty = BufferExhausted(**january)
    at_20 = {"balance_cents": Cents(20_000)}
    first = notifier.messages(registered(1), low, settled(1, "2026-01", 80_000, **at_20))
    nothing_new = notifier.messages(settled(1, "2026-02", 0, **at_20))
    again = notifier.messages(
        filled,
        settled(1, "2026-01", 10_000, revision=2, balance_cents=Cents(90_000)),
        low,
        settled(1, "2026-01", 80_000, revision=3, **at_20),
        settled(1, "2026-03", 0, **at_20),
    )
    last = notifier.messages(empty, settled(1, "2026-04", 20_000, balance_cents=Cents(0)))
    chance = Random(1)
    arrived: list[Message] = []
    for message in [*first, *nothing_new, *again, *last]:
        arrived.append(message)
        arrived += chance.choices(arrived, k=2)
    await notifier.arrive(arrived)
    await notifier.arrive(arrived)
    await notifier.quiet()
    messages = (await notifier.client.get(MESSAGES)).json()["items"]
    assert [(message["month"], message["why"]) for message in messages] == [
        ("2026-01", ["MONEY_MOVED", "BUFFER_LOW"]),
        ("2026-03", ["BUFFER_LOW"]),
        ("2026-04", ["MONEY_MOVED", "BUFFER_EXHAUSTED"]),
    ]


async def test_every_fault_comes_at_once_and_members_that_are_not_built_are_named(notifier: Running) -> None:
    household: dict[str, Any] = copy.deepcopy(HOUSEHOLD)
    members = [str(HouseholdForm.model_fields[name].alias) for name in NOT_BUILT_YET]
    household |= dict.fromkeys(members, "x")
    household["surprise"] = 1
    household["contact"] |= {"language": "fr", "email": None, "phone": "no", "channels": ["EMAIL", "SMS"]}
    answer = await notifier.client.put(PATH, json=household)
    assert answer.status_code == 400
    faults = {(fault["rule"], fault["pointer"]) for fault in answer.json()["errors"]}
    assert faults == {
        *(("N001", f"/{member}") for member in members),
        ("G002", "/surprise"),
        ("G005", "/contact/phone"),
        ("N001", "/contact/language"),
        ("M002", "/contact/email"),
    }


@pytest.mark.parametrize(
    ("phone", "mobile"),
    [("06-12345678", True), ("+32 470 12 34 56", True), (None, False), ("030 123 45 67", False)],
)
async def test_text_messages_need_a_mobile_number(notifier: Running, phone: str | None, mobile: bool) -> None:
    household: dict[str, Any] = copy.deepcopy(HOUSEHOLD)
    household["contact"] |= {"phone": phone, "channels": ["SMS", "EMAIL"]}
    answer = await notifier.client.put(PATH, json=household)
    assert answer.status_code == (200 if mobile else 400)
    if not mobile:
        [fault] = answer.json()["errors"]
        assert (fault["rule"], fault["pointer"]) == ("M007", "/contact/phone")


async def test_an_address_that_a_letter_cannot_show_is_refused(notifier: Running) -> None:
    household: dict[str, Any] = copy.deepcopy(HOUSEHOLD)
    household["contact"]["postalAddress"]["name"] = "李 Özgür"
    [fault] = (await notifier.client.put(PATH, json=household)).json()["errors"]
    assert (fault["rule"], fault["pointer"]) == ("M005", "/contact/postalAddress")


async def test_a_consent_of_a_day_to_come_is_refused(notifier: Running) -> None:
    household: dict[str, Any] = copy.deepcopy(HOUSEHOLD)
    household["contact"]["consents"][0]["givenOn"] = "2026-04-09"
    answer = await notifier.client.put(PATH, json=household)
    [fault] = answer.json()["errors"]
    assert (answer.status_code, fault["rule"], fault["pointer"]) == (
        400,
        "M001",
        "/contact/consents/0/givenOn",
    )


@pytest.mark.parametrize("name", ["two\nlines", "", " ", "x" * 101])
async def test_a_name_is_one_line(notifier: Running, name: str) -> None:
    household: dict[str, Any] = copy.deepcopy(HOUSEHOLD)
    household["contact"]["postalAddress"]["name"] = name
    assert (await notifier.client.put(PATH, json=household)).status_code == 400


async def test_another_municipality_sees_and_changes_nothing(notifier: Running) -> None:
    await notifier.client.put(PATH, json=HOUSEHOLD)
    await notifier.publish(registered(1), settled(1, "2026-03", 10_000))
    await notifier.quiet()
    foreign = notifier.headers(ROLE="backoffice", MUNICIPALITY="0599")
    own = {**HOUSEHOLD, "municipality": "0599"}
    assert (await notifier.client.put(PATH, json=HOUSEHOLD, headers=foreign)).status_code == 403
    assert (await notifier.client.put(PATH, json=own, headers=foreign)).status_code == 404
    assert (await notifier.client.get(PATH, headers=foreign)).status_code == 404
    assert (await notifier.client.get(MESSAGES, headers=foreign)).status_code == 404
    assert (await notifier.client.get(MESSAGES)).json()["items"] != []


async def test_a_municipality_that_claims_an_unseen_id_first_learns_nothing_when_it_is_anothers(
    notifier: Running,
) -> None:
    foreign = notifier.headers(ROLE="backoffice", MUNICIPALITY="0599")
    own = {**HOUSEHOLD, "municipality": "0599"}
    assert (await notifier.client.put(PATH, json=own, headers=foreign)).status_code == 200
    await notifier.publish(settled(1, "2026-03", 10_000))
    await notifier.quiet()
    assert (await notifier.client.get(MESSAGES, headers=foreign)).json()["items"] == []
    await notifier.client.put(PATH, json=HOUSEHOLD)
    await notifier.publish(registered(1))
    await notifier.quiet()
    assert (await notifier.client.get(PATH, headers=foreign)).status_code == 404
    [message] = (await notifier.client.get(MESSAGES)).json()["items"]
    assert message["state"] == "SENT"


async def test_a_fund_signs_with_its_own_name_and_names_who_answers(notifier: Running) -> None:
    sender = {"name": "Bestaansbalans", "phone": "030 123 45 67"}
    path = f"/v1/senders/{enrolled(1)['fund_id']}"
    assert (await notifier.client.get(path)).status_code == 404
    put = await notifier.client.put(path, json=sender)
    assert put.json()["contact"] == "Bestaansbalans"
    assert (await notifier.client.get(path)).json() == put.json()
    foreign = notifier.headers(ROLE="backoffice", MUNICIPALITY="0599")
    assert (await notifier.client.get(path, headers=foreign)).status_code == 404
    await notifier.client.put(PATH, json=HOUSEHOLD)
    await notifier.publish(registered(1), settled(1, "2026-03", 10_000))
    await notifier.quiet()
    [message] = (await notifier.client.get(MESSAGES)).json()["items"]
    assert "Dit bericht is van Bestaansbalans." in message["text"]
    assert "U kunt bellen met Bestaansbalans: 030 123 45 67." in message["text"]


@pytest.mark.parametrize(
    "name", ["Gemeente Voorbeeldstad", "fonds van de GEMEENTE", "Municipality of Sampletown", "De-gemeente"]
)
async def test_a_fund_cannot_sign_as_a_municipality(notifier: Running, name: str) -> None:
    path = f"/v1/senders/{enrolled(1)['fund_id']}"
    answer = await notifier.client.put(path, json={"name": name, "phone": "no"})
    assert answer.status_code == 400
    faults = {(fault["rule"], fault["pointer"]) for fault in answer.json()["errors"]}
    assert faults == {("M004", "/name"), ("G005", "/phone")}
    [claim] = [fault for fault in answer.json()["errors"] if fault["rule"] == "M004"]
    assert "fund" in claim["detail"]
    assert (await notifier.client.get(path)).status_code == 404


@pytest.mark.parametrize("name", ["Gemeentefonds", "Meente en gemeenteleden", "Stichting Bestaansbalans"])
async def test_a_name_in_which_the_word_is_only_a_part_is_accepted(notifier: Running, name: str) -> None:
    path = f"/v1/senders/{enrolled(1)['fund_id']}"
    assert (await notifier.client.put(path, json={"name": name})).status_code == 200


async def test_without_a_recorded_sender_the_message_is_from_your_buffer_fund(notifier: Running) -> None:
    await notifier.client.put(PATH, json=HOUSEHOLD)
    await notifier.publish(registered(1), settled(1, "2026-03", 10_000))
    await notifier.quiet()
    [message] = (await notifier.client.get(MESSAGES)).json()["items"]
    assert "Dit bericht is van uw bufferfonds." in message["text"]
    assert "This message is from your buffer fund." in message["text"]
    assert "bufferbudget" not in message["text"].lower()


async def test_the_same_key_gives_the_same_answer(notifier: Running) -> None:
    key = {"Idempotency-Key": "k1"}
    first = await notifier.client.put(PATH, json=HOUSEHOLD, headers=key)
    again = await notifier.client.put(PATH, json=HOUSEHOLD, headers=key)
    assert first.json() == again.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await notifier.client.put(PATH, json={**HOUSEHOLD, "kind": None}, headers=key)
    assert other.status_code == 409


@pytest.mark.parametrize("role", ["official", "operator"])
async def test_other_roles_may_not_read_or_write_contacts(notifier: Running, role: str) -> None:
    headers = notifier.headers(ROLE=role)
    assert (await notifier.client.put(PATH, json=HOUSEHOLD, headers=headers)).status_code == 403
    assert (await notifier.client.get(MESSAGES, headers=headers)).status_code == 403
