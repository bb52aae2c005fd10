"""350 invented people in one municipality and what they earned in 2026.

The mix follows what is known of part-time work beside bijstand: home care, cleaning, catering, retail and
temp work, EUR 60 to 1,200 net a month, some with the same hours each month and many without. Slips come late,
twice, corrected or broken about as often as a payroll office manages.
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from shared.months import Month

MUNICIPALITY = "0344"
PEOPLE = 350
YEAR = tuple(Month.span(Month(2026, 1), Month(2026, 12)))
NET_LOWEST_CENTS = 6_000
NET_HIGHEST_CENTS = 120_000

_FIRST_NAMES = (
    *("Aicha", "Bram", "Cisca", "Dirk", "Emine", "Fatos", "Gerrit", "Hanna", "Ilse", "Jamal", "Karin"),
    *("Leyla", "Mo", "Nadia", "Otto", "Petra", "Quinten", "Roos", "Samira", "Teun", "Ugur", "Vera", "Wout"),
    *("Xandra", "Yara", "Zeki"),
)
_LAST_NAMES = (
    *("Aarden", "Boomstra", "Ceelen", "Duinker", "Eggink", "Fonteyn", "Grasveld", "Heuvelaar", "Inkelaar"),
    *("Jonkvorst", "Kwikstaart", "Lindeboom", "Molenwerf", "Nachtegaal", "Oeverling", "Polderman"),
    *("Rietdijk", "Steenuil", "Tuinfluit", "Veldmuis", "Wilgenhof", "Zandloper"),
)
_STREETS = ("Voorbeeldlaan", "Proefstraat", "Denkbeeldig Plein", "Fantasiekade", "Bedachte Gracht")


@dataclass(frozen=True)
class Sector:
    """A kind of work: its employers, its usual monthly net and how that moves over the year."""

    name: str
    employers: tuple[tuple[str, str], ...]
    usual_cents: tuple[int, int]
    expects_slips: bool
    season: Callable[[int], int]
    """Month number -> percentage of the usual net."""


def _flat(_: int) -> int:
    return 100


def _summer(month: int) -> int:
    return 160 if 6 <= month <= 8 else 70


def _december(month: int) -> int:
    return 170 if month in {11, 12} else 90


SECTORS = (
    Sector(
        "home care",
        (("810000001", "Thuiszorg Voorbeeld Oost"), ("810000002", "Zorg aan Huis De Bedachte Brug")),
        (30_000, 85_000),
        True,
        _flat,
    ),
    Sector(
        "cleaning",
        (("810000003", "Schoonmaak Spiegelglas Voorbeeld"), ("810000004", "Bedacht Blinkend")),
        (25_000, 70_000),
        True,
        _flat,
    ),
    Sector("catering", (("810000005", "Eetzaal De Denkbeeldige Lepel"),), (15_000, 75_000), False, _summer),
    Sector(
        "retail",
        (("810000006", "Schoenwinkel Voorbeeldstap"), ("810000007", "Warenhuis Fantasie")),
        (20_000, 65_000),
        True,
        _december,
    ),
    Sector("temp work", (("810000008", "Uitzendbureau Proefwerk"),), (20_000, 90_000), False, _flat),
)


@dataclass
class Year:
    """What the sample consists of, gathered while people's years are drawn up."""

    on_time: dict[Month, list[str]] = field(default_factory=lambda: {month: [] for month in YEAR})
    later: dict[Month, list[str]] = field(default_factory=lambda: {month: [] for month in YEAR})
    declarations: dict[Month, list[dict[str, Any]]] = field(
        default_factory=lambda: {month: [] for month in YEAR}
    )
    people: list[dict[str, Any]] = field(default_factory=list)


def make_sample() -> dict[str, str]:
    """The sample's files: name -> content. `slips/2026-03.ndjson` arrives before March is closed,
    `slips/2026-03-later.ndjson` (late slips and corrections) after it."""
    chance = random.Random(2026)
    year = Year()
    for number in range(1, PEOPLE + 1):
        _add_person(year, chance, number)
    _break_some_lines(year, chance)
    files = {"participants.ndjson": _lines(json.dumps(p, ensure_ascii=False) for p in year.people)}
    for month in YEAR:
        files[f"slips/{month}.ndjson"] = _lines(year.on_time[month])
        files[f"slips/{month}-later.ndjson"] = _lines(year.later[month])
        files[f"declarations/{month}.ndjson"] = _lines(json.dumps(d) for d in year.declarations[month])
    return files


def _lines(lines: Iterator[str] | list[str]) -> str:
    return "".join(line + "\n" for line in lines)


def _add_person(year: Year, chance: random.Random, number: int) -> None:
    reference = f"inwoner-{number:03d}"
    sector = chance.choices(SECTORS, weights=(30, 22, 16, 18, 14))[0]
    employer_number, employer_name = chance.choice(sector.employers)
    year.people.append(_person(chance, number, reference, sector, employer_number, employer_name))
    pattern = chance.choices(("steady", "seasonal", "erratic"), weights=(25, 30, 45))[0]
    usual = chance.randint(*sector.usual_cents)
    never_came = number % 117 == 0
    for month in YEAR:
        net = _net(chance, pattern, sector, usual, month)
        slip = _slip(reference, employer_number, employer_name, month, net, chance, number)
        if never_came and month.number == 9:
            continue
        if net is None:
            if sector.expects_slips:
                year.declarations[month].append(
                    {"externalReference": reference, "month": str(month), "kind": "ZERO"}
                )
            continue
        _send(year, chance, month, slip)


