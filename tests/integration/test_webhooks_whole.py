"""Webhooks of whole processes: the calls of /v1/subscriptions, and events on their way to a real receiver."""

import asyncio
import io
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import structlog

from buffer_ledger.service import build as buffer_ledger
from income_intake.service import build as income_intake
from notifier.service import build as notifier
from shared import log as logs
from shared.bus.sqlite_log import SqliteLog
from shared.clock import SystemClock
from shared.ids import RandomIds
from shared.metrics import Metrics
from shared.serve import process_of
from shared.settings import Settings
from shared.tokens import caller_from, token_for
from tests.integration.toy.edge import faults, problem
from tests.integration.webhook_receiver import Receiver, receiving

FUND_LOW = "nl.bufferbudget.funds.fund-low.v1"
DONATION = "nl.bufferbudget.funds.donation-received.v1"
REGISTERED = "nl.bufferbudget.participants.participant-registered.v1"
ELSEWHERE = {"callbackUrl": "https://receiver.example/in", "types": [DONATION]}
SECONDS = 20


@dataclass
class Whole:
    """All services in one process, with a client that speaks for one municipality unless told otherwise."""

    settings: Settings
    client: httpx.AsyncClient
    log: io.StringIO

    def as_(self, **words: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token_for(self.settings, caller_from(words))}"}

    async def call(self, method: str, path: str, json: Any = None, **words: str) -> httpx.Response:
        return await self.client.request(
            method, f"/v1{path}", json=json, headers=self.as_(**{"ROLE": "backoffice", **words})
        )

    async def ok(self, method: str, path: str, json: Any = None, **words: str) -> Any:
        answer = await self.call(method, path, json, **words)
        assert answer.is_success, answer.text
        return answer.json()

    async def fund(self, municipality: str = "0344") -> str:
        body = {"name": "Voorbeeldfonds", "type": "PRIVATE", "municipalities": [municipality]}
        return str((await self.ok("POST", "/funds", body, MUNICIPALITY=municipality))["fundId"])

    async def give(self, fund_id: str, cents: int, municipality: str = "0344") -> None:
        body = {"amountCents": cents, "valueDate": "2026-01-05"}
        await self.ok("POST", f"/funds/{fund_id}/donations", body, MUNICIPALITY=municipality)


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[Receiver]:
    async with receiving(tmp_path, host="localhost") as started:
        yield started


def _environment(receiver: Receiver) -> dict[str, str]:
    return {
        "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.1,::1",
        "WEBHOOK_CA_FILE": str(receiver.certificate_file),
    }


@pytest.fixture
async def whole(tmp_path: Path, receiver: Receiver) -> AsyncIterator[Whole]:
    words = {name.lower(): value for name, value in _environment(receiver).items()}
    settings = Settings(data_dir=tmp_path / "data", port=0, **words)  # type: ignore[arg-type]
    settings.data_dir.mkdir()
    clock, metrics, written = SystemClock(), Metrics(), io.StringIO()
    logs.configure("info", written, strict=True)
    services = [
        build(settings, clock, RandomIds(), metrics) for build in (income_intake, buffer_ledger, notifier)
    ]
    bus = SqliteLog(settings.data_dir / "events", clock)
    process = process_of(services, bus, settings, clock, metrics)
    task = asyncio.create_task(process.run())
    try:
        await until(lambda: _started(process.health.started, task))
        async with httpx.AsyncClient(base_url=process.url, timeout=20) as client:
            yield Whole(settings, client, written)
    finally:
        process.stop("test")
        await task
        structlog.reset_defaults()


