"""Adds figures of the law from one reviewed file and first shows what they change for the sample population.

`make law-update FILE=figures.yaml` shows; with `APPLY=yes` the parameter files are written too. A year of the
sample is computed with the figures before and with the new ones, everything else the same, so that whoever
switches them on has seen what happens. Nothing is edited: a figure of a day that has one is refused.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, TextIO

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from buffer_ledger.timeline import Case, Household, MonthRow, MunicipalityRules, Part, Policy, SlipFact, run
from shared.errors import BufferbudgetError
from shared.law import PARAMETERS, Law
from shared.law.files import Text, ValueEntry
from shared.money import Cents, format_euro
from shared.months import Month

SAMPLE = Path(__file__).parent / "sample"
CAP = Cents(100_000)


class Refused(BufferbudgetError):
    """The file cannot be taken over; the message says why."""


class Figure(ValueEntry):
    """One new figure, with the parameter it belongs to."""

    parameter: Text


class Reviewed(BaseModel):
    """The file: who checked it against the source, when, and the figures."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    reviewed_by: Annotated[Text, Field(alias="reviewedBy")]
    reviewed_on: Annotated[date, Field(alias="reviewedOn")]
    figures: Annotated[list[Figure], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a year of the sample comes to with some figures, in cents."""

    benefit_cents: int
    floor_cents: int
    drawn_cents: int
    below_before: int
    below_after: int
    by_person: Mapping[str, int]
    """Benefit and draws together, by person."""
    lacking: tuple[str, ...]


def main(argv: Sequence[str], out: TextIO = sys.stdout, sample: Path = SAMPLE) -> int:
    """Show what a file changes, and write it when told so; 0 when all is well."""
    apply = "--apply" in argv
    names = [argument for argument in argv if not argument.startswith("--")]
    if len(names) != 1:
        print("give one file of figures: make law-update FILE=figures.yaml [APPLY=yes]", file=out)
        return 2
    try:
        reviewed = read(Path(names[0]))
        with tempfile.TemporaryDirectory() as folder:
            staged = Path(folder) / "parameters"
            changed = stage(reviewed, PARAMETERS, staged)
            show(reviewed, Law.load(PARAMETERS), Law.load(staged), out, sample)
            if apply:
                for name in changed:
                    shutil.copyfile(staged / f"{name}.yaml", PARAMETERS / f"{name}.yaml")
                print(f"\nwritten: {len(changed)} files; run the tests before you commit them", file=out)
            else:
                print("\nnothing was written; APPLY=yes writes it", file=out)
    except (Refused, ValueError) as refused:
        print(f"refused: {refused}", file=out)
        return 1
    return 0


def read(file: Path) -> Reviewed:
    """Read a reviewed file; raises Refused with everything that is wrong with it."""
    try:
        return Reviewed.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as fault:
        raise Refused(f"{file.name}: {fault}") from fault


def stage(reviewed: Reviewed, known: Path, staged: Path) -> tuple[str, ...]:
    """Copy the parameters and add the figures to the copy; returns the names of the files that changed.

    Raises Refused for an unknown parameter, a parameter named twice, and a day that has a figure already.
    """
    shutil.copytree(known, staged)
    law = Law.load(known)
    seen: set[str] = set()
    for figure in reviewed.figures:
        values = law.values(figure.parameter)
        if not values:
            raise Refused(f"there is no parameter {figure.parameter}: its file comes first")
        if figure.parameter in seen:
            raise Refused(f"{figure.parameter} is named twice")
        if figure.since <= values[-1].since or (values[-1].until or date.min) >= figure.since:
            raise Refused(
                f"{figure.parameter} has a figure of {figure.since} already: figures are never edited"
            )
        seen.add(figure.parameter)
        with (staged / f"{figure.parameter}.yaml").open("a", encoding="utf-8") as file:
            file.write(_entry(figure))
    Law.load(staged)
    return tuple(sorted(seen))


def _entry(figure: Figure) -> str:
    """The figure as one more item of `values`, which is the last member of every parameter file."""
    members = figure.model_dump(by_alias=True, exclude_none=True, exclude={"parameter"})
    text = yaml.safe_dump([members], sort_keys=False, allow_unicode=True, width=100)
    return "".join(f"  {line}\n" for line in text.splitlines())


def show(reviewed: Reviewed, before: Law, after: Law, out: TextIO, sample: Path) -> None:
    """Print the figures and what they change, month for month from the day the first of them holds."""
    begins = Month.of(min(figure.since for figure in reviewed.figures))
    print(f"reviewed by {reviewed.reviewed_by} on {reviewed.reviewed_on}", file=out)
    for figure in reviewed.figures:
        last = before.values(figure.parameter)[-1]
        print(f"  {figure.parameter} from {figure.since}: {last.value} -> {figure.value}", file=out)
    old, new = outcome(before, begins.plus(-1), sample), outcome(after, begins, sample)
    print(f"\nthe sample's year with the figures of {begins.plus(-1)} and of {begins}:", file=out)
    if new.lacking:
        print("these figures are still lacking, so nothing can be compared:", file=out)
        for sentence in new.lacking:
            print(f"  {sentence}", file=out)
        return
    for label, was, now in (
        ("benefit paid", old.benefit_cents, new.benefit_cents),
        ("floors together", old.floor_cents, new.floor_cents),
        ("drawn from buffers", old.drawn_cents, new.drawn_cents),
    ):
        print(f"  {label:<32}{_euro(was):>18}{_euro(now):>18}{_euro(now - was):>18}", file=out)
    for label, was, now in (
        ("months below the floor", old.below_before, new.below_before),
        ("the same after the buffer", old.below_after, new.below_after),
    ):
        print(f"  {label:<32}{was:>18}{now:>18}{now - was:>+18}", file=out)
    changes = {person: new.by_person[person] - old.by_person[person] for person in old.by_person}
    more, less = (sum(sign * change > 0 for change in changes.values()) for sign in (1, -1))
    print(f"  people who get more, less, the same: {more}, {less}, {len(changes) - more - less}", file=out)
    for sign, label in ((1, "most more"), (-1, "most less")):
        person = max(changes, key=lambda name: (sign * changes[name], name))
        print(f"  {label}: {person}, {_euro(changes[person])} a year", file=out)


def outcome(law: Law, figures_of: Month, sample: Path = SAMPLE) -> Outcome:
    """The sample's year with every dated figure of one month."""
    by_person: dict[str, int] = {}
    rows: list[MonthRow] = []
    for person, household, slips in _people(sample):
        own = run(_case(household, slips, figures_of), law)
        by_person[person] = sum(row.benefit_paid_cents + row.draw_cents for row in own)
        rows += own
    return Outcome(
        benefit_cents=sum(row.benefit_paid_cents for row in rows),
        floor_cents=sum(row.floor_cents for row in rows),
        drawn_cents=sum(row.draw_cents for row in rows),
        below_before=sum(row.cash_cents < row.floor_cents for row in rows),
        below_after=sum(row.cash_after_cents < row.floor_cents for row in rows),
        by_person=by_person,
        lacking=tuple(dict.fromkeys(sentence for row in rows for sentence in row.missing_parameters)),
    )


def _case(household: Mapping[str, Any], slips: Sequence[SlipFact], figures_of: Month) -> Case:
    first, last = Month(2026, 1), Month(2026, 12)
    return Case(
        first_month=first,
        until=last,
        households=(Household(household["kind"], first),),
        rules=(MunicipalityRules(None, "M1"),),
        policy=Policy(draw_amount="TOPUP", cap_cents=CAP),
        cap_cents=CAP,
        slips=slips,
        norm_month=figures_of,
    )


def _people(sample: Path) -> Iterator[tuple[str, Mapping[str, Any], list[SlipFact]]]:
    """Each person of the sample with the household and every slip that can be read as one."""
    slips: dict[str, list[SlipFact]] = {}
    for file in sorted((sample / "slips").glob("*.ndjson")):
        for line in file.read_text(encoding="utf-8").splitlines():
            read_slip = _slip(line)
            if read_slip is not None:
                slips.setdefault(read_slip[0], []).append(read_slip[1])
    for line in (sample / "participants.ndjson").read_text(encoding="utf-8").splitlines():
        person = json.loads(line)
        name = person["externalReference"]
        yield name, person["household"], slips.get(name, [])


def _slip(line: str) -> tuple[str, SlipFact] | None:
    """A slip of the sample; None for a line that was broken on purpose."""
    try:
        said = json.loads(line)
        net = said["netCents"] if "netCents" in said else _net_of(said["lines"])
        begins, ends = date.fromisoformat(said["periodFrom"]), date.fromisoformat(said["periodTo"])
        key = f"{said['externalReference']}/{said['employerNumber']}/{begins}"
        slip = SlipFact(
            wage_slip_id=key,
            slip_key=key,
            employer_key=said["employerNumber"],
            version=said.get("version", 1),
            period_from=begins,
            period_to=ends,
            pay_date=date.fromisoformat(said["payDate"]),
            parts=(Part("WAGE", Cents(net)),),
            tax_credit_applied=said.get("taxCreditApplied"),
        )
    except (ValueError, KeyError, TypeError):
        return None
    return said["externalReference"], slip


def _net_of(lines: Sequence[Mapping[str, Any]]) -> int:
    return sum(line["amountCents"] for line in lines if line["kind"] in ("WAGE", "TAX"))


def _euro(cents: int) -> str:
    return format_euro(cents, "en")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if os.environ.get("APPLY") == "yes":
        arguments.append("--apply")
    sys.exit(main(arguments))
