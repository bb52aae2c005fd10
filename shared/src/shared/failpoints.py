"""Places where a test may kill the process, to see that nothing is lost and nothing happens twice.

Only when the environment says `FAILPOINT=name` or `FAILPOINT=name:n` does a place do anything: it sends this
process SIGKILL, which nothing can catch, the n-th time it is reached.
"""

import os
import signal
from collections import Counter
from typing import Literal

Place = Literal[
    "before-commit",  # consumer: everything is written, nothing is committed
    "after-commit",  # consumer: committed, the offset is not
    "before-offset-commit",  # consumer: the last moment before the offset is committed
    "after-delivery",  # notifier: the mail server has the message, nothing is recorded yet
    "close-before-commit",  # ledger: a chunk of a month close is written, nothing is committed
    "close-after-commit",  # ledger: a chunk is committed, the next one has not begun
    "after-webhook",  # webhooks: the receiver has taken an event, nothing is recorded yet
    "after-publish",  # relay: the bus has the events, the outbox still has them too
]

_reached: Counter[str] = Counter()


def hit(place: Place) -> None:
    """Say that this place has been reached."""
    setting = os.environ.get("FAILPOINT")
    if not setting:
        return
    name, _, which = setting.partition(":")
    if name != place:
        return
    _reached[place] += 1
    if _reached[place] == int(which or 1):
        os.kill(os.getpid(), signal.SIGKILL)
