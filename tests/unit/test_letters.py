"""Letters as PDF: the same bytes each time, tagged for programs that read aloud, no markup from a name."""

import json
import os
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader
from pypdf.generic import ArrayObject, DictionaryObject

from notifier.languages import LANGUAGES, MessageLanguage
from notifier.letters import letter, letter_pdf, picture, undrawable, write_letter
from notifier.previews import ADDRESS, DAY, SENDER, SENT_AT, Occasion, preview
from notifier.templates import LAYOUTS, load_templates
from notifier.wording import Sender, Wording

TEMPLATES = load_templates()
MARKUP = '#panic("x") *b* _i_ $x$ <a> @b [c] \\ // = h `r` "q" #include "/etc/passwd"'


def _page(language: MessageLanguage = "nl", sender: Sender = SENDER, name: str = ADDRESS[0]) -> str:
    wording = preview(Occasion.ORDINARY_MONTH, language, TEMPLATES)
    return letter(wording, (name, *ADDRESS[1:]), sender, DAY, language)


def _read(content: bytes) -> tuple[PdfReader, str]:
    reader = PdfReader(BytesIO(content))
    return reader, "\n".join(page.extract_text() for page in reader.pages)


def _tags(node: Any) -> list[str]:
    """The kinds of everything below a node of the structure tree, in reading order."""
    node = node.get_object() if hasattr(node, "get_object") else node
    if isinstance(node, ArrayObject):
        return [tag for child in node for tag in _tags(child)]
    if not isinstance(node, DictionaryObject):
        return []
    own = [str(node["/S"])] if "/S" in node else []
    return own + (_tags(node["/K"]) if "/K" in node else [])


def test_the_same_letter_is_the_same_to_the_byte() -> None:
    assert letter_pdf(_page(), SENT_AT) == letter_pdf(_page(), SENT_AT)
    assert letter_pdf(_page(), SENT_AT) != letter_pdf(_page(), datetime(2026, 4, 9, tzinfo=UTC))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_letter_is_tagged_and_says_it_keeps_to_pdf_ua_and_pdf_a(language: MessageLanguage) -> None:
    reader, _ = _read(letter_pdf(_page(language), SENT_AT))
    root: Any = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == language
    metadata = root["/Metadata"].get_object().get_data().decode()
    assert "<pdfuaid:part>1</pdfuaid:part>" in metadata
    assert "<pdfaid:part>2</pdfaid:part>" in metadata
    assert "<pdfaid:conformance>A</pdfaid:conformance>" in metadata
    tags = _tags(root["/StructTreeRoot"])
    assert tags.count("/H1") == 2, "one for each language"
    assert {"/H2", "/P", "/L", "/LI"} <= set(tags)
    assert reader.metadata is not None
    assert reader.metadata.title == preview(Occasion.ORDINARY_MONTH, language, TEMPLATES).subject


def test_a_letter_is_set_in_large_type() -> None:
    sizes: list[float] = []
    for page in PdfReader(BytesIO(letter_pdf(_page(), SENT_AT))).pages:

        def seen(text: str, _cm: Any, _tm: Any, _font: Any, size: float) -> None:
            if len(text.strip()) > 20:
                sizes.append(size)

        page.extract_text(visitor_text=seen)
    assert sizes
    assert min(sizes) >= 14


def test_a_letter_shows_sender_address_day_and_the_whole_text() -> None:
    _, text = _read(letter_pdf(_page(), SENT_AT))
    flat = " ".join(text.split())
    assert flat.startswith("Voorbeeldfonds R. Jansen Vogelstraat 7 3511 AB UTRECHT 8 april 2026")
    for section in preview(Occasion.ORDINARY_MONTH, "nl", TEMPLATES).sections:
        for line in (line for paragraph in section.paragraphs for line in paragraph):
            assert " ".join(line.text.split()) in flat


@pytest.mark.parametrize("text", [MARKUP, "</a><script>", "%s {0} ${x}", "\u202eabc", "x" * 100])
def test_nothing_in_a_name_is_read_as_markup(text: str) -> None:
    sender = Sender(text, text, "030", "a@b.nl")
    reader, shown = _read(letter_pdf(_page(sender=sender, name=text), SENT_AT))
    if text == MARKUP:
        assert shown.count('#panic("x") *b* _i_ $x$ <a> @b [c] \\ // = h `r` "q"') >= 2
    assert reader.metadata is not None
    assert reader.metadata.author == text


def test_a_character_no_font_has_leaves_a_gap_and_never_stops_a_letter() -> None:
    _, text = _read(letter_pdf(_page(name="李 Özgür Ґалина 😀"), SENT_AT))
    assert "? Özgür Ґалина ?" in text
    assert undrawable("Özgür ığşçİ Ґєії علي €½") == ()
    assert undrawable("李é李😀") == ("李", "😀")


def test_every_word_of_every_template_can_be_drawn() -> None:
    for path in Path(LAYOUTS).glob("*.txt"):
        assert undrawable(path.read_text(encoding="utf-8")) == (), path.name


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("layout", ["letter.typ", "mail.typ"])
def test_a_picture_is_not_blank(layout: str, language: MessageLanguage) -> None:
    pages = picture(layout, _page(language))
    assert all(page.startswith(b"\x89PNG") for page in pages)
    assert len(pages[0]) > 20_000, "without fonts a page has next to nothing"


def test_a_text_stored_before_it_had_sections_still_makes_a_letter() -> None:
    stored = json.dumps({"subject": "Nieuws", "text": "Beste deelnemer,\n\n- Een\nTwee\n"}).encode()
    page = letter(Wording.from_bytes(stored), ADDRESS, SENDER, date(2026, 4, 8), "nl")
    assert "Beste deelnemer," in _read(letter_pdf(page, SENT_AT))[1]


def test_a_letter_replaces_an_earlier_copy_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    write_letter(folder, "0190-m", b"een")
    target = write_letter(folder, "0190-m", b"%PDF twee")
    assert target.read_bytes() == b"%PDF twee"
    assert os.listdir(folder) == ["0190-m.pdf"]
    assert target.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
