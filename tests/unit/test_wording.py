"""Every message a resident can get: plain, complete, deciding nothing, the same facts in both languages."""

import json
from dataclasses import replace
from itertools import product

import pytest

from notifier.languages import LANGUAGES, MessageLanguage, order
from notifier.plain_language import (
    EASE_MIN,
    SENTENCE_MEAN_MAX,
    SENTENCE_WORDS_MAX,
    readability,
    subject_faults,
    two_words_for_one_thing,
    wording_faults,
)
from notifier.template_files import parse_template
from notifier.templates import load_templates
from notifier.wording import (
    NAMELESS,
    RULE,
    BufferLevel,
    Content,
    Correction,
    Figures,
    MessageKind,
    Role,
    Sender,
    Wording,
    word,
)
from shared.money import Cents
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
UNSETTLED = (Month(2025, 12), Month(2026, 3))


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
        Content(
            MessageKind.BUFFER_END,
            MARCH,
            corrections=corrections,
            returned_cents=Cents(returned),
            unsettled=unsettled,
        )
        for corrections, returned, unsettled in product(
            ((), CORRECTIONS), (0, 53_180), ((), (Month(2026, 2),), UNSETTLED)
        )
    ]
    return months + ends


CONTENTS = _every_content()
NOBODY_SAID = replace(NAMELESS, email="vragen@fonds.example")
SENDERS = (
    FUND,
    replace(FUND, phone=None),
    replace(FUND, email=None),
    replace(FUND, phone=None, email=None),
    NAMELESS,
    NOBODY_SAID,
)


def _halves(wording: Wording, preferred: MessageLanguage) -> dict[MessageLanguage, str]:
    return dict(zip(order(preferred), wording.text.split(f"\n\n{RULE}\n\n"), strict=True))


def _names(sender: Sender) -> list[str]:
    return [name for name in (sender.name, sender.contact, sender.phone, sender.email) if name]


@pytest.mark.parametrize("preferred", LANGUAGES)
@pytest.mark.parametrize("sender", SENDERS)
def test_every_rendering_is_plain_and_decides_nothing(preferred: MessageLanguage, sender: Sender) -> None:
    for content in CONTENTS:
        wording = word(content, sender, preferred, TEMPLATES, LANGUAGES)
        assert subject_faults(wording.subject) == ()
        for language, text in _halves(wording, preferred).items():
            assert wording_faults(text, language, _names(sender)) == (), text
            assert two_words_for_one_thing(text, language) == (), text
            assert "$" not in text
            assert "None" not in text


def test_every_dutch_message_is_as_easy_to_read_as_we_promise() -> None:
    for content in CONTENTS:
        wording = word(content, FUND, "nl", TEMPLATES)
        for text in (wording.sections[0].text, wording.sms):
            measured = readability(text, _names(FUND))
            assert measured.longest <= SENTENCE_WORDS_MAX
            assert measured.words_per_sentence <= SENTENCE_MEAN_MAX, text
            assert measured.ease >= EASE_MIN, text


def test_the_measure_tells_plain_words_from_the_words_of_an_office() -> None:
    plain = readability("U kreeg loon. De gemeente weet dit al.")
    assert (plain.sentences, plain.words, plain.syllables, plain.longest) == (2, 8, 10, 5)
    assert plain.words_per_sentence == 4
    office = readability(
        "Naar aanleiding van de door u verstrekte inkomstengegevens wordt de uitbetaling opgeschort "
        "totdat de noodzakelijke bewijsstukken zijn ontvangen."
    )
    assert office.ease < EASE_MIN < plain.ease
    assert office.words_per_sentence > SENTENCE_MEAN_MAX


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


def _dutch(content: Content, sender: Sender = FUND) -> str:
    return _halves(word(content, sender, "nl", TEMPLATES), "nl")["nl"]


def _english(content: Content, sender: Sender = FUND) -> str:
    return _halves(word(content, sender, "nl", TEMPLATES), "nl")["en"]


