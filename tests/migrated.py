"""Migrated databases for tests: the scripts of a service run once per run and kind, what they made is copied.

A test of the scripts themselves runs them; all others only need what they leave behind.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

from deploy.parts.postgres import Postgres
from shared.engines import dialect_of, sqlite_path
from shared.migrate import migrate


def copy_to_sqlite(migrations: Path, url: str) -> None:
    """Put a migrated database where a SQLite url points, readable by its owner only; any other database and
    one that is there already stay as they are."""
    if dialect_of(url) != "sqlite" or sqlite_path(url).exists():
        return
    target = sqlite_path(url)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copyfile(_file(migrations), target)
    target.chmod(0o600)


def copy_in_postgres(server: Postgres, migrations: Path, name: str) -> tuple[str, str]:
    """A migrated database of a new name; the urls of its owner and of its service role."""
    return server.copy_service_database(_template(server, migrations), name)


@lru_cache
def _file(migrations: Path) -> Path:
    path = Path(tempfile.mkdtemp(prefix="bufferbudget-migrated-")) / "database.db"
    _run_now(migrate(f"sqlite:///{path}", migrations))
    beside = [file.name for file in path.parent.iterdir() if file != path]
    assert not beside, f"the copy would lack {beside}"
    return path


@lru_cache
def _template(server: Postgres, migrations: Path) -> str:
    name = f"migrated_{migrations.parent.name}"
    owner, service = server.create_service_database(name)
    _run_now(migrate(owner, migrations, service_url=service))
    return name


def _run_now(work: Coroutine[Any, Any, object]) -> None:
    """To its end in a thread of its own: fixtures ask from within a running loop too."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()
