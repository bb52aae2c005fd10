"""The lines of a batch: cut into pieces, read one by one, and their faults as they are kept."""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Final

from income_intake.intake import Read
from income_intake.slip_form import read_slip
from shared.errors import Fault, Invalid
from shared.log import Log
from shared.requests import shortened
from shared.strict_json import strict_json

PIECE_LINES_MAX: Final = 500
"""Lines of a transaction: more cost readers and single slips their turn, fewer cost speed (measured)."""
PIECE_BYTES_MAX: Final = 4_194_304
"""Bytes of a piece; a piece of long lines has fewer."""
LINE_BYTES_MAX: Final = 65_536
"""Longest line; a slip with a hundred lines is a tenth of it."""
OUR_FAULT: Final = Fault(
    "W026", "", "the slip could not be taken in through a fault of ours: report it, or send it singly"
)
"""For a line that meets what nobody foresaw."""

_YIELD_EVERY: Final = 50
_BOM: Final = b"\xef\xbb\xbf"


def lines_of(body: bytes) -> list[bytes]:
    """The lines of a body; a line end at the very end begins no line of its own."""
    lines = body.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines


def pieces(lines: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Lines in pieces of a bounded number and size; none for no lines."""
    piece: list[bytes] = []
    size = 0
    for line in lines:
        # Of a line that is too long no more is kept than shows that it is.
        kept = line[: LINE_BYTES_MAX + 2]
        if piece and (len(piece) == PIECE_LINES_MAX or size + len(kept) > PIECE_BYTES_MAX):
            yield piece
            piece, size = [], 0
        piece.append(kept)
        size += len(kept)
    if piece:
        yield piece


def read_line(line: bytes, today: date) -> Read:
    """Read one line that came on a day: the slip, or every fault for which it is refused."""
    line = line.removesuffix(b"\r")
    if not line.strip():
        return [Fault("W020", "", "the line is empty")]
    if line.startswith(_BOM):
        return [Fault("W023", "", "the line begins with a byte order mark: send it again without")]
    if len(line) > LINE_BYTES_MAX:
        return [Fault("W024", "", f"the line is longer than {LINE_BYTES_MAX} bytes")]
    try:
        raw = strict_json(line)
        if not isinstance(raw, dict):
            return [Fault("W021", "", "the line is not a JSON object")]
        return read_slip(raw, today)
    except Invalid as invalid:
        if invalid.faults[0].rule == "G006":
            return [_unreadable(line, invalid.faults[0])]
        return shortened(invalid.faults)


def _unreadable(line: bytes, fault: Fault) -> Fault:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        return Fault("W022", "", f"the line is not UTF-8 at byte {error.start}")
    return Fault("W021", "", fault.detail.replace("the body", "the line"))


async def read_lines(
    lines: Sequence[bytes], today: date, log: Log, read: Callable[[bytes, date], Read] = read_line
) -> list[Read]:
    """Read lines that came on a day, one by one: a fault of ours in reading one refuses that line alone."""
    found: list[Read] = []
    for count, line in enumerate(lines):
        try:
            found.append(read(line, today))
        except Exception as error:
            log.failure("worker_failed", error, worker="batches", seconds=0)
            found.append([OUR_FAULT])
        if count % _YIELD_EVERY == _YIELD_EVERY - 1:
            await asyncio.sleep(0)
    return found


def packed_faults(faults: Sequence[Fault]) -> bytes:
    """Faults as bytes to encrypt: their pointers and details can show what a slip held.

    Whatever a fault holds, this gives bytes: a batch may not stop at how the words of a refusal turned out.
    """
    try:
        return _json_of(faults)
    except Exception:
        return _json_of([OUR_FAULT])


def unpacked_faults(content: bytes) -> tuple[Fault, ...]:
    """What `packed_faults` made."""
    return tuple(Fault(fault["rule"], fault["pointer"], fault["detail"]) for fault in json.loads(content))


def _json_of(faults: Sequence[Fault]) -> bytes:
    listed = [{"rule": fault.rule, "pointer": fault.pointer, "detail": fault.detail} for fault in faults]
    return json.dumps(listed, ensure_ascii=False, separators=(",", ":")).encode()
