"""`python -m notifier` serves the notifier alone."""

from notifier.service import build
from shared.serve import run

if __name__ == "__main__":
    raise SystemExit(run(build))
