"""Every message a resident can get: plain, complete, deciding nothing, the same facts in both languages."""

from dataclasses import replace
from datetime import date
from itertools import product

import pytest

from notifier.plain_language import subject_faults, wording_faults
from notifier.templates import load_templates
from notifier.wording import (
    LANGUAGES,
    RULE,
    BufferLevel,
    Content,
    Correction,
    Figures,
    MessageKind,
    Sender,
    Wording,
    letter,
    parse_parts,
    word,
)
from shared.money import Cents, Language
from shared.months import Month

TEMPLATES = load_templates()
FUND = Sender("Stichting Bestaansbalans", "het team", "030 123 45 67", "vragen@fonds.example")
MARCH = Month(2026, 3)
FIGURES = Figures(
    wage_cents=Cents(25_000),
    benefit_cents=Cents(61_323),
    other_cash_cents=Cents(0),
    cash_cents=Cents(86_323),
    floor_cents=Cents(133_143),
    draw_cents=Cents(46_820),
    balance_cents=Cents(53_180),
    cash_after_cents=Cents(133_143),
)
CORRECTIONS = (
    Correction(Month(2026, 1), Cents(10_000), Cents(8_000)),
    Correction(Month(2025, 12), Cents(0), Cents(5_000)),
    Correction(Month(2025, 11), Cents(123_456), Cents(0)),
)


def _every_content() -> list[Content]:
    wages, draws = (Cents(0), Cents(25_000)), (Cents(0), Cents(46_820))
    others, afters = (Cents(0), Cents(76_800)), (Cents(90_000), Cents(133_143))
    months = [
        Content(
            MessageKind.BUFFER_MONTH,
            MARCH,
            replace(
                FIGURES, wage_cents=wage, draw_cents=draw, other_cash_cents=other, cash_after_cents=after
            ),
            level,
            corrections,
        )
        for wage, draw, other, after, level, corrections in product(
            wages, draws, others, afters, (None, *BufferLevel), ((), CORRECTIONS)
        )
    ]
    ends = [
        Content(MessageKind.BUFFER_END, MARCH, corrections=corrections, returned_cents=Cents(returned))
        for corrections, returned in product(((), CORRECTIONS), (0, 53_180))
    ]
    return months + ends


CONTENTS = _every_content()
SENDERS = (FUND, replace(FUND, phone=None), replace(FUND, email=None), replace(FUND, phone=None, email=None))


def _halves(wording: Wording, preferred: Language) -> dict[Language, str]:
    other: Language = "en" if preferred == "nl" else "nl"
    first, second = wording.text.split(f"\n\n{RULE}\n\n")
    return {preferred: first, other: second}


def _names(sender: Sender) -> list[str]:
    return [name for name in (sender.name, sender.contact, sender.phone, sender.email) if name]


@pytest.mark.parametrize("preferred", LANGUAGES)
@pytest.mark.parametrize("sender", SENDERS)
def test_every_rendering_is_plain_and_decides_nothing(preferred: Language, sender: Sender) -> None:
    for content in CONTENTS:
        wording = word(content, sender, preferred, TEMPLATES)
        assert subject_faults(wording.subject) == ()
        for language, text in _halves(wording, preferred).items():
            assert wording_faults(text, language, _names(sender)) == (), text
            assert "$" not in text
            assert "None" not in text


@pytest.mark.parametrize("content", CONTENTS)
def test_every_message_says_who_sends_it_that_it_decides_nothing_and_whom_to_ask(content: Content) -> None:
    dutch = _halves(word(content, FUND, "nl", TEMPLATES), "nl")["nl"]
    assert "Dit bericht is van Stichting Bestaansbalans." in dutch
    assert "De gemeente beslist over uw bijstand.\nDit bericht verandert daar niets aan." in dutch
    assert "030 123 45 67" in dutch
    assert "vragen@fonds.example" in dutch
    assert "Dan kijkt een medewerker het voor u na." in dutch
    assert dutch.endswith("Met vriendelijke groet,\nStichting Bestaansbalans")


@pytest.mark.parametrize("content", [content for content in CONTENTS if content.figures])
def test_a_month_names_its_amounts_as_expected_in_both_languages(content: Content) -> None:
    halves = _halves(word(content, FUND, "nl", TEMPLATES), "nl")
    figures = content.figures
    assert figures is not None
    assert "Dit zijn verwachte bedragen." in halves["nl"]
    assert "These are expected amounts." in halves["en"]
    assert ("€\N{NO-BREAK SPACE}468,20" in halves["nl"]) == bool(figures.draw_cents)
    assert ("€468.20" in halves["en"]) == bool(figures.draw_cents)
    assert "€\N{NO-BREAK SPACE}531,80 in uw buffer" in halves["nl"]
    assert "Wat gebeurde er in maart 2026?" in halves["nl"]


