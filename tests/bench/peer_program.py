"""Runs in the peer's environment: ``peer_program.py FUNCTION JSON`` measures one thing and prints figures as JSON.

Importing the SDK is not counted, except by `importing`. Functions that become jobs carry their own imports, because
the SDK writes their source into a file and runs that.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

BEFORE_IMPORT = time.perf_counter()
import kubeflow.trainer as sdk  # noqa: E402 (its import is measured)

IMPORT_SECONDS = time.perf_counter() - BEFORE_IMPORT


def stamp():
    import time

    print("STAMP", time.time(), flush=True)


def stamp_numpy():
    import time

    import numpy as np  # noqa: F401

    print("STAMP", time.time(), flush=True)


def stamp_torch():
    import time

    import torch  # noqa: F401

    print("STAMP", time.time(), flush=True)


def stamp_and_end():
    import os
    import time

    time.sleep(0.3)
    os.write(1, f"STAMP {time.time()}\n".encode())
    os._exit(0)


def say_done():
    print("done")


def write_lines(parameters):
    import sys
    import time

    started = time.perf_counter()
    for number in range(parameters["lines"]):
        sys.stdout.write(f"{number:08d} {'x' * 90}\n")
    sys.stdout.flush()
    with open(parameters["figure"], "w") as file:
        file.write(str(time.perf_counter() - started))


JOBS = {"plain": stamp, "numpy": stamp_numpy, "torch": stamp_torch}


class Client:
    """The SDK's client, with its only runtime as the measurement needs it."""

    def __init__(self, *, framework: str = "python", packages: tuple[str, ...] = ()) -> None:
        from kubeflow.trainer.backends.localprocess import constants

        # The runtime names torch: without this, every job that has packages would install it as well.
        constants.local_runtimes[0].trainer.packages = list(packages)
        self._framework = framework
        self.client = sdk.TrainerClient(sdk.LocalProcessBackendConfig())

    def train(self, function, packages=(), arguments=None) -> str:
        runtime = self.client.get_runtime("torch-distributed")
        runtime.trainer.framework = self._framework
        trainer = sdk.CustomTrainer(func=function, func_args=arguments, packages_to_install=list(packages) or None)
        return self.client.train(runtime=runtime, trainer=trainer)

    def wait(self, name: str) -> None:
        """Until the job has ended, looking more often than the SDK's own wait does."""
        while self.client.get_job(name).status not in ("Complete", "Failed"):
            time.sleep(0.0005)

    def stamp(self, name: str) -> float:
        lines = list(self.client.get_job_logs(name))
        stamps = [line.split()[1] for line in lines if line.startswith("STAMP")]
        if not stamps:
            raise SystemExit("\n".join(lines[-20:]))
        return float(stamps[0])


def importing() -> dict[str, float]:
    return {"seconds": IMPORT_SECONDS}


def first_line(job: str, packages: list[str]) -> dict[str, float]:
    client = Client(framework="torch" if job == "torch" else "python")
    started = time.time()
    name = client.train(JOBS[job], packages)
    client.wait(name)
    return {"seconds": client.stamp(name) - started}


def concurrent(jobs: int) -> dict[str, float]:
    client = Client()
    started = time.perf_counter()
    names = [client.train(say_done) for _ in range(jobs)]
    largest = 0.0
    # Some threads end with a traceback and leave their job "Created": it is their end that counts.
    while threading.active_count() > 1:
        largest = max(largest, tree_megabytes())
        time.sleep(0.1)
    taken = time.perf_counter() - started
    complete = sum(client.client.get_job(name).status == "Complete" for name in names)
    return {"seconds": taken, "complete": complete, "megabytes": largest}


def lines(lines: int, figure: str) -> dict[str, float]:
    client = Client()
    name = client.train(write_lines, arguments={"lines": lines, "figure": figure})
    client.wait(name)
    started = time.perf_counter()
    found = sum(line.endswith("x" * 90) for line in client.client.get_job_logs(name))
    return {"seconds": float(Path(figure).read_text()), "read": time.perf_counter() - started, "found": found}


def exit_to_status() -> dict[str, float]:
    client = Client()
    name = client.train(stamp_and_end)
    client.wait(name)
    seen = time.time()
    return {"seconds": seen - client.stamp(name)}


def tree_megabytes() -> float:
    """Resident memory of this process and everything below it."""
    children: dict[int, list[int]] = {}
    sizes: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(entry.name))
        sizes[int(entry.name)] = int(fields[21]) * 4096
    total, waiting = 0, [int(Path("/proc/self").resolve().name)]
    while waiting:
        pid = waiting.pop()
        total += sizes.get(pid, 0)
        waiting += children.get(pid, [])
    return total / 1e6


if __name__ == "__main__":
    figures = globals()[sys.argv[1]](**json.loads(sys.argv[2]))
    sys.stdout.write(f"\n{json.dumps(figures)}\n")
