"""What containers run, without an engine: the image's packages, PostgreSQL's first start, the migration."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.parts.ports import LOOPBACK, free_port
from deploy.parts.postgres import SUPERUSER, Postgres
from deploy.parts.postgres_binaries import find_binaries
from deploy.secret_files import make_secrets
from income_intake.service import MIGRATIONS
from tests.compose import DEPLOY, OURS, ROOT, compose, dockerfile, environment_of, secrets_of
from tests.real_parts import do_without

READY_SECONDS_MAX = 60
DISTRIBUTIONS = ["shared", "services/income-intake", "services/buffer-ledger", "services/notifier"]


@dataclass(frozen=True)
class Image:
    """The packages as they are installed in the image, and the folder its processes start in."""

    packages: Path
    work: Path

    def environment(self, given: dict[str, str]) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "TMPDIR"}}
        return kept | {"PYTHONPATH": str(self.packages), "PYTHONDONTWRITEBYTECODE": "1"} | given

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Do what `docker run image ARGUMENTS` does, to its end."""
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=self.work,
            env=self.environment(environment),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @contextmanager
    def running(self, module: str, log: Path, **environment: str) -> Iterator[None]:
        """Start a process, wait until its container's health check calls it ready, stop it calmly after."""
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", module],
                cwd=self.work,
                env=self.environment(environment),
                stdout=output,
                stderr=output,
            )
        try:
            deadline = time.monotonic() + READY_SECONDS_MAX
            while self.run("deploy.health", "readyz", PORT=environment["PORT"]).returncode != 0:
                assert process.poll() is None, log.read_text()[-3000:]
                assert time.monotonic() < deadline, log.read_text()[-3000:]
                time.sleep(0.3)
            yield
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0, log.read_text()[-3000:]
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """What the Dockerfile installs and copies, from a copy of what the builder gets."""
    made = Image(tmp_path_factory.mktemp("packages"), tmp_path_factory.mktemp("app"))
    context = tmp_path_factory.mktemp("context")
    for name in DISTRIBUTIONS:
        assert f"./{name}" in dockerfile()
        shutil.copytree(
            ROOT / name, context / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    installed = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"),
            *("--no-deps", "--no-build-isolation", "--target", str(made.packages)),
            *(f"./{name}" for name in DISTRIBUTIONS),
        ],
        cwd=context,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert installed.returncode == 0, installed.stderr
    (copied,) = re.findall(r"^COPY (.+) \./deploy/$", dockerfile(), re.M)
    (made.work / "deploy").mkdir()
    for name in copied.split():
        shutil.copy(ROOT / name, made.work / name)
    return made


def test_the_image_runs_the_embedded_shape_and_its_health_check_tells_when_it_ends(
    image: Image, tmp_path: Path
) -> None:
    port = str(free_port())
    settings = {"PORT": port, "DATA_DIR": str(tmp_path / "data"), "METRICS_PORT": str(free_port())}
    with image.running("deploy.all_in_one", tmp_path / "log", **settings):
        assert image.run("deploy.health", PORT=port).returncode == 0
        assert "readyz" in image.run("deploy.health", "readyz", PORT=str(free_port())).stderr
    assert image.run("deploy.health", PORT=port).returncode == 1
    token = image.run("shared.tokens", "ROLE=operator", DATA_DIR=str(tmp_path / "data"))
    assert token.stdout.count(".") == 2, token.stderr


