"""What a resident reads: the parts of a template, chosen and filled in.

Pure: the texts themselves stand in templates/, one file per kind and language. A message says who sends it
and that it is no decision, what happened, with amounts as expected, what the reader needs to do, whether
the municipality knows already, and whom to ask. Dutch at B1 level; the other language stands below it.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from string import Template
from typing import Any, Final

from shared.money import Cents, Language, format_euro
from shared.months import Month

LANGUAGES: Final[tuple[Language, ...]] = ("nl", "en")
UNNAMED: Final[Mapping[Language, str]] = {"nl": "uw bufferfonds", "en": "your buffer fund"}
"""What a sender is called when nobody recorded a name; never the name of the statutory bufferbudget."""
RULE: Final = "-" * 40
NIL: Final = Cents(0)

Parts = Mapping[str, Template]


class MessageKind(StrEnum):
    """What a message is about; each kind has its own template."""

    BUFFER_MONTH = "BUFFER_MONTH"
    BUFFER_END = "BUFFER_END"


Templates = Mapping[tuple[MessageKind, Language], Parts]


class BufferLevel(StrEnum):
    """A state of the buffer that the resident should know."""

    LOW = "LOW"
    EXHAUSTED = "EXHAUSTED"


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends the message and who answers questions: the fund, never the municipality in its place.

    Without a name it is called `UNNAMED`; without a contact it answers questions itself.
    """

    name: str | None = None
    contact: str | None = None
    phone: str | None = None
    email: str | None = None

    def called(self, language: Language) -> str:
        """The name as it stands inside a sentence."""
        return self.name or UNNAMED[language]

    def signature(self, language: Language) -> str:
        """The name as it stands by itself: above a letter, below a message, before an e-mail address."""
        return self.name or UNNAMED[language][:1].upper() + UNNAMED[language][1:]


NAMELESS: Final = Sender()


@dataclass(frozen=True, slots=True)
class Figures:
    """The closed month's amounts in cents, as its settled row has them; `balance_cents` is of now."""

    wage_cents: Cents
    benefit_cents: Cents
    other_cash_cents: Cents
    cash_cents: Cents
    floor_cents: Cents
    draw_cents: Cents
    balance_cents: Cents
    cash_after_cents: Cents


@dataclass(frozen=True, slots=True)
class Correction:
    """A month whose draw is no longer what the resident was told (0: told nothing, or nothing drawn)."""

    month: Month
    told_cents: Cents
    draw_cents: Cents


