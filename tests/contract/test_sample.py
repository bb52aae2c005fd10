"""The sample year: made by a program, invented through and through, and as messy as payroll is."""

import json
from pathlib import Path

import pytest

from deploy.sample.population import NET_HIGHEST_CENTS, NET_LOWEST_CENTS, PEOPLE, make_sample

FOLDER = Path(__file__).parents[2] / "deploy" / "sample"
SAMPLE = make_sample()


@pytest.mark.parametrize("name", sorted(SAMPLE))
def test_each_committed_file_is_what_the_program_makes(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == SAMPLE[name]


def test_no_file_is_there_that_the_program_does_not_make() -> None:
    found = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.ndjson")}
    assert found == set(SAMPLE)


def test_the_people_can_be_reached_at_reserved_addresses_only() -> None:
    people = [json.loads(line) for line in SAMPLE["participants.ndjson"].splitlines()]
    assert len(people) == PEOPLE
    emails = [person["contact"]["email"] for person in people if "email" in person["contact"]]
    assert emails
    assert all(email.endswith("@example.org") for email in emails)
    assert all("bsn" not in person for person in people)


def test_wages_lie_between_sixty_and_twelve_hundred_euros_net() -> None:
    nets = []
    for name, content in SAMPLE.items():
        if name.startswith("slips/") and not name.endswith("-later.ndjson"):
            for line in content.splitlines():
                if '"version"' not in line and line.endswith("}"):
                    net = json.loads(line).get("netCents")
                    if isinstance(net, int):
                        nets.append(net)
    assert min(nets) >= NET_LOWEST_CENTS
    assert max(nets) <= NET_HIGHEST_CENTS
    assert len(nets) > PEOPLE * 10


def test_there_are_late_twice_sent_corrected_and_broken_slips() -> None:
    late = sum(len(SAMPLE[name].splitlines()) for name in SAMPLE if name.endswith("-later.ndjson"))
    every = [line for name in SAMPLE if name.startswith("slips/") for line in SAMPLE[name].splitlines()]
    corrected = sum('"version": 2' in line for line in every)
    twice = len(every) - len(set(every))
    assert late > corrected > 0
    assert twice > 0
    broken = 0
    for line in every:
        try:
            json.loads(line)
        except json.JSONDecodeError:
            broken += 1
    assert broken == 1
