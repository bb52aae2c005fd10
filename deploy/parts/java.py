"""The Java that runs the broker."""

import os
import re
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

_VERSION = re.compile(r'version "(?P<full>(?:1\.)?(?P<major>\d+)[^"]*)"')


def java_program() -> str | None:
    """Return the path of `java`: the one of JAVA_HOME when that is set, else the first on PATH."""
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").exists():
        return str(Path(home) / "bin" / "java")
    return shutil.which("java")


@lru_cache
def java_version(program: str) -> tuple[int, str] | None:
    """Return the major and the full version that this `java` reports; None when it does not run."""
    try:
        asked = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    found = _VERSION.search(asked.stderr + asked.stdout)
    return None if found is None else (int(found["major"]), found["full"])
