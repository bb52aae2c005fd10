"""A real Prometheus scrapes the running system: every query of the board and every alert has data to see."""

import asyncio
import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
import yaml

from deploy.parts.errors import PartUnavailableError
from deploy.parts.ports import LOOPBACK, free_port
from deploy.parts.prometheus import Prometheus
from shared.months import Month
from shared.settings import SERVICE_NAMES
from tests.e2e.post_box import PostBox
from tests.e2e.scenario import at, close, open_scheme, send_batch, slip
from tests.e2e.system import Office, System
from tests.operator_files import BOARDS, DEPLOY, queries, rules, selectors_in
from tests.real_parts import do_without

DATA_SECONDS_MAX = 45
JANUARY = Month(2026, 1)
GRAFANA = {"$__rate_interval": "30s", "$__range": "10m", "$service": "|".join(SERVICE_NAMES)}
"""What Grafana would put in place of its variables."""


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory, post_box: PostBox) -> Iterator[System]:
    """The embedded shape with a port for Prometheus."""
    folder = tmp_path_factory.mktemp("scraped")
    settings = {"SMTP_URL": post_box.url, "METRICS_PORT": str(free_port())}
    running = System("embedded", folder, settings)
    running.set_clock_start()
    running.start_all()
    yield running
    running.stop_all()


@pytest.fixture(scope="module")
def prometheus(scraped: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus with the rules and the configuration of the embedded shape, but looking every second."""
    reason = Prometheus.unavailable()
    if reason is not None:
        do_without(reason)
    config = yaml.safe_load((DEPLOY / "prometheus" / "embedded.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(DEPLOY / "prometheus" / "rules" / "*.yaml")]
    (target,) = config["scrape_configs"][0]["static_configs"]
    target["targets"] = [f"{LOOPBACK}:{scraped.environment['METRICS_PORT']}"]
    file = tmp_path_factory.mktemp("prometheus") / "prometheus.yml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    try:
        part = Prometheus.start(file)
    except PartUnavailableError as missing:
        do_without(str(missing))
        raise
    with part:
        _wait_for(part, 'count(bufferbudget_ready == 1) == 3 and on () up{job="bufferbudget"} == 1')
        yield part


async def test_every_query_of_the_board_and_every_alert_has_data_after_a_small_story(
    scraped: System, prometheus: Prometheus
) -> None:
    office = Office(scraped, "0344")
    try:
        await _two_months_of_somebody(office)
    finally:
        await office.aclose()
    _wait_for(prometheus, "sum(bufferbudget_drawn_cents_total) == 46820")
    _wait_for(prometheus, 'sum(bufferbudget_messages_total{outcome="sent"}) == 1')
    wanted = {f"{path.stem}: {title}": _resolved(query) for path in BOARDS for title, query in queries(path)}
    for kind in ("alert", "record"):
        for rule in rules(kind):
            wanted |= {f"{rule[kind]}: {selector}": selector for selector in selectors_in(rule["expr"])}
    assert _without_data(prometheus, wanted) == {}
    told = {title: _numbers(prometheus.query(query)) for title, query in wanted.items()}
    assert told["bufferbudget: Services ready"] == [3]
    assert told["bufferbudget: Ledger faults"] == [0]
    assert told["bufferbudget: Parked messages"] == [0]
    assert sum(_numbers(prometheus.query('bufferbudget_months_below_floor_total{buffer="without"}'))) == 1
    assert sum(_numbers(prometheus.query('bufferbudget_months_below_floor_total{buffer="with"}'))) == 0
    assert max(told["bufferbudget: Below the floor without the buffer"]) >= 1


def test_no_rule_fails_and_no_alert_fires_while_all_is_well(prometheus: Prometheus) -> None:
    answer = httpx.get(f"{prometheus.url}/api/v1/rules", trust_env=False).json()
    health = {rule["name"]: rule["health"] for group in answer["data"]["groups"] for rule in group["rules"]}
    assert health == {rule[kind]: "ok" for kind in ("alert", "record") for rule in rules(kind)}
    assert prometheus.query('ALERTS{alertstate="firing"}') == []


async def _two_months_of_somebody(office: Office) -> None:
    """A wage that falls, a correction, a duplicate and a line that is refused; one draw, one message."""
    system = office.system
    at(system, Month(2025, 12))
    (person,) = (await open_scheme(office)).people
    first = slip(person, JANUARY, 60_000, version=1)
    await send_batch(office, [first, first, slip(person, JANUARY, 70_000, version=2), {"no": "slip"}])
    await send_batch(office, [slip(person, JANUARY.plus(1), 25_000)])
    await office.quiet()
    for month in (JANUARY, JANUARY.plus(1)):
        at(system, month.plus(1))
        await close(office, month)
        await office.quiet()
    for _ in range(4):  # a route whose first requests fall between two looks shows no rate yet
        await office.items("/messages", participantId=person)
        await asyncio.sleep(1.2)


def _without_data(prometheus: Prometheus, wanted: Mapping[str, str]) -> dict[str, str]:
    """The queries that give no number within the time allowed."""
    empty = dict(wanted)
    deadline = time.monotonic() + DATA_SECONDS_MAX
    while empty and time.monotonic() < deadline:
        empty = {title: query for title, query in empty.items() if not _numbers(prometheus.query(query))}
        time.sleep(0.2 if empty else 0)
    return empty


def _resolved(query: str) -> str:
    for variable, value in GRAFANA.items():
        query = query.replace(variable, value)
    assert "$" not in query, query
    return query


def _numbers(result: list[Any]) -> list[float]:
    found = [float(sample["value"][1]) for sample in result]
    return [number for number in found if not math.isnan(number)]


def _wait_for(prometheus: Prometheus, condition: str) -> None:
    deadline = time.monotonic() + DATA_SECONDS_MAX
    while not prometheus.query(condition):
        assert time.monotonic() < deadline, f"did not come true: {condition}"
        time.sleep(0.2)
