"""`make mutants`: put one small fault at a time into the pure modules and see whether a test notices.

A program of our own, because the kept ones expect a single `src` folder or write their faults into the
checkout; here each mutant lives in a forked process only. MODULES="policy offset" chooses; the list of
survivors goes to var/mutants.txt, and docs/mutants.md explains those that stay.
"""

import importlib
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import CodeType

import pytest

from shared import law
from tests.mutants.mutations import Mutant, mutants

MODULES = ("policy", "offset", "attribution", "bookkeeping", "timeline")
SOURCE = Path("services/buffer-ledger/src/buffer_ledger")
SURVIVORS = Path("var/mutants.txt")
SECONDS = 60
"""A mutant that runs longer than this loops for ever: noticed."""

QUICK = (
    "tests/unit/test_policy.py",
    "tests/unit/test_bookkeeping.py",
    "tests/unit/test_offset.py",
    "tests/unit/test_attribution.py",
    "tests/unit/test_timeline.py",
    "tests/unit/test_benefit_side.py",
    "tests/unit/test_policy_scenarios.py",
    "tests/unit/test_policy_defaults.py",
    "tests/contract/test_scenarios.py",
)
PRELOADED = (
    "hypothesis",
    "pydantic",
    "yaml",
    "_pytest.assertion",
    "shared.months",
    "deploy.parts.kafka",
    "deploy.parts.postgres",
    "deploy.parts.tansu",
)


def main() -> int:
    """Try every mutant; 0 when each was noticed, else 1."""
    wanted = (os.environ.get("MODULES") or " ".join(MODULES)).split()
    for name in PRELOADED:
        importlib.import_module(name)
    law.Law.load = cache(law.Law.load)  # type: ignore[method-assign] # read once, not by every child
    law.Law.load()
    if not _passes(None, "policy"):
        print("the tests fail without any mutant")
        return 2
    survivors: list[str] = []
    for module in wanted:
        began, tried, left = time.monotonic(), 0, 0
        for mutant in mutants((SOURCE / f"{module}.py").read_text(encoding="utf-8")):
            tried += 1
            if _passes(mutant, module):
                left += 1
                survivors.append(f"{module}.py:{mutant.line}: {mutant.before}  ->  {mutant.after}")
                print(survivors[-1], flush=True)
        seconds = time.monotonic() - began
        print(f"{module}: {tried} mutants, {tried - left} noticed, {left} not, {seconds:,.0f} s", flush=True)
    SURVIVORS.parent.mkdir(parents=True, exist_ok=True)
    SURVIVORS.write_text("".join(f"{line}\n" for line in survivors), encoding="utf-8")
    return 1 if survivors else 0


def _passes(mutant: Mutant | None, module: str) -> bool:
    """Whether all tests pass with the mutant in the place of its module, each time in a process of its own.

    The module's own tests come first: they notice most, and then nobody else has to be asked.
    """
    own = f"tests/unit/test_{module}.py"
    others = tuple(name for name in QUICK if name != own)
    for tests in ((own,), others):
        child = os.fork()
        if child == 0:
            os._exit(_in_child(mutant, module, tests))
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != 0:
            return False
    return True


def _in_child(mutant: Mutant | None, module: str, tests: Sequence[str]) -> int:
    signal.alarm(SECONDS)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    try:
        if mutant is not None:
            path = SOURCE / f"{module}.py"
            _install(f"buffer_ledger.{module}", path, compile(mutant.tree, str(path), "exec"))
        os.environ["PROPERTY_EXAMPLES"] = "25"
        options = [
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            "-W",
            "ignore::pytest.PytestAssertRewriteWarning",
            "--tb=no",
        ]
        return int(pytest.main([*options, *tests]))
    except BaseException:
        return 3


def _install(name: str, path: Path, code: CodeType) -> None:
    """Let everybody who imports the module get the mutant."""
    package = importlib.import_module("buffer_ledger")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    exec(code, made.__dict__)
    setattr(package, name.rpartition(".")[2], made)


if __name__ == "__main__":
    sys.exit(main())
