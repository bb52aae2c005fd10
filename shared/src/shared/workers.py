"""Background work in bounded steps: one process at a time does it, and it can be stopped between steps."""

import asyncio
from collections.abc import Awaitable, Callable

from shared.database import Database
from shared.errors import TryAgain
from shared.lease import Lease, LeaseLost
from shared.log import Log
from shared.metrics import ServiceMetrics

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 30.0


class Worker:
    """Does one kind of background work, under a lease of its name unless told otherwise.

    `step` does one chunk in its own transaction and says whether there is more to do at once. Without more it
    looks again after `every_seconds`, or at once after a `wake`. A step that raises is logged and tried again
    after a growing pause; nothing but a stop ends a worker. The lease runs out `lease_seconds` after the
    process was killed; a step may take longer, because its lease is renewed meanwhile.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], Awaitable[bool]],
        *,
        every_seconds: float = 1.0,
        lease: bool = True,
    ) -> None:
        self.name = name
        self.step = step
        self._every_seconds = every_seconds
        self._leased = lease
        self._awake = asyncio.Event()
        self._stopping = False

    def wake(self) -> None:
        """Look for work now; hand it to `tx.on_commit`."""
        self._awake.set()

    def stop(self) -> None:
        """Let `run` return after the step it is in."""
        self._stopping = True
        self._awake.set()

    async def run(
        self, database: Database, metrics: ServiceMetrics, log: Log, *, lease_seconds: float = 15.0
    ) -> None:
        """Work until stopped; the lease lies in `database` and runs out `lease_seconds` after a kill."""
        lease = None
        if self._leased:
            lease = Lease(database, f"worker:{self.name}", seconds=lease_seconds)
        pause = FIRST_PAUSE_SECONDS
        metrics.add("bufferbudget_worker_steps_total", 0, worker=self.name)
        metrics.add("bufferbudget_worker_failures_total", 0, worker=self.name)
        try:
            while not self._stopping:
                self._awake.clear()
                try:
                    ours = lease is None or await lease.acquire() is not None
                    more = ours and await self._keeping(lease)
                except Exception as error:
                    metrics.add("bufferbudget_worker_failures_total", worker=self.name)
                    log.failure("worker_failed", error, worker=self.name, seconds=pause)
                    await self._rest(pause)
                    pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                    continue
                pause = FIRST_PAUSE_SECONDS
                if more:
                    metrics.add("bufferbudget_worker_steps_total", worker=self.name)
                    await asyncio.sleep(0)
                else:
                    await self._rest(self._every_seconds)
        finally:
            if lease is not None:
                await _let_go(lease)

    async def _keeping(self, lease: Lease | None) -> bool:
        """Do a step; a long one has its lease renewed, and is cancelled when that is lost."""
        if lease is None:
            return await self.step()
        step = asyncio.ensure_future(self.step())
        try:
            while not (await asyncio.wait({step}, timeout=lease.seconds / 3))[0]:
                try:
                    held = await lease.acquire() is not None
                except TryAgain:
                    continue  # while the database is away nobody else can take it either
                if not held:
                    raise LeaseLost(f"the lease {lease.name} went to somebody else during a step")
            return step.result()
        finally:
            if not step.done():
                step.cancel()
                await asyncio.wait({step})

    async def _rest(self, seconds: float) -> None:
        if self._stopping:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._awake.wait()
        except TimeoutError:
            pass


async def _let_go(lease: Lease) -> None:
    try:
        async with asyncio.timeout(2):
            await lease.release()
    except (TryAgain, TimeoutError):
        pass  # it expires by itself
