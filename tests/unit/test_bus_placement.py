"""Both buses place a key alike, as Kafka's own client does."""

import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as some

from shared.bus.placement import partition_of


@given(some.text(), some.integers(min_value=1, max_value=64))
def test_a_key_lies_where_kafka_s_default_partitioner_puts_it(key: str, partitions: int) -> None:
    everything = list(range(partitions))
    assert partition_of(key, partitions) == DefaultPartitioner()(key.encode(), everything, everything)


@pytest.mark.parametrize(
    ("key", "hash_in_java"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_the_hash_is_that_of_the_java_client(key: str, hash_in_java: int) -> None:
    """The values stand in Apache Kafka's own test of its murmur2."""
    assert partition_of(key, 1 << 31) == hash_in_java & 0x7FFFFFFF
