"""How the Kafka clients behave, and how they are closed when they do not want to."""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """How this client behaves; the defaults suit a cluster of Apache Kafka."""

    idempotence: bool = True
    """Off only for brokers that speak the protocol without idempotent producers."""
    end_offsets: bool = True
    """Off only for brokers whose end offsets are wrong: lag then has no number of messages."""
    replication: int = -1
    """Copies of a new topic; -1 leaves it to the broker."""
    deadline_seconds: float = 15.0
    """For each publish, commit, and question to the broker."""
    start_seconds: float = 30.0
    """For connecting, and for joining a group."""
    stop_seconds: float = 5.0
    session_seconds: float = 10.0
    max_poll_seconds: float = 300.0
    drain_seconds: float = 5.0
    """How long a rebalance waits for the batch in hand to be committed before it is fenced."""
    stall_seconds: float = 60.0
    """After so long without a message while some wait, a member calls itself unhealthy."""
    batch_bytes: int = 512 * 1024


class Connections(Protocol):
    """The part of a client that holds its sockets."""

    async def close(self) -> None: ...


class Closing:
    """Closes clients aside: their own closing never ends while the broker is away (aiokafka#1101)."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._tasks: set[asyncio.Task[None]] = set()

    def close(self, stopping: Coroutine[Any, Any, None], connections: Connections) -> asyncio.Task[None]:
        """Begin to close a client; what has not ended in time loses its sockets."""
        task = asyncio.create_task(self._close(stopping, connections), name="kafka-closing")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def done(self) -> None:
        """Wait until every client is closed; ends within a few times the deadline of one."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _close(self, stopping: Coroutine[Any, Any, None], connections: Connections) -> None:
        if not await self._ended(stopping):
            await self._ended(connections.close())

    async def _ended(self, work: Coroutine[Any, Any, None]) -> bool:
        """Whether the work came to its end.

        It has a task of its own because the client's closing awaits tasks that it has cancelled: their
        cancellation would pass for ours.
        """
        task = asyncio.create_task(work)
        await asyncio.wait([task], timeout=self._seconds)
        if not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=self._seconds)
            logger.warning("a Kafka client did not close in time")
            return False
        if task.cancelled():
            return False
        if (error := task.exception()) is not None:
            logger.warning("a Kafka client did not close cleanly: %s", type(error).__name__)
        return error is None
