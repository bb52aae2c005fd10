"""What all parts share: one server process, its folder and its port."""

import atexit
import shutil
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Self

from deploy.parts.errors import PartError, PartFailedError
from deploy.parts.ports import free_port, is_free
from deploy.parts.process import Command, Process


class Part(ABC):
    """One external server on 127.0.0.1, in a given folder or in a temporary one of its own.

    `stop` and `kill` keep the files, so that `restart` finds them again, on the same port. `close`
    also removes what was made outside a given folder. A part is a context manager that closes
    itself, and what is still open when the program ends is closed then. A detached part outlives
    the program.
    """

    name: ClassVar[str]
    ready_within: ClassVar[float] = 60.0
    stop_grace: ClassVar[float] = 15.0

    def __init__(self, folder: Path | None, port: int | None, *, detached: bool = False) -> None:
        """Choose the folder and the port; start nothing yet."""
        if port is not None and not is_free(port):
            raise PartFailedError(f"{self.name}: port {port} is taken; choose another one")
        self._temporary: list[Path] = []
        self._process: Process | None = None
        self._detached = detached
        self.port = free_port() if port is None else port
        if folder is None:
            self.folder = self._temporary_folder()
        else:
            self.folder = folder.resolve()
            self.folder.mkdir(parents=True, exist_ok=True)
        if not detached:
            atexit.register(self.close)

    @classmethod
    @abstractmethod
    def unavailable(cls) -> str | None:
        """Say in one sentence why this part cannot run here; None when nothing stands in the way."""

    @abstractmethod
    def _command(self) -> Command:
        """Return what to run, after preparing the files that it needs."""

    @abstractmethod
    def _ready(self) -> bool:
        """Tell whether the server does its work now; must not block longer than about a second."""

    @property
    def pid(self) -> int:
        """The id of the server process; raises PartError before the start."""
        return self._started().pid

    @property
    def running(self) -> bool:
        """Whether the server process is alive."""
        return self._process is not None and self._process.running

    def stop(self) -> None:
        """End the server gracefully, by force when that takes too long; its files stay."""
        if self._process is not None:
            self._process.stop(grace=self.stop_grace)

    def kill(self) -> None:
        """End the server as a crash would (SIGKILL, nothing flushed or said); its files stay."""
        self._started().kill()

    def restart(self) -> None:
        """Start again on the same port and files, gracefully stopped first when still running."""
        self.stop()
        self._launch()

    def close(self) -> None:
        """Stop, and remove every file that was not put in a given folder."""
        atexit.unregister(self.close)
        self.stop()
        while self._temporary:
            shutil.rmtree(self._temporary.pop(), ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def _launch(self) -> None:
        command = self._command()
        self._process = Process(command)
        try:
            self._process.wait_until(self._ready, what=self.name, within=self.ready_within)
        except BaseException:
            self._process.kill()
            raise
        if self._detached:
            self._process.let_go()

    def _begin(self) -> Self:
        try:
            self._launch()
        except BaseException:
            self.close()
            raise
        return self

    def _started(self) -> Process:
        if self._process is None:
            raise PartError(f"{self.name} has not been started")
        return self._process

    def _temporary_folder(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix=f"bufferbudget-{self.name.lower()}-")).resolve()
        self._temporary.append(folder)
        return folder
