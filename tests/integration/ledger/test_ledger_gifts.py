"""What all buffers of one person can give in a calendar year never passes the gift limit unseen."""

from typing import Any

from tests.integration.ledger.ledger_office import LedgerOffice, new_uuid, registered, slip


async def _enrol(
    ledger: LedgerOffice, person: str, scheme_id: str, first: str, last: str, *, expect: int
) -> dict[str, Any]:
    body = {
        "participantId": person,
        "schemeId": scheme_id,
        "household": {"kind": "SINGLE"},
        "firstMonth": first,
        "lastMonth": last,
    }
    answer: dict[str, Any] = await ledger.call("POST", "/enrolments", body, expect=expect)
    return answer


async def test_a_cap_below_the_limit_is_accepted_alone_also_over_two_calendar_years(
    ledger: LedgerOffice,
) -> None:
    scheme = await ledger.scheme()
    await _enrol(ledger, new_uuid(), scheme.scheme_id, "2026-01", "2026-12", expect=201)
    await _enrol(ledger, new_uuid(), scheme.scheme_id, "2026-07", "2027-06", expect=201)


async def test_two_buffers_of_one_person_in_a_year_are_refused_above_the_limit_with_the_amounts(
    ledger: LedgerOffice,
) -> None:
    one, other = await ledger.scheme(), await ledger.scheme()
    person = new_uuid()
    await _enrol(ledger, person, one.scheme_id, "2026-01", "2026-06", expect=201)
    refused = await _enrol(ledger, person, other.scheme_id, "2026-07", "2026-12", expect=409)
    for words in ("2026", "200000 cents", "100000 cents", "120000 cents", "view of the college", "not built"):
        assert words in refused["detail"]
    fund = await ledger.call("GET", f"/funds/{other.fund_id}")
    assert (fund["committedCents"], fund["availableCents"]) == (0, 1_000_000)


async def test_a_buffer_that_fits_beside_another_is_accepted(ledger: LedgerOffice) -> None:
    one = await ledger.scheme()
    small = await ledger.scheme(policy={"drawAmount": "TOPUP", "capCents": 20_000})
    person = new_uuid()
    await _enrol(ledger, person, one.scheme_id, "2026-01", "2026-06", expect=201)
    await _enrol(ledger, person, small.scheme_id, "2026-07", "2026-12", expect=201)


async def test_a_year_without_a_limit_has_the_last_known_one_and_says_so(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme()
    person = new_uuid()
    await _enrol(ledger, person, scheme.scheme_id, "2026-07", "2027-06", expect=201)
    refused = await _enrol(ledger, person, scheme.scheme_id, "2027-07", "2028-06", expect=409)
    assert "the limit of 2026: this system has none for 2027" in refused["detail"]


async def test_of_an_ended_buffer_only_what_was_drawn_counts(ledger: LedgerOffice) -> None:
    scheme = await ledger.scheme(policy={"drawAmount": "TOPUP", "capCents": 80_000})
    person = new_uuid()
    await ledger.hear(registered(person))
    await _enrol(ledger, person, scheme.scheme_id, "2026-01", "2026-02", expect=201)
    await ledger.hear(slip(person, "2026-01", 70_000), slip(person, "2026-02", 25_000))
    await ledger.close("2026-01")
    await ledger.close("2026-02")
    await _enrol(ledger, person, scheme.scheme_id, "2026-06", "2026-12", expect=409)
    ledger.at("2026-05-02")
    await ledger.close("2026-02")  # the late window is over: 468.20 was drawn and the rest went back
    refused = await _enrol(ledger, person, scheme.scheme_id, "2026-06", "2026-12", expect=409)
    assert "46820 cents of other enrolments" in refused["detail"]
    smaller = await ledger.scheme(policy={"drawAmount": "TOPUP", "capCents": 73_180})
    await _enrol(ledger, person, smaller.scheme_id, "2026-06", "2026-12", expect=201)


async def test_a_scheme_with_the_guard_off_adds_up_for_the_next_one_and_asks_nothing_itself(
    ledger: LedgerOffice,
) -> None:
    guarded = await ledger.scheme()
    policy = {"drawAmount": "TOPUP", "capCents": 150_000, "giftGuard": {"mode": "OFF"}}
    free = await ledger.scheme(policy=policy)
    person, another = new_uuid(), new_uuid()
    await _enrol(ledger, person, guarded.scheme_id, "2026-01", "2026-06", expect=201)
    await _enrol(ledger, person, free.scheme_id, "2026-07", "2026-12", expect=201)
    await _enrol(ledger, another, free.scheme_id, "2026-01", "2026-06", expect=201)
    refused = await _enrol(ledger, another, guarded.scheme_id, "2026-07", "2026-12", expect=409)
    assert "150000 cents of other enrolments" in refused["detail"]
