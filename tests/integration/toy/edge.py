"""The toy behind a real socket, with its clock, its log and a client."""

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import structlog

from shared import log as logs
from shared.bus.sqlite_log import SqliteLog
from shared.clock import FixedClock
from shared.ids import RandomIds
from shared.metrics import Metrics
from shared.serve import Process, process_of
from shared.settings import Settings
from shared.tokens import caller_from, token_for
from tests.integration.toy import service as toy

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NOTE = {"municipality": "0344", "amountCents": 1250}


class Edge:
    """A running toy; its client carries a back office's token."""

    def __init__(
        self,
        process: Process,
        clock: FixedClock,
        client: httpx.AsyncClient,
        settings: Settings,
        written: io.StringIO,
    ) -> None:
        self.process = process
        self.clock = clock
        self.client = client
        self.settings = settings
        self.written = written

    def token(self, **words: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token_for(self.settings, caller_from(words))}"}

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.written.getvalue().splitlines()]

    async def post(self, body: Any, key: str | None = None) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key is not None else {}
        return await self.client.post("/v1/notes", json=body, headers=headers)

    async def notes(self) -> int:
        return int((await self.client.get("/v1/note-counts")).json()["notes"])


@asynccontextmanager
async def running_toy(folder: Path, **settings: Any) -> AsyncIterator[Edge]:
    """The toy while it runs; afterwards it has drained and closed."""
    chosen = Settings(data_dir=folder, port=0, body_max_bytes=20_000, batch_max_bytes=200_000, **settings)
    clock, metrics, written = FixedClock(START), Metrics(), io.StringIO()
    logs.configure("info", written, strict=True)
    built = toy.build(chosen, clock, RandomIds(), metrics)
    process = process_of([built], SqliteLog(folder / "events", clock), chosen, clock, metrics)
    task = asyncio.create_task(process.run())
    try:
        async with asyncio.timeout(30):
            while not process.health.started:
                await asyncio.sleep(0.01)
                assert not task.done(), task.result()
        async with httpx.AsyncClient(base_url=process.url, timeout=20) as client:
            edge = Edge(process, clock, client, chosen, written)
            client.headers.update(edge.token(ROLE="backoffice"))
            yield edge
    finally:
        process.stop("test")
        await task
        logging.getLogger().handlers = []
        structlog.reset_defaults()


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """The problem in an answer, which must be one."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["type"].startswith("urn:bufferbudget:problem:")
    return body


def faults(response: httpx.Response) -> set[tuple[str, str]]:
    """Rule and pointer of every fault in a 400."""
    return {(fault["rule"], fault["pointer"]) for fault in problem(response, 400)["errors"]}
