"""Bringing a database to the newest tables: one set of Alembic scripts for SQLite and PostgreSQL.

A service keeps `migrations/versions/0001_<what>.py` (no env.py, no alembic.ini); its location is the folder
`migrations`. A script looks like this:

    from alembic import op
    from shared.migrate import append_only, grant_service_role, plumbing_v1

    revision, down_revision, branch_labels, depends_on = "0001", None, None, None

    def upgrade() -> None:
        plumbing_v1(op)
        op.create_table("slip", sa.Column(...), sa.PrimaryKeyConstraint("wage_slip_id", name="pk_slip"))
        append_only(op, "slip")
        grant_service_role(op, mutable=["draft"])

Everything pending runs in one transaction, so a script that fails leaves nothing behind, and two processes
that start at once wait for each other. There are no downgrades: expand first, contract in a later release.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from alembic.autogenerate import compare_metadata, produce_migrations, render_python_code
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Dialect, MetaData, inspect, text
from sqlalchemy.engine import make_url

from shared.append_only import protect
from shared.database import Database
from shared.engines import dialect_of
from shared.plumbing import MUTABLE

__all__ = ["append_only", "draft", "drift", "grant_service_role", "migrate", "plumbing_v1", "plumbing_v2"]

# One number for all services: each has a database of its own, in which nobody else takes this lock.
_ADVISORY_LOCK = 0x6275_6666_6572
_SECONDS = 600.0
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


async def migrate(owner_url: str, location: Path, *, service_url: str | None = None) -> tuple[str, str]:
    """Run the pending scripts as the owner; the service role of `service_url` gets its rights.

    Returns the revision before (empty for a new database) and after. Raises TryAgain while it is away.
    """
    # Alembic's `op` is one per process: services of one process take turns.
    turn = _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
    database = Database(owner_url, name="migrations", pool_size=1, statement_seconds=_SECONDS)
    try:
        async with turn, database.write() as tx:
            if tx.dialect == "postgresql":
                await tx.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ADVISORY_LOCK})
            role = _service_role(owner_url, service_url)
            return await tx.connection.run_sync(lambda connection: _upgrade(connection, location, role))
    finally:
        await database.close()


async def drift(database_url: str, metadata: MetaData, location: Path) -> list[str]:
    """What differs between a migrated database and the declared tables, in words; empty is good."""
    database = Database(database_url, name="drift", pool_size=1)

    def compare(connection: Connection) -> list[str]:
        context = MigrationContext.configure(connection)
        differences = [str(difference) for difference in compare_metadata(context, metadata)]
        head = _scripts(location).get_current_head()
        if (current := context.get_current_revision()) != head:
            differences.insert(0, f"the database stands at revision {current}, the newest script is {head}")
        return differences

    try:
        async with database.read() as reading:
            return await reading.connection.run_sync(compare)
    finally:
        await database.close()


async def draft(database_url: str, metadata: MetaData) -> str:
    """The body of an `upgrade()` that brings a database to the declared tables, to be read and edited."""
    database = Database(database_url, name="draft", pool_size=1)

    def produce(connection: Connection) -> str:
        script = produce_migrations(MigrationContext.configure(connection), metadata)
        return render_python_code(script.upgrade_ops) if script.upgrade_ops else "pass"

    try:
        async with database.read() as reading:
            return await reading.connection.run_sync(produce)
    finally:
        await database.close()


def _upgrade(connection: Connection, location: Path, role: str | None) -> tuple[str, str]:
    scripts = _scripts(location)
    config = Config(attributes={"service_role": role})

    def pending(revision: Any, context: MigrationContext) -> Any:
        return scripts._upgrade_revs("head", revision)

    with EnvironmentContext(config, scripts, fn=pending) as environment:
        environment.configure(connection=connection)
        before = environment.get_context().get_current_revision() or ""
        environment.run_migrations()
        return before, environment.get_context().get_current_revision() or ""


def _scripts(location: Path) -> ScriptDirectory:
    if not (location / "versions").is_dir():
        raise ValueError(f"{location} holds no migration scripts (a folder `versions`)")
    return ScriptDirectory(str(location))


def _service_role(owner_url: str, service_url: str | None) -> str | None:
    """The role that needs grants: none on SQLite, none when the service is its own owner."""
    if service_url is None or dialect_of(owner_url) == "sqlite":
        return None
    owner, service = make_url(owner_url), make_url(service_url)
    return None if service.username == owner.username else service.username


# ---- what scripts call ------------------------------------------------------------------------------------


def append_only(op: Operations | Any, table: str) -> None:
    """From here on rows of the table may only be added: triggers refuse UPDATE, DELETE, REPLACE and TRUNCATE.

    Call it again after a script adds a unique key to the table, or rebuilds it (Alembic's batch mode drops
    triggers). On SQLite partial unique indexes are guarded only on our own connections (recursive_triggers);
    use a plain unique constraint over a nullable column instead.
    """
    connection: Connection = op.get_bind()
    for statement in protect(connection, table):
        op.execute(text(statement))
    role = _role_of(op)
    if role is not None:
        op.execute(text(f"REVOKE UPDATE, DELETE, TRUNCATE ON {_quoted(connection, table)} FROM {role}"))


def grant_service_role(op: Operations | Any, mutable: Sequence[str] = ()) -> None:
    """Let the service role read and add everywhere, change and delete only in the plumbing and `mutable`.

    Call it last in each script that makes tables. Nothing to do on SQLite, which has no roles, or when the
    service connects as the owner.
    """
    role = _role_of(op)
    if role is None:
        return
    connection: Connection = op.get_bind()
    present = set(inspect(connection).get_table_names())
    changing = [_quoted(connection, name) for name in (*MUTABLE, *mutable) if name in present]
    missing = [name for name in mutable if name not in present]
    if missing:
        raise ValueError(f"these tables are to be mutable but do not exist: {', '.join(missing)}")
    statements = [
        f"GRANT USAGE ON SCHEMA public TO {role}",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, {role}",
        f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO {role}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}",
        f"REVOKE INSERT ON alembic_version FROM {role}",
        f"GRANT UPDATE, DELETE ON {', '.join(changing)} TO {role}",
    ]
    for statement in statements:
        op.execute(text(statement))


def plumbing_v1(op: Operations | Any) -> None:
    """Make the tables outbox, inbox, parked_message, lease, idempotency and access_log as of version 1.

    Written out there column by column, so that it stays what it was when the declared tables move on.
    """
    from shared.plumbing_migrations import create_v1  # noqa: PLC0415 - read by migrations alone

    create_v1(op)
    append_only(op, "access_log")


def plumbing_v2(op: Operations | Any) -> None:
    """Add the tables of webhooks, and let the service role use them; a script that adds nothing else needs no
    `grant_service_role`."""
    from shared.plumbing_migrations import create_v2  # noqa: PLC0415 - read by migrations alone

    create_v2(op)
    role = _role_of(op)
    if role is None:
        return
    op.execute(text("REVOKE ALL ON webhook_subscription, webhook_delivery FROM PUBLIC"))
    rights = "SELECT, INSERT, UPDATE, DELETE"
    op.execute(text(f"GRANT {rights} ON webhook_subscription, webhook_delivery TO {role}"))
    op.execute(text(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}"))


def _role_of(op: Operations | Any) -> str | None:
    config = op.get_context().config
    role: str | None = config.attributes.get("service_role") if config is not None else None
    return None if role is None else _quoted(op.get_bind(), role)


def _quoted(connection: Connection, name: str) -> str:
    dialect: Dialect = connection.dialect
    return dialect.identifier_preparer.quote(name)
