"""The real external parts start, work, keep what they promise to keep, and leave nothing behind."""

import asyncio
import os
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.parts.errors import PartError, PartFailedError, PartUnavailableError
from deploy.parts.file_lock import locked
from deploy.parts.kafka import Kafka
from deploy.parts.kafka_jars import have_jars, jar_folder, kafka_version
from deploy.parts.kafka_probe import live_brokers
from deploy.parts.part import Part
from deploy.parts.ports import LOOPBACK, answers, free_port
from deploy.parts.postgres import Postgres
from deploy.parts.postgres_binaries import find_binaries, server_account
from deploy.parts.process import children_of, command_of
from deploy.parts.prometheus import Prometheus
from deploy.parts.tansu import Tansu
from tests.real_parts import do_without

REPOSITORY = Path(__file__).resolve().parents[2]
TOPIC = "parts-test"
DEADLINE = 60

SomePart = TypeVar("SomePart", bound=Part)


def _started(part: type[Part], start: Callable[[], SomePart]) -> SomePart:
    """Start a part, or leave the test out with the part's own sentence about what is missing."""
    reason = part.unavailable()
    if reason is None:
        try:
            return start()
        except PartUnavailableError as missing:
            reason = str(missing)
    do_without(reason)
    raise AssertionError(reason)


def _second_postgres() -> list[Path]:
    """The folder of another PostgreSQL on this machine, beside the wheel's, if there is one."""
    on_path = shutil.which("postgres")
    folder = Path(on_path).resolve().parent if on_path else None
    if folder is None or Postgres.unavailable(folder) is not None:
        return []
    return [folder]


@pytest.fixture(scope="module")
def kafka() -> Iterator[Kafka]:
    with _started(Kafka, Kafka.start) as part:
        yield part


@pytest.fixture(scope="module", params=[None, *_second_postgres()], ids=lambda path: str(path or "wheel"))
def postgres(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    binaries: Path | None = request.param
    with _started(Postgres, lambda: Postgres.start(binaries=binaries)) as part:
        yield part


@pytest.fixture(scope="module")
def tansu() -> Iterator[Tansu]:
    with _started(Tansu, Tansu.start) as part:
        yield part


@pytest.fixture
def prometheus_config(tmp_path: Path) -> Path:
    config = tmp_path / "prometheus.yml"
    config.write_text("global:\n  scrape_interval: 1s\nrule_files:\n  - rules.yml\n")
    (tmp_path / "rules.yml").write_text(
        "groups:\n  - name: test\n    interval: 1s\n    rules:\n"
        "      - record: test:answer\n        expr: vector(42)\n"
    )
    return config


@pytest.fixture
def prometheus(prometheus_config: Path) -> Iterator[Prometheus]:
    with _started(Prometheus, lambda: Prometheus.start(prometheus_config)) as part:
        yield part


def _is_gone(pid: int, port: int) -> bool:
    return command_of(pid) == "" and not answers(port)


# --- Kafka protocol -------------------------------------------------------------------------------


async def _write(bootstrap: str, *values: bytes, idempotent: bool) -> None:
    async with asyncio.timeout(DEADLINE):
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            if TOPIC not in await admin.list_topics():
                await admin.create_topics([NewTopic(TOPIC, 3, 1)])
        finally:
            await admin.close()
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=idempotent)
        await producer.start()
        try:
            for value in values:
                await producer.send_and_wait(TOPIC, value, key=b"one", headers=[("ce_id", value)])
        finally:
            await producer.stop()


async def _read_and_commit(bootstrap: str, count: int) -> list[bytes]:
    """Read on from the group's committed offset until so many messages came, and commit."""
    async with asyncio.timeout(DEADLINE):
        consumer = AIOKafkaConsumer(
            TOPIC,
            bootstrap_servers=bootstrap,
            group_id="parts-test",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=3000,
            heartbeat_interval_ms=500,
        )
        await consumer.start()
        try:
            values: list[bytes] = []
            while len(values) < count:
                batch = await consumer.getmany(timeout_ms=500)
                for partition, messages in batch.items():
                    values += [message.value for message in messages]
                    await consumer.commit({partition: messages[-1].offset + 1})
            return values
        finally:
            await consumer.stop()


