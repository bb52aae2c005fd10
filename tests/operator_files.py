"""What operators read: the boards and rules under deploy/, as tests look at them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[1] / "deploy"
BOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
RULES = sorted((DEPLOY / "prometheus" / "rules").glob("*.yaml"))
RULE_TESTS = sorted((DEPLOY / "prometheus" / "tests").glob("*.yaml"))

_NAME = re.compile(r"\b(?:[a-z]+:)?bufferbudget_[a-z0-9_:]+")
_SELECTOR = re.compile(r"\b(?:(?:[a-z]+:)?bufferbudget_[a-z0-9_:]+(?:\{[^}]*\})?|up\{[^}]*\})")
_OF_HISTOGRAM = re.compile(r"_(?:bucket|sum|count)$")


def board(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def queries(path: Path) -> Iterator[tuple[str, str]]:
    """Every query of a board, with the title of its panel."""
    for panel in board(path)["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def rules(kind: str) -> list[dict[str, Any]]:
    """All rules of a kind: `alert` or `record`."""
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def names_in(expression: str) -> set[str]:
    """Series that an expression reads: metrics as they are scraped, and recorded ones (`service:...`)."""
    without_strings = re.sub(r"\"[^\"]*\"", '""', expression)
    return set(_NAME.findall(without_strings))


def selectors_in(expression: str) -> set[str]:
    """What an expression selects: names with their matchers, such as `bufferbudget_ready{service="x"}`."""
    return set(_SELECTOR.findall(expression))


def metric_of(series: str) -> str:
    """The metric a series belongs to: that of a histogram for its `_bucket`."""
    return _OF_HISTOGRAM.sub("", series)
