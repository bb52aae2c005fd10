"""The programs `prometheus` and `promtool`: those on PATH, else out of Debian's package."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from deploy.parts.errors import PartUnavailableError
from deploy.parts.file_lock import locked

UNPACKED = Path(__file__).resolve().parents[2] / "var" / "prometheus"

_PACKAGE = "prometheus"
_PROGRAMS = ("prometheus", "promtool")
_DOWNLOAD_SECONDS = 600


def have_programs() -> bool:
    """Tell whether both programs are here already."""
    return _on_path() or _unpacked()


def can_unpack() -> bool:
    """Tell whether Debian's tools to fetch and unpack a package are here."""
    return shutil.which("apt-get") is not None and shutil.which("dpkg-deb") is not None


def program(name: str) -> str:
    """Return the path of `prometheus` or `promtool`, unpacking Debian's package when needed.

    Nothing is installed: the package is unpacked into `var/prometheus`, which appears only when
    complete. Of two callers at once one unpacks and the other waits. Raises PartUnavailableError.
    """
    found = shutil.which(name)
    if found is not None and _on_path():
        return found
    if not _unpacked():
        if not can_unpack():
            raise PartUnavailableError(f"there is no `{name}` on PATH and no `apt-get` to fetch it")
        UNPACKED.parent.mkdir(parents=True, exist_ok=True)
        with locked(UNPACKED.parent / "prometheus.lock"):
            if not _unpacked():
                _unpack()
    return str(UNPACKED / "usr" / "bin" / name)


def _unpack() -> None:
    part = Path(tempfile.mkdtemp(prefix="prometheus.part-", dir=UNPACKED.parent))
    try:
        if not _download_into(part):
            _run(["apt-get", "update"], part)
            if not _download_into(part):
                raise PartUnavailableError("apt-get could not download the package `prometheus`")
        (package,) = part.glob("*.deb")
        _run(["dpkg-deb", "-x", str(package), str(part / "tree")], part)
        if UNPACKED.exists():
            shutil.rmtree(UNPACKED)
        os.replace(part / "tree", UNPACKED)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _download_into(folder: Path) -> bool:
    _run(["apt-get", "download", _PACKAGE], folder)
    return any(folder.glob("*.deb"))


def _run(argv: Sequence[str], folder: Path) -> None:
    """Run a tool and leave it to the caller to look for what it should have made."""
    try:
        subprocess.run(argv, cwd=folder, capture_output=True, timeout=_DOWNLOAD_SECONDS, check=False)
    except subprocess.TimeoutExpired as late:
        raise PartUnavailableError(f"`{' '.join(argv)}` took over {_DOWNLOAD_SECONDS} s") from late


def _on_path() -> bool:
    return all(shutil.which(name) for name in _PROGRAMS)


def _unpacked() -> bool:
    return all(os.access(UNPACKED / "usr" / "bin" / name, os.X_OK) for name in _PROGRAMS)
