"""Closes when something is wrong: one enrolment that is, a close that failed, an enrolment that came late."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from sqlalchemy import update

from buffer_ledger.casefiles import ClosedBy
from buffer_ledger.closing import Closing
from buffer_ledger.figures import Figures
from buffer_ledger.settling import Outcome
from buffer_ledger.tables import ENROLMENT
from shared.database import Tx
from shared.law import Law
from shared.log import get_log
from tests.integration.ledger.ledger_office import MUNICIPALITY, LedgerOffice, Scheme, new_uuid, slip


class FullDisk(Figures):
    """Figures that cannot be written down: a failure of the machine, not of anybody's months."""

    def count(self, tx: Tx, outcome: Outcome, closed_by: ClosedBy) -> None:
        raise OSError("no space left on device")


# ---- one enrolment that cannot be computed


@pytest.mark.parametrize("household", [{"kind": "HERMIT"}, {}], ids=["not computed", "not even read"])
async def test_an_enrolment_that_cannot_be_computed_is_named_and_all_others_settle(
    ledger: LedgerOffice, household: dict[str, str]
) -> None:
    scheme = await ledger.scheme()
    people = [await ledger.enrolled(scheme) for _ in range(7)]
    broken = people[4][1]
    await _damage(ledger, broken, household)
    done = await ledger.close("2026-01")
    assert (done["state"], done["settled"], done["held"], done["failed"]) == ("DONE", 6, 0, 1)
    assert done["failedEnrolments"] == [broken]
    for _, enrolment in people:
        if enrolment != broken:
            assert [month["month"] for month in await ledger.settled(enrolment)] == ["2026-01"]
    counted = ledger.metrics.value("bufferbudget_enrolments_failed_total", service="buffer-ledger")
    assert counted == 1
    await ledger.must_be_sound()


async def test_an_enrolment_that_failed_is_settled_by_the_next_close_once_it_is_repaired(
    ledger: LedgerOffice,
) -> None:
    scheme = await ledger.scheme()
    person, enrolment = await ledger.enrolled(scheme)
    await ledger.hear(slip(person, "2026-01", 70_000), slip(person, "2026-02", 25_000))
    await _damage(ledger, enrolment)
    assert (await ledger.close("2026-01"))["failed"] == 1
    await _damage(ledger, enrolment, {"kind": "SINGLE"})
    done = await ledger.close("2026-02")
    assert (done["settled"], done["failed"], done["failedEnrolments"]) == (1, 0, [])
    assert [month["drawCents"] for month in await ledger.settled(enrolment)] == [0, 46_820]
    await ledger.must_be_sound()


async def test_what_a_failed_enrolment_had_begun_leaves_no_event_and_no_transfer(
    ledger: LedgerOffice,
) -> None:
    scheme = await ledger.scheme()
    _, enrolment = await ledger.enrolled(scheme)
    await _damage(ledger, enrolment)
    before = len(await ledger.told())
    await ledger.close("2026-01")
    assert len(await ledger.told()) == before
    assert (await ledger.call("GET", f"/enrolments/{enrolment}")).get("closedThrough") is None


# ---- a close that failed


async def test_a_failed_close_closes_nothing_and_does_not_let_the_next_month_through(
    ledger: LedgerOffice,
) -> None:
    scheme = await ledger.scheme()
    await ledger.enrolled(scheme)
    ledger.at("2026-03-01")
    january = await _asked(ledger, "2026-01")
    await _fail(ledger)
    failed = await ledger.call("GET", f"/month-closes/{january}")
    assert failed["state"] == "FAILED"
    assert "OSError" in failed["detail"]
    refused = await _asked(ledger, "2026-02", expect=409)
    assert "2026-01" in refused
    settings = await ledger.call("GET", f"/municipalities/{MUNICIPALITY}")
    assert "lastClosedMonth" not in settings
    await ledger.close("2026-01")
    await ledger.close("2026-02")


async def test_a_close_may_be_asked_for_while_the_one_before_it_waits_its_turn_and_fails_with_it(
    ledger: LedgerOffice,
) -> None:
    scheme = await ledger.scheme()
    await ledger.enrolled(scheme)
    ledger.at("2026-03-01")
    await _asked(ledger, "2026-01")
    february = await _asked(ledger, "2026-02")
    await _fail(ledger)
    failed = await ledger.call("GET", f"/month-closes/{february}")
    assert (failed["state"], "2026-01" in failed["detail"]) == ("FAILED", True)
    assert not await ledger.service.workers[0].step()


