"""Tab, pressed in the real shells."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING

import pytest

from kfrun.cli import shells
from tests.engines import packages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Kfrun

SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
PREPARED = {"bash": "", "zsh": "autoload -U compinit && compinit -u -D; ", "fish": ""}
SECONDS = 30

CASES = {
    "expl": ["explain"],
    "run -f jo": ["run", "-f", "job.yaml"],
    "run tra": ["run", "train.py"],
    "run --nodes 2 train.py --data sub/deep.t": ["run", "--nodes", "2", "train.py", "--data", "sub/deep.txt"],
    "init --example qui": ["init", "--example", "quickstart"],
    "plan my": ["plan", "my job.yaml"],
    "apply --filename=jo": ["apply", "--filename=job.yaml"],
    "validate my": ["validate", "my job.yaml"],
    "plan -f sub/de": ["plan", "-f", "sub/deep.yaml"],
    "delete he": ["delete", "hello"],
    "describe trainjob he": ["describe", "trainjob", "hello"],
    "describe trainjob/he": ["describe", "trainjob/hello"],
    "get trainjobs,po": ["get", "trainjobs,pods"],
    "get trainjobs -n te": ["get", "trainjobs", "-n", "team"],
    "get trainjobs -o wi": ["get", "trainjobs", "-o", "wide"],
    "logs hello --node no": ["logs", "hello", "--node", "node-0"],
    "wait hello --for=condition=Com": ["wait", "hello", "--for=condition=Complete"],
    "wait hello --for del": ["wait", "hello", "--for", "delete"],
    "plan --backend me": ["plan", "--backend", "memory"],
    "runtimes show pla": ["runtimes", "show", "plain-python"],
    "lint --disable=a": ["lint", "--disable=all"],
    "lint --disable al": ["lint", "--disable", "all"],
    "events --types War": ["events", "--types", "Warning"],
    "config vi": ["config", "view"],
}
"""What is typed -> what the program is given after Tab and Return."""


class Terminal:
    """A shell at a terminal of its own."""

    def __init__(self, command: list[str], folder: Path, env: dict[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=env, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 (fish wants its own)
        )  # fmt: skip
        os.close(theirs)
        self._shown = b""

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def read(self, expression: str) -> str:
        """What is shown next that the expression finds."""
        deadline = time.monotonic() + SECONDS
        while not (found := re.search(expression.encode(), self._shown)):
            assert select.select([self._ours], [], [], max(0, deadline - time.monotonic()))[0], self._shown
            self._shown += os.read(self._ours, 1 << 16)
        self._shown = self._shown[found.end() :]
        return found[0].decode()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    """zsh and fish: installed where everything is tested, and else not asked for."""
    if os.environ.get("CI"):
        packages.ensure({"bash": "bash", "zsh": "zsh", "fish": "fish"})


@pytest.fixture
def terminal(kfrun: Kfrun, tmp_path: Path, shell: str) -> Iterator[Terminal]:
    """A shell in which kfrun completes, and prints its arguments when it is called."""
    if packages.find(SHELLS[shell][0]) is None:
        pytest.skip(f"{shell} is not installed")
    kfrun.ok("apply", "-q", "--wait", "-f", kfrun.job("hello", "true"))
    kfrun.ok("apply", "-q", "--wait", "-n", "team", "-f", kfrun.job("hello", "true"))
    for name in ("job.yaml", "my job.yaml", "job.txt", "train.py", "sub/deep.yaml", "sub/deep.txt"):
        (kfrun.folder / name).parent.mkdir(exist_ok=True)
        (kfrun.folder / name).touch()
    (kfrun.folder / "hello.yaml").unlink()
    program = tmp_path / "bin" / "kfrun"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\n[ -n "$_KFRUN_COMPLETE" ] && exec {sys.executable} -m kfrun "$@"\n'
        "printf 'GIVEN'; printf '<%s>' \"$@\"; printf '.\\n'\n"
    )
    program.chmod(0o755)
    script = tmp_path / "script"
    script.write_text(kfrun.ok("completion", shell))
    env = {**kfrun.env, "PATH": f"{program.parent}:{os.environ['PATH']}", "TERM": "xterm", "HOME": str(tmp_path)}
    opened = Terminal(SHELLS[shell], kfrun.folder, env)
    opened.type(f"{PREPARED[shell]}. {script}; echo is''set up\n")
    opened.read("isset up")
    yield opened
    opened.close()


@pytest.mark.parametrize("shell", SHELLS)
def test_tab_completes_verbs_files_names_and_values(terminal: Terminal) -> None:
    found = {}
    for typed in CASES:
        terminal.type(f"kfrun {typed}\t\n")
        found[typed] = re.findall("<([^>]*)>", terminal.read(r"GIVEN(<[^>]*>)*\."))
    assert found == CASES


@pytest.mark.parametrize("shell", ["bash"])
def test_where_no_manifest_begins_so_any_file_is_offered(terminal: Terminal) -> None:
    terminal.type("kfrun validate sub/deep.t\t\n")
    assert terminal.read(r"GIVEN(<[^>]*>)*\.") == "GIVEN<validate><sub/deep.txt>."


def test_every_shell_has_a_script() -> None:
    assert set(shells.SCRIPTS) == set(SHELLS)
