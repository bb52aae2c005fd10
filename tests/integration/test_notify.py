"""Text messages and e-mail through a provider: once, with evidence, whatever the provider does."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from notifier.contacts import ChannelName, Consent, ConsentKind, Contact
from notifier.delivery import retry_after
from notifier.followups import ask_after
from notifier.service import MIGRATIONS
from notifier.tables import METADATA
from shared.migrate import drift
from tests.integration.notifier_desk import (
    EMAIL_TEMPLATE,
    NOW,
    SMS_TEMPLATE,
    Desk,
    canary_email,
    contact_of,
    erased,
    registered,
    settled,
)
from tests.integration.notify_server import NotifyServer
from tests.migrated import copy_in_postgres, copy_to_sqlite

PHONE = "06 12 34 56 78"
_numbers = count(1)


@pytest.fixture
def provider() -> Iterator[NotifyServer]:
    server = NotifyServer(lambda: NOW)
    yield server
    server.stop()


both = pytest.mark.parametrize("desk", ["embedded", "postgres"], indirect=True)


@pytest.fixture
async def desk(request: pytest.FixtureRequest, tmp_path: Path, provider: NotifyServer) -> AsyncIterator[Desk]:
    owner = service = f"sqlite:///{tmp_path / 'notifier.db'}"
    if getattr(request, "param", "embedded") == "postgres":
        postgres = request.getfixturevalue("postgres")
        owner, service = copy_in_postgres(postgres, MIGRATIONS, f"notify_{next(_numbers)}")
    else:
        copy_to_sqlite(MIGRATIONS, owner)
    opened = await Desk.open(tmp_path, owner, service, notify_url=provider.url, answer_seconds=0.5)
    provider.now = opened.clock.now
    yield opened
    await opened.close()


def by_sms(number: int, *, paper: bool = True) -> Contact:
    agreed = (Consent(ChannelName.SMS, ConsentKind.BUFFER, NOW.date()),)
    return replace(
        contact_of(number, mail=False, paper=paper), phone=PHONE, channels=(ChannelName.SMS,), consents=agreed
    )


async def told(desk: Desk, number: int, contact: Contact) -> None:
    await desk.hear(registered(number))
    await desk.contact(number, contact)
    await desk.hear(settled(number, "2026-03", 46_820))
    await desk.deliver()


async def follow_up(desk: Desk) -> None:
    while await desk.followups.step():
        pass


async def outcomes(desk: Desk) -> list[tuple[str, str]]:
    return [(row.channel, row.outcome) for row in await desk.evidence()]


@both
async def test_a_text_message_goes_out_without_an_amount_and_is_confirmed(
    desk: Desk, provider: NotifyServer
) -> None:
    assert await drift(desk.service_url, METADATA, MIGRATIONS) == []
    await told(desk, 1, by_sms(1))
    [sent] = provider.accepted
    assert (sent["medium"], sent["template_id"], sent["phone_number"]) == ("sms", SMS_TEMPLATE, PHONE)
    body = sent["personalisation"]["body"]
    assert body.startswith("Nieuws over uw buffer, van Bestaansbalans.")
    assert "€" not in body
    assert "468" not in body
    [delivery] = await desk.deliveries()
    assert sent["reference"] == delivery.delivery_id
    [evidence] = await desk.evidence()
    assert (evidence.outcome, evidence.code, evidence.header_id) == ("ACCEPTED", 201, sent["id"])
    assert b'"channel":"SMS"' in (await desk.told())[0]

    desk.later(ask_after(0))
    await follow_up(desk)
    assert len(await desk.evidence()) == 1, "under way: nothing to say yet"
    provider.fates[delivery.delivery_id] = "delivered"
    desk.later(ask_after(1))
    await follow_up(desk)
    assert [row.text for row in await desk.evidence()] == ["accepted by the provider", "delivered: delivered"]
    calls = len(provider.calls)
    desk.later(30 * 86_400)
    await follow_up(desk)
    assert len(provider.calls) == calls, "who has said what became of it is asked no more"


async def test_email_goes_by_the_provider_where_no_mail_server_is_set(
    desk: Desk, provider: NotifyServer
) -> None:
    await told(desk, 1, contact_of(1))
    [sent] = provider.accepted
    assert (sent["medium"], sent["template_id"]) == ("email", EMAIL_TEMPLATE)
    assert sent["email_address"] == canary_email(1)
    assert sent["personalisation"]["subject"] == "Nieuws over uw buffer / News about your buffer"
    assert "468,20 uit uw buffer" in sent["personalisation"]["body"]


@pytest.mark.parametrize("fault", ["drop", "half", "accept-500"])
async def test_what_was_accepted_although_the_answer_was_lost_is_found_and_not_sent_again(
    desk: Desk, provider: NotifyServer, fault: str
) -> None:
    provider.behave(fault)
    await told(desk, 1, by_sms(1))
    assert await outcomes(desk) == [("SMS", "LATER")]
    desk.later(retry_after(1, ChannelName.SMS) or 0)
    await desk.deliver()
    assert await outcomes(desk) == [("SMS", "LATER"), ("SMS", "ACCEPTED")]
    assert list(provider.counts().values()) == [1]
    assert (await desk.evidence())[-1].text == "accepted at an earlier attempt"


@pytest.mark.parametrize("fault", ["429 RateLimitError too many", "500 Internal", "hang", "403 AuthError"])
async def test_a_provider_that_is_away_throttles_or_refuses_us_delays_a_message(
    desk: Desk, provider: NotifyServer, fault: str
) -> None:
    provider.behave(fault)
    await told(desk, 1, by_sms(1))
    assert await outcomes(desk) == [("SMS", "LATER")]
    assert provider.accepted == []
    desk.later(retry_after(1, ChannelName.SMS) or 0)
    await desk.deliver()
    assert list(provider.counts().values()) == [1]
    assert [row.state for row in await desk.messages()] == ["SENT"]


async def test_a_day_without_the_provider_ends_in_one_letter_and_one_count(
    desk: Desk, provider: NotifyServer
) -> None:
    provider.stop()
    await told(desk, 1, by_sms(1))
    seconds = 0
    for attempt in range(1, 12):
        pause = retry_after(attempt, ChannelName.SMS) or 0
        seconds += pause
        desk.later(pause)
        await desk.deliver()
    assert seconds < 86_400
    assert sorted(await outcomes(desk)) == [("LETTER", "ACCEPTED"), *[("SMS", "LATER")] * 8]
    assert len(desk.letters_written()) == 1
    given_up = "bufferbudget_deliveries_given_up_total"
    assert desk.metrics.value(given_up, service="notifier", channel="SMS") == 1


@both
async def test_a_number_that_does_not_exist_gets_a_letter_and_twice_of_them_a_task_to_ask_for_another(
    desk: Desk, provider: NotifyServer
) -> None:
    provider.behave(f"400 phone_number {PHONE} is not a valid number", "400 phone_number Not valid")
    await told(desk, 1, by_sms(1))
    [refused] = [row for row in await desk.evidence() if row.channel == "SMS"]
    assert (refused.outcome, refused.code) == ("REFUSED", 400)
    assert "12 34" not in refused.text
    assert await desk.tasks() == []
    await desk.hear(settled(1, "2026-04", 10_000))
    await desk.deliver()
    assert [(task.kind, task.state) for task in await desk.tasks()] == [("CONTACT", "OPEN")]

    await desk.hear(settled(1, "2026-05", 10_000))
    await desk.deliver()
    assert len(provider.calls) == 2, "the third goes as a letter at once"
    assert len(desk.letters_written()) == 3
    desk.later(1)
    await desk.contact(1, by_sms(1))
    assert [task.state for task in await desk.tasks()] == ["DONE"]
    await desk.hear(settled(1, "2026-06", 10_000))
    await desk.deliver()
    assert len(provider.accepted) == 1, "a new contact is tried again"


@pytest.mark.parametrize(
    ("fate", "bounces"), [("permanent-failure", 1), ("temporary-failure", 1), ("technical-failure", 0)]
)
async def test_a_message_that_did_not_arrive_goes_as_a_letter(
    desk: Desk, provider: NotifyServer, fate: str, bounces: int
) -> None:
    await told(desk, 1, by_sms(1))
    [delivery] = await desk.deliveries()
    provider.fates[delivery.delivery_id] = fate
    desk.later(ask_after(0))
    await follow_up(desk)
    await desk.deliver()
    assert await outcomes(desk) == [("SMS", "ACCEPTED"), ("LETTER", "ACCEPTED"), ("SMS", "REFUSED")]
    assert [row.state for row in await desk.messages()] == ["SENT"]
    counted = desk.metrics.value("bufferbudget_bounces_total", service="notifier", channel="SMS")
    assert counted == bounces
    desk.later(10 * 86_400)
    await follow_up(desk)
    await desk.deliver()
    assert len(desk.letters_written()) == 1
    assert list(provider.counts().values()) == [1]


@both
async def test_a_message_that_did_not_arrive_and_has_no_other_way_has_failed_and_waits_for_a_contact(
    desk: Desk, provider: NotifyServer
) -> None:
    await told(desk, 1, by_sms(1, paper=False))
    [delivery] = await desk.deliveries()
    provider.fates[delivery.delivery_id] = "permanent-failure"
    desk.later(ask_after(0))
    await follow_up(desk)
    assert [row.state for row in await desk.messages()] == ["FAILED"]
    assert b'"reason":"BOUNCED"' in (await desk.told())[-1]
    desk.later(1)
    await desk.contact(1, by_sms(1, paper=False))
    await desk.deliver()
    assert [row.state for row in await desk.messages()] == ["SENT"]
    assert list(provider.counts().values()) == [2]


async def test_a_provider_that_does_not_say_is_asked_again_later_and_given_up_in_the_end(
    desk: Desk, provider: NotifyServer
) -> None:
    await told(desk, 1, by_sms(1))
    for poll in range(12):
        desk.later(ask_after(poll))
        await follow_up(desk)
    assert provider.calls.count("GET one") == 9
    assert await outcomes(desk) == [("SMS", "ACCEPTED")]


async def test_nothing_is_asked_about_an_erased_person(desk: Desk, provider: NotifyServer) -> None:
    await told(desk, 1, by_sms(1))
    await desk.hear(erased(1))
    desk.later(ask_after(0))
    await follow_up(desk)
    assert "GET one" not in provider.calls


_KILLED = """
import asyncio, sys
from pathlib import Path
from tests.integration.notifier_desk import Desk

