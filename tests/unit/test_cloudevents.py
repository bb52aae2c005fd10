"""The envelope keeps to the NL GOV profile, tolerates what is new and parks what is malformed."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from pydantic import ValidationError

from shared.bus.port import Message, Received
from shared.contracts.cloudevents import HEADERS, Envelope, decode, encode, source_of
from shared.contracts.events import DonationReceived, WageSlipPart, WageSlipReported
from shared.errors import PoisonMessage
from shared.money import Cents

OIN = "00000001821002198000"
PERSON = "0b8f6c2e-4d1a-4c57-9a3e-7f21d5e8b901"
FUND = "019570a2-1c00-7b3e-8d41-5f6a7b8c9d01"
SLIP = WageSlipReported(
    municipality="0344",
    participant_id=PERSON,
    wage_slip_id="01957e10-5a20-7d11-8a01-1b2c3d4e5f60",
    slip_key="9f2b64c07ad15e83b1d0c6f4a8e73952",
    employer_key="kz3vQmX0t8bL5rYw2cHnJ4",
    version=1,
    source="SLIP",
    period_from=date(2026, 3, 1),
    period_to=date(2026, 3, 31),
    pay_period="MONTH",
    pay_date=date(2026, 3, 25),
    parts=(WageSlipPart(kind="WAGE", net_cents=Cents(41230)),),
)
ENVELOPE = Envelope.of(
    SLIP,
    id="0195b000-0000-7000-8000-000000000001",
    source=source_of(OIN, "income-intake"),
    time=datetime(2026, 3, 26, 8, 0, 11, tzinfo=UTC),
)
MESSAGE = encode(ENVELOPE)


def received(message: Message) -> Received:
    return Received(message, partition=0, offset=0)


def with_header(name: str, value: bytes | None) -> Message:
    kept = tuple((key, old) for key, old in MESSAGE.headers if key != name)
    return replace(MESSAGE, headers=kept if value is None else (*kept, (name, value)))


def with_payload(change: Callable[[dict[str, object]], object]) -> Message:
    payload = json.loads(MESSAGE.value)
    change(payload)
    return replace(MESSAGE, value=json.dumps(payload).encode())


def reason(message: Message) -> str:
    with pytest.raises(PoisonMessage) as caught:
        decode(received(message))
    return str(caught.value)


def test_an_envelope_comes_back_as_it_was() -> None:
    assert decode(received(MESSAGE)) == ENVELOPE


def test_attributes_are_headers_and_the_payload_is_the_bare_value() -> None:
    assert MESSAGE.topic == "bufferbudget.wage-slips"
    assert MESSAGE.key == PERSON
    assert dict(MESSAGE.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"0195b000-0000-7000-8000-000000000001",
        "ce_source": b"urn:nld:oin:00000001821002198000:systeem:income-intake",
        "ce_type": b"nl.bufferbudget.wage-slips.wage-slip-reported.v1",
        "ce_time": b"2026-03-26T08:00:11.000000Z",
        "content-type": b"application/json",
    }
    assert json.loads(MESSAGE.value)["parts"] == [{"kind": "WAGE", "netCents": 41230}]


def test_no_header_says_whom_the_event_is_about() -> None:
    assert tuple(name for name, _ in MESSAGE.headers) == HEADERS
    assert PERSON.encode() not in b"".join(value for _, value in MESSAGE.headers)


def test_members_without_a_value_are_not_written() -> None:
    assert {"grossCents", "taxCreditApplied"} & json.loads(MESSAGE.value).keys() == set()


def test_a_fund_event_is_keyed_by_its_fund() -> None:
    donation = DonationReceived(
        municipality="0344",
        fund_id=FUND,
        donation_id="01957000-aaaa-7bbb-8ccc-ddddeeeeffff",
        amount_cents=Cents(100),
        value_date=date(2026, 1, 2),
    )
    message = encode(replace(ENVELOPE, event=donation, type=donation.type_name(), key=donation.key()))
    assert (message.topic, message.key) == ("bufferbudget.funds", FUND)


def test_a_member_that_this_version_does_not_know_is_ignored() -> None:
    assert decode(received(with_payload(lambda payload: payload.update(later={"a": 1})))) == ENVELOPE


def test_a_header_that_this_version_does_not_know_is_ignored() -> None:
    assert decode(received(with_header("traceparent", b"\xff"))) == ENVELOPE


def test_a_content_type_with_a_character_set_is_accepted() -> None:
    assert decode(received(with_header("content-type", b"application/json; charset=utf-8"))) == ENVELOPE


@pytest.mark.parametrize("fact", ["wage-slip-withdrawn.v1", "wage-slip-reported.v2"])
def test_an_unknown_type_of_the_family_is_left_to_be_skipped(fact: str) -> None:
    envelope = decode(received(with_header("ce_type", f"nl.bufferbudget.wage-slips.{fact}".encode())))
    assert envelope.event is None
    assert envelope.key == PERSON


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_specversion", b"0.3"),
        ("ce_specversion", None),
        ("ce_id", None),
        ("ce_id", b""),
        ("ce_id", b"x" * 65),
        ("ce_id", b"\xff"),
        ("ce_source", b"/income-intake"),
        ("ce_source", b"urn:nld:oin:123:systeem:income-intake"),
        ("ce_type", None),
        ("ce_type", b"nl.bufferbudget.buffers.buffer-drawn.v1"),
        ("ce_type", b"org.example.other"),
        ("ce_time", b"2026-03-26 08:00"),
        ("ce_time", b"yesterday"),
        ("content-type", b"application/xml"),
        ("content-type", None),
    ],
)
def test_a_malformed_header_parks_the_message_and_is_named(name: str, value: bytes | None) -> None:
    told = reason(with_header(name, value))
    assert name in told
    if value:
        assert value.decode(errors="replace") not in told.replace(name, "") or value == b"0.3"


def test_a_message_of_an_unknown_topic_is_parked() -> None:
    assert "ce_type" in reason(replace(MESSAGE, topic="bufferbudget.unknown"))


def test_a_key_that_is_not_the_payload_s_participant_parks_the_message() -> None:
    assert reason(replace(MESSAGE, key=FUND)) == "the message key is not the payload's participantId"


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe"])
def test_a_value_that_is_no_json_object_parks_the_message(value: bytes) -> None:
    assert "wage-slip-reported" in reason(replace(MESSAGE, value=value))


@pytest.mark.parametrize("wrong", [41230.0, 41230.5, "41230", True, None, 10**12])
def test_money_that_is_not_whole_cents_parks_the_message(wrong: object) -> None:
    told = reason(with_payload(lambda payload: payload.update(parts=[{"kind": "WAGE", "netCents": wrong}])))
    assert "/parts/0/netCents" in told


@pytest.mark.parametrize(
    "month_day", ["2026-02-30", "26-03-2026", 20260325, 1774396800, "2026-03-25T00:00:00Z"]
)
def test_a_date_in_any_other_form_parks_the_message(month_day: object) -> None:
    assert "/payDate" in reason(with_payload(lambda payload: payload.update(payDate=month_day)))


def test_the_reason_for_parking_quotes_nothing_of_the_payload() -> None:
    def spoil(payload: dict[str, object]) -> None:
        payload.update(participantId="999990019", employerKey="Jan Jansen", municipality="NL91ABNA0417164300")
        payload.update({"geheim BSN 999990019": "999990019"})

    told = reason(with_payload(spoil))
    assert "/participantId" in told
    for personal in ("999990019", "Jansen", "NL91", "geheim"):
        assert personal not in told


def test_a_producer_cannot_make_an_event_with_a_bsn_for_an_id() -> None:
    with pytest.raises(ValidationError):
        DonationReceived(
            municipality="0344",
            fund_id="999990019",
            donation_id=FUND,
            amount_cents=Cents(1),
            value_date=date(2026, 1, 1),
        )


def test_an_envelope_without_an_event_cannot_be_published() -> None:
    with pytest.raises(ValueError, match="without an event"):
        encode(replace(ENVELOPE, event=None))


@pytest.mark.parametrize(
    ("oin", "service"), [("123", "income-intake"), (OIN, "Income"), (OIN, ""), (OIN, "a b")]
)
def test_a_source_is_made_of_an_oin_and_a_service_only(oin: str, service: str) -> None:
    with pytest.raises(ValueError, match="OIN"):
        source_of(oin, service)
