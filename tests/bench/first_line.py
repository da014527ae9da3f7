"""From ``kfrun apply`` to the user's first line, which carries the time at which it was printed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import yaml

from tests.bench import installations
from tests.bench.figures import HARDLY_MORE, Figure
from tests.bench.program import Program, manifest
from tests.bench.setting import first_stamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.setting import Setting

_NUMPY = "numpy==2.4.6"
_TORCH_EXAMPLE = installations.ROOT / "examples" / "torch-ddp" / "job.yaml"
_TORCH_ALLOWANCE = 0.3
_SCRIPT_GOAL = 1.15
_NOTE = (
    "From before the process `kfrun apply` starts until the user's process prints its first line, by that line's own "
    "time stamp. The peer: from before its `train()`; the import of the SDK is not counted."
)


class _Job(NamedTuple):
    """What is run, and in which of kfrun's runtimes."""

    script: str
    runtime: str = "plain-python"
    packages: Sequence[str] = ()
    launcher: Sequence[str] = ("python3",)


def _script(*imports: str) -> str:
    return "".join(f"import {name}\n" for name in ("time", *imports)) + "print(time.time(), flush=True)\n"


def without_packages(setting: Setting) -> list[Figure]:
    """No packages: the interpreter that is there."""
    program, job = setting.program, _Job(_script())
    samples = {"kfrun": lambda: _sample(program, job), "directly": lambda: _directly(program, job, None)}
    if setting.peer is not None:
        peer = setting.peer
        samples["peer"] = lambda: peer("first_line", job="plain", packages=[])["seconds"]
    _sample(program, job)
    taken = setting.interleaved(samples, at_most={"peer": setting.runs}, often=True)
    name = "apply → first line of user code, no packages"
    return [Figure(name, "s", goal=0.20, ratio_goal=0.07, before_goal=HARDLY_MORE, note=_NOTE, **taken)]


def with_numpy(setting: Setting) -> list[Figure]:
    """numpy imported, its environment there already."""
    program, job = setting.program, _Job(_script("numpy"), packages=(_NUMPY,))
    samples = {"kfrun": lambda: _sample(program, job)}
    if setting.peer is not None:
        peer = setting.peer
        samples["peer"] = lambda: peer("first_line", job="numpy", packages=[_NUMPY])["seconds"]
    _sample(program, job)
    folder = _environment_folder(program, "numpy")
    samples["directly"] = lambda: _directly(program, job, folder)
    taken = setting.interleaved(samples, at_most={"peer": setting.runs}, often=True)
    name = "the same, `import numpy` first, environment warm"
    return [Figure(name, "s", goal=0.25, before_goal=HARDLY_MORE, note=_NOTE, **taken)]


def with_torch(setting: Setting) -> list[Figure]:
    """torch imported under torchrun, its environment there already: the one that the tests build."""
    given = os.environ.get("KFRUN_TEST_CACHE")
    cache = Path(given) if given else Path.home() / ".cache" / "kfrun-tests"
    program = Program(setting.program.command, setting.program.folder, cache)
    packages = yaml.safe_load(_TORCH_EXAMPLE.read_text())["metadata"]["annotations"]["kfrun.dev/packages"].split()
    job = _Job(_script("torch"), "torch-distributed", packages, ("torchrun",))
    _sample(program, job)
    folder = _environment_folder(program, "torch")
    samples = {"kfrun": lambda: _sample(program, job), "directly": lambda: _directly(program, job, folder)}
    if setting.peer is not None and setting.torch:
        peer, torch = setting.peer, [item for item in packages if item.startswith("torch")]
        samples["peer"] = lambda: peer("first_line", job="torch", packages=torch)["seconds"]
    taken = setting.interleaved(samples, at_most={"peer": setting.peer_runs})
    goal = sorted(taken["directly"])[len(taken["directly"]) // 2] + _TORCH_ALLOWANCE
    name = "the same, `import torch` under torchrun, environment warm"
    note = f"The goal is torchrun's own start in the same environment plus {_TORCH_ALLOWANCE} s. {_NOTE}"
    return [Figure(name, "s", goal=goal, before_goal=HARDLY_MORE, note=note, **taken)]


def of_a_script(setting: Setting) -> list[Figure]:
    """A script without a manifest; beside it the same job by its manifest."""
    program = setting.program

    def sample(by_manifest: bool) -> float:
        name = program.name("script")
        path = program.write(f"{name}.py", _script("argparse", "json"))
        words: list[str | Path] = ["--name", name, path.name]
        if by_manifest:
            words = ["-f", program.write(f"{name}.yaml", manifest(name, ["python", path.name], runtime="plain-python"))]
        started = time.time()
        printed = float(program("run", "-q", *words).split()[0])
        program("delete", "trainjob", name)
        return printed - started

    sample(by_manifest=True)
    samples = {"kfrun": lambda: sample(by_manifest=False), "directly": lambda: sample(by_manifest=True)}
    taken = setting.interleaved(samples, often=True)
    goal = _SCRIPT_GOAL * sorted(taken["directly"])[len(taken["directly"]) // 2]
    note = f"Directly: the same job by `run -f`, of which a script may take {_SCRIPT_GOAL}."
    return [Figure("run train.py → first line of user code, no packages", "s", goal=goal, note=note, **taken)]


def _sample(program: Program, job: _Job) -> float:
    name = program.name("first")
    script = program.write(f"{name}.py", job.script)
    text = manifest(name, [*job.launcher, str(script)], runtime=job.runtime, packages=job.packages)
    path = program.write(f"{name}.yaml", text)
    started = time.time()
    program("apply", "-f", path)
    program("wait", name)
    printed = float(program("logs", name).split()[0])
    program("delete", "trainjob", name)
    return printed - started


def _directly(program: Program, job: _Job, environment: Path | None) -> float:
    """The same script started by hand in the same environment."""
    script = program.write("directly.py", job.script)
    launcher = Path(installations.job_python() if environment is None else environment / "bin" / job.launcher[0])
    return first_stamp([launcher, script], {**program.env, "PYTHONUNBUFFERED": "1"})


def _environment_folder(program: Program, package: str) -> Path:
    """The environment below the program's cache that was used last and has ``package``."""
    found = list((program.cache / "environments").glob(f"*/lib/python*/site-packages/{package}/__init__.py"))
    folders = [path.parents[4] for path in found]
    return max(folders, key=lambda folder: (folder / "kfrun.json").stat().st_mtime)
