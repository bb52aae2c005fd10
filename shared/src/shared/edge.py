"""What every answer gets on its way out: version, security headers, a request id, a log line, a measurement.

It stands outside everything else, so that a fault of ours still leaves as a problem without internals.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.log import Log
from shared.metrics import Metrics
from shared.problems import RETRY_AFTER_SECONDS, internal_error, problem
from shared.tokens import Caller

API_VERSION: Final = "1.0.0"
"""Version of the HTTP contract (semver); its major number is the /v1 of the paths."""

SECURITY_HEADERS: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"api-version", API_VERSION.encode()),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"permissions-policy", b"interest-cohort=()"),
    (b"cross-origin-resource-policy", b"same-site"),
)
"""On every answer. No CORS: browsers are no clients of this API; only its document may be read anywhere."""

_OPEN_WHILE_STARTING: Final = frozenset({"/livez", "/readyz", "/startupz", "/v1/openapi.json", "/metrics"})
_QUIET: Final = frozenset({"/livez", "/readyz", "/startupz", "/metrics"})
_WENT_AWAY: Final = 499
"""In the metrics, for callers that are no longer there to be answered."""
CROWDED: Final = "crowded"
"""In a request's state when its connection is one too many (shared.listening)."""


@dataclass(slots=True)
class EdgeState:
    """What the edge knows of the process it stands in."""

    log: Log
    metrics: Metrics
    started: bool = False
    """False until database and bus answer; until then only health can be asked."""


class Edge:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, state: EdgeState) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": ""})
            return
        request_id = uuid4().hex
        exchange = _Exchange(send, request_id, scope["path"] == "/v1/openapi.json")
        scope.setdefault("state", {})["request_id"] = request_id
        began = time.perf_counter()
        error_id: str | None = None
        went_away = False
        try:
            if (refusal := self._refusal(scope)) is not None:
                await refusal(scope, receive, exchange.send)
            else:
                await self._app(scope, receive, exchange.send)
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except ClientDisconnect:
            went_away = True
        except Exception as error:
            error_id = request_id
            route = route_template(scope)
            self._state.log.failure("http_failure", error, error_id=error_id, route=route)
            if not exchange.status:
                await internal_error(error_id)(scope, receive, exchange.send)
        finally:
            status = exchange.status or (_WENT_AWAY if went_away else 500)
            self._measure(scope, status, time.perf_counter() - began, request_id, error_id)

    def _refusal(self, scope: Scope) -> Response | None:
        """Why this request is not served now, whoever asks; health can always be asked."""
        if scope["path"] in _OPEN_WHILE_STARTING:
            return None
        if not self._state.started:
            return _starting()
        return _crowded() if scope["state"].get(CROWDED) else None

    def _measure(
        self, scope: Scope, status: int, seconds: float, request_id: str, error_id: str | None
    ) -> None:
        route, method = route_template(scope), _method(scope)
        service = _service_of(scope)
        metrics = self._state.metrics.of(service)
        metrics.add("bufferbudget_http_requests_total", method=method, route=route, status=str(status))
        metrics.observe("bufferbudget_http_duration_seconds", seconds, method=method, route=route)
        metrics.add("bufferbudget_http_errors_total", 1 if status >= 500 else 0, route=route)
        if scope["path"] in _QUIET and status < 500:
            return
        caller = scope.get("state", {}).get("caller")
        fields: dict[str, object] = {
            "method": method,
            "route": route,
            "milliseconds": round(seconds * 1000, 1),
            "role": caller.role.value if isinstance(caller, Caller) else None,
            "request_id": request_id,
        }
        if status == _WENT_AWAY:
            self._state.log.of(service).write("client_disconnected", **fields)
            return
        if error_id:
            fields["error_id"] = error_id
        self._state.log.of(service).write("http_request", status=status, **fields)


class _Exchange:
    """The answer on its way out; `status` is 0 until it has begun."""

    def __init__(self, send: Send, request_id: str, readable_anywhere: bool) -> None:
        self._send = send
        self._request_id = request_id.encode()
        self._readable_anywhere = readable_anywhere
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers: list[tuple[bytes, bytes]] = [
                *message.get("headers", ()),
                *SECURITY_HEADERS,
                (b"x-request-id", self._request_id),
            ]
            if self._readable_anywhere:
                headers.append((b"access-control-allow-origin", b"*"))
            message = {**message, "headers": headers}
        await self._send(message)


def route_template(scope: Scope) -> str:
    """The template of the route that took the request, such as `/v1/funds/{fundId}`; `unmatched` for none."""
    route = scope.get("route")
    return str(getattr(route, "path_format", "unmatched"))


def _service_of(scope: Scope) -> str:
    return str(getattr(scope.get("route"), "service", "") or "process")


def _method(scope: Scope) -> str:
    method = str(scope["method"])
    return method if method in {"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"} else "other"


def _crowded() -> Response:
    return problem(
        503,
        "crowded",
        "Too many connections",
        "more callers are connected than can be served: close connections that you do not need",
        {"Retry-After": str(RETRY_AFTER_SECONDS), "Connection": "close"},
    )


def _starting() -> Response:
    return problem(
        503,
        "starting",
        "The service is starting",
        "database or event bus does not answer yet; see /readyz",
        {"Retry-After": str(RETRY_AFTER_SECONDS)},
    )
