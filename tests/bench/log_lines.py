"""A job that writes a great many lines: whether that slows it down, whether all arrive, how fast they are read."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.bench import installations
from tests.bench.figures import Figure
from tests.bench.program import Program, manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.bench.setting import Setting

_WRITER = """\
import sys, time
started = time.perf_counter()
for number in range(int(sys.argv[1])):
    sys.stdout.write(f"{number:08d} {'x' * 90}\\n")
sys.stdout.flush()
with open(sys.argv[2], "w") as file:
    file.write(str(time.perf_counter() - started))
"""


def lines(setting: Setting) -> list[Figure]:
    """Lines of 100 bytes: the writer's own time, and ``kfrun logs``."""
    program, sizes = setting.program, setting.sizes
    reads: list[float] = []
    peer_reads: list[float] = []

    def ours(count: int) -> float:
        written, read = _by_kfrun(program, count)
        if count == sizes.lines:
            reads.append(read)
        return written

    samples: dict[str, Callable[[], float]] = {
        "all": lambda: ours(sizes.lines),
        "all directly": lambda: _directly(program, sizes.lines),
        "few": lambda: ours(sizes.peer_lines),
        "few directly": lambda: _directly(program, sizes.peer_lines),
    }
    if setting.peer is not None:
        peer = setting.peer

        def theirs() -> float:
            found = peer("lines", lines=sizes.peer_lines, figure=str(program.folder / "peer-seconds"))
            if found["found"] != sizes.peer_lines:
                raise RuntimeError(f"the peer lost lines: {found}")
            peer_reads.append(found["read"])
            return found["seconds"]

        samples["peer"] = theirs
    taken = setting.interleaved(samples, at_most={"peer": setting.peer_runs})
    return _figures(setting, taken, tuple(reads))


def _figures(setting: Setting, taken: dict[str, tuple[float, ...]], reads: tuple[float, ...]) -> list[Figure]:
    sizes, peer = setting.sizes, taken.get("peer", ())
    # The peer appends every line to one string, which Python copies: the time grows with the square.
    factor = (sizes.lines / sizes.peer_lines) ** 2
    note = (
        "The writer's own time, from its first line until its last is written; each line is a write of its own, since "
        "kfrun sets PYTHONUNBUFFERED. Directly: the same program with a file for its output. Every line is compared "
        "after reading back: a lost one fails the benchmark"
    )
    projected = f"{note}. The peer's is extrapolated by the square of the lines, not measured."
    return [
        Figure(
            f"{sizes.lines:,} lines of 100 bytes: writing", "s", taken["all"], directly=taken["all directly"],
            peer=tuple(value * factor for value in peer), peer_note="extrapolated", note=projected,
        ),
        Figure(f"{sizes.lines:,} lines of 100 bytes: `kfrun logs` to a file", "s", reads, goal=2.0, note=f"{note}."),
        Figure(
            f"{sizes.peer_lines:,} lines of 100 bytes: writing", "s", taken["few"], directly=taken["few directly"],
            peer=peer, note=f"{note}.",
        ),
    ]  # fmt: skip


def _by_kfrun(program: Program, count: int) -> tuple[float, float]:
    """The writer's own time, and that of reading everything back."""
    name = program.name("lines")
    script, figure = program.write("writer.py", _WRITER), program.folder / f"{name}.seconds"
    path = program.write(f"{name}.yaml", manifest(name, ["python3", str(script), str(count), str(figure)]))
    program("apply", "-q", "-f", path)
    program("wait", name)
    output = program.folder / "read-back"
    read = program.seconds("logs", name, output=output)
    _check(output, count)
    program("delete", "trainjob", name)
    return float(figure.read_text()), read


def _directly(program: Program, count: int) -> float:
    script, figure = program.write("writer.py", _WRITER), program.folder / "directly.seconds"
    with (program.folder / "directly.log").open("ab") as log:
        command = [installations.job_python(), script, str(count), figure]
        subprocess.run(command, env={**program.env, "PYTHONUNBUFFERED": "1"}, stdout=log, check=True)
    (program.folder / "directly.log").unlink()
    return float(figure.read_text())


def _check(output: Path, count: int) -> None:
    rest = "x" * 90
    with output.open(encoding="ascii") as file:
        for number, line in enumerate(file):
            if line != f"{number:08d} {rest}\n":
                raise RuntimeError(f"line {number} was read back as {line!r}")
    if number + 1 != count:
        raise RuntimeError(f"{number + 1} of {count} lines were read back")
    output.unlink()
