"""What is posted to a real HTTPS server, and where nothing is sent: private addresses, impostors."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.parts.ports import free_port
from shared.webhooks.callbacks import read_callback, read_networks
from shared.webhooks.posting import ANSWER_MAX, HttpsPoster, Outcome
from tests.integration.webhook_receiver import HOST, Names, Receiver, certificate, receiving

LOOPBACK = read_networks("127.0.0.0/8,::1")


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[Receiver]:
    async with receiving(tmp_path) as started:
        yield started


def poster(receiver: Receiver, names: Names | None = None, seconds: float = 5) -> HttpsPoster:
    return HttpsPoster(LOOPBACK, receiver.certificate_file, resolver=names or Names(), whole_seconds=seconds)


async def posted(by: HttpsPoster, url: str, body: bytes = b"{}") -> Outcome:
    async with by.open() as posting:
        return await posting.post(read_callback(url), {"webhook-id": "1"}, body)


async def test_an_event_arrives_under_the_name_in_the_url(receiver: Receiver) -> None:
    assert await posted(poster(receiver), receiver.url, b'{"a":1}') == Outcome("accepted", "STATUS_200")
    [one] = receiver.received
    assert one.line == "POST /events?for=test HTTP/1.1"
    assert one.headers["host"] == f"{HOST}:{receiver.port}"
    assert one.headers["webhook-id"] == "1"
    assert one.body == b'{"a":1}'


@pytest.mark.parametrize("status", [201, 202, 204])
async def test_any_success_is_taken_as_taken(receiver: Receiver, status: int) -> None:
    receiver.answers = [status]
    assert (await posted(poster(receiver), receiver.url)).kind == "accepted"


@pytest.mark.parametrize("status", [400, 401, 404, 410, 429, 500, 503])
async def test_any_refusal_is_an_answer(receiver: Receiver, status: int) -> None:
    receiver.answers = [status]
    assert await posted(poster(receiver), receiver.url) == Outcome("answered", f"STATUS_{status}")


async def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.answers, receiver.headers = [307], f"Location: {receiver.url}/elsewhere\r\n"
    assert await posted(poster(receiver), receiver.url) == Outcome("answered", "STATUS_307")
    assert len(receiver.received) == 1


async def test_a_receiver_that_never_answers_is_given_up_in_time(receiver: Receiver) -> None:
    receiver.answers = [0]
    assert await posted(poster(receiver, seconds=0.3), receiver.url) == Outcome("unreachable", "TIMEOUT")


async def test_a_long_answer_is_not_read(receiver: Receiver) -> None:
    receiver.body = b"x" * (ANSWER_MAX * 1000)
    assert (await posted(poster(receiver), receiver.url)).kind == "accepted"


async def test_several_posts_share_connections_and_nothing_stays_open(receiver: Receiver) -> None:
    async with poster(receiver).open() as posting:
        for _ in range(5):
            assert (await posting.post(read_callback(receiver.url), {}, b"{}")).kind == "accepted"
    assert receiver.connections == 1
    await posted(poster(receiver), receiver.url)
    assert receiver.connections == 2


async def test_a_refused_connection_is_told(receiver: Receiver) -> None:
    outcome = await posted(poster(receiver), f"https://{HOST}:{free_port()}/in")
    assert outcome == Outcome("unreachable", "CONNECTION")


async def test_a_name_is_resolved_once_for_a_connection(receiver: Receiver) -> None:
    names = Names()
    await posted(poster(receiver, names), receiver.url)
    assert names.asked == [HOST]


async def test_an_address_that_does_not_answer_is_followed_by_the_next(receiver: Receiver) -> None:
    names = Names()
    names.known[HOST] = ["::1", "127.0.0.1"]
    assert (await posted(poster(receiver, names), receiver.url)).kind == "accepted"


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], ["::1"], ["::ffff:127.0.0.1"]]
)
async def test_nothing_is_sent_to_a_name_that_leads_to_a_private_address(
    receiver: Receiver, addresses: list[str]
) -> None:
    names = Names()
    names.known[HOST] = addresses
    careful = HttpsPoster((), receiver.certificate_file, resolver=names)
    assert await posted(careful, receiver.url) == Outcome("unreachable", "ADDRESS")
    assert receiver.connections == 0


async def test_one_private_address_among_others_spoils_the_name(receiver: Receiver) -> None:
    names = Names()
    names.known[HOST] = ["127.0.0.1", "10.0.0.1"]
    assert await posted(poster(receiver, names), receiver.url) == Outcome("unreachable", "ADDRESS")
    assert receiver.connections == 0


async def test_an_address_in_the_url_is_checked_as_well(receiver: Receiver) -> None:
    careful = HttpsPoster((), receiver.certificate_file)
    for host in ("127.0.0.1", "[::1]", "2130706433", "127.1", "localhost"):
        outcome = await posted(careful, f"https://{host}:{receiver.port}/in")
        assert outcome.kind == "unreachable", host
        assert outcome.code in {"ADDRESS", "NAME"}, host
    assert receiver.connections == 0


async def test_a_name_that_does_not_exist_is_told(receiver: Receiver) -> None:
    outcome = await posted(poster(receiver), f"https://nowhere.example:{receiver.port}/in")
    assert outcome == Outcome("unreachable", "NAME")


async def test_an_impostor_gets_nothing(receiver: Receiver, tmp_path: Path) -> None:
    """A server behind the address whose certificate is for another name, or of an authority nobody trusts."""
    names = Names(**{"other.example": ["127.0.0.1"]})
    other = await posted(poster(receiver, names), f"https://other.example:{receiver.port}/in")
    assert other == Outcome("unreachable", "CERTIFICATE")
    elsewhere, _ = certificate(tmp_path, "elsewhere.example")
    trusting = HttpsPoster(LOOPBACK, elsewhere, resolver=Names())
    assert await posted(trusting, receiver.url) == Outcome("unreachable", "CERTIFICATE")
    assert receiver.received == []
