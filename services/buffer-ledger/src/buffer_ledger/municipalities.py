"""A municipality's way of working, dated by month; what is closed does not change any more."""

from dataclasses import dataclass, replace

from buffer_ledger import store
from buffer_ledger.attribution import MunicipalityRules
from buffer_ledger.store import DatedRules
from shared.database import ReadTx, Tx
from shared.errors import Fault, Invalid, NotFound
from shared.months import Month


@dataclass(frozen=True, slots=True)
class Municipality:
    """A municipality with all its settings, oldest first, and the first month that was never closed."""

    code: str
    settings: tuple[DatedRules, ...]
    last_closed: Month | None


async def put(tx: Tx, code: str, wanted: DatedRules) -> tuple[Municipality, bool]:
    """Set how a municipality works from `wanted.rules.valid_from` on; says whether it was unknown before.

    The first settings hold for every month. As long as nothing was closed they may be replaced as a whole;
    after that a change names its month, which is never one that is closed or being closed. The same settings
    again change nothing.
    Raises Invalid.
    """
    await store.lock_municipality(tx, code, create=True)
    known = await store.municipality_rules(tx, code)
    closed = await store.closed_months(tx, code)
    last_closed = max(closed, default=None)
    if not known:
        await store.put_rules(tx, code, wanted)
        return Municipality(code, (wanted,), last_closed), True
    if _holds(known, wanted):
        return Municipality(code, tuple(known), last_closed), False
    valid_from = wanted.rules.valid_from
    last_taken = max(await store.closed_or_closing_months(tx, code), default=None)
    first_free = None if last_taken is None else last_taken.plus(1)
    if first_free is not None and (valid_from is None or valid_from < first_free):
        said = "name the month" if valid_from is None else f"{valid_from} is not open any more; name a month"
        detail = f"{said} from which this holds: {first_free} or later, because {last_taken} was closed"
        raise Invalid([Fault("L006", "/validFrom", detail)])
    await store.put_rules(tx, code, wanted)
    return Municipality(code, tuple(await store.municipality_rules(tx, code)), last_closed), False


async def get(reading: ReadTx, code: str) -> Municipality:
    """The municipality's settings; raises NotFound."""
    known = await store.municipality_rules(reading, code)
    if not known:
        raise NotFound(f"municipality {code} has no settings yet: PUT /v1/municipalities/{code} first")
    closed = await store.closed_months(reading, code)
    return Municipality(code, tuple(known), max(closed, default=None))


def in_force(settings: tuple[DatedRules, ...], month: Month) -> DatedRules:
    """The settings that hold in a month: the first ones hold for every earlier month too."""
    chosen = settings[0]
    for dated in settings:
        if dated.rules.valid_from is None or dated.rules.valid_from <= month:
            chosen = dated
    return chosen


def _holds(known: list[DatedRules], wanted: DatedRules) -> bool:
    """Whether the settings say this already: the very same row, or, without a month, the newest one."""
    if wanted in known:
        return True
    return wanted.rules.valid_from is None and _undated(known[-1]) == _undated(wanted)


def _undated(dated: DatedRules) -> tuple[str, MunicipalityRules]:
    return dated.name, replace(dated.rules, valid_from=None)