async def main():
    desk = Desk(Path(sys.argv[1]), sys.argv[2], notify_url=sys.argv[3])
    await desk.deliver()
    await desk.close()

asyncio.run(main())
"""


@both
async def test_killed_between_acceptance_and_record_it_is_still_sent_once(
    desk: Desk, provider: NotifyServer, tmp_path: Path
) -> None:
    await desk.hear(registered(1))
    await desk.contact(1, by_sms(1))
    await desk.hear(settled(1, "2026-03", 46_820))
    command = [sys.executable, "-c", _KILLED, str(tmp_path), desk.service_url, provider.url]
    killed = await asyncio.create_subprocess_exec(*command, env={**os.environ, "FAILPOINT": "after-delivery"})
    assert await asyncio.wait_for(killed.wait(), 60) == -signal.SIGKILL
    assert len(provider.accepted) == 1
    assert await desk.evidence() == []
    await desk.deliver()
    assert list(provider.counts().values()) == [1]
    assert {outcome for _, outcome in await outcomes(desk)} == {"UNKNOWN", "ACCEPTED"}


async def test_at_night_no_telephone_rings_and_letters_go_on(tmp_path: Path, provider: NotifyServer) -> None:
    url = f"sqlite:///{tmp_path / 'notifier.db'}"
    night = await Desk.open(tmp_path, url, url, notify_url=provider.url, quiet_hours="21:00-08:00")
    provider.now = night.clock.now
    night.later(13 * 3_600)
    await told(night, 1, by_sms(1))
    await told(night, 2, contact_of(2, consent=False))
    assert provider.accepted == []
    assert len(night.letters_written()) == 1
    assert await night.courier.pending() == 0
    night.later(10 * 3_600)
    await night.courier.sample()
    waited = "bufferbudget_deliveries_oldest_seconds"
    assert night.metrics.value(waited, service="notifier", channel="SMS") == 0
    night.later(2 * 3_600)
    await night.courier.sample()
    assert night.metrics.value(waited, service="notifier", channel="SMS") == 7_200
    await night.deliver()
    assert len(provider.accepted) == 1
    await night.close()
