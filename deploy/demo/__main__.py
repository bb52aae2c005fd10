"""`make demo`: a year in the life of 350 people, through the public API, on the embedded shape.

Writes var/demo/summary.json and exits with 1 when something that must always hold did not.
"""

import asyncio
import json
import os
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from aiosmtpd.controller import Controller

from deploy.demo.client import BackOffice, Refused
from deploy.demo.post_box import PostBox, free_port
from deploy.demo.server import DemoServer
from deploy.demo.summary import Figures, gather, page
from deploy.demo.year import MUNICIPALITY, DemoYear
from shared.settings import load
from shared.tokens import caller_from, token_for

FOLDER = Path(os.environ.get("DEMO_DIR", "var/demo"))


def say(line: str) -> None:
    print(f"  {line}", flush=True)


async def _live(server: DemoServer, started: float) -> Figures:
    settings = load(data_dir=FOLDER)
    token = token_for(settings, caller_from({"ROLE": "backoffice", "MUNICIPALITY": MUNICIPALITY}))
    operator = token_for(settings, caller_from({"ROLE": "operator"}))
    async with BackOffice(server.url, token, operator) as office:
        lived = await DemoYear(office, server.set_clock, say).live()
        return await gather(office, lived, round(time.monotonic() - started))


def main() -> int:
    started = time.monotonic()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    post_box = PostBox()
    port = free_port()
    mail = Controller(post_box, hostname="127.0.0.1", port=port)
    mail.start()
    server = DemoServer(FOLDER.resolve(), f"smtp://127.0.0.1:{port}")
    server.set_clock(datetime(2025, 12, 15, 9, tzinfo=UTC))
    try:
        print("Starting bufferbudget (one process, no database server, no broker) ...", flush=True)
        server.start()
        figures = asyncio.run(_live(server, started))
    except (Refused, RuntimeError) as failure:
        print(f"The demo stopped: {failure}\nThe server's log is {FOLDER / 'server.log'}", file=sys.stderr)
        return 1
    finally:
        exit_code = server.stop()
        mail.stop()
    figures.seconds = round(time.monotonic() - started)
    summary = figures.as_json() | {"mailReceived": post_box.received}
    (FOLDER / "summary.json").write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", "utf-8")
    print(page(figures))
    faults = figures.faults()
    if exit_code != 0:
        faults.append(f"the server did not stop cleanly (exit code {exit_code})")
    by_mail = figures.messages_by_channel.get("EMAIL", 0)
    if post_box.received != by_mail:
        faults.append(f"{by_mail} e-mails were recorded as sent and {post_box.received} arrived")
    for fault in faults:
        print(f"FAULT: {fault}", file=sys.stderr)
    print(f"The same figures are in {FOLDER / 'summary.json'}.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
