"""Every scenario of `tests/scenarios/offset`, to the cent through the path that a close takes."""

import pytest

from buffer_ledger.explanation import explain
from buffer_ledger.timeline import run
from notifier.plain_language import wording_faults
from shared.law import Law
from shared.money import Language
from tests.scenario_files import Scenario, case_of, scenarios, shown

ALL = list(scenarios())
LAW = Law.load()
LANGUAGES: tuple[Language, ...] = ("nl", "en")


def test_the_worked_examples_and_the_edges_are_there_and_each_has_a_name_of_its_own() -> None:
    assert len(ALL) >= 100
    assert len({scenario.title for scenario in ALL}) == len(ALL)
    assert {scenario.file for scenario in ALL} >= {"months_of_the_note", "instability"}


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.title)
def test_a_scenario_comes_out_as_it_says(scenario: Scenario) -> None:
    rows = {str(row.month): row for row in run(case_of(scenario), LAW)}

    found = {month: shown(rows[month], words) for month, words in scenario.expected.items()}

    assert found == scenario.expected


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.title)
def test_every_month_of_a_scenario_is_told_and_has_its_receipt(scenario: Scenario) -> None:
    for row in run(case_of(scenario), LAW):
        assert row.receipt or "PARAMETER_MISSING" in row.held or row.days_of_right == 0
        for language in LANGUAGES:
            told = explain(row, language)
            assert str(row.month.year) in told
            assert "None" not in told
            assert "{" not in told
            assert wording_faults(told, language) == ()
