"""Runs the fast part of the suite with other versions than the pinned ones: ``python -m tests.resolutions``.

``newest`` are the versions that a user gets today, ``lowest`` the lowest that pyproject.toml allows. Each gets an
environment of its own in ``.venv-newest`` and ``.venv-lowest``, by the uv of this one; both run at the same time.

A warning that something is going to change breaks nobody yet: it is shown, and no error as with the pinned versions. A
release that breaks kfrun is one: users have it already.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from tests.constraints import ROOT, uv

RESOLUTIONS = {"newest": "highest", "lowest": "lowest-direct"}
"""Name -> what uv calls it."""

FAST = tuple(f"tests/{name}" for name in ("load", "validate", "resolve", "plan", "report", "cli", "test_packaging.py"))
"""What reads, judges, prints and is packaged; the libraries that kfrun is given work here."""

LEFT_OUT = (
    "tests/load/test_pyyamls.py",
    "tests/cli/test_prune.py",
    *(f"tests/cli/verbs/test_{name}.py" for name in ("apply", "rerun", "run_scripts", "selectors", "stop")),
)
"""The first brings other versions itself; the others run many jobs, slowly, by the same libraries."""

_WARNINGS = ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning")


class ResolutionFailed(Exception):
    """There are no such versions, or the tests fail with them; the message has what was said."""


def check(name: str, tests: tuple[str, ...]) -> str:
    """Run tests with the versions of a resolution; what pytest said.

    Raises:
        ResolutionFailed: with what was said, and the versions where there are any.
    """
    folder = ROOT / f".venv-{name}"
    python = str(folder / "bin" / "python")
    shutil.rmtree(folder, ignore_errors=True)
    _demand(uv("venv", "--quiet", f"--python={sys.executable}", str(folder)))
    _demand(uv("pip", "install", "--quiet", f"--python={python}", f"--resolution={RESOLUTIONS[name]}", "-e", ".[test]"))
    options = (*(f"-Wdefault::{kind}" for kind in _WARNINGS), *(f"--ignore={left_out}" for left_out in LEFT_OUT))
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-n2", "-p", "no:cacheprovider", *options, *tests],
        cwd=ROOT, env={**os.environ, "KFRUN_TEST_WARNINGS": "ignore"}, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if done.returncode:
        done.stdout += f"\npip freeze:\n{uv('pip', 'freeze', f'--python={python}').stdout}"
    return _demand(done)


def _demand(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode:
        raise ResolutionFailed(done.stdout)
    return done.stdout


def main(tests: tuple[str, ...] = FAST) -> int:
    """Run all and print what they say; exit code 1 where one fails."""
    code = 0
    with ThreadPoolExecutor() as pool:
        running = {name: pool.submit(check, name, tests) for name in RESOLUTIONS}
        for name, run in running.items():
            try:
                said, end = run.result(), "passed"
            except ResolutionFailed as failure:
                said, end, code = str(failure), "FAILED", 1
            print(f"{said}\n{end}: the {name} versions that pyproject.toml allows", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
