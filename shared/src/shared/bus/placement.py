"""Which partition a key belongs to: the same answer as Kafka's default partitioner, on every bus."""

from functools import lru_cache

from aiokafka.partitioner import murmur2


@lru_cache(maxsize=1 << 17)
def partition_of(key: str, partitions: int) -> int:
    """The partition of a key among `partitions`; stable over processes, versions and buses.

    Remembered because the hash is plain Python and a run meets the same participants again and again.
    """
    return int((murmur2(key.encode()) & 0x7FFFFFFF) % partitions)
