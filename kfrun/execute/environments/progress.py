"""How far the installation of packages is, in one line: read from what the installer says.

uv tells of large files as they begin and end, of the rest only together; what is installed is counted where it lies,
and bytes as the system counts what the installer writes.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final

from kfrun.patterns import pattern

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

_LOOK_SECONDS: Final = 0.5
_SHOWN: Final = 3
_LEAST: Final = 1 << 20
_UNITS: Final = ("MiB", "GiB", "TiB")

_TOTAL: Final = pattern(r"Resolved (\d+) packages?")
_BEGUN: Final = pattern(r"\s*(?:Downloading|Building) ([\w.-]+)(?<!\.whl)(?<!\.gz)(?:[ =@]|$)")
_SOUGHT: Final = pattern(r"\s*Collecting ([\w.-]+)")
_ENDED: Final = pattern(r"\s*(?:Downloaded|Built) ([\w.-]+)")
_PREPARED: Final = pattern(r"Prepared (\d+) packages?|Installing collected packages: (.*)")
_COMPILED: Final = pattern(r"Installed (\d+) packages?")


class Progress:
    """Stands for the log of a builder, and keeps the line up to date in a thread of its own, which ends with it.

    Args:
        log: what the installer says goes on to.
        line: the file that the line is kept in.
        environment: the folder that is filled.
    """

    def __init__(self, log: BinaryIO, line: str, environment: Path) -> None:
        self._log, self._line, self._environment = log, line, environment
        self._total = self._done = 0
        self._current: dict[str, None] = {}
        self._phase = ""
        self._written = ""
        threading.Thread(target=self._keep, daemon=True).start()

    def write(self, data: bytes) -> int:
        """Take in a line of the installer, or of the builder."""
        for line in data.decode("utf-8", "replace").splitlines():
            self._read(line)
        return self._log.write(data)

    def flush(self) -> None:
        """See `BinaryIO.flush`."""
        self._log.flush()

    def _read(self, line: str) -> None:
        if found := _TOTAL.match(line):
            self._total, self._phase = int(found[1]), "downloading"
        elif found := _PREPARED.match(line):
            self._total = max(self._total, int(found[1] or 0) or found[2].count(",") + 1)
            self._phase, self._current = "installing", {}
        elif _COMPILED.match(line):
            self._phase, self._current = "finishing", {}
        elif found := _ENDED.match(line):
            self._done += 1
            self._current.pop(found[1], None)
        elif found := _SOUGHT.match(line):
            self._phase, self._current = "collecting", {found[1]: None}
        elif found := _BEGUN.match(line):
            self._phase = "downloading"
            self._current[found[1]] = None
        elif "waiting" in line:
            self._phase = "waiting for another kfrun that builds it"

    def _keep(self) -> None:
        pause = threading.Event()
        while True:
            self._write()
            pause.wait(_LOOK_SECONDS)

    def _write(self) -> None:
        text = self.text()
        if text == self._written:
            return
        try:
            with open(f"{self._line}.draft", "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(f"{self._line}.draft", self._line)
        except OSError:
            return
        self._written = text

    def text(self) -> str:
        """The line: ``downloading torch, numpy: 3 of 40 packages, 1.1 GiB``."""
        names = list(self._current)[:_SHOWN]
        more = ", ..." if len(self._current) > _SHOWN else ""
        what = f"{self._phase or self._first()}{' ' if names else ''}{', '.join(names)}{more}"
        parts = [f"{min(self._count(), self._total)} of {self._total} packages"] if self._total else []
        written = _written_bytes()
        if written >= _LEAST:
            parts.append(_size(written))
        return f"{what}: {', '.join(parts)}" if parts else what

    def _first(self) -> str:
        return "resolving" if (self._environment / "bin" / "python").exists() else "making the environment"

    def _count(self) -> int:
        """Packages that are there: as files, and then installed."""
        if self._phase == "finishing":
            return self._total
        if self._phase == "installing":
            return sum(1 for _ in self._environment.glob("lib/*/site-packages/*.dist-info"))
        return self._done


def _written_bytes() -> int:
    """What the installer has written so far; 0 where the system does not tell."""
    total, pid = 0, os.getpid()
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = file.read().split()
        for child in children:
            with open(f"/proc/{child}/io", encoding="ascii") as file:
                total += next(int(line.split()[1]) for line in file if line.startswith("wchar"))
    except (OSError, ValueError, StopIteration):
        return total
    return total


def _size(count: int) -> str:
    power = min((count.bit_length() - 1) // 10, len(_UNITS) + 1)
    return f"{count / 1024**power:.1f} {_UNITS[power - 2]}"
