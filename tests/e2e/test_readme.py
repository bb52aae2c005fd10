"""What the README tells a newcomer to type does what it says, typed exactly so."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from shared.months import Month
from tests.e2e.conftest import EMBEDDED
from tests.e2e.scenario import at
from tests.e2e.system import System

README = Path(__file__).parents[2] / "README.md"
WALK = re.compile(r"<!-- walk-through:.*?-->\n```bash\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("shape", [EMBEDDED], indirect=True)
def test_the_calls_of_the_readme_end_in_the_draw_it_promises(system: System) -> None:
    at(system, Month(2026, 3))
    found = WALK.search(README.read_text(encoding="utf-8"))
    assert found is not None
    script = found[1].replace("http://127.0.0.1:8080", system.of("income-intake")[0].url)
    environment = {"PATH": os.environ["PATH"], "TOKEN": system.token("backoffice")}
    last = 'api GET "/enrolments/$ENROLMENT/statement?from=2026-01&to=2026-02"'
    waiting = (
        f'for _ in $(seq 100); do OUT=$({last}); case "$OUT" in *46820*) break;; esac; sleep 0.1; done; '
    )
    waiting += 'echo; echo "$OUT"'
    assert last in script
    done = subprocess.run(
        ["bash", "-e", "-c", script.replace(last, waiting)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"status":4' not in done.stdout, done.stdout
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    assert [month["drawCents"] for month in answer["months"]] == [0, 46_820]
    assert answer["months"][1]["explanation"]["nl"]