def test_a_known_wage_need_not_be_told_again_but_another_wage_must() -> None:
    content = Content(MessageKind.BUFFER_MONTH, MARCH, FIGURES)
    text = _dutch(content)
    assert (
        "De gemeente kent dit loon al.\n"
        "De gemeente weet ook van uw buffer.\n"
        "Hebt u nog ander loon? Geef dat dan door aan de gemeente." in text
    )
    assert "U hoeft niets te doen." not in text
    assert "The municipality already knows these wages." in _english(content)
    assert "Do you have other wages? Tell the municipality about those." in _english(content)


def test_without_a_wage_it_says_no_more_than_that_none_was_paid_as_far_as_is_known() -> None:
    content = Content(MessageKind.BUFFER_MONTH, MARCH, replace(FIGURES, wage_cents=Cents(0)))
    text = _dutch(content)
    assert "- Voor zover wij weten kreeg u in deze maand geen loon." in text
    assert (
        "Klopt het dat u geen loon kreeg? Dan hoeft u niets te doen.\n"
        "Klopt het niet? Geef dat dan door aan de gemeente." in text
    )
    assert "kennen" not in text
    assert "weet dat dan nog niet" not in text, "a slip of this month may be known with another pay day"
    assert "- As far as we know, you were paid no wages in this month." in _english(content)
    assert "does not know" not in _english(content)


def test_an_end_with_every_month_settled_asks_nothing() -> None:
    content = Content(MessageKind.BUFFER_END, MARCH, returned_cents=Cents(53_180))
    text = _dutch(content)
    assert "U hoeft niets te doen.\nDe gemeente weet al dat uw buffer is gestopt." in text
    assert "Dat geld gaat terug naar het fonds." in text
    assert "loonstrook" not in text
    assert "That money goes back to the fund." in _english(content)


def test_an_end_with_months_never_settled_names_them_and_asks_for_the_slip() -> None:
    content = Content(MessageKind.BUFFER_END, MARCH, returned_cents=Cents(53_180), unsettled=UNSETTLED)
    text = _dutch(content)
    assert (
        "Over deze maanden missen wij een loonstrook:\n"
        "- december 2025\n"
        "- maart 2026\n"
        "Over die maanden kwam er niets uit uw buffer." in text
    )
    assert "Geef die dan aan de gemeente." in text
    assert "Kreeg u toen geen loon? Dan kunt u dat ook doorgeven." in text
    assert "U hoeft niets te doen" not in text
    assert "De gemeente weet al" not in text
    english = _english(content)
    assert "- December 2025\n- March 2026\nFor those months nothing came from your buffer." in english
    assert "You do not need to do anything" not in english


def test_one_month_never_settled_is_told_in_the_singular() -> None:
    text = _dutch(Content(MessageKind.BUFFER_END, MARCH, unsettled=(Month(2026, 2),)))
    assert (
        "Over februari 2026 missen wij een loonstrook.\nOver die maand kwam er niets uit uw buffer." in text
    )


@pytest.mark.parametrize(
    ("told", "now", "dutch", "english"),
    [
        (
            10_000,
            15_000,
            "Over januari 2026 verwachtten wij eerst € 100,00 uit uw buffer. "
            "Nu verwachten wij in totaal € 150,00.",
            "For January 2026 we first expected €100.00 from your buffer. Now we expect €150.00 in total.",
        ),
        (
            0,
            15_000,
            "Over januari 2026 verwachten wij nu in totaal € 150,00 uit uw buffer.",
            "For January 2026 we now expect €150.00 in total from your buffer.",
        ),
        (
            10_000,
            0,
            "Over januari 2026 verwachtten wij eerst € 100,00 uit uw buffer. Nu verwachten wij niets.",
            "For January 2026 we first expected €100.00 from your buffer. Now we expect nothing.",
        ),
    ],
)
def test_a_correction_gives_the_total_of_the_month_and_no_second_payment(
    told: int, now: int, dutch: str, english: str
) -> None:
    correction = Correction(Month(2026, 1), Cents(told), Cents(now))
    for kind, figures in ((MessageKind.BUFFER_MONTH, FIGURES), (MessageKind.BUFFER_END, None)):
        content = Content(kind, MARCH, figures, corrections=(correction,))
        assert f"- {dutch}" in _dutch(content).replace("\N{NO-BREAK SPACE}", " ")
        assert f"- {english}" in _english(content)


