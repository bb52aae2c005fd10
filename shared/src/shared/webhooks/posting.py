"""One POST to a callback: the name resolved once, the connection made to an address that was checked.

Nothing follows a redirect, reads a proxy from the environment or keeps a connection after its step. The
certificate must be for the name in the URL, whatever address it led to.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal, Protocol

import httpcore
import httpx

from shared.webhooks.callbacks import Callback, Network, may_reach

CONNECT_SECONDS: Final = 5.0
WHOLE_SECONDS: Final = 10.0
"""From the first look at the name to the end of the answer."""
ANSWER_MAX: Final = 16_384
"""Bytes of an answer's body that are read before the connection is dropped; nobody looks at them."""
CONNECTIONS: Final = 4

SocketOptions = (
    Iterable[tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]] | None
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended: taken (2xx), answered otherwise, or no answer at all.

    `code` is a word of ours such as STATUS_500, TIMEOUT, CONNECTION, NAME, ADDRESS, CERTIFICATE.
    """

    kind: Literal["accepted", "answered", "unreachable"]
    code: str


class Resolver(Protocol):
    """Finds the addresses of a name."""

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """In the order to try them; raises OSError."""
        ...


class SystemResolver:
    """Asks the machine's own resolver."""

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """See Resolver."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Posting(Protocol):
    """An open way to one receiver."""

    async def post(self, callback: Callback, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Post once, in bounded time; never raises for what the receiver or the network does."""
        ...


class Poster(Protocol):
    """Opens ways to receivers; the port behind which tests put their own."""

    def open(self) -> AbstractAsyncContextManager[Posting]:
        """For a handful of posts to one receiver."""
        ...


class _NotReachable(httpcore.ConnectError):
    """The name leads nowhere, or where nothing may be sent."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were checked, never to a name."""

    def __init__(self, resolver: Resolver, allowed: Sequence[Network]) -> None:
        self._resolver = resolver
        self._allowed = allowed
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: SocketOptions = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve, check all that is found, connect to the first that answers."""
        failure: httpcore.ConnectError | httpcore.ConnectTimeout = _NotReachable("NAME")
        for address in await self._checked(host, port):
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        socket_options: SocketOptions = None,
    ) -> httpcore.AsyncNetworkStream:
        """Never."""
        raise _NotReachable("ADDRESS")

    async def sleep(self, seconds: float) -> None:
        """As httpcore asks for it."""
        await self._network.sleep(seconds)

    async def _checked(self, host: str, port: int) -> Sequence[str]:
        """The name's addresses. One that may not be reached spoils all: nobody is to choose among them."""
        try:
            found = await self._resolver.addresses(host, port)
            allowed = [may_reach(ip_address(address), self._allowed) for address in found]
        except (OSError, ValueError):
            raise _NotReachable("NAME") from None
        if not all(allowed):
            raise _NotReachable("ADDRESS")
        return found


class HttpsPoster:
    """Posts over HTTPS with certificates that are checked, against usual authorities and those of a file."""

    def __init__(
        self,
        allowed: Sequence[Network] = (),
        ca_file: Path | None = None,
        *,
        resolver: Resolver | None = None,
        whole_seconds: float = WHOLE_SECONDS,
    ) -> None:
        self._network = CheckedNetwork(resolver or SystemResolver(), allowed)
        self._ca_file = ca_file
        self._whole_seconds = whole_seconds
        self._trust: ssl.SSLContext | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Posting]:
        """Connections for one receiver, closed at the end."""
        async with httpcore.AsyncConnectionPool(
            ssl_context=self._trusted(),
            max_connections=CONNECTIONS,
            network_backend=self._network,
        ) as pool:
            yield _HttpsPosting(pool, self._whole_seconds)

    def _trusted(self) -> ssl.SSLContext:
        """Made at the first use: reading all authorities takes a while, and most have no subscription."""
        if self._trust is None:
            self._trust = httpx.create_ssl_context(trust_env=False)
            if self._ca_file is not None:
                self._trust.load_verify_locations(self._ca_file)
        return self._trust


class _HttpsPosting:
    def __init__(self, pool: httpcore.AsyncConnectionPool, whole_seconds: float) -> None:
        self._pool = pool
        self._whole_seconds = whole_seconds

    async def post(self, callback: Callback, headers: Mapping[str, str], body: bytes) -> Outcome:
        """See Posting."""
        try:
            async with asyncio.timeout(self._whole_seconds):
                status = await self._status(callback, headers, body)
        except _NotReachable as error:
            return Outcome("unreachable", error.code)
        except (TimeoutError, httpcore.TimeoutException):
            return Outcome("unreachable", "TIMEOUT")
        except httpcore.ConnectError as error:
            certificate = isinstance(error.__context__, ssl.SSLError) or "CERTIFICATE" in str(error)
            return Outcome("unreachable", "CERTIFICATE" if certificate else "CONNECTION")
        except (httpcore.NetworkError, httpcore.ProtocolError):
            return Outcome("unreachable", "CONNECTION")
        return Outcome("accepted" if 200 <= status < 300 else "answered", f"STATUS_{status}")

    async def _status(self, callback: Callback, headers: Mapping[str, str], body: bytes) -> int:
        url = httpcore.URL(
            scheme=b"https",
            host=callback.host.encode(),
            port=callback.port,
            target=callback.target.encode(),
        )
        sent = {"host": callback.authority, "content-length": str(len(body)), **headers}
        timeouts = {"connect": CONNECT_SECONDS, "pool": None, "read": None, "write": None}
        async with self._pool.stream(
            "POST",
            url,
            headers=[(name.encode(), value.encode()) for name, value in sent.items()],
            content=body,
            extensions={"timeout": timeouts},
        ) as response:
            # Read what little there is, so that the connection serves again; of more, nothing.
            seen = 0
            async for part in response.aiter_stream():
                seen += len(part)
                if seen > ANSWER_MAX:
                    break
            return int(response.status)
