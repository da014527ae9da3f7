"""kill -9 at random instants over everything that belongs to a job, and what must hold afterwards.

``python -m tests.chaos --rounds 1000 --seed 1`` runs many rounds, several at once; the suite runs some twenty. One
round: a job of two nodes that write numbered lines and end with codes of their own, at any time or when everything is
watched again. One to three things are killed
meanwhile: the command lines (that apply, read, suspend, resume and delete), the supervisor, recorders, both, every
process of kfrun at one moment, ranks. Afterwards no process is left, no line is lost, every rank that nobody killed
came to its end, its exit code is the true one wherever anybody could see it, and the store opens.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfrun import host
from kfrun.execute.local.process.attempts import record
from kfrun.model.runstate import RunState
from kfrun.observe.store import Store
from tests.conftest import Kfrun

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kfrun.model.runstate import ContainerState, PodState

LINES, GATED_LINES = 60, 20
_RANK = """
import os, sys, time
index = os.environ["JOB_COMPLETION_INDEX"]
for number in range(1, int(sys.argv[2]) + 1):
    print(f"line {number}", flush=True)
    with open(f"{sys.argv[1]}/{index}.tmp", "w") as file:
        file.write(str(number))
    os.replace(f"{sys.argv[1]}/{index}.tmp", f"{sys.argv[1]}/{index}")
    time.sleep(0.01)
while not os.path.exists(f"{sys.argv[1]}/go"):
    time.sleep(0.01)
