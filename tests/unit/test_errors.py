"""Errors: one base, and a message that says what happened."""

from datetime import UTC, datetime

from shared.errors import BufferbudgetError, Fault, Invalid, NotFound, PoisonMessage, TooEarly, TryAgain


def test_an_invalid_input_tells_all_its_faults() -> None:
    faults = [Fault("W001", "/periodTo", "lies before periodFrom"), Fault("W002", "", "is empty")]
    error = Invalid(faults)

    assert error.faults == tuple(faults)
    assert str(error) == "/periodTo: lies before periodFrom; /: is empty"


def test_every_error_carries_its_sentence_and_has_one_base() -> None:
    for error in (NotFound("no such scheme"), PoisonMessage("not JSON"), TryAgain("no database")):
        assert isinstance(error, BufferbudgetError)
        assert error.detail == str(error)


def test_too_early_tells_from_when() -> None:
    instant = datetime(2026, 3, 2, tzinfo=UTC)

    assert TooEarly("come back later", instant).available_from == instant


def test_a_fault_never_holds_what_no_answer_can_carry() -> None:
    fault = Fault("G007", "/\ud800", "member \ud800 stands twice, é does not")

    assert fault.pointer == "/?"
    assert fault.detail == "member ? stands twice, é does not"
    fault.detail.encode("utf-8")
