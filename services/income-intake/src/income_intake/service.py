"""income-intake as a value: what it owns, what runs in it, what it is wired to. Building starts nothing."""

from pathlib import Path
from typing import Final

from income_intake import batch_store, store
from income_intake.batches import BatchWork
from income_intake.http import router
from income_intake.http_parts import Parts
from income_intake.keys import Keys
from income_intake.participants import Retention, destroy_keys
from income_intake.slips import RULES
from shared.clock import Clock
from shared.ids import Ids
from shared.log import get_log
from shared.metrics import Metrics
from shared.service import Service, database_of, key_store_of
from shared.settings import ServiceName, Settings
from shared.workers import Worker

NAME: Final[ServiceName] = "income-intake"
MIGRATIONS: Final = Path(__file__).parent / "migrations"


def build(settings: Settings, clock: Clock, ids: Ids, metrics: Metrics) -> Service:
    """The service as these settings want it. It consumes no events: facts begin here."""
    database = database_of(NAME, settings, clock, ids)
    keys = Keys(key_store_of(NAME, settings))
    retention = Retention(settings.keep_registration_days, settings.keep_wage_slips_days)
    own = metrics.of(NAME)
    work = BatchWork(database, keys, clock, own, get_log(NAME))
    # The lease only spares several processes doing the same piece; that a piece counts once is the batch's
    # lock. On SQLite there is one process, and after a crash it need not wait for its own lease.
    batch_worker = Worker("wage-slip-batches", work.step, lease=database.dialect == "postgresql")

    async def erase_keys() -> bool:
        return await destroy_keys(database, keys)

    async def pending() -> int:
        async with database.read() as reading:
            return await batch_store.unfinished(reading) + len(await store.erased_with_key(reading, 100))

    erasure_worker = Worker("erasures", erase_keys, every_seconds=5.0)
    parts = Parts(database, keys, retention, own, batch_worker.wake, erasure_worker.wake)
    return Service(
        name=NAME,
        database=database,
        router=router(parts),
        migrations=MIGRATIONS,
        workers=(batch_worker, erasure_worker),
        key_store=keys.store,
        pending_work=pending,
        rules=RULES,
    )
