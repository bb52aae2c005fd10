"""What holds for every test: a clean environment, and last lines that say what ran on which real part."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.real_parts import PARTS, REQUIRED, group_of, part_of

pytest_plugins = ["tests.part_fixtures"]

# Nothing here is about time: a machine that is busy with another process's tests is not a finding.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

_SETTINGS_PREFIXES = (
    *(
        "BODY_",
        "BATCH_",
        "BUFFER_LEDGER_",
        "BUS_",
        "CLOCK",
        "CONNECTIONS_",
        "CONSUMER_",
        "CONTACT_",
        "DATA_",
        "DRAIN_",
        "FAILPOINT",
    ),
    *(
        "HOST",
        "IDEMPOTENCY_",
        "INCOME_",
        "KEEP_",
        "LAG_",
        "LEASE_",
        "LETTER_",
        "LOG_",
        "MAIL_",
        "MASTER_",
        "METRICS_",
    ),
    *("NOTIFIER_", "OIN", "PARKED_", "PORT", "PUBLIC_", "RELAY_", "SECRETS_", "SMTP_", "STARTUP_", "TOKEN_"),
)
_PARTS_USED = "parts used"
_outcomes: dict[str, Counter[str]] = defaultdict(Counter)
_left_out: dict[str, set[str]] = defaultdict(set)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own settings may not change what a test sees."""
    for name in tuple(os.environ):
        if name.startswith(_SETTINGS_PREFIXES):
            monkeypatch.delenv(name)


def pytest_itemcollected(item: pytest.Item) -> None:
    if (group := group_of(item)) is not None:
        item.add_marker(pytest.mark.xdist_group(group))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Two brokers that stop each other's tests would look like a fault of ours."""
    if session.config.getoption("loadgroup", False):
        apart = [item.nodeid for item in session.items if group_of(item) and "@" not in item.nodeid]
        if apart:
            raise pytest.UsageError(f"pytest-xdist did not group the tests of the real parts: {apart[0]}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Note the parts on the report: with several processes the tests and the last lines are apart."""
    outcome = yield
    report: pytest.TestReport = outcome.get_result()  # type: ignore[attr-defined]
    report.user_properties.append((_PARTS_USED, part_of(item) or ["embedded"]))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    names: object = dict(report.user_properties)[_PARTS_USED]
    assert isinstance(names, list)
    if report.when == "call" and not report.skipped:
        for name in names:
            _outcomes[name][report.outcome] += 1
    elif report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        for name in names:
            _outcomes[name]["skipped"] += 1
            _left_out[name].add(reason.removeprefix("Skipped: "))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Where all real parts are required a skip is a failure: what did not run was not seen."""
    if REQUIRED and any(counts["skipped"] for counts in _outcomes.values()) and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("what ran on which part")
    for name, title in PARTS.items():
        counts = _outcomes.get(name)
        if counts is None:
            terminalreporter.line(f"{title}: nothing selected")
            continue
        told = ", ".join(f"{number} {word}" for word, number in sorted(counts.items()))
        terminalreporter.line(f"{title}: {told}")
        for reason in sorted(_left_out.get(name, ())):
            terminalreporter.line(f"    left out: {reason}")
    if REQUIRED and any(counts["skipped"] for counts in _outcomes.values()):
        terminalreporter.line(
            "FAILED: every real part is required here, and something was left out.", red=True
        )
