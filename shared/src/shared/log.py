"""Structured logs: JSON lines on standard error, of events declared here with their fields.

Nothing about a person can slip in: a field that an event does not declare is dropped (and refused in tests),
values are plain and short, errors are logged by type and place and never by message.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TextIO

import structlog

Level = Literal["debug", "info", "warning", "error"]
LogEventName = Literal[
    # every service
    "starting",
    "waiting_for",
    "started",
    "draining",
    "stopped",
    "part_failed",
    "http_request",
    "http_failure",
    "client_disconnected",
    "connections_refused",
    "consumer_retry",
    "consumer_stopped",
    "message_parked",
    "parked_decided",
    "relay_retry",
    "worker_failed",
    "status_failed",
    "migrated",
    "subscription_decided",
    "webhook_refused",
    "webhook_paused",
    "webhook_given_up",
    "library",
    # income-intake
    "batch_finished",
    "batch_failed",
    # buffer-ledger
    "close_finished",
    "enrolment_failed",
    "invariant_broken",
    "chain_sealed",
    "chain_broken",
    # notifier
    "delivery_failed",
    "delivery_replaced",
    "delivery_given_up",
]


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One kind of line. `fields` are all it may carry beside time, level, event and service."""

    name: LogEventName
    level: Level
    fields: frozenset[str]
    comment: str


def _event(name: LogEventName, level: Level, fields: str, comment: str) -> LogEvent:
    return LogEvent(name, level, frozenset(fields.split()), comment)


LOG_EVENTS: Final[tuple[LogEvent, ...]] = (
    _event("starting", "info", "version services bus", "The process starts these services."),
    _event(
        "waiting_for",
        "warning",
        "part attempt seconds_left error_type",
        "Database or bus does not answer yet.",
    ),
    _event("started", "info", "url seconds", "All parts run; the services are ready."),
    _event("draining", "info", "reason seconds", "Stops taking requests and finishes what it has."),
    _event("stopped", "info", "reason", "Everything is closed; the last line of a calm stop."),
    _event(
        "part_failed",
        "error",
        "part error_type frames detail",
        "A part failed; the process ends because of it.",
    ),
    _event(
        "http_request",
        "info",
        "method route status milliseconds role request_id error_id",
        "One request, by route template: paths and queries could name a person.",
    ),
    _event(
        "http_failure",
        "error",
        "error_id route error_type frames",
        "A request met a fault of ours; see error_id.",
    ),
    _event(
        "client_disconnected",
        "info",
        "method route milliseconds role request_id",
        "A caller went away before its body was whole; nothing was done.",
    ),
    _event(
        "connections_refused",
        "warning",
        "connections count",
        "More connections than twice CONNECTIONS_MAX; so many were closed since the last such line.",
    ),
    _event(
        "consumer_retry",
        "warning",
        "topic reason error_type seconds count",
        "A batch is put back and tried again.",
    ),
    _event("consumer_stopped", "error", "reason parked", "The consumer stands still until an operator acts."),
    _event(
        "message_parked", "error", "topic message_id event_type error_type frames", "A message was set aside."
    ),
    _event(
        "parked_decided",
        "info",
        "message_id decision subject",
        "An operator released or discarded a message.",
    ),
    _event(
        "relay_retry", "warning", "error_type seconds pending", "The bus is away; events wait in the outbox."
    ),
    _event(
        "worker_failed",
        "error",
        "worker error_type frames seconds",
        "Background work failed; it goes on later.",
    ),
    _event("status_failed", "warning", "part error_type", "A figure of the status page could not be read."),
    _event("migrated", "info", "from_revision to_revision", "The database has its newest tables."),
    _event(
        "subscription_decided",
        "info",
        "subscription_id decision subject",
        "Somebody made or deleted a subscription, or had its failed events sent again.",
    ),
    _event(
        "webhook_refused",
        "warning",
        "subscription_id count code",
        "A subscriber answered, but did not take events; they are sent again later.",
    ),
    _event(
        "webhook_paused",
        "warning",
        "subscription_id code seconds",
        "A subscriber does not answer; its events wait.",
    ),
    _event(
        "webhook_given_up",
        "error",
        "subscription_id count code",
        "Events that a subscriber did not take within a day; they wait for a `_retry`.",
    ),
    _event(
        "library",
        "warning",
        "logger message error_type frames",
        "A line of a library, digits and addresses struck out.",
    ),
    _event(
        "batch_finished",
        "info",
        "batch_id received accepted corrections duplicates refused seconds",
        "A batch is done.",
    ),
    _event(
        "batch_failed",
        "error",
        "batch_id attempts error_type frames",
        "A batch is given up; its sender sees why and may send it again.",
    ),
    _event(
        "close_finished",
        "info",
        "close_id month settled held missing failed seconds",
        "A month close is done.",
    ),
    _event(
        "enrolment_failed",
        "error",
        "enrolment_id error_type frames",
        "A close could not compute an enrolment and left it as it was; all others were closed.",
    ),
    _event(
        "invariant_broken",
        "error",
        "invariant breaches",
        "The ledger's books contradict themselves: call somebody.",
    ),
    _event(
        "chain_sealed",
        "info",
        "fund_id number hash",
        "The chain of a fund's books now ends here: kept outside, it proves what stood before it.",
    ),
    _event("chain_broken", "error", "fund_id number", "A link of the chain does not fit: call somebody."),
    _event(
        "delivery_failed",
        "warning",
        "message_id channel attempt code seconds",
        "A delivery is tried again later.",
    ),
    _event(
        "delivery_replaced",
        "warning",
        "message_id channel attempt code",
        "An e-mail is given up, and a letter goes out in its place.",
    ),
    _event(
        "delivery_given_up",
        "error",
        "message_id channel attempt code",
        "A message could not be delivered, and no way is left.",
    ),
)

