"""kill -9 at random instants over everything that belongs to a job, and what must hold afterwards.

``python -m tests.chaos --rounds 300 [--seed N]`` runs many rounds; the suite runs some twenty. One round: a job of two
nodes that write numbered lines, one to three kills among the command lines (that apply, read, suspend, resume and
delete), the supervisor, recorders and ranks. Afterwards no process is left, no line is lost, the status is what really
happened, and the store opens.
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
from pathlib import Path

from kfrun.execute.local.process import record
from kfrun.observe.store import Store
from tests.conftest import Kfrun

LINES = 60
_RANK = """
import os, sys, time
index = os.environ["JOB_COMPLETION_INDEX"]
for number in range(1, int(sys.argv[2]) + 1):
    print(f"line {number}", flush=True)
    with open(f"{sys.argv[1]}/{index}.tmp", "w") as file:
        file.write(str(number))
    os.replace(f"{sys.argv[1]}/{index}.tmp", f"{sys.argv[1]}/{index}")
    time.sleep(0.01)
open(f"{sys.argv[1]}/{index}.done", "w").close()
"""
VICTIMS = ("apply", "reader", "supervisor", "supervisor", "recorder", "rank", "suspension", "deletion")


class Round:
    """One round; `play` raises AssertionError when something does not hold."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        (folder / "work").mkdir(parents=True)
        self.notes = folder / "notes"
        self.notes.mkdir()
        self.kfrun = Kfrun(folder / "home", folder / "work")
        self.killed: Counter[str] = Counter()

    def play(self) -> str:
        """Run the round; returns the final condition and what was killed."""
        argv = [sys.executable, "-c", _RANK, str(self.notes), str(LINES)]
        path = self.kfrun.job("chaos", argv, nodes=2)
        victims = [self.random.choice(VICTIMS) for _ in range(self.random.randint(1, 3))]
        apply = self.kfrun.start("apply", "-q", "-f", path)
        if "apply" in victims:
            time.sleep(self.random.uniform(0, 0.35))
            self._kill(apply.pid, "apply")
        apply.communicate()
        reader = self.kfrun.start("logs", "-f", "chaos") if "reader" in victims else None
        for victim in victims:
            time.sleep(self.random.uniform(0, 0.4))
            self._strike(victim)
        if "suspension" in victims:
            # However the others were killed, this one must get through.
            self.kfrun("resume", "chaos")
        if reader is not None:
            self._kill(reader.pid, "reader")
            reader.communicate()
        return self._check()

    def _strike(self, victim: str) -> None:
        if victim == "supervisor":
            for pid, command in self.kfrun.processes():
                if "nursery" in command and not self._is_recorder(pid):
                    self._kill(pid, victim)
        elif victim == "suspension":
            for verb in ("suspend", "resume", "suspend"):
                self._under_fire(victim, verb, "chaos")
        elif victim == "deletion":
            self._under_fire(victim, "delete", "chaos")
        elif victim in ("recorder", "rank"):
            records = [record.read(path) for path in self._attempts()]
            running = [item for item in records if item is not None and item.state == "running"]
            if running:
                chosen = self.random.choice(running)
                self._kill(chosen.recorder if victim == "recorder" else chosen.pid, victim)

    def _under_fire(self, what: str, *args: str) -> None:
        """A command line that is killed at some instant, and perhaps the supervisor with it."""
        process = self.kfrun.start(*args)
        time.sleep(self.random.uniform(0, 0.35))
        if self.random.random() < 0.5:
            self._strike("supervisor")
        self._kill(process.pid, what)
        process.communicate()

    def _attempts(self) -> list[str]:
        """Records of attempts. Not rglob: folders may vanish meanwhile."""
        walk = os.walk(self.kfrun.home)
        return [os.path.join(folder, name) for folder, _, names in walk for name in names if name.endswith(".attempt")]

    def _is_recorder(self, pid: int) -> bool:
        records = [record.read(path) for path in self._attempts()]
        return any(item is not None and item.recorder == pid for item in records)

    def _kill(self, pid: int, what: str) -> None:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.killed[what] += 1

    def _check(self) -> str:
        job = self._settled()
        if job is None:
            end = "deleted" if self.killed["deletion"] else "never recorded"
            assert self.killed["deletion"] or self.killed["apply"], "the job vanished"
            assert self.killed["deletion"] or not list(self.notes.iterdir()), "it ran, but was not recorded"
        else:
            end = self._check_status(job)
            self._check_logs(end)
        if self.random.random() < 0.5:
            self._under_fire("last deletion", "delete", "--all")
        self.kfrun.ok("delete", "--all")
        deadline = time.monotonic() + 10
        while self.kfrun.processes() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not self.kfrun.processes(), f"left over: {self.kfrun.processes()}"
        left = [str(path) for path in (self.kfrun.home / "state").rglob("jobs/*/*")]
        assert not left, f"left over: {left}"
        return f"{end} after kills of {dict(self.killed) or 'nothing'}"

    def _settled(self) -> dict[str, object] | None:
        """The job once it is over: any kfrun command revives its supervisor."""
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            rows = json.loads(self.kfrun.ok("get", "trainjobs", "-o", "json"))["items"]
            if not rows:
                return None
            with Store.open(self.kfrun.database) as store:
                run = store.run(rows[0]["metadata"]["uid"])
                job = store.find("TrainJob", "default", "chaos")
            if run is not None and run.ended and job is not None:
                return job.data
            time.sleep(0.05)
        raise AssertionError(f"the job does not end: {self.kfrun('describe', 'trainjob', 'chaos').stdout}")

    def _check_status(self, job: dict[str, object]) -> str:
        conditions = job["status"]["conditions"]  # type: ignore[index]
        last = conditions[-1]
        done = len(list(self.notes.glob("*.done")))
        if last["type"] == "Complete":
            assert done == 2, "Complete, but a rank did not come to its end"
            return "Complete"
        assert last["type"] == "Failed", conditions
        assert self.killed["rank"] + self.killed["recorder"], f"Failed without a reason: {conditions}"
        if last["reason"] == "RecorderLost":
            assert self.killed["recorder"], conditions
        return f"Failed/{last['reason']}"

    def _check_logs(self, end: str) -> None:
        logs = {path.parent.name: path.read_text() for path in self.kfrun.home.rglob("*.log") if "pods" in path.parts}
        for index in ("0", "1"):
            note = self.notes / index
            # A node that was suspended has a log for each time that it ran.
            texts = [text for name, text in logs.items() if f"-{index}-" in name.removeprefix("chaos-node-0")]
            numbers = [self._lines(text) for text in texts] or [0]
            written = int(note.read_text()) if note.exists() else 0
            assert max(numbers) >= written, f"node {index}: {numbers} lines of {written}"
            assert end != "Complete" or max(numbers) == LINES

    def _lines(self, text: str) -> int:
        lines = [line for line in text.splitlines() if line.startswith("line ")]
        assert lines == [f"line {number}" for number in range(1, len(lines) + 1)], f"a line is lost: {lines[-5:]}"
        return len(lines)


def main() -> None:
    """Run rounds and print what happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    ends: Counter[str] = Counter()
    for number in range(options.rounds):
        seed = options.seed + number
        with tempfile.TemporaryDirectory(prefix="kfrun-chaos-") as folder:
            try:
                ends[Round(Path(folder), seed).play()] += 1
            except BaseException:
                print(f"round {number} failed; repeat it with --rounds 1 --seed {seed}", file=sys.stderr)
                raise
    print(f"{options.rounds} rounds from seed {options.seed}: nothing lost, nothing left over")
    for end, count in ends.most_common():
        print(f"{count:5}  {end}")


if __name__ == "__main__":
    main()
