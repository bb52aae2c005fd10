"""`make bench`: slips per second from HTTP to rest, and months closed per second, in both shapes.

Bounded: 300 people, six months, NDJSON batches of 300 lines, one run each; then a month slip by slip over
several connections, and a month in batches of other sizes. It prints a table and writes
var/bench/results.json. Nothing here is asserted: the machine is noisy, so compare figures of one run only.
"""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from deploy.parts.kafka import Kafka
from deploy.parts.postgres import Postgres
from shared.months import Month
from tests.e2e.post_box import PostBox
from tests.e2e.scenario import Scheme, at, books_balance, close, enrol, open_scheme, send_batch, slip
from tests.e2e.system import MODULES, Office, System

PEOPLE = 300
MONTHS = tuple(Month.span(Month(2026, 1), Month(2026, 6)))
CONNECTIONS = (1, 8)
BATCH_LINES = (10, 50, 300)
LATER = tuple(Month.span(Month(2026, 7), Month(2026, 12)))
RESULTS = Path("var/bench/results.json")


def distributed_settings(broker: Kafka, server: Postgres) -> dict[str, str]:
    """Bus and databases of three services on the real parts."""
    settings = {"BUS_URL": broker.url}
    for name, module in MODULES.items():
        prefix = name.upper().replace("-", "_")
        owner, service = server.create_service_database(module)
        keys_owner, _ = server.create_service_database(f"{module}_keys")
        settings |= {
            f"{prefix}_OWNER_DATABASE_URL": owner,
            f"{prefix}_DATABASE_URL": service,
            f"{prefix}_KEYS_DATABASE_URL": keys_owner,
        }
    return settings


async def measured(system: System) -> dict[str, Any]:
    """Register everybody, send each month's slips in one batch, close each month; seconds of each stage."""
    office = Office(system, "0344")
    try:
        at(system, Month(2025, 12))
        scheme = await open_scheme(office, people=0, given_cents=PEOPLE * 100_000)
        began = time.perf_counter()
        for number in range(PEOPLE):
            await enrol(scheme, f"inwoner-0344-{number}")
        await office.quiet()
        enrolled = time.perf_counter() - began
        accepted = at_rest = closed = 0.0
        for month in MONTHS:
            at(system, month, 28)
            slips = [slip(person, month, _net(place, month)) for place, person in enumerate(scheme.people)]
            began = time.perf_counter()
            await send_batch(office, slips)
            accepted += time.perf_counter() - began
            await office.quiet()
            at_rest += time.perf_counter() - began
            at(system, month.plus(1))
            began = time.perf_counter()
            await close(office, month)
            await office.quiet()
            closed += time.perf_counter() - began
        await books_balance(scheme)
        figures = _figures(scheme, enrolled, accepted, at_rest, closed)
        later = iter(LATER)
        for connections in CONNECTIONS:
            figures[f"singleSlipsPerSecondOver{connections}"] = await _singly(
                scheme, next(later), connections
            )
        for lines in BATCH_LINES:
            figures[f"slipsPerSecondInBatchesOf{lines}"] = await _in_batches(scheme, next(later), lines)
        return figures
    finally:
        await office.aclose()


async def _singly(scheme: Scheme, month: Month, connections: int) -> int:
    """Slips answered per second, one request each, over so many connections at once."""
    at(scheme.office.system, month, 28)
    waiting = [slip(person, month, _net(place, month)) for place, person in enumerate(scheme.people)]
    count = len(waiting)

    async def send() -> None:
        while waiting:
            await scheme.office.ok("POST", "/wage-slips", json=waiting.pop())

    began = time.perf_counter()
    await asyncio.gather(*(send() for _ in range(connections)))
    seconds = time.perf_counter() - began
    await scheme.office.quiet()
    return round(count / seconds)


async def _in_batches(scheme: Scheme, month: Month, lines: int) -> int:
    """Slips at rest per second when they come in batches of so many lines, one after the other."""
    at(scheme.office.system, month, 28)
    slips = [slip(person, month, _net(place, month)) for place, person in enumerate(scheme.people)]
    began = time.perf_counter()
    for start in range(0, len(slips), lines):
        await send_batch(scheme.office, slips[start : start + lines])
    await scheme.office.quiet()
    return round(len(slips) / (time.perf_counter() - began))


def _net(place: int, month: Month) -> int:
    """A wage that differs from month to month, in cents."""
    return 10_000 + (place * 7_919 + month.number * 31_337) % 80_000


def _figures(
    scheme: Scheme, enrolled: float, accepted: float, at_rest: float, closed: float
) -> dict[str, Any]:
    slips = len(scheme.people) * len(MONTHS)
    return {
        "slips": slips,
        "peopleEnrolledPerSecond": round(len(scheme.people) / enrolled),
        "slipsAcceptedPerSecond": round(slips / accepted),
        "slipsAtRestPerSecond": round(slips / at_rest),
        "monthsClosedAndToldPerSecond": round(slips / closed),
    }


def run(shape: str, settings: dict[str, str]) -> dict[str, Any]:
    """One shape from start to stop, in a temporary folder."""
    box = PostBox()
    box.start()
    with tempfile.TemporaryDirectory() as folder:
        system = System(shape, Path(folder), {"SMTP_URL": box.url, **settings})
        system.set_clock_start()
        try:
            system.start_all()
            return asyncio.run(measured(system))
        finally:
            system.stop_all()
            box.stop()


def main() -> int:
    results = {"embedded (SQLite)": run("embedded", {})}
    reason = Kafka.unavailable() or Postgres.unavailable()
    if reason is None:
        with Kafka.start() as broker, Postgres.start(durable=True) as server:
            results["distributed (Kafka, PostgreSQL)"] = run(
                "distributed", distributed_settings(broker, server)
            )
    else:
        print(f"distributed: left out, {reason}")
    for name, figures in results.items():
        print(name)
        for figure, value in figures.items():
            print(f"  {figure:32} {value:>8}")
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(f"Written to {RESULTS}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
