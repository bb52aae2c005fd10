"""`python -m shared.contracts`: write the documents, check them, or compare with an earlier version."""

import argparse
import sys
from collections.abc import Sequence

from shared.contracts.catalogue import ALL_EVENTS
from shared.contracts.compatibility import changes
from shared.contracts.export import FOLDER, export, schemas_at, stale
from shared.contracts.schemas import schema_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when all is well, 1 when documents are stale or a change would break readers."""
    parser = argparse.ArgumentParser(prog="python -m shared.contracts", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("export", help="write schemas and asyncapi.yaml (the default)")
    commands.add_parser("check", help="fail when the written documents are not current")
    against = commands.add_parser(
        "check-against", help="fail when a change since a git reference breaks readers"
    )
    against.add_argument("reference")
    chosen = parser.parse_args(arguments)
    if chosen.command == "check":
        return _check()
    if chosen.command == "check-against":
        return _check_against(chosen.reference)
    for path in export():
        print(f"written: {path.relative_to(FOLDER)}")
    return 0


def _check() -> int:
    for path in (behind := stale()):
        print(f"not current: {path.relative_to(FOLDER)}; run python -m shared.contracts", file=sys.stderr)
    return 1 if behind else 0


def _check_against(reference: str) -> int:
    try:
        before = schemas_at(reference)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    found = changes(before, {event.type_name(): schema_of(event) for event in ALL_EVENTS})
    breaking = [change for change in found if change.breaking]
    widening = [change for change in found if not change.breaking]
    if breaking:
        print(f"Breaking since {reference}: give these events a new version (.v2) beside the old one.")
        for change in breaking:
            print(f"  {change}")
    if widening:
        print(f"Wider since {reference}. Deploy consumers first, producers when all consumers run:")
        for change in widening:
            print(f"  {change}")
    if not found:
        print(f"No change since {reference}.")
    return 1 if breaking else 0


if __name__ == "__main__":
    sys.exit(main())
