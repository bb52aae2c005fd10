"""Messages that a person tells, letters when nobody did, and bounces that a back office heard of."""

import copy
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from notifier.contacts import ChannelName
from tests.integration.notifier_desk import (
    Desk,
    MailServer,
    contact_of,
    drawn,
    erased,
    person_id,
    registered,
    settled,
)
from tests.integration.test_households import HOUSEHOLD, MESSAGES, PATH, Running, notifier

__all__ = ["notifier"]  # the fixture of a running one

DAY = 86_400.0


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    url = f"sqlite:///{tmp_path / 'notifier.db'}"
    opened = await Desk.open(tmp_path, url, url)
    yield opened
    await opened.close()


async def put_up(desk: Desk, number: int, *, paper: bool = True) -> None:
    """A message to somebody who is told by a coach."""
    await desk.hear(registered(number))
    contact = replace(contact_of(number, mail=False, paper=paper), channels=(ChannelName.TASK,), coach="Sam")
    await desk.contact(number, contact)
    await desk.hear(settled(number, "2026-03", 46_820))
    await desk.deliver()


async def test_a_message_for_somebody_who_reads_with_difficulty_becomes_a_task_with_evidence(
    desk: Desk,
) -> None:
    await put_up(desk, 1)
    [task] = await desk.tasks()
    assert (task.kind, task.state) == ("TELL", "OPEN")
    [evidence] = await desk.evidence()
    assert (evidence.channel, evidence.outcome) == ("TASK", "ACCEPTED")
    assert desk.letters_written() == {}
    await desk.followups.sample()
    assert desk.metrics.value("bufferbudget_tasks_open", service="notifier", kind="TELL") == 1


async def test_what_nobody_told_in_time_goes_as_a_letter_once(desk: Desk) -> None:
    await put_up(desk, 1)
    desk.later(14 * DAY - 1)
    await desk.followups.step()
    assert [task.state for task in await desk.tasks()] == ["OPEN"]
    desk.later(1)
    for _ in range(2):
        await desk.followups.step()
        await desk.deliver()
    assert [task.state for task in await desk.tasks()] == ["LAPSED"]
    assert len(desk.letters_written()) == 1
    assert [row.state for row in await desk.messages()] == ["SENT"]


async def test_what_nobody_told_and_no_letter_can_tell_has_failed(desk: Desk) -> None:
    await put_up(desk, 1, paper=False)
    desk.later(15 * DAY)
    await desk.followups.step()
    assert [row.state for row in await desk.messages()] == ["FAILED"]
    assert b'"reason":"NOT_TOLD"' in (await desk.told())[-1]


async def test_nobody_is_asked_to_tell_somebody_who_is_erased(desk: Desk) -> None:
    await put_up(desk, 1)
    await desk.hear(erased(1))
    assert [task.state for task in await desk.tasks()] == ["CANCELLED"]


def _told_by_coach() -> dict[str, Any]:
    household: dict[str, Any] = copy.deepcopy(HOUSEHOLD)
    household["contact"] |= {"channels": ["TASK"], "coach": "Sam de Coach"}
    return household


async def test_a_back_office_lists_its_tasks_and_says_which_are_done(notifier: Running) -> None:
    assert (await notifier.client.put(PATH, json=_told_by_coach())).status_code == 200
    await notifier.publish(registered(1), drawn(1, "2026-03", 10_000), settled(1, "2026-03", 10_000))
    await notifier.quiet()
    [task] = (await notifier.client.get("/v1/tasks")).json()["items"]
    assert (task["kind"], task["toldBy"], task["participantId"]) == ("TELL", "Sam de Coach", person_id(1))
    assert "Beste deelnemer," in task["text"]
    official = notifier.headers(ROLE="official")
    elsewhere = notifier.headers(ROLE="backoffice", MUNICIPALITY="0599")
    done = f"/v1/tasks/{task['taskId']}/_done"
    assert (await notifier.client.get("/v1/tasks", headers=elsewhere)).json()["items"] == []
    assert (await notifier.client.post(done, headers=elsewhere)).status_code == 404
    for _ in range(2):
        answer = await notifier.client.post(done, headers=official)
        assert answer.status_code == 200, answer.text
        assert answer.json()["state"] == "DONE"
    assert (await notifier.client.get("/v1/tasks")).json()["items"] == []
    [listed] = (await notifier.client.get("/v1/tasks?state=DONE")).json()["items"]
    assert listed["doneAt"]
    assert {"read tasks", "finish task"} <= {action for action, _ in await notifier.access()}


async def test_a_lapsed_task_cannot_be_done_any_more(notifier: Running) -> None:
    await notifier.client.put(PATH, json=_told_by_coach())
    await notifier.publish(registered(1), settled(1, "2026-03", 10_000))
    await notifier.quiet()
    [task] = (await notifier.client.get("/v1/tasks")).json()["items"]
    await notifier.publish(erased(1))
    await notifier.quiet()
    answer = await notifier.client.post(f"/v1/tasks/{task['taskId']}/_done")
    assert answer.status_code == 409
    [listed] = (await notifier.client.get("/v1/tasks?state=CANCELLED")).json()["items"]
    assert "text" not in listed


async def test_an_email_that_came_back_goes_as_a_letter_and_twice_asks_for_a_new_contact(
    notifier: Running, tmp_path: Path
) -> None:
    await notifier.client.put(PATH, json=HOUSEHOLD)
    await notifier.publish(registered(1))
    for number, month in enumerate(("2026-03", "2026-04", "2026-05"), start=1):
        await notifier.publish(drawn(1, month, 10_000), settled(1, month, 10_000))
        await notifier.quiet()
        message = (await notifier.client.get(MESSAGES)).json()["items"][-1]
        bounced = f"/v1/messages/{message['messageId']}/_bounced"
        answers = [await notifier.client.post(bounced, json={"channel": "EMAIL"}) for _ in range(2)]
        # The third message went as a letter at once: there was no e-mail that could come back.
        expected = [200, 409] if number < 3 else [404, 404]
        assert [answer.status_code for answer in answers] == expected
        await notifier.quiet()
    assert len(list((tmp_path / "letters").glob("*.pdf"))) == 3
    [task] = (await notifier.client.get("/v1/tasks")).json()["items"]
    assert (task["kind"], task["channel"]) == ("CONTACT", "EMAIL")
    household = (await notifier.client.get(PATH)).json()
    assert (household["broken"], household["bufferMessagesBy"]) == (["EMAIL"], "LETTER")
    assert "text" not in task
    elsewhere = notifier.headers(ROLE="backoffice", MUNICIPALITY="0599")
    answer = await notifier.client.post(bounced, json={"channel": "EMAIL"}, headers=elsewhere)
    assert answer.status_code == 404


async def test_a_mail_server_that_distrusts_us_says_nothing_about_an_address(tmp_path: Path) -> None:
    mail = MailServer().start()
    url = f"sqlite:///{tmp_path / 'notifier.db'}"
    desk = await Desk.open(tmp_path, url, url, smtp_url=mail.url)
    mail.behave("rcpt 550 5.7.1 relay denied", "554 5.7.1 spam", "rcpt 550 5.1.1 unknown")
    for number in (1, 2, 3):
        await desk.known(number)
        await desk.hear(settled(number, "2026-03", 46_820))
        await desk.deliver()
    assert desk.metrics.value("bufferbudget_bounces_total", service="notifier", channel="EMAIL") == 1
    assert len(desk.letters_written()) == 3
    await desk.close()
    mail.stop()
