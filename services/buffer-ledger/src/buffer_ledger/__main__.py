"""`python -m buffer_ledger` serves this service alone."""

from buffer_ledger.service import build
from shared.serve import run

if __name__ == "__main__":
    raise SystemExit(run(build))
