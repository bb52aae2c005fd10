"""Who may be told what by webhooks, where they may go, how they are signed and when they are tried again."""

from datetime import timedelta
from ipaddress import ip_address

import pytest

from shared.contracts.catalogue import ALL_EVENTS, EVENT_BY_TYPE
from shared.contracts.events import (
    CapitalCommitted,
    DonationReceived,
    FundLow,
    MonthSettled,
    ParticipantErased,
)
from shared.key_files import MasterKey
from shared.personal_keys import Unreadable
from shared.settings import SERVICE_NAMES, SettingsInvalid, load
from shared.webhooks.callbacks import Callback, host_fault, may_reach, read_callback, read_networks
from shared.webhooks.signatures import key_of, secret_of, signed_headers
from shared.webhooks.terms import (
    NOT_BUILT,
    Subscriber,
    full_name,
    is_about_a_person,
    pause_after,
    told_by,
    type_faults,
)
from shared.webhooks.vault import Confidential, Vault

MUNICIPALITY = Subscriber(municipality="0344")
FUND = Subscriber(fund_id="0a000000-0000-4000-8000-00000000000f")

# ---- who may be told what -------------------------------------------------------------------------------


def test_a_fund_is_told_of_donations_and_of_running_low_and_of_nothing_else() -> None:
    assert {event for event in ALL_EVENTS if FUND.may_know(event)} == {DonationReceived, FundLow}


def test_a_municipality_may_be_told_of_everything_and_nobody_else_of_anything() -> None:
    assert all(MUNICIPALITY.may_know(event) for event in ALL_EVENTS)
    assert not any(Subscriber().may_know(event) for event in ALL_EVENTS)


def test_an_event_goes_to_its_own_municipality_and_its_own_fund() -> None:
    assert MUNICIPALITY.is_about("p", {"municipality": "0344"})
    assert not MUNICIPALITY.is_about("p", {"municipality": "0363"})
    assert not MUNICIPALITY.is_about("p", {})
    assert FUND.is_about("0A000000-0000-4000-8000-00000000000F", {"municipality": "0363"})
    assert not FUND.is_about("0b000000-0000-4000-8000-00000000000f", {"municipality": "0344"})
    assert not Subscriber().is_about("", {})


def test_a_fund_is_not_told_what_moves_with_a_single_person() -> None:
    payload = {"fundId": FUND.fund_id, "thresholdCents": 100_000, "availableCents": 99_000}
    assert FUND.shown(FundLow, payload) == {"fundId": FUND.fund_id, "thresholdCents": 100_000}
    assert MUNICIPALITY.shown(FundLow, payload) == payload
    donation = {"fundId": FUND.fund_id, "amountCents": 500}
    assert FUND.shown(DonationReceived, donation) == donation


def test_every_event_is_told_by_one_service_and_can_be_named_by_its_fact() -> None:
    assert set(told_by(SERVICE_NAMES)) == set(EVENT_BY_TYPE)
    for event in ALL_EVENTS:
        assert full_name(event.FACT) == full_name(event.type_name()) == event.type_name()
    assert full_name("nothing-such") == "nothing-such"


def test_faults_of_types_come_all_at_once_and_say_what_there_is() -> None:
    names = ["fund-low", "nothing", "wage-slip-reported", *sorted(NOT_BUILT)]
    faults = type_faults(names, ["buffer-ledger"])
    assert [(fault.rule, fault.pointer) for fault in faults] == [
        ("S003", "/types/1"),
        ("S003", "/types/2"),
        *(("N001", f"/types/{place}") for place in range(3, 3 + len(NOT_BUILT))),
    ]
    assert MonthSettled.type_name() in faults[0].detail
    assert "income-intake" in faults[1].detail
    full = type_faults([f"nl.bufferbudget.buffers.{fact}.v1" for fact in NOT_BUILT], ["buffer-ledger"])
    assert {fault.rule for fault in full} <= {"N001"}


def test_of_an_erased_person_only_the_erasure_is_told() -> None:
    told = {event for event in ALL_EVENTS if not is_about_a_person(event.type_name())}
    assert ParticipantErased in told
    assert CapitalCommitted in told
    assert MonthSettled not in told
    assert is_about_a_person("nl.bufferbudget.later.unheard-of.v1")


# ---- where ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "callback"),
    [
        ("https://example.nl/in", Callback("example.nl", 443, "/in")),
        ("https://EXAMPLE.nl", Callback("example.nl", 443, "/")),
        ("https://example.nl:8443/a/b?code=1", Callback("example.nl", 8443, "/a/b?code=1")),
        ("https://example.nl?x", Callback("example.nl", 443, "/?x")),
        ("https://xn--mnchen-3ya.example/", Callback("xn--mnchen-3ya.example", 443, "/")),
        ("https://192.0.2.7/in", Callback("192.0.2.7", 443, "/in")),
        ("https://[2001:db8::1]:8443/in", Callback("2001:db8::1", 8443, "/in")),
    ],
)
def test_a_callback_is_read_once_into_its_parts(url: str, callback: Callback) -> None:
    assert read_callback(url) == callback


