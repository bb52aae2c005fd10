"""The check that what residents read stays plain and decides nothing; tests run it over every rendering."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from shared.money import Language

SENTENCE_WORDS_MAX: Final = 15
WORD_LETTERS_MAX: Final = 14

_DECISION: Final[Mapping[Language, str]] = {
    "nl": "recht rechten rechthebbende rechthebbend besluit besluiten beschikking beschikkingen vordering "
    "vorderingen terugvordering invordering terugvorderen verrekening verrekenen terugbetaling terugbetalen "
    "schuld schulden boete maatregel bezwaar toekennen toegekend afgewezen",
    "en": "entitled entitlement decision decisions ruling claim claims reclaim debt debts repay repayment "
    "penalty sanction granted denied",
}
"""Words of decision and their kin: only a municipality writes them, in its own letter."""

_DECISION_PHRASES: Final[Mapping[Language, tuple[str, ...]]] = {
    "nl": ("u moet terugbetalen", "u bent verplicht", "moet u terug"),
    "en": ("you must pay back", "you have to pay back", "you are obliged", "you have a right"),
}

_HARD: Final[Mapping[Language, str]] = {
    "nl": "betreffende inzake conform derhalve reeds tevens alsmede dient dienen ingevolge krachtens jegens "
    "onderhavige aldus echter hetgeen middels omtrent teneinde tengevolge voornoemd desbetreffende "
    "uitkeringsspecificatie inkomstenvrijlating loonheffingskorting aangaande geschieden indien",
    "en": "regarding pursuant hereby therefore furthermore aforementioned notwithstanding commence terminate "
    "remuneration sufficient insufficient utilise prior subsequent deemed shall",
}
"""Office words with a plain everyday counterpart."""

_ACTIONS: Final[Mapping[Language, str]] = {
    "nl": "geef stuur bel mail vul ga vraag neem kom lever teken betaal meld schrijf zoek",
    "en": "give send call mail fill go ask take come sign pay report tell write contact",
}
"""Verbs that ask something of the reader when a sentence starts with one."""

_ONE_WORD: Final[Mapping[Language, Mapping[str, str]]] = {
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

_SENTENCE_END: Final = re.compile(r"(?<=[.!?:])\s+|\n+")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def wording_faults(text: str, language: Language, names: Iterable[str] = ()) -> tuple[str, ...]:
    """What is wrong with a text in one language, each fault in words; nothing wrong gives an empty tuple.

    `names` are proper names and addresses that were filled in; their words are not judged.
    """
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, "Naam")
    words = [word.lower() for word in _WORD.findall(text)]
    return (
        *_forbidden(text, words, language),
        *(f"office word: {word}" for word in _listed(words, _HARD[language])),
        *(f"long word: {word}" for word in words if len(word) > WORD_LETTERS_MAX),
        *_sentence_faults(text, language),
    )


def subject_faults(subject: str) -> tuple[str, ...]:
    """A subject line is read over shoulders: no amount, number or address in it."""
    return ("the subject holds a number or an address",) if re.search(r"[\d€@]", subject) else ()


def two_words_for_one_thing(text: str, language: Language) -> tuple[str, ...]:
    """Words beside the one that a resident always reads for the same thing, each with that one."""
    words = [word.lower() for word in _WORD.findall(text)]
    return tuple(f"{word}: say {_ONE_WORD[language][word]}" for word in words if word in _ONE_WORD[language])


def _forbidden(text: str, words: list[str], language: Language) -> Iterator[str]:
    for word in _listed(words, _DECISION[language]):
        yield f"word of decision: {word}"
    flat = " ".join(text.lower().split())
    for phrase in _DECISION_PHRASES[language]:
        if phrase in flat:
            yield f"words of decision: {phrase}"


def _sentence_faults(text: str, language: Language) -> Iterator[str]:
    sentences = [sentence.lstrip("- ").strip() for sentence in _SENTENCE_END.split(text)]
    for sentence in sentences:
        # An amount is one word: its sign and its digits are joined by a space that does not break.
        if len(sentence.split(" ")) > SENTENCE_WORDS_MAX:
            yield f"sentence of more than {SENTENCE_WORDS_MAX} words: {sentence}"
    actions = [sentence for sentence in sentences if _first_word(sentence) in _ACTIONS[language].split()]
    if len(actions) > 1:
        yield "more than one action: " + " | ".join(actions)


def _first_word(sentence: str) -> str:
    found = _WORD.match(sentence)
    return found.group().lower() if found else ""


def _listed(words: list[str], listed: str) -> Iterator[str]:
    known = frozenset(listed.split())
    return (word for word in words if word in known)