EVENTS: Final[Mapping[str, LogEvent]] = {event.name: event for event in LOG_EVENTS}
_ALWAYS = frozenset({"event", "service", "level", "time"})
_TEXT_MAX = 400
_LEVELS: Mapping[Level, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class UndeclaredField(Exception):
    """A log line carries what its event does not declare; only raised where `strict` is asked for."""


class Log:
    """Writes the log of one service: `log.write("close_finished", close_id=..., settled=...)`."""

    def __init__(self, service: str, write: Callable[[Mapping[str, Any]], None]) -> None:
        self.service = service
        self._write = write

    def write(self, name: LogEventName, /, **fields: object) -> None:
        """Write one declared event; its level stands with its declaration."""
        self._write({"event": name, "service": self.service, **fields})

    def of(self, service: str) -> "Log":
        """The same log under another service's name."""
        return Log(service, self._write)

    def failure(self, name: LogEventName, error: BaseException, /, **fields: object) -> None:
        """Write a declared event with an error's type and where it arose, never its message."""
        self.write(name, **fields, **error_fields(error))


def error_fields(error: BaseException) -> dict[str, object]:
    """What may be logged of an error: its type and its frames. Messages can quote a row, so they stay out."""
    frames = [
        f"{frame.filename.rsplit('/', 2)[-2] if '/' in frame.filename else ''}/"
        f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)[-12:]
    ]
    kind = type(error)
    return {"error_type": f"{kind.__module__}.{kind.__qualname__}", "frames": frames}


def only_declared(strict: bool = False) -> structlog.types.Processor:
    """The processor that keeps declared fields alone and makes every value plain and short."""

    def keep(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event = EVENTS.get(str(line.get("event")))
        if event is None:
            if strict:
                raise UndeclaredField(f"the log event {line.get('event')!r} is not declared")
            return {"event": "undeclared", "service": line.get("service"), "level": "warning"}
        extra = line.keys() - event.fields - _ALWAYS
        if extra and strict:
            raise UndeclaredField(f"{event.name} may not carry {', '.join(sorted(extra))}")
        kept = {name: _plain(value) for name, value in line.items() if name not in extra}
        return {**kept, "level": event.level}

    return keep


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in list(value)[:50]]
    return str(value)[:_TEXT_MAX]


# ---- where lines go ---------------------------------------------------------------------------------------

_STRUCK_OUT = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z]{4}[0-9]{10}|[0-9]{6,}|[^\s@<>\"']+@[^\s@<>\"']+")


def struck_out(text: str) -> str:
    """A library's own words without runs of digits (numbers of people and accounts) and e-mail addresses."""
    return _STRUCK_OUT.sub("***", text)


class _LibraryHandler(logging.Handler):
    """Takes what libraries log through the standard library into our own lines."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, object] = {"logger": record.name, "message": struck_out(record.getMessage())}
        if record.exc_info and record.exc_info[1] is not None:
            fields |= error_fields(record.exc_info[1])
        self._log.write("library", **fields)


def get_log(service: str) -> Log:
    """The log of a service (or `process`), written as `configure` said; before that to standard error."""

    def write(fields: Mapping[str, Any]) -> None:
        structlog.get_logger().msg(**fields)

    return Log(service, write)


def configure(level: Level = "info", stream: TextIO | None = None, *, strict: bool = False) -> None:
    """Send all lines of this process to a stream (default standard error), ours and the libraries'."""
    least = _LEVELS[level]

    def drop_below(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if _LEVELS.get(line["level"], 30) < least:
            raise structlog.DropEvent
        return line

    structlog.configure(
        processors=[
            only_declared(strict),
            drop_below,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.JSONRenderer(serializer=_to_json),
        ],
        wrapper_class=structlog.BoundLogger,
        logger_factory=lambda *_: _Lines(stream),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [_LibraryHandler(get_log("process"))]
    root.setLevel(logging.WARNING)
    # It advises at each start to install a library that only checks the contact's address.
    logging.getLogger("fastapi").setLevel(logging.ERROR)
    # While a broker is away it writes thousands of lines; what matters of it, the bus and consumers log.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        library = logging.getLogger(name)
        library.handlers = []
        library.propagate = name != "uvicorn.access"
        library.setLevel(logging.WARNING)


class _Lines:
    """Writes each line at once, to standard error unless a stream was given."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        print(line, file=self._stream or sys.stderr, flush=True)


def _to_json(line: Mapping[str, Any], **_: Any) -> str:
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"))
