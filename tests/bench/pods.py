"""What pods add: a restart, steps that wait for each other, volumes, and very many of them."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import TYPE_CHECKING, Any

from tests.bench.concurrency import megabytes
from tests.bench.figures import Figure
from tests.bench.program import Program, until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.bench.setting import Setting

_STEPS = ("fetch", "prepare", "train", "evaluate", "publish")
_TRAINER = {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}
_TWICE = '[[ -e $0 ]] || { : >"$0"; sleep 0.2; code=1; }; echo "$EPOCHREALTIME"; exit $code'
"""Fails the first time, once its start is stored; in the time that counts bash starts nothing, which takes as long."""
_VOLUMES: dict[str, dict[str, Any]] = {
    "work": {"emptyDir": {}},
    "settings": {"configMap": {"name": "settings"}},
    "data": {"persistentVolumeClaim": {"claimName": "data"}},
}
_VOLUME_ALLOWANCE = 0.015
_LOOK_EVERY = 0.0002
_TIMEOUT = 300


def restart(setting: Setting) -> list[Figure]:
    """The first restart of a container, which comes at once."""
    program = setting.program
    taken = setting.interleaved({"kfrun": lambda: _restart(program)}, often=True)
    note = (
        "From the last thing that the first attempt does, which is to print the time, until the second one, a `bash`, "
        "prints it: the ends of program and recorder, what is stored, and the starts of both are in between."
    )
    return [Figure("restart of a container without back-off", "ms", goal=10.0, note=note, **taken)]


def chain(setting: Setting) -> list[Figure]:
    """Steps that depend on each other, and do nothing."""
    program = setting.program
    taken = setting.interleaved({"kfrun": lambda: _chain(program)}, often=True)
    name = f"`kfrun run` of a chain of {len(_STEPS)} steps, each `true`"
    note = "The whole command, from before its process starts until it has ended; each step waits for the one before."
    return [Figure(name, "s", goal=0.3, note=note, **taken)]


def volumes(setting: Setting) -> list[Figure]:
    """The first line of a pod with volumes; beside it the same pod without any."""
    program = setting.program
    _first_line(program, _VOLUMES)
    samples = {"kfrun": lambda: _first_line(program, _VOLUMES), "directly": lambda: _first_line(program, {})}
    taken = setting.interleaved(samples, often=True)
    goal = sorted(taken["directly"])[len(taken["directly"]) // 2] + _VOLUME_ALLOWANCE
    note = f"Directly: the same pod without volumes, which may take {_VOLUME_ALLOWANCE * 1000:.0f} ms less."
    name = "apply → first line of a pod with 3 volumes in a mount namespace"
    return [Figure(name, "s", goal=goal, note=note, **taken)]


def large_job(setting: Setting) -> list[Figure]:
    """One job of very many nodes."""
    program, nodes = setting.program, setting.sizes.large
    name = program.name("large")
    program("apply", "-q", "-f", _write(program, name, [_job("node", ["sleep", "600"])], nodes=nodes))
    try:
        until(lambda: program.running() == nodes, _TIMEOUT, f"{nodes} nodes run", interval=0.5)
        weights = tuple(max(megabytes(pid, "Rss") for pid in program.supervisors()) for _ in range(setting.runs))
        taken = setting.interleaved({"kfrun": lambda: _change(program, nodes)}, often=True)
    finally:
        program.clear()
    note = (
        f"While {nodes} nodes sleep. A change: from SIGKILL to the process of one of them until another process finds "
        f"its restart in the store, which it looks at every {_LOOK_EVERY * 1000:.1f} ms."
    )
    return [
        Figure(f"change of one of {nodes} nodes → status stored", "ms", goal=20.0, note=note, **taken),
        Figure(f"RSS of the supervisor of {nodes} nodes", "MB", weights, goal=40.0, note=note),
    ]


def _restart(program: Program) -> float:
    """Milliseconds."""
    name = program.name("again")
    job = _job("node", ["bash", "-c", _TWICE, str(program.folder / f"{name}.seen")])
    program("run", "-q", "-f", _write(program, name, [job]))
    first, second = (float(program("logs", name, *options)) for options in (["--previous"], []))
    program("delete", "trainjob", name)
    return (second - first) * 1000


def _chain(program: Program) -> float:
    name = program.name("chain")
    jobs = [_job(step, ["true"]) for step in _STEPS]
    for before, job in zip(_STEPS, jobs[1:], strict=False):
        job["dependsOn"] = [{"name": before, "status": "Complete"}]
    taken = program.seconds("run", "-q", "-f", _write(program, name, jobs))
    program("delete", "trainjob", name)
    return taken


def _first_line(program: Program, given: dict[str, dict[str, Any]]) -> float:
    name = program.name("first")
    mounts = [{"name": volume, "mountPath": f"/workspace/{volume}"} for volume in given]
    pod = {"volumes": [{"name": volume, **source} for volume, source in given.items()]} if given else {}
    job = _job("node", ["date", "+%s.%N"], container={"volumeMounts": mounts} if given else {}, pod=pod)
    objects = [_object("v1", "ConfigMap", "settings", data={"rate": "1"}), _claim("data")] if given else []
    path = _write(program, name, [job], objects=objects)
    started = time.time()
    program("apply", "-f", path)
    program("wait", name)
    printed = float(program("logs", name))
    program("delete", "trainjob", name)
    return printed - started


def _change(program: Program, nodes: int) -> float:
    """Milliseconds."""
    until(lambda: program.running() == nodes, _TIMEOUT, "all nodes run again")
    with program.store() as opened:
        victim, seen = program.workers()[0], opened.changes()
        started = time.perf_counter()
        os.kill(victim, signal.SIGKILL)
        until(lambda: opened.changes() != seen, _TIMEOUT, "the change is stored", interval=_LOOK_EVERY)
        return (time.perf_counter() - started) * 1000


def _job(
    name: str, command: Sequence[str], *, container: dict[str, Any] | None = None, pod: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A replicated Job of one container."""
    containers = [{"name": "node", "command": list(command), **(container or {})}]
    template = {"spec": {"restartPolicy": "OnFailure", "containers": containers, **(pod or {})}}
    return {"name": name, "template": {"spec": {"backoffLimit": 1000, "template": template}}}


def _claim(name: str) -> dict[str, Any]:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return _object("v1", "PersistentVolumeClaim", name, spec=spec)


def _object(version: str, kind: str, name: str, **rest: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **rest}


def _write(
    program: Program,
    name: str,
    jobs: Sequence[dict[str, Any]],
    *,
    nodes: int = 1,
    objects: Sequence[dict[str, Any]] = (),
) -> Path:
    """A TrainJob and its own runtime, whose last Job is the trainer."""
    jobs[-1]["template"]["metadata"] = {"labels": _TRAINER}
    version = "trainer.kubeflow.org/v1alpha1"
    template = {"spec": {"replicatedJobs": list(jobs)}}
    runtime = _object(version, "TrainingRuntime", name, spec={"mlPolicy": {"numNodes": nodes}, "template": template})
    job = _object(version, "TrainJob", name, spec={"runtimeRef": {"kind": "TrainingRuntime", "name": name}})
    return program.write(f"{name}.yaml", "\n---\n".join(map(json.dumps, (*objects, runtime, job))))