def test_a_sender_nobody_named_is_your_buffer_fund_in_each_language() -> None:
    content = CONTENTS[0]
    dutch, english = _dutch(content, NOBODY_SAID), _english(content, NOBODY_SAID)
    assert "Dit bericht is van uw bufferfonds." in dutch
    assert "U kunt mailen naar uw bufferfonds: vragen@fonds.example." in dutch
    assert dutch.endswith("Met vriendelijke groet,\nUw bufferfonds")
    assert "This message is from your buffer fund." in english
    assert english.endswith("Kind regards,\nYour buffer fund\n")


@pytest.mark.parametrize(
    ("preferred", "first"),
    [
        ("nl", "Beste deelnemer,"),
        ("en", "Dear participant,"),
        ("tr", "Değerli katılımcı,"),
        ("ar", "عزيزي المشارك"),
        ("uk", "Шановні учасниці"),
    ],
)
def test_the_preferred_language_comes_first_and_dutch_is_always_there(
    preferred: MessageLanguage, first: str
) -> None:
    wording = word(CONTENTS[0], FUND, preferred, TEMPLATES, LANGUAGES)
    assert wording.text.startswith(first)
    assert [section.language for section in wording.sections] == list(order(preferred))
    assert "Beste deelnemer," in wording.text


@pytest.mark.parametrize("preferred", ["tr", "ar", "uk"])
def test_a_language_that_no_speaker_has_read_yet_gives_way_to_dutch(preferred: MessageLanguage) -> None:
    assert all(TEMPLATES[kind, preferred].review_needed for kind in MessageKind)
    wording = word(CONTENTS[0], FUND, preferred, TEMPLATES)
    assert [section.language for section in wording.sections] == ["nl", "en"]


def test_a_message_names_the_versions_of_its_templates_and_every_word_counts() -> None:
    wording = word(CONTENTS[0], FUND, "en", TEMPLATES)
    kind = CONTENTS[0].kind
    assert wording.templates == (f"en-{TEMPLATES[kind, 'en'].version}", f"nl-{TEMPLATES[kind, 'nl'].version}")
    first, second = (
        parse_template(f"# remark\n== a\nU hoeft {word} te doen.\n") for word in ("niets", "iets")
    )
    assert first.version != second.version
    assert first.version == parse_template("# other\n== a\nU hoeft niets te doen.\n").version


def test_what_is_filled_in_never_decides_what_a_line_is() -> None:
    sneaky = replace(FUND, name="- Fonds", contact="- team")
    for section in word(CONTENTS[0], sneaky, "nl", TEMPLATES).sections:
        signature = section.paragraphs[-1][-1]
        assert (signature.role, signature.text) == (Role.TEXT, "- Fonds")


@pytest.mark.parametrize("preferred", LANGUAGES)
@pytest.mark.parametrize("sender", SENDERS)
def test_a_text_message_is_short_asks_for_one_thing_and_never_names_an_amount(
    preferred: MessageLanguage, sender: Sender
) -> None:
    for content in CONTENTS:
        sms = word(content, sender, preferred, TEMPLATES, LANGUAGES).sms
        assert len(sms) <= 600
        bare = sms.replace(sender.phone or "-", "")
        assert not any(character.isdigit() or character in "€$" for character in bare), sms
        languages = order(preferred)[: 1 if preferred == "nl" else 2]
        for language, text in zip(languages, sms.split("\n"), strict=True):
            assert wording_faults(text, language, _names(sender)) == (), text
    assert ("030 123 45 67" in sms) == (sender.phone is not None)


@pytest.mark.parametrize("content", CONTENTS)
def test_what_is_stored_reads_back_equal(content: Content) -> None:
    assert Content.from_bytes(content.to_bytes()) == content
    wording = word(content, FUND, "nl", TEMPLATES)
    assert Wording.from_bytes(wording.to_bytes()) == wording


