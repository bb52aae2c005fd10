"""Settings: what an operator reads in env.example is what the code reads."""

from pathlib import Path

import pytest

from shared.settings import SERVICE_NAMES, Settings, SettingsInvalid, env_example, load

EXAMPLE = Path(__file__).parents[2] / "deploy" / "env.example"


def test_the_example_is_what_the_code_says() -> None:
    assert EXAMPLE.read_text(encoding="utf-8") == env_example()


def test_the_example_read_as_an_environment_gives_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = load()
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            monkeypatch.setenv(name, value)
    assert load() == defaults


def test_every_setting_has_a_comment_that_is_a_sentence() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


def test_all_faults_are_told_at_once_and_never_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "70000")
    monkeypatch.setenv("OIN", "secret-looking")
    monkeypatch.setenv("TOKEN_HOURS", "0")
    with pytest.raises(SettingsInvalid) as caught:
        load()
    text = str(caught.value)
    assert [name for name in ("PORT", "OIN", "TOKEN_HOURS") if f"{name}: " in text] == [
        "PORT",
        "OIN",
        "TOKEN_HOURS",
    ]
    assert "secret-looking" not in text


def test_passwords_are_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFIER_DATABASE_URL", "postgresql://me:hunter2@db/notifier")
    monkeypatch.setenv("SMTP_URL", "smtp://me:hunter2@mail:25")
    settings = load()
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in settings.model_dump_json()
    assert settings.database_url("notifier") == "postgresql://me:hunter2@db/notifier"


def test_an_empty_value_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRICS_PORT", "")
    monkeypatch.setenv("PORT", "")
    assert load().metrics_port is None
    assert load().port == 8080


def test_each_service_has_files_of_its_own_and_keys_apart_from_data(tmp_path: Path) -> None:
    settings = load(data_dir=tmp_path)
    data = {settings.database_url(name) for name in SERVICE_NAMES}
    keys = {settings.keys_database_url(name) for name in SERVICE_NAMES}
    assert len(data | keys) == 6
    assert all(url.startswith(f"sqlite:///{tmp_path}/") for url in data | keys)


def test_migrations_run_as_the_owner_when_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUFFER_LEDGER_DATABASE_URL", "postgresql://service@db/ledger")
    assert load().owner_database_url("buffer-ledger") == "postgresql://service@db/ledger"
    monkeypatch.setenv("BUFFER_LEDGER_OWNER_DATABASE_URL", "postgresql://owner@db/ledger")
    assert load().owner_database_url("buffer-ledger") == "postgresql://owner@db/ledger"


def test_the_source_of_events_names_organisation_and_service() -> None:
    assert load().source("notifier") == "urn:nld:oin:00000001003214345000:systeem:notifier"
