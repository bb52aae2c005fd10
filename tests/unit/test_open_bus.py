"""BUS_URL says which bus it is, and a URL that says something else is refused."""

from pathlib import Path

import pytest

from shared.bus import open_bus
from shared.bus.kafka import KafkaBus
from shared.bus.sqlite_log import SqliteLog
from shared.clock import SystemClock


def test_the_default_is_the_embedded_log(tmp_path: Path) -> None:
    assert isinstance(open_bus("sqlite://", folder=tmp_path, clock=SystemClock()), SqliteLog)
    assert list(tmp_path.iterdir()) == []


async def test_a_kafka_url_names_brokers_and_what_they_cannot_do(tmp_path: Path) -> None:
    bus = open_bus(
        "kafka://one:9092,two:9093?idempotence=no&end_offsets=no&replication=3",
        folder=tmp_path,
        clock=SystemClock(),
    )
    assert isinstance(bus, KafkaBus)
    assert bus.bootstrap == "one:9092,two:9093"
    assert not bus.settings.idempotence
    assert not bus.settings.end_offsets
    assert bus.settings.replication == 3


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sqlite",
        "kafka://",
        "amqp://host:1",
        "kafka://host:1/path",
        "kafka://host:1?acks=0",
        "kafka://h:1?x",
    ],
)
def test_any_other_url_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"BUS_URL|bad query"):
        open_bus(url, folder=tmp_path, clock=SystemClock())
