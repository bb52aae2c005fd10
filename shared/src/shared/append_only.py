"""The triggers that make a table append-only, for SQLite and for PostgreSQL.

SQLite has no grants, and `INSERT OR REPLACE` deletes rows without firing DELETE triggers unless the
connection said recursive_triggers=ON: a third trigger refuses to insert what is there. PostgreSQL's triggers
hold for the owner too, also against TRUNCATE; a statement trigger fires even when no row matches.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, inspect, text


def protect(connection: Connection, table: str) -> Iterator[str]:
    """The statements that guard a table, in order; they may be run again."""
    return (
        _postgresql(connection, table)
        if connection.dialect.name == "postgresql"
        else _sqlite(connection, table)
    )


def _postgresql(connection: Connection, table: str) -> Iterator[str]:
    name = connection.dialect.identifier_preparer.quote(table)
    yield (
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN RAISE EXCEPTION 'table % is append-only: % is refused', TG_TABLE_NAME, TG_OP "
        "USING ERRCODE = 'restrict_violation'; END $$"
    )
    yield (
        f"CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {name} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    # ALWAYS: also in a session that calls itself a replica.
    yield f"ALTER TABLE {name} ENABLE ALWAYS TRIGGER append_only"


def _sqlite(connection: Connection, table: str) -> Iterator[str]:
    quote = connection.dialect.identifier_preparer.quote
    name = quote(table)
    refusal = f"SELECT RAISE(ABORT, 'table {table} is append-only: %s is refused')"
    known = " OR ".join(
        f"EXISTS (SELECT 1 FROM {name} WHERE {' AND '.join(f'{quote(c)} = NEW.{quote(c)}' for c in key)})"
        for key in _unique_keys(connection, table)
    )
    bodies = {
        "update": f"BEFORE UPDATE ON {name} BEGIN {refusal % 'UPDATE'}; END",
        "delete": f"BEFORE DELETE ON {name} BEGIN {refusal % 'DELETE'}; END",
        "insert": f"BEFORE INSERT ON {name} WHEN {known} BEGIN {refusal % 'INSERT of a known key'}; END",
    }
    for event, body in bodies.items():
        trigger = quote(f"append_only_{table}_{event}")
        yield f"DROP TRIGGER IF EXISTS {trigger}"
        yield f"CREATE TRIGGER {trigger} {body}"


def _unique_keys(connection: Connection, table: str) -> list[Sequence[str]]:
    """The primary key, every unique key without a condition, and the hidden rowid (REPLACE takes it)."""
    seen = inspect(connection)
    keys: list[Sequence[str]] = []
    if primary := seen.get_pk_constraint(table)["constrained_columns"]:
        keys.append(primary)
    keys += [unique["column_names"] for unique in seen.get_unique_constraints(table)]
    for index in seen.get_indexes(table):
        columns = [column for column in index["column_names"] if column is not None]
        whole = len(columns) == len(index["column_names"])
        if index["unique"] and whole and not index.get("dialect_options", {}).get("sqlite_where"):
            keys.append(columns)
    made = connection.execute(
        text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name"), {"name": table}
    ).scalar_one()
    if "WITHOUT ROWID" not in str(made).upper():
        keys.append(["rowid"])
    return keys
