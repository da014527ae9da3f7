"""The architecture of pyproject.toml holds, and every contract of it can be broken."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]

VIOLATIONS = {
    "model/source.py": "import kfrun.resolve.packages",
    "plan/compare.py": "import os, time, yaml, packaging, jsonschema, sqlite3, click, subprocess, urllib.request",
    "validate/schema/hints.py": "import kfrun.validate.schema.violations",
    "report/table.py": "import kfrun.observe.watch",
    "settings.py": "import kfrun.report.table",
    "execute/controller/job.py": "import kfrun.execute.local.jobfiles",
    "execute/local/supervisor.py": "import kfrun.execute.local.process.attempts.record",
    "execute/local/pods/variables.py": "import kfrun.execute.local.runtimes",
    "execute/memory/job.py": "import kfrun.execute.local.ledger",
    "flow/waits/__init__.py": "import kfrun.execute.memory, kfrun.observe.store",
    "cli/verbs/get.py": "import kfrun.cli.verbs.describe",
    "load/data.py": "import asyncio, jinja2, wcwidth",
}
"""Module -> an import that it must not have. Together they break every contract."""

PURE = ("model", "validate", "resolve", "plan", "execute/controller", "execute/local/pods", "report")
PURE_FILES = ("observe/status.py", "observe/outcome.py", "execute/local/process/addresses.py")
ALLOWED = {
    "model/values.py": {"exec"},  # compiles the __init__ of a class, once
    "resolve/runtimes/shipped.py": {"read_text"},  # this and the next: what kfrun ships, through `kfrun.load.data`
    "validate/schema/schemas.py": {"read_text"},
}

IMPURE_NAMES = {"open", "input", "print", "exec", "eval", "breakpoint"}
IMPURE_METHODS = {
    "now", "today", "utcnow", "read_text", "read_bytes", "write_text", "write_bytes", "exists", "is_file", "is_dir",
    "iterdir", "getenv", "urandom",
}  # fmt: skip
IMPURE_VALUES = {f"sys.{name}" for name in ("argv", "exit", "executable", "platform", "stderr", "stdin", "stdout")}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache", "--config", ROOT / "pyproject.toml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, env={"COLUMNS": "400"})


def outcomes(shown: str) -> dict[str, str]:
    """Name of each contract -> KEPT or BROKEN."""
    lines = re.findall(r"^(.+) (KEPT|BROKEN)\b", shown, re.MULTILINE)
    found = dict(lines)
    assert set(found) == {contract["name"] for contract in CONTRACTS}
    return found


def test_every_import_keeps_the_contracts():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(outcomes(done.stdout).values()) == {"KEPT"}


def test_every_contract_can_be_broken(tmp_path):
    shutil.copytree(ROOT / "kfrun", tmp_path / "kfrun", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for name, line in VIOLATIONS.items():
        path = tmp_path / "kfrun" / name
        path.write_text(f"{path.read_text()}\n{line}\n")
    done = lint(tmp_path)
    assert done.returncode == 1
    kept = [name for name, outcome in outcomes(done.stdout).items() if outcome != "BROKEN"]
    assert kept == [], done.stdout


def pure_modules() -> list[Path]:
    package = ROOT / "kfrun"
    found = [path for folder in PURE for path in (package / folder).rglob("*.py")]
    return sorted([*found, *(package / name for name in PURE_FILES)])


def effects(tree: ast.AST) -> set[str]:
    """Names of calls that reach outside: files, clock, environment, terminal."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in IMPURE_VALUES:
            found.add(ast.unparse(node))
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in IMPURE_NAMES:
            found.add(node.func.id)
        if isinstance(node.func, ast.Attribute) and node.func.attr in IMPURE_METHODS:
            found.add(node.func.attr)
    return found


@pytest.mark.parametrize("path", pure_modules(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_pure_layers_reach_for_nothing_outside(path):
    name = path.relative_to(ROOT / "kfrun").as_posix()
    assert effects(ast.parse(path.read_text())) == ALLOWED.get(name, set())


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("open('x')", {"open"}),
        ("with open('x') as f: pass", {"open"}),
        ("datetime.now(UTC)", {"now"}),
        ("def f(p): return p.exists()", {"exists"}),
        ("sys.stdout.write('x')", {"sys.stdout"}),
        ("opened = reopen('x')", set()),
    ],
)
def test_reaching_outside_is_seen(code, expected):
    assert effects(ast.parse(code)) == expected
