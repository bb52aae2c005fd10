"""income-intake as a back office meets it: people, slips, declarations, erasure; on both databases."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from income_intake.tables import METADATA
from shared.contracts.events import (
    MonthDeclared,
    ParticipantErased,
    ParticipantRegistered,
    WageSlipCorrected,
    WageSlipReported,
)
from shared.migrate import drift
from shared.plumbing import TABLES
from shared.settings import Settings
from tests.integration.intake.office import BSN, OTHER_BSN, Intake, registered, slip, started

FOREIGN = "00000000-0000-4000-8000-000000000000"
JOB = {"employerName": "Thuiszorg Voorbeeld B.V.", "payPeriod": "MONTH"}


def rules(answer: httpx.Response) -> set[tuple[str, str]]:
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return {(fault["rule"], fault["pointer"]) for fault in answer.json()["errors"]}


async def test_the_migrations_make_what_the_tables_declare(intake: Intake) -> None:
    url = intake.settings.owner_database_url("income-intake")
    assert await drift(url, METADATA, intake.service.migrations) == []


# ---- people


async def test_the_same_person_again_is_the_same_participant(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    first = await office.post("/participants", json={"municipality": "0344", "bsn": BSN})
    again = await office.post("/participants", json={"municipality": "0344", "bsn": BSN})
    other = await office.post("/participants", json={"municipality": "0344", "bsn": OTHER_BSN})
    elsewhere = await intake.office("0599").post("/participants", json={"municipality": "0599", "bsn": BSN})
    assert [answer.status_code for answer in (first, again, other, elsewhere)] == [201, 200, 201, 201]
    assert again.json() == first.json()
    assert len({answer.json()["participantId"] for answer in (first, other, elsewhere)}) == 3
    assert len(await intake.events(ParticipantRegistered)) == 3


async def test_a_reference_that_is_a_bsn_is_refused(office: httpx.AsyncClient) -> None:
    answer = await office.post("/participants", json={"municipality": "0344", "externalReference": BSN})
    assert rules(answer) == {("W014", "/externalReference")}
    assert BSN not in answer.text


async def test_changed_jobs_are_told_again_and_equal_ones_are_not(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    participant_id = await registered(office, bsn=BSN, employments=[JOB])
    await registered(office, bsn=BSN, employments=[{**JOB, "employerName": "thuiszorg  voorbeeld BV"}])
    await registered(office, bsn=BSN)
    await registered(office, bsn=BSN, employments=[JOB, {"employerName": "Horeca", "payPeriod": "MONTH"}])
    await registered(office, bsn=BSN, employments=[])
    told = await intake.events(ParticipantRegistered)
    assert [len(event.employments) for event in told if isinstance(event, ParticipantRegistered)] == [1, 2, 0]
    assert {event.key() for event in told} == {participant_id}


async def test_number_and_reference_of_two_people_contradict_each_other(office: httpx.AsyncClient) -> None:
    await registered(office, bsn=BSN)
    by_reference = await registered(office, externalReference="inwoner-a")
    answer = await office.post(
        "/participants", json={"municipality": "0344", "bsn": BSN, "externalReference": "inwoner-a"}
    )
    assert answer.status_code == 409
    joined = await registered(office, bsn=OTHER_BSN, externalReference="inwoner-a")
    assert joined == by_reference
    assert await registered(office, bsn=OTHER_BSN) == by_reference


async def test_two_registrations_at_once_are_one_participant(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    body = {"municipality": "0344", "bsn": BSN, "employments": [JOB]}
    answers = await asyncio.gather(*(office.post("/participants", json=body) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["participantId"] for answer in answers}) == 1
    assert len(await intake.events(ParticipantRegistered)) == 1


# ---- slips


async def test_a_slip_is_accepted_repeated_and_corrected(intake: Intake, office: httpx.AsyncClient) -> None:
    person = await registered(office, employments=[JOB])
    first = await office.post("/wage-slips", json=slip(person))
    again = await office.post("/wage-slips", json=slip(person))
    corrected = await office.post("/wage-slips", json=slip(person, netCents=61_000))
    one = first.json()["wageSlipId"]
    assert (first.status_code, first.json()["status"]) == (201, "ACCEPTED")
    assert (again.status_code, again.json()["status"], again.json()["wageSlipId"]) == (200, "DUPLICATE", one)
    assert (corrected.status_code, corrected.json()["status"]) == (201, "CORRECTION")
    assert corrected.json()["supersedes"] == one
    shown = (await office.get(f"/wage-slips/{one}")).json()
    assert (shown["counts"], shown["supersededBy"]) == (False, corrected.json()["wageSlipId"])
    assert [version["netCents"] for version in shown["versions"]] == [60_000, 61_000]
    reported, correction = (await intake.events())[1:]
    assert isinstance(reported, WageSlipReported)
    assert isinstance(correction, WageSlipCorrected)
    assert (reported.slip_key, reported.version, correction.version) == (correction.slip_key, 1, 2)
    assert correction.supersedes == one


async def test_the_highest_version_counts_whatever_comes_last(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    person = await registered(office)
    five = await office.post("/wage-slips", json=slip(person, version=5, netCents=500))
    three = await office.post("/wage-slips", json=slip(person, version=3, netCents=300))
    assert (three.status_code, three.json()["status"]) == (201, "CORRECTION")
    assert three.json()["supersededBy"] == five.json()["wageSlipId"]
    other = await office.post("/wage-slips", json=slip(person, version=3, netCents=301))
    assert rules(other) == {("W010", "/version")}
    told = [event for event in await intake.events() if isinstance(event, WageSlipReported)]
    assert [event.version for event in told] == [1]


async def test_a_slip_without_version_never_takes_the_senders_next_number(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    person = await registered(office)
    sent = [
        await office.post("/wage-slips", json=slip(person, **members))
        for members in (
            {"netCents": 300, "version": 3},
            {"netCents": 350},
            {"netCents": 400, "version": 4},
            {"netCents": 200, "version": 2},
            {"netCents": 450},
        )
    ]
    assert [answer.status_code for answer in sent] == [201] * 5, [answer.text for answer in sent]
    ids = [answer.json()["wageSlipId"] for answer in sent]
    assert sent[2].json()["supersedes"] == ids[1]
    assert sent[3].json()["supersededBy"] == ids[2]
    shown = (await office.get(f"/wage-slips/{ids[0]}")).json()
    assert [version["netCents"] for version in shown["versions"]] == [200, 300, 350, 400, 450]
    assert [version.get("version") for version in shown["versions"]] == [2, 3, None, 4, None]
    assert [version["counts"] for version in shown["versions"]] == [False] * 4 + [True]
    told = [e for e in await intake.events() if isinstance(e, WageSlipReported | WageSlipCorrected)]
    assert [(event.version, event.parts[0].net_cents) for event in told] == [
        (1, 300),
        (2, 350),
        (3, 400),
        (4, 450),
    ]


async def test_a_first_version_after_one_without_is_a_correction(office: httpx.AsyncClient) -> None:
    person = await registered(office)
    first = await office.post("/wage-slips", json=slip(person))
    numbered = await office.post("/wage-slips", json=slip(person, netCents=1, version=1))
    assert (numbered.status_code, numbered.json()["supersedes"]) == (201, first.json()["wageSlipId"])
    assert numbered.json()["status"] == "CORRECTION"


async def test_an_amount_that_came_back_without_version_does_not_count_and_says_what_does(
    office: httpx.AsyncClient,
) -> None:
    person = await registered(office)
    sent = [await office.post("/wage-slips", json=slip(person, netCents=net)) for net in (100, 200, 100)]
    first, second = (answer.json()["wageSlipId"] for answer in sent[:2])
    assert sent[2].status_code == 200
    assert sent[2].json() == {
        "wageSlipId": first,
        "status": "DUPLICATE",
        "supersededBy": second,
        "netCents": 100,
    }
    document = (await office.get("/openapi.json")).json()
    members = document["components"]["schemas"]["WageSlipAnswer"]["properties"]
    assert "give it a version" in members["supersededBy"]["description"]


async def test_a_slip_finds_its_person_by_bsn_or_reference(office: httpx.AsyncClient) -> None:
    person = await registered(office, bsn=BSN, externalReference="inwoner-z")
    first = await office.post("/wage-slips", json=slip(person))
    for naming in ({"bsn": BSN}, {"externalReference": "inwoner-z"}):
        answer = await office.post("/wage-slips", json=slip(municipality="0344", **naming))
        assert (answer.status_code, answer.json()["wageSlipId"]) == (200, first.json()["wageSlipId"])


async def test_a_person_who_is_not_registered_gets_no_slip(office: httpx.AsyncClient) -> None:
    assert (await office.post("/wage-slips", json=slip(FOREIGN))).status_code == 404
    answer = await office.post("/wage-slips", json=slip(municipality="0344", bsn=BSN))
    assert rules(answer) == {("W011", "/bsn")}


async def test_an_unknown_and_a_foreign_participant_are_one_answer_with_its_rule(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    foreign = intake.office("0599")
    theirs = (
        await foreign.post("/participants", json={"municipality": "0599", "externalReference": "x"})
    ).json()["participantId"]
    declared = {"month": "2026-03", "kind": "ZERO"}
    for path, body in (("/wage-slips", slip()), ("/month-declarations", declared)):
        unknown, of_another = [
            await office.post(path, json={**body, "participantId": person}) for person in (FOREIGN, theirs)
        ]
        assert (unknown.status_code, of_another.status_code) == (404, 404), path
        told = [
            {name: member for name, member in answer.json().items() if name != "instance"}
            for answer in (unknown, of_another)
        ]
        assert told[0] == told[1]
        assert [(f["rule"], f["pointer"], f["in"]) for f in told[0]["errors"]] == [
            ("W011", "/participantId", "body")
        ]
        document = (await office.get("/openapi.json")).json()
        assert "W011" in document["paths"][path]["post"]["responses"]["404"]["description"]


async def test_another_municipality_sees_and_changes_nothing(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    person = await registered(office, bsn=BSN)
    known = (await office.post("/wage-slips", json=slip(person))).json()["wageSlipId"]
    batch = await intake.batch(office, b"{}\n")
    foreign = intake.office("0599")
    calls: list[tuple[str, str, Any]] = [
        ("GET", f"/wage-slips/{known}", None),
        ("POST", "/wage-slips", slip(person, netCents=1)),
        ("POST", "/wage-slips", slip(municipality="0344", bsn=BSN)),
        ("POST", f"/participants/{person}/_erase", None),
        ("POST", "/participants", {"municipality": "0344", "bsn": BSN}),
        ("POST", "/month-declarations", {"participantId": person, "month": "2026-03", "kind": "ZERO"}),
        ("GET", f"/wage-slip-batches/{batch['batchId']}", None),
        ("GET", f"/wage-slip-batches/{batch['batchId']}/results", None),
    ]
    for method, path, body in calls:
        answer = await foreign.request(method, path, json=body)
        assert answer.status_code in {403, 404}, (method, path, answer.text)
        assert person not in answer.text


@pytest.mark.parametrize("role", ["official", "operator", "fund"])
async def test_only_the_back_office_may_call(intake: Intake, role: str) -> None:
    caller = intake.office(ROLE=role, FUND=FOREIGN)
    for method, path in (
        ("POST", "/participants"),
        ("POST", f"/participants/{FOREIGN}/_erase"),
        ("POST", "/wage-slips"),
        ("GET", f"/wage-slips/{FOREIGN}"),
        ("POST", "/wage-slip-batches"),
        ("GET", f"/wage-slip-batches/{FOREIGN}"),
        ("GET", f"/wage-slip-batches/{FOREIGN}/results"),
        ("POST", "/month-declarations"),
    ):
        answer = await caller.request(method, path, json={"municipality": "0344", "bsn": BSN})
        assert answer.status_code == 403, (method, path, answer.text)


async def test_one_answer_names_all_faults_also_that_of_the_day(office: httpx.AsyncClient) -> None:
    body = slip(FOREIGN, netCents=1.5, periodFrom="2031-01-01", more=1)
    assert rules(await office.post("/wage-slips", json=body)) == {
        ("G003", "/netCents"),
        ("G002", "/more"),
        ("W001", "/periodTo"),
        ("W003", "/periodFrom"),
    }


async def test_the_same_slip_many_times_at_once_is_one_slip(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    person = await registered(office)
    answers = await asyncio.gather(*(office.post("/wage-slips", json=slip(person)) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["wageSlipId"] for answer in answers}) == 1
    assert len(await intake.events(WageSlipReported)) == 1


async def test_corrections_at_once_get_versions_that_rise_without_a_gap(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    person = await registered(office)
    bodies = [slip(person, netCents=cents) for cents in range(100, 108)]
    answers = await asyncio.gather(*(office.post("/wage-slips", json=body) for body in bodies))
    assert {answer.status_code for answer in answers} == {201}
    told = [e for e in await intake.events() if isinstance(e, WageSlipReported | WageSlipCorrected)]
    assert [event.version for event in told] == list(range(1, 9))


async def test_a_slip_belongs_to_the_job_it_is_expected_from(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    jobs = [
        {"employerName": "Thuiszorg Voorbeeld", "payPeriod": "MONTH"},
        {"employerName": "Horeca", "employerNumber": "987654321L01", "payPeriod": "MONTH"},
    ]
    person = await registered(office, employments=jobs)
    by_number = slip(person, employerName="Horeca Centrum", employerNumber="987654321 L01")
    by_name = slip(person, employerName="HORECA", slipNumber=2)
    numbered = slip(person, employerNumber="1234", employerName="Thuiszorg Voorbeeld")
    stranger = slip(person, employerName="Uitzendbureau")
    for body in (by_number, by_name, numbered, stranger):
        assert (await office.post("/wage-slips", json=body)).status_code == 201
    (known,) = [e for e in await intake.events() if isinstance(e, ParticipantRegistered)]
    expected = {job.employer_key for job in known.employments}
    keys = [e.employer_key for e in await intake.events() if isinstance(e, WageSlipReported)]
    assert keys[0] == keys[1]
    assert {keys[0], keys[2]} == expected
    assert keys[3] not in expected


async def test_the_same_employer_has_another_key_for_another_person(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    for bsn in (BSN, OTHER_BSN):
        await registered(office, bsn=bsn, employments=[JOB])
    told = [e for e in await intake.events() if isinstance(e, ParticipantRegistered)]
    assert len({job.employer_key for event in told for job in event.employments}) == 2


async def test_lines_are_explained_and_their_labels_are_gone(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    person = await registered(office)
    lines = [
        {"kind": "WAGE", "label": "Uurloon canary-label", "amountCents": 100_000},
        {"kind": "TAX", "label": "Loonheffing", "amountCents": -1_000},
        {"kind": "ALLOWANCE", "label": "Reis", "amountCents": 500},
    ]
    sent = await office.post("/wage-slips", json=slip(person, netCents=None, lines=lines, hours="86.50"))
    assert sent.json()["netCents"] == 99_000
    shown = (await office.get(f"/wage-slips/{sent.json()['wageSlipId']}")).json()
    assert shown["parts"] == [{"kind": "WAGE", "netCents": 99_000}]
    assert "€ 990,00" in shown["explanation"]["nl"].replace("\u00a0", " ")
    assert shown["hours"] == "86.50"
    assert "label" not in str(shown)


async def test_who_read_a_slip_is_logged(intake: Intake, office: httpx.AsyncClient) -> None:
    person = await registered(office)
    known = (await office.post("/wage-slips", json=slip(person))).json()["wageSlipId"]
    await office.get(f"/wage-slips/{known}")
    async with intake.service.database.read() as reading:
        rows = await reading.rows(select(TABLES.access_log.c.action, TABLES.access_log.c.participant_id))
    assert {tuple(row) for row in rows} == {
        (action, person) for action in ("read-wage-slip", "register", "report-wage-slip")
    }


async def test_an_idempotency_key_replays_and_never_mixes(office: httpx.AsyncClient) -> None:
    person = await registered(office)
    headers = {"Idempotency-Key": "slip-1"}
    first = await office.post("/wage-slips", json=slip(person), headers=headers)
    replayed = await office.post("/wage-slips", json=slip(person), headers=headers)
    other = await office.post("/wage-slips", json=slip(person, netCents=1), headers=headers)
    assert (replayed.status_code, replayed.json()) == (201, first.json())
    assert other.status_code == 409


async def test_recorded_slips_and_declarations_cannot_be_changed(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    person = await registered(office)
    await office.post("/wage-slips", json=slip(person))
    await office.post(
        "/month-declarations", json={"participantId": person, "month": "2026-02", "kind": "ZERO"}
    )
    for table in ("wage_slip", "month_declaration", "access_log"):
        for attack in (f"UPDATE {table} SET participant_id = participant_id", f"DELETE FROM {table}"):
            with pytest.raises(DBAPIError):
                async with intake.service.database.write() as tx:
                    await tx.execute(text(attack))


# ---- declarations


async def test_a_month_without_work_is_declared_once(intake: Intake, office: httpx.AsyncClient) -> None:
    person = await registered(office)
    body = {"participantId": person, "month": "2026-03", "kind": "ZERO"}
    answers = [await office.post("/month-declarations", json=body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json() == answers[1].json()
    (told,) = [e for e in await intake.events() if isinstance(e, MonthDeclared)]
    assert (str(told.month), told.kind, told.participant_id) == ("2026-03", "ZERO", person)
    unchanged = await office.post("/month-declarations", json={**body, "kind": "UNCHANGED"})
    assert unchanged.status_code == 201
    assert [e.kind for e in await intake.events() if isinstance(e, MonthDeclared)] == ["ZERO", "UNCHANGED"]


async def test_declarations_at_once_are_one(intake: Intake, office: httpx.AsyncClient) -> None:
    body = {"participantId": await registered(office), "month": "2026-03", "kind": "ZERO"}
    answers = await asyncio.gather(*(office.post("/month-declarations", json=body) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert len(await intake.events(MonthDeclared)) == 1


# ---- erasure


async def test_a_person_with_slips_is_kept_for_the_term_with_the_reason(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    person = await registered(office)
    await office.post("/wage-slips", json=slip(person))
    answer = await office.post(f"/participants/{person}/_erase")
    assert answer.status_code == 409
    assert "wage slips are kept for 2557 days, until 2033-03-31" in answer.json()["detail"]
    assert answer.json()["availableFrom"].startswith("2033-03-30T22:00:00")
    assert await intake.events(ParticipantErased) == []


async def test_after_erasure_nothing_finds_the_person_and_no_id_returns(intake_settings: Settings) -> None:
    intake = await started(intake_settings.model_copy(update={"keep_wage_slips_days": 0}))
    office = intake.office()
    person = await registered(office, bsn=BSN, employments=[JOB])
    known = (await office.post("/wage-slips", json=slip(person))).json()["wageSlipId"]
    answers = [await office.post(f"/participants/{person}/_erase") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    await intake.work()
    assert (await office.get(f"/wage-slips/{known}")).status_code == 404
    assert (await office.post("/wage-slips", json=slip(person, netCents=1))).status_code == 404
    assert rules(await office.post("/wage-slips", json=slip(municipality="0344", bsn=BSN))) == {
        ("W011", "/bsn")
    }
    assert await registered(office, bsn=BSN) != person
    assert len(await intake.events(ParticipantErased)) == 1
    assert await intake.service.pending_work() == 0
    await office.aclose()
    await intake.service.database.close()
    assert intake.service.key_store is not None
    await intake.service.key_store.close()


async def test_a_registration_in_error_can_be_erased_at_once(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    person = await registered(office, bsn=BSN)
    assert (await office.post(f"/participants/{person}/_erase")).status_code == 202
    assert (await office.post(f"/participants/{FOREIGN}/_erase")).status_code == 404
