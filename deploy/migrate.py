"""Bring databases to the newest tables, as their owners: `python -m deploy.migrate [income-intake ...]`.

Services do this by themselves when they start. Where the process that serves requests may not know the
owner's password, this runs first, with `<SERVICE>_OWNER_DATABASE_URL` and `<SERVICE>_DATABASE_URL` (whose
role gets its rights); the services then find nothing left to do.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from shared.errors import TryAgain
from shared.migrate import migrate
from shared.settings import SERVICE_NAMES, ServiceName, Settings, SettingsInvalid, load

PAUSE_SECONDS = 1.0


def migrations_of(service: ServiceName) -> Path:
    """The folder with a service's scripts; its package is not imported."""
    spec = find_spec(service.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise ValueError(f"{service} is not installed here")
    return Path(spec.origin).parent / "migrations"


async def bring_up(service: ServiceName, settings: Settings) -> tuple[str, str]:
    """Migrate one service's database, waiting for it STARTUP_SECONDS at most; revisions before, after."""
    deadline = time.monotonic() + settings.startup_seconds
    while True:
        try:
            return await migrate(
                settings.owner_database_url(service),
                migrations_of(service),
                service_url=settings.database_url(service),
            )
        except TryAgain:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(PAUSE_SECONDS)


def main(arguments: Sequence[str]) -> int:
    """Migrate the named services, all three when none is named; 0, or a sentence on standard error."""
    unknown = [name for name in arguments if name not in SERVICE_NAMES]
    if unknown:
        print(f"There is no service {', '.join(unknown)}: name {', '.join(SERVICE_NAMES)}.", file=sys.stderr)
        return 2
    try:
        settings = load()
        for service in SERVICE_NAMES:
            if service in arguments or not arguments:
                before, after = asyncio.run(bring_up(service, settings))
                print(f"{service}: {after}" + ("" if before == after else f", was {before or 'empty'}"))
    except (SettingsInvalid, TryAgain, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
