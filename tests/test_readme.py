"""The two commands of the README work on a fresh machine: one is run here, the other is how this very test runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import docblocks

ROOT = Path(__file__).parents[1]
LEFT_OUT = (".git", ".*cache", ".hypothesis", ".venv*", "__pycache__", "output", "dist", "build")


def commands(page: str) -> list[str]:
    """The shell commands of a page, each block one."""
    return [block.text.removesuffix("\n") for block in docblocks.blocks(ROOT / page) if block.language == "sh"]


RUN, TEST = commands("README.md")


@pytest.mark.parametrize("command", [RUN, TEST])
def test_each_command_is_one_line_that_makes_its_own_environment(command):
    assert "\n" not in command
    match = re.match(r"python3 -m venv (\.venv[\w-]*) && ", command)
    assert match
    steps = command.removeprefix(match[0]).split(" && ")
    assert all(step.startswith(f"{match[1]}/bin/") for step in steps)


def test_ci_and_contributors_run_the_second_command():
    assert TEST.endswith("/bin/python -m pytest -n auto")
    assert " -c tests/constraints.txt " in TEST
    script = (ROOT / ".ci" / "run").read_text()
    # pytest's summary is the last thing that CI prints
    assert script.splitlines()[-1] == TEST
    assert "set -euo pipefail" in script
    assert ".venv-test/bin/python -m tests.resolutions" in script.splitlines()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert commands("CONTRIBUTING.md") == [TEST]


def test_environments_of_the_commands_are_ignored_by_git():
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "/.venv/" in ignored
    assert "/.venv-*/" in ignored


# Installs from the package index, kfrun's dependencies and those of the quickstart.
@pytest.mark.timeout(600)
def test_the_first_command_trains_on_a_fresh_machine(tmp_path):
    clone = shutil.copytree(ROOT, tmp_path / "kfrun", ignore=shutil.ignore_patterns(*LEFT_OUT))
    home = tmp_path / "home"
    home.mkdir()
    kept = ("LANG", "PATH", "http_proxy", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "SSL_CERT_FILE")
    prefixes = ("PIP_", "UV_", "PYENV_")
    environ = {name: value for name, value in os.environ.items() if name in kept or name.startswith(prefixes)}
    environ["HOME"] = str(home)
    done = subprocess.run(
        ["sh", "-c", RUN],
        cwd=clone,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=580,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"^final accuracy: 0\.9\d+$", done.stdout, re.MULTILINE)
    assert re.search(r"^digits: Complete: trained ", done.stdout, re.MULTILINE)
    # Everything that was written lies where the README says.
    assert {path.name for path in (home / ".local" / "state").iterdir()} == {"kfrun"}
    assert "kfrun" in {path.name for path in (home / ".cache").iterdir()}
