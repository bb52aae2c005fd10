"""The server that the demo talks to: the embedded shape in its own process, on a clock the demo moves."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import httpx

from shared.clock import format_instant

START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30


class DemoServer:
    """The embedded shape on a free port, with its data, its clock and its log under one folder."""

    def __init__(self, folder: Path, smtp_url: str) -> None:
        self._folder = folder
        self._clock = folder / "clock"
        self._log = folder / "server.log"
        self._smtp_url = smtp_url
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def set_clock(self, instant: datetime) -> None:
        """Move the time; the file is replaced in one step because the server reads it at any moment."""
        beside = self._clock.with_suffix(".next")
        beside.write_text(format_instant(instant), encoding="utf-8")
        beside.replace(self._clock)

    def start(self) -> None:
        """Start and wait until it is ready; else RuntimeError with the end of its log."""
        environment = os.environ | {
            "DATA_DIR": str(self._folder),
            "PORT": "0",
            "HOST": "127.0.0.1",
            "CLOCK": f"file:{self._clock}",
            "SMTP_URL": self._smtp_url,
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "deploy.all_in_one"], env=environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            if self._is_ready():
                return
            time.sleep(0.05)
        self.stop()
        end = self._log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise RuntimeError(f"The server did not become ready. The end of {self._log}:\n{end}")

    def _is_ready(self) -> bool:
        announced = self._folder / "server.json"
        if not announced.exists():
            return False
        self.url = json.loads(announced.read_text(encoding="utf-8"))["url"]
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def stop(self) -> int:
        """Ask it to stop, wait, and return its exit code; a server that does not stop is killed."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