async def _end_offset(bootstrap: str) -> int:
    async with asyncio.timeout(DEADLINE):
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
        await consumer.start()
        try:
            partitions = [TopicPartition(TOPIC, number) for number in range(3)]
            return sum((await consumer.end_offsets(partitions)).values())
        finally:
            await consumer.stop()


def test_kafka_keeps_topics_messages_and_offsets_over_a_restart_and_a_crash(kafka: Kafka) -> None:
    address = kafka.bootstrap
    asyncio.run(_write(address, b"1", b"2", idempotent=True))
    assert asyncio.run(_read_and_commit(address, 2)) == [b"1", b"2"]

    kafka.restart()
    assert kafka.bootstrap == address
    asyncio.run(_write(address, b"3", idempotent=True))
    assert asyncio.run(_read_and_commit(address, 1)) == [b"3"]

    kafka.kill()
    assert not kafka.running
    kafka.restart()
    asyncio.run(_write(address, b"4", idempotent=True))
    assert asyncio.run(_read_and_commit(address, 1)) == [b"4"]
    assert asyncio.run(_end_offset(address)) == 4


def test_kafka_listens_on_loopback_only(kafka: Kafka) -> None:
    assert all(address.startswith("127.") for address in _listening(kafka.pid))


def test_kafka_does_not_make_topics_by_itself(kafka: Kafka) -> None:
    async def write_to_nowhere() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, request_timeout_ms=2000)
        await producer.start()
        try:
            async with asyncio.timeout(1):
                await producer.send_and_wait("nowhere", b"lost")
        finally:
            await producer.stop()

    with pytest.raises(TimeoutError):
        asyncio.run(write_to_nowhere())


def test_kafka_in_a_given_folder_leaves_nothing_running_and_keeps_its_files(tmp_path: Path) -> None:
    port = free_port()
    kafka = _started(Kafka, lambda: Kafka.start(tmp_path / "kafka", port=port))
    try:
        assert kafka.bootstrap == f"{LOOPBACK}:{port}"
        assert live_brokers(port) == 1
    finally:
        kafka.close()
    assert _is_gone(kafka.pid, port)
    assert (tmp_path / "kafka" / "data" / "meta.properties").exists()


