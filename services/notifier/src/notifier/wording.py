"""What a resident reads: the parts of a template, chosen and filled in.

Pure: the texts themselves stand in templates/, one file per kind and language. A message says who sends it
and that it is no decision, what happened, with amounts as expected, what the reader needs to do, whether
the municipality knows already, and whom to ask. Dutch at B1 level; every other language has Dutch below it.
A text message has a text of its own, without amounts.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from notifier.languages import DUTCH, MessageLanguage, order, set_apart, written_amount, written_month
from notifier.template_files import TemplateFile
from shared.money import Cents
from shared.months import Month

UNNAMED: Final[Mapping[MessageLanguage, str]] = {
    "nl": "uw bufferfonds",
    "en": "your buffer fund",
    "tr": "tampon fonunuz",
    "ar": "صندوق الدعم الخاص بك",
    "uk": "ваш буферний фонд",
}
"""What a sender is called when nobody recorded a name; never the name of the statutory bufferbudget."""
RULE: Final = "-" * 40
NIL: Final = Cents(0)


class MessageKind(StrEnum):
    """What a message is about; each kind has its own template."""

    BUFFER_MONTH = "BUFFER_MONTH"
    BUFFER_END = "BUFFER_END"


Templates = Mapping[tuple[MessageKind, MessageLanguage], TemplateFile]


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

    def called(self, language: MessageLanguage) -> str:
        """The name as it stands inside a sentence."""
        return self.name or UNNAMED[language]

    def signature(self, language: MessageLanguage) -> str:
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


class Role(StrEnum):
    """What a line is to its reader, and to a program that reads it aloud."""

    TITLE = "TITLE"
    ITEM = "ITEM"
    TEXT = "TEXT"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a message; an item's text is without its dash."""

    role: Role
    text: str

    def __str__(self) -> str:
        return f"- {self.text}" if self.role is Role.ITEM else self.text


Paragraph = tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """The whole message in one language."""

    language: MessageLanguage
    subject: str
    paragraphs: tuple[Paragraph, ...]

    @property
    def text(self) -> str:
        return "\n\n".join("\n".join(map(str, paragraph)) for paragraph in self.paragraphs)

    @classmethod
    def from_stored(cls, plain: Mapping[str, Any]) -> "Section":
        paragraphs = tuple(
            tuple(Line(Role(line["role"]), line["text"]) for line in lines) for lines in plain["paragraphs"]
        )
        return cls(plain["language"], plain["subject"], paragraphs)


@dataclass(frozen=True, slots=True)
class Wording:
    """A message as it is read; the subject holds no amount and nothing about the person.

    `sections` are the same words in their structure, one language each; `sms` is the text message, and
    `templates` the versions of the files it was made from, as `nl-<version>`.
    """

    subject: str
    text: str
    sections: tuple[Section, ...] = ()
    sms: str = ""
    templates: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """For encryption and storage; `from_bytes` gives an equal value."""
        return json.dumps(asdict(self), ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, stored: bytes) -> "Wording":
        """Read what was stored; what was stored before texts had a structure becomes a section of lines."""
        plain: dict[str, Any] = json.loads(stored)
        sections = tuple(Section.from_stored(section) for section in plain.get("sections", ()))
        return cls(
            plain["subject"],
            plain["text"],
            sections or _plain_sections(plain["subject"], plain["text"]),
            plain.get("sms", ""),
            tuple(plain.get("templates", ())),
        )


def _plain_sections(subject: str, text: str) -> tuple[Section, ...]:
    paragraphs = tuple(
        tuple(Line(Role.TEXT, line) for line in piece.split("\n")) for piece in text.strip().split("\n\n")
    )
    return (Section("nl", subject, paragraphs),)


def word(
    content: Content,
    sender: Sender,
    preferred: MessageLanguage,
    templates: Templates,
    released: Iterable[str] = ("nl", "en"),
) -> Wording:
    """The whole message: the preferred language first, if it is released, and the other one below it."""
    sections, notes, versions = [], [], []
    for language in order(preferred, released):
        template = templates[content.kind, language]
        subject = template["subject"].substitute()
        sections.append(Section(language, subject, _paragraphs(content, sender, language, template)))
        notes.append(_note(content, sender, language, template))
        versions.append(f"{language}-{template.version}")
    return Wording(
        subject=" / ".join(section.subject for section in sections),
        text=f"\n\n{RULE}\n\n".join(section.text for section in sections) + "\n",
        sections=tuple(sections),
        sms="\n".join(notes[:1] if sections[0].language == DUTCH else notes),
        templates=tuple(versions),
    )


def _note(content: Content, sender: Sender, language: MessageLanguage, template: TemplateFile) -> str:
    """The text message in one language: who it is from, what it is about, whom to ask; never an amount."""
    about = "sms-rest" if _action(content) == "action-none" else "sms-action"
    ask = "sms-phone" if sender.phone else "sms-ask"
    values = _values(content, sender, language)
    return " ".join(template[name].substitute(values).replace("\n", " ") for name in (about, ask))


def _values(content: Content, sender: Sender, language: MessageLanguage) -> Mapping[str, str]:
    return {
        "sender": set_apart(sender.called(language), language),
        "signature": set_apart(sender.signature(language), language),
        "contact": set_apart(sender.contact or sender.called(language), language),
        "phone": set_apart(sender.phone or "", language),
        "email": set_apart(sender.email or "", language),
        "month": written_month(content.month, language),
        "returned": written_amount(content.returned_cents, language),
        "unsettled": written_month(content.unsettled[0], language) if content.unsettled else "",
        **(_amounts(content.figures, language) if content.figures else {}),
    }


def _lines(name: str, template: TemplateFile, values: Mapping[str, str]) -> Iterator[Line]:
    """A part's lines, filled in. Their roles come from the template, never from what is filled in."""
    title = name.endswith("-title")
    for line in template.lines[name]:
        role = Role.TITLE if title else Role.ITEM if line.is_item else Role.TEXT
        yield Line(role, line.text.substitute(values))


def _paragraphs(
    content: Content, sender: Sender, language: MessageLanguage, template: TemplateFile
) -> tuple[Paragraph, ...]:
    values = _values(content, sender, language)

    def filled(blocks: Iterable[tuple[str, ...]]) -> list[Paragraph]:
        return [tuple(line for name in block for line in _lines(name, template, values)) for block in blocks]

    paragraphs = filled([("greeting",), ("sender",), *_what_happened(content)])
    if len(content.unsettled) > 1:
        months = [Line(Role.ITEM, written_month(month, language)) for month in content.unsettled]
        title, after = (tuple(_lines(name, template, {})) for name in ("unsettled-title", "unsettled-after"))
        paragraphs.append((*title, *months, *after))
    if content.corrections:
        title = tuple(_lines("corrections-title", template, {}))
        paragraphs.append((*title, *_correction_lines(content.corrections, language, template)))
    return tuple(paragraphs + filled(_what_to_do(content, sender)))


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


def _amounts(figures: Figures, language: MessageLanguage) -> Mapping[str, str]:
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
    return {name: written_amount(cents, language) for name, cents in amounts.items()}


def _correction_lines(
    corrections: Sequence[Correction], language: MessageLanguage, template: TemplateFile
) -> Iterator[Line]:
    for correction in corrections:
        name = "correction"
        if not correction.told_cents:
            name = "correction-new"
        elif not correction.draw_cents:
            name = "correction-gone"
        values = {
            "month": written_month(correction.month, language),
            "before": written_amount(correction.told_cents, language),
            "after": written_amount(correction.draw_cents, language),
        }
        yield from _lines(name, template, values)
