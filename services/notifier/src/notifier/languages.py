"""The languages messages are written in: how each writes an amount, a month, a day and a foreign name.

Pure. Dutch comes first in law and stands beside every other language. A language is used in real messages
once an operator names it in MESSAGE_LANGUAGES; until then previews alone show it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal, get_args

from shared.money import NO_BREAK_SPACE, format_euro
from shared.months import Month

MessageLanguage = Literal["nl", "en", "tr", "ar", "uk"]
LANGUAGES: Final[tuple[MessageLanguage, ...]] = get_args(MessageLanguage)
DUTCH: Final[MessageLanguage] = "nl"
RIGHT_TO_LEFT: Final[frozenset[MessageLanguage]] = frozenset({"ar"})

_ISOLATE, _ISOLATE_LEFT, _END = "\u2068", "\u2066", "\u2069"
"""Unicode's isolates: a name or number keeps its own direction inside a right-to-left sentence."""


@dataclass(frozen=True, slots=True)
class _Words:
    own_name: str
    months: str
    months_of_days: str
    day: str = "{day} {month} {year}"


_WORDS: Final[Mapping[MessageLanguage, _Words]] = {
    "nl": _Words(
        "Nederlands",
        "januari februari maart april mei juni juli augustus september oktober november december",
        "",
    ),
    "en": _Words(
        "English",
        "January February March April May June July August September October November December",
        "",
    ),
    "tr": _Words("Türkçe", "Ocak Şubat Mart Nisan Mayıs Haziran Temmuz Ağustos Eylül Ekim Kasım Aralık", ""),
    "ar": _Words("العربية", "يناير فبراير مارس أبريل مايو يونيو يوليو أغسطس سبتمبر أكتوبر نوفمبر ديسمبر", ""),
    "uk": _Words(
        "Українська",
        "січень лютий березень квітень травень червень липень серпень вересень жовтень листопад грудень",
        "січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня",
        "{day} {month} {year} року",
    ),
}


def own_name(language: MessageLanguage) -> str:
    """The language's name as its speakers write it."""
    return _WORDS[language].own_name


def is_right_to_left(language: MessageLanguage) -> bool:
    """Whether its lines run from right to left."""
    return language in RIGHT_TO_LEFT


def order(preferred: MessageLanguage, released: Iterable[str] = LANGUAGES) -> tuple[MessageLanguage, ...]:
    """The languages of one message, the reader's first and Dutch always among them.

    A language that is not released gives way to Dutch; a Dutch message has English below it.
    """
    if preferred == DUTCH or preferred not in set(released):
        return (DUTCH, "en")
    return (preferred, DUTCH)


def released_languages(setting: str) -> frozenset[MessageLanguage]:
    """Read MESSAGE_LANGUAGES: codes with commas between, `nl` and `en` always among them; ValueError."""
    named = [code.strip() for code in setting.split(",") if code.strip()]
    unknown = [code for code in named if code not in LANGUAGES]
    if unknown:
        raise ValueError(f"MESSAGE_LANGUAGES knows {', '.join(LANGUAGES)}; not {', '.join(unknown)}")
    return frozenset(language for language in LANGUAGES if language in {*named, DUTCH, "en"})


def written_amount(cents: int, language: MessageLanguage) -> str:
    """Cents as the reader writes them: `€ 1.331,43`, `€1,331.43`, `€1.331,43`, `1 331,43 €`; one word."""
    if language in {"nl", "en"}:
        return format_euro(cents, "nl" if language == "nl" else "en")
    english = format_euro(cents, "en")
    if language == "ar":
        return f"{_ISOLATE_LEFT}{english}{_END}"
    turned = english.translate(str.maketrans(",.", ".,"))
    if language == "tr":
        return turned
    return turned.replace("€", "").replace(".", NO_BREAK_SPACE) + f"{NO_BREAK_SPACE}€"


def written_month(month: Month, language: MessageLanguage) -> str:
    """`maart 2026`, `March 2026`, `Mart 2026`, `مارس 2026`, `березень 2026`."""
    return f"{_WORDS[language].months.split()[month.number - 1]} {month.year}"


def written_day(day: date, language: MessageLanguage) -> str:
    """`2 maart 2026`, in Ukrainian `2 березня 2026 року`."""
    words = _WORDS[language]
    name = (words.months_of_days or words.months).split()[day.month - 1]
    return words.day.format(day=day.day, month=name, year=day.year)


def set_apart(text: str, language: MessageLanguage) -> str:
    """A name, number or address as it stands in a sentence: in a right-to-left one it keeps its own order."""
    if not text or not is_right_to_left(language):
        return text
    mark = _ISOLATE_LEFT if not any(character.isalpha() for character in text) else _ISOLATE
    return f"{mark}{text}{_END}"


def without_marks(text: str) -> str:
    """The text without the invisible marks of direction, as its words are counted."""
    return text.translate(dict.fromkeys(map(ord, (_ISOLATE, _ISOLATE_LEFT, _END))))
