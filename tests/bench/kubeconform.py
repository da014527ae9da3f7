"""kubeconform, the peer of `kfrun validate`: built from its Go module, and given kfrun's own schemas."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.bench import installations

if TYPE_CHECKING:
    from pathlib import Path

VERSION = "v0.8.0"
MODULE = "github.com/yannh/kubeconform/cmd/kubeconform"
WORKERS = 2

_SUMMARY = re.compile(r"Valid: (\d+), Invalid: (\d+), Errors: (\d+), Skipped: (\d+)")


def install() -> Path:
    """Build kubeconform if it is not there, and return the program.

    Raises:
        SystemExit: there is no Go to build it with.
    """
    folder = installations.cache() / f"kubeconform-{VERSION}"
    program = folder / "kubeconform"
    if program.exists():
        return program
    go = shutil.which("go")
    if go is None:
        raise SystemExit(
            f"kubeconform is built with Go, and there is no go on PATH: install it, or put {program} there"
        )
    subprocess.run(
        [go, "install", f"{MODULE}@{VERSION}"], check=True, env={**os.environ, "GOBIN": str(folder)},
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return program


def command(program: Path, *paths: Path) -> list[str]:
    """Its command line: as strict as kfrun, which refuses unknown fields and repeated keys."""
    schemas = installations.ROOT / "schemas" / "v2.3" / "{{.ResourceKind}}.json"
    line = [program, "-strict", "-summary", "-n", WORKERS, "-schema-location", schemas, *paths]
    return [str(word) for word in line]


def counts(output: str) -> tuple[int, ...]:
    """Documents that it says are valid, invalid, could not be read, were passed over."""
    found = _SUMMARY.search(output)
    if found is None:
        raise RuntimeError(f"kubeconform gave no summary: {output[-500:]!r}")
    return tuple(map(int, found.groups()))
