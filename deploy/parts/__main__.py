"""Start and stop a part that stays up after the command.

    python -m deploy.parts up kafka|postgres [--folder FOLDER] [--port PORT] [--fast]
    python -m deploy.parts down kafka|postgres [--folder FOLDER]

`up` writes the process id into `<folder>/pid` and what it prints last into `<folder>/url`: for Kafka
one line `kafka://127.0.0.1:PORT`; for PostgreSQL a line `NAME OWNER_URL SERVICE_URL` for each of the
three services. A folder keeps its port, data and passwords from one `up` to the next, and an `up` of
what is up already changes nothing. `down` keeps the data.
"""

import argparse
import re
import signal
import sys
from pathlib import Path

from deploy.parts.errors import PartError
from deploy.parts.file_lock import locked
from deploy.parts.kafka import Kafka
from deploy.parts.ports import is_free
from deploy.parts.postgres import Postgres
from deploy.parts.process import command_of, end

SERVICE_DATABASES = ("income_intake", "buffer_ledger", "notifier")

_VAR = Path(__file__).resolve().parents[2] / "var"
_PORT_IN_URL = re.compile(r"127\.0\.0\.1:(\d+)")
_GRACE_SECONDS = 30


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0, or 1 with a sentence on standard error."""
    asked = _parser().parse_args(arguments)
    folder: Path = asked.folder or _VAR / asked.part
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder / "lock"):
            if asked.action == "up":
                _up(asked.part, folder, asked.port, durable=not asked.fast)
            else:
                _down(asked.part, folder)
    except PartError as wrong:
        print(wrong, file=sys.stderr)
        return 1
    return 0


def _up(part: str, folder: Path, port: int | None, *, durable: bool) -> None:
    running = _running_pid(folder)
    if running is None:
        urls = _start(part, folder, port or _earlier_port(folder), durable=durable)
        url_file = folder / "url"
        url_file.touch(mode=0o600)
        url_file.write_text(urls + "\n")
    else:
        print(f"{part} is up already, process {running}")
        urls = (folder / "url").read_text().rstrip("\n")
    print(urls)


def _start(part: str, folder: Path, port: int | None, *, durable: bool) -> str:
    started: Kafka | Postgres
    if part == "kafka":
        started = Kafka.start(folder, port=port, detached=True)
    else:
        started = Postgres.start(folder, port=port, detached=True, durable=durable)
    (folder / "pid").write_text(f"{started.pid}\n")
    (folder / "command").write_text(command_of(started.pid))
    print(f"{started.name} is up, process {started.pid}")
    if isinstance(started, Kafka):
        return started.url
    try:
        made = {name: started.create_service_database(name) for name in SERVICE_DATABASES}
    except BaseException:
        started.stop()
        raise
    return "\n".join(f"{name} {owner} {service}" for name, (owner, service) in made.items())


def _down(part: str, folder: Path) -> None:
    pid = _running_pid(folder)
    asks = Postgres.stop_signal if part == "postgres" else signal.SIGTERM
    if pid is None:
        print(f"{part} is not up")
    elif end(pid, (folder / "command").read_text(), stop_signal=asks, grace=_GRACE_SECONDS):
        print(f"{part} is down, process {pid} ended")
    (folder / "pid").unlink(missing_ok=True)
    (folder / "command").unlink(missing_ok=True)


def _running_pid(folder: Path) -> int | None:
    """Return the recorded process id if that process still runs the recorded command."""
    try:
        pid = int((folder / "pid").read_text())
        command = (folder / "command").read_text()
    except (OSError, ValueError):
        return None
    return pid if command and command_of(pid) == command else None


def _earlier_port(folder: Path) -> int | None:
    """Return the port of the last `up` of this folder if it is free now."""
    try:
        found = _PORT_IN_URL.search((folder / "url").read_text())
    except OSError:
        return None
    port = int(found[1]) if found else None
    return port if port is not None and is_free(port) else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.parts", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    actions = parser.add_subparsers(dest="action", required=True)
    up = actions.add_parser("up", help="start a part and leave it running")
    down = actions.add_parser("down", help="stop a part that `up` started")
    for action in (up, down):
        action.add_argument("part", choices=("kafka", "postgres"))
        action.add_argument("--folder", type=Path, help="its data; default var/<part>")
    up.add_argument("--port", type=int, help="default: the one of last time, else a free one")
    up.add_argument("--fast", action="store_true", help="PostgreSQL without syncing to disk")
    return parser


if __name__ == "__main__":
    sys.exit(main())
