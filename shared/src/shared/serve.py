"""Serving one or several services in one process; `run` is what `python -m <service>` does."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import uvloop
from fastapi import FastAPI

from shared import log as logs
from shared.api import ServiceRouter, make_app
from shared.bus import open_bus
from shared.bus.port import Bus
from shared.clock import Clock, SystemClock, clock_from
from shared.commands import KeptAnswers
from shared.edge import EdgeState
from shared.ids import RandomIds
from shared.key_files import MasterKey
from shared.log import Log, get_log
from shared.metrics import Metrics
from shared.personal_keys import KeyStore
from shared.process import Process
from shared.service import Build, Service, database_of, key_store_of
from shared.settings import Settings, SettingsInvalid, load
from shared.status import RULES, Health, health_answers, metrics_router, operations
from shared.webhooks import http as webhooks
from shared.webhooks.vault import Vault
from shared.workers import Worker

__all__ = [
    "Build",
    "Process",
    "Service",
    "ServiceRouter",
    "Worker",
    "application",
    "database_of",
    "key_store_of",
    "process_of",
    "run",
    "serve",
]


def application(services: Sequence[Service], settings: Settings, health: Health, edge: EdgeState) -> FastAPI:
    """The HTTP application of these services, with the routes about the process itself."""
    master = MasterKey.from_file(settings.master_key_path)
    keep_for = timedelta(days=settings.idempotency_days)
    stores: dict[str, KeyStore | None] = {service.name: service.key_store for service in services}
    stores["operations"] = None
    rules = {**RULES, **webhooks.RULES}
    for service in services:
        rules |= service.rules
    tellers = [
        webhooks.Teller(service.name, service.database, Vault(master, service.name)) for service in services
    ]
    own = [
        operations(health, edge.log),
        webhooks.subscription_routes(tellers, settings.webhook_networks(), edge.log),
        metrics_router(edge.metrics),
    ]
    return make_app(
        [*(service.router for service in services), *own],
        settings,
        edge,
        {
            name: KeptAnswers(master.derive(f"{name}/answers"), keep_for, store)
            for name, store in stores.items()
        },
        rules,
        health_answers(health),
    )


def process_of(
    services: Sequence[Service], bus: Bus, settings: Settings, clock: Clock, metrics: Metrics
) -> Process:
    """The process that will run these services; starts nothing yet."""
    # While a simulated year passes, the age of a message in days means nothing.
    lag_max = settings.lag_max_seconds if isinstance(clock, SystemClock) else None
    health = Health(bus, clock, lag_max_seconds=lag_max)
    edge = EdgeState(log=get_log("process"), metrics=metrics)
    app = application(services, settings, health, edge)
    return Process(services, bus, settings, metrics, app, health, edge)


async def serve(
    services: Sequence[Service], bus: Bus, settings: Settings, clock: Clock, metrics: Metrics
) -> None:
    """Run the services until SIGTERM or SIGINT, then drain and close; raises what a failed part raised."""
    await process_of(services, bus, settings, clock, metrics).run()


def run(*builds: Build, overrides: Mapping[str, Any] | None = None) -> int:
    """Read the settings, build, serve; the exit code: 0 after a calm stop, 1 after a failure, 2 for settings.

    from income_intake.service import build
    from shared.serve import run
    raise SystemExit(run(build))
    """
    try:
        settings = load(**(overrides or {}))
    except SettingsInvalid as error:
        print(error, file=sys.stderr)
        return 2
    logs.configure(settings.log_level)
    log = get_log("process")
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_built_and_served(builds, settings))
    except Exception as error:
        _say_why(log, error)
        return 1
    log.write("stopped", reason="asked")
    return 0


async def _built_and_served(builds: Sequence[Build], settings: Settings) -> None:
    clock, ids, metrics = clock_from(settings.clock), RandomIds(), Metrics()
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    services = [build(settings, clock, ids, metrics) for build in builds]
    bus = open_bus(
        settings.bus_url, folder=settings.data_dir / "events", clock=clock, retention=settings.retention()
    )
    await serve(services, bus, settings, clock, metrics)


def _say_why(log: Log, error: BaseException) -> None:
    """The last line: the first error of all, with its words, from which numbers of people are struck out."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    log.failure("part_failed", error, part="process", detail=logs.struck_out(str(error)))
