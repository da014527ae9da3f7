"""Finds, runs and rewrites the examples in the documentation: ``python -m tests.docblocks`` fills in real output.

A page is one session in a folder of its own, with a copy of ``examples/``:

- a ``yaml`` or ``python`` block whose first line is ``# NAME.SUFFIX`` is written to that file;
- a ``console`` block holds commands (``$ …``) and what they print, stdout and stderr as a terminal shows them;
  a line ``...`` stands for any lines.

What differs from run to run (times, ids, folders, sizes) is compared by its form only.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted(path for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")))
FOLDER = "/home/you/kfrun"
STATE = "/home/you/.local/state/kfrun"
CACHE = "/home/you/.cache/kfrun"

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# ([\w./-]+\.(?:yaml|py|toml))\n")
_INSTALLING = re.compile(r"^\S+: (Installing Python packages|Python packages are installed)\n", re.MULTILINE)
_VARIABLE = (
    # Whether packages were installed, and how long that took, depends on what is there already.
    (re.compile(r"Complete: trained (.+) \(environment .+\)"), r"Complete after \1"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "UID"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "KEY"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)"), "TIME"),
    (re.compile(r"(-\d+-\d+)-[bcdfghjklmnpqrstvwxz2456789]{5}\b"), r"\1-SUFFIX"),
    (re.compile(r"\b3\.\d+\.\d+\b"), "PYTHON"),
    (re.compile(r"\b\d+(\.\d+)?(Ki|Mi|Gi)\b"), "SIZE"),
    (re.compile(r"\b(\d+[dhm])*\d+s\b"), "AGE"),
    (re.compile(r"\d+\.\d+|\b\d{5,}\b"), "NUMBER"),
    (re.compile(r"[ \t]+"), " "),
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text and where the text stands in the page."""

    page: Path
    language: str
    text: str
    start: int
    line: int

    @property
    def file(self) -> str | None:
        """The file that it is written to."""
        match = _FILE.match(self.text)
        return match[1] if match and self.language in ("yaml", "python", "toml") else None


@dataclass(frozen=True)
class Command:
    """A command of a console block and what the page says that it prints."""

    block: Block
    line: str
    expected: str


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, match[1], match[2], match.start(2), text.count("\n", 0, match.start()) + 1)
        for match in _BLOCK.finditer(text)
    ]


def commands(block: Block) -> list[Command]:
    """The commands of a console block."""
    parts = re.split(r"^\$ (.*)\n", block.text, flags=re.MULTILINE)
    assert parts[0] == "", f"{block.page}:{block.line}: output before the first command"
    return [Command(block, line, expected) for line, expected in zip(parts[1::2], parts[2::2], strict=True)]


class Session:
    """A folder as the reader of one page has it."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self._folder, self._state, self._cache = folder / "work", folder / "state", cache
        shutil.copytree(ROOT / "examples", self._folder / "examples", ignore=shutil.ignore_patterns("output", "__*"))
        bin_folder = folder / "bin"
        bin_folder.mkdir()
        for name, options in (("kfrun", " -m kfrun"), ("python", "")):
            program = bin_folder / name
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}"{options} "$@"\n')
            program.chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("KFRUN_", "PYTHON"))}
        self._environ = {
            **kept,
            "KFRUN_STATE_DIR": str(self._state),
            "KFRUN_CACHE_DIR": str(cache),
            "PATH": f"{bin_folder}{os.pathsep}{kept['PATH']}",
            "PYTHONPATH": str(ROOT),
            "NO_COLOR": "1",
        }

    def write(self, block: Block) -> None:
        """Write a block to its file."""
        assert block.file
        path = self._folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")

    def run(self, line: str) -> str:
        """What a command line prints, with this machine's folders as those of the reader."""
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self._folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=300,
            text=True,
        )
        text = _INSTALLING.sub("", done.stdout)
        text = re.sub(rf"{re.escape(str(self._state))}/[0-9a-f]{{32}}", STATE, text)
        for real, shown in ((self._state, STATE), (self._cache, CACHE), (self._folder, FOLDER)):
            text = text.replace(str(real), shown)
        return text

    def close(self) -> None:
        """Leave nothing running."""
        self.run("kfrun delete --all --now")


def play(page: Path, session: Session) -> list[tuple[Command, str]]:
    """Run a page from top to bottom; each command with what it printed."""
    played = []
    for block in blocks(page):
        if block.file:
            session.write(block)
        elif block.language == "console":
            played += [(command, session.run(command.line)) for command in commands(block)]
    return played


def agrees(expected: str, actual: str) -> bool:
    """Whether the output has the form that the page shows."""
    wanted, found = _lines(_INSTALLING.sub("", expected)), _lines(actual)
    pattern = "".join("(?:.*\n)*" if line == "..." else re.escape(line) + "\n" for line in wanted)
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in found)) is not None


def _lines(text: str) -> list[str]:
    """The lines in comparable form. Nodes write at the same time: their lines come in any order."""
    for pattern, shown in _VARIABLE:
        text = pattern.sub(shown, text)
    lines: list[str] = []
    pending: list[str] = []
    for line in [*(item.rstrip() for item in text.splitlines()), None]:
        if line is not None and line.startswith("["):
            pending.append(line)
            continue
        lines += sorted(pending)
        pending = []
        if line is not None:
            lines.append(line)
    return lines


def update(page: Path, cache: Path) -> bool:
    """Rewrite the outputs of a page that do not agree with what its commands print now."""
    with tempfile.TemporaryDirectory() as folder:
        session = Session(Path(folder), cache)
        try:
            played = play(page, session)
        finally:
            session.close()
    text = page.read_text(encoding="utf-8")
    changed = False
    for block in reversed(blocks(page)):
        own = [(command, output) for command, output in played if command.block == block]
        if all(agrees(command.expected, output) for command, output in own):
            continue
        shown = "".join(
            f"$ {command.line}\n{command.expected if agrees(command.expected, output) else output}"
            for command, output in own
        )
        text = text[: block.start] + shown + text[block.start + len(block.text) :]
        changed = True
    page.write_text(text, encoding="utf-8")
    return changed


def main() -> int:
    """Rewrite what is out of date, for a person to review."""
    cache = Path(os.environ.get("KFRUN_TEST_CACHE") or Path.home() / ".cache" / "kfrun-tests")
    for page in PAGES:
        if update(page, cache):
            print(f"{page.relative_to(ROOT)} rewritten")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
