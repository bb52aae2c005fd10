"""The README's walk along one wage slip leads past places that exist."""

import importlib
import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
STOPS = re.findall(r"^\| (\d) [a-z]+ \|.*\| `([a-z_.]+)` `([A-Za-z_.]+)` \|$", README, flags=re.MULTILINE)


def test_the_walk_has_seven_stops_in_order() -> None:
    assert [number for number, _, _ in STOPS] == [str(number) for number in range(1, 8)]


@pytest.mark.parametrize(("module", "name"), [stop[1:] for stop in STOPS], ids=[stop[0] for stop in STOPS])
def test_each_stop_of_the_walk_exists(module: str, name: str) -> None:
    found = importlib.import_module(module)
    source = Path(str(found.__file__)).read_text(encoding="utf-8")
    for part in name.split("."):
        assert re.search(rf"(def|class) {part}\b", source), f"{part} is not defined in {module}"


def test_both_events_of_the_walk_are_emitted_by_one_service_and_wired_in_another() -> None:
    root = Path(__file__).parents[2] / "services"
    for event, producer, consumer in (
        ("WageSlipReported", "income-intake", "buffer-ledger"),
        ("BufferDrawn", "buffer-ledger", "notifier"),
    ):
        for service in (producer, consumer):
            sources = (root / service / "src").rglob("*.py")
            assert any(event in source.read_text(encoding="utf-8") for source in sources), (event, service)
