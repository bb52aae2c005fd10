"""The parts of running services: consumers, relays, workers, and the two that watch them."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any

from shared.bus.port import Bus
from shared.commands import forget_expired
from shared.consumer import Consumer, ConsumerSettings
from shared.edge import API_VERSION
from shared.errors import TryAgain
from shared.key_files import MasterKey
from shared.log import Log
from shared.metrics import Metrics
from shared.outbox import Relay
from shared.parking import Parking
from shared.service import Service
from shared.settings import Settings
from shared.status import Health, Part, sample
from shared.webhooks.courier import Courier
from shared.webhooks.posting import HttpsPoster
from shared.webhooks.vault import Vault
from shared.workers import Worker

SAMPLE_SECONDS = 5.0
LAG_PROBE_SECONDS = 0.25
LAG_PROBES_KEPT = 40
FLUSH_SECONDS = 5.0
FORGET_SECONDS = 3600.0
WEBHOOK_SECONDS = 5.0
"""How often the queue of webhooks is looked at; the relay of the same process wakes it besides."""

StartTask = Callable[[str, Coroutine[Any, Any, None]], asyncio.Task[None]]
"""Starts one part as a task of the process: name, work."""


class Running:
    """Starts the parts of all services and drains them again."""

    def __init__(self, bus: Bus, settings: Settings, metrics: Metrics, log: Log, start: StartTask) -> None:
        self._bus = bus
        self._settings = settings
        self._metrics = metrics
        self._log = log
        self._start = start
        self._consumers: list[Consumer] = []
        self._workers: list[Worker] = []
        self._relays: list[Relay] = []
        self._ending: list[asyncio.Task[None]] = []
        """Tasks that end by themselves when asked."""
        self._endless: list[asyncio.Task[None]] = []
        """Tasks that are cancelled."""

    def start(self, services: Sequence[Service], health: Health) -> None:
        """Start everything; the services are asked after by `health` from now on."""
        health.parts = [self._service(service) for service in services]
        names = [service.name for service in services]
        self._endless.append(self._start("sampler", self._sample(health)))
        self._endless.append(self._start("event loop probe", self._probe(names)))

    async def drain(self, seconds: float) -> None:
        """End consumers after their batch and workers after their step, then publish what is left.

        What has not ended after `seconds` is cancelled; its transaction rolls back.
        """
        for consumer in self._consumers:
            consumer.stop()
        for worker in self._workers:
            worker.stop()
        await ended(self._ending, seconds)
        for task in self._endless:
            task.cancel()
        await ended(self._endless, FLUSH_SECONDS)
        for relay in self._relays:
            await self._flush(relay)

    def _service(self, service: Service) -> Part:
        view, log = self._metrics.of(service.name), self._log.of(service.name)
        shape = self._settings.bus_url.partition(":")[0]
        view.set("bufferbudget_build_info", 1, version=API_VERSION, shape=shape)
        consumer = self._consumer(service) if service.wiring else None
        parking = Parking(service.database, {consumer.group: consumer} if consumer is not None else {})
        if consumer is not None:
            self._consumers.append(consumer)
            self._ending.append(self._start(f"{service.name} consumer", consumer.run()))
        batch_max = self._settings.relay_batch_max
        lease_seconds = self._settings.lease_seconds
        webhooks = self._webhooks(service)
        relay = Relay(
            service.database,
            self._bus,
            batch_max=batch_max,
            lease_seconds=lease_seconds,
            metrics=view,
            log=log,
            on_queued=webhooks.wake,
        )
        self._relays.append(relay)
        self._endless.append(self._start(f"{service.name} relay", relay.run()))
        for worker in (*service.workers, self._forgetter(service), webhooks):
            self._workers.append(worker)
            work = worker.run(service.database, view, log, lease_seconds=lease_seconds)
            self._ending.append(self._start(f"{service.name} worker {worker.name}", work))
        return Part(service, consumer, parking)

    def _consumer(self, service: Service) -> Consumer:
        return Consumer(
            service.name,
            service.database,
            self._bus,
            service.wiring,
            ConsumerSettings(
                batch_max=self._settings.consumer_batch_max,
                linger_ms=self._settings.consumer_linger_ms,
                parked_max=self._settings.parked_max,
            ),
            non_commuting=service.non_commuting,
            metrics=self._metrics.of(service.name),
            log=self._log.of(service.name),
        )

    def _forgetter(self, service: Service) -> Worker:
        keep_for = timedelta(days=self._settings.idempotency_days)

        async def step() -> bool:
            return await forget_expired(service.database, keep_for) > 0

        return Worker("idempotency", step, every_seconds=FORGET_SECONDS)

    def _webhooks(self, service: Service) -> Worker:
        settings = self._settings
        courier = Courier(
            service.database,
            Vault(MasterKey.from_file(settings.master_key_path), service.name),
            HttpsPoster(settings.webhook_networks(), settings.webhook_ca_file),
            self._metrics.of(service.name),
            self._log.of(service.name),
            keys=service.key_store,
        )
        return Worker("webhooks", courier.step, every_seconds=WEBHOOK_SECONDS)

    async def _sample(self, health: Health) -> None:
        while True:
            await sample(health, self._metrics, self._log)
            await asyncio.sleep(SAMPLE_SECONDS)

    async def _probe(self, names: Sequence[str]) -> None:
        """Measure how late the event loop wakes up; the gauge shows the worst of the last ten seconds."""
        loop = asyncio.get_running_loop()
        recent: list[float] = []
        while True:
            began = loop.time()
            await asyncio.sleep(LAG_PROBE_SECONDS)
            late = max(0.0, loop.time() - began - LAG_PROBE_SECONDS)
            recent = [*recent[1 - LAG_PROBES_KEPT :], late]
            for name in names:
                self._metrics.of(name).set("bufferbudget_event_loop_lag_seconds", max(recent))

    async def _flush(self, relay: Relay) -> None:
        try:
            async with asyncio.timeout(FLUSH_SECONDS):
                while await relay.relay_once():
                    pass
        except (TryAgain, TimeoutError) as error:
            self._log.write("relay_retry", error_type=type(error).__qualname__, seconds=0.0)


async def ended(tasks: Sequence[asyncio.Task[None]], seconds: float) -> None:
    """Wait until tasks have ended; those that have not by then are cancelled."""
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=FLUSH_SECONDS)
