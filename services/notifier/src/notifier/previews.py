"""Messages as they would be sent, with invented people and amounts: for whoever writes or reviews the words.

Pure. A preview passes the same functions as a real message, so that the two cannot come apart.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Final

from notifier.languages import LANGUAGES, MessageLanguage
from notifier.wording import (
    BufferLevel,
    Content,
    Correction,
    Figures,
    MessageKind,
    Sender,
    Templates,
    Wording,
    word,
)
from shared.money import Cents
from shared.months import Month

MONTH: Final = Month(2026, 3)
SENT_AT: Final = datetime(2026, 4, 8, 7, 0, tzinfo=UTC)
DAY: Final = date(2026, 4, 8)
SENDER: Final = Sender("Voorbeeldfonds", "het team van het fonds", "030 123 45 67", "vragen@fonds.example")
ADDRESS: Final = ("R. Jansen", "Vogelstraat 7", "3511 AB  UTRECHT")
EMAIL: Final = "r.jansen@example.nl"

_FIGURES: Final = Figures(
    wage_cents=Cents(25_000),
    benefit_cents=Cents(61_323),
    other_cash_cents=Cents(0),
    cash_cents=Cents(86_323),
    floor_cents=Cents(133_143),
    draw_cents=Cents(46_820),
    balance_cents=Cents(53_180),
    cash_after_cents=Cents(133_143),
)


class Occasion(StrEnum):
    """What happened in a preview; each belongs to one kind of message."""

    ORDINARY_MONTH = "ORDINARY_MONTH"
    MONTH_WITH_CORRECTION = "MONTH_WITH_CORRECTION"
    ALMOST_EMPTY = "ALMOST_EMPTY"
    ENDED = "ENDED"
    ENDED_WITH_MISSING_SLIPS = "ENDED_WITH_MISSING_SLIPS"


CONTENTS: Final[Mapping[Occasion, Content]] = {
    Occasion.ORDINARY_MONTH: Content(MessageKind.BUFFER_MONTH, MONTH, _FIGURES),
    Occasion.MONTH_WITH_CORRECTION: Content(
        MessageKind.BUFFER_MONTH,
        MONTH,
        _FIGURES,
        corrections=(Correction(Month(2026, 1), Cents(10_000), Cents(8_000)),),
    ),
    Occasion.ALMOST_EMPTY: Content(MessageKind.BUFFER_MONTH, MONTH, _FIGURES, BufferLevel.LOW),
    Occasion.ENDED: Content(MessageKind.BUFFER_END, MONTH, returned_cents=Cents(53_180)),
    Occasion.ENDED_WITH_MISSING_SLIPS: Content(
        MessageKind.BUFFER_END, MONTH, returned_cents=Cents(53_180), unsettled=(Month(2025, 12), MONTH)
    ),
}


def occasions_of(kind: MessageKind) -> tuple[Occasion, ...]:
    """The occasions a kind of message has, the ordinary one first."""
    return tuple(occasion for occasion, content in CONTENTS.items() if content.kind is kind)


def preview(occasion: Occasion, language: MessageLanguage, templates: Templates) -> Wording:
    """The message of an occasion in a language, whether that is released or not."""
    return word(CONTENTS[occasion], SENDER, language, templates, LANGUAGES)
