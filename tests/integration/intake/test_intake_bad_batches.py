"""Nothing that a line holds, and nothing that becomes of one batch, stops the batches that come after it."""

import json
import sqlite3
from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from income_intake.batch_lines import packed_faults, read_line, read_lines, unpacked_faults
from income_intake.batches import ATTEMPTS_MAX
from income_intake.slip_form import SlipForm
from income_intake.slips import RULES
from shared.engines import sqlite_path
from shared.errors import Fault
from shared.log import get_log
from shared.months import amsterdam_date
from shared.requests import RULES as GENERAL_RULES
from tests.integration.intake.office import NOW, Intake, ndjson, registered, slip

NDJSON = {"Content-Type": "application/x-ndjson"}
NASTY = (
    b'{"\\ud800":1,"\\ud800":2}',
    b'{"\\udfff": {"\\ud800": "\\ud800"}}',
    b'{"employerName": "\\ud83d"}',
    b'{"\\u0000": "\\u0000", "\\u0000": 1}',
    b'{"netCents": 1e999999}',
    b'{"netCents": ' + b"9" * 6_000 + b"}",
    b'{"version": 9223372036854775808}',
    b"[" * 60_000,
    b'{"a":' * 10_000,
    b"\xed\xa0\x80",
    b"\x00",
    b"\xff" * 100,
)


async def results(office: httpx.AsyncClient, batch_id: str) -> list[dict[str, Any]]:
    answer = await office.get(f"/wage-slip-batches/{batch_id}/results", params={"limit": 1000})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_half_a_surrogate_pair_in_a_name_that_stands_twice_stops_no_batch(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    person = await registered(office)
    bad = await intake.batch(office, NASTY[0] + b"\n" + ndjson([slip(person)]))
    good = await intake.batch(office, ndjson([slip(person, slipNumber=2)]))
    assert (bad["state"], bad["accepted"], bad["refused"]) == ("DONE", 1, 1)
    assert (good["state"], good["accepted"]) == ("DONE", 1)
    assert [f["rule"] for f in (await results(office, bad["batchId"]))[0]["faults"]] == ["G007"]


async def test_every_nasty_line_is_refused_and_the_good_ones_between_them_are_taken(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    person = await registered(office)
    good = [ndjson([slip(person, slipNumber=number + 1)]) for number in range(len(NASTY))]
    body = b"".join(bad + b"\n" + line for bad, line in zip(NASTY, good, strict=True))
    done = await intake.batch(office, body)
    assert (done["accepted"], done["refused"]) == (len(NASTY), len(NASTY))
    for result in (await results(office, done["batchId"]))[::2]:
        assert {fault["rule"] for fault in result["faults"]} <= {*RULES, *GENERAL_RULES}


# Names and values as a careless program writes them: escapes of halves, NUL, wrong types, deep and long.
_names = st.sampled_from([*(f.alias or n for n, f in SlipForm.model_fields.items()), "\ud800", "\x00", ""])
_texts = st.sampled_from(
    ["\ud800", "\udc00\ud800", "\x00", "\ufeff", "\u2028", "123456782", "0344", "SLIP", "2026-03-01"]
) | st.text(st.characters(), max_size=8)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names | _texts, inner, max_size=3),
    max_leaves=8,
)
_objects = st.lists(st.tuples(_names, _values), max_size=8).map(
    lambda pairs: "{" + ",".join(f"{json.dumps(n)}:{json.dumps(v)}" for n, v in pairs) + "}"
)
_lines = _objects.map(str.encode) | st.binary(max_size=60) | st.sampled_from(NASTY)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_lines)
def test_whatever_a_line_holds_it_is_read_or_refused_and_its_faults_can_be_kept(line: bytes) -> None:
    read = read_line(line, amsterdam_date(NOW))
    if isinstance(read, SlipForm):
        return
    assert read
    assert {fault.rule for fault in read} <= {*RULES, *GENERAL_RULES}
    assert unpacked_faults(packed_faults(read)) == tuple(read)