open(f"{sys.argv[1]}/{index}.done", "w").close()
os._exit(int(sys.argv[3 + int(index)]))
"""
VICTIMS = (
    "start", "start", "apply", "reader", "supervisor", "recorder", "recorder", "recorders", "pair", "pair", "all",
    "all", "all", "rank", "suspension", "deletion",
)  # fmt: skip
_WATCH_SECONDS = 30.0


class Round:
    """One round; `play` raises AssertionError when something does not hold."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        (folder / "work").mkdir(parents=True)
        self.notes = folder / "notes"
        self.notes.mkdir()
        self.kfrun = Kfrun(folder / "home", folder / "work")
        self.killed: Counter[str] = Counter()
        self.struck: set[int] = set()
        self.codes = [self.random.choice((0, 0, 0, 37)) for _ in range(2)]
        # Half of them end only when they may: then nothing excuses an end that nobody saw.
        self.is_gated = self.random.random() < 0.5
        self.lines = GATED_LINES if self.is_gated else LINES
        # From a kill after which nobody watched until somebody did: what ended meanwhile, nobody has seen.
        self.unwatched: list[tuple[float, float]] = []
        self.unseen = 0

    def play(self) -> str:
        """Run the round; returns the final condition and what was killed."""
        argv = [sys.executable, "-I", "-S", "-c", _RANK, str(self.notes), str(self.lines), *map(str, self.codes)]
        path = self.kfrun.job("chaos", argv, nodes=2)
        if not self.is_gated:
            (self.notes / "go").touch()
        victims = [self.random.choice(VICTIMS) for _ in range(self.random.randint(1, 3))]
        apply = self.kfrun.start("apply", "-q", "-f", path)
        if "apply" in victims:
            time.sleep(self.random.uniform(0, 0.35))
            self._kill([apply.pid], "apply")
        if "start" in victims:
            self._strike_start()
        apply.communicate()
        reader = self.kfrun.start("logs", "-f", "chaos") if "reader" in victims else None
        for victim in victims:
            time.sleep(self.random.uniform(0, 0.3))
            self._strike(victim)
        if "suspension" in victims:
            # However the others were killed, this one must get through.
            self.kfrun("resume", "chaos")
        if reader is not None:
            self._kill([reader.pid], "reader")
            reader.communicate()
        return self._check()

    # Kills

    def _strike(self, victim: str) -> None:
        if victim in ("supervisor", "recorder", "recorders", "pair", "all"):
            self._strike_helpers(victim)
        elif victim == "suspension":
            for verb in ("suspend", "resume", "suspend"):
                self._under_fire(victim, verb, "chaos")
        elif victim == "deletion":
            self._under_fire(victim, "delete", "chaos")
        elif victim == "rank":
            running = self._running()
            if running:
                self._kill([self.random.choice(running).pid], "rank")

    def _strike_helpers(self, victim: str) -> None:
        supervisors, recorders = self._helpers()
        chosen = {
            "supervisor": supervisors,
            "recorder": recorders[:1],
            "recorders": recorders,
            "pair": [*supervisors, *recorders[:1]],
            "all": [*supervisors, *recorders],
        }[victim]
        self.random.shuffle(chosen)
        begin = time.time()
        self._kill(chosen, victim)
        if set(supervisors) <= set(chosen):
            # Whoever looks next must save what can be saved, and nothing may be stopped by looking.
            self.kfrun("get", "trainjobs")
            self._await_watch()
            self.unwatched.append((begin - 0.1, time.time() + 0.1))

    def _strike_start(self) -> None:
        """Between the fork of a recorder and its word that the program runs, as far as one can hit that."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            found = [item for item in self._records() if item.recorder]
            if found:
                time.sleep(self.random.uniform(0, 0.002))
                begin = time.time()
                self._kill([found[0].recorder], "start")
                if self.random.random() < 0.5:
                    self._strike_helpers("all")
                self.unwatched.append((begin - 0.1, time.time() + 0.1))
                return

    def _helpers(self) -> tuple[list[int], list[int]]:
        """Supervisors (and the nurseries that they are forked from), and recorders."""
        found = [pid for pid, _ in self.kfrun.processes() if b"KFRUN_HELPER=1" in host.environment(pid)]
        recorders = {item.recorder for item in self._records()}
        # Before its exec a rank is a copy of its recorder.
        ranks = {child for recorder in recorders for child in host.children(recorder)}
        return [pid for pid in found if pid not in recorders | ranks], sorted(recorders.intersection(found))

    def _await_watch(self) -> None:
        """Until somebody holds on to every process that runs, or it has ended."""
        deadline = time.monotonic() + _WATCH_SECONDS
        while time.monotonic() < deadline:
            supervisors, recorders = self._helpers()
            running = {item.pid for item in self._running() if item.recorder not in recorders}
            watched = {pid for supervisor in supervisors for pid in (*held(supervisor), *host.children(supervisor))}
            if all(pid in watched or host.start_time(pid) is None for pid in running):
                return
            if not supervisors:
                # It was killed by a kill that came late, or there is no job at all.
                self.kfrun("get", "trainjobs")
            time.sleep(0.01)
        raise AssertionError("nobody watches what runs")

    def _under_fire(self, what: str, *args: str) -> None:
        """A command line that is killed at some instant, and perhaps the supervisor with it."""
        process = self.kfrun.start(*args)
        time.sleep(self.random.uniform(0, 0.35))
        if self.random.random() < 0.5:
            self._strike_helpers("supervisor")
        self._kill([process.pid], what)
        process.communicate()

    def _attempts(self) -> list[str]:
        """Records of attempts. Not rglob: folders may vanish meanwhile."""
        walk = os.walk(self.kfrun.home)
        return [os.path.join(folder, name) for folder, _, names in walk for name in names if name.endswith(".attempt")]

    def _records(self) -> list[record.Record]:
        return [item for path in self._attempts() if (item := record.read(path)) is not None]

    def _running(self) -> list[record.Record]:
        return [item for item in self._records() if item.state == "running"]

    def _kill(self, pids: Iterable[int], what: str) -> None:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            self.killed[what] += 1
            self.struck.add(pid)

    # What must hold

    def _check(self) -> str:
        ran = any(path.name != "go" for path in self.notes.iterdir())
        (self.notes / "go").touch()
        job = self._settled()
        # Before its exec a rank is a copy of its recorder, and was struck as a helper.
        if any(item.pid in self.struck for item in self._records()):
            self.killed["rank"] += 1
        if job is None:
            end = "deleted" if self.killed["deletion"] else "never recorded"
            assert self.killed["deletion"] or self.killed["apply"], "the job vanished"
            assert self.killed["deletion"] or not ran, "it ran, but was not recorded"
        else:
            end = self._check_status(*job)
            self._check_logs(end)
        if self.random.random() < 0.3:
            self._under_fire("last deletion", "delete", "--all")
        self.kfrun.ok("delete", "--all")
        deadline = time.monotonic() + _WATCH_SECONDS
        while self.kfrun.processes() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not self.kfrun.processes(), f"left over: {self.kfrun.processes()}"
        left = [str(path) for path in (self.kfrun.home / "state").rglob("jobs/*/*")]
        assert not left, f"left over: {left}"
        return f"{end} after kills of {', '.join(sorted(self.killed)) or 'nothing'}"

    def _settled(self) -> tuple[dict[str, Any], RunState] | None:
        """The job once it is over: any kfrun command revives its supervisor."""
        deadline = time.monotonic() + 2 * _WATCH_SECONDS
        look_at = 0.0
        while time.monotonic() < deadline:
            if time.monotonic() > look_at:
                if not json.loads(self.kfrun.ok("get", "trainjobs", "-o", "json"))["items"]:
                    return None
                look_at = time.monotonic() + 1.0
            with Store.open(self.kfrun.database, create=False) as store:
                job = store.find("TrainJob", "default", "chaos")
                run = None if job is None else store.run(job.uid)
                state = {} if run is None else store.state(run.uid)
            if run is not None and run.ended and job is not None:
                if self.killed["deletion"] and not os.path.isdir(run.folder):
                    # Of a job that was over the command line removes the files first.
                    return None
                return job.data, RunState.from_json(state)
            time.sleep(0.02)
        raise AssertionError(f"the job does not end: {self.kfrun('describe', 'trainjob', 'chaos').stdout}")

    def _check_status(self, job: dict[str, Any], state: RunState) -> str:
        conditions = job["status"]["conditions"]
        last = conditions[-1]
        for pod in state.pods:
            for container in pod.containers:
                if container.status == "terminated" and not container.stopping:
                    self._check_end(pod, container)
        if last["type"] == "Complete":
            assert self._done(0), "Complete, but node 0 did not come to its end"
            assert self._done(1), "Complete, but node 1 did not come to its end"
            assert self.codes == [0, 0], f"Complete, though the nodes ended with {self.codes}"
            return "Complete"
        assert last["type"] == "Failed", conditions
        assert self.killed["rank"] or any(self.codes) or self.unseen, f"Failed without a reason: {conditions}"
        assert last["reason"] != "RecorderLost" or self.unseen, conditions
        return f"Failed/{last['reason']}"

    def _check_end(self, pod: PodState, container: ContainerState) -> None:
        """One rank that nobody stopped: it came to its end, and its code is the true one if anybody could see it."""
        done, code = self._done(pod.index), self.codes[pod.index]
        if container.reason == "RecorderLost":
            at = done or container.finished or 0.0
            excused = not self.is_gated and any(begin <= at <= end for begin, end in self.unwatched)
            began = (self.notes / str(pod.index)).exists()
            assert excused, f"node {pod.index}: nobody saw its end ({began=}, {done=}, {container=})"
            self.unseen += 1
            return
        true = {code} if done and not self.killed["rank"] else {code, 137} if done else {137}
        assert container.exit_code in true, f"node {pod.index}: {container.exit_code} of {true} ({container.reason})"
        assert done or self.killed["rank"], f"node {pod.index}: nobody killed it, and it did not come to its end"

    def _done(self, index: int) -> float | None:
        """When a rank came to its end."""
        path = self.notes / f"{index}.done"
        return path.stat().st_mtime if path.exists() else None

    def _check_logs(self, end: str) -> None:
        logs = {path.parent.name: path.read_text() for path in self.kfrun.home.rglob("*.log") if "pods" in path.parts}
        for index in ("0", "1"):
            note = self.notes / index
            # A node that was suspended has a log for each time that it ran.
            texts = [text for name, text in logs.items() if f"-{index}-" in name.removeprefix("chaos-node-0")]
            numbers = [self._lines(text) for text in texts] or [0]
            written = int(note.read_text()) if note.exists() else 0
            assert max(numbers) >= written, f"node {index}: {numbers} lines of {written}"
            assert end != "Complete" or max(numbers) == self.lines

    def _lines(self, text: str) -> int:
        lines = [line for line in text.splitlines() if line.startswith("line ")]
        assert lines == [f"line {number}" for number in range(1, len(lines) + 1)], f"a line is lost: {lines[-5:]}"
        return len(lines)


def held(pid: int) -> set[int]:
    """The processes of which another holds a pidfd."""
    found = set()
    try:
        for name in os.listdir(f"/proc/{pid}/fdinfo"):
            text = Path(f"/proc/{pid}/fdinfo/{name}").read_text()
            found |= {int(line.split()[1]) for line in text.splitlines() if line.startswith("Pid:")}
    except OSError:
        # It ended, or closed one meanwhile: the next look will do.
        return set()
    return found


def play(seed: int) -> tuple[str, int]:
    """One round in a folder of its own: how it ended, and how many ends nobody could see."""
    with tempfile.TemporaryDirectory(prefix="kfrun-chaos-") as folder:
        item = Round(Path(folder), seed)
        try:
            return item.play(), item.unseen
        except BaseException:
            for pid, _ in item.kfrun.processes():
                os.kill(pid, signal.SIGKILL)
            raise


def main() -> None:
    """Run rounds and print what happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--jobs", type=int, default=3 * host.processors(), help="rounds at once")
    options = parser.parse_args()
    ends: Counter[str] = Counter()
    unseen = failed = 0
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("fork")) as pool:
        rounds = {pool.submit(play, options.seed + number): options.seed + number for number in range(options.rounds)}
        for done in as_completed(rounds):
            try:
                end, count = done.result()
            except Exception as error:
                print(f"a round failed; repeat it with --rounds 1 --seed {rounds[done]}: {error!r}", file=sys.stderr)
                failed += 1
                continue
            ends[end] += 1
            unseen += count
    for end, count in ends.most_common():
        print(f"{count:5}  {end}")
    if failed:
        sys.exit(f"{failed} of {options.rounds} rounds failed")
    print(
        f"{options.rounds} rounds from seed {options.seed}: no training lost, no wrong exit code, nothing left over; "
        f"{unseen} ends came while nobody was there to see them"
    )


if __name__ == "__main__":
    main()
