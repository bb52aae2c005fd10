"""Which real parts the tests use, how a test says so, and whether doing without one is allowed."""

import os

import pytest

REQUIRED = os.environ.get("BUFFERBUDGET_REQUIRE_PARTS") == "1"
"""Set where every real part must be there: a skip is then a failure."""

PARTS = {
    "embedded": "embedded shape (SQLite databases, SQLite log)",
    "postgres": "PostgreSQL",
    "kafka": "Apache Kafka (KRaft)",
    "tansu": "Kafka protocol broker from PyPI",
    "prometheus": "Prometheus and promtool",
    "spectral": "Spectral (API rules)",
}
"""Fixture name -> what it is called in the run's last lines."""


USED = pytest.StashKey[list[str]]()
"""Where a test that chooses its parts while it runs notes their fixture names."""


def part_of(item: pytest.Item) -> list[str]:
    """The real parts a test uses, told by what it noted, the fixtures it asks for and its parameters."""
    if USED in item.stash:
        return item.stash[USED]
    asked = set(getattr(item, "fixturenames", ()))
    callspec = getattr(item, "callspec", None)
    if callspec is not None:
        chosen = {str(value) for value in callspec.params.values()}
        return [name for name in PARTS if name in chosen or (name in asked and not chosen & PARTS.keys())]
    return [name for name in PARTS if name in asked]


def group_of(item: pytest.Item) -> str | None:
    """Tests that must run one after the other in one process, by a name they share; None for all others.

    There is one broker and one PostgreSQL per run, and some tests stop them: whatever uses them shares a
    process. So do the tests that share the one running system of the embedded shape.
    """
    callspec = getattr(item, "callspec", None)
    chosen = {str(value) for value in callspec.params.values()} if callspec is not None else set()
    asked = set(getattr(item, "fixturenames", ()))
    if "distributed" in chosen or ({*part_of(item)} | asked) & {"kafka", "postgres", "tansu"}:
        return "real parts"
    if asked & {"system", "embedded"}:
        return "embedded system"
    return None


def do_without(reason: str) -> None:
    """Leave a test out because its part is not on this machine; a failure where all parts are required."""
    if REQUIRED:
        pytest.fail(f"A real part is required here and missing: {reason}")
    pytest.skip(reason)
