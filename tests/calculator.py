"""The notifier's application for its calculators: nothing is migrated, because they touch no database."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from notifier.service import build
from shared.bus.sqlite_log import SqliteLog
from shared.clock import FixedClock
from shared.edge import EdgeState
from shared.ids import RandomIds
from shared.log import get_log
from shared.metrics import Metrics
from shared.serve import application
from shared.service import Service
from shared.settings import Settings
from shared.status import Health
from shared.tokens import caller_from, token_for

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

NOBODY = "00000000-0000-4000-8000-000000000000"


class Calculator:
    """The calls as a back office makes them."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(data_dir=folder)
        clock, metrics = FixedClock(NOW), Metrics()
        self.service: Service = build(self.settings, clock, RandomIds(), metrics)
        health = Health(SqliteLog(folder / "events", clock), clock, lag_max_seconds=None)
        edge = EdgeState(log=get_log("process"), metrics=metrics, started=True)
        self.app: FastAPI = application((self.service,), self.settings, health, edge)

    async def ask(
        self, path: str, body: Any, *, expect: int = 200, role: str = "backoffice", key: str | None = None
    ) -> Any:
        """The JSON answer of one POST that has the expected status."""
        status, answer = await self.answer(path, body, role=role, key=key)
        assert status == expect, answer
        return answer

    async def answer(
        self, path: str, body: Any, *, role: str = "backoffice", key: str | None = None
    ) -> tuple[int, Any]:
        """Status and JSON answer of one POST."""
        words = {"ROLE": role, "MUNICIPALITY": "0344"} | ({"FUND": NOBODY} if role == "fund" else {})
        headers = {"Authorization": f"Bearer {token_for(self.settings, caller_from(words))}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://notifier.test/v1") as client:
            answer = await client.post(path, json=body, headers=headers)
        return answer.status_code, answer.json()