def test_two_callers_at_once_get_the_same_complete_jars(tmp_path: Path) -> None:
    reason = Kafka.unavailable()
    if reason is not None or shutil.which("mvn") is None:
        do_without(reason or "There is no `mvn` on PATH.")
    found: list[Path] = []
    callers = [threading.Thread(target=lambda: found.append(jar_folder(tmp_path))) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(found) == 2
    assert found[0] == found[1]
    assert have_jars(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [found[0].name, "lock"]


def test_an_interrupted_download_of_the_jars_is_not_used(tmp_path: Path) -> None:
    interrupted = tmp_path / kafka_version()
    interrupted.mkdir()
    (interrupted / f"kafka_2.13-{kafka_version()}.jar").touch()
    assert not have_jars(tmp_path)


def test_tansu_passes_messages_and_remembers_what_a_group_committed(tansu: Tansu) -> None:
    asyncio.run(_write(tansu.bootstrap, b"1", b"2", idempotent=False))
    assert asyncio.run(_read_and_commit(tansu.bootstrap, 2)) == [b"1", b"2"]
    asyncio.run(_write(tansu.bootstrap, b"3", idempotent=False))
    assert asyncio.run(_read_and_commit(tansu.bootstrap, 1)) == [b"3"]


def test_tansu_listens_on_loopback_only(tansu: Tansu) -> None:
    assert all(address.startswith("127.") for address in _listening(tansu.pid))


def test_tansu_refuses_a_restart_because_it_would_have_lost_everything(tansu: Tansu) -> None:
    with pytest.raises(PartError, match="memory"):
        tansu.restart()
    assert tansu.running


def test_tansu_is_gone_after_stop() -> None:
    tansu = _started(Tansu, Tansu.start)
    folder = tansu.folder
    tansu.close()
    assert _is_gone(tansu.pid, tansu.port)
    assert not folder.exists()


# --- PostgreSQL -----------------------------------------------------------------------------------


async def _execute(url: str, *statements: str) -> list[object]:
    """Run statements on one connection; return the first column of the last one's rows."""
    async with asyncio.timeout(DEADLINE):
        connection = await asyncpg.connect(url)
        try:
            rows: list[asyncpg.Record] = []
            for statement in statements:
                rows = await connection.fetch(statement)
            return [row[0] for row in rows]
        finally:
            await connection.close()


def test_postgres_keeps_rows_over_a_restart_and_a_crash(postgres: Postgres) -> None:
    url = postgres.create_database("kept")
    asyncio.run(_execute(url, "CREATE TABLE note (text text)", "INSERT INTO note VALUES ('caf\u00e9')"))
    postgres.restart()
    asyncio.run(_execute(url, "INSERT INTO note VALUES ('two')"))
    postgres.kill()
    assert not postgres.running
    postgres.restart()
    kept = asyncio.run(_execute(url, "SELECT text FROM note ORDER BY text"))
    assert kept == ["caf\u00e9", "two"]


def test_postgres_crash_takes_every_connection_with_it(postgres: Postgres) -> None:
    async def crash_under_a_connection() -> list[int]:
        connection = await asyncpg.connect(postgres.url)
        backends = children_of(postgres.pid)
        await asyncio.to_thread(postgres.kill)
        connection.terminate()
        return backends

    backends = asyncio.run(crash_under_a_connection())
    assert len(backends) > 1
    assert [pid for pid in backends if command_of(pid)] == []
    postgres.restart()


def test_a_service_role_can_connect_but_owns_and_makes_nothing(postgres: Postgres) -> None:
    owner, service = postgres.create_service_database("ledger")
    asyncio.run(_execute(owner, "CREATE TABLE entry (cents bigint)", "INSERT INTO entry VALUES (1)"))
    assert asyncio.run(_execute(service, "SELECT current_user::text")) == ["ledger_service"]
    for forbidden in (
        "CREATE TABLE public.mine (cents bigint)",
        "CREATE TEMPORARY TABLE mine (cents bigint)",
        "CREATE SCHEMA mine",
        "SELECT cents FROM entry",
        "TRUNCATE entry",
        "CREATE DATABASE mine",
        "CREATE ROLE mine",
        "SET ROLE ledger_owner",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            asyncio.run(_execute(service, forbidden))
    asyncio.run(_execute(owner, "GRANT SELECT ON entry TO ledger_service"))
    assert asyncio.run(_execute(service, "SELECT cents FROM entry")) == [1]


def test_a_role_of_one_service_cannot_enter_the_database_of_another(postgres: Postgres) -> None:
    postgres.create_service_database("first")
    postgres.create_service_database("second")
    for role in ("first_owner", "first_service"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            asyncio.run(_execute(postgres.url_for("second", role), "SELECT 1"))


def test_making_a_service_database_again_changes_nothing(postgres: Postgres) -> None:
    urls = postgres.create_service_database("again")
    asyncio.run(_execute(urls[0], "CREATE TABLE kept (cents bigint)"))
    assert postgres.create_service_database("again") == urls
    assert asyncio.run(_execute(urls[0], "SELECT count(*) FROM kept")) == [0]


def test_postgres_takes_no_wrong_password_and_no_odd_name(postgres: Postgres) -> None:
    wrong = f"postgresql://postgres:wrong@{LOOPBACK}:{postgres.port}/postgres"
    with pytest.raises(asyncpg.InvalidPasswordError):
        asyncio.run(_execute(wrong, "SELECT 1"))
    for odd in ("", "a b", 'x"; DROP', "Upper", "1st"):
        with pytest.raises(PartError, match="no name for a database"):
            postgres.create_service_database(odd)


def test_postgres_listens_on_loopback_only_and_not_as_root(postgres: Postgres) -> None:
    assert all(address.startswith("127.") for address in _listening(postgres.pid))
    assert Path(f"/proc/{postgres.pid}").stat().st_uid != 0
    assert stat.S_IMODE((postgres.folder / "passwords.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("durable", [True, False])
def test_postgres_syncs_to_disk_only_when_asked(durable: bool) -> None:
    with _started(Postgres, lambda: Postgres.start(durable=durable)) as part:
        assert part.run_sql("SHOW fsync") == ("on" if durable else "off")


def test_postgres_in_a_given_folder_keeps_data_and_passwords_for_the_next_start(tmp_path: Path) -> None:
    """As root the folder cannot be entered by the server's account, so the data lies elsewhere."""
    modes = {path: path.stat().st_mode for path in (tmp_path, *tmp_path.parents)}
    first = _started(Postgres, lambda: Postgres.start(tmp_path / "postgres"))
    try:
        url = first.create_database("kept")
        asyncio.run(_execute(url, "CREATE TABLE note (text text)", "INSERT INTO note VALUES ('1')"))
        first.stop()
        assert _is_gone(first.pid, first.port)
        with Postgres.start(tmp_path / "postgres", port=first.port) as second:
            assert second.url_for("kept") == url
            assert asyncio.run(_execute(url, "SELECT text FROM note")) == ["1"]
    finally:
        first.close()
    assert {path: path.stat().st_mode for path in modes} == modes


def test_postgres_runs_where_the_server_account_cannot_reach_the_wheel(tmp_path: Path) -> None:
    """A wheel below a closed folder, such as root's home, is copied to where the server can read it."""
    if (reason := Postgres.unavailable()) is not None:
        do_without(reason)
    found = find_binaries()
    assert found is not None
    if found.wheel is None:
        return  # POSTGRES_BIN names other binaries; those are never copied
    hidden = tmp_path / "hidden"
    found.copied_to(hidden)
    hidden.chmod(0o700)
    folder = tmp_path / "postgres"
    try:
        urls = _command("up", "postgres", "--folder", str(folder), PYTHONPATH=str(hidden))[-3:]
        _check_service_urls(urls)
        program = command_of(int((folder / "pid").read_text())).split()[0]
        assert program.startswith(str(hidden)) == (server_account() is None)
    finally:
        _command("down", "postgres", "--folder", str(folder))
        shutil.rmtree((folder / "elsewhere").resolve(), ignore_errors=True)


# --- Prometheus -----------------------------------------------------------------------------------


def test_prometheus_answers_queries_and_evaluates_rules(prometheus: Prometheus) -> None:
    assert prometheus.query("vector(7)")[0]["value"][1] == "7"
    deadline = time.monotonic() + DEADLINE
    while not (answer := prometheus.query("test:answer")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert answer[0]["value"][1] == "42"
    with pytest.raises(PartFailedError, match="parse error"):
        prometheus.query("sum(")


def test_prometheus_listens_on_loopback_only_and_is_gone_after_stop(prometheus: Prometheus) -> None:
    prometheus.restart()
    assert all(address.startswith("127.") for address in _listening(prometheus.pid))
    prometheus.stop()
    assert _is_gone(prometheus.pid, prometheus.port)


def test_promtool_checks_a_configuration(prometheus: Prometheus, prometheus_config: Path) -> None:
    good = prometheus.promtool("check", "config", str(prometheus_config))
    assert good.returncode == 0, good.stderr
    prometheus_config.write_text("global:\n  no_such_setting: 1\n")
    bad = prometheus.promtool("check", "config", str(prometheus_config))
    assert bad.returncode != 0


def test_a_part_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text("no_such_setting: 1\n")
    if (reason := Prometheus.unavailable()) is not None:
        do_without(reason)
    with pytest.raises(PartFailedError, match="no_such_setting"):
        Prometheus.start(broken, tmp_path / "prometheus")


# --- what the parts share -------------------------------------------------------------------------


def test_a_missing_program_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("POSTGRES_BIN", str(tmp_path))
    reasons = [Kafka.unavailable(), Postgres.unavailable()]
    assert all(reason and reason.endswith(".") and "\n" not in reason for reason in reasons)
    with pytest.raises(PartUnavailableError, match="Java"):
        Kafka.start(tmp_path / "kafka")


def test_a_port_that_is_taken_is_refused(tmp_path: Path) -> None:
    with _started(Tansu, Tansu.start) as part, pytest.raises(PartFailedError, match="taken"):
        Tansu.start(tmp_path, port=part.port)


def test_a_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with locked(tmp_path / "lock"):
            order.append("second")

    waiting = threading.Thread(target=second)
    with locked(tmp_path / "lock"):
        waiting.start()
        waiting.join(timeout=0.2)
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]


# --- python -m deploy.parts -----------------------------------------------------------------------


def _command(*arguments: str, **variables: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.parts", *arguments],
        cwd=REPOSITORY,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", ["kafka", "postgres"])
def test_up_leaves_a_part_running_until_down(name: str, tmp_path: Path) -> None:
    part: type[Part] = Kafka if name == "kafka" else Postgres
    if (reason := part.unavailable()) is not None:
        do_without(reason)
    where = (name, "--folder", str(tmp_path))
    lines = 1 if name == "kafka" else 3
    try:
        urls = _command("up", *where)[-lines:]
        pid = int((tmp_path / "pid").read_text())
        assert (tmp_path / "url").read_text().splitlines() == urls
        assert command_of(pid)
        again = _command("up", *where)
        assert "already" in again[0]
        assert again[-lines:] == urls
        if name == "postgres":
            _check_service_urls(urls)
        else:
            port = int(urls[0].removeprefix(f"kafka://{LOOPBACK}:"))
            assert live_brokers(port) == 1
    finally:
        _command("down", *where)
    assert command_of(pid) == ""
    assert "not up" in _command("down", *where)[0]
    shutil.rmtree((tmp_path / "elsewhere").resolve(), ignore_errors=True)


def _check_service_urls(lines: list[str]) -> None:
    assert [line.split()[0] for line in lines] == ["income_intake", "buffer_ledger", "notifier"]
    for line in lines:
        name, owner, service = line.split()
        assert asyncio.run(_execute(owner, "SELECT current_user::text")) == [f"{name}_owner"]
        assert asyncio.run(_execute(service, "SELECT current_user::text")) == [f"{name}_service"]


def test_down_does_not_touch_a_process_that_only_got_the_same_id(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (tmp_path / "pid").write_text(str(stranger.pid))
        (tmp_path / "command").write_text("java kafka.Kafka server.properties")
        assert "not up" in _command("down", "kafka", "--folder", str(tmp_path))[0]
        assert stranger.poll() is None
        stranger.terminate()


def _listening(pid: int) -> list[str]:
    """The IPv4 and IPv6 addresses on which a process listens, from /proc; at least one."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(descriptor)
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[len("socket:[") : -1])
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                found.append(_dotted(fields[1].partition(":")[0]))
    assert found
    return found


def _dotted(address: str) -> str:
    """Turn /proc's little-endian hexadecimal into a dotted address; the mapped form of IPv6 too."""
    if len(address) == 32 and not address.startswith("0000000000000000FFFF0000"):
        return address
    number = bytes.fromhex(address[-8:])[::-1]
    return ".".join(str(part) for part in number)
