"""Pulling plugs: whatever is killed or goes away, nothing is lost, nothing is booked or sent twice.

Every story ends with the same assertions as in a calm run, which are known to the cent beforehand.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import pytest

from shared.months import Month
from tests.e2e.conftest import DISTRIBUTED, EMBEDDED, broker_name
from tests.e2e.post_box import PostBox
from tests.e2e.scenario import (
    Scheme,
    at,
    books_balance,
    close,
    draws,
    open_scheme,
    send_batch,
    slip,
    statement,
)
from tests.e2e.system import Instance, Office, System
from tests.real_parts import do_without

JANUARY, FEBRUARY = Month(2026, 1), Month(2026, 2)
PEOPLE = 3
PATIENCE_SECONDS = 90.0
MATRIX = [
    ("income-intake", "after-publish"),
    ("buffer-ledger", "before-commit"),
    ("buffer-ledger", "after-commit"),
    ("buffer-ledger", "before-offset-commit"),
    ("buffer-ledger", "close-before-commit"),
    ("buffer-ledger", "close-after-commit"),
    ("buffer-ledger", "after-publish"),
    ("notifier", "before-commit"),
    ("notifier", "after-commit"),
    ("notifier", "before-offset-commit"),
    ("notifier", "after-delivery"),
]
PLACES = list(dict.fromkeys(place for _, place in MATRIX))
KILLS = [(EMBEDDED, "all-in-one", place) for place in PLACES] + [(DISTRIBUTED, *entry) for entry in MATRIX]
"""Shape, process and place; the one process of all services is killed once at each place."""


class Restartable(Protocol):
    """A broker or database server that can be stopped and started again."""

    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def restart(self) -> None: ...


@contextlib.asynccontextmanager
async def revived(system: System, instance: Instance) -> AsyncIterator[Callable[[], bool]]:
    """While inside: when the instance dies, a healthy one takes its place. Yields whether it died."""

    async def watch() -> None:
        while instance.process.poll() is None:  # noqa: ASYNC110 - a process tells nobody that it died
            await asyncio.sleep(0.05)
        await asyncio.to_thread(system.start, instance.name)

    watching = asyncio.create_task(watch())
    try:
        yield lambda: instance.process.poll() is not None
        if instance.process.poll() is not None:
            await watching
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


async def two_months(system: System, office: Office, scheme: Scheme) -> None:
    """Everybody earns 700 in January and 250 in February: February draws 468.20 for each."""
    at(system, FEBRUARY, 27)
    slips = [slip(person, JANUARY, 70_000) for person in scheme.people]
    slips += [slip(person, FEBRUARY, 25_000) for person in scheme.people]
    counts = await send_batch(office, slips)
    assert (counts["accepted"], counts["refused"]) == (2 * len(scheme.people), 0)
    await office.quiet()
    for month in (JANUARY, FEBRUARY):
        at(system, month.plus(1))
        await close(office, month)
    await office.quiet()


async def ends_as_calm(office: Office, scheme: Scheme, post_box: PostBox) -> None:
    for number, person in enumerate(scheme.people):
        assert await draws(scheme, person) == [0, 46_820]
        rows = (await statement(scheme, person))["months"][:2]
        assert [row["revision"] for row in rows] == [1, 1]
        messages = await office.items("/messages", participantId=person)
        assert [(message["month"], message["state"]) for message in messages] == [("2026-02", "SENT")]
        identities = post_box.message_ids(f"inwoner-{office.municipality}-{number}@example.org")
        assert len(set(identities)) == 1, "a repeated delivery must carry the identity of the first"
    orders = await office.items("/payment-orders", state="OPEN")
    assert sorted(order["amountCents"] for order in orders) == [46_820] * len(scheme.people)
    await books_balance(scheme)


@pytest.mark.parametrize(
    ("shape", "service", "place"),
    KILLS,
    ids=["-".join(kill) for kill in KILLS],
    indirect=["shape"],
    scope="session",
)
async def test_a_process_killed_at_any_step_changes_nothing_in_the_end(
    system: System, office: Office, post_box: PostBox, service: str, place: str
) -> None:
    at(system, Month(2025, 12))
    scheme = await open_scheme(office, people=PEOPLE)
    await asyncio.to_thread(system.remove, service)
    doomed = await asyncio.to_thread(lambda: system.start(service, failpoint=place))
    office.patient_seconds = PATIENCE_SECONDS
    async with revived(system, doomed) as died:
        await two_months(system, office, scheme)
        assert died(), f"the place {place} was never reached in {service}"
    await ends_as_calm(office, scheme, post_box)


async def test_a_server_that_is_killed_while_it_reads_a_batch_reads_it_to_its_end(
    system: System, office: Office
) -> None:
    at(system, Month(2025, 12))
    scheme = await open_scheme(office, people=2)
    at(system, FEBRUARY, 27)
    office.patient_seconds = PATIENCE_SECONDS
    slips = [
        slip(person, JANUARY, 1_000 + number, employerName=f"Voorbeeldwerk {number}")
        for number in range(1, 1_501)
        for person in scheme.people
    ]
    slips += [slip(person, JANUARY, 0) for person in scheme.people]
    sending = asyncio.create_task(send_batch(office, slips))
    await asyncio.sleep(0.6)
    victims = system.of("income-intake")
    for victim in victims:
        victim.kill()
    for victim in victims:
        await asyncio.to_thread(system.start, victim.name)
    counts = await sending
    assert (counts["received"], counts["accepted"]) == (3_002, 3_002)
    await office.quiet()
    at(system, FEBRUARY)
    await close(office, JANUARY)
    for person in scheme.people:
        january = (await statement(scheme, person))["months"][0]
        assert january["wageCents"] == sum(1_000 + number for number in range(1, 1_501))
        assert len(january["evidence"]) == 1_501


@pytest.mark.parametrize("shape", [DISTRIBUTED], indirect=True)
@pytest.mark.parametrize("part", ["broker", "postgres"])
@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_broker_or_database_that_goes_away_in_the_middle_of_a_batch_loses_nothing(
    request: pytest.FixtureRequest, system: System, office: Office, post_box: PostBox, part: str, how: str
) -> None:
    if part == "broker" and broker_name() != "kafka":
        do_without("the broker's restart: the Kafka protocol broker from PyPI keeps nothing")
    server: Restartable = request.getfixturevalue(broker_name() if part == "broker" else part)
    at(system, Month(2025, 12))
    scheme = await open_scheme(office, people=PEOPLE)
    office.patient_seconds = PATIENCE_SECONDS
    at(system, FEBRUARY, 27)
    slips = [
        slip(person, month, net)
        for person in scheme.people
        for month, net in ((JANUARY, 70_000), (FEBRUARY, 25_000))
    ]
    noise = [
        slip(scheme.people[0], Month(2025, 6), 100, employerName=f"Voorbeeldwerk {number}")
        for number in range(1, 1_201)
    ]
    sending = asyncio.create_task(send_batch(office, slips + noise))
    await asyncio.sleep(0.3)
    await asyncio.to_thread(getattr(server, how))
    await asyncio.sleep(2)
    await asyncio.to_thread(server.restart)
    counts = await sending
    assert (counts["accepted"], counts["refused"]) == (len(slips) + len(noise), 0)
    await office.quiet()
    for month in (JANUARY, FEBRUARY):
        at(system, month.plus(1))
        await close(office, month)
    await office.quiet()
    await ends_as_calm(office, scheme, post_box)
