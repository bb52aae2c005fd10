"""A donor's own reference: what it is written with, and that no person can be read from it. Pure.

A donation is kept for ever and cannot be changed, so an account number or BSN in it could never be erased.
"""

import re

REFERENCE_MAX = 64
REFERENCE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9 ./_-]*$"

_BSN = re.compile(
    r"(?<![0-9])"
    r"([0-9]{9}|[0-9]{3}[ ./_-][0-9]{3}[ ./_-][0-9]{3}|[0-9]{4}[ ./_-][0-9]{2}[ ./_-][0-9]{3})"
    r"(?![0-9])"
)
_IBAN_START = re.compile(r"(?=([A-Z]{2})[0-9]{2})")
# How long an account number is in the countries of SEPA and a few others (IBAN registry). Other lengths are
# not looked for: of any 97 references that begin like one, one would have check digits that fit.
_IBAN_LENGTHS = {
    **dict.fromkeys(("NO",), 15),
    **dict.fromkeys(("BE",), 16),
    **dict.fromkeys(("DK", "FI", "NL"), 18),
    **dict.fromkeys(("MK", "SI"), 19),
    **dict.fromkeys(("AT", "BA", "EE", "LT", "XK"), 20),
    **dict.fromkeys(("CH", "HR", "LI", "LV"), 21),
    **dict.fromkeys(("BG", "DE", "GB", "GE", "IE", "ME", "RS", "VA"), 22),
    **dict.fromkeys(("GI",), 23),
    **dict.fromkeys(("AD", "CZ", "ES", "MD", "RO", "SE", "SK"), 24),
    **dict.fromkeys(("PT",), 25),
    **dict.fromkeys(("IS", "TR"), 26),
    **dict.fromkeys(("FR", "GR", "IT", "MC", "SM"), 27),
    **dict.fromkeys(("AL", "CY", "HU", "LB", "MA", "PL"), 28),
    **dict.fromkeys(("UA",), 29),
    **dict.fromkeys(("MT",), 31),
}


def reference_fault(reference: str) -> str | None:
    """Why a reference cannot be kept, in words that do not repeat it; None when it can."""
    if "@" in reference:
        return "holds an e-mail address: use a reference that names no person"
    if _holds_iban(reference):
        return "holds an account number: use a reference that names no person"
    if any(_passes_eleven_test(found) for found in _BSN.findall(reference)):
        return "holds nine digits that pass the 11-test of a BSN: use a reference that names no person"
    if not re.fullmatch(REFERENCE_PATTERN, reference):
        return "is written with letters, digits, spaces and - / . _ and begins with a letter or digit"
    return None


def _holds_iban(reference: str) -> bool:
    compact = re.sub(r"[^A-Z0-9]", "", reference.upper())
    for start in _IBAN_START.finditer(compact):
        length = _IBAN_LENGTHS.get(start[1], 0)
        iban = compact[start.start() : start.start() + length]
        if length and len(iban) == length and _check_digits_fit(iban):
            return True
    return False


def _check_digits_fit(iban: str) -> bool:
    return int("".join(str(int(character, 36)) for character in iban[4:] + iban[:4])) % 97 == 1


def _passes_eleven_test(written: str) -> bool:
    digits = [int(digit) for digit in written if digit.isdigit()]
    weighted = sum(digit * weight for digit, weight in zip(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1), strict=True))
    return any(digits) and weighted % 11 == 0