def test_with_a_known_wage_the_reader_need_not_do_anything_and_the_municipality_knows() -> None:
    content = Content(MessageKind.BUFFER_MONTH, MARCH, FIGURES)
    text = word(content, FUND, "nl", TEMPLATES).text
    assert "U hoeft niets te doen.\nDe gemeente kent uw loon al." in text


def test_without_a_wage_the_one_action_is_to_tell_the_municipality_of_one() -> None:
    content = Content(MessageKind.BUFFER_MONTH, MARCH, replace(FIGURES, wage_cents=Cents(0)))
    text = word(content, FUND, "nl", TEMPLATES).text
    assert "Wij kennen geen loon van u in deze maand." in text
    assert "Geef uw loon dan door aan de gemeente." in text
    assert "De gemeente kent uw loon al." not in text


@pytest.mark.parametrize(("preferred", "first"), [("nl", "Beste deelnemer,"), ("en", "Dear participant,")])
def test_the_preferred_language_comes_first(preferred: Language, first: str) -> None:
    wording = word(CONTENTS[0], FUND, preferred, TEMPLATES)
    assert wording.text.startswith(first)


@pytest.mark.parametrize("content", CONTENTS)
def test_what_is_stored_reads_back_equal(content: Content) -> None:
    assert Content.from_bytes(content.to_bytes()) == content
    wording = word(content, FUND, "nl", TEMPLATES)
    assert Wording.from_bytes(wording.to_bytes()) == wording


def test_a_letter_shows_the_address_the_day_and_the_same_text() -> None:
    wording = word(CONTENTS[0], FUND, "nl", TEMPLATES)
    page = letter(wording, ("Robin", "Laan 1", "1234 AB  DORP"), FUND, date(2026, 4, 8), "nl")
    assert page.startswith("Stichting Bestaansbalans\n")
    assert "    Robin\n    Laan 1\n    1234 AB  DORP\n" in page
    assert "8 april 2026" in page
    assert page.endswith(wording.text)


@pytest.mark.parametrize(
    ("language", "text", "fault"),
    [
        ("nl", "U hebt recht op geld.", "word of decision: recht"),
        ("nl", "Dit Besluit geldt nu.", "word of decision: besluit"),
        ("nl", "Er is een vordering.", "word of decision: vordering"),
        ("nl", "U moet\nterugbetalen.", "words of decision: u moet terugbetalen"),
        ("en", "You are entitled to money.", "word of decision: entitled"),
        ("nl", "Derhalve schrijven wij u.", "office word: derhalve"),
        ("nl", "Uw uitkeringsspecificaties.", "long word: uitkeringsspecificaties"),
        ("nl", "Bel ons. Stuur ons een brief.", "more than one action: Bel ons. | Stuur ons een brief."),
    ],
)
def test_the_check_finds_what_it_forbids(language: Language, text: str, fault: str) -> None:
    assert fault in wording_faults(text, language)


def test_the_check_finds_a_long_sentence_and_counts_an_amount_as_one_word() -> None:
    fifteen = "een " * 13 + "€\N{NO-BREAK SPACE}1.331,43 dag."
    assert wording_faults(fifteen, "nl") == ()
    assert wording_faults("een " + fifteen, "nl")[0].startswith("sentence of more than 15 words")


def test_parts_of_words_of_decision_are_no_fault() -> None:
    assert wording_faults("De gemeente beslist rechtstreeks.", "nl") == ()


@pytest.mark.parametrize("subject", ["U krijgt € 5", "Maart 2026", "voor a@b.nl"])
def test_a_subject_with_a_number_or_address_is_a_fault(subject: str) -> None:
    assert subject_faults(subject) != ()


@pytest.mark.parametrize("source", ["", "no parts", "== a\n\n== b\ntext", "== a\nx\n== a\ny"])
def test_a_malformed_template_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="template"):
        parse_parts(source)


def test_both_languages_have_the_same_parts_with_the_same_fields() -> None:
    for kind in MessageKind:
        fields = [
            {name: sorted(part.get_identifiers()) for name, part in TEMPLATES[kind, language].items()}
            for language in LANGUAGES
        ]
        assert fields[0] == fields[1]
