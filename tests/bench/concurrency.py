"""Many jobs at once: how long until all are Complete, and what their supervisors weigh."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import store
from tests.bench.figures import Figure
from tests.bench.program import Program, children, manifest, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.setting import Setting

_TRIVIAL = ("python3", "-c", "print('done')")
_TIMEOUT = 300


def jobs_at_once(setting: Setting) -> list[Figure]:
    """Trivial jobs: in one manifest, and by as many commands at the same time."""
    count, program = setting.sizes.jobs, setting.program
    outcomes: list[dict[str, float]] = []
    samples: dict[str, Callable[[], float]] = {
        "one": lambda: _one_apply(program, count),
        "many": lambda: _many_applies(program, count),
    }
    if setting.peer is not None:
        peer = setting.peer

        def sample() -> float:
            outcomes.append(peer("concurrent", jobs=count))
            return outcomes[-1]["seconds"]

        samples["peer"] = sample
    taken = setting.interleaved(samples, at_most={"peer": setting.peer_runs})
    return _wall_figures(count, taken, outcomes)


def _wall_figures(count: int, taken: dict[str, tuple[float, ...]], outcomes: list[dict[str, float]]) -> list[Figure]:
    note = (
        f"Each job runs `python3 -c \"print('done')\"`. Until all {count} are Complete in the store, which is looked "
        "at every 10 ms. The peer: until the last of its threads has ended"
    )
    if outcomes:
        complete = ", ".join(f"{item['complete']:.0f}" for item in outcomes)
        megabytes = max(item["megabytes"] for item in outcomes)
        note += f"; of its {count} jobs {complete} were Complete, its processes took up to {megabytes:,.0f} MB (RSS)"
    peer = taken.get("peer", ())
    return [
        Figure(f"{count} trivial jobs, one `apply`", "s", taken["one"], goal=5.0, peer=peer, note=f"{note}."),
        Figure(f"{count} trivial jobs, {count} `apply` at once", "s", taken["many"], peer=peer, note=f"{note}."),
    ]


def memory(setting: Setting) -> list[Figure]:
    """Supervisors of jobs that sleep."""
    count, program = setting.sizes.jobs, setting.program
    weights: list[dict[str, float]] = []
    _trivial(program, count, ("sleep", "600"))
    try:
        until(lambda: program.running() == count, _TIMEOUT, f"{count} jobs run")
        # What weighs for days is what is left once each has looked around without anything to do.
        time.sleep(setting.sizes.idle)
        weights += [_weigh(program) for _ in range(setting.runs)]
    finally:
        program.clear()
    note = (
        f"While {count} jobs sleep, {setting.sizes.idle} s after the last began. RSS counts shared pages in every "
        "process, PSS shares them out: PSS adds up. The tree: supervisors, recorders (one a container) and the jobs' "
        "own processes"
    )

    def figure(name: str, key: str, goal: float | None = None) -> Figure:
        return Figure(name, "MB", tuple(item[key] for item in weights), goal=goal, note=f"{note}.")

    return [
        figure("RSS of the largest supervisor", "supervisor", 20.0),
        figure("PSS of a supervisor, mean", "supervisor_pss"),
        figure("PSS of a recorder, mean", "recorder_pss"),
        figure(f"PSS of the whole tree of {count} jobs", "tree_pss"),
        figure(f"RSS of the whole tree of {count} jobs, added up", "tree"),
    ]


def _one_apply(program: Program, count: int) -> float:
    path = program.write("trivial.yaml", _manifests(program, count, _TRIVIAL))
    started = time.perf_counter()
    program("apply", "-q", "-f", path)
    _until_complete(program, count)
    return _cleared(program, time.perf_counter() - started)


def _many_applies(program: Program, count: int) -> float:
    paths = [program.write(f"trivial-{n}.yaml", _manifests(program, 1, _TRIVIAL)) for n in range(count)]
    started = time.perf_counter()
    commands = [program.start("apply", "-q", "-f", path) for path in paths]
    codes = [command.wait() for command in commands]
    if any(codes):
        raise RuntimeError(f"{sum(map(bool, codes))} of {count} applies failed: exit {max(codes)}")
    _until_complete(program, count)
    return _cleared(program, time.perf_counter() - started)


def _trivial(program: Program, count: int, command: tuple[str, ...]) -> None:
    program("apply", "-q", "-f", program.write("sleeping.yaml", _manifests(program, count, command)))


def _manifests(program: Program, count: int, command: tuple[str, ...]) -> str:
    return "---\n".join(manifest(program.name("many"), command) for _ in range(count))


def _until_complete(program: Program, count: int) -> None:
    with program.store() as opened:

        def is_done() -> bool:
            ended = [store.is_over(job) for job in opened.jobs()]
            return len(ended) == count and all(ended)

        until(is_done, _TIMEOUT, f"{count} jobs are Complete")
        failed = [job["metadata"]["name"] for job in opened.jobs() if "Complete" not in store.conditions(job)]
    if failed:
        raise RuntimeError(f"jobs failed: {', '.join(failed)}")


def _cleared(program: Program, taken: float) -> float:
    program.clear()
    return taken


def _weigh(program: Program) -> dict[str, float]:
    supervisors = program.supervisors()
    recorders = [pid for parent in supervisors for pid in children(parent)]
    workers = [pid for parent in recorders for pid in children(parent)]
    rss = {pid: megabytes(pid, "Rss") for pid in (*supervisors, *recorders, *workers)}
    pss = {pid: megabytes(pid, "Pss") for pid in rss}
    return {
        "supervisor": max(rss[pid] for pid in supervisors),
        "supervisor_pss": sum(pss[pid] for pid in supervisors) / len(supervisors),
        "recorder_pss": sum(pss[pid] for pid in recorders) / len(recorders),
        "tree": sum(rss.values()),
        "tree_pss": sum(pss.values()),
    }


def megabytes(pid: int, key: str) -> float:
    """A line of what the kernel says of a process's memory."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"smaps_rollup has no {key}")
