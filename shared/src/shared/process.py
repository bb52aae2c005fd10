"""The life of a process: start when database and bus answer, serve, drain on a signal, close everything.

All parts run in one TaskGroup. A part that fails ends the process with a last log line that names it. SIGTERM
and SIGINT drain it: no new requests, running ones are finished, consumers and workers end after their batch,
the relay publishes what is left, then bus and databases close.
"""

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from shared.bus.port import Bus
from shared.contracts.catalogue import partitions_by_topic
from shared.edge import API_VERSION, EdgeState
from shared.errors import TryAgain
from shared.listening import Bounds, HttpServer, metrics_app
from shared.log import get_log
from shared.metrics import Metrics
from shared.migrate import migrate
from shared.running import Running, ended
from shared.service import Service
from shared.settings import Settings
from shared.status import Health

CLOSE_SECONDS = 5.0


class PartEnded(Exception):
    """A part that should run until the process ends came to an end by itself."""


class Process:
    """The services of one process while they run. Make it, then `run` it once."""

    def __init__(
        self,
        services: Sequence[Service],
        bus: Bus,
        settings: Settings,
        metrics: Metrics,
        app: FastAPI,
        health: Health,
        edge: EdgeState,
    ) -> None:
        self.services = tuple(services)
        self.health = health
        self.url = ""
        """Where it answers, once it runs."""
        self._bus = bus
        self._settings = settings
        self._metrics = metrics
        self.app = app
        self._edge = edge
        self._log = get_log("process")
        self._stop = asyncio.Event()
        self._reason = ""
        self._began = time.monotonic()

    def stop(self, reason: str) -> None:
        """Begin to drain; called by the signal handlers."""
        self._reason = self._reason or reason
        self._stop.set()

    async def run(self) -> None:
        """Run until stopped, then drain and close everything. Raises what a failed part raised."""
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self.stop, signum.name)
        try:
            async with asyncio.TaskGroup() as group:
                await self._live(group)
        finally:
            await self._close()
            for signum in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(signum)

    async def _live(self, group: asyncio.TaskGroup) -> None:
        names = [service.name for service in self.services]
        bus = self._settings.bus_url.partition(":")[0]
        self._log.write("starting", version=API_VERSION, services=names, bus=bus)
        start_task = partial(self._part, group)
        running = Running(self._bus, self._settings, self._metrics, self._log, start_task)
        servers = self._servers()
        answering = [start_task(f"http {server.url}", server.run_until_stopped()) for server in servers]
        if await self._start_or_stop():
            running.start(self.services, self.health)
            self._say_started()
            await self._stop.wait()
        self.health.draining = True
        self._log.write("draining", reason=self._reason, seconds=self._settings.drain_seconds)
        for server in servers:
            server.stop()
        deadline = time.monotonic() + self._settings.drain_seconds
        await ended(answering, self._settings.drain_seconds)
        await running.drain(max(CLOSE_SECONDS, deadline - time.monotonic()))

    def _servers(self) -> list[HttpServer]:
        settings = self._settings
        bounds = Bounds(settings.connections_max, settings.keep_alive_seconds)
        servers = [HttpServer(self.app, settings.host, settings.port, settings.drain_seconds, bounds)]
        self.url = servers[0].url
        if settings.metrics_port is not None:
            app = metrics_app(self._metrics)
            host, port = settings.metrics_host, settings.metrics_port
            servers.append(HttpServer(app, host, port, settings.drain_seconds, bounds))
        return servers

    def _part(
        self, group: asyncio.TaskGroup, name: str, work: Coroutine[Any, Any, None]
    ) -> asyncio.Task[None]:
        """Run one part; its failure, or its end before a stop, ends the process."""

        async def guarded() -> None:
            try:
                await work
            except Exception as error:
                self._log.failure("part_failed", error, part=name)
                raise
            if not self._stop.is_set():
                self._log.write("part_failed", part=name, error_type="PartEnded")
                raise PartEnded(f"{name} ended by itself")

        return group.create_task(guarded(), name=name)

    # ---- start ---------------------------------------------------------------------------------------------

    async def _start_or_stop(self) -> bool:
        """Start everything, unless a stop comes first; whether it started."""
        starting = asyncio.ensure_future(self._start())
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                return True
            return False
        finally:
            starting.cancel()
            stopping.cancel()
            await asyncio.wait({starting, stopping})

    async def _start(self) -> None:
        deadline = time.monotonic() + self._settings.startup_seconds
        for service in self.services:
            await self._patiently(f"{service.name} database", deadline, partial(self._migrate, service))
            if service.key_store is not None:
                await self._patiently(f"{service.name} keys", deadline, service.key_store.start)
        await self._patiently("bus", deadline, self._bus.start)
        await self._patiently("topics", deadline, partial(self._bus.ensure_topics, partitions_by_topic()))

    async def _migrate(self, service: Service) -> None:
        before, after = await migrate(
            self._settings.owner_database_url(service.name),
            service.migrations,
            service_url=self._settings.database_url(service.name),
        )
        if before != after:
            self._log.of(service.name).write("migrated", from_revision=before, to_revision=after)

    async def _patiently(self, part: str, deadline: float, do: Callable[[], Awaitable[None]]) -> None:
        """Do it, again and again while the part is away, until the deadline."""
        attempt = 0
        while True:
            try:
                return await do()
            except TryAgain as error:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise
                attempt += 1
                kind = type(error).__qualname__
                self._log.write(
                    "waiting_for", part=part, attempt=attempt, seconds_left=round(left), error_type=kind
                )
                await asyncio.sleep(min(0.25 * 2 ** min(attempt, 4), left))

    def _say_started(self) -> None:
        self.health.started = self._edge.started = True
        told = json.dumps({"url": self.url, "pid": os.getpid()})
        draft = self._server_file().with_suffix(f".{os.getpid()}")
        draft.write_text(told + "\n", encoding="utf-8")
        draft.replace(self._server_file())
        self._log.write("started", url=self.url, seconds=round(time.monotonic() - self._began, 2))
        names = ", ".join(service.name for service in self.services)
        print(f"bufferbudget ({names}) answers on {self.url}")
        print(f"Its document is at {self.url}/v1/openapi.json, its data in {self._settings.data_dir}")
        print("A token: make -s token ROLE=backoffice    Stop: Ctrl-C", flush=True)

    def _server_file(self) -> Path:
        """Where tools read the address: server.json for all services together, server-<name>.json for one."""
        name = f"-{self.services[0].name}" if len(self.services) == 1 else ""
        return self._settings.data_dir / f"server{name}.json"

    # ---- stop ----------------------------------------------------------------------------------------------

    async def _close(self) -> None:
        """Close what can be closed, each under a deadline; nothing here hides why the process ends."""
        async with AsyncExitStack() as stack:
            for service in self.services:
                stack.push_async_callback(self._closing, f"{service.name} database", service.database.close)
                if service.key_store is not None:
                    stack.push_async_callback(self._closing, f"{service.name} keys", service.key_store.close)
            stack.push_async_callback(self._closing, "bus", self._bus.stop)
        self._server_file().unlink(missing_ok=True)

    async def _closing(self, part: str, close: Callable[[], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await close()
        except Exception as error:
            self._log.failure("part_failed", error, part=f"closing {part}")
