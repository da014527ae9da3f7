"""The peer, asked for one measurement at a time: each in a process and a temporary folder of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench import installations

if TYPE_CHECKING:
    from collections.abc import Sequence

_PROGRAM = Path(__file__).with_name("peer_program.py")
_TIMEOUT = 1800


class Peer:
    """The Kubeflow SDK's LocalProcessBackend, in the environment of ``python``."""

    def __init__(self, python: Path) -> None:
        self.python = python

    def __call__(self, what: str, **values: Any) -> dict[str, float]:
        """Measure ``what`` (a function of `peer_program`); what it prints last are its figures."""
        folder = tempfile.mkdtemp(prefix="kfrun-bench-peer-")
        # It takes its interpreter from PATH, and leaves environments behind in TMPDIR.
        env = installations.environment()
        env |= {"PATH": f"{self.python.parent}:{env['PATH']}", "TMPDIR": folder}
        try:
            done = self._run([what, json.dumps(values)], env, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return figures

    def _run(self, arguments: Sequence[str], env: dict[str, str], folder: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [self.python, _PROGRAM, *arguments], env=env, cwd=folder, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=_TIMEOUT,
        )  # fmt: skip
        if done.returncode or not done.stdout.strip():
            raise RuntimeError(f"the peer failed at {arguments[0]}: exit {done.returncode}\n{done.stderr[-2000:]}")
        return done
