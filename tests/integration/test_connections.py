"""Callers that take more than their share: of connections, of heads, of time, and those that go away."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
from starlette.responses import Response

from shared.connections import Bounds
from shared.listening import HttpServer
from tests.integration.toy.edge import NOTE, Edge, problem, running_toy

HEADERS = "Host: here\r\nContent-Type: application/json\r\n"


class Line:
    """A caller that writes what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, text: str) -> None:
        self._writer.write(text.encode())
        await self._writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the next answer."""
        head = (await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), 10)).decode()
        start, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        return int(start.split()[1]), headers, body

    async def refused(self, status: int, kind: str) -> None:
        """The next answer is a problem with all that every answer has, and the last one here."""
        got, headers, body = await self.answer()
        told = json.loads(body)
        assert (got, told["status"], told["type"].rpartition(":")[2]) == (status, status, kind)
        assert headers["content-type"] == "application/problem+json"
        assert headers["api-version"]
        assert headers["connection"] == "close"
        await self.closed()

    async def closed(self) -> None:
        """The other side ended the connection, by closing or by a reset."""
        with suppress(ConnectionResetError):
            assert await asyncio.wait_for(self._reader.read(), 10) == b""

    async def hang_up(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


@asynccontextmanager
async def calling(url: str) -> AsyncIterator[Line]:
    host, _, port = url.removeprefix("http://").partition(":")
    line = Line(*await asyncio.open_connection(host, int(port)))
    try:
        yield line
    finally:
        await line.hang_up()


def _posting(edge: Edge, length: int, path: str = "/v1/notes") -> str:
    token = edge.client.headers["authorization"]
    return f"POST {path} HTTP/1.1\r\n{HEADERS}Authorization: {token}\r\nContent-Length: {length}\r\n\r\n"


async def _logged(edge: Edge, event: str) -> dict[str, object]:
    async with asyncio.timeout(5):
        while True:
            found = [line for line in edge.log() if line["event"] == event]
            if found:
                return found[-1]
            await asyncio.sleep(0.01)


# ---- bodies -----------------------------------------------------------------------------------------------


async def test_a_body_that_comes_too_slowly_is_refused_however_often_a_byte_comes(tmp_path: Path) -> None:
    async with running_toy(tmp_path, body_seconds=0.4) as edge, calling(edge.process.url) as line:
        await line.send(_posting(edge, 100))

        async def dripping() -> None:
            while True:
                await line.send(" ")
                await asyncio.sleep(0.05)

        drip = asyncio.create_task(dripping())
        await line.refused(408, "too-slow")
        drip.cancel()
        assert await edge.notes() == 0


async def test_a_batch_has_more_time_than_a_body(tmp_path: Path) -> None:
    async with running_toy(tmp_path, body_seconds=0.2, batch_seconds=20) as edge:
        content = json.dumps(NOTE)
        async with calling(edge.process.url) as line:
            await line.send(_posting(edge, len(content), "/v1/note-batches"))
            await asyncio.sleep(0.4)
            await line.send(content)
            assert (await line.answer())[0] == 202


async def test_a_caller_that_goes_away_within_its_body_is_no_fault_of_ours(tmp_path: Path) -> None:
    async with running_toy(tmp_path) as edge:
        for path in ("/v1/notes", "/v1/note-batches"):
            async with calling(edge.process.url) as line:
                await line.send(_posting(edge, 100, path) + '{"amountCents"')
                await asyncio.sleep(0.1)
            told = await _logged(edge, "client_disconnected")
            assert (told["level"], told["route"], told["role"]) == ("info", path, "backoffice")
            edge.written.truncate(0)
            edge.written.seek(0)
        assert not [line for line in edge.log() if line["event"] in {"http_failure", "library"}]
        text = (await edge.client.get("/metrics", headers=edge.token(ROLE="operator"))).text
        errors = [line for line in text.splitlines() if line.startswith("bufferbudget_http_errors_total")]
        assert errors
        assert {line.rpartition(" ")[2] for line in errors} == {"0.0"}
        assert 'status="499"' in text


# ---- connections and heads --------------------------------------------------------------------------------


async def test_one_connection_too_many_is_told_to_come_back_and_health_is_told_anything(
    tmp_path: Path,
) -> None:
    async with running_toy(tmp_path, connections_max=8) as edge:
        authorization = f"Authorization: {edge.client.headers['authorization']}\r\n"
        asking = f"GET /v1/note-counts HTTP/1.1\r\n{HEADERS}{authorization}\r\n"
        async with AsyncExitStack() as connected:
            lines = [await connected.enter_async_context(calling(edge.process.url)) for _ in range(8)]
            await asyncio.sleep(0.1)
            late, probe = [await connected.enter_async_context(calling(edge.process.url)) for _ in range(2)]
            await late.send(asking)
            await late.refused(503, "crowded")
            await probe.send(f"GET /livez HTTP/1.1\r\n{HEADERS}\r\n")
            assert (await probe.answer())[0] == 200
            await lines[0].send(asking)
            assert (await lines[0].answer())[0] == 200
        await asyncio.sleep(0.1)
        assert await edge.notes() == 0


async def test_a_flood_of_connections_is_closed_unheard_and_is_one_line_in_the_log(tmp_path: Path) -> None:
    async with running_toy(tmp_path, connections_max=8) as edge:
        async with AsyncExitStack() as connected:
            lines = [await connected.enter_async_context(calling(edge.process.url)) for _ in range(24)]
            await asyncio.gather(*(line.closed() for line in lines[16:]))
        assert (await _logged(edge, "connections_refused"))["level"] == "warning"
        assert len([line for line in edge.log() if line["event"] == "connections_refused"]) == 1
        await asyncio.sleep(0.1)
        assert await edge.notes() == 0


@pytest.mark.parametrize(
    "head",
    [
        "GET /v1/note-counts?" + "x" * 40_000 + " HTTP/1.1\r\n\r\n",
        f"GET /livez HTTP/1.1\r\n{HEADERS}X-Long: " + "x" * 40_000 + "\r\n\r\n",
        f"GET /livez HTTP/1.1\r\n{HEADERS}" + "".join(f"X-{n}: 1234567890\r\n" for n in range(4000)) + "\r\n",
    ],
)
async def test_a_head_that_is_too_large_is_refused(tmp_path: Path, head: str) -> None:
    async with running_toy(tmp_path) as edge, calling(edge.process.url) as line:
        await line.send(head)
        await line.refused(431, "head-too-large")


async def test_a_head_without_an_end_is_refused_before_it_is_whole(tmp_path: Path) -> None:
    async with running_toy(tmp_path) as edge, calling(edge.process.url) as line:
        await line.send(f"GET /livez HTTP/1.1\r\n{HEADERS}X-Long: ")
        for _ in range(5):
            await line.send("x" * 8_000)
            await asyncio.sleep(0.02)
        await line.refused(431, "head-too-large")


async def test_what_is_not_http_is_a_problem_too(tmp_path: Path) -> None:
    async with running_toy(tmp_path) as edge, calling(edge.process.url) as line:
        await line.send("HELLO 999993653\r\n\r\n")
        await line.refused(400, "not-http")
        assert "999993653" not in edge.written.getvalue()


# ---- deadlines of a bare server ---------------------------------------------------------------------------


@asynccontextmanager
async def _serving(bounds: Bounds) -> AsyncIterator[str]:
    """A server that answers at once and never reads a body."""
    server = HttpServer(Response(), "127.0.0.1", 0, 1, bounds)
    running = asyncio.create_task(server.run_until_stopped())
    while not server.started:
        await asyncio.sleep(0.01)
        assert not running.done(), running.result()
    try:
        yield server.url
    finally:
        server.stop()
        await running


QUICK = Bounds(connections=100, keep_alive_seconds=30, head_seconds=0.3)


async def test_a_connection_on_which_nothing_comes_is_closed() -> None:
    async with _serving(QUICK) as url, calling(url) as line:
        await line.closed()


async def test_a_head_that_comes_too_slowly_is_refused() -> None:
    async with _serving(QUICK) as url, calling(url) as line:
        for character in "GET / HTTP/1.1":
            await line.send(character)
            await asyncio.sleep(0.01)
        await line.refused(408, "too-slow")


@pytest.mark.parametrize("stray", ["\r\n", "GET / HT"])
async def test_between_two_requests_a_byte_now_and_then_keeps_nothing_open(stray: str) -> None:
    async with _serving(QUICK) as url, calling(url) as line:
        await line.send("GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        assert (await line.answer())[0] == 200
        await line.send(stray)
        await line.refused(408, "too-slow")


async def test_a_body_that_nobody_reads_keeps_nothing_open() -> None:
    async with _serving(QUICK) as url, calling(url) as line:
        await line.send("POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 1000\r\n\r\n")
        assert (await line.answer())[0] == 200
        await line.send("x")
        await line.closed()


async def test_an_idle_connection_is_closed_after_its_time() -> None:
    bounds = Bounds(connections=100, keep_alive_seconds=1, head_seconds=30)
    async with _serving(bounds) as url, calling(url) as line:
        await line.send("GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        assert (await line.answer())[0] == 200
        await line.closed()


async def test_a_caller_in_no_hurry_within_its_time_is_served_again_and_again() -> None:
    async with _serving(QUICK) as url, calling(url) as line:
        for _ in range(3):
            await line.send("POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\n")
            assert (await line.answer())[0] == 200
            await asyncio.sleep(0.1)
            await line.send("{}")
            await asyncio.sleep(0.1)


async def test_an_answer_that_takes_long_is_waited_for(tmp_path: Path) -> None:
    async with running_toy(tmp_path, keep_alive_seconds=1, body_seconds=0.3) as edge:
        answer = await edge.client.post("/v1/notes", json={**NOTE, "slowSeconds": 1.2})
        assert answer.status_code == 201
        problem(await edge.client.get("/v1/nothing"), 404)
