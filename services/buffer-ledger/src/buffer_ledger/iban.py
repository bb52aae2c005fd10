"""Account numbers: whether one can be right (ISO 13616, check digits mod 97), and how it is shown."""

import re

_SHAPE = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_DUTCH = re.compile(r"NL[0-9]{2}[A-Z]{4}[0-9]{10}")


def compact_iban(text: str) -> str:
    """The number without the spaces people write; letters in capitals."""
    return re.sub(r"\s", "", text).upper()


def iban_fault(iban: str) -> str | None:
    """Why a compact number cannot be an account, in words; None when it can."""
    if not _SHAPE.fullmatch(iban):
        return "is no IBAN: two letters, two check digits and 11 to 30 letters or digits"
    if iban.startswith("NL") and not _DUTCH.fullmatch(iban):
        return "is no Dutch IBAN: NL, two check digits, four letters and ten digits"
    moved = iban[4:] + iban[:4]
    if int("".join(str(int(character, 36)) for character in moved)) % 97 != 1:
        return "has check digits that do not fit: a digit or letter is wrong"
    return None


def masked_iban(iban: str) -> str:
    """The country and the last four characters; the rest as stars."""
    return iban[:2] + "*" * (len(iban) - 6) + iban[-4:]


def masked_name(name: str) -> str:
    """The first letter of each word; the rest as three stars, whatever its length."""
    return " ".join(f"{word[0]}***" for word in name.split())
