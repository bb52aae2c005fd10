"""Ask the process in this container how it is, for the container engine: `python -m deploy.health [readyz]`.

Without an argument `/livez` is asked: an engine restarts what does not live. `/readyz` tells whether work can
begin.
"""

import os
import sys
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException

SECONDS_MAX = 4


def main(arguments: Sequence[str]) -> int:
    """Return 0 when the answer is 200, else 1 with the answer on standard error."""
    path = f"/{arguments[0] if arguments else 'livez'}"
    connection = HTTPConnection("127.0.0.1", int(os.environ.get("PORT") or 8080), timeout=SECONDS_MAX)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        said = answer.read().decode(errors="replace")
    except (OSError, HTTPException) as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 1
    finally:
        connection.close()
    if answer.status != 200:
        print(f"{path}: {answer.status} {said}", file=sys.stderr)
    return 0 if answer.status == 200 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
