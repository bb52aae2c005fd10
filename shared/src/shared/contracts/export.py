"""The committed documents of the contracts, and whether they are what the code says."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from shared.contracts.asyncapi import document
from shared.contracts.catalogue import ALL_EVENTS
from shared.contracts.schemas import schema_of

FOLDER = Path(__file__).parent
SCHEMAS = "schemas"
EXAMPLES = "examples"
SUFFIX = ".schema.json"


class _Plain(yaml.SafeDumper):
    """Writes long texts as blocks and repeats equal parts instead of pointing at them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Plain.add_representer(str, _text)


def documents(folder: Path = FOLDER) -> dict[Path, str]:
    """Every document that the code makes, by its path; the examples are read, they are written by people."""
    files = {
        folder / SCHEMAS / f"{event.type_name()}{SUFFIX}": json.dumps(
            schema_of(event), indent=2, ensure_ascii=False
        )
        + "\n"
        for event in ALL_EVENTS
    }
    files[folder / "asyncapi.yaml"] = yaml.dump(
        document(examples(folder)), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110
    )
    return files


def examples(folder: Path = FOLDER) -> dict[str, dict[str, dict[str, Any]]]:
    """The examples by type and name."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for path in sorted((folder / EXAMPLES).glob("*/*.json")):
        found.setdefault(path.parent.name, {})[path.stem] = json.loads(path.read_text(encoding="utf-8"))
    return found


def export(folder: Path = FOLDER) -> list[Path]:
    """Write the documents and remove schemas of events that are gone; returns what changed."""
    wanted = documents(folder)
    changed = stale(folder)
    for path in changed:
        if path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
        else:
            path.unlink()
    return changed


def stale(folder: Path = FOLDER) -> list[Path]:
    """Documents that differ from what the code says, or that no event has any more."""
    wanted = documents(folder)
    differing = [
        path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    orphans = [path for path in sorted((folder / SCHEMAS).glob("*")) if path not in wanted]
    return differing + orphans


def schemas_at(reference: str, folder: Path = FOLDER) -> Mapping[str, dict[str, Any]]:
    """The committed schemas at a git reference; none where there were none. ValueError for an unknown one."""
    _git(folder, "rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}")
    names = _git(folder, "ls-tree", "--name-only", reference, f"./{SCHEMAS}/").splitlines()
    return {
        Path(name).name.removesuffix(SUFFIX): json.loads(_git(folder, "show", f"{reference}:./{name}"))
        for name in names
        if name.endswith(SUFFIX)
    }


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ValueError(f"git {words[0]} says: {done.stderr.strip() or 'there is no such reference'}")
    return done.stdout