async def _started(started: bool, task: "asyncio.Task[None]") -> bool:
    assert not task.done(), task.result()
    return started


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it holds, some seconds at most."""
    async with asyncio.timeout(SECONDS):
        while not await holds():  # noqa: ASYNC110 - what is watched is another process
            await asyncio.sleep(0.05)


def got(receiver: Receiver, number: int) -> Callable[[], Awaitable[bool]]:
    async def has() -> bool:
        return len(receiver.received) >= number

    return has


# ---- the calls -------------------------------------------------------------------------------------------


async def test_from_a_subscription_over_all_services_to_signed_events_and_its_end(
    whole: Whole, receiver: Receiver
) -> None:
    body = {"callbackUrl": receiver.url, "types": ["donation-received", REGISTERED]}
    made = await whole.ok("POST", "/subscriptions", body)
    assert made["types"] == [DONATION, REGISTERED]
    assert made["secret"].startswith("whsec_")
    path = f"/subscriptions/{made['subscriptionId']}"
    shown = {name: value for name, value in made.items() if name != "secret"}
    assert await whole.ok("GET", path) == shown
    assert await whole.ok("GET", "/subscriptions") == {"items": [shown]}

    fund_id, foreign = await whole.fund(), await whole.fund("0363")
    await whole.give(foreign, 999, "0363")
    await whole.give(fund_id, 12_500)
    person = await whole.ok("POST", "/participants", {"municipality": "0344", "externalReference": "inw-1"})
    await until(got(receiver, 2))
    told = {received.event["type"]: received for received in receiver.received}
    assert told.keys() == {DONATION, REGISTERED}
    assert told[DONATION].event["data"]["amountCents"] == 12_500
    assert told[REGISTERED].event["data"]["participantId"] == person["participantId"]
    assert all(received.is_signed_with(made["secret"]) for received in receiver.received)

    status = (await whole.ok("GET", "/status"))["services"]["buffer-ledger"]
    assert (status["webhooksWaiting"], status["webhooksFailed"]) == (0, 0)
    assert (await whole.call("DELETE", path)).status_code == 204
    assert problem(await whole.call("DELETE", path), 404)
    await whole.give(fund_id, 100)
    assert (await whole.ok("GET", "/subscriptions"))["items"] == []
    for hidden in (made["secret"], receiver.url):
        assert hidden not in whole.log.getvalue()
        assert not [
            file.name
            for file in whole.settings.data_dir.rglob("*.db*")
            if hidden.encode() in file.read_bytes()
        ]


async def test_all_faults_come_at_once_with_rules_of_the_catalogue(whole: Whole) -> None:
    body = {"callbackUrl": "http://user@example.nl/", "types": [], "secret": "short", "extra": 1}
    assert faults(await whole.call("POST", "/subscriptions", body)) == {
        ("S001", "/callbackUrl"),
        ("S004", "/secret"),
        ("G004", "/types"),
        ("G002", "/extra"),
    }
    body = {"callbackUrl": "https://10.0.0.1/", "types": ["nothing", "fund-low", "draw-nothing"]}
    answer = await whole.call("POST", "/subscriptions", body)
    assert faults(answer) == {("S002", "/callbackUrl"), ("S003", "/types/0"), ("S003", "/types/2")}
    assert FUND_LOW in answer.text
    document = (await whole.client.get("/v1/openapi.json")).json()
    assert all(f"| {rule} |" in document["info"]["description"] for rule in ("S001", "S002", "S003", "S004"))


async def test_a_fund_hears_of_its_own_donations_and_of_nothing_else(
    whole: Whole, receiver: Receiver
) -> None:
    mine, other = await whole.fund(), await whole.fund()
    token = {"ROLE": "fund", "FUND": mine}
    for types in ([REGISTERED], [FUND_LOW, "capital-committed"], ["message-sent"]):
        refused = await whole.call("POST", "/subscriptions", {**ELSEWHERE, "types": types}, **token)
        assert problem(refused, 403)
    body = {"callbackUrl": receiver.url, "types": [FUND_LOW, DONATION], "secret": "k" * 32}
    made = await whole.ok("POST", "/subscriptions", body, **token)
    assert "secret" not in made
    await whole.give(other, 777)
    await whole.give(mine, 500)
    await until(got(receiver, 1))
    assert [received.event["data"]["fundId"] for received in receiver.received] == [mine]
    assert receiver.received[0].is_signed_with("k" * 32)

    path = f"/subscriptions/{made['subscriptionId']}"
    strangers: list[Mapping[str, str]] = [
        {"ROLE": "fund", "FUND": other},
        {"ROLE": "backoffice"},
        {"ROLE": "backoffice", "MUNICIPALITY": "0363"},
    ]
    for stranger in strangers:
        assert (await whole.ok("GET", "/subscriptions", **stranger))["items"] == []
        for method, at in (("GET", ""), ("DELETE", ""), ("GET", "/failed-deliveries"), ("POST", "/_retry")):
            assert problem(await whole.call(method, f"{path}{at}", **stranger), 404)
    for role in ("official", "operator"):
        assert problem(await whole.call("POST", "/subscriptions", ELSEWHERE, ROLE=role), 403)
        assert problem(await whole.call("GET", path, ROLE=role), 403)
    assert await whole.ok("POST", f"{path}/_retry", ROLE="operator") == {"retried": 0}
    reading = {"ROLE": "fund", "FUND": mine, "SCOPES": "buffer-ledger:read"}
    assert len((await whole.ok("GET", "/subscriptions", **reading))["items"]) == 1
    assert problem(await whole.call("POST", "/subscriptions", ELSEWHERE, **reading), 403)
    assert problem(await whole.call("DELETE", path, **reading), 403)


async def test_under_one_key_there_is_one_subscription_and_the_list_has_pages_and_an_end(
    whole: Whole,
) -> None:
    headers = {**whole.as_(ROLE="backoffice"), "Idempotency-Key": str(uuid4())}
    body = {**ELSEWHERE, "types": [DONATION, REGISTERED, "message-sent"]}
    first, again = [
        await whole.client.post("/v1/subscriptions", json=body, headers=headers) for _ in range(2)
    ]
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    problem(await whole.client.post("/v1/subscriptions", json=ELSEWHERE, headers=headers), 409)
    made = [first.json()["subscriptionId"]]
    for _ in range(19):
        made.append((await whole.ok("POST", "/subscriptions", ELSEWHERE))["subscriptionId"])
    problem(await whole.call("POST", "/subscriptions", ELSEWHERE), 409)
    page = await whole.ok("GET", "/subscriptions?limit=15")
    rest = await whole.ok("GET", f"/subscriptions?limit=15&cursor={page['nextCursor']}")
    assert "nextCursor" not in rest
    assert [each["subscriptionId"] for each in page["items"] + rest["items"]] == made
    assert (await whole.ok("GET", "/subscriptions", MUNICIPALITY="0363"))["items"] == []


# ---- on their way ----------------------------------------------------------------------------------------


@asynccontextmanager
async def ledger(folder: Path, receiver: Receiver, **settings: str) -> AsyncIterator[httpx.AsyncClient]:
    """buffer-ledger in a process of its own."""
    environment = {**os.environ, "DATA_DIR": str(folder), "PORT": "0", **_environment(receiver), **settings}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "buffer_ledger", env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        url = (await process.stdout.readline()).decode().split()[-1]
        token = token_for(Settings(data_dir=folder), caller_from({"ROLE": "backoffice"}))
        async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}) as client:
            yield client
        if "FAILPOINT" in settings:
            assert await asyncio.wait_for(process.wait(), SECONDS) == -9
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def test_killed_after_the_receiver_took_an_event_it_is_sent_again_with_the_same_id(
    tmp_path: Path, receiver: Receiver
) -> None:
    folder = tmp_path / "ledger"
    async with ledger(folder, receiver, FAILPOINT="after-webhook", LEASE_SECONDS="1") as client:
        fund = {"name": "Voorbeeldfonds", "type": "PRIVATE", "municipalities": ["0344"]}
        fund_id = (await client.post("/v1/funds", json=fund)).json()["fundId"]
        subscription = {"callbackUrl": receiver.url, "types": [DONATION]}
        secret = (await client.post("/v1/subscriptions", json=subscription)).json()["secret"]
        gift = {"amountCents": 2_500, "valueDate": "2026-01-05"}
        await client.post(f"/v1/funds/{fund_id}/donations", json=gift)
        await until(got(receiver, 1))
    async with ledger(folder, receiver, LEASE_SECONDS="1"):
        await until(got(receiver, 2))
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == first.event["id"]
    assert json.loads(first.body) == json.loads(second.body)
    assert first.is_signed_with(secret)
    assert second.is_signed_with(secret)
