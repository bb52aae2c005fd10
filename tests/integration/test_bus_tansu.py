"""The Kafka client on the small broker that PyPI brings: what runs where Apache Kafka cannot be had.

It has no idempotent producer and its end offsets are wrong, so both are switched off, and lag has no number.
"""

from uuid import uuid4

import pytest

from deploy.parts.tansu import Tansu
from shared.bus.kafka import KafkaBus
from shared.bus.kafka_clients import KafkaSettings
from tests.integration.bus_conformance import BusConformance, BusUnderTest


class TestTansu(BusConformance):
    @pytest.fixture
    def place(self, tansu: Tansu) -> BusUnderTest:
        prefix = f"t{uuid4().hex[:12]}."

        def connect(max_poll_seconds: float) -> KafkaBus:
            settings = KafkaSettings(
                idempotence=False,
                end_offsets=False,
                replication=1,
                session_seconds=3.0,
                max_poll_seconds=max_poll_seconds,
                drain_seconds=1.0,
            )
            return KafkaBus(tansu.bootstrap, settings=settings, topic_prefix=prefix, group_prefix=prefix)

        return BusUnderTest(connect, counts_lag=False)
