"""The test environment is pinned: ``python -m tests.constraints`` renews ``tests/constraints.txt``.

Each package that kfrun, its extras and its build ask for, and what these need in turn, in one version for every Python
that pyproject.toml allows. ``tests.resolutions`` runs tests with the newest and the lowest versions that it allows.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from kfrun.execute.environments import installsettings

ROOT = Path(__file__).parents[1]
FILE = Path(__file__).with_suffix(".txt")


def requirements() -> list[str]:
    """Everything that pyproject.toml asks for: to build, to run, and by extras."""
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project, extras = asked["project"], asked["project"]["optional-dependencies"].values()
    return [*asked["build-system"]["requires"], *project["dependencies"], *(item for extra in extras for item in extra)]


def oldest_python() -> str:
    """The oldest version that pyproject.toml allows."""
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    (version,) = re.findall(r">=\s*(3\.\d+)", asked)
    return version


def uv(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run uv in the repository, with pip's settings where it has none of its own; all that it says is in ``stdout``."""
    changed, options = installsettings.for_uv(os.environ, ())
    environ = {name: value for name, value in {**os.environ, **changed}.items() if value is not None}
    command = [sys.executable, "-m", "uv", *arguments, *(options if arguments[0] == "pip" else ())]
    return subprocess.run(
        command, cwd=ROOT, input=text, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def main() -> int:
    """Write the file; exit code 1 and uv's words where no versions fit."""
    done = uv(
        *("pip", "compile", "--quiet", "--universal", "--upgrade", "--no-annotate"),
        f"--python-version={oldest_python()}",
        *("--custom-compile-command=python -m tests.constraints", f"--output-file={FILE}", "-"),
        text="\n".join(requirements()),
    )
    sys.stderr.write(done.stdout if done.returncode else "")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
