"""HTTP servers on sockets that we open ourselves, so that a port that is taken is told clearly."""

import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from shared.connections import Bounds, connections_within
from shared.metrics import CONTENT_TYPE, Metrics

__all__ = ["Bounds", "HttpServer", "metrics_app"]


class HttpServer(uvicorn.Server):
    """uvicorn without its own signal handling: it would raise the signal again before anything is closed."""

    def __init__(self, app: ASGIApp, host: str, port: int, drain_seconds: float, bounds: Bounds) -> None:
        """Bind at once; raises OSError with address and port when that cannot be. Port 0 takes a free one."""
        self._socket = _bound(host, port)
        self.url = f"http://{host}:{self._socket.getsockname()[1]}"
        super().__init__(
            uvicorn.Config(
                app,
                loop="none",
                http=connections_within(bounds),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=bounds.keep_alive_seconds,
                timeout_graceful_shutdown=max(1, round(drain_seconds)),
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def run_until_stopped(self) -> None:
        """Answer requests until `stop`; then finish the running ones."""
        try:
            await self.serve(sockets=[self._socket])
        finally:
            self._socket.close()

    def stop(self) -> None:
        """Take no new connections and let `run_until_stopped` return."""
        self.should_exit = True


def metrics_app(metrics: Metrics) -> Starlette:
    """What answers on METRICS_PORT, without a token."""

    async def answer(_: Request) -> Response:
        return Response(metrics.render(), media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})

    return Starlette(routes=[Route("/metrics", answer)])


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OSError(f"cannot listen on {host} port {port}: {error.strerror}") from None
    return listener
