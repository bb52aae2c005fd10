"""The edge as callers meet it: errors, who may call, headers, status; a toy service behind a real socket."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from shared.api import ServiceRouter, make_app, routes_and_roles
from shared.edge import EdgeState
from shared.log import get_log
from shared.metrics import Metrics
from shared.settings import Settings
from shared.tokens import Role
from tests.integration.toy.edge import NOTE, Edge, faults, problem, running_toy


@pytest_asyncio.fixture
async def edge(tmp_path: Path) -> AsyncIterator[Edge]:
    async with running_toy(tmp_path) as running:
        yield running


# ---- errors -----------------------------------------------------------------------------------------------


async def test_shape_and_cross_field_faults_come_in_one_answer(edge: Edge) -> None:
    answer = await edge.post(
        {
            "municipality": "344",
            "amountCents": 1.5,
            "firstDay": "2026-03-05",
            "lastDay": "2026-03-01",
            "colour": "red",
            "lines": [{"label": "free", "amountCents": 3}, {"label": "x" * 21, "amountCents": "3"}],
        }
    )
    assert faults(answer) == {
        ("G005", "/municipality"),
        ("G003", "/amountCents"),
        ("T001", "/lastDay"),
        ("G002", "/colour"),
        ("T002", "/lines/0/amountCents"),
        ("G004", "/lines/1/label"),
        ("G003", "/lines/1/amountCents"),
    }


async def test_cross_field_faults_alone_are_refused_too(edge: Edge) -> None:
    answer = await edge.post({**NOTE, "amountCents": 666, "firstDay": "2026-03-05", "lastDay": "2026-03-01"})
    assert faults(answer) == {("T001", "/lastDay"), ("N001", "/amountCents")}
    assert await edge.notes() == 0


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b'{"municipality": ', "G006"),
        (b'{"municipality": NaN}', "G006"),
        (b'{"amountCents": Infinity}', "G006"),
        (b"\xff\xfe{}", "G006"),
        (b'{"amountCents": 1, "amountCents": 2}', "G007"),
        (b"[" * 60 + b"]" * 60, "G009"),
        (b"[" * 15_000, "G009"),
        (b'{"municipality": "03\\u000044"}', "G010"),
        (b'{"municipality": "\\ud800"}', "G010"),
        (b'{"amountCents": ' + b"9" * 6000 + b"}", "G006"),
        (b"", "G011"),
        (b"[]", "G003"),
    ],
)
async def test_json_that_cannot_be_read_is_refused_with_its_rule(
    edge: Edge, content: bytes, rule: str
) -> None:
    answer = await edge.client.post(
        "/v1/notes", content=content, headers={"Content-Type": "application/json"}
    )
    assert rule in {found for found, _ in faults(answer)}


async def test_faults_in_path_and_query_are_400_as_well(edge: Edge) -> None:
    answer = await edge.client.get("/v1/note-counts?since=2026-13&atMost=0")
    assert faults(answer) == {("G005", "/since"), ("G004", "/atMost")}
    assert {fault["in"] for fault in answer.json()["errors"]} == {"query"}


async def test_errors_of_the_framework_are_problems(edge: Edge) -> None:
    problem(await edge.client.get("/v1/nothing-here"), 404)
    problem(await edge.client.get("/v1/note-counts/"), 404)
    problem(await edge.client.post("/v1/notes", content=b"a=1", headers={"Content-Type": "text/plain"}), 415)
    wrong_method = await edge.client.delete("/v1/notes")
    problem(wrong_method, 405)
    assert wrong_method.headers["allow"] == "POST"
    problem(await edge.client.options("/v1/notes"), 405)


async def test_a_body_over_the_limit_is_refused_announced_or_not(edge: Edge) -> None:
    large = b'{"municipality": "' + b"0" * 30_000 + b'"}'

    async def in_pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(large), 1000):
            yield large[start : start + 1000]

    json_type = {"Content-Type": "application/json"}
    problem(await edge.client.post("/v1/notes", content=large, headers=json_type), 413)
    problem(await edge.client.post("/v1/notes", content=in_pieces(), headers=json_type), 413)


async def test_a_batch_route_has_the_limit_of_batches_and_reads_lines(edge: Edge) -> None:
    line = json.dumps(NOTE).encode()
    content = b"\n".join([line] * 1000 + [b'{"amountCents": 1', b"NaN"])
    ndjson = {"Content-Type": "application/x-ndjson"}
    assert len(content) > edge.settings.body_max_bytes
    answer = await edge.client.post("/v1/note-batches", content=content, headers=ndjson)
    assert answer.json() == {"notes": 1000}
    problem(await edge.client.post("/v1/note-batches", content=b"x" * 200_001, headers=ndjson), 413)


async def test_a_fault_of_ours_tells_nothing_but_an_id_that_the_log_has(edge: Edge) -> None:
    for path in ("/v1/failures", "/v1/own-failures"):
        answer = await edge.client.get(path)
        body = problem(answer, 500)
        assert "Error" not in answer.text
        assert "NL91" not in answer.text
        logged = [line["event"] for line in edge.log() if line.get("error_id") == body["errorId"]]
        assert logged == ["http_failure", "http_request"]
        assert "NL91" not in edge.written.getvalue()


# ---- who calls --------------------------------------------------------------------------------------------


async def test_without_a_valid_token_the_body_is_not_even_read(edge: Edge) -> None:
    for headers in (
        {"Authorization": ""},
        {"Authorization": "Basic eDp5"},
        {"Authorization": "Bearer x.y.z"},
    ):
        answer = await edge.client.post("/v1/notes", content=b"{not json", headers=headers)
        problem(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_another_role_or_a_token_without_the_scope_is_403(edge: Edge) -> None:
    for words in ({"ROLE": "operator"}, {"ROLE": "fund", "FUND": "f"}):
        problem(await edge.client.get("/v1/note-counts", headers=edge.token(**words)), 403)
    reader = edge.token(ROLE="backoffice", SCOPES="notifier:read")
    assert (await edge.client.get("/v1/note-counts", headers=reader)).status_code == 200
    problem(await edge.client.post("/v1/notes", json=NOTE, headers=reader), 403)


def test_a_route_that_does_not_say_who_may_call_it_stops_the_start(tmp_path: Path) -> None:
    router = ServiceRouter("notifier")

    @router.get("/secrets")
    async def secrets() -> None:
        """Forgot to ask who calls."""

    edge = EdgeState(log=get_log("process"), metrics=Metrics())
    with pytest.raises(ValueError, match="/v1/secrets"):
        make_app([router], Settings(data_dir=tmp_path), edge, {}, {})


async def test_every_route_and_its_roles_can_be_listed(edge: Edge) -> None:
    listed = {(method, path): roles for method, path, roles in routes_and_roles(edge.process.app)}
    assert listed[("POST", "/v1/notes")] == (Role.BACKOFFICE,)
    assert listed[("GET", "/v1/parked-messages")] == (Role.OPERATOR,)
    assert listed[("GET", "/metrics")] == (Role.OPERATOR,)
    assert ("GET", "/livez") not in listed


async def test_another_municipalitys_object_is_not_found(edge: Edge) -> None:
    place = (await edge.post(NOTE)).headers["location"]
    assert (await edge.client.get(place)).status_code == 200
    problem(await edge.client.get(place, headers=edge.token(ROLE="backoffice", MUNICIPALITY="0599")), 404)
    problem(await edge.post({**NOTE, "municipality": "0599"}), 403)


async def test_only_health_and_the_document_are_open(edge: Edge) -> None:
    anonymous = httpx.AsyncClient(base_url=edge.process.url)
    for path in ("/v1/openapi.json", "/livez", "/readyz", "/startupz"):
        assert (await anonymous.get(path)).status_code == 200, path
    for path in ("/v1/status", "/v1/parked-messages", "/metrics", "/v1/note-counts"):
        problem(await anonymous.get(path), 401)
    await anonymous.aclose()


# ---- headers ----------------------------------------------------------------------------------------------


async def test_every_answer_has_version_and_security_headers(edge: Edge) -> None:
    answers = [
        await edge.client.get(path)
        for path in ("/v1/note-counts", "/v1/nothing", "/v1/failures", "/livez", "/v1/openapi.json")
    ]
    answers.append(await edge.client.post("/v1/notes", content=b"{", headers={"Authorization": ""}))
    for answer in answers:
        assert re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", answer.headers["api-version"])
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["strict-transport-security"].startswith("max-age=")
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers
        on_document = answer.url.path == "/v1/openapi.json"
        assert ("access-control-allow-origin" in answer.headers) == on_document


# ---- status and metrics -----------------------------------------------------------------------------------


async def test_status_becomes_quiet_when_all_has_been_published(edge: Edge) -> None:
    for number in range(20):
        await edge.post({**NOTE, "amountCents": number + 1})
    async with asyncio.timeout(10):
        while True:
            status = (await edge.client.get("/v1/status")).json()
            if status["quiet"]:
                break
            await asyncio.sleep(0.05)
    assert status["services"]["notifier"] == {
        "outboxPending": 0,
        "groups": {},
        "parked": 0,
        "pendingWork": 0,
        "webhooksWaiting": 0,
        "webhooksFailed": 0,
    }


async def test_requests_are_measured_by_route_template_and_never_by_path(edge: Edge) -> None:
    place = (await edge.post(NOTE)).headers["location"]
    await edge.client.get(place)
    await edge.client.get("/v1/wrong/path")
    text = (await edge.client.get("/metrics", headers=edge.token(ROLE="operator"))).text
    assert 'route="/v1/notes/{noteId}"' in text
    assert 'route="unmatched"' in text
    assert place.rsplit("/", 1)[-1] not in text
    assert "wrong/path" not in text


async def test_the_access_log_names_templates_and_roles_and_no_path(edge: Edge) -> None:
    place = (await edge.post(NOTE)).headers["location"]
    await edge.client.get(place)
    line = edge.log()[-1]
    assert line["event"] == "http_request"
    assert line["route"] == "/v1/notes/{noteId}"
    assert line["role"] == "backoffice"
    assert line["service"] == "notifier"
    assert place.rsplit("/", 1)[-1] not in edge.written.getvalue()
