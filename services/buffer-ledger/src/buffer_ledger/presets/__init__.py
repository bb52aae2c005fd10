"""Policies named after the programmes they are taken from, as data: a start for a scheme, never a promise."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Preset:
    """A policy of a programme as a scheme takes it, and what a live scheme has to add (reading 29)."""

    name: str
    programme: str
    description: str
    unverified: str
    policy: dict[str, Any]
    needs: tuple[str, ...]


@lru_cache(maxsize=1)
def presets() -> dict[str, Preset]:
    """All presets by name."""
    read = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted(FOLDER.glob("*.yaml"))]
    return {each["name"]: Preset(**{**each, "needs": tuple(each["needs"])}) for each in read}
