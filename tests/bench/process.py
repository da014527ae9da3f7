"""One process from start to end: wall time, processor time and memory, of it and its children. Used by `validation`."""

from __future__ import annotations

import os
import resource
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TIMEOUT = 900
_INTERVAL = 0.2
_FIRST_PAUSE = 0.01


class Usage(NamedTuple):
    """What a process took.

    Attributes:
        seconds: from before it started until it had ended.
        cpu: seconds of processor time, user and system, its children included.
        megabytes: largest memory seen: its own resident set, or the proportional sets of it and its children.
        code: its exit code.
        output: the last kilobytes of its standard output.
    """

    seconds: float
    cpu: float
    megabytes: float
    code: int
    output: str


def used(command: Sequence[str | Path], env: Mapping[str, str], output: Path, *, weigh: bool = False) -> Usage:
    """Run a command to its end, its standard output in the file ``output``, its errors beside it.

    ``weigh`` looks at its children's memory as well, which costs a little time.
    """
    with output.open("wb") as stdout, output.with_suffix(".errors").open("wb") as stderr:
        started = time.perf_counter()
        process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
        scales = _Scales(process.pid)
        timer = threading.Timer(_TIMEOUT, process.kill)
        timer.start()
        if weigh:
            scales.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    timer.cancel()
    scales.stop()
    process.returncode = os.waitstatus_to_exitcode(status)
    with output.open("rb") as file:
        file.seek(max(0, output.stat().st_size - 4096))
        tail = file.read().decode()
    own = usage.ru_maxrss
    # A new process begins with the resident set of who started it: what is no larger is not its own.
    megabytes = own * 1024 / 1e6 if own > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss else 0.0
    return Usage(
        seconds, usage.ru_utime + usage.ru_stime, max(megabytes, scales.largest), process.returncode, tail
    )  # fmt: skip


class _Scales(threading.Thread):
    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._ended = threading.Event()
        self.largest = 0.0

    def run(self) -> None:
        pause = _FIRST_PAUSE
        while not self._ended.wait(pause):
            self.largest = max(self.largest, _weight(self._pid))
            # often at first: a short command is over soon
            pause = min(pause * 2, _INTERVAL)

    def stop(self) -> None:
        self._ended.set()
        if self.ident is not None:
            self.join()


def _weight(pid: int) -> float:
    """The proportional set of a process and its children in MB; 0 for one that has ended."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return 0.0
    own = next((int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")), 0)
    return own * 1024 / 1e6 + sum(map(_weight, children))
