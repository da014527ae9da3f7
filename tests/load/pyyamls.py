"""PyYAML with the libyaml that this environment does not have: ``python -m tests.load.pyyamls`` installs them ahead.

Each goes into a folder of ``KFRUN_TEST_CACHE`` (default ``~/.cache/kfrun-tests``), for PYTHONPATH to name. A failure is
loud: exit code 3 and the installer's words.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.constraints import uv
from tests.engines import packages

if TYPE_CHECKING:
    from pathlib import Path

VERSIONS = {"0.2.5": "6.0.3", "0.2.6": "6.0.4"}
"""libyaml -> the PyYAML whose wheels bring it."""

_ASK = "from yaml import _yaml; print(_yaml.get_version_string())"


class PyyamlUnavailable(Exception):
    """It cannot be installed here; the message says why."""


def folder(libyaml: str) -> Path:
    """The folder with that PyYAML, installed when it is not there.

    Raises:
        PyyamlUnavailable: there is no wheel for this Python and machine, or no network.
    """
    wanted = f"PyYAML=={VERSIONS[libyaml]}"
    path = packages.cache().parent / f"{wanted.replace('==', '-')}-{sys.implementation.cache_tag}"
    with packages.alone(path.name):
        if not path.exists():
            partial = path.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            options = ("--quiet", "--no-deps", "--only-binary=:all:", "--target", str(partial))
            done = uv("pip", "install", "--python", sys.executable, *options, wanted)
            if done.returncode:
                raise PyyamlUnavailable(f"{wanted} cannot be installed: {done.stdout.strip()}")
            partial.rename(path)
    return path


def installed(environ: dict[str, str] | None = None) -> str:
    """The version of libyaml that is imported in an environment; empty where PyYAML has none."""
    return subprocess.run(
        [sys.executable, "-c", _ASK], capture_output=True, text=True, timeout=60, env=environ
    ).stdout.strip()


def environment(libyaml: str) -> dict[str, str]:
    """The variables of a process that reads YAML with that libyaml."""
    return {**os.environ, "PYTHONPATH": str(folder(libyaml))}


def main() -> int:
    """Install all, and print the folders."""
    try:
        for libyaml in VERSIONS:
            print(f"libyaml {libyaml}: {folder(libyaml)}")
    except PyyamlUnavailable as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
