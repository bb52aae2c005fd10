"""Prometheus itself with a given configuration, on 127.0.0.1 only, and its tool promtool."""

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, ClassVar, Self

from deploy.parts.errors import PartFailedError, PartUnavailableError
from deploy.parts.part import Part
from deploy.parts.ports import LOOPBACK
from deploy.parts.process import Command
from deploy.parts.prometheus_package import can_unpack, have_programs, program

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Prometheus(Part):
    """A real Prometheus server; the folder gets its samples and `prometheus.log`."""

    name: ClassVar[str] = "Prometheus"
    ready_within: ClassVar[float] = 30.0

    def __init__(self, config: Path, folder: Path | None = None, *, port: int | None = None) -> None:
        """Use `start`; this only prepares."""
        super().__init__(folder, port)
        self._config = config.resolve()

    @classmethod
    def start(cls, config: Path, folder: Path | None = None, *, port: int | None = None) -> Self:
        """Start a server with this configuration file and return it once it answers queries.

        Rule files are found relative to the configuration file. The first start on a machine may
        fetch and unpack Debian's package. Raises PartUnavailableError or PartFailedError.
        """
        reason = cls.unavailable()
        if reason is not None:
            raise PartUnavailableError(reason)
        return cls(config, folder, port=port)._begin()

    @classmethod
    def unavailable(cls) -> str | None:
        """Say in one sentence why Prometheus cannot run here, or None. Downloads nothing."""
        if have_programs() or can_unpack():
            return None
        return (
            "Prometheus is not here: there are no `prometheus` and `promtool` on PATH, and no "
            "`apt-get` with `dpkg-deb` to unpack Debian's package."
        )

    @staticmethod
    def promtool(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run promtool to its end; the caller looks at `returncode`, `stdout` and `stderr`."""
        return subprocess.run(
            [program("promtool"), *arguments],
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @property
    def url(self) -> str:
        """The server's address, `http://host:port`."""
        return f"http://{LOOPBACK}:{self.port}"

    def query(self, expression: str) -> list[Any]:
        """Return the `result` of a PromQL expression now; raises PartFailedError when refused."""
        asked = f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        try:
            with _DIRECT.open(asked, timeout=30) as answer:
                body = json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                said = refused.read().decode(errors="replace")
            raise PartFailedError(f"Prometheus refused {expression!r}: {said}") from refused
        result: list[Any] = body["data"]["result"]
        return result

    def _command(self) -> Command:
        return Command(
            argv=[
                program("prometheus"),
                f"--config.file={self._config}",
                f"--storage.tsdb.path={self.folder / 'samples'}",
                f"--web.listen-address={LOOPBACK}:{self.port}",
            ],
            cwd=self.folder,
            output=self.folder / "prometheus.log",
        )

    def _ready(self) -> bool:
        try:
            with _DIRECT.open(f"{self.url}/-/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as starting:
            starting.close()
            return False
        except OSError:
            return False
