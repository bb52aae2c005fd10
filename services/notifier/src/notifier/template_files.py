"""A template file: parts with names, what a language reviewer wrote about it, and its version.

Pure. The version is made from the words themselves, so that no change of a word goes unrecorded.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from string import Template
from typing import Final

REVIEW_NEEDED: Final = "# review: needed"
"""The remark of a file that a speaker of its language has yet to read."""
VERSION_LENGTH: Final = 12


@dataclass(frozen=True, slots=True)
class TemplateLine:
    """One line of a part; an item's text is without its dash."""

    is_item: bool
    text: Template


@dataclass(frozen=True, slots=True)
class TemplateFile:
    """The parts of one kind of message in one language; `lines` are the same, line by line."""

    parts: Mapping[str, Template]
    lines: Mapping[str, tuple[TemplateLine, ...]]
    version: str
    review_needed: bool

    def __getitem__(self, name: str) -> Template:
        return self.parts[name]


def parse_template(source: str) -> TemplateFile:
    """Read a file: `== name` opens a part, lines before the first are remarks. ValueError."""
    remarks, *pieces = re.split(r"^== ", source, flags=re.MULTILINE)
    parts: dict[str, Template] = {}
    for piece in pieces:
        name, _, body = piece.partition("\n")
        if not body.strip() or name in parts:
            raise ValueError(f"part {name!r} of a template is empty or stands there twice")
        parts[name.strip()] = Template(body.strip())
    if not parts:
        raise ValueError("a template has no parts")
    words = "\n".join(f"{name}\n{part.template}" for name, part in sorted(parts.items()))
    return TemplateFile(
        parts=parts,
        lines={name: tuple(_lines(part.template)) for name, part in parts.items()},
        version=hashlib.sha256(words.encode()).hexdigest()[:VERSION_LENGTH],
        review_needed=REVIEW_NEEDED in remarks.splitlines(),
    )


def _lines(part: str) -> Iterator[TemplateLine]:
    for line in part.split("\n"):
        yield TemplateLine(line.startswith("- "), Template(line.removeprefix("- ")))
