"""A migrated database of either kind, as the owner and as the service role."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from deploy.parts.postgres import Postgres
from shared.bus.sqlite_log import SqliteLog
from shared.clock import FixedClock
from shared.contracts.catalogue import TOPICS
from shared.contracts.cloudevents import source_of
from shared.database import Database
from shared.migrate import migrate
from tests.integration.database.tables import MIGRATIONS
from tests.integration.database.unsteady import UnsteadyBus

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SOURCE = source_of("00000001003214345000", "income-intake")
_numbers = count(1)


@dataclass(frozen=True)
class Place:
    """Where a test's database is; on SQLite owner and service are the same."""

    kind: str
    owner_url: str
    service_url: str

    def database(self, *, url: str | None = None, pool_size: int = 8) -> Database:
        return Database(
            url or self.service_url, name="tests", source=SOURCE, clock=FixedClock(NOW), pool_size=pool_size
        )


@pytest.fixture(params=["embedded", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty database, not yet migrated."""
    if request.param == "embedded":
        url = f"sqlite:///{tmp_path / 'service.db'}"
        return Place("sqlite", url, url)
    return postgres_place(request.getfixturevalue("postgres"))


def postgres_place(part: Postgres) -> Place:
    """A new database with its two roles."""
    owner, service = part.create_service_database(f"plumbing_{next(_numbers)}")
    return Place("postgresql", owner, service)


@pytest.fixture
async def place(empty: Place) -> Place:
    """A migrated database."""
    await migrate(empty.owner_url, MIGRATIONS, service_url=empty.service_url)
    return empty


@pytest.fixture
async def database(place: Place) -> AsyncIterator[Database]:
    """The migrated database as the service sees it."""
    opened = place.database()
    yield opened
    await opened.close()


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[UnsteadyBus]:
    """The embedded log, which can be taken away by a test."""
    log = SqliteLog(tmp_path / "bus", FixedClock(NOW))
    await log.start()
    await log.ensure_topics(dict.fromkeys(TOPICS, 2))
    yield UnsteadyBus(log)
    await log.stop()
