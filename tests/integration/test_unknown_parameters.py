"""A query parameter that a call does not know is refused, on every route there is: a misspelt filter that is
passed over pays too many people."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest_asyncio
from fastapi import FastAPI

from buffer_ledger.service import build as buffer_ledger
from income_intake.service import build as income_intake
from notifier.service import build as notifier
from shared.api import StrictRoute
from shared.bus.sqlite_log import SqliteLog
from shared.clock import SystemClock
from shared.edge import EdgeState
from shared.ids import RandomIds
from shared.log import get_log
from shared.metrics import Metrics
from shared.serve import application
from shared.settings import Settings
from shared.status import Health
from shared.tokens import Role, caller_from, token_for

SOME_ID = "00000000-0000-4000-8000-000000000000"


class Callers:
    """The application of all services and a client; nothing of it may be reached, so no database is there."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        self.routes = [route for route in app.routes if isinstance(route, StrictRoute)]
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app, raise_app_exceptions=False), base_url="http://all.test"
        )
        self._settings = settings

    async def call(self, route: StrictRoute, query: str) -> httpx.Response:
        """Call a route as somebody who may, with a query and without a body."""
        assert route.allowed is not None
        role = Role(route.allowed.roles[0])
        words = {"ROLE": role.value, "MUNICIPALITY": "0344"}
        token = token_for(
            self._settings, caller_from(words | ({"FUND": SOME_ID} if role is Role.FUND else {}))
        )
        path = route.path_format.replace("{code}", "0344").replace("{month}", "2026-01")
        path = re.sub(r"\{\w+\}", SOME_ID, path)
        (method,) = route.methods or {"none"}
        headers = {"Authorization": f"Bearer {token}"}
        return await self.client.request(method, f"{path}?{query}", headers=headers)


@pytest_asyncio.fixture
async def callers(tmp_path: Path) -> AsyncIterator[Callers]:
    settings, clock, metrics = Settings(data_dir=tmp_path), SystemClock(), Metrics()
    services = [
        build(settings, clock, RandomIds(), metrics) for build in (income_intake, buffer_ledger, notifier)
    ]
    health = Health(SqliteLog(tmp_path / "events", clock), clock, lag_max_seconds=None)
    edge = EdgeState(log=get_log("process"), metrics=metrics, started=True)
    made = Callers(application(services, settings, health, edge), settings)
    async with made.client:
        yield made


async def test_every_route_refuses_a_parameter_that_it_does_not_know(callers: Callers) -> None:
    assert len(callers.routes) > 25
    for route in callers.routes:
        answer = await callers.call(route, "participantID=x&misspelt=")
        assert answer.status_code == 400, (route.path_format, answer.text)
        found = [(fault["rule"], fault["pointer"], fault["in"]) for fault in answer.json()["errors"]]
        for name in ("participantID", "misspelt"):
            assert found.count(("G002", f"/{name}", "query")) == 1, (route.path_format, found)


async def test_an_unknown_parameter_comes_with_all_other_faults(callers: Callers) -> None:
    (route,) = [each for each in callers.routes if each.name == "list_payment_orders"]
    answer = await callers.call(route, "limit=0&misspelt=1")
    found = {(fault["rule"], fault["pointer"]) for fault in answer.json()["errors"]}
    assert found == {("G004", "/limit"), ("G002", "/misspelt")}
    assert answer.json()["detail"].startswith("2 faults")
