"""`docs/rules.md` names modules, functions, scenarios and tests; all of them exist."""

import ast
import importlib
import re
from pathlib import Path

import pytest

from tests.scenario_files import scenarios

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip().strip("|").split(" | ")]
    for line in (ROOT / "docs" / "rules.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and "`" in line
]


def _tests() -> set[str]:
    found = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found.add(f"{file.stem}.{node.name}")
    return found


TITLES = {scenario.title for scenario in scenarios()}
TESTS = _tests()


def test_the_table_has_every_kind_of_rule() -> None:
    assert len(ROWS) >= 40
    assert all(len(row) == 4 for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_what_a_rule_names_exists(row: list[str]) -> None:
    _, article, place, shown = row
    assert article
    match = re.fullmatch(r"`(\w+)\.(\w+)`", place)
    assert match is not None, place
    module = importlib.import_module(f"buffer_ledger.{match[1]}")
    assert hasattr(module, match[2]), place
    assert shown in TITLES or shown in TESTS, shown
