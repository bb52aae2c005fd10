"""A provider of text messages and e-mail on loopback, with the calls of GOV.UK Notify and a temper.

It checks each token as the real one does: signed by the service's secret, made at most 30 seconds ago.
"""

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import jwt

from tests.integration.notifier_desk import NOTIFY_KEY


class NotifyServer:
    """`behave` says what it does with the next posts, in order.

    `ok`; a status with a message such as `400 phone_number Not a valid phone number`; `hang`; and, after it
    has accepted the message: `drop` (hang up), `half` (half an answer), `accept-500`.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.accepted: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.fates: dict[str, str] = {}
        """What became of a message, by its reference; `created` unless said."""
        self._plan: list[str] = []
        self._closing = Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def behave(self, *plan: str) -> None:
        self._plan.extend(plan)

    def stop(self) -> None:
        """Be away for good; once stopped, stopping again does nothing."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def counts(self) -> Counter[str]:
        """How often a message was accepted, by its reference."""
        return Counter(one["reference"] for one in self.accepted)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                provider._post(self)

            def do_GET(self) -> None:
                provider._get(self)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def _post(self, request: BaseHTTPRequestHandler) -> None:
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        medium = request.path.rpartition("/")[2]
        self.calls.append(f"POST {medium}")
        if not self._allowed(request):
            return
        step = self._plan.pop(0) if self._plan else "ok"
        if step == "hang":
            self._closing.wait(30)
            return
        if step[:3].isdigit():
            status, _, said = step.partition(" ")
            self._answer(request, int(status), {"errors": [{"error": "ValidationError", "message": said}]})
            return
        made = {"id": str(uuid4()), "medium": medium, **body}
        self.accepted.append(made)
        answer = {"id": made["id"], "reference": body["reference"], "content": {}, "uri": "", "template": {}}
        if step == "ok":
            self._answer(request, 201, answer)
        elif step == "accept-500":
            self._answer(request, 500, {"errors": [{"error": "Exception", "message": "Internal"}]})
        elif step == "half":
            whole = json.dumps(answer).encode()
            request.send_response(201)
            request.send_header("Content-Length", str(len(whole)))
            request.end_headers()
            request.wfile.write(whole[: len(whole) // 2])
        request.close_connection = True

    def _get(self, request: BaseHTTPRequestHandler) -> None:
        url = urlsplit(request.path)
        self.calls.append("GET one" if url.path.count("/") == 3 else "GET by reference")
        if not self._allowed(request):
            return
        if url.path == "/v2/notifications":
            [reference] = parse_qs(url.query)["reference"]
            found = [self._shown(one) for one in self.accepted if one["reference"] == reference]
            self._answer(request, 200, {"notifications": found, "links": {}})
            return
        wanted = url.path.rpartition("/")[2]
        one = next((one for one in self.accepted if one["id"] == wanted), None)
        self._answer(request, 200 if one else 404, self._shown(one) if one else {"errors": []})

    def _shown(self, one: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": one["id"],
            "reference": one["reference"],
            "status": self.fates.get(one["reference"], "created"),
        }

    def _allowed(self, request: BaseHTTPRequestHandler) -> bool:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        claims = jwt.decode(token, NOTIFY_KEY[-36:], algorithms=["HS256"], options={"verify_iat": False})
        fresh = abs(claims["iat"] - self.now().timestamp()) <= 30
        if claims["iss"] == NOTIFY_KEY[-73:-37] and fresh:
            return True
        self._answer(request, 403, {"errors": [{"error": "AuthError", "message": "Invalid token"}]})
        return False

    def _answer(self, request: BaseHTTPRequestHandler, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)
