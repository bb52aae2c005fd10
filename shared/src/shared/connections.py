"""Connections of callers within bounds: how many there are, how large a head is, how long anything takes.

uvicorn waits as long as the caller likes: for the first byte, for the end of a head, for the rest of a body
that nobody reads any more. A few thousand such connections cost the caller nothing and would stop us.
"""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.edge import CROWDED, SECURITY_HEADERS
from shared.log import get_log
from shared.problems import problem

_LOG_EVERY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What callers may take of a server."""

    connections: int
    """Served at once. Up to twice as many are answered 503 (but health); all beyond are closed unheard."""
    keep_alive_seconds: int
    head_seconds: float = 10.0
    """From the first byte of a request to the end of its head; also for a body that nobody reads any more."""
    head_bytes: int = 32_768


@dataclass(slots=True)
class _Refused:
    """Connections closed unheard, so that a flood of them is a line now and then."""

    count: int = 0
    told_at: float = field(default=-_LOG_EVERY_SECONDS)

    def one_more(self, now: float, connections: int) -> None:
        self.count += 1
        if now - self.told_at >= _LOG_EVERY_SECONDS:
            get_log("process").write("connections_refused", connections=connections, count=self.count)
            self.count, self.told_at = 0, now


class _BoundedConnection(HttpToolsProtocol):
    """One connection, with a deadline whenever it is the caller's turn."""

    def __init__(self, bounds: Bounds, refused: _Refused, **of_uvicorn: Any) -> None:
        super().__init__(**of_uvicorn)
        self._bounds = bounds
        self._refused = refused
        self._crowded = False
        self._in_head = True
        self._head_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        there = len(self.connections)
        self._crowded = there > self._bounds.connections
        if there > 2 * self._bounds.connections:
            self._refused.one_more(self.loop.time(), there)
            transport.abort()
            return
        self._within(self._bounds.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._no_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        if self._head_bytes > self._bounds.head_bytes:
            self._refuse_head()
        elif self._deadline is None and self._answered():
            self._within(self._bounds.head_seconds)

    def on_headers_complete(self) -> None:
        self._no_deadline()
        self._in_head = False
        # Of the bytes that came, the last ones may be those of a body; these here are the head's alone.
        head = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if head > self._bounds.head_bytes:
            self._head_bytes = head
            raise ValueError("the head is too large")  # which the parser hands on as an error of its own
        cast(dict[str, Any], self.scope)["state"][CROWDED] = self._crowded
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._no_deadline()
        self._in_head, self._head_bytes = True, 0
        if self._answered():  # before its body was whole: uvicorn's own timer is off by now
            self._within(self._bounds.keep_alive_seconds)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._in_head and self._answered() and not self.transport.is_closing():
            self._within(self._bounds.head_seconds)

    def send_400_response(self, msg: str) -> None:
        if self._head_bytes > self._bounds.head_bytes:
            self._refuse_head()
        else:
            self._refuse(HTTPStatus.BAD_REQUEST, "not-http", "This is not HTTP", msg)

    # ---- deadlines -----------------------------------------------------------------------------------------

    def _answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _within(self, seconds: float) -> None:
        self._no_deadline()
        self._deadline = self.loop.call_later(seconds, self._too_late)

    def _no_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        self._deadline = None
        if self.transport.is_closing():
            return
        if not self._answered():  # a request before this one is still being answered
            self._within(self._bounds.head_seconds)
        elif self._in_head and self._head_bytes:
            detail = f"the head may take {self._bounds.head_seconds:g} seconds at most"
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "too-slow", "The request came too slowly", detail)
        else:
            self.transport.abort()

    # ---- refusals before there is a request ----------------------------------------------------------------

    def _refuse_head(self) -> None:
        self._refuse(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            "head-too-large",
            "The head is too large",
            f"path, query and headers may be {self._bounds.head_bytes} bytes at most",
        )

    def _refuse(self, status: HTTPStatus, kind: str, title: str, detail: str) -> None:
        """Answer for ourselves and close; nothing of what was sent is repeated or logged."""
        answer = problem(status, kind, title, detail, {"Connection": "close"})
        headers = b"".join(b"%s: %s\r\n" % pair for pair in (*answer.raw_headers, *SECURITY_HEADERS))
        start = f"HTTP/1.1 {int(status)} {status.phrase}\r\n".encode()
        self.transport.write(start + headers + b"\r\n" + bytes(answer.body))
        self.transport.close()


def connections_within(bounds: Bounds) -> type[asyncio.Protocol]:
    """What uvicorn makes its connections of."""
    made = partial(_BoundedConnection, bounds=bounds, refused=_Refused())
    return cast(type[asyncio.Protocol], made)
