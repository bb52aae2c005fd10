"""Many hands at once, in no order that anybody chose: unlike tests/states nothing here is seeded."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial

from shared.errors import TryAgain
from shared.law import Law
from tests.integration.ledger.ledger_office import JANUARY, LedgerOffice, slip
from tests.states import oracle

PEOPLE = 6
ROUNDS = 4


async def _eventually(work: Callable[[], Awaitable[object]]) -> None:
    """Do as a consumer or a client does: what meets a deadlock or a busy lock is done again."""
    for attempt in range(8):
        try:
            await work()
        except TryAgain:
            await asyncio.sleep(0.02 * 2**attempt * random.random())
        else:
            return
    await work()


async def test_facts_closes_payments_and_seals_at_once_leave_sound_books(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme(donated=2_000_000)
    people = [(await ledger.enrolled(scheme))[0] for _ in range(PEOPLE)]
    office = ledger.client()
    versions = dict.fromkeys(people, 0)

    async def tell(month: str) -> None:
        for person in random.sample(people, len(people)):
            versions[person] += 1
            told = slip(person, month, random.randrange(120_000), version=versions[person])
            await _eventually(partial(ledger.hear, told))

    async def pay() -> None:
        for order in await ledger.orders(state="OPEN"):
            paid = {"executedOn": str(ledger.clock.now().date())}
            answer = await office.post(f"/payment-orders/{order['orderId']}/_executed", json=paid)
            assert answer.status_code in (200, 409, 503), answer.text

    async def enrol() -> None:
        await _eventually(partial(ledger.enrolled, scheme))

    async def work(name: str) -> None:
        for _ in range(6):
            await _eventually(ledger.worker(name).step)
            await asyncio.sleep(0)

    for number in range(ROUNDS):
        month = JANUARY.plus(number)
        ledger.at(str(month.plus(1).first_day))
        await ledger.call("POST", f"/municipalities/0344/months/{month}/_close", expect=202)
        await asyncio.gather(
            *(tell(str(JANUARY.plus(at))) for at in range(number + 1)),
            *(work("month-closes") for _ in range(2)),
            *(work("ledger-seals") for _ in range(2)),
            pay(),
            enrol(),
        )
        await ledger.work()
        faults = await oracle.whole(ledger.service.database, Law.load())
        assert faults == []
    await ledger.seal()
    assert await oracle.whole(ledger.service.database, Law.load()) == []
