"""The check that what residents read stays plain and decides nothing; tests run it over every rendering."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from notifier.languages import MessageLanguage, without_marks

SENTENCE_WORDS_MAX: Final = 15
SENTENCE_MEAN_MAX: Final = Fraction(8)
EASE_MIN: Final = Fraction(80)
"""Over a whole Dutch message; docs/readability.md says why and what our messages measure."""
WORD_LETTERS_MAX: Final[Mapping[MessageLanguage, int]] = {"nl": 14, "en": 14, "tr": 20, "ar": 14, "uk": 17}
"""Turkish and Ukrainian put into endings what Dutch says in words of their own."""

_DECISION: Final[Mapping[MessageLanguage, str]] = {
    "nl": "recht rechten rechthebbende rechthebbend besluit besluiten beschikking beschikkingen vordering "
    "vorderingen terugvordering invordering terugvorderen verrekening verrekenen terugbetaling terugbetalen "
    "schuld schulden boete maatregel bezwaar toekennen toegekend afgewezen",
    "en": "entitled entitlement decision decisions ruling claim claims reclaim debt debts repay repayment "
    "penalty sanction granted denied",
    "tr": "hak* karar* borç* borc* ceza* itiraz* alacak* alacağ* reddedil* onaylan* yaptırım* yükümlü*",
    "ar": "حق الحق حقك حقوق* قرار* القرار* دين ديون* الدين الديون غرامة* الغرامة* عقوبة* مطالبة* المطالبة* "
    "اعتراض* الاعتراض* استرداد* الاسترداد* ملزم* مرفوض* مقبول*",
    "uk": "право права прав рішен* борг* заборгован* штраф* стягн* претензі* повернут* поверніт* оскарж* "
    "санкці* зобов* відмовл* призначен*",
}
"""Words of decision and their kin: only a municipality writes them, in its own letter. `*`: any ending."""

_DECISION_PHRASES: Final[Mapping[MessageLanguage, tuple[str, ...]]] = {
    "nl": ("u moet terugbetalen", "u bent verplicht", "moet u terug"),
    "en": ("you must pay back", "you have to pay back", "you are obliged", "you have a right"),
    "tr": ("geri ödem", "iade etmelisiniz", "iade etmeniz"),
    "ar": ("يجب أن تدفع", "عليك أن تدفع", "عليك أن تعيد", "يجب أن تعيد", "من حقك"),
    "uk": ("ви повинні сплатити", "маєте право", "мусите віддати"),
}

_HARD: Final[Mapping[MessageLanguage, str]] = {
    "nl": "betreffende inzake conform derhalve reeds tevens alsmede dient dienen ingevolge krachtens jegens "
    "onderhavige aldus echter hetgeen middels omtrent teneinde tengevolge voornoemd desbetreffende "
    "uitkeringsspecificatie inkomstenvrijlating loonheffingskorting aangaande geschieden indien",
    "en": "regarding pursuant hereby therefore furthermore aforementioned notwithstanding commence terminate "
    "remuneration sufficient insufficient utilise prior subsequent deemed shall",
}
"""Office words with a plain everyday counterpart. For other languages a speaker has yet to list them."""

_ACTIONS: Final[Mapping[MessageLanguage, str]] = {
    "nl": "geef stuur bel mail vul ga vraag neem kom lever teken betaal meld schrijf zoek",
    "en": "give send call mail fill go ask take come sign pay report tell write contact",
}
"""Verbs that ask something of the reader when a sentence starts with one."""

_ONE_WORD: Final[Mapping[MessageLanguage, Mapping[str, str]]] = {
    "nl": {
        "uitkering": "bijstand",
        "bijstandsuitkering": "bijstand",
        "salaris": "loon",
        "inkomsten": "loon",
        "verdiensten": "loon",
        "norm": "minimum",
        "ondergrens": "minimum",
        "bufferbudget": "buffer",
        "loonbriefje": "loonstrook",
        "loonspecificatie": "loonstrook",
    },
    "en": {
        "assistance": "benefit",
        "welfare": "benefit",
        "salary": "wages",
        "earnings": "wages",
        "norm": "minimum",
        "floor": "minimum",
        "bufferbudget": "buffer",
        "payslip": "wage slip",
    },
}
"""One word for one thing in all we send; bufferbudget moreover is what the law names, not a fund's buffer."""

