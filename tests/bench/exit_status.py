"""From the end of a job's process to the status in the store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.bench import store
from tests.bench.figures import Figure
from tests.bench.program import Program, manifest

if TYPE_CHECKING:
    from tests.bench.setting import Setting

_ENDING = "import os, time; time.sleep(0.3); os.write(1, str(time.time()).encode()); os._exit(0)"
_LOOK_EVERY = 0.0002
_TIMEOUT = 60


def exit_to_status(setting: Setting) -> list[Figure]:
    """The process stamps the time and ends at once; the benchmark waits for Complete."""
    program = setting.program
    samples = {"kfrun": lambda: _sample(program)}
    if setting.peer is not None:
        peer = setting.peer
        samples["peer"] = lambda: peer("exit_to_status")["seconds"] * 1000
    taken = setting.interleaved(samples, at_most={"peer": setting.runs}, often=True)
    note = (
        "From the job's last statement before `os._exit(0)` until another process finds Complete in the store, which "
        f"it looks at every {_LOOK_EVERY * 1000:.1f} ms: the kernel's tidying up and the recorder count. The peer: "
        "until `get_job` in the same process says Complete, asked every 0.5 ms; its `wait_for_job_status` asks every "
        "2 s by default."
    )
    return [Figure("exit of the process → status stored", "ms", goal=10.0, note=note, **taken)]


def _sample(program: Program) -> float:
    """Milliseconds."""
    name = program.name("ending")
    path = program.write(f"{name}.yaml", manifest(name, ["python3", "-c", _ENDING]))
    program("apply", "-q", "-f", path)
    with program.store() as opened:
        stored = _stored_at(opened, name)
    program("wait", name)
    ended = float(program("logs", name))
    program("delete", "trainjob", name)
    return (stored - ended) * 1000


def _stored_at(opened: store.Store, name: str) -> float:
    deadline, seen = time.monotonic() + _TIMEOUT, -1
    while time.monotonic() < deadline:
        changes = opened.changes()
        if changes != seen:
            now, seen = time.time(), changes
            if store.is_over(opened.job(name)):
                return now
        time.sleep(_LOOK_EVERY)
    raise TimeoutError(f"{name} is not over after {_TIMEOUT} s")
