"""A donor's reference is kept for ever, so nothing in it may lead to a person."""

import pytest

from buffer_ledger.references import reference_fault


@pytest.mark.parametrize(
    "reference", ["GIFT-2026/0042", "2026.00123", "campaign_7 spring", "20251215", "100000001", "A"]
)
def test_a_reference_of_letters_digits_and_separators_is_kept(reference: str) -> None:
    assert reference_fault(reference) is None


@pytest.mark.parametrize(
    "reference",
    [
        "NL91ABNA0417164300",
        "nl91 abna 0417 1643 00",
        "gift NL91-ABNA-0417-1643-00 spring",
        "x.DE89370400440532013000",
        "BE68 5390 0754 7034",
    ],
)
def test_an_account_number_is_refused_however_it_is_written(reference: str) -> None:
    assert "account number" in (reference_fault(reference) or "")


def test_a_mistyped_account_number_is_a_reference_like_any_other() -> None:
    assert reference_fault("NL92ABNA0417164300") is None


@pytest.mark.parametrize(
    "reference", ["123456782", "gift-123456782", "1234.56.782", "123 456 782", "x123456782"]
)
def test_a_bsn_is_refused_however_it_is_written(reference: str) -> None:
    assert "BSN" in (reference_fault(reference) or "")


@pytest.mark.parametrize("reference", ["a.jansen@example.nl", "j@x"])
def test_an_email_address_is_refused(reference: str) -> None:
    assert "e-mail" in (reference_fault(reference) or "")


@pytest.mark.parametrize("reference", ["=1+1", "-5", "two\nlines", "café", "a;b", "a\u200bb", " a"])
def test_what_is_no_reference_is_refused(reference: str) -> None:
    assert "written with" in (reference_fault(reference) or "")


def test_no_fault_repeats_what_was_sent() -> None:
    for reference in ("NL91ABNA0417164300", "123456782", "a.jansen@example.nl", "Kanarie;"):
        assert reference not in (reference_fault(reference) or "")
