"""Every setting of every service, read from the environment; `deploy/env.example` lists them all.

A setting has a comment, a unit and a default that suits one machine. Secrets are never printed.
"""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.webhooks.callbacks import Network, read_networks

ServiceName = Literal["income-intake", "buffer-ledger", "notifier"]
SERVICE_NAMES: tuple[ServiceName, ...] = ("income-intake", "buffer-ledger", "notifier")


class SettingsInvalid(Exception):
    """Settings that cannot be used; the message lists every fault at once."""


def _retention(facts: str) -> Any:
    return Field(
        None, ge=1, description=f"Days the topic of {facts} keeps its messages; empty keeps everything."
    )


class Settings(BaseSettings):
    """What an operator decides. Names are those of the environment, in capitals."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    # ---- where it runs
    data_dir: Path = Field(
        Path("var/data"),
        description="Folder of databases, event log, keys and letters in the embedded shape.",
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(
        8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one and prints it."
    )
    public_url: str | None = Field(
        None,
        description="Address by which callers reach this, for the OpenAPI document; default: HOST and PORT.",
    )
    metrics_host: str = Field("127.0.0.1", description="Address for Prometheus; no token is asked there.")
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port for Prometheus without a token; empty: /metrics on PORT, with an operator's token.",
    )
    clock: str = Field(
        "system", description="What day it is: system, one RFC 3339 instant, or file:<path> that holds one."
    )
    oin: str = Field(
        "00000001003214345000",
        pattern=r"^[0-9]{20}$",
        description="Organisation number (OIN, 20 digits) in the source of events; default: an example.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level logged.")
    contact_email: str = Field("servicedesk@example.nl", description="Who answers questions of API users.")
    contact_url: str = Field("https://example.nl/bufferbudget", description="Where API users find help.")

    # ---- databases and bus
    bus_url: str = Field(
        "sqlite://",
        description="Event bus: sqlite:// (files under DATA_DIR) or kafka://host:port[,host:port].",
    )
    income_intake_database_url: SecretStr | None = Field(
        None, description="income-intake: database of the service role."
    )
    income_intake_owner_database_url: SecretStr | None = Field(
        None,
        description="income-intake: the same as its owner, for migrations; default: the service role.",
    )
    income_intake_keys_database_url: SecretStr | None = Field(
        None, description="income-intake: database of its people's keys, kept apart from the data."
    )
    buffer_ledger_database_url: SecretStr | None = Field(
        None, description="buffer-ledger: database of the service role."
    )
    buffer_ledger_owner_database_url: SecretStr | None = Field(
        None,
        description="buffer-ledger: the same as its owner, for migrations; default: the service role.",
    )
    buffer_ledger_keys_database_url: SecretStr | None = Field(
        None, description="buffer-ledger: database of its people's keys, kept apart from the data."
    )
    notifier_database_url: SecretStr | None = Field(
        None, description="notifier: database of the service role."
    )
    notifier_owner_database_url: SecretStr | None = Field(
        None,
        description="notifier: the same as its owner, for migrations; default: the service role.",
    )
    notifier_keys_database_url: SecretStr | None = Field(
        None, description="notifier: database of its people's keys, kept apart from the data."
    )
    startup_seconds: float = Field(
        120, gt=0, le=3600, description="Seconds to wait at start for database and bus before giving up."
    )
    drain_seconds: float = Field(
        20, gt=0, le=600, description="Seconds to finish requests and batches after SIGTERM before closing."
    )

    # ---- keys
    secrets_dir: Path | None = Field(
        None,
        description="Folder of files each named as a setting and holding its value, as container engines "
        "mount secrets; the environment goes before them.",
    )
    master_key_file: Path | None = Field(
        None,
        description="File with the master key (64 hex digits), made if missing; default in DATA_DIR/keys.",
    )
    token_key_file: Path | None = Field(
        None,
        description="Private key that signs tokens, for `make token`; default DATA_DIR/tokens/signing.pem.",
    )
    token_public_keys: Path | None = Field(
        None,
        description="Folder of the public keys (*.pub.pem) services trust; default: that of TOKEN_KEY_FILE.",
    )
    token_hours: float = Field(9, gt=0, le=24, description="Hours a token is valid: a working day.")

    # ---- limits
    body_max_bytes: int = Field(
        1_048_576,
        ge=1024,
        le=16_777_216,
        description="Largest JSON body in bytes; a larger one is refused (413).",
    )
    batch_max_bytes: int = Field(
        67_108_864,
        ge=1024,
        le=1_073_741_824,
        description="Largest batch file in bytes; a larger one is refused (413).",
    )
    body_seconds: float = Field(
        30,
        gt=0,
        le=600,
        description="Seconds a caller has to send a JSON body; a slower one gets a 408.",
    )
    batch_seconds: float = Field(
        300, gt=0, le=3600, description="Seconds a caller has to send a batch file; a slower one gets a 408."
    )
    connections_max: int = Field(
        512,
        ge=8,
        le=65_536,
        description="Connections that are served; up to twice as many are told to come back (503).",
    )
    keep_alive_seconds: int = Field(
        30,
        ge=1,
        le=3600,
        description="Seconds an idle connection stays open; a proxy in front should give up sooner.",
    )
    idempotency_days: int = Field(
        30, ge=1, le=90, description="Days an Idempotency-Key and its answer are kept."
    )

    # ---- events
    consumer_batch_max: int = Field(500, ge=1, le=5000, description="Most messages of one transaction.")
    consumer_linger_ms: int = Field(
        20,
        ge=0,
        le=10_000,
        description="Milliseconds a consumer waits for more messages before it handles a few.",
    )
    relay_batch_max: int = Field(500, ge=1, le=5000, description="Most events the relay publishes at once.")
    lease_seconds: float = Field(
        15,
        ge=1,
        le=300,
        description="Seconds after which another process takes over relay and workers of a killed one.",
    )
    parked_max: int = Field(
        1000, ge=1, description="Parked messages of a service at which its consumer stops."
    )
    lag_max_seconds: float = Field(
        300, gt=0, description="Seconds a consumer may be behind before the service calls itself not ready."
    )

    retention_days_participants: int | None = _retention("participants")
    retention_days_wage_slips: int | None = _retention("wage slips")
    retention_days_buffers: int | None = _retention("buffers")
    retention_days_funds: int | None = _retention("funds")
    retention_days_warnings: int | None = _retention("warnings")

    # ---- how long data about people is kept before an erasure may take it away
    keep_registration_days: int = Field(
        0,
        ge=0,
        le=36_525,
        description="Days a registration is kept before erasure; 0: one made in error can go at once.",
    )
    keep_wage_slips_days: int = Field(
        2557,
        ge=0,
        le=36_525,
        description="Days after a slip's period before erasure; payments rest on it, hence 7 years.",
    )
    keep_letters_days: int = Field(
        90,
        ge=0,
        le=36_525,
        description="Days the file of a letter is kept after it was written; 0: until the person is erased.",
    )
    keep_unseen_contacts_days: int = Field(
        90,
        ge=0,
        le=36_525,
        description="Days contact details are kept of an id that is never registered; 0 keeps them.",
    )

    # ---- delivery of messages to residents
    smtp_url: SecretStr | None = Field(
        None,
        description="Mail server smtp(s)://[user:password@]host:port. Empty: letters only.",
    )
    mail_from: str = Field("buffer@example.nl", description="Sender of e-mail to residents.")
    notify_url: str | None = Field(
        None,
        description="API of the kind of GOV.UK Notify, such as NotifyNL (https). Empty: no text messages.",
    )
    notify_api_key: SecretStr | None = Field(
        None, description="Its API key, written as name-<id of the service>-<secret>."
    )
    notify_sms_template_id: str | None = Field(
        None, description="Its template for text messages, ((body)) alone. Empty: no text messages."
    )
    notify_email_template_id: str | None = Field(
        None, description="Its template for e-mail, ((subject)) and ((body)); then SMTP_URL stays empty."
    )
    quiet_hours: str = Field(
        "21:00-08:00",
        description="When no e-mail or text message goes out, Amsterdam time; or none.",
    )
    messages_per_day_max: int = Field(
        5,
        ge=0,
        le=100,
        description="E-mails and text messages a person gets in 24 hours; more of them wait. 0: no limit.",
    )
    task_days: int = Field(
        14, ge=1, le=90, description="Days in which somebody tells a resident a message before a letter goes."
    )
    bounces_max: int = Field(
        2, ge=1, le=20, description="Bounces of an address after which it is left for a new contact."
    )
    letter_dir: Path | None = Field(
        None, description="Folder for letters to print; default DATA_DIR/letters."
    )
    message_languages: str = Field(
        "nl,en",
        description="Languages of messages: nl, en and, once a speaker has read their templates, tr, ar, uk.",
    )

    # ---- webhooks
    webhook_allowed_networks: str = Field(
        "",
        description="Private networks that webhooks may be posted to, such as 10.20.0.0/16,192.0.2.7; "
        "empty: public addresses only.",
    )
    webhook_ca_file: Path | None = Field(
        None,
        description="File with certificates (PEM) of authorities that receivers of webhooks are trusted by, "
        "beside the usual ones.",
    )

    # ---- tests
    failpoint: str | None = Field(
        None,
        description="For tests only: name[:n] of the place where the process kills itself the n-th time.",
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_means_default(cls, given: Any) -> Any:
        """An empty file of SECRETS_DIR means what an empty variable means."""
        return {name: value for name, value in given.items() if value != ""}

    @field_validator("webhook_allowed_networks")
    @classmethod
    def _networks(cls, given: str) -> str:
        read_networks(given)
        return given

    def webhook_networks(self) -> tuple[Network, ...]:
        """Networks beside public addresses that webhooks may be posted to."""
        return read_networks(self.webhook_allowed_networks)

    def source(self, service: ServiceName) -> str:
        """Where this service's events say they come from (NL GOV profile of CloudEvents)."""
        return f"urn:nld:oin:{self.oin}:systeem:{service}"

    def retention(self) -> dict[str, timedelta]:
        """How long topics keep their messages; one that is not named keeps everything."""
        days = {
            "bufferbudget.participants": self.retention_days_participants,
            "bufferbudget.wage-slips": self.retention_days_wage_slips,
            "bufferbudget.buffers": self.retention_days_buffers,
            "bufferbudget.funds": self.retention_days_funds,
            "bufferbudget.warnings": self.retention_days_warnings,
        }
        return {topic: timedelta(days=number) for topic, number in days.items() if number is not None}

    @property
    def master_key_path(self) -> Path:
        return self.master_key_file or self.data_dir / "keys" / "master.key"

    @property
    def token_key_path(self) -> Path:
        return self.token_key_file or self.data_dir / "tokens" / "signing.pem"

    @property
    def token_public_path(self) -> Path:
        return self.token_public_keys or self.token_key_path.parent

    @property
    def letter_path(self) -> Path:
        return self.letter_dir or self.data_dir / "letters"

    @property
    def base_url(self) -> str:
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    def database_url(self, service: ServiceName) -> str:
        """Where a service keeps its data; a file under DATA_DIR unless set."""
        return self._url(service, "database_url") or f"sqlite:///{self.data_dir / service}.db"

    def owner_database_url(self, service: ServiceName) -> str:
        """The same database for migrations, as its owner."""
        return self._url(service, "owner_database_url") or self.database_url(service)

    def keys_database_url(self, service: ServiceName) -> str:
        """Where a service keeps its people's keys: never in the database of the data."""
        return self._url(service, "keys_database_url") or f"sqlite:///{self.data_dir / 'keys' / service}.db"

    def _url(self, service: ServiceName, which: str) -> str | None:
        secret: SecretStr | None = getattr(self, f"{service.replace('-', '_')}_{which}")
        return secret.get_secret_value() if secret is not None else None


