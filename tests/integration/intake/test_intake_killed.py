"""A process killed (-9) in the middle of a batch, again and again: nothing is lost, nothing happens twice."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from income_intake.tables import BATCH_PIECE, BATCH_RESULT, WAGE_SLIP
from shared.bus.sqlite_log import SqliteLog
from shared.clock import SystemClock
from shared.contracts.cloudevents import decode
from shared.contracts.events import WageSlipReported
from shared.database import Database
from shared.plumbing import TABLES
from shared.settings import Settings
from shared.tokens import caller_from, token_for
from tests.integration.intake.office import ndjson, slip

LINES = 6_000
KILLS = 2


class Running:
    """`python -m income_intake` in a folder of its own."""

    def __init__(self, settings: Settings) -> None:
        urls = {
            name.upper(): secret.get_secret_value()
            for name in ("income_intake_database_url", "income_intake_owner_database_url")
            if (secret := getattr(settings, name)) is not None
        }
        folder = settings.data_dir
        announced = folder / "server-income-intake.json"
        announced.unlink(missing_ok=True)
        environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(folder), "PORT": "0", **urls}
        environment["CLOCK"] = "2026-04-02T09:00:00Z"
        with (folder / "process.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "income_intake"], env=environment, stdout=log, stderr=log
            )
        self._wait_for(announced)
        token = token_for(settings, caller_from({"ROLE": "backoffice"}))
        self.office = httpx.Client(
            base_url=f"{json.loads(announced.read_text())['url']}/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )

    def _wait_for(self, announced: Path) -> None:
        deadline = time.monotonic() + 60
        while not announced.exists():
            assert self.process.poll() is None, (announced.parent / "process.log").read_text()[-2000:]
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def kill(self) -> None:
        self.office.close()
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.office.close()
        self.process.terminate()
        return self.process.wait(30)

    def register(self, reference: str) -> str:
        """Register somebody; the id."""
        body = {"municipality": "0344", "externalReference": reference}
        answer = self.office.post("/participants", json=body)
        assert answer.status_code == 201, answer.text
        participant_id: str = answer.json()["participantId"]
        return participant_id

    def batch(self, batch_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.office.get(f"/wage-slip-batches/{batch_id}").json()
        return answer

    def until(self, batch_id: str, lines: int) -> dict[str, Any]:
        """Wait until so many lines of a batch are done."""
        deadline = time.monotonic() + 90
        while True:
            batch = self.batch(batch_id)
            done = sum(batch[name] for name in ("accepted", "corrections", "duplicates", "refused"))
            if done >= lines:
                return batch
            assert time.monotonic() < deadline, batch
            time.sleep(0.005)


@pytest.mark.timeout(170)
def test_a_batch_survives_being_killed(intake_settings: Settings) -> None:
    running = [Running(intake_settings)]
    try:
        batch = _killed_in_the_middle(intake_settings, running)
        assert running[-1].stop() == 0
    finally:
        running[-1].kill()
    assert (batch["state"], batch["accepted"], batch["refused"]) == ("DONE", LINES, 0)
    assert batch["controlTotals"]["netCents"] == sum(range(LINES))
    asyncio.run(_nothing_lost_or_twice(intake_settings))


def _killed_in_the_middle(settings: Settings, running: list[Running]) -> dict[str, Any]:
    """Send a batch, kill the process whenever a piece more is done; the batch when all of it is."""
    ids = [running[0].register(f"inwoner {i}") for i in range(10)]
    body = ndjson([slip(ids[i % 10], employerName=f"employer {i}", netCents=i) for i in range(LINES)])
    sent = running[0].office.post(
        "/wage-slip-batches", content=body, headers={"Content-Type": "application/x-ndjson"}
    )
    batch_id = sent.json()["batchId"]
    done = 0
    for _ in range(KILLS):
        done = running[-1].until(batch_id, done + 1)["accepted"]
        assert done < LINES, "the batch was done before the process could be killed"
        running[-1].kill()
        running.append(Running(settings))
    return running[-1].until(batch_id, LINES)


async def _nothing_lost_or_twice(settings: Settings) -> None:
    database = Database(settings.owner_database_url("income-intake"), name="look")
    async with database.read() as reading:
        statuses = await reading.rows(select(WAGE_SLIP.c.status, func.count()).group_by(WAGE_SLIP.c.status))
        lines = await reading.rows(select(BATCH_RESULT.c.line).order_by(BATCH_RESULT.c.line))
        pieces = await reading.scalar(select(func.count()).select_from(BATCH_PIECE))
        outbox = await reading.rows(
            select(TABLES.outbox.c.value).where(TABLES.outbox.c.topic == WageSlipReported.topic())
        )
        slips = {row[0] for row in await reading.rows(select(WAGE_SLIP.c.wage_slip_id))}
    await database.close()
    assert [tuple(row) for row in statuses] == [("ACCEPTED", LINES)]
    assert [row[0] for row in lines] == list(range(1, LINES + 1))
    assert pieces == 0
    # What a relay that was killed had not published yet waits until its lease is over.
    waiting = [WageSlipReported.read(row.value) for row in outbox]
    told = [*waiting, *await _published(settings.data_dir / "events")]
    assert {fact.wage_slip_id for fact in told} == slips


async def _published(folder: Path) -> list[WageSlipReported]:
    """Every reported slip on the bus; a kill may have published some of them again."""
    bus = SqliteLog(folder, SystemClock())
    await bus.start()
    found = []
    async with bus.subscribe("look", [WageSlipReported.topic()]) as subscription:
        while received := await subscription.poll(5_000, 2.0):
            found += [decode(one).event for one in received]
    await bus.stop()
    return [event for event in found if isinstance(event, WageSlipReported)]
