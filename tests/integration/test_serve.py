"""How a process starts and stops, seen from outside."""

import io
import json
import logging
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import structlog

from shared import log as logs
from shared.bus.port import Subscription
from shared.bus.sqlite_log import SqliteLog
from shared.clock import SystemClock
from shared.contracts.events import DonationReceived
from shared.database import Tx
from shared.ids import RandomIds
from shared.inbox import Incoming
from shared.metrics import Metrics
from shared.serve import process_of
from shared.settings import Settings
from shared.tokens import caller_from, token_for
from tests.integration.toy import service as toy
from tests.integration.toy.edge import NOTE, problem


def _start_toy(folder: Path, **settings: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "DATA_DIR": str(folder), "PORT": "0", "LAG_MAX_SECONDS": "300", **settings}
    command = [sys.executable, "-m", "tests.integration.toy.service"]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().split()[-1]


def _open_logs(folder: Path) -> list[Path]:
    """Write-ahead logs: a database that was closed has none left."""
    return list(folder.glob("*.db-wal"))


def _token(folder: Path) -> dict[str, str]:
    settings = Settings(data_dir=folder)
    return {"Authorization": f"Bearer {token_for(settings, caller_from({'ROLE': 'backoffice'}))}"}


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_running_request_finish_and_closes_everything(
    tmp_path: Path, signum: signal.Signals
) -> None:
    process = _start_toy(tmp_path)
    url = _url_of(process)
    server_file = tmp_path / "server-notifier.json"
    assert json.loads(server_file.read_text()) == {"url": url, "pid": process.pid}
    with ThreadPoolExecutor() as threads:
        body = {**NOTE, "slowSeconds": 1.0}
        headers = _token(tmp_path)
        running = threads.submit(httpx.post, f"{url}/v1/notes", json=body, headers=headers, timeout=20)
        time.sleep(0.4)
        process.send_signal(signum)
        assert running.result().status_code == 201
    _, errors = process.communicate(timeout=20)
    events = [json.loads(line)["event"] for line in errors.splitlines()]
    assert process.returncode == 0
    assert events[-2:] == ["draining", "stopped"] or events[-1] == "stopped"
    assert "part_failed" not in events
    assert not server_file.exists()
    assert _open_logs(tmp_path) == []
    with sqlite3.connect(tmp_path / "notifier.db") as file:
        assert file.execute("SELECT count(*) FROM note").fetchone() == (1,)
        assert file.execute("SELECT count(*) FROM outbox").fetchone() == (0,), (
            "the relay flushed before it left"
        )


def test_a_port_that_is_taken_ends_the_process_with_a_clear_last_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = _start_toy(tmp_path, PORT=str(taken.getsockname()[1]))
        _, errors = process.communicate(timeout=20)
    last = json.loads(errors.splitlines()[-1])
    assert process.returncode == 1
    assert last["event"] == "part_failed"
    assert "cannot listen on" in last["detail"]


def test_settings_that_cannot_be_used_are_told_all_at_once(tmp_path: Path) -> None:
    process = _start_toy(tmp_path, PORT="high", OIN="12", TOKEN_HOURS="200")
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert {"PORT:", "OIN:", "TOKEN_HOURS:"} <= set(errors.split())


def test_while_the_database_is_away_it_lives_but_is_not_ready_and_gives_up_in_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = "postgresql://nobody:secret-word@127.0.0.1:1/nothing"
    process = _start_toy(tmp_path, PORT=str(port), NOTIFIER_DATABASE_URL=url, STARTUP_SECONDS="4")
    base = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 10
    while True:
        try:
            alive = httpx.get(f"{base}/livez")
            break
        except httpx.ConnectError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert alive.status_code == 200
    assert httpx.get(f"{base}/readyz").status_code == 503
    waiting = httpx.get(f"{base}/v1/status", headers=_token(tmp_path))
    assert problem(waiting, 503)["type"].endswith(":starting")
    assert waiting.headers["retry-after"]
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert json.loads(errors.splitlines()[-1])["event"] == "part_failed"
    assert "secret-word" not in errors


class _BrokenBus(SqliteLog):
    """A bus whose subscription fails in a way that nobody expects."""

    def subscribe(self, group: str, topics: Sequence[str]) -> Subscription:
        raise RuntimeError("the disk of participant 999993653 is broken")


async def test_a_part_that_fails_ends_the_process_closes_the_rest_and_is_named(tmp_path: Path) -> None:
    settings, clock, metrics = Settings(data_dir=tmp_path, port=0), SystemClock(), Metrics()
    written = io.StringIO()
    logs.configure("info", written, strict=True)

    async def handle(tx: Tx, news: Sequence[Incoming]) -> None:
        """Never reached."""

    built = replace(toy.build(settings, clock, RandomIds(), metrics), wiring={DonationReceived: handle})
    bus = _BrokenBus(tmp_path / "events", clock)
    with pytest.raises(ExceptionGroup) as caught:
        await process_of([built], bus, settings, clock, metrics).run()
    logging.getLogger().handlers = []
    structlog.reset_defaults()
    assert caught.group_contains(RuntimeError, match="disk")
    failed = [
        line for line in map(json.loads, written.getvalue().splitlines()) if line["event"] == "part_failed"
    ]
    assert [line["part"] for line in failed] == ["notifier consumer"]
    assert failed[0]["error_type"] == "builtins.RuntimeError"
    assert "999993653" not in written.getvalue()
    assert _open_logs(tmp_path) == []


def test_metrics_on_a_port_of_their_own_need_no_token(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = _start_toy(tmp_path, METRICS_PORT=str(port))
    url = _url_of(process)
    assert httpx.get(f"{url}/metrics").status_code == 401
    answer = httpx.get(f"http://127.0.0.1:{port}/metrics")
    process.terminate()
    process.communicate(timeout=20)
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'bufferbudget_build_info{service="notifier",shape="sqlite",version="1.0.0"} 1.0' in answer.text