def load(**overrides: Any) -> Settings:
    """Read the settings from the environment; raises SettingsInvalid with every fault."""
    folder = os.environ.get("SECRETS_DIR") or None
    if folder is not None and not Path(folder).is_dir():
        raise SettingsInvalid("These settings cannot be used:\n  SECRETS_DIR: there is no such folder")
    try:
        return Settings(_secrets_dir=folder, **overrides)
    except ValidationError as error:
        lines = [
            f"  {str(fault['loc'][0]).upper() if fault['loc'] else 'settings'}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)
        ]
        raise SettingsInvalid("These settings cannot be used:\n" + "\n".join(lines)) from None


_SECTIONS: Mapping[str, str] = {
    "data_dir": "Where it runs",
    "bus_url": "Event bus, databases, start and stop",
    "master_key_file": "Keys",
    "body_max_bytes": "Limits",
    "consumer_batch_max": "Events",
    "smtp_url": "Delivery of messages to residents",
    "webhook_allowed_networks": "Webhooks",
    "failpoint": "Tests",
}


def env_example() -> str:
    """The text of deploy/env.example: every setting with its comment and default."""
    lines = [
        "# Every setting with its default. An empty value means what the comment says.",
        "# Made by `python -m shared.settings > deploy/env.example`; a test holds it against the code.",
    ]
    for name, field in Settings.model_fields.items():
        if name in _SECTIONS:
            lines += ["", f"# ---- {_SECTIONS[name]}"]
        default = "" if field.default is None else field.default
        number = str(int(default)) if isinstance(default, float) and default.is_integer() else str(default)
        lines += ["", f"# {field.description}", f"{name.upper()}={number}"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(env_example(), end="")