def test_a_text_stored_before_it_had_sections_reads_back_with_its_lines() -> None:
    stored = json.dumps({"subject": "Nieuws", "text": "Beste deelnemer,\n\nEen\nTwee\n"}).encode()
    wording = Wording.from_bytes(stored)
    assert wording.text == "Beste deelnemer,\n\nEen\nTwee\n"
    assert wording.sections[0].text == "Beste deelnemer,\n\nEen\nTwee"


def test_a_message_stored_before_unsettled_months_were_told_reads_back() -> None:
    content = Content(MessageKind.BUFFER_END, MARCH)
    stored = {name: value for name, value in json.loads(content.to_bytes()).items() if name != "unsettled"}
    assert Content.from_bytes(json.dumps(stored).encode()) == content


@pytest.mark.parametrize(
    ("language", "text", "fault"),
    [
        ("nl", "U hebt recht op geld.", "word of decision: recht"),
        ("nl", "Dit Besluit geldt nu.", "word of decision: besluit"),
        ("nl", "Er is een vordering.", "word of decision: vordering"),
        ("nl", "U moet\nterugbetalen.", "words of decision: u moet terugbetalen"),
        ("en", "You are entitled to money.", "word of decision: entitled"),
        ("tr", "Belediye kararını verdi.", "word of decision: kararını"),
        ("tr", "Parayı geri ödemelisiniz.", "words of decision: geri ödem"),
        ("ar", "هذا قرار البلدية.", "word of decision: قرار"),
        ("ar", "لديك \u2068الحق\u2069 في المال.", "word of decision: الحق"),
        ("uk", "Це рішення муніципалітету.", "word of decision: рішення"),
        ("uk", "Ви маєте право на гроші.", "words of decision: маєте право"),
        ("nl", "Derhalve schrijven wij u.", "office word: derhalve"),
        ("nl", "Uw uitkeringsspecificaties.", "long word: uitkeringsspecificaties"),
        ("nl", "Bel ons. Stuur ons een brief.", "more than one action: Bel ons. | Stuur ons een brief."),
    ],
)
def test_the_check_finds_what_it_forbids(language: MessageLanguage, text: str, fault: str) -> None:
    assert fault in wording_faults(text, language)


def test_the_check_finds_a_long_sentence_and_counts_an_amount_as_one_word() -> None:
    fifteen = "een " * 13 + "€\N{NO-BREAK SPACE}1.331,43 dag."
    assert wording_faults(fifteen, "nl") == ()
    assert wording_faults("een " + fifteen, "nl")[0].startswith("sentence of more than 15 words")


@pytest.mark.parametrize(
    ("language", "text", "fault"),
    [
        ("nl", "Uw uitkering is € 5.", "uitkering: say bijstand"),
        ("nl", "Uw salaris.", "salaris: say loon"),
        ("nl", "Uit uw Bufferbudget.", "bufferbudget: say buffer"),
        ("en", "Your salary.", "salary: say wages"),
    ],
)
def test_the_check_finds_a_second_word_for_one_thing(
    language: MessageLanguage, text: str, fault: str
) -> None:
    assert two_words_for_one_thing(text, language) == (fault,)


def test_parts_of_words_of_decision_are_no_fault() -> None:
    assert wording_faults("De gemeente beslist rechtstreeks.", "nl") == ()


@pytest.mark.parametrize("subject", ["U krijgt € 5", "Maart 2026", "voor a@b.nl"])
def test_a_subject_with_a_number_or_address_is_a_fault(subject: str) -> None:
    assert subject_faults(subject) != ()


@pytest.mark.parametrize("source", ["", "no parts", "== a\n\n== b\ntext", "== a\nx\n== a\ny"])
def test_a_malformed_template_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="template"):
        parse_template(source)


def test_all_languages_have_the_same_parts_with_the_same_fields() -> None:
    for kind in MessageKind:
        fields = [
            {name: sorted(part.get_identifiers()) for name, part in TEMPLATES[kind, language].parts.items()}
            for language in LANGUAGES
        ]
        assert fields == [fields[0]] * len(LANGUAGES)
