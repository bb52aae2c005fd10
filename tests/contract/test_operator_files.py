"""Board, rules and runbook say the same as the code, and as one another."""

import re
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.metrics import METRICS
from shared.settings import SERVICE_NAMES
from tests.operator_files import BOARDS, DEPLOY, RULE_TESTS, board, metric_of, names_in, queries, rules

SHOWN_NOWHERE: dict[str, str] = {}
"""Metrics that no board and no rule reads, each with the reason why it is there all the same."""


def _read() -> set[str]:
    expressions = [expression for path in BOARDS for _, expression in queries(path)]
    expressions += [rule["expr"] for kind in ("alert", "record") for rule in rules(kind)]
    return {name for expression in expressions for name in names_in(expression)}


def test_every_metric_that_is_read_is_declared() -> None:
    declared = {metric.name for metric in METRICS} | {rule["record"] for rule in rules("record")}
    histograms = {metric.name for metric in METRICS if metric.kind == "histogram"}
    for name in _read():
        metric = metric_of(name)
        assert metric in declared, name
        assert metric == name or metric in histograms, f"{name}: {metric} is no histogram"


def test_every_metric_that_is_declared_is_read_or_says_why_not() -> None:
    read = {metric_of(name) for name in _read()}
    assert {metric.name for metric in METRICS} - read == set(SHOWN_NOWHERE)


def test_every_recorded_series_is_read() -> None:
    assert {rule["record"] for rule in rules("record")} <= _read()


def test_every_label_that_is_read_is_declared() -> None:
    declared = {label for metric in METRICS for label in metric.labels}
    known = declared | {"service", "instance", "job", "le"}
    grouped = re.compile(r"\b(?:by|on) \(([^)]*)\)")
    matched = re.compile(r"([a-z_]+)(?:=~|!~|!=|=)\"")
    expressions = [expression for path in BOARDS for _, expression in queries(path)]
    for expression in expressions + [rule["expr"] for kind in ("alert", "record") for rule in rules(kind)]:
        labels = {label.strip() for found in grouped.findall(expression) for label in found.split(",")}
        assert labels | set(matched.findall(expression)) <= known, expression


def test_every_alert_that_names_services_names_those_there_are() -> None:
    (missing,) = [rule for rule in rules("alert") if rule["alert"] == "BufferbudgetServiceMissing"]
    assert set(re.findall(r'service="([^"]*)"', missing["expr"])) == set(SERVICE_NAMES)


# ---- alerts and their runbook ----------------------------------------------------------------------------


def test_every_alert_says_how_urgent_it_is_what_is_wrong_and_where_to_read_on() -> None:
    runbook = (DEPLOY / "README.md").read_text(encoding="utf-8")
    anchors = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", runbook, re.M)}
    for alert in rules("alert"):
        assert alert["labels"].keys() == {"severity"}, alert["alert"]
        assert alert["labels"]["severity"] in {"page", "ticket"}, alert["alert"]
        assert alert["annotations"].keys() == {"summary", "description", "runbook"}, alert["alert"]
        file, _, anchor = alert["annotations"]["runbook"].partition("#")
        assert file == "deploy/README.md"
        assert anchor == alert["alert"].lower()
        assert anchor in anchors, f"the runbook has no heading {alert['alert']}"


def test_the_runbook_has_no_paragraph_for_an_alert_that_is_gone() -> None:
    runbook = (DEPLOY / "README.md").read_text(encoding="utf-8")
    headings = set(re.findall(r"^#+ (Bufferbudget[A-Z]\w+)$", runbook, re.M))
    assert headings == {alert["alert"] for alert in rules("alert")}


def test_every_alert_has_a_test_that_it_fires_and_one_that_it_stays_silent() -> None:
    fires: Counter[str] = Counter()
    silent: Counter[str] = Counter()
    for path in RULE_TESTS:
        for story in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            for expected in story["alert_rule_test"]:
                (fires if expected.get("exp_alerts") else silent)[expected["alertname"]] += 1
    assert set(fires) == set(silent) == {alert["alert"] for alert in rules("alert")}


# ---- boards ----------------------------------------------------------------------------------------------


@pytest.fixture(params=BOARDS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    chosen: Path = request.param
    return chosen


def test_a_board_can_be_linked_to_and_stays_what_its_file_says(path: Path) -> None:
    content = board(path)
    assert content["uid"] == path.stem
    assert content["editable"] is False
    assert [variable["name"] for variable in content["templating"]["list"]] == ["service"]


def test_every_panel_reads_the_provisioned_source_and_says_what_it_shows(path: Path) -> None:
    sources = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text())
    uid = {"type": "prometheus", "uid": sources["datasources"][0]["uid"]}
    panels = board(path)["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    for panel in panels:
        if panel["type"] != "row":
            assert panel["datasource"] == uid, panel["title"]
            assert panel["description"].endswith("."), panel["title"]
            assert panel["targets"], panel["title"]


def test_no_two_panels_lie_on_one_another(path: Path) -> None:
    def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
        at = panel["gridPos"]
        return {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}

    for one, other in combinations(board(path)["panels"], 2):
        assert not cells(one) & cells(other), (one["title"], other["title"])
        assert all(x < 24 for x, _ in cells(one)), one["title"]


def test_every_query_can_be_narrowed_to_a_service(path: Path) -> None:
    for title, expression in queries(path):
        assert 'service=~"$service"' in expression, title
