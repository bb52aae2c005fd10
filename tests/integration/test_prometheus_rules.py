"""promtool accepts configuration and rules, and each alert fires and stays silent as its tests say."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from deploy.parts.errors import PartUnavailableError
from deploy.parts.prometheus import Prometheus
from tests.real_parts import do_without

FOLDER = Path(__file__).parents[2] / "deploy" / "prometheus"
Promtool = Callable[..., CompletedProcess[str]]


@pytest.fixture(scope="module")
def prometheus() -> Promtool:
    """promtool, run in the folder of the configuration."""
    reason = Prometheus.unavailable()
    if reason is None:
        try:
            Prometheus.promtool("--version")
        except PartUnavailableError as missing:
            reason = str(missing)
    if reason is not None:
        do_without(reason)
    return lambda *arguments: Prometheus.promtool(*arguments, cwd=FOLDER)


@pytest.mark.parametrize("name", ["prometheus.yml", "embedded.yml"])
def test_prometheus_accepts_the_configuration_of_each_shape_with_its_rules(
    prometheus: Promtool, name: str
) -> None:
    checked = prometheus("check", "config", "--lint=all", "--lint-fatal", name)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "rule files found" in checked.stdout


@pytest.mark.parametrize("name", sorted(path.name for path in (FOLDER / "tests").glob("*.yaml")))
def test_alerts_fire_when_they_should_and_only_then(prometheus: Promtool, name: str) -> None:
    tested = prometheus("test", "rules", f"tests/{name}")
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_a_rule_test_that_expects_something_else_fails(prometheus: Promtool, tmp_path: Path) -> None:
    expectation = (FOLDER / "tests" / "services.yaml").read_text(encoding="utf-8")
    rules = "".join(f"{FOLDER / 'rules' / name}, " for name in ("recording.yaml", "alerts.yaml"))
    wrong = expectation.replace("../rules/recording.yaml, ../rules/alerts.yaml", rules.removesuffix(", "))
    (tmp_path / "wrong.yaml").write_text(wrong.replace("{service: notifier, severity: page}", "{}"))
    assert prometheus("test", "rules", str(tmp_path / "wrong.yaml")).returncode != 0
