"""buffer-ledger as a value: what it owns, what runs in it, what it is wired to. Building starts nothing."""

from pathlib import Path
from typing import Final

from buffer_ledger import closing
from buffer_ledger.checks import Checking
from buffer_ledger.closing import Closing
from buffer_ledger.facts import Facts
from buffer_ledger.figures import Figures
from buffer_ledger.http import router
from buffer_ledger.http_parts import Parts
from buffer_ledger.rules_catalogue import RULES
from buffer_ledger.sealing import ChainReading, Sealing, waiting
from shared.clock import Clock
from shared.contracts.events import (
    MonthDeclared,
    ParticipantErased,
    ParticipantRegistered,
    WageSlipCorrected,
    WageSlipReported,
)
from shared.ids import Ids
from shared.inbox import Handler, Wiring
from shared.law import Law
from shared.log import get_log
from shared.metrics import Metrics
from shared.service import Service, database_of, key_store_of
from shared.settings import ServiceName, Settings
from shared.workers import Worker

NAME: Final[ServiceName] = "buffer-ledger"
MIGRATIONS: Final = Path(__file__).parent / "migrations"
CHECK_SECONDS: Final = 30.0
"""How often the whole ledger is checked. A check is a few grouped queries over all transfers."""

READ_SECONDS: Final = 15.0
"""How often the next 500 links of the chain are read again: a million in about eight hours. A piece costs a
tenth of a second of processor time, which every second would be a tenth of a core for ever."""


def build(settings: Settings, clock: Clock, ids: Ids, metrics: Metrics, *, law: Law | None = None) -> Service:
    """The service as these settings want it; `law` is another than the one that is packed with it."""
    database = database_of(NAME, settings, clock, ids)
    keys = key_store_of(NAME, settings)
    law, log = law or Law.load(), get_log(NAME)
    figures = Figures(metrics.of(NAME))
    closer = Worker("month-closes", Closing(database, law, figures, log).step)
    checker = Worker("ledger-checks", Checking(database, figures, log).step, every_seconds=CHECK_SECONDS)

    sealer = Worker("ledger-seals", Sealing(database, figures, log).step)
    chain_reader = Worker(
        "ledger-chain", ChainReading(database, figures, log).step, every_seconds=READ_SECONDS
    )

    async def sample() -> None:
        async with database.read() as reading:
            figures.unsealed(await waiting(reading))

    async def pending() -> int:
        async with database.read() as reading:
            return await closing.unfinished(reading)

    return Service(
        name=NAME,
        database=database,
        router=router(Parts(database, keys, law, figures, closer.wake)),
        migrations=MIGRATIONS,
        wiring=wiring(Facts(law, keys, figures)),
        # The last registration of a person counts, so none may overtake one that waits; slips commute.
        non_commuting=frozenset({ParticipantRegistered, ParticipantErased}),
        workers=(closer, checker, sealer, chain_reader),
        key_store=keys,
        pending_work=pending,
        rules=RULES,
        sample=sample,
    )


def wiring(facts: Facts) -> Wiring:
    """Which handler takes which event."""
    slips: Handler = facts.slips
    return {
        ParticipantRegistered: facts.registered,
        ParticipantErased: facts.erased,
        WageSlipReported: slips,
        WageSlipCorrected: slips,
        MonthDeclared: facts.declared,
    }
