"""The bus: one port, a durable log in SQLite for one machine, Apache Kafka for many."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from shared.bus.kafka import KafkaBus
from shared.bus.kafka_clients import KafkaSettings
from shared.bus.port import Bus
from shared.bus.sqlite_log import SqliteLog
from shared.clock import Clock

__all__ = ["open_bus"]


def open_bus(
    url: str,
    *,
    folder: Path,
    clock: Clock,
    retention: Mapping[str, timedelta] | None = None,
) -> Bus:
    """Make the bus that the setting BUS_URL names; it starts nothing.

    `sqlite://` is the embedded log in `folder`; `kafka://host:port[,host:port]` a Kafka cluster, with the
    options `idempotence=no`, `end_offsets=no` (for brokers that cannot), `replication=3` and `session=10`
    (seconds after which a dead consumer's partitions go to another). `retention` is by topic; a topic
    without one keeps everything. ValueError when the URL is neither.
    """
    if url == "sqlite://":
        return SqliteLog(folder, clock, retention=retention)
    parts = urlsplit(url)
    if parts.scheme != "kafka" or not parts.netloc or parts.path not in ("", "/"):
        raise ValueError("BUS_URL is sqlite:// or kafka://host:port[,host:port]")
    options = {
        name: values[-1] for name, values in parse_qs(parts.query, strict_parsing=bool(parts.query)).items()
    }
    settings = KafkaSettings(
        idempotence=options.pop("idempotence", "yes") == "yes",
        end_offsets=options.pop("end_offsets", "yes") == "yes",
        replication=int(options.pop("replication", "-1")),
        session_seconds=float(options.pop("session", "10")),
    )
    if options:
        raise ValueError(f"BUS_URL has unknown options: {', '.join(sorted(options))}")
    return KafkaBus(parts.netloc, settings=settings, retention=retention)
