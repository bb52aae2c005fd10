"""The log: declared events and fields only, so that nothing about a person slips in."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import structlog

from shared.log import (
    LOG_EVENTS,
    LogEventName,
    UndeclaredField,
    configure,
    error_fields,
    get_log,
    struck_out,
)

BSN, IBAN, NAME = "999993653", "NL91ABNA0417164300", "Jansen"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure("debug", stream)
    yield stream
    logging.getLogger().handlers = []
    structlog.reset_defaults()


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_the_list_and_the_names_that_code_may_use_are_the_same() -> None:
    names = [event.name for event in LOG_EVENTS]
    assert names == list(get_args(LogEventName))
    assert all(event.comment.endswith(".") for event in LOG_EVENTS)


def test_no_event_may_carry_a_person() -> None:
    fields = {field for event in LOG_EVENTS for field in event.fields}
    assert not fields & {"participant_id", "name", "bsn", "iban", "email", "path", "query", "body", "key"}


def test_a_line_has_time_level_service_and_its_fields(written: io.StringIO) -> None:
    get_log("notifier").write(
        "delivery_failed", message_id="m", channel="EMAIL", attempt=2, seconds=1.23456789
    )
    (line,) = _lines(written)
    assert line.pop("time").endswith("Z")
    assert line == {
        "event": "delivery_failed",
        "service": "notifier",
        "level": "warning",
        "message_id": "m",
        "channel": "EMAIL",
        "attempt": 2,
        "seconds": 1.234568,
    }


def test_a_field_that_is_not_declared_is_dropped(written: io.StringIO) -> None:
    get_log("notifier").write("stopped", reason="asked", bsn=BSN)
    (line,) = _lines(written)
    assert "bsn" not in line
    assert BSN not in written.getvalue()


def test_strict_logs_refuse_what_is_not_declared() -> None:
    configure("info", io.StringIO(), strict=True)
    with pytest.raises(UndeclaredField, match="bsn"):
        get_log("notifier").write("stopped", bsn=BSN)
    logging.getLogger().handlers = []
    structlog.reset_defaults()


def test_an_error_is_logged_by_type_and_place_and_never_by_message(written: io.StringIO) -> None:
    try:
        raise ValueError(f"no such person: {NAME} {BSN}")
    except ValueError as error:
        get_log("notifier").failure("worker_failed", error, worker="delivery", seconds=1.0)
    (line,) = _lines(written)
    assert line["error_type"] == "builtins.ValueError"
    assert "test_log.py" in line["frames"][-1]
    assert NAME not in written.getvalue()
    assert BSN not in written.getvalue()


def test_what_libraries_log_has_numbers_of_people_and_addresses_struck_out(written: io.StringIO) -> None:
    logging.getLogger("some.library").warning("row %s %s mail jan@example.nl port 5432", BSN, IBAN)
    (line,) = _lines(written)
    assert line["event"] == "library"
    assert line["message"] == "row *** *** mail *** port 5432"


def test_a_librarys_traceback_loses_its_message(written: io.StringIO) -> None:
    try:
        raise KeyError(NAME)
    except KeyError:
        logging.getLogger("some.library").exception("went wrong")
    (line,) = _lines(written)
    assert line["error_type"] == "builtins.KeyError"
    assert NAME not in written.getvalue()


def test_the_level_is_the_least_that_is_written() -> None:
    stream = io.StringIO()
    configure("error", stream)
    log = get_log("process")
    log.write("started", url="http://127.0.0.1:1", seconds=1)
    log.write("consumer_stopped", reason="parked", parked=1000)
    assert [line["event"] for line in _lines(stream)] == ["consumer_stopped"]
    logging.getLogger().handlers = []
    structlog.reset_defaults()


def test_frames_name_file_line_and_function() -> None:
    try:
        int("x")
    except ValueError as error:
        fields = error_fields(error)
    frames = fields["frames"]
    assert isinstance(frames, list)
    assert frames[-1].startswith("unit/test_log.py:")
    assert frames[-1].endswith("test_frames_name_file_line_and_function")


def test_short_numbers_stay_readable() -> None:
    assert struck_out("3 of 500 in 2026") == "3 of 500 in 2026"
