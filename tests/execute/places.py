"""Every place where jobs run, ready for the same tests; a new backend is one more entry of `PLACES`."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kfrun import settings as settings_module
from kfrun.execute import choice
from kfrun.execute.local import supervisors
from kfrun.execute.memory import Act, Call, MemoryBackend
from kfrun.flow import execution, plans
from kfrun.model.kinds import TRAIN_JOB
from kfrun.model.wishes import Caller, Wishes
from kfrun.observe import selection
from tests.conftest import manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from kfrun.execute.backend import Backend
    from kfrun.flow.plans import Ready
    from kfrun.model.state import StoredObject
    from kfrun.settings import Settings


class Place:
    """A place, and what a door does with it."""

    def __init__(self, backend: Backend, settings: Settings, folder: Path) -> None:
        self.backend = backend
        self.settings = settings
        self.folder = folder
        self.caller = Caller(dict(os.environ), str(folder))

    def ready(self, text: str, **wishes: Any) -> Ready:
        """A plan for a manifest."""
        path = self.folder / "job.yaml"
        path.write_text(text)
        asked = Wishes(filenames=(str(path),), backend=self.settings.backend, **wishes)
        return plans.make(asked, self.settings, self.backend.observe)

    def apply(self, text: str, **wishes: Any) -> list[str]:
        """Plan and carry out; what was said."""
        said: list[str] = []
        ready = self.ready(text, **wishes)
        execution.require_possible(ready, self.backend, self.caller)
        execution.carry_out(ready, self.backend, self.caller, say=said.append)
        return said

    def run(self, name: str, command: str, **more: Any) -> StoredObject:
        """Apply a job with a runtime of its own."""
        wishes = {key: more.pop(key) for key in ("rerun", "replace", "force") if key in more}
        self.apply(manifest(name, ["sh", "-c", command], **more), **wishes)
        return self.job(name)

    def job(self, name: str) -> StoredObject:
        return selection.get(self.backend, TRAIN_JOB, "default", name)


def play(call: Call) -> Act:
    """Enough of a shell for these tests: ``echo``, ``sleep`` and ``exit``."""
    output, code, seconds = b"", 0, 0.0
    for word in re.split(r"\s*;\s*", str(call.container["command"][2])):
        verb, _, rest = word.strip().partition(" ")
        if verb == "echo":
            output += f"{rest}\n".encode()
        elif verb == "sleep":
            seconds += float(rest)
        elif verb == "exit":
            code = int(rest)
    return Act(output, code, seconds)


@contextmanager
def local(folder: Path) -> Iterator[Place]:
    """This machine, with real processes."""
    settings = settings_module.load({}, {"KFRUN_HOME": str(folder / "home"), "HOME": str(folder)}, folder)
    with choice.open_backend(settings, create=True) as backend:
        try:
            yield Place(backend, settings, folder)
        finally:
            jobs = backend.objects(selection.Selection(TRAIN_JOB))
            for job in jobs:
                backend.wish(job.key, "delete", now=True)
            for _ in backend.watch(selection.Selection(TRAIN_JOB), timeout=20):
                if not backend.objects(selection.Selection(TRAIN_JOB)):
                    break
            supervisors.dismiss()


@contextmanager
def memory(folder: Path) -> Iterator[Place]:
    """The mind."""
    environ = {"KFRUN_HOME": str(folder / "home"), "KFRUN_BACKEND": "memory"}
    settings = settings_module.load({}, environ, folder)
    with MemoryBackend(play, now=1_800_000_000.0) as backend:
        yield Place(backend, settings, folder)


PLACES: dict[str, Callable[[Path], AbstractContextManager[Place]]] = {"local": local, "memory": memory}
