"""One operating-system process: started, watched and ended by its id, never by a name."""

import atexit
import contextlib
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from deploy.parts.errors import PartFailedError

_POLL_SECONDS = 0.02
_LOG_TAIL_LINES = 25


@dataclass(frozen=True)
class Command:
    """What to run: arguments, working folder, file for its output, environment and account.

    `env` is the whole environment; None passes on ours. `account` is a user to become, which only
    root can; None stays who we are.
    """

    argv: Sequence[str]
    cwd: Path
    output: Path
    env: Mapping[str, str] | None = None
    account: str | None = None
    stop_signal: signal.Signals = field(default=signal.SIGTERM)


class AccountOptions(TypedDict, total=False):
    """The arguments of `subprocess` that choose whom a program runs as."""

    user: int
    group: int
    extra_groups: list[int]


class Process:
    """A started command, in a session of its own so that a Ctrl-C here does not reach it."""

    def __init__(self, command: Command) -> None:
        """Start the command; its output is appended to `command.output`."""
        self._command = command
        with command.output.open("ab") as output:
            self._popen = subprocess.Popen(
                list(command.argv),
                cwd=command.cwd,
                env=None if command.env is None else dict(command.env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **account_options(command.account),
            )

    @property
    def pid(self) -> int:
        """The process id, also after the end."""
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How it ended: its code, minus the signal's number, or None while it runs."""
        return self._popen.poll()

    def wait_until(self, ready: Callable[[], bool], *, what: str, within: float) -> None:
        """Return once `ready()` holds; raise PartFailedError when it ends first or after `within` s."""
        deadline = time.monotonic() + within
        while not ready():
            if not self.running:
                code = self._popen.returncode
                raise PartFailedError(f"{what} ended with code {code} while starting.\n{self._tail()}")
            if time.monotonic() > deadline:
                raise PartFailedError(f"{what} was not ready after {within:g} s.\n{self._tail()}")
            time.sleep(_POLL_SECONDS)

    def stop(self, *, grace: float) -> None:
        """Ask it to end, wait `grace` seconds, then kill it. It is gone when this returns."""
        if self.running:
            self._popen.send_signal(self._command.stop_signal)
            try:
                self._popen.wait(grace)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """Kill it and its children at once, as a crash would. They are gone when this returns."""
        if not self.running:
            return
        children = children_of(self.pid)
        self._popen.kill()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self._popen.wait()
        for child in children:
            _wait_for_end(child, within=10)

    def let_go(self) -> None:
        """Leave it running when this program ends, without Python's warning about that."""
        atexit.register(setattr, self._popen, "returncode", 0)

    def _tail(self) -> str:
        try:
            lines = self._command.output.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-_LOG_TAIL_LINES:])


def account_options(account: str | None) -> AccountOptions:
    """Return what `subprocess` needs to run something as this account, with no other groups."""
    if account is None:
        return {}
    entry = pwd.getpwnam(account)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def command_of(pid: int) -> str:
    """Return the command line of a live process, or "" when there is none (a zombie counts as none)."""
    process = Path("/proc") / str(pid)
    if process.parent.joinpath("self").exists():
        try:
            return process.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        except OSError:
            return ""
    asked = subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip()


def end(pid: int, command: str, *, stop_signal: signal.Signals, grace: float) -> bool:
    """End the process with this id if it still runs exactly this command; tell whether it did.

    Asks with `stop_signal` first and kills after `grace` seconds. A process that merely got the
    same id later has another command line and is left alone.
    """
    if not command or command_of(pid) != command:
        return False
    os.kill(pid, stop_signal)
    if not _wait_for_end(pid, within=grace) and command_of(pid) == command:
        os.kill(pid, signal.SIGKILL)
        _wait_for_end(pid, within=10)
    return True


def children_of(pid: int) -> list[int]:
    """Return the ids of the direct children; empty where there is no /proc to read."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = stat.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if len(after_name) > 1 and int(after_name[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def _wait_for_end(pid: int, *, within: float) -> bool:
    deadline = time.monotonic() + within
    while command_of(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
