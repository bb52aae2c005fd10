"""New figures of the law: shown before they are switched on, added and never edited."""

import io
import shutil
from pathlib import Path

import pytest

from deploy.law_figures import SAMPLE, Refused, main, outcome, read, stage
from shared.law import PARAMETERS, Law
from shared.months import Month

NEW_YEAR = """
reviewedBy: a lawyer of the municipality
reviewedOn: 2026-12-15
figures:
  - parameter: participatiewet/norm_alleenstaande
    from: 2027-01-01
    until: 2027-06-30
    value: 143000
    source: invented for a test
  - parameter: participatiewet/norm_gehuwden
    from: 2027-01-01
    value: 204500
    source: invented for a test
  - parameter: regeling_participatiewet/holiday_claim_table
    from: 2027-01-01
    source: invented for a test
    value:
      - {from: 0, rate: "0.08", constant: 0}
"""


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """Twelve people of the sample with the slips of half a year."""
    folder = tmp_path / "sample"
    (folder / "slips").mkdir(parents=True)
    people = (SAMPLE / "participants.ndjson").read_text(encoding="utf-8").splitlines()[:12]
    (folder / "participants.ndjson").write_text("\n".join(people), encoding="utf-8")
    for file in sorted((SAMPLE / "slips").glob("*.ndjson"))[:12]:
        shutil.copyfile(file, folder / "slips" / file.name)
    return folder


def written(folder: Path, text: str) -> Path:
    file = folder / "figures.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_difference_is_shown_and_nothing_is_written(tmp_path: Path, sample: Path) -> None:
    before = {file: file.read_bytes() for file in PARAMETERS.rglob("*.yaml")}
    out = io.StringIO()

    assert main([str(written(tmp_path, NEW_YEAR))], out, sample) == 0

    told = out.getvalue()
    assert "participatiewet/norm_alleenstaande from 2027-01-01: 141946 -> 143000" in told
    assert "with the figures of 2026-12 and of 2027-01" in told
    assert "benefit paid" in told
    assert "people who get more, less, the same" in told
    assert "nothing was written" in told
    assert {file: file.read_bytes() for file in PARAMETERS.rglob("*.yaml")} == before


def test_staged_figures_hold_from_their_day_and_the_old_ones_before(tmp_path: Path, sample: Path) -> None:
    staged = tmp_path / "staged"
    changed = stage(read(written(tmp_path, NEW_YEAR)), PARAMETERS, staged)
    law = Law.load(staged)

    assert len(changed) == 3
    assert law.value("participatiewet/norm_alleenstaande", Month(2027, 1)).cents == 143_000
    assert law.value("participatiewet/norm_alleenstaande", Month(2026, 12)).cents == 141_946
    # twelve invented people, twelve months each: the floors are the new norms' and nothing lacks
    year = outcome(law, Month(2027, 1), sample)
    assert (len(year.by_person), year.lacking) == (12, ())
    singles = 135_850  # 95 % of 1,430.00
    couples = 194_275
    assert year.floor_cents % 12 == 0
    assert (year.floor_cents // 12 - 12 * singles) % (couples - singles) == 0


def test_figures_that_still_lack_are_named(tmp_path: Path, sample: Path) -> None:
    out = io.StringIO()
    alone = NEW_YEAR.split("  - parameter: regeling", maxsplit=1)[0]

    assert main([str(written(tmp_path, alone))], out, sample) == 0
    assert "holiday_claim_table has no value for 2027-01-01" in out.getvalue()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("2027-01-01\n    until", "2026-07-01\n    until"), "figures are never edited"),
        (("2027-01-01\n    until", "2026-10-01\n    until"), "figures are never edited"),
        (("norm_alleenstaande", "norm_unknown"), "no parameter participatiewet/norm_unknown"),
        (("norm_gehuwden", "norm_alleenstaande"), "named twice"),
    ],
)
def test_what_would_edit_or_invent_a_parameter_is_refused(
    tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    reviewed = read(written(tmp_path, NEW_YEAR.replace(*change)))
    with pytest.raises(Refused, match=said):
        stage(reviewed, PARAMETERS, tmp_path / "staged")


@pytest.mark.parametrize("text", ["", "figures: []", NEW_YEAR.replace("reviewedBy", "by"), "a: [", "7"])
def test_a_file_nobody_reviewed_or_that_cannot_be_read_is_refused(tmp_path: Path, text: str) -> None:
    out = io.StringIO()
    assert main([str(written(tmp_path, text))], out) == 1
    assert out.getvalue().startswith("refused: ")


def test_without_a_file_it_says_how_it_is_called() -> None:
    out = io.StringIO()
    assert main([], out) == 2
    assert "FILE=figures.yaml" in out.getvalue()
