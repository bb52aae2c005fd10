"""`make soak`: a million random operations on the ledger, its invariants asserted all the way.

OPERATIONS (default 1,000,000) and SEED (default: any) choose otherwise. The operations are spread over worlds
of a year each; the run ends with exit status 1 at the first world that breaks an invariant.
"""

import asyncio
import os
import secrets
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from shared import log as logs
from tests.states.world import World

STEPS = 1_000
"""Steps of one world: some 10,000 operations in a year of forty people."""


async def soak(operations: int, seed: int, folder: Path) -> bool:
    """Live world after world; says whether every invariant held."""
    done, steps, worlds, began = 0, 0, 0, time.monotonic()
    counts: Counter[str] = Counter()
    while done < operations:
        place = folder / str(worlds)
        place.mkdir()
        world = World(place, seed + worlds, steps=STEPS)
        await live(world)
        done, steps, worlds = done + world.operations, steps + world.done, worlds + 1
        counts.update(world.counts)
        seconds = time.monotonic() - began
        print(f"{done:>9,} operations {steps:>8,} steps {worlds:>4} worlds {seconds:>7,.0f} s", flush=True)
        if world.violations:
            print(*world.violations[:20], sep="\n")
            return False
    print(*(f"{count:>9,} {name}" for name, count in counts.most_common()), sep="\n")
    seconds = time.monotonic() - began
    print(f"{done:,} operations in {steps:,} transactions and {seconds:,.0f} seconds, 0 violations")
    return True


async def live(world: World) -> None:
    """Live one world to its last step or to the first violation."""
    await world.begin()
    try:
        unseen = 0
        while world.done < world.steps and not world.violations:
            unseen += (await world.step()).operations
            if unseen >= 1_000 or world.done == world.steps:
                await world.check_whole()
                unseen = 0
    finally:
        await world.end()


def main() -> int:
    """Run as the environment says; 0 when all is well."""
    logs.configure("error")
    operations = int(os.environ.get("OPERATIONS") or 1_000_000)
    seed = int(os.environ.get("SEED") or secrets.randbelow(1 << 30))
    print(f"SEED={seed} OPERATIONS={operations}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        return 0 if asyncio.run(soak(operations, seed, Path(folder))) else 1


if __name__ == "__main__":
    sys.exit(main())
