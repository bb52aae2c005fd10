"""Money that people really gave back is the buffer's again, in the month it belongs to."""

from typing import Any

from shared.contracts.events import BufferReplenished
from tests.integration.ledger.ledger_office import MUNICIPALITY, LedgerOffice, new_uuid, slip

REPLACE = {"drawAmount": "REPLACE", "capCents": 100_000, "onNegativeCorrection": "RESTORE_ONLY"}


async def _paid(ledger: LedgerOffice) -> tuple[str, str]:
    """January's offset of a wage of 600 (615.60) was drawn and paid."""
    scheme = await ledger.scheme(policy=REPLACE, method="M0")
    person, enrolment = await ledger.enrolled(scheme)
    await ledger.hear(slip(person, "2026-01", 60_000))
    await ledger.close("2026-01")
    (order,) = await ledger.orders()
    await ledger.call("POST", f"/payment-orders/{order['orderId']}/_executed", {"executedOn": "2026-02-01"})
    return person, enrolment


async def _repay(ledger: LedgerOffice, enrolment: str, expect: int = 201, **members: Any) -> dict[str, Any]:
    body = {"month": "2026-01", "amountCents": 35_910, "receivedOn": "2026-02-01", **members}
    path = f"/enrolments/{enrolment}/repayments"
    answer: dict[str, Any] = await ledger.call("POST", path, body, expect=expect)
    return answer


async def test_what_came_back_is_in_the_buffer_again_and_the_draw_stays(ledger: LedgerOffice) -> None:
    person, enrolment = await _paid(ledger)
    await ledger.hear(slip(person, "2026-01", 25_000, version=2))
    (january,) = await ledger.settled(enrolment)
    assert (january["drawCents"], january["balanceCents"]) == (61_560, 38_440)
    await _repay(ledger, enrolment)
    (january,) = await ledger.settled(enrolment)
    assert (january["drawCents"], january["repaymentCents"], january["balanceCents"]) == (
        61_560,
        35_910,
        74_350,
    )
    assert january["cashAfterCents"] == january["cashCents"] + 61_560 - 35_910
    statement = await ledger.statement(enrolment)
    assert (statement["drawnCents"], statement["balanceCents"]) == (61_560, 74_350)
    assert [told.amount_cents for told in await ledger.told(BufferReplenished)] == [35_910]
    await ledger.must_be_sound()


async def test_no_more_comes_back_than_was_paid(ledger: LedgerOffice) -> None:
    _, enrolment = await _paid(ledger)
    await _repay(ledger, enrolment)
    refused = await _repay(ledger, enrolment, 409, amountCents=25_651)
    assert "25650 cents" in refused["detail"]
    await _repay(ledger, enrolment, amountCents=25_650)
    assert (await ledger.statement(enrolment))["balanceCents"] == 100_000
    await ledger.must_be_sound()


async def test_a_month_outside_the_enrolment_or_a_day_in_the_future_is_refused(ledger: LedgerOffice) -> None:
    _, enrolment = await _paid(ledger)
    refused = await _repay(ledger, enrolment, 400, month="2027-01", receivedOn="2026-12-01")
    assert {(fault["rule"], fault["pointer"]) for fault in refused["errors"]} == {
        ("L042", "/month"),
        ("L042", "/receivedOn"),
    }


async def test_a_revolving_buffer_moves_real_money_only_once_the_college_confirmed(
    ledger: LedgerOffice,
) -> None:
    scheme = await ledger.scheme()
    policy = {"drawAmount": "TOPUP", "capCents": 100_000, "replenish": "REVOLVE_FROM_SURPLUS"}
    body = {"fundId": scheme.fund_id, "municipality": MUNICIPALITY, "policy": policy, "validFrom": "2026-01"}
    refused = await ledger.call("PUT", f"/schemes/{new_uuid()}", body, expect=400)
    assert [(f["rule"], f["pointer"]) for f in refused["errors"]] == [("L043", "/policy/collegeConfirmation")]
    policy["collegeConfirmation"] = {"reference": "B&W 2026/20", "date": "2026-01-20"}
    await ledger.call("PUT", f"/schemes/{new_uuid()}", body)