def _net(chance: random.Random, pattern: str, sector: Sector, usual: int, month: Month) -> int | None:
    """The month's countable net in cents, or None in a month without work."""
    if pattern == "steady":
        percent, wobble = 100, chance.randint(980, 1020)
    elif pattern == "seasonal":
        percent, wobble = sector.season(month.number), chance.randint(900, 1100)
    else:
        if chance.random() < 0.12:
            return None
        percent, wobble = chance.choice((20, 50, 80, 100, 130, 170)), chance.randint(900, 1100)
    return max(NET_LOWEST_CENTS, min(NET_HIGHEST_CENTS, usual * percent * wobble // 100_000))


def _slip(
    reference: str,
    employer_number: str,
    employer_name: str,
    month: Month,
    net: int | None,
    chance: random.Random,
    number: int,
) -> dict[str, Any]:
    pay_day = f"{month}-{chance.randint(20, 27):02d}"
    slip: dict[str, Any] = {
        "municipality": MUNICIPALITY,
        "externalReference": reference,
        "source": "SLIP",
        "employerNumber": employer_number,
        "employerName": employer_name,
        "periodFrom": str(month.first_day),
        "periodTo": str(month.last_day),
        "payDate": pay_day,
        "netCents": net or 0,
    }
    if number % 25 == 0 and net:
        tax = -(net * 9 // 100)
        slip["lines"] = [
            {"kind": "WAGE", "label": "Salaris", "amountCents": net - tax},
            {"kind": "TAX", "label": "Loonheffing", "amountCents": tax},
            {"kind": "ALLOWANCE", "label": "Reiskosten", "amountCents": 2_840},
        ]
        del slip["netCents"]
    if number % 40 != 0:
        slip["taxCreditApplied"] = number % 20 != 7
    return slip


def _send(year: Year, chance: random.Random, month: Month, slip: dict[str, Any]) -> None:
    """Most slips come in time, some late, some twice and some are corrected afterwards."""
    luck = chance.random()
    late = luck < 0.05
    (year.later if late else year.on_time)[month].append(json.dumps(slip, ensure_ascii=False))
    if luck > 0.98:
        year.on_time[month].append(json.dumps(slip, ensure_ascii=False))
    if 0.95 < luck <= 0.975 and "netCents" in slip:
        corrected = slip | {
            "netCents": slip["netCents"] + chance.choice((-4_500, -1_250, 2_375, 6_000)),
            "version": 2,
        }
        if corrected["netCents"] > 0:
            year.later[month].append(json.dumps(corrected, ensure_ascii=False))


def _person(
    chance: random.Random,
    number: int,
    reference: str,
    sector: Sector,
    employer_number: str,
    employer_name: str,
) -> dict[str, Any]:
    first, last = chance.choice(_FIRST_NAMES), chance.choice(_LAST_NAMES)
    address = {
        "name": f"{first} {last}",
        "street": f"{chance.choice(_STREETS)} {chance.randint(1, 180)}",
        "postalCode": f"{chance.randint(1000, 9999)} XX",
        "city": "Voorbeeldstad",
    }
    contact: dict[str, Any] = {"language": "en" if number % 9 == 0 else "nl", "postalAddress": address}
    if number % 14 == 0:
        contact |= {"channels": ["LETTER"], "consents": []}
    else:
        contact |= {
            "email": f"{reference}@example.org",
            "channels": ["EMAIL", "LETTER"],
            "consents": [{"channel": "EMAIL", "messageKind": "BUFFER", "givenOn": "2025-12-01"}],
        }
    employment = {"employerNumber": employer_number, "employerName": employer_name, "payPeriod": "MONTH"}
    return {
        "externalReference": reference,
        "sector": sector.name,
        "employments": [employment] if sector.expects_slips else [],
        "household": {"kind": chance.choices(("SINGLE", "SINGLE_PARENT", "COUPLE"), weights=(70, 20, 10))[0]},
        "contact": contact,
    }


def _break_some_lines(year: Year, chance: random.Random) -> None:
    """Put in what payroll exports get wrong; each of these lines must be refused with its reasons."""
    for month, broken in zip(YEAR, _broken_lines(), strict=False):
        lines = year.on_time[month]
        lines.insert(chance.randrange(len(lines)), broken)


def _broken_lines() -> Iterator[str]:
    good: dict[str, Any] = {
        "municipality": MUNICIPALITY,
        "externalReference": "inwoner-001",
        "source": "SLIP",
        "employerName": "Thuiszorg Voorbeeld Oost",
        "periodFrom": "2026-01-01",
        "periodTo": "2026-01-31",
        "netCents": 41_250,
    }
    yield json.dumps(good)[:-20]
    yield json.dumps(good | {"netCents": 412.50})
    yield json.dumps(good | {"periodFrom": "2026-01-31", "periodTo": "2026-01-01"})
    yield json.dumps(good | {"externalReference": "inwoner-999"})
    yield json.dumps(good | {"periodFrom": "01-01-2026", "netCents": "412,50"})
    yield json.dumps(good | {"source": "ESTIMATE"})
    yield json.dumps({key: value for key, value in good.items() if key != "netCents"})
    yield json.dumps(good | {"netto": 41_250})
    yield json.dumps(good | {"employerName": "   "})
