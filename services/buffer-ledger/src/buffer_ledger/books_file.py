"""What can be done with an export of a fund's books where there is no database: verify it, or make it a
beancount file. `python -m buffer_ledger.books_file verify FILE [HASH]`, `... beancount FILE`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from buffer_ledger.beancount_text import beancount_lines
from buffer_ledger.books_check import Verdict, verify


def main(arguments: Sequence[str]) -> int:
    """Run a command; 0 when the books are sound, 1 when they are not, 2 for a call that cannot be read."""
    match list(arguments):
        case ["verify", path]:
            return _verified(path, None)
        case ["verify", path, head]:
            return _verified(path, head or None)
        case ["beancount", path]:
            return _converted(path)
    print("say: verify FILE [HASH], or beancount FILE", file=sys.stderr)
    return 2


def _verified(path: str, head: str | None) -> int:
    lines = _lines(path)
    if lines is None:
        return 2
    verdict = verify(lines, expected_head=head)
    for fault in verdict.faults:
        print(fault)
    print(_sentence(verdict))
    return 1 if verdict.faults else 0


def _converted(path: str) -> int:
    lines = _lines(path)
    if lines is None:
        return 2
    verdict = verify(lines)
    if verdict.faults:
        print(f"{path} is not sound: {verdict.faults[0]}", file=sys.stderr)
        return 1
    for line in beancount_lines(lines):
        print(line)
    return 0


def _lines(path: str) -> list[str] | None:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as refused:
        print(f"{path} cannot be read: {type(refused).__name__}", file=sys.stderr)
        return None


def _sentence(verdict: Verdict) -> str:
    what = f"{verdict.sealed} transactions sealed, {verdict.waiting} waiting, head {verdict.head}"
    if verdict.faults:
        return f"NOT SOUND: the books of fund {verdict.fund_id or '?'} ({what})"
    return f"Sound: the books of fund {verdict.fund_id} ({what})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
