"""Whole commands, from before the process starts until it has ended, as a user waits for them."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.bench import installations
from tests.bench.figures import Figure
from tests.bench.program import Program, manifest

if TYPE_CHECKING:
    from collections.abc import Callable

    from kfrun.model.state import Event
    from kfrun.observe.store import Run
    from tests.bench.setting import Setting

_LIKE_THE_PEER = ("--version", "get")
_EXAMPLE = installations.ROOT / "examples" / "quickstart" / "job.yaml"


def commands(setting: Setting) -> list[Figure]:
    """Commands that look: each is taken ten times as often as other things, because each is so short."""
    program, stored = setting.program, setting.sizes.stored
    name = _fill(program, stored)
    cases: dict[str, tuple[float | None, tuple[str, ...]]] = {
        "`kfrun --version`": (25.0, ("--version",)),
        f"`kfrun get trainjobs`, {stored:,} stored": (120.0, ("get", "trainjobs")),
        f"`kfrun get trainjobs -o wide`, {stored:,} stored": (None, ("get", "trainjobs", "-o", "wide")),
        f"`kfrun get trainjob NAME`, {stored:,} stored": (None, ("get", "trainjob", name)),
        "`kfrun validate` of one file": (80.0, ("validate", "--no-cache", "-f", str(_EXAMPLE))),
        "`kfrun plan` of one file": (None, ("plan", "-f", str(_EXAMPLE))),
        "`kfrun logs` of a small job": (None, ("logs", name)),
        "`kfrun --help`": (None, ("--help",)),
    }
    samples: dict[str, Callable[[], float]] = {
        title: lambda line=line: program.seconds(*line) * 1000 for title, (_, line) in cases.items()
    }
    samples["python"] = lambda: _empty_python(program)
    if setting.peer is not None:
        peer = setting.peer
        samples["peer"] = lambda: peer("importing")["seconds"] * 1000
    for sample in samples.values():
        sample()
    often = replace(setting, runs=setting.runs * (10 if setting.runs > 1 else 1))
    taken = often.interleaved(samples, at_most={"peer": setting.runs})
    note = (
        f"Wall time of the process, {often.runs} runs. Directly: `python -c pass`, how quiet the machine is. "
        "The peer has no commands: what is shown is the import of its client, with which every script that looks at a "
        "job begins."
    )
    return [
        Figure(
            title, "ms", taken[title], goal=goal, directly=taken["python"],
            peer=taken.get("peer", ()) if line[0] in _LIKE_THE_PEER else (), peer_note="(import)", note=note,
        )
        for title, (goal, line) in cases.items()
    ]  # fmt: skip


def _empty_python(program: Program) -> float:
    started = time.perf_counter()
    subprocess.run([installations.job_python(), "-c", "pass"], env=program.env, check=True)
    return (time.perf_counter() - started) * 1000


def _fill(program: Program, count: int) -> str:
    """Run one job to its end, and store it under ``count`` names; returns its own."""
    name = program.name("model")
    path = program.write(f"{name}.yaml", manifest(name, ["python3", "-c", "print('done')"]))
    program("apply", "-q", "-f", path)
    program("wait", name)
    with program.store() as store:
        job = store.find("TrainJob", "default", name)
        assert job is not None
        run = store.run(job.uid)
        assert run is not None
        objects = [item.data for kind in ("JobSet", "Job", "Pod") for item in store.objects(kind, owner=job.uid)]
        events = [event for _, event in store.events(owner=job.uid)]
        with store.writing():
            for number in range(1, count):
                copy = _Copy(name, f"{name}-{number:05d}", job.uid, f"{job.uid[:-5]}{number:05x}")
                store.create(copy.of(job.data))
                for data in objects:
                    store.create(copy.of(data), owner=copy.uid)
                store.record([copy.event(event) for event in events])
                store.add_run(copy.run(run))
    return name


class _Copy:
    """A stored job under another name."""

    def __init__(self, old_name: str, name: str, old_uid: str, uid: str) -> None:
        self._old_name, self._name = old_name, name
        self._old_uid, self.uid = old_uid, uid

    def of(self, data: dict) -> dict:
        return json.loads(self._text(json.dumps(data)))

    def _text(self, text: str) -> str:
        return text.replace(self._old_uid, self.uid).replace(self._old_name, self._name)

    def event(self, event: Event) -> Event:
        key = event.object._replace(name=self._text(event.object.name))
        return replace(event, object=key, message=self._text(event.message), owner=self.uid)

    def run(self, run: Run) -> Run:
        return replace(
            run, uid=self.uid, name=self._name, folder=self._text(run.folder), state=self._text(run.state), ended=True
        )