_SENTENCE_END: Final = re.compile(r"(?<=[.!?:؟])\s+|\n+")
_SYLLABLE: Final = re.compile(r"aai|ooi|oei|eeuw|ieuw|[aeiouy]{2}|ij|[aeiouyáéíóúàèëïöü]")
"""A group of vowels as Dutch speaks it; `ie`, `oe`, `ui` and the like are one."""
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def wording_faults(text: str, language: MessageLanguage, names: Iterable[str] = ()) -> tuple[str, ...]:
    """What is wrong with a text in one language, each fault in words; nothing wrong gives an empty tuple.

    `names` are proper names and addresses that were filled in; their words are not judged.
    """
    text = without_marks(text)
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, "Naam")
    words = [word.lower() for word in _WORD.findall(text)]
    return (
        *_forbidden(text, words, language),
        *(f"office word: {word}" for word in _listed(words, _HARD.get(language, ""))),
        *(f"long word: {word}" for word in words if len(word) > WORD_LETTERS_MAX[language]),
        *_sentence_faults(text, language),
    )


@dataclass(frozen=True, slots=True)
class Readability:
    """How hard a Dutch text is, as docs/readability.md describes it; means are exact."""

    sentences: int
    words: int
    syllables: int
    longest: int

    @property
    def words_per_sentence(self) -> Fraction:
        return Fraction(self.words, max(1, self.sentences))

    @property
    def ease(self) -> Fraction:
        """Flesch's reading ease with Douma's weights for Dutch: 100 is very easy, below 60 is hard."""
        per_word = Fraction(self.syllables, max(1, self.words))
        return Fraction(206_835, 1000) - Fraction(93, 100) * self.words_per_sentence - 77 * per_word


def readability(text: str, names: Iterable[str] = ()) -> Readability:
    """Measure a Dutch text; names that were filled in count as one short word."""
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, "Naam")
    sentences = [found for found in map(_WORD.findall, _SENTENCE_END.split(text)) if found]
    words = [word.lower() for sentence in sentences for word in sentence]
    return Readability(
        sentences=len(sentences),
        words=len(words),
        syllables=sum(max(1, len(_SYLLABLE.findall(word))) for word in words),
        longest=max(map(len, sentences), default=0),
    )


def subject_faults(subject: str) -> tuple[str, ...]:
    """A subject line is read over shoulders: no amount, number or address in it."""
    return ("the subject holds a number or an address",) if re.search(r"[\d€@]", subject) else ()


def two_words_for_one_thing(text: str, language: MessageLanguage) -> tuple[str, ...]:
    """Words beside the one that a resident always reads for the same thing, each with that one."""
    words = [word.lower() for word in _WORD.findall(text)]
    chosen = _ONE_WORD.get(language, {})
    return tuple(f"{word}: say {chosen[word]}" for word in words if word in chosen)


def _forbidden(text: str, words: list[str], language: MessageLanguage) -> Iterator[str]:
    for word in _listed(words, _DECISION[language]):
        yield f"word of decision: {word}"
    flat = " ".join(text.lower().split())
    for phrase in _DECISION_PHRASES[language]:
        if phrase in flat:
            yield f"words of decision: {phrase}"


def _sentence_faults(text: str, language: MessageLanguage) -> Iterator[str]:
    sentences = [sentence.lstrip("- ").strip() for sentence in _SENTENCE_END.split(text)]
    for sentence in sentences:
        # An amount is one word: its sign and its digits are joined by a space that does not break.
        if len(sentence.split(" ")) > SENTENCE_WORDS_MAX:
            yield f"sentence of more than {SENTENCE_WORDS_MAX} words: {sentence}"
    actions = [
        sentence for sentence in sentences if _first_word(sentence) in _ACTIONS.get(language, "").split()
    ]
    if len(actions) > 1:
        yield "more than one action: " + " | ".join(actions)


def _first_word(sentence: str) -> str:
    found = _WORD.match(sentence)
    return found.group().lower() if found else ""


def _listed(words: list[str], listed: str) -> Iterator[str]:
    whole = frozenset(word for word in listed.split() if not word.endswith("*"))
    stems = tuple(word.removesuffix("*") for word in listed.split() if word.endswith("*"))
    return (word for word in words if word in whole or (stems and word.startswith(stems)))
