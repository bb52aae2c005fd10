"""The system under test in both shapes: started once per run; each story takes a municipality of its own."""

from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest

from deploy.parts.kafka import Kafka
from deploy.parts.postgres import Postgres
from tests.e2e.post_box import PostBox
from tests.e2e.system import MODULES, Office, System
from tests.real_parts import USED, do_without

_municipalities = count(1001)
EMBEDDED = "embedded"
DISTRIBUTED = "distributed"


@pytest.fixture(scope="session")
def post_box() -> Iterator[PostBox]:
    box = PostBox()
    box.start()
    yield box
    box.stop()


@pytest.fixture(params=[EMBEDDED, DISTRIBUTED])
def shape(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def system(request: pytest.FixtureRequest, shape: str) -> System:
    """The system in the shape of the test; both live until the run ends, whichever comes first."""
    chosen: System = request.getfixturevalue("embedded" if shape == EMBEDDED else "distributed")
    return chosen


@pytest.fixture(scope="session")
def embedded(post_box: PostBox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One process with everything in it."""
    yield from _running(System(EMBEDDED, tmp_path_factory.mktemp(EMBEDDED), _common(post_box)), each=1)


@pytest.fixture(scope="session")
def distributed(
    request: pytest.FixtureRequest, post_box: PostBox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """Two instances of each service on a real broker and PostgreSQL."""
    settings = _common(post_box) | distributed_settings(request)
    yield from _running(System(DISTRIBUTED, tmp_path_factory.mktemp(DISTRIBUTED), settings), each=2)


def _common(post_box: PostBox) -> dict[str, str]:
    return {"SMTP_URL": post_box.url, "LEASE_SECONDS": "2"}


def _running(running: System, *, each: int) -> Iterator[System]:
    running.set_clock_start()
    running.start_all(each=each)
    yield running
    codes = running.stop_all()
    assert set(codes) <= {0}, f"exit codes {codes}:\n{running.logs()[-3000:]}"


def distributed_settings(request: pytest.FixtureRequest) -> dict[str, str]:
    """Bus and databases; starts the parts they need, or leaves the test out."""
    reason = Postgres.unavailable()
    if reason is not None:
        do_without(reason)
    server: Postgres = request.getfixturevalue("postgres")
    broker = request.getfixturevalue(broker_name())
    able = "" if broker_name() == "kafka" else "&idempotence=no&end_offsets=no"
    settings = {"BUS_URL": f"{broker.url}?session=3{able}"}
    for name, module in MODULES.items():
        prefix = name.upper().replace("-", "_")
        owner, service = server.create_service_database(module)
        keys_owner, _ = server.create_service_database(f"{module}_keys")
        settings |= {
            f"{prefix}_OWNER_DATABASE_URL": owner,
            f"{prefix}_DATABASE_URL": service,
            f"{prefix}_KEYS_DATABASE_URL": keys_owner,
        }
    return settings


def broker_name() -> str:
    """Apache Kafka where it can run, else the broker that speaks its protocol."""
    return "kafka" if Kafka.unavailable() is None else "tansu"


@pytest.fixture(autouse=True)
def _tell_which_parts(request: pytest.FixtureRequest) -> None:
    if "shape" in request.fixturenames and request.getfixturevalue("shape") == DISTRIBUTED:
        request.node.stash[USED] = ["postgres", broker_name()]


@pytest.fixture
async def office(system: System) -> AsyncIterator[Office]:
    """The back office of a municipality that no other test uses."""
    one = Office(system, str(next(_municipalities)))
    yield one
    await one.aclose()


@pytest.fixture
async def other_office(system: System) -> AsyncIterator[Office]:
    """The back office of another municipality."""
    one = Office(system, str(next(_municipalities)))
    yield one
    await one.aclose()


@pytest.fixture
def letters(system: System) -> Path:
    return system.folder / "letters"
