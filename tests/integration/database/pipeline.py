"""A process that a test may kill anywhere: outbox, relay, log, consumer, facts; ends when all is done.

python -m tests.integration.database.pipeline <database url> <folder of the log> <number of events>
"""

import asyncio
import sys
from pathlib import Path

from sqlalchemy import func, select

from shared.bus.sqlite_log import SqliteLog
from shared.clock import FixedClock
from shared.consumer import Consumer, ConsumerSettings
from shared.contracts.catalogue import TOPICS
from shared.database import Database
from shared.outbox import Relay
from shared.plumbing import TABLES
from tests.integration.database.conftest import NOW, SOURCE
from tests.integration.database.facts import Facts
from tests.integration.database.tables import FACT


async def main(url: str, folder: Path, expected: int) -> None:
    log = SqliteLog(folder, FixedClock(NOW), session_seconds=1.0)
    await log.start()
    await log.ensure_topics(dict.fromkeys(TOPICS, 3))
    database = Database(url, name="pipeline", source=SOURCE, clock=FixedClock(NOW))
    relay = Relay(database, log, batch_max=20, poll_seconds=0.02, lease_seconds=0.5)
    settings = ConsumerSettings(batch_max=25, linger_ms=0, idle_seconds=0.05)
    consumer = Consumer("facts", database, log, Facts(echo=False).wiring, settings)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(relay.run()), group.create_task(consumer.run())]
        while not await done(database, log, consumer, expected):  # noqa: ASYNC110 - a database is watched
            await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
    await log.stop()
    await database.close()


async def done(database: Database, log: SqliteLog, consumer: Consumer, expected: int) -> bool:
    async with database.read() as reading:
        waiting = await reading.scalar(select(func.count()).select_from(TABLES.outbox))
        kept = await reading.scalar(select(func.count()).select_from(FACT))
    lags = await log.lag("facts", consumer.topics)
    return not waiting and bool(kept >= expected) and not any(lag.messages for lag in lags.values())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
