"""Messages reach residents by e-mail or letter, once, with evidence, whatever the mail server does."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DBAPIError

from notifier.contacts import ChannelName
from notifier.delivery import retry_after
from notifier.service import MIGRATIONS
from notifier.tables import EVIDENCE, METADATA
from shared import log as logs
from shared.migrate import drift
from shared.personal_keys import Unreadable
from shared.workers import Worker
from tests.integration.notifier_desk import (
    CANARY_NAME,
    Desk,
    MailServer,
    canary_email,
    contact_of,
    drawn,
    erased,
    person_id,
    registered,
    settled,
)
from tests.migrated import copy_in_postgres, copy_to_sqlite

_numbers = count(1)


@pytest.fixture
def mail() -> Iterator[MailServer]:
    server = MailServer().start()
    yield server
    server.stop()


@pytest.fixture(params=["embedded", "postgres"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """The database of the test as its owner and as the service."""
    if request.param == "embedded":
        url = f"sqlite:///{tmp_path / 'notifier.db'}"
        copy_to_sqlite(MIGRATIONS, url)
        return url, url
    return copy_in_postgres(request.getfixturevalue("postgres"), MIGRATIONS, f"notifier_{next(_numbers)}")


@pytest.fixture
async def desk(urls: tuple[str, str], mail: MailServer, tmp_path: Path) -> AsyncIterator[Desk]:
    opened = await Desk.open(tmp_path, *urls, smtp_url=mail.url)
    yield opened
    await opened.close()


async def test_the_migrated_database_is_what_the_tables_declare(desk: Desk) -> None:
    assert await drift(desk.service_url, METADATA, MIGRATIONS) == []


async def test_a_drawn_month_reaches_the_resident_by_email_with_evidence(
    desk: Desk, mail: MailServer
) -> None:
    await desk.known(1)
    await desk.hear(drawn(1, "2026-03", 46_820), settled(1, "2026-03", 46_820))
    assert await desk.courier.pending() == 1
    await desk.deliver()

    [sent] = mail.to(canary_email(1))
    [message] = await desk.messages()
    [evidence] = await desk.evidence()
    assert message.state == "SENT"
    assert (evidence.outcome, evidence.code, evidence.text) == ("ACCEPTED", 250, "2.0.0 accepted")
    assert evidence.header_id == sent["Message-ID"] == f"<{message.message_id}@fonds.example>"
    assert sent["Auto-Submitted"] == "auto-generated"
    assert sent["From"] == "Bestaansbalans <buffer@fonds.example>"
    assert sent["Subject"] == "Nieuws over uw buffer / News about your buffer"
    text, html = sent.iter_parts()
    assert html.get_content_type() == "text/html"
    body = text.get_content()
    assert "U krijgt naar verwachting €\N{NO-BREAK SPACE}468,20 uit uw buffer." in body
    assert body.index("Beste deelnemer") < body.index("Dear participant")
    [told] = await desk.told()
    assert b'"channel":"EMAIL"' in told
    assert await desk.courier.pending() == 0


async def test_without_consent_the_same_text_goes_out_as_a_letter(desk: Desk, mail: MailServer) -> None:
    await desk.known(1, consent=False)
    await desk.hear(settled(1, "2026-03", 46_820))
    await desk.deliver()

    [message] = await desk.messages()
    [(name, letter)] = desk.letters_written().items()
    assert name == f"{message.message_id}.pdf"
    letter = " ".join(letter.split(" "))
    assert f"{CANARY_NAME}\nVogelstraat 7\n3511 AB  UTRECHT\n" in letter
    assert "8 april 2026" in letter
    assert "€\N{NO-BREAK SPACE}468,20 uit uw buffer" in letter
    assert mail.mails == []
    assert message.state == "SENT"


async def test_an_address_refused_for_good_gets_a_letter_at_once(desk: Desk, mail: MailServer) -> None:
    mail.behave(f"rcpt 550 5.1.1 <{canary_email(1)}> kanarie.vogelkooi1 unknown here")
    await desk.known(1)
    await desk.hear(settled(1, "2026-03", 46_820))
    await desk.deliver()

    refused, written = await desk.evidence()
    assert (refused.outcome, refused.code, refused.text) == (
        "REFUSED",
        550,
        "5.1.1 <<address>> <address> unknown here",
    )
    assert (written.outcome, written.text) == ("ACCEPTED", "letter file written")
    [message] = await desk.messages()
    assert message.state == "SENT"
    email, letter = await desk.deliveries()
    assert [(way.channel, way.state) for way in (email, letter)] == [("EMAIL", "FAILED"), ("LETTER", "SENT")]
    [sent] = await desk.told()
    assert b'"channel":"LETTER"' in sent
    assert "delivery_replaced" in desk.log.getvalue()
    assert "delivery_given_up" not in desk.log.getvalue()


async def test_a_busy_server_is_tried_again_later_and_not_before(desk: Desk, mail: MailServer) -> None:
    mail.behave("451 4.3.0 try later", "rcpt 450 greylisted", "ok")
    await desk.known(1)
    await desk.hear(settled(1, "2026-03", 46_820))
    await desk.deliver()
    assert mail.mails == []
    assert await desk.courier.pending() == 0
    for attempt in (1, 2):
        desk.later(retry_after(attempt, ChannelName.EMAIL) or 0)
        await desk.deliver()
    assert [row.outcome for row in await desk.evidence()] == ["LATER", "LATER", "ACCEPTED"]
    assert [row.attempt for row in await desk.evidence()] == [1, 2, 3]
    assert len(mail.mails) == 1


async def test_a_server_that_is_away_delays_messages_and_loses_none(desk: Desk, mail: MailServer) -> None:
    mail.stop()
    for number in range(1, 6):
        await desk.known(number)
        await desk.hear(settled(number, "2026-03", 46_820))
    await desk.deliver()
    assert {row.text for row in await desk.evidence()} == {
        "no connection to the mail server (SMTPConnectError)"
    }
    mail.start()
    desk.later(60)
    await desk.deliver()
    assert [row.state for row in await desk.messages()] == ["SENT"] * 5
    assert set(mail.counts().values()) == {1}


async def test_a_server_that_hangs_is_left_and_tried_again(
    urls: tuple[str, str], mail: MailServer, tmp_path: Path
) -> None:
    desk = await Desk.open(tmp_path, *urls, smtp_url=mail.url, answer_seconds=0.3)
    mail.behave("hang")
    await desk.known(1)
    await desk.hear(settled(1, "2026-03", 46_820))
    began = time.monotonic()
    await desk.deliver()
    assert time.monotonic() - began < 5
    [evidence] = await desk.evidence()
    assert evidence.outcome == "LATER"
    desk.later(60)
    await desk.deliver()
    assert len(mail.mails) == 1
    await desk.close()


async def test_a_connection_lost_after_the_last_byte_is_repeated_under_the_same_message_id(
    desk: Desk, mail: MailServer
) -> None:
    mail.behave("drop", "ok")
    await desk.known(1)
    await desk.hear(settled(1, "2026-03", 46_820))
    await desk.deliver()
    desk.later(60)
    await desk.deliver()
    assert [row.outcome for row in await desk.evidence()] == ["LATER", "ACCEPTED"]
    assert list(mail.counts().values()) == [2]
    desk.later(timedelta(days=30).total_seconds())
    await desk.deliver()
    assert list(mail.counts().values()) == [2], "what was recorded as accepted is never sent again"


async def test_email_that_never_gets_through_is_given_up_for_a_letter(desk: Desk, mail: MailServer) -> None:
    mail.stop()
    await desk.known(1)
    await desk.hear(settled(1, "2026-03", 46_820))
    for attempt in range(1, 20):
        await desk.deliver()
        desk.later(retry_after(attempt, ChannelName.EMAIL) or 0)
    email, letter = await desk.deliveries()
    assert (email.channel, email.state) == ("EMAIL", "FAILED")
    assert (letter.channel, letter.state) == ("LETTER", "SENT")
    [sent] = await desk.told()
    assert b'"channel":"LETTER"' in sent
    assert "delivery_replaced" in desk.log.getvalue()


async def test_a_message_has_failed_only_when_no_way_is_left(desk: Desk, mail: MailServer) -> None:
    mail.stop()
    await desk.known(1, paper=False)
    await desk.hear(settled(1, "2026-03", 46_820))
    for attempt in range(1, 20):
        await desk.deliver()
        desk.later(retry_after(attempt, ChannelName.EMAIL) or 0)
    assert [row.state for row in await desk.messages()] == ["FAILED"]
    [failed] = await desk.told()
    assert b'"reason":"GAVE_UP"' in failed
    assert b'"channel":"EMAIL"' in failed
    assert "delivery_given_up" in desk.log.getvalue()


@pytest.mark.parametrize("part", ["contact", "wording"])
async def test_one_unreadable_ciphertext_fails_that_delivery_and_no_other(
    desk: Desk, mail: MailServer, part: str
) -> None:
    for number in (1, 2, 3):
        await desk.known(number)
        await desk.hear(settled(number, "2026-03", 46_820))
    await desk.damage(2, part)
    await desk.deliver()

    assert [row.state for row in await desk.messages()] == ["SENT", "FAILED", "SENT"]
    assert sorted(mail.counts().values()) == [1, 1]
    assert desk.letters_written() == {}
    [failed] = [row for row in await desk.evidence() if row.outcome != "ACCEPTED"]
    assert failed.outcome == "REFUSED"
    assert "cannot be read" in failed.text
    [told] = [fact for fact in await desk.told() if b"reason" in fact]
    assert b'"reason":"UNREADABLE"' in told
    assert person_id(2).encode() in told
    assert await desk.courier.pending() == 0


async def test_a_contact_that_cannot_be_read_holds_up_no_event_and_a_new_one_sends_what_waited(
    desk: Desk, mail: MailServer
) -> None:
    for number in (1, 2):
        await desk.known(number)
    await desk.damage(2, "contact")
    await desk.hear(settled(1, "2026-03", 46_820), settled(2, "2026-03", 46_820))
    await desk.deliver()
    assert [row.state for row in await desk.messages()] == ["SENT", "FAILED"]
    await desk.contact(2, contact_of(2))
    await desk.deliver()
    assert [row.state for row in await desk.messages()] == ["SENT", "SENT"]


async def test_content_that_cannot_be_read_fails_that_message_and_no_other(
    desk: Desk, mail: MailServer
) -> None:
    await desk.hear(registered(1), settled(1, "2026-02", 46_820), settled(1, "2026-03", 10_000))
    await desk.damage(1, "content", "2026-02")
    await desk.contact(1, contact_of(1))
    await desk.deliver()
    assert [row.state for row in await desk.messages()] == ["FAILED", "SENT"]


async def test_with_another_master_key_nothing_is_given_up(
    desk: Desk, mail: MailServer, tmp_path: Path, urls: tuple[str, str]
) -> None:
    await desk.known(1)
    await desk.hear(settled(1, "2026-03", 46_820))
    (tmp_path / "master.key").rename(tmp_path / "right.key")
    other = Desk(tmp_path, urls[1], smtp_url=mail.url)
    with pytest.raises(Unreadable):
        await other.deliver()
    await other.close()
    assert [row.state for row in await desk.messages()] == ["DUE"]


async def test_without_any_address_the_message_waits_for_a_new_contact(desk: Desk, mail: MailServer) -> None:
    mail.behave("rcpt 550 gone")
    await desk.known(1, paper=False)
    await desk.hear(settled(1, "2026-03", 46_820))
    await desk.deliver()
    assert [row.state for row in await desk.messages()] == ["FAILED"]
    await desk.contact(1, contact_of(1, mail=False))
    await desk.deliver()
    assert [row.state for row in await desk.messages()] == ["SENT"]
    assert len(desk.letters_written()) == 1


async def test_a_consent_that_is_withdrawn_while_an_email_waits_turns_it_into_a_letter(
    desk: Desk, mail: MailServer
) -> None:
    mail.behave("451 later")
    await desk.known(1)
    await desk.hear(settled(1, "2026-03", 46_820))
    await desk.deliver()
    await desk.contact(1, contact_of(1, consent=False))
    desk.later(60)
    await desk.deliver()
    assert mail.mails == []
    assert len(desk.letters_written()) == 1


async def test_nothing_is_sent_before_the_person_is_registered(desk: Desk, mail: MailServer) -> None:
    await desk.contact(1, contact_of(1))
    await desk.hear(settled(1, "2026-03", 46_820))
    await desk.deliver()
    assert [row.state for row in await desk.messages()] == ["WAITING"]
    await desk.hear(registered(1))
    await desk.deliver()
    assert [row.state for row in await desk.messages()] == ["SENT"]


async def test_a_registration_in_another_municipality_wipes_the_contact_and_cancels_the_message(
    desk: Desk, mail: MailServer
) -> None:
    await desk.contact(1, contact_of(1))
    await desk.hear(settled(1, "2026-03", 46_820), registered(1, "0599"))
    await desk.deliver()
    assert [row.state for row in await desk.messages()] == ["CANCELLED"]
    assert mail.mails == []


async def test_an_erased_person_gets_nothing_and_leaves_nothing_readable(
    desk: Desk, mail: MailServer
) -> None:
    mail.behave("451 later")
    await desk.known(1)
    await desk.hear(settled(1, "2026-03", 46_820))
    await desk.deliver()
    await desk.hear(erased(1), settled(1, "2026-04", 10_000))
    desk.later(60)
    await desk.deliver()
    [message] = await desk.messages()
    assert (message.state, message.wording, message.content) == ("CANCELLED", None, b"")
    assert mail.mails == []


async def test_350_messages_go_out_in_seconds_over_few_connections(desk: Desk, mail: MailServer) -> None:
    people = range(1, 351)
    await desk.hear(*(registered(number) for number in people))
    for number in people:
        await desk.contact(number, contact_of(number))
    await desk.hear(*(settled(number, "2026-03", 46_820) for number in people))
    began = time.monotonic()
    await desk.deliver()
    seconds = time.monotonic() - began
    assert len(mail.mails) == 350
    assert mail.connections <= 8
    assert seconds < 30, f"350 messages took {seconds:.1f} s"


async def test_a_person_gets_so_many_messages_a_day_and_the_rest_the_day_after(
    urls: tuple[str, str], mail: MailServer, tmp_path: Path
) -> None:
    desk = await Desk.open(tmp_path, *urls, smtp_url=mail.url, most_a_day=2)
    for number in (1, 2):
        await desk.known(number)
    for month in ("2026-01", "2026-02", "2026-03"):
        await desk.hear(settled(1, month, 46_820))
    await desk.hear(settled(2, "2026-03", 46_820))
    await desk.deliver()
    assert (len(mail.to(canary_email(1))), len(mail.to(canary_email(2)))) == (2, 1)
    assert await desk.courier.pending() == 0, "kept back is not due"
    desk.later(86_399)
    await desk.deliver()
    assert len(mail.to(canary_email(1))) == 2
    desk.later(1)
    await desk.deliver()
    assert len(mail.to(canary_email(1))) == 3
    assert [row.state for row in await desk.messages()] == ["SENT"] * 4
    await desk.close()


async def test_evidence_can_only_be_added(desk: Desk, mail: MailServer) -> None:
    await desk.known(1)
    await desk.hear(settled(1, "2026-03", 46_820))
    await desk.deliver()
    for statement in (update(EVIDENCE).values(text="x"), delete(EVIDENCE)):
        with pytest.raises(DBAPIError):
            async with desk.database.write() as tx:
                await tx.execute(statement)


async def test_nobody_is_named_in_logs_metrics_events_or_plain_bytes(
    desk: Desk, mail: MailServer, tmp_path: Path
) -> None:
    mail.behave("451 busy <address>", f"rcpt 550 {canary_email(2)} unknown")
    for number in (1, 2, 3):
        await desk.known(number)
        await desk.hear(settled(number, "2026-03", 46_820))
    await desk.deliver()
    await desk.courier.sample()
    places = {
        "log": desk.log.getvalue().encode(),
        "metrics": desk.metrics.render(),
        "events": b"".join(await desk.told()),
        "evidence": repr(await desk.evidence()).encode(),
        "rows": repr([await desk.messages(), await desk.deliveries()]).encode(),
    }
    async with desk.database.write() as tx:
        if tx.dialect == "postgresql":
            rows = await tx.rows(
                text("SELECT h::text FROM household h UNION ALL SELECT m::text FROM message m")
            )
            places["tables"] = repr(rows).encode()
    await desk.close()
    places |= desk.database_bytes()
    canaries = [b"kanarie", b"zwaluw", b"Vogelstraat", CANARY_NAME.encode(), b"468,20", b"Beste deelnemer"]
    found = [(place, canary) for place, content in places.items() for canary in canaries if canary in content]
    assert found == []


_KILLED = """
import asyncio, sys
from pathlib import Path
from tests.integration.notifier_desk import Desk

