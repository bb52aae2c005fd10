"""The embedded shape: three services in one process, SQLite under DATA_DIR; `python -m deploy.all_in_one`.

Nothing differs from the distributed shape but this list of services and the settings' defaults.
"""

import sys

from buffer_ledger.service import build as buffer_ledger
from income_intake.service import build as income_intake
from notifier.service import build as notifier
from shared.serve import run

if __name__ == "__main__":
    sys.exit(run(income_intake, buffer_ledger, notifier))