def test_the_image_runs_what_it_installed_and_not_this_checkout(image: Image) -> None:
    packages = ", ".join(("shared", *OURS.values()))
    shown = subprocess.run(
        [sys.executable, "-c", f"import {packages}\nfor p in ({packages}): print(p.__file__)"],
        cwd=image.work,
        env=image.environment({}),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert all(Path(line).is_relative_to(image.packages) for line in shown.stdout.splitlines())


def test_a_name_that_is_no_service_is_refused_by_the_migration(image: Image) -> None:
    refused = image.run("deploy.migrate", "income_intake")
    assert refused.returncode == 2
    assert "income-intake, buffer-ledger, notifier" in refused.stderr


# ---- PostgreSQL's first start ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compose")
    make_secrets(folder)
    return folder


@pytest.fixture(scope="module")
def postgres(secrets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """An empty server of its own, on which the container's first-start script has run."""
    reason = Postgres.unavailable()
    if reason is not None:
        do_without(reason)
    with Postgres.start() as server:
        done = _run_first_start_script(server, secrets / "secrets", tmp_path_factory.mktemp("bin"))
        assert done.returncode == 0, done.stderr
        yield server


def _run_first_start_script(
    server: Postgres, secrets: Path, folder: Path
) -> subprocess.CompletedProcess[str]:
    binaries = find_binaries()
    assert binaries is not None
    program = folder / "psql"
    program.write_text(f'#!/bin/sh\nexec "{binaries.program("psql")}" "$@"\n')
    program.chmod(0o755)
    password = server.url.split(":")[2].split("@")[0]
    return subprocess.run(
        ["bash", str(DEPLOY / "postgres" / "init.sh")],
        env={
            "PATH": f"{folder}:{os.environ['PATH']}",
            "PGHOST": LOOPBACK,
            "PGPORT": str(server.port),
            "PGPASSWORD": password,
            "POSTGRES_USER": SUPERUSER,
            "SECRETS_DIR": str(secrets),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _mounted(service: str, secrets: Path, server: Postgres, folder: Path) -> dict[str, str]:
    """The settings of a container; its secrets in a folder, with the server of this test in the URLs."""
    mounted = folder / service
    mounted.mkdir(parents=True)
    for shown, source in secrets_of(service).items():
        file = Path(compose()["secrets"][source]["file"]).relative_to("/secrets-of-test")
        content = (secrets / file).read_text().replace("postgres:5432", f"{LOOPBACK}:{server.port}")
        (mounted / shown).write_text(content)
    environment = environment_of(service) | {"SECRETS_DIR": str(mounted)}
    environment.pop("PATH")
    if "MASTER_KEY_FILE" in environment:
        environment["MASTER_KEY_FILE"] = str(mounted / "master_key")
        environment["TOKEN_PUBLIC_KEYS"] = str(secrets / "token-keys")
    return environment


def test_services_start_on_databases_that_only_the_migration_may_change(
    image: Image, postgres: Postgres, secrets: Path, tmp_path: Path
) -> None:
    newest = max(script.name[:4] for script in (MIGRATIONS / "versions").glob("[0-9]*.py"))
    for expected in ("was empty", f"income-intake: {newest}\n"):
        migrated = image.run("deploy.migrate", **_mounted("migrate", secrets, postgres, tmp_path / expected))
        assert migrated.returncode == 0, migrated.stderr
        assert expected in migrated.stdout
    for service, module in OURS.items():
        settings = _mounted(service, secrets, postgres, tmp_path)
        settings |= {"BUS_URL": "sqlite://", "DATA_DIR": str(tmp_path / "data" / service)}
        settings |= {"LETTER_DIR": str(tmp_path / "letters")}
        settings |= {"HOST": LOOPBACK, "METRICS_HOST": LOOPBACK}
        settings |= {"PORT": str(free_port()), "METRICS_PORT": str(free_port())}
        with image.running(module, tmp_path / f"{service}.log", **settings):
            owners = postgres.run_sql(
                "SELECT count(*) FROM pg_stat_activity WHERE usename LIKE '%owner'", module
            )
            assert owners == "0"


def test_each_role_reaches_its_own_database_alone(postgres: Postgres) -> None:
    found = postgres.run_sql(
        "SELECT rolname, datname FROM pg_roles, pg_database WHERE datname ~ '^(income|buffer|notifier)' "
        "AND rolname ~ '_(owner|service|keys)$' AND has_database_privilege(rolname, datname, 'CONNECT')"
    )
    allowed = {tuple(line.split("|")) for line in found.splitlines()}
    expected = {(f"{name}_{role}", name) for name in OURS.values() for role in ("owner", "service")}
    assert allowed == expected | {(f"{name}_keys", f"{name}_keys") for name in OURS.values()}


def test_the_first_start_script_stops_at_a_secret_that_is_no_url(
    postgres: Postgres, secrets: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "secrets"
    shutil.copytree(secrets / "secrets", broken)
    (broken / "income_intake_owner_database_url").write_text("postgresql://owner:'; DROP ROLE x@db/intake\n")
    refused = _run_first_start_script(postgres, broken, tmp_path)
    assert refused.returncode != 0
    assert "income_intake_owner_database_url" in refused.stderr
