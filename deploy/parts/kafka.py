"""Apache Kafka itself: one node that is broker and controller, on 127.0.0.1 only."""

import base64
import os
import shutil
import signal
import subprocess
import uuid
from pathlib import Path
from typing import ClassVar, Self

from deploy.parts.errors import PartFailedError, PartUnavailableError
from deploy.parts.java import java_program, java_version
from deploy.parts.kafka_jars import CACHE, have_jars, jar_folder
from deploy.parts.kafka_probe import live_brokers
from deploy.parts.part import Part
from deploy.parts.ports import LOOPBACK, free_port
from deploy.parts.process import Command

_LEAST_JAVA = 17

# A JVM that ends because of SIGTERM reports 128 + 15.
_GRACEFUL_EXITS = (0, 128 + signal.SIGTERM)

_JVM = (
    "-Xms128m",
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
)

# One node, so every replication factor is 1. The broker session is short because a killed broker
# is not admitted again before its old session has ended: with Kafka's own 9 s a restart takes 11 s.
_SERVER = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
listeners=PLAINTEXT://{host}:{broker},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{broker}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable={auto_create}
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=250
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=16777216
"""

_LOGGING = """\
status = error
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = {folder}/kafka.log
appender.file.filePattern = {folder}/kafka.log.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{ISO8601}} %p %c{{1}} %m%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 10MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 2
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
"""


class Kafka(Part):
    """A real Apache Kafka broker (KRaft). Topics and committed offsets survive `restart`.

    The folder gets `server.properties`, `data/`, `kafka.log` and `console.log`. Topics are not
    created by merely writing to them unless `auto_create_topics` is set.
    """

    name: ClassVar[str] = "Kafka"

    def __init__(
        self,
        folder: Path | None = None,
        *,
        port: int | None = None,
        detached: bool = False,
        auto_create_topics: bool = False,
        jar_cache: Path = CACHE,
    ) -> None:
        """Use `start`; this only prepares."""
        super().__init__(folder, port, detached=detached)
        self._auto_create = auto_create_topics
        self._controller_port = free_port()
        self._jars = jar_folder(jar_cache)

    @classmethod
    def start(
        cls,
        folder: Path | None = None,
        *,
        port: int | None = None,
        detached: bool = False,
        auto_create_topics: bool = False,
        jar_cache: Path = CACHE,
    ) -> Self:
        """Start a broker and return it once clients can create topics, write and read.

        A folder that was used before is used again with its topics; without one a temporary
        folder is made, which `close` removes. The first start on a machine lets Maven fetch the
        jars. Raises PartUnavailableError or PartFailedError.
        """
        reason = cls.unavailable(jar_cache)
        if reason is not None:
            raise PartUnavailableError(reason)
        part = cls(
            folder,
            port=port,
            detached=detached,
            auto_create_topics=auto_create_topics,
            jar_cache=jar_cache,
        )
        return part._begin()

    @classmethod
    def unavailable(cls, jar_cache: Path = CACHE) -> str | None:
        """Say in one sentence why Kafka cannot run here, or None. Downloads nothing."""
        program = java_program()
        if program is None:
            return f"Kafka needs Java {_LEAST_JAVA} or newer and there is no `java` on PATH or in JAVA_HOME."
        version = java_version(program)
        if version is None:
            return f"Kafka needs Java {_LEAST_JAVA} or newer and `java -version` does not run here."
        if version[0] < _LEAST_JAVA:
            return f"Kafka needs Java {_LEAST_JAVA} or newer and this is Java {version[1]}."
        if not have_jars(jar_cache) and shutil.which("mvn") is None:
            return "Kafka's jars are not in the cache and there is no `mvn` on PATH to fetch them."
        return None

    @property
    def bootstrap(self) -> str:
        """The address for clients, `host:port`."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        """The same as a URL, `kafka://host:port`."""
        return f"kafka://{self.bootstrap}"

    def stop(self) -> None:
        """End the broker gracefully; topics and offsets stay in the folder."""
        was_running = self.running
        super().stop()
        if was_running:
            self._keep_class_archive()

    def _command(self) -> Command:
        self._write_settings()
        if not (self.folder / "data" / "meta.properties").exists():
            self._format()
        return Command(
            argv=[
                *self._java(learn_classes=True),
                *("kafka.Kafka", str(self.folder / "server.properties")),
            ],
            cwd=self.folder,
            output=self.folder / "console.log",
        )

    def _ready(self) -> bool:
        return live_brokers(self.port) > 0

    def _write_settings(self) -> None:
        (self.folder / "tmp").mkdir(exist_ok=True)
        (self.folder / "log4j2.properties").write_text(_LOGGING.format(folder=self.folder))
        (self.folder / "server.properties").write_text(
            _SERVER.format(
                host=LOOPBACK,
                broker=self.port,
                controller=self._controller_port,
                data=self.folder / "data",
                auto_create=str(self._auto_create).lower(),
            )
        )

    def _format(self) -> None:
        tool = [*self._java(learn_classes=False), "kafka.tools.StorageTool"]
        config = ["--config", str(self.folder / "server.properties")]
        formatted = subprocess.run(
            [*tool, "format", *config, "--cluster-id", _new_cluster_id()],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if formatted.returncode != 0:
            raise PartFailedError(f"Kafka's storage tool refused: {formatted.stderr[-2000:]}")

    def _java(self, *, learn_classes: bool) -> list[str]:
        program = java_program()
        if program is None:
            raise PartUnavailableError("`java` has gone since the check; install it again")
        archive = self._class_archive
        if archive.exists():
            sharing = [f"-XX:SharedArchiveFile={archive}", "-Xlog:cds=off", "-Xlog:class+path=off"]
        elif learn_classes and not self._detached:
            sharing = [f"-XX:ArchiveClassesAtExit={self._learned_classes}", "-Xlog:cds=off"]
        else:
            sharing = []
        return [
            *(program, *_JVM, *sharing),
            f"-Djava.io.tmpdir={self.folder / 'tmp'}",
            f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}",
            *("-cp", os.pathsep.join(str(jar) for jar in sorted(self._jars.glob("*.jar")))),
        ]

    @property
    def _class_archive(self) -> Path:
        """Loaded classes as the JVM maps them; halves the start. A Java of another version has its own."""
        version = java_version(java_program() or "java")
        return self._jars / f"classes-{version[1] if version else 'unknown'}.jsa"

    @property
    def _learned_classes(self) -> Path:
        return self.folder / "classes.jsa"

    def _keep_class_archive(self) -> None:
        """Put what the JVM wrote at its graceful end beside the jars, for the next starts."""
        graceful = self._started().exit_code in _GRACEFUL_EXITS
        if not graceful or not self._learned_classes.exists():
            return
        beside = self._class_archive.with_suffix(f".{os.getpid()}")
        shutil.move(self._learned_classes, beside)
        os.replace(beside, self._class_archive)


def _new_cluster_id() -> str:
    """Return 16 random bytes in URL-safe base64, as Kafka writes ids; never with a leading dash."""
    while True:
        made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not made.startswith("-"):
            return made