@dataclass(frozen=True, slots=True)
class Content:
    """What one message tells. `figures` belongs to BUFFER_MONTH, `returned_cents` and `unsettled`, the months
    that were never settled because a slip did not come, to BUFFER_END."""

    kind: MessageKind
    month: Month
    figures: Figures | None = None
    level: BufferLevel | None = None
    corrections: tuple[Correction, ...] = ()
    returned_cents: Cents = NIL
    unsettled: tuple[Month, ...] = ()

    def to_bytes(self) -> bytes:
        """For encryption and storage; `from_bytes` gives an equal value."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, stored: bytes) -> "Content":
        plain: dict[str, Any] = json.loads(stored)
        return cls(
            kind=MessageKind(plain["kind"]),
            month=Month(**plain["month"]),
            figures=Figures(**plain["figures"]) if plain["figures"] else None,
            level=BufferLevel(plain["level"]) if plain["level"] else None,
            corrections=tuple(
                Correction(**{**correction, "month": Month(**correction["month"])})
                for correction in plain["corrections"]
            ),
            returned_cents=plain["returned_cents"],
            unsettled=tuple(Month(**month) for month in plain.get("unsettled", ())),
        )


@dataclass(frozen=True, slots=True)
class Wording:
    """A message as it is read; the subject holds no amount and nothing about the person."""

    subject: str
    text: str

    def to_bytes(self) -> bytes:
        """For encryption and storage; `from_bytes` gives an equal value."""
        return json.dumps(asdict(self), ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, stored: bytes) -> "Wording":
        return cls(**json.loads(stored))


def parse_parts(source: str) -> Parts:
    """Read a template file: `== name` opens a part, lines before the first are remarks. ValueError."""
    parts: dict[str, Template] = {}
    for piece in re.split(r"^== ", source, flags=re.MULTILINE)[1:]:
        name, _, body = piece.partition("\n")
        if not body.strip() or name in parts:
            raise ValueError(f"part {name!r} of a template is empty or stands there twice")
        parts[name.strip()] = Template(body.strip())
    if not parts:
        raise ValueError("a template has no parts")
    return parts


def word(content: Content, sender: Sender, preferred: Language, templates: Templates) -> Wording:
    """The whole message: the preferred language first, the other one below it."""
    order = (preferred, *(language for language in LANGUAGES if language != preferred))
    subjects, texts = [], []
    for language in order:
        parts = templates[content.kind, language]
        subjects.append(parts["subject"].substitute())
        texts.append(_text(content, sender, language, parts))
    return Wording(subject=" / ".join(subjects), text=f"\n\n{RULE}\n\n".join(texts) + "\n")


def letter(wording: Wording, address: Sequence[str], sender: Sender, day: date, language: Language) -> str:
    """The same text as a letter, with the address where a window envelope shows it."""
    indented = "\n".join(f"    {line}" for line in address)
    return (
        f"{sender.signature(language)}\n\n\n\n{indented}\n\n\n\n"
        f"{written_day(day, language)}\n\n{wording.subject}\n\n{wording.text}"
    )


def written_month(month: Month, language: Language) -> str:
    """`maart 2026` or `March 2026`."""
    return f"{_MONTHS[language].split()[month.number - 1]} {month.year}"


def written_day(day: date, language: Language) -> str:
    """`2 maart 2026` or `2 March 2026`."""
    return f"{day.day} {written_month(Month.of(day), language)}"


_MONTHS: Final[Mapping[Language, str]] = {
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
    "en": "January February March April May June July August September October November December",
}


def _text(content: Content, sender: Sender, language: Language, parts: Parts) -> str:
    values = {
        "sender": sender.called(language),
        "signature": sender.signature(language),
        "contact": sender.contact or sender.called(language),
        "phone": sender.phone or "",
        "email": sender.email or "",
        "month": written_month(content.month, language),
        "returned": format_euro(content.returned_cents, language),
        "unsettled": written_month(content.unsettled[0], language) if content.unsettled else "",
        **(_amounts(content.figures, language) if content.figures else {}),
    }

    def filled(blocks: Iterable[tuple[str, ...]]) -> list[str]:
        return ["\n".join(parts[name].substitute(values) for name in block) for block in blocks]

    paragraphs = filled([("greeting",), ("sender",), *_what_happened(content)])
    if len(content.unsettled) > 1:
        months = [f"- {written_month(month, language)}" for month in content.unsettled]
        title, after = (parts[name].substitute() for name in ("unsettled-title", "unsettled-after"))
        paragraphs.append("\n".join([title, *months, after]))
    if content.corrections:
        title = parts["corrections-title"].substitute()
        paragraphs.append("\n".join([title, *_correction_lines(content.corrections, language, parts)]))
    return "\n\n".join(paragraphs + filled(_what_to_do(content, sender)))


def _what_happened(content: Content) -> Iterable[tuple[str, ...]]:
    """The names of the parts of each paragraph about the month or the end."""
    figures = content.figures
    if figures is None:
        ended = ("ended", "returned" if content.returned_cents else "nothing-left")
        # Several months stand in a list, see _text.
        return [ended, ("unsettled-one",)] if len(content.unsettled) == 1 else [ended]
    lines = ["month-title", "wage" if figures.wage_cents else "no-wage"]
    if figures.other_cash_cents:
        lines.append("other-cash")
    lines += ["benefit", "cash", "floor"]
    lines += ["draw", "cash-after"] if figures.draw_cents else ["no-draw"]
    if figures.cash_after_cents < figures.floor_cents:
        lines.append("still-short")
    lines.append("balance" if figures.draw_cents else "balance-still")
    paragraphs = [tuple(lines)]
    if content.level is not None:
        paragraphs.append(("low" if content.level is BufferLevel.LOW else "exhausted",))
    return [*paragraphs, ("expected",)]


def _what_to_do(content: Content, sender: Sender) -> Iterable[tuple[str, ...]]:
    """The names of the parts of the closing paragraphs: one action at most, then whom to ask."""
    ways = [name for name, way in (("ask-phone", sender.phone), ("ask-email", sender.email)) if way]
    return [
        ("action-title", _action(content)),
        ("ask-title", *(ways or ["ask-reply"])),
        ("review",),
        ("closing",),
    ]


def _action(content: Content) -> str:
    """The name of the part that says what the reader needs to do."""
    if content.figures is not None:
        return "action-wage" if content.figures.wage_cents else "action-no-wage"
    return "action-slip" if content.unsettled else "action-none"


def _amounts(figures: Figures, language: Language) -> Mapping[str, str]:
    missing = max(0, figures.floor_cents - figures.cash_after_cents)
    amounts = {
        "wage": figures.wage_cents,
        "benefit": figures.benefit_cents,
        "other_cash": figures.other_cash_cents,
        "cash": figures.cash_cents,
        "floor": figures.floor_cents,
        "draw": figures.draw_cents,
        "cash_after": figures.cash_after_cents,
        "missing": missing,
        "balance": figures.balance_cents,
    }
    return {name: format_euro(cents, language) for name, cents in amounts.items()}


def _correction_lines(corrections: Sequence[Correction], language: Language, parts: Parts) -> Iterator[str]:
    for correction in corrections:
        name = "correction"
        if not correction.told_cents:
            name = "correction-new"
        elif not correction.draw_cents:
            name = "correction-gone"
        yield parts[name].substitute(
            month=written_month(correction.month, language),
            before=format_euro(correction.told_cents, language),
            after=format_euro(correction.draw_cents, language),
        )
