"""The whole product as a set of real processes, in either shape, for tests that look at it from outside.

Embedded: one process. Distributed: two instances of each service on PostgreSQL and Kafka (or the broker that
speaks its protocol). Tests use the same calls and the same assertions; each takes a municipality of its own.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from shared.clock import format_instant
from shared.settings import load
from shared.tokens import caller_from, token_for

READY_SECONDS_MAX = 60
QUIET_SECONDS_MAX = 90
MODULES = {"income-intake": "income_intake", "buffer-ledger": "buffer_ledger", "notifier": "notifier"}
AREAS = {
    "participants": "income-intake",
    "wage-slips": "income-intake",
    "wage-slip-batches": "income-intake",
    "month-declarations": "income-intake",
    "households": "notifier",
    "messages": "notifier",
    "senders": "notifier",
    "tasks": "notifier",
    "message-previews": "notifier",
    "toeslag-calculations": "notifier",
    "toeslag-reconciliations": "notifier",
    "income-projections": "notifier",
    "what-ifs": "notifier",
}
"""First segment of a path after /v1 -> the service that serves it; everything else is buffer-ledger's."""


@dataclass
class Instance:
    """One running process of the system."""

    name: str
    folder: Path
    process: subprocess.Popen[bytes]
    url: str = ""

    def log(self) -> str:
        return (self.folder / "process.log").read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """Kill -9, as a power cut does."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to stop; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


@dataclass
class System:
    """Starts, finds and stops the processes; `environment` holds the settings all of them share."""

    shape: str
    folder: Path
    environment: Mapping[str, str]
    instances: list[Instance] = field(default_factory=list)
    _started: int = 0

    @property
    def names(self) -> list[str]:
        return ["all-in-one"] if self.shape == "embedded" else list(MODULES)

    @property
    def clock_file(self) -> Path:
        return self.folder / "clock"

    def set_clock(self, instant: datetime) -> None:
        beside = self.clock_file.with_suffix(".next")
        beside.write_text(format_instant(instant), encoding="utf-8")
        beside.replace(self.clock_file)

    def set_clock_start(self) -> None:
        self.set_clock(datetime(2025, 12, 1, 9, tzinfo=UTC))

    def start(self, name: str, *, failpoint: str = "") -> Instance:
        """Start one more instance and wait until it is ready (with a failpoint: until it lives or died)."""
        self._started += 1
        folder = self.folder / f"{name}-{self._started}"
        folder.mkdir(parents=True)
        module = "deploy.all_in_one" if name == "all-in-one" else MODULES[name]
        data = self.folder / "data" if name == "all-in-one" else folder
        data.mkdir(exist_ok=True)
        environment = {
            **{key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "LANG", "TMPDIR"}},
            **self.environment,
            "DATA_DIR": str(data),
            "TOKEN_KEY_FILE": str(self.folder / "tokens" / "signing.pem"),
            "MASTER_KEY_FILE": str(self.folder / "master.key"),
            "LETTER_DIR": str(self.folder / "letters"),
            "CLOCK": f"file:{self.clock_file}",
            "PORT": "0",
        }
        if failpoint:
            environment["FAILPOINT"] = failpoint
        announced = data / ("server.json" if name == "all-in-one" else f"server-{name}.json")
        announced.unlink(missing_ok=True)
        with (folder / "process.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module], env=environment, stdout=log, stderr=log
            )
        instance = Instance(name, folder, process)
        self.instances.append(instance)
        self._wait_until_ready(instance, announced, may_die=bool(failpoint))
        return instance

    def _wait_until_ready(self, instance: Instance, announced: Path, *, may_die: bool) -> None:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while time.monotonic() < deadline:
            if instance.process.poll() is not None:
                if may_die:
                    return
                raise AssertionError(f"{instance.name} ended while starting:\n{instance.log()[-3000:]}")
            if announced.exists():
                instance.url = json.loads(announced.read_text(encoding="utf-8"))["url"]
                try:
                    if httpx.get(f"{instance.url}/readyz", timeout=2).status_code == httpx.codes.OK:
                        return
                except httpx.TransportError:
                    pass
            time.sleep(0.05)
        raise AssertionError(f"{instance.name} was not ready in time:\n{instance.log()[-3000:]}")

    def start_all(self, each: int = 1) -> None:
        for name in self.names:
            for _ in range(each):
                self.start(name)

    def of(self, name: str) -> list[Instance]:
        """The live instances that serve this service."""
        wanted = "all-in-one" if self.shape == "embedded" else name
        return [i for i in self.instances if i.name == wanted and i.process.poll() is None]

    def remove(self, name: str) -> None:
        """Stop every live instance of a service (of everything, in the embedded shape)."""
        for instance in self.of(name):
            instance.stop()

    def stop_all(self) -> list[int]:
        return [instance.stop() for instance in self.instances if instance.process.poll() is None]

    def token(self, role: str, municipality: str = "0344", fund: str = "") -> str:
        settings = load(token_key_file=self.folder / "tokens" / "signing.pem")
        return token_for(settings, caller_from({"ROLE": role, "MUNICIPALITY": municipality, "FUND": fund}))

    def logs(self) -> str:
        return "\n".join(instance.log() for instance in self.instances)


class Office:
    """One municipality's back office: calls go to the live instances of the right service in turn."""

    def __init__(self, system: System, municipality: str) -> None:
        self.system = system
        self.municipality = municipality
        self.patient_seconds = 0.0
        """How long `ok` repeats a call (under one Idempotency-Key) while a part of the system is away."""
        self._http = httpx.AsyncClient(timeout=30)
        self._turns: Iterator[int] = cycle(range(1000))
        self._token = system.token("backoffice", municipality)
        self._operator = system.token("operator")

    async def aclose(self) -> None:
        await self._http.aclose()

    async def call(self, method: str, path: str, *, token: str = "", **options: Any) -> httpx.Response:
        """One call to `/v1` + path; connection faults are the caller's to see."""
        service = AREAS.get(path.strip("/").split("/")[0].split("?")[0], "buffer-ledger")
        instances = self.system.of(service)
        if not instances:
            raise httpx.ConnectError(f"no instance of {service} is alive")
        url = instances[next(self._turns) % len(instances)].url
        headers = {"Authorization": f"Bearer {token or self._token}"} | options.get("headers", {})
        return await self._http.request(method, f"{url}/v1{path}", **{**options, "headers": headers})

    async def ok(self, method: str, path: str, **options: Any) -> Any:
        """A call that must succeed, at once or within the patience; its JSON."""
        if self.patient_seconds and method in {"POST", "PUT"}:
            options["headers"] = {"Idempotency-Key": str(uuid4())} | options.get("headers", {})
        deadline = time.monotonic() + self.patient_seconds
        while True:
            problem = ""
            try:
                answer = await self.call(method, path, **options)
                if answer.is_success:
                    return answer.json()
                problem = f"{answer.status_code} {answer.text}"
                assert answer.status_code >= 500, f"{method} {path}: {problem}"
            except httpx.TransportError as error:
                problem = repr(error)
            assert time.monotonic() < deadline, f"{method} {path}: {problem}"
            await asyncio.sleep(0.2)

    async def items(self, path: str, **parameters: Any) -> list[Any]:
        """Every item of a list, page after page."""
        found: list[Any] = []
        cursor: dict[str, Any] = {}
        while True:
            page = await self.ok("GET", path, params=parameters | cursor)
            found += page["items"]
            if not page.get("nextCursor"):
                return found
            cursor = {"cursor": page["nextCursor"]}

    async def done(self, path: str) -> Any:
        """Wait for a batch or a close to finish."""
        deadline = time.monotonic() + QUIET_SECONDS_MAX
        while time.monotonic() < deadline:
            job = await self.ok("GET", path)
            if job["state"] == "DONE":
                return job
            assert job["state"] != "FAILED", job
            await asyncio.sleep(0.1)
        raise AssertionError(f"{path} was not done in time: {job}")

    async def quiet(self) -> None:
        """Wait until nothing is on its way any more, in any service."""
        deadline = time.monotonic() + QUIET_SECONDS_MAX
        answers: list[Any] = []
        calm = 0
        while time.monotonic() < deadline:
            answers = [await self._status(name) for name in self.system.names]
            calm = calm + 1 if all(answer.get("quiet") for answer in answers) else 0
            if calm >= (1 if self.system.shape == "embedded" else 2):
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"the system did not come to rest: {json.dumps(answers, indent=1)}")

    async def _status(self, name: str) -> dict[str, Any]:
        instances = self.system.of(name)
        if not instances:
            return {"quiet": False, "reason": f"no live instance of {name}"}
        try:
            answer = await self._http.get(
                f"{instances[0].url}/v1/status", headers={"Authorization": f"Bearer {self._operator}"}
            )
        except httpx.TransportError as error:
            return {"quiet": False, "reason": repr(error)}
        if not answer.is_success:
            return {"quiet": False, "reason": answer.text}
        status: dict[str, Any] = answer.json()
        return status
