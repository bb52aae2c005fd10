"""`python -m tests.load.toeslagen`: households per second of processor time through the pure toeslag rules.

One process, one core; no receipt is built. Every household is cut into its months anew and computed on an
income of its own. It prints a line per mix; nothing is asserted, because the machine is noisy.
"""

import time
from datetime import date
from random import Random

from notifier.toeslag_household import Age, Care, Home, Residents, ToeslagHousehold
from notifier.toeslagen import toeslag_rules, toeslagen
from shared.law import Law

HOUSEHOLDS = 2_000
SECONDS = 3.0
SEED = 2026


def invented(random: Random, *, birth_dates: bool) -> tuple[ToeslagHousehold, int]:
    """A renter: half of them alone, some with children, a few with childcare; and an income in cents."""
    partner = random.random() < 0.25
    children = [_age(random, birth_dates) for _ in range(random.choice((0, 0, 0, 1, 2, 3)))]
    care = [
        Care("DAYCARE", random.randrange(2_000, 24_000), random.randrange(900, 1_200))
        for _ in children
        if random.random() < 0.3
    ]
    household = ToeslagHousehold(
        partner=partner,
        applicant=date(random.randrange(1962, 2006), random.randrange(1, 13), 9) if birth_dates else 35,
        residents=(Residents(1, 1 + partner + len(children)),),
        children=tuple(children),
        homes=(Home(1, random.randrange(35_000, 100_000)),),
        care=tuple(care),
    )
    return household, random.randrange(1_500_000, 4_500_000)


def per_second(cases: list[tuple[ToeslagHousehold, int]], year: int) -> float:
    """Households per second of processor time."""
    rules = toeslag_rules(Law.load(), year)
    done, began = 0, time.process_time()
    while (spent := time.process_time() - began) < SECONDS:
        for household, income_cents in cases:
            toeslagen(rules, household, income_cents)
        done += len(cases)
    return done / spent


def main() -> None:
    random = Random(SEED)
    for told, birth_dates in (("ages for the whole year", False), ("birth dates, month by month", True)):
        cases = [invented(random, birth_dates=birth_dates) for _ in range(HOUSEHOLDS)]
        for year in (2025, 2026):
            print(f"{told}, {year}: {per_second(cases, year):,.0f} households per second")


def _age(random: Random, birth_dates: bool) -> Age:
    if birth_dates:
        return date(random.randrange(2008, 2026), random.randrange(1, 13), random.randrange(1, 28))
    return random.randrange(0, 18)


if __name__ == "__main__":
    main()
