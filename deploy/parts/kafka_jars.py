"""The jars of Apache Kafka: resolved once by Maven into a cache folder, then used again."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from deploy.parts.errors import PartUnavailableError
from deploy.parts.file_lock import locked

_REPOSITORY = Path(__file__).resolve().parents[2]
POM = _REPOSITORY / "deploy" / "kafka" / "pom.xml"
CACHE = _REPOSITORY / "var" / "kafka-jars"

_COMPLETE = "complete"
_POM_NAMESPACE = "{http://maven.apache.org/POM/4.0.0}"
_RESOLVE_SECONDS = 900


def kafka_version() -> str:
    """Return the version of Kafka that the pom pins."""
    found = ElementTree.parse(POM).findtext(f"{_POM_NAMESPACE}properties/{_POM_NAMESPACE}kafka.version")
    if not found:
        raise PartUnavailableError(f"{POM} has no kafka.version property; put it back")
    return found


def have_jars(cache: Path = CACHE) -> bool:
    """Tell whether the cache holds everything that the pom of today asks for."""
    try:
        return (cache / kafka_version() / _COMPLETE).read_text() == _fingerprint()
    except OSError:
        return False


def jar_folder(cache: Path = CACHE) -> Path:
    """Return the folder with all jars, resolving them with `mvn` when they are not there yet.

    A folder appears under its final name only when it is complete, so an interrupted download
    leaves nothing that would be used. Of two callers at once one resolves and the other waits.
    Raises PartUnavailableError when `mvn` is missing or cannot resolve them.
    """
    folder = cache / kafka_version()
    if have_jars(cache):
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / "lock"):
        if not have_jars(cache):
            _resolve_into(folder)
    return folder


def _resolve_into(folder: Path) -> None:
    mvn = shutil.which("mvn")
    if mvn is None:
        raise PartUnavailableError("Kafka's jars are not here and there is no `mvn` to fetch them")
    for leftover in folder.parent.glob(f"{folder.name}.part-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    part = Path(tempfile.mkdtemp(prefix=f"{folder.name}.part-", dir=folder.parent))
    try:
        _copy_dependencies(mvn, part)
        (part / _COMPLETE).write_text(_fingerprint())
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(part, folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _copy_dependencies(mvn: str, target: Path) -> None:
    try:
        done = subprocess.run(
            [
                *(mvn, "--batch-mode", "--quiet", "--strict-checksums", "--file", str(POM)),
                "org.apache.maven.plugins:maven-dependency-plugin:copy-dependencies",
                f"-DoutputDirectory={target}",
                "-DincludeScope=runtime",
            ],
            capture_output=True,
            text=True,
            timeout=_RESOLVE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise PartUnavailableError(
            f"Maven did not resolve Kafka's jars within {_RESOLVE_SECONDS} s; try again"
        ) from late
    if done.returncode != 0 or not any(target.glob("kafka_*.jar")):
        said = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise PartUnavailableError(f"Maven could not resolve Kafka's jars:\n{said}")


def _fingerprint() -> str:
    return hashlib.sha256(POM.read_bytes()).hexdigest()
