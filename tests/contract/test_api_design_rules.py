"""The Dutch API Design Rules: on every document by our own rules and by Spectral, and on live answers."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import yaml

from shared.bus.sqlite_log import SqliteLog
from shared.clock import SystemClock
from shared.ids import RandomIds
from shared.metrics import Metrics
from shared.serve import process_of
from shared.settings import Settings
from shared.tokens import Role, caller_from, token_for
from tests.contract.dutch_api_rules.documents import BREAKS, SHAPES, Document, broken, document_of
from tests.contract.dutch_api_rules.rules import OWN_DOCUMENT, RULES, operations
from tests.real_parts import do_without

RULESET = Path(__file__).parent / "dutch_api_rules" / "nl-api-design-rules.yaml"
SPECTRAL = "@stoplight/spectral-cli@6.16.3"
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Document]:
    return {shape: document_of(shape, tmp_path_factory.mktemp(shape)) for shape in SHAPES}


# ---- documents --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rule", RULES)
def test_each_document_keeps_each_rule(documents: Mapping[str, Document], shape: str, rule: str) -> None:
    assert list(RULES[rule](documents[shape])) == []


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_finds_its_breach(documents: Mapping[str, Document], rule: str) -> None:
    assert list(RULES[rule](broken(documents["embedded"], rule))) != []


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/enrolments", "post", "404"),
        ("/messages", "get", "404"),
        ("/municipalities/{code}", "put", "201"),
        ("/schemes/{schemeId}", "put", "201"),
    ],
)
def test_a_call_documents_every_status_it_can_answer_with(
    documents: Mapping[str, Document], path: str, method: str, status: str
) -> None:
    (answers,) = [
        operation["responses"]
        for found, name, operation in operations(documents["embedded"])
        if (found, name) == (path, method)
    ]
    assert status in answers
    if status == "201":
        assert answers["201"]["content"] == answers["200"]["content"]
    else:
        assert list(answers["404"]["content"]) == ["application/problem+json"]


def test_spectral_and_our_own_rules_are_the_same_set() -> None:
    ruleset = yaml.safe_load(RULESET.read_text(encoding="utf-8"))
    own = {name for name in ruleset["rules"] if name.startswith(("adr-", "house-"))}
    assert own == set(RULES) == set(BREAKS)


class Spectral:
    """The linter with our rules; gives the ids of the rules that found an error, per document."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @staticmethod
    def unavailable() -> str | None:
        if shutil.which("npx") is None:
            return "npx is not installed, so Spectral does not run"
        try:
            asked = ["npx", "--yes", SPECTRAL, "--version"]
            done = subprocess.run(asked, capture_output=True, text=True, timeout=150, check=False)
        except subprocess.TimeoutExpired:
            return "npx did not get Spectral in time"
        return None if done.returncode == 0 else "npx cannot get Spectral here"

    def lint(self, documents: Mapping[str, Document]) -> dict[str, list[tuple[str, str]]]:
        for name, document in documents.items():
            (self._folder / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")
        command = ["npx", "--yes", SPECTRAL, "lint", "--ruleset", str(RULESET), "--format", "json", "--quiet"]
        files = [str(self._folder / f"{name}.json") for name in documents]
        done = subprocess.run([*command, *files], capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode in {0, 1}, done.stderr
        found: dict[str, list[tuple[str, str]]] = {name: [] for name in documents}
        for result in _results(done.stdout):
            if result["severity"] == 0:
                where = "/".join(str(step) for step in result["path"])
                found[Path(result["source"]).stem].append((result["code"], f"{where}: {result['message']}"))
        return found


def _results(output: str) -> list[Any]:
    """The JSON that Spectral prints, which may be followed by a sentence."""
    start = output.find("[")
    found: list[Any] = json.JSONDecoder().raw_decode(output[start:])[0] if start >= 0 else []
    return found


@pytest.fixture(scope="module")
def spectral(tmp_path_factory: pytest.TempPathFactory) -> Spectral:
    reason = Spectral.unavailable()
    if reason is not None:
        do_without(reason)
    return Spectral(tmp_path_factory.mktemp("spectral"))


@pytest.mark.timeout(600)
def test_spectral_finds_no_error_in_any_document(
    spectral: Spectral, documents: Mapping[str, Document]
) -> None:
    assert spectral.lint(documents) == {shape: [] for shape in SHAPES}


@pytest.mark.timeout(600)
def test_each_rule_of_the_spectral_ruleset_finds_its_breach(
    spectral: Spectral, documents: Mapping[str, Document]
) -> None:
    spoiled = {rule: broken(documents["notifier"], rule) for rule in BREAKS}
    found = spectral.lint(spoiled)
    assert [rule for rule in BREAKS if rule not in {code for code, _ in found[rule]}] == []


# ---- live answers -----------------------------------------------------------------------------------------


class Live:
    """The embedded shape behind a socket."""

    def __init__(self, client: httpx.AsyncClient, settings: Settings, document: Document) -> None:
        self.client = client
        self.document = document
        self._settings = settings

    def token(self, role: Role) -> dict[str, str]:
        caller = caller_from({"ROLE": role.value, "FUND": NOBODY})
        return {"Authorization": f"Bearer {token_for(self._settings, caller)}"}

    def calls(self) -> list[tuple[str, str, Document]]:
        """Every operation with an address that exists nowhere."""
        return [
            (method.upper(), "/v1" + _filled(path), operation)
            for path, method, operation in operations(self.document)
            if path != OWN_DOCUMENT
        ]


def _filled(path: str) -> str:
    known = path.replace("{code}", "0344").replace("{month}", "2026-01")
    return re.sub(r"\{[^}]+\}", NOBODY, known)


@pytest_asyncio.fixture
async def live(tmp_path: Path, documents: Mapping[str, Document]) -> AsyncIterator[Live]:
    settings, clock, metrics = Settings(data_dir=tmp_path, port=0), SystemClock(), Metrics()
    services = [build(settings, clock, RandomIds(), metrics) for build in SHAPES["embedded"]]
    process = process_of(services, SqliteLog(tmp_path / "events", clock), settings, clock, metrics)
    task = asyncio.create_task(process.run())
    async with asyncio.timeout(60):
        while not process.health.started:
            await asyncio.sleep(0.02)
            assert not task.done(), task.result()
    async with httpx.AsyncClient(base_url=process.url, timeout=30) as client:
        yield Live(client, settings, documents["embedded"])
    process.stop("test")
    await task


def _keeps_the_rules(answer: httpx.Response, version: str) -> None:
    where = f"{answer.request.method} {answer.request.url.path} {answer.status_code}"
    assert answer.headers["api-version"] == version, where
    for name, expected in {
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }.items():
        assert answer.headers[name] == expected, where
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], where
    assert "max-age" in answer.headers["strict-transport-security"], where
    assert answer.status_code != 422, where
    assert answer.status_code < 500, f"{where}: {answer.text}"
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json", where
        assert {"type", "title", "status", "detail"} <= answer.json().keys(), where


async def test_every_operation_refuses_a_caller_without_a_token(live: Live) -> None:
    for method, path, _ in live.calls():
        answer = await live.client.request(method, path, json={})
        _keeps_the_rules(answer, live.document["info"]["version"])
        assert answer.status_code == 401, (method, path)


async def test_every_operation_refuses_the_roles_that_it_does_not_name(live: Live) -> None:
    for method, path, operation in live.calls():
        for role in Role:
            if role.value not in operation["x-roles"]:
                answer = await live.client.request(method, path, json={}, headers=live.token(role))
                _keeps_the_rules(answer, live.document["info"]["version"])
                assert answer.status_code == 403, (method, path, role)


async def test_every_operation_answers_an_empty_or_odd_request_as_its_document_says(live: Live) -> None:
    for method, path, operation in live.calls():
        headers = live.token(Role(operation["x-roles"][0]))
        headers["Content-Type"] = "application/json"
        query = {"cursor": "?", "limit": "0", "from": "x"} if method == "GET" else {}
        for content in (b"{}", b"[]", b"{") if method != "GET" else (b"",):
            answer = await live.client.request(method, path, headers=headers, content=content, params=query)
            _keeps_the_rules(answer, live.document["info"]["version"])
            assert str(answer.status_code) in operation["responses"], (method, path, answer.text)


async def test_a_slash_at_the_end_is_not_found_and_not_redirected(live: Live) -> None:
    for method, path, operation in live.calls():
        answer = await live.client.request(
            method, f"{path}/", json={}, headers=live.token(Role(operation["x-roles"][0]))
        )
        _keeps_the_rules(answer, live.document["info"]["version"])
        assert answer.status_code == 404, (method, path)


async def test_a_method_that_is_not_offered_is_405_with_those_that_are(live: Live) -> None:
    offered: dict[str, set[str]] = {}
    for method, path, _ in live.calls():
        offered.setdefault(path, set()).add(method)
    for path, methods in offered.items():
        answer = await live.client.request("PATCH", path, headers=live.token(Role.BACKOFFICE))
        _keeps_the_rules(answer, live.document["info"]["version"])
        assert answer.status_code == 405, path
        assert set(answer.headers["allow"].split(", ")) == methods, path


async def test_the_document_is_served_to_everybody_as_it_is(live: Live) -> None:
    answer = await live.client.get("/v1/openapi.json", headers={"Origin": "https://elsewhere.example"})
    _keeps_the_rules(answer, live.document["info"]["version"])
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == live.document
