"""A change that readers of messages cannot bear is found, and one that they can bear is told apart."""

import copy
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.__main__ import main
from shared.contracts.compatibility import breaking_changes, changes
from shared.contracts.export import FOLDER, schemas_at

TYPE = "nl.bufferbudget.funds.test.v1"
OLD: dict[str, Any] = {
    "type": "object",
    "required": ["amountCents", "part"],
    "properties": {
        "amountCents": {"type": "integer", "minimum": 0, "maximum": 100},
        "kind": {"type": "string", "enum": ["A", "B"]},
        "code": {"type": "string", "pattern": "^[A-Z]$"},
        "part": {"$ref": "#/definitions/Part"},
        "list": {"type": "array", "minItems": 1, "items": {"type": "string", "enum": ["X", "Y"]}},
    },
    "definitions": {
        "Part": {
            "type": "object",
            "required": ["id"],
            "properties": {"id": {"type": "string", "format": "uuid"}},
        }
    },
}
Edit = Callable[[dict[str, Any]], object]

BREAKING: dict[str, Edit] = {
    "a member is gone": lambda new: new["properties"].pop("kind"),
    "a required member is new": lambda new: (
        new["properties"].update(extra={"type": "string"}),
        new["required"].append("extra"),
    ),
    "a member became required": lambda new: new["required"].append("kind"),
    "a type is another": lambda new: new["properties"]["amountCents"].update(type="string"),
    "a pattern is another": lambda new: new["properties"]["code"].update(pattern="^[A-Z]{2}$"),
    "a format came": lambda new: new["properties"]["code"].update(format="date"),
    "a value is gone": lambda new: new["properties"]["kind"].update(enum=["A"]),
    "a lower limit was raised": lambda new: new["properties"]["amountCents"].update(minimum=1),
    "an upper limit was lowered": lambda new: new["properties"]["amountCents"].update(maximum=99),
    "an upper limit came": lambda new: new["properties"]["list"].update(maxItems=3),
    "a list of values came": lambda new: new["properties"]["code"].update(enum=["A"]),
    "a value in a list is gone": lambda new: new["properties"]["list"]["items"].update(enum=["X"]),
    "a member of a part is gone": lambda new: new["definitions"]["Part"]["properties"].pop("id"),
}
WIDENING: dict[str, Edit] = {
    "an optional member is new": lambda new: new["properties"].update(extra={"type": "string"}),
    "a member became optional": lambda new: new["required"].remove("amountCents"),
    "a value is new": lambda new: new["properties"]["kind"].update(enum=["A", "B", "C"]),
    "a lower limit was lowered": lambda new: new["properties"]["amountCents"].update(minimum=-5),
    "an upper limit went": lambda new: new["properties"]["amountCents"].pop("maximum"),
    "a list of values went": lambda new: new["properties"]["kind"].pop("enum"),
}
NEUTRAL: dict[str, Edit] = {
    "a description is another": lambda new: new["properties"]["kind"].update(description="other words"),
    "values stand in another order": lambda new: new["properties"]["kind"].update(enum=["B", "A"]),
    "a definition has another name": lambda new: (
        new["definitions"].update(Other=new["definitions"].pop("Part")),
        new["properties"].update(part={"$ref": "#/definitions/Other"}),
    ),
}


def edited(edit: Edit) -> dict[str, Any]:
    new = copy.deepcopy(OLD)
    edit(new)
    return new


@pytest.mark.parametrize("name", BREAKING)
def test_a_change_that_old_messages_do_not_bear_is_breaking(name: str) -> None:
    assert breaking_changes({TYPE: OLD}, {TYPE: edited(BREAKING[name])})


@pytest.mark.parametrize("name", WIDENING)
def test_a_change_that_only_old_readers_do_not_bear_is_no_break_but_is_told(name: str) -> None:
    new = {TYPE: edited(WIDENING[name])}
    assert breaking_changes({TYPE: OLD}, new) == []
    assert changes({TYPE: OLD}, new)


@pytest.mark.parametrize("name", NEUTRAL)
def test_a_change_that_no_reader_notices_is_no_change(name: str) -> None:
    assert changes({TYPE: OLD}, {TYPE: edited(NEUTRAL[name])}) == []


def test_an_event_that_is_gone_is_breaking_and_a_new_one_is_not() -> None:
    assert breaking_changes({TYPE: OLD}, {})
    assert breaking_changes({}, {TYPE: OLD}) == []
    assert changes({}, {TYPE: OLD})


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose only commit has one schema of an event that does not exist today."""
    schemas = tmp_path / "contracts" / "schemas"
    schemas.mkdir(parents=True)
    (schemas / f"{TYPE}.schema.json").write_text('{"type": "object"}')
    for words in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "-qm", "first"],
    ):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path / "contracts"


def test_schemas_are_read_from_a_git_reference(repository: Path) -> None:
    assert schemas_at("HEAD", repository) == {TYPE: {"type": "object"}}


def test_an_unknown_git_reference_is_said_to_be_unknown(repository: Path) -> None:
    with pytest.raises(ValueError, match="reference"):
        schemas_at("no-such-tag", repository)


def test_the_command_fails_for_a_reference_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-against", "no-such-reference"]) == 1
    assert "reference" in capsys.readouterr().err


def test_the_check_passes_on_current_documents() -> None:
    assert main(["check"]) == 0
    assert (FOLDER / "asyncapi.yaml").is_file()
