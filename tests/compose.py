"""deploy/compose.yaml and deploy/Dockerfile as tests read them: with the real Compose, without an engine."""

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
DOCKERFILE = DEPLOY / "Dockerfile"
OURS = {"income-intake": "income_intake", "buffer-ledger": "buffer_ledger", "notifier": "notifier"}
"""Compose service -> the module it runs."""

_BIN = Path(sys.executable).parent


def tool(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a tool of the virtual environment in the checkout."""
    kept = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME"}}
    return subprocess.run(
        [str(_BIN / name), *arguments],
        cwd=ROOT,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@cache
def compose() -> dict[str, Any]:
    """The whole configuration as Compose understands it; secrets would lie in /secrets-of-test."""
    configured = tool(
        *("docker-compose", "-f", str(DEPLOY / "compose.yaml"), "config", "--format", "json"),
        BUFFERBUDGET_SECRETS="/secrets-of-test",
    )
    assert configured.returncode == 0, configured.stderr
    content: dict[str, Any] = json.loads(configured.stdout)
    return content


def dockerfile() -> str:
    """The Dockerfile with continued lines joined and comments left out."""
    joined = DOCKERFILE.read_text(encoding="utf-8").replace("\\\n", " ")
    return "\n".join(line for line in joined.splitlines() if not line.startswith("#"))


def image_environment() -> dict[str, str]:
    """What the image's last stage sets for every process."""
    last_stage = dockerfile().split("\nFROM ")[-1]
    (line,) = re.findall(r"^ENV (.+)$", last_stage, re.M)
    return dict(pair.split("=", 1) for pair in line.split())


def environment_of(service: str) -> dict[str, str]:
    """All variables a container of this service sees from image and Compose."""
    given: dict[str, str] = compose()["services"][service].get("environment", {})
    return image_environment() | given


def secrets_of(service: str) -> dict[str, str]:
    """The secrets a container sees: file name under /run/secrets -> name in Compose."""
    mounted = compose()["services"][service].get("secrets", [])
    return {Path(secret.get("target") or secret["source"]).name: secret["source"] for secret in mounted}