async def test_settings_do_not_change_under_a_close_that_is_running(ledger: LedgerOffice) -> None:
    await ledger.enrolled(await ledger.scheme(method="M1"))
    ledger.at("2026-03-01")
    await _asked(ledger, "2026-01")
    body = {"name": "Utrecht", "offsetMethod": "M0"}
    refused = await ledger.call("PUT", f"/municipalities/{MUNICIPALITY}", body, expect=400)
    assert [fault["rule"] for fault in refused["errors"]] == ["L006"]


# ---- enrolments that begin in the past


async def test_a_late_enrolment_with_an_older_first_month_is_settled_by_the_next_close(
    ledger: LedgerOffice,
) -> None:
    scheme = await ledger.scheme()
    older = await _scheme_from(ledger, scheme, "2025-06")
    await ledger.enrolled(scheme)
    await ledger.close("2026-01")
    person, late = await ledger.enrolled(older, first="2025-11")
    await ledger.hear(slip(person, "2026-01", 70_000))
    done = await ledger.close("2026-02")
    assert (done["settled"], done["newlySettled"]) == (2, 5)
    assert [month["month"] for month in await ledger.settled(late)] == [
        "2025-11",
        "2025-12",
        "2026-01",
        "2026-02",
    ]


async def test_before_any_close_months_are_closed_from_the_first_enrolled_one_on(
    ledger: LedgerOffice,
) -> None:
    scheme = await _scheme_from(ledger, await ledger.scheme(), "2025-06")
    await ledger.enrolled(scheme, first="2025-11")
    ledger.at("2026-03-01")
    assert "2025-11" in await _asked(ledger, "2026-01", expect=409)


@pytest.mark.parametrize("first", ["2019-12", "2000-01"])
async def test_nobody_is_enrolled_from_a_month_before_2020(ledger: LedgerOffice, first: str) -> None:
    scheme = await ledger.scheme()
    body = {
        "participantId": new_uuid(),
        "schemeId": scheme.scheme_id,
        "household": {"kind": "SINGLE"},
        "firstMonth": first,
    }
    refused = await ledger.call("POST", "/enrolments", body, expect=400)
    assert [(fault["rule"], fault["pointer"]) for fault in refused["errors"]] == [("L013", "/firstMonth")]


async def test_a_first_month_before_the_scheme_begins_is_refused(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme()
    body = {
        "participantId": new_uuid(),
        "schemeId": scheme.scheme_id,
        "household": {"kind": "SINGLE"},
        "firstMonth": "2025-12",
    }
    refused = await ledger.call("POST", "/enrolments", body, expect=409)
    assert "2026-01" in refused["detail"]


async def test_no_month_before_2020_is_closed(ledger: LedgerOffice) -> None:
    await ledger.scheme()
    path = f"/municipalities/{MUNICIPALITY}/months/2019-12/_close"
    answer = await ledger.call("POST", path, expect=400)
    assert [(f["rule"], f["pointer"], f["in"]) for f in answer["errors"]] == [("L013", "/month", "path")]


async def _damage(
    ledger: LedgerOffice, enrolment: str, household: Mapping[str, str] = MappingProxyType({"kind": "HERMIT"})
) -> None:
    """Give an enrolment a household that no rule can work with, as a faulty import would."""
    damaged = update(ENROLMENT).where(ENROLMENT.c.enrolment_id == enrolment)
    async with ledger.service.database.write() as tx:
        await tx.execute(damaged.values(household=dict(household)))


async def _asked(ledger: LedgerOffice, month: str, expect: int = 202) -> str:
    """Ask for a close and leave it waiting; its id, or the sentence of the refusal."""
    path = f"/municipalities/{MUNICIPALITY}/months/{month}/_close"
    answer: dict[str, Any] = await ledger.call("POST", path, expect=expect)
    return str(answer["closeId"] if expect == 202 else answer["detail"])


async def _fail(ledger: LedgerOffice) -> None:
    """Let the oldest close be worked at on a machine whose disk is full."""
    figures = FullDisk(ledger.metrics.of("buffer-ledger"))
    closing = Closing(ledger.service.database, Law.load(), figures, get_log("buffer-ledger"))
    with pytest.raises(OSError, match="no space"):
        await closing.step()


async def _scheme_from(ledger: LedgerOffice, scheme: Scheme, valid_from: str) -> Scheme:
    """Another scheme with the same fund that began earlier."""
    scheme_id = new_uuid()
    body: dict[str, Any] = {
        "fundId": scheme.fund_id,
        "municipality": MUNICIPALITY,
        "policy": {"drawAmount": "TOPUP", "capCents": 50_000},
        "validFrom": valid_from,
    }
    await ledger.call("PUT", f"/schemes/{scheme_id}", body)
    return Scheme(scheme.fund_id, scheme_id)
