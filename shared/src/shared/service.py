"""A service as a value, and how it gets its database and keys. Building one starts nothing."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from shared.api import ServiceRouter
from shared.clock import Clock
from shared.contracts.events import Event
from shared.database import Database
from shared.engines import dialect_of, sqlite_path
from shared.ids import Ids
from shared.inbox import Wiring
from shared.key_files import MasterKey
from shared.metrics import Metrics
from shared.personal_keys import KeyStore
from shared.settings import ServiceName, Settings
from shared.workers import Worker


async def _nothing_pending() -> int:
    return 0


@dataclass(frozen=True, slots=True)
class Service:
    """What one service owns and what runs in it."""

    name: ServiceName
    database: Database
    router: ServiceRouter
    migrations: Path
    """Folder with the service's Alembic scripts."""
    wiring: Wiring = field(default_factory=dict)
    """Event class -> handler; the topics follow from it. The consumer group is named as the service."""
    non_commuting: frozenset[type[Event]] = frozenset()
    """Events that park behind an earlier parked one of the same key."""
    workers: Sequence[Worker] = ()
    key_store: KeyStore | None = None
    pending_work: Callable[[], Awaitable[int]] = _nothing_pending
    """Unfinished batches, closes and deliveries due now; `quiet` in /v1/status waits for them."""
    rules: Mapping[str, str] = field(default_factory=dict)
    """The service's published fault rules: id -> explanation (`W001` ...)."""
    sample: Callable[[], Awaitable[None]] | None = None
    """Sets the service's own gauges; called every few seconds."""


class Build(Protocol):
    """How each service package's `service.build` looks; `metrics.of(name)` is the service's own view."""

    def __call__(self, settings: Settings, clock: Clock, ids: Ids, metrics: Metrics) -> Service: ...


def database_of(name: ServiceName, settings: Settings, clock: Clock, ids: Ids) -> Database:
    """The database of a service, as the settings name it; connects to nothing yet."""
    return Database(
        settings.database_url(name), name=name, source=settings.source(name), clock=clock, ids=ids
    )


def key_store_of(name: ServiceName, settings: Settings) -> KeyStore:
    """The store of a service's people's keys; makes the master key's file when there is none yet.

    Raises ValueError when the file is gone from beside data: a new key would make everybody a stranger.
    """
    path, url = settings.master_key_path, settings.database_url(name)
    if not path.exists() and dialect_of(url) == "sqlite" and sqlite_path(url).exists():
        raise ValueError(
            f"{path} is gone: without it the people in {sqlite_path(url)} cannot be read; restore it"
        )
    return KeyStore(
        settings.keys_database_url(name), MasterKey.from_file(settings.master_key_path), service=name
    )
