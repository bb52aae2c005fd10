"""The real parts as fixtures: one of each per test run, whichever folder asks first."""

from collections.abc import Iterator

import pytest

from deploy.parts.kafka import Kafka
from deploy.parts.postgres import Postgres
from deploy.parts.tansu import Tansu
from tests.real_parts import do_without


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    """One Apache Kafka broker for the whole run; tests keep apart by topic and group prefixes."""
    reason = Kafka.unavailable()
    if reason is not None:
        do_without(reason)
    with Kafka.start() as broker:
        yield broker


@pytest.fixture(scope="session")
def tansu() -> Iterator[Tansu]:
    """One small Kafka-protocol broker for the whole run, in memory."""
    reason = Tansu.unavailable()
    if reason is not None:
        do_without(reason)
    with Tansu.start() as broker:
        yield broker


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL server for the whole run; tests make databases of their own in it."""
    reason = Postgres.unavailable()
    if reason is not None:
        do_without(reason)
    with Postgres.start() as server:
        yield server