async def main():
    desk = Desk(Path(sys.argv[1]), sys.argv[2], smtp_url=sys.argv[3])
    await desk.deliver()
    await desk.close()

asyncio.run(main())
"""


async def test_killed_between_acceptance_and_record_the_repeat_has_the_same_message_id(
    desk: Desk, mail: MailServer, tmp_path: Path
) -> None:
    await desk.known(1)
    await desk.hear(settled(1, "2026-03", 46_820))
    command = [sys.executable, "-c", _KILLED, str(tmp_path), desk.service_url, mail.url]
    killed = await asyncio.create_subprocess_exec(*command, env={**os.environ, "FAILPOINT": "after-delivery"})
    assert await asyncio.wait_for(killed.wait(), 60) == -signal.SIGKILL
    assert len(mail.mails) == 1
    assert await desk.evidence() == []
    assert await desk.courier.pending() == 1
    await desk.deliver()
    assert list(mail.counts().values()) == [2], "the repeat is recognisable by its Message-ID"
    assert {row.outcome for row in await desk.evidence()} == {"UNKNOWN", "ACCEPTED"}
    assert [row.participant_id for row in await desk.messages()] == [person_id(1)]


async def test_a_step_longer_than_its_lease_is_not_taken_over_by_another_process(desk: Desk) -> None:
    started = asyncio.Event()
    measured = desk.metrics.of("notifier")
    steps: list[str] = []

    def worker(name: str, seconds: float) -> Worker:
        async def step() -> bool:
            steps.append(name)
            started.set()
            await asyncio.sleep(seconds)
            return False

        return Worker("deliveries", step, every_seconds=0.05)

    slow, other = worker("slow", 4.0), worker("other", 0)
    log = logs.get_log("notifier")
    running = asyncio.create_task(slow.run(desk.database, measured, log, lease_seconds=1.5))
    await started.wait()
    waiting = asyncio.create_task(other.run(desk.database, measured, log, lease_seconds=1.5))
    await asyncio.sleep(3.0)
    assert steps == ["slow"]
    slow.stop()
    await running
    async with asyncio.timeout(20):
        while "other" not in steps:
            await asyncio.sleep(0.02)
            assert not waiting.done()
    other.stop()
    await waiting


async def test_mail_never_goes_in_the_clear_where_starttls_is_required(
    urls: tuple[str, str], mail: MailServer, tmp_path: Path
) -> None:
    desk = await Desk.open(tmp_path, *urls, smtp_url=f"{mail.url}?starttls=required")
    await desk.known(1)
    await desk.hear(settled(1, "2026-03", 46_820))
    await desk.deliver()
    assert mail.mails == []
    assert [row.outcome for row in await desk.evidence()] == ["LATER"]
    await desk.close()
