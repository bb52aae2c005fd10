"""`python -m income_intake` serves this service alone."""

from income_intake.service import build
from shared.serve import run

if __name__ == "__main__":
    raise SystemExit(run(build))
