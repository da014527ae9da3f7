"""``python -m tests.bench``: measures kfrun, side by side with what else there is for the same purpose.

That is the Kubeflow SDK's LocalProcessBackend for jobs, and kubeconform for validation; with ``--before``, kfrun as it
was.

Nothing here is part of the test suite but a smoke test: what is timed depends on the machine, and the figures of one
are kept in docs/performance.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests import style_metrics
from tests.bench import (
    commands,
    comparison,
    concurrency,
    deletion,
    exit_status,
    figures,
    first_line,
    installations,
    kubeconform,
    log_lines,
    pods,
    validation,
)
from tests.bench import machine as this_machine
from tests.bench.installations import ROOT
from tests.bench.peer import Peer
from tests.bench.program import Program
from tests.bench.setting import TINY, Setting, Sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tests.bench.comparison import Benchmark, Measure

    Mode = tuple[Measure, Callable[[list[figures.Figure], dict[str, str]], str]]

BENCHMARKS: dict[str, Benchmark] = {
    "first-line": first_line.without_packages,
    "first-line-script": first_line.of_a_script,
    "first-line-numpy": first_line.with_numpy,
    "first-line-torch": first_line.with_torch,
    "commands": commands.commands,
    "exit-status": exit_status.exit_to_status,
    "delete": deletion.delete,
    "restart": pods.restart,
    "chain": pods.chain,
    "volumes": pods.volumes,
    "large-job": pods.large_job,
    "jobs-at-once": concurrency.jobs_at_once,
    "memory": concurrency.memory,
    "lines": log_lines.lines,
    "validation": validation.validation,
    "validation-large": validation.large,
}
VALIDATION = {"validation", "validation-large"}
"""These have a peer of their own."""
PAGE = ROOT / "docs" / "performance.md"


def main() -> int:
    """Measure what was asked for and print the table."""
    options = _options()
    with installations.alone():
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    machine = this_machine.describe()
    installations.make_job_python()
    command = [options.program] if options.program else [str(installations.install_kfrun())]
    names = options.only or list(BENCHMARKS)
    if options.before:
        source = installations.checkout(options.before)
        machine["lines of code"] = f"{_lines(source):,} before, {_lines(ROOT):,} after"
        measure, to_markdown = _comparing(command, source, options)
    else:
        measure, to_markdown = _measuring(command, names, options)
    found = figures.read(options.json) if options.json else {}
    for name in names:
        started = time.monotonic()
        found[name] = measure(BENCHMARKS[name])
        _say(f"{name}: {time.monotonic() - started:.0f} s")
        if options.json:
            figures.write(options.json, found, machine)
    table = to_markdown([figure for name in BENCHMARKS for figure in found.get(name, ())], machine)
    print(table)
    if options.update:
        PAGE.write_text(figures.put_into(PAGE.read_text(encoding="utf-8"), table), encoding="utf-8")
    return 0


def _measuring(command: list[str], names: Collection[str], options: argparse.Namespace) -> Mode:
    """kfrun, and what it is compared with. Only the peers that the benchmarks need: each takes its time to install."""
    setting = partial(
        Setting,
        peer=Peer(installations.install_peer()) if options.peer and not VALIDATION.issuperset(names) else None,
        kubeconform=kubeconform.install() if options.peer and not VALIDATION.isdisjoint(names) else None,
        runs=options.runs,
        peer_runs=min(options.runs, options.peer_runs),
        torch=options.torch,
        sizes=TINY if options.tiny else Sizes(),
    )
    return partial(measured, command, "kfrun-cache", setting), figures.to_markdown


def _comparing(command: list[str], source: Path, options: argparse.Namespace) -> Mode:
    """kfrun, and that of ``source``, by turns; each time a benchmark has a state folder of its own."""
    setting = partial(Setting, runs=1, sizes=TINY if options.tiny else Sizes())
    before = partial(measured, [str(installations.install_kfrun(source, "before"))], "before-cache", setting)
    after = partial(measured, command, "kfrun-cache", setting)
    return partial(comparison.by_turns, before, after, options.runs), comparison.to_markdown


def measured(
    command: list[str], cache: str, setting: Callable[[Program], Setting], benchmark: Benchmark
) -> list[figures.Figure]:
    """What a benchmark finds, with a state folder that is empty before; ``cache`` is kept below the cache."""
    with tempfile.TemporaryDirectory(prefix="kfrun-bench-") as folder:
        program = Program(command, Path(folder), installations.cache() / cache)
        # The first call compiles what is imported and makes the store.
        program("get", "trainjobs")
        try:
            return benchmark(setting(program))
        finally:
            program.clear()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=list(BENCHMARKS), help="only this; may be repeated")
    parser.add_argument("--runs", type=int, default=5, help="how often each thing is measured (default: 5)")
    parser.add_argument("--peer-runs", type=int, default=5, help="the same for the peer's slow things (default: 5)")
    parser.add_argument("--peer", action=argparse.BooleanOptionalAction, default=True, help="measure the peer too")
    parser.add_argument("--torch", action="store_true", help="measure the peer with torch too: 5 GB a run")
    parser.add_argument("--tiny", action="store_true", help="tiny sizes, to try the benchmarks themselves")
    parser.add_argument("--program", help="this kfrun instead of one installed from the checkout")
    table = parser.add_mutually_exclusive_group()
    table.add_argument("--update", action="store_true", help=f"put the table into {PAGE.name}")
    table.add_argument(
        "--before", metavar="CHECKOUT", help="compare with the kfrun of that folder or revision, not with the peers"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep every single value there")
    return parser.parse_args()


def _lines(source: Path) -> int:
    return sum(module.lines for module in style_metrics.measure(source / "kfrun"))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