def test_the_host_header_is_as_the_url_has_it() -> None:
    assert read_callback("https://example.nl/in").authority == "example.nl"
    assert read_callback("https://example.nl:8443/in").authority == "example.nl:8443"
    assert read_callback("https://[2001:db8::1]/in").authority == "[2001:db8::1]"


@pytest.mark.parametrize(
    "url",
    [
        "http://example.nl/in",
        "ftp://example.nl/in",
        "//example.nl/in",
        "example.nl/in",
        "https:///in",
        "https://",
        "https://user:word@example.nl/in",
        "https://user@example.nl/in",
        "https://@example.nl/in",
        "https://example.nl/in#part",
        "https://example.nl/in#",
        "https://example.nl:0/in",
        "https://example.nl:99999/in",
        "https://example.nl:port/in",
        "https://exam ple.nl/in",
        "https://example.nl\\@127.0.0.1/in",
        "https://example.nl/in\r\nX-Header: 1",
        "https://münchen.example/",
        "https://[::1/in",
        "https://exa%6dple.nl/",
        "https://-example..nl/",
        "https://example.nl/" + "a" * 2000,
    ],
)
def test_anything_else_is_no_callback_and_is_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="must") as caught:
        read_callback(url)
    assert "word" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "198.18.0.1", "224.0.0.1",
        "240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254",
        "fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1",
        "64:ff9b:1::1", "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1",
    ],
)  # fmt: skip
def test_no_connection_is_made_to_an_address_that_is_not_public(address: str) -> None:
    assert not may_reach(ip_address(address), [])


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "145.97.39.155", "2a00:1450:400e:80d::200e", "::ffff:8.8.8.8"]
)
def test_public_addresses_may_be_reached(address: str) -> None:
    assert may_reach(ip_address(address), [])


def test_an_operator_can_allow_a_network_and_only_that() -> None:
    allowed = read_networks("10.20.0.0/16, fd12::/16 ,192.168.7.7")
    for address in ("10.20.3.4", "fd12::9", "192.168.7.7", "::ffff:10.20.3.4"):
        assert may_reach(ip_address(address), allowed), address
    for address in ("10.21.0.1", "192.168.7.8", "127.0.0.1", "fd13::9"):
        assert not may_reach(ip_address(address), allowed), address


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "10.0.0.1", "localhost", "LOCALHOST.", "db.internal"])
def test_a_private_host_is_refused_when_it_is_named(host: str) -> None:
    assert host_fault(read_callback(f"https://{host}/in"), []) is not None


def test_a_host_whose_address_is_found_later_is_taken() -> None:
    assert host_fault(read_callback("https://example.nl/in"), []) is None
    assert host_fault(read_callback("https://10.20.0.1/in"), read_networks("10.20.0.0/16")) is None


def test_a_network_that_is_none_is_told_when_settings_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOK_ALLOWED_NETWORKS", "10.20.0.0/16,10.0.0.300")
    with pytest.raises(SettingsInvalid, match="WEBHOOK_ALLOWED_NETWORKS"):
        load()


# ---- signatures -----------------------------------------------------------------------------------------


def test_a_signature_is_what_the_standard_webhooks_libraries_expect() -> None:
    """The example that those libraries test themselves by."""
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed_headers(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_id_time_body_and_key_each_change_the_signature() -> None:
    given = [(b"k" * 32, "a", 1, b"x"), (b"l" * 32, "a", 1, b"x"), (b"k" * 32, "b", 1, b"x")]
    given += [(b"k" * 32, "a", 2, b"x"), (b"k" * 32, "a", 1, b"y")]
    assert len({signed_headers(*each)["webhook-signature"] for each in given}) == len(given)


def test_a_secret_of_ours_stands_for_its_bytes_and_anybody_elses_for_itself() -> None:
    assert key_of(secret_of(bytes(range(32)))) == bytes(range(32))
    assert key_of("a" * 24) == b"a" * 24


@pytest.mark.parametrize("secret", ["short", "whsec_YWJj", "whsec_!!!!", "a" * 201, "é" * 30, "line\n" * 9])
def test_a_weak_or_unclear_secret_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(ValueError, match="must") as caught:
        key_of(secret)
    assert secret not in str(caught.value)


def test_what_is_sealed_for_one_subscription_does_not_open_as_another() -> None:
    vault = Vault(MasterKey(b"m" * 32), "buffer-ledger")
    known = Confidential("https://example.nl/in?code=hush", "whsec_hush")
    sealed = vault.seal("one", known)
    assert vault.open("one", sealed) == known
    assert b"hush" not in sealed
    assert "hush" not in repr(known)
    with pytest.raises(Unreadable):
        vault.open("other", sealed)
    with pytest.raises(Unreadable):
        Vault(MasterKey(b"m" * 32), "notifier").open("one", sealed)


# ---- when -----------------------------------------------------------------------------------------------


def test_pauses_double_from_ten_seconds_to_an_hour() -> None:
    seconds = [pause_after(failures).total_seconds() for failures in range(1, 12)]
    assert seconds[:9] == [10, 20, 40, 80, 160, 320, 640, 1280, 2560]
    assert seconds[9:] == [3600, 3600]
    assert pause_after(100_000) == timedelta(hours=1)