async def test_hundreds_of_nasty_lines_in_one_batch_leave_the_good_ones_standing(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    person = await registered(office)
    drawn: list[bytes] = []

    @settings(max_examples=300, database=None, derandomize=True, deadline=None)
    @given(_lines)
    def draw(line: bytes) -> None:
        drawn.append(line.replace(b"\n", b" "))

    draw()
    done = await intake.batch(office, b"\n".join([*drawn, ndjson([slip(person)])]))
    assert (done["state"], done["accepted"], done["refused"]) == ("DONE", 1, len(drawn))


class _Explodes:
    """A reader with a fault of ours, for one line."""

    def __init__(self, at: bytes) -> None:
        self.at = at

    def __call__(self, line: bytes, today: Any) -> Any:
        if line == self.at:
            raise RecursionError("a fault of ours")
        return read_line(line, today)


async def test_a_fault_of_ours_in_reading_a_line_refuses_that_line_alone() -> None:
    read = await read_lines([b"", b"bang", b"[]"], amsterdam_date(NOW), get_log("test"), _Explodes(b"bang"))
    assert [[fault.rule for fault in one] for one in read if not isinstance(one, SlipForm)] == [
        ["W020"],
        ["W026"],
        ["W021"],
    ]


def test_faults_that_cannot_be_written_down_become_one_that_can() -> None:
    broken = Fault("W021", "", "words")
    object.__setattr__(broken, "detail", "\ud800")
    (kept,) = unpacked_faults(packed_faults([broken]))
    assert kept.rule == "W026"


# ---- batches that fail as a whole


async def _lost(intake: Intake, batch_id: str) -> None:
    """Make the key of a batch be gone without a trace, as after a restore of an old copy of the keys."""
    store = intake.service.key_store
    assert store is not None
    await store.destroy(batch_id)
    await store.close()
    with sqlite3.connect(sqlite_path(intake.settings.keys_database_url("income-intake"))) as keys:
        keys.execute("DELETE FROM personal_key WHERE subject = ?", (batch_id,))
    keys.close()


async def _send(office: httpx.AsyncClient, body: bytes) -> str:
    sent = await office.post("/wage-slip-batches", content=body, headers=NDJSON)
    assert sent.status_code == 202, sent.text
    batch_id: str = sent.json()["batchId"]
    return batch_id


async def _attempts(intake: Intake, most: int = 50) -> int:
    """Let the batch worker step as its loop would, whatever a step raises; how many steps raised."""
    (worker,) = [one for one in intake.service.workers if one.name == "wage-slip-batches"]
    raised = 0
    for _ in range(most):
        try:
            if not await worker.step():
                return raised
        except Exception:
            raised += 1
    raise AssertionError("the worker never came to rest")


async def test_a_batch_whose_key_is_lost_fails_with_a_reason_and_later_ones_go_on(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    person = await registered(office)
    lost = await _send(office, ndjson([slip(person)]))
    later = await _send(office, ndjson([slip(person, slipNumber=2)]))
    assert intake.service.key_store is not None
    await intake.service.key_store.destroy(lost)
    assert await _attempts(intake) == ATTEMPTS_MAX - 1
    failed = (await office.get(f"/wage-slip-batches/{lost}")).json()
    assert (failed["state"], failed["accepted"], failed["received"]) == ("FAILED", 0, 1)
    assert "key" in failed["failure"]
    assert "finishedAt" in failed
    done = (await office.get(f"/wage-slip-batches/{later}")).json()
    assert (done["state"], done["accepted"], "failure" in done) == ("DONE", 1, False)
    assert await intake.service.pending_work() == 0


async def test_the_same_bytes_again_take_a_failed_batch_up_where_it_stopped(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    person = await registered(office)
    body = ndjson([slip(person, slipNumber=i % 90 + 1, netCents=i) for i in range(1_100)])
    batch_id = await _send(office, body)
    (worker,) = [one for one in intake.service.workers if one.name == "wage-slip-batches"]
    assert await worker.step()
    await _lost(intake, batch_id)
    await _attempts(intake)
    failed = (await office.get(f"/wage-slip-batches/{batch_id}")).json()
    assert (failed["state"], failed["accepted"] + failed["corrections"]) == ("FAILED", 500)
    assert await _send(office, body) == batch_id
    assert await _attempts(intake) == 0
    done = (await office.get(f"/wage-slip-batches/{batch_id}")).json()
    assert (done["state"], done["accepted"] + done["corrections"]) == ("DONE", 1_100)
    assert "failure" not in done
    assert [r["line"] for r in await results(office, batch_id)] == list(range(1, 1_001))


async def test_results_whose_faults_cannot_be_opened_any_more_are_still_listed(
    intake: Intake, office: httpx.AsyncClient
) -> None:
    person = await registered(office)
    done = await intake.batch(office, b"{}\n" + ndjson([slip(person)]))
    assert intake.service.key_store is not None
    await intake.service.key_store.destroy(done["batchId"])
    listed = await results(office, done["batchId"])
    assert [result["status"] for result in listed] == ["REFUSED", "ACCEPTED"]
    assert [fault["rule"] for fault in listed[0]["faults"]] == ["W026"]
