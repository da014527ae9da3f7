"""What ``apply`` and ``run`` share: manifests become a plan, the plan is carried out, a job is followed to its end."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kfrun.cli import inputs, options
from kfrun.cli.options import Values
from kfrun.errors import InvalidInput, UsageProblem
from kfrun.model import change
from kfrun.model.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from kfrun.cli.inputs import Inputs, Known
    from kfrun.model.change import Plan
    from kfrun.model.source import Finding, ObjectKey
    from kfrun.model.state import StoredObject
    from kfrun.observe.logs import LogReader
    from kfrun.observe.outcome import Outcome
    from kfrun.observe.store import Store
    from kfrun.plan.prune import ApplySet
    from kfrun.plan.saved import SavedPlan
    from kfrun.settings import Settings

_LOOK_SECONDS = 0.02
_DONE = {
    change.ApplyObject: "configured",
    change.CreateJob: "created",
    change.ReplaceJob: "replaced",
    change.UpdateJob: "configured",
    change.SuspendJob: "suspended",
    change.ResumeJob: "resumed",
    change.DeleteJob: "deleted",
    change.DeleteObject: "deleted",
    change.Unchanged: "unchanged",
}


@dataclass(frozen=True, slots=True)
class Wishes:
    """The flags of ``apply`` and ``run``."""

    filenames: tuple[str, ...]
    recursive: bool
    cluster_defaults: bool
    python: str | None
    clean_env: bool
    keep_environment: bool
    replace: bool = False
    rerun: bool = False
    values: Values = Values()
    apply_set: str = ""
    prune: bool = False


@dataclass(frozen=True, slots=True)
class Ready:
    """A plan and everything that its execution needs."""

    plan: Plan
    prepared: Inputs
    known: Known
    settings: Settings
    apply_set: ApplySet | None = None


def make_ready(wishes: Wishes, settings: Settings, store: Store, saved: SavedPlan | None = None) -> Ready:
    """Load, validate, resolve and plan; what is planned must be what is ``saved``, if there is such a plan.

    Raises:
        InvalidInput: the input, or what it asks for in the present state, is refused.
        Refused: the saved plan is not what would be done.
    """
    from kfrun.cli import applysets, planfile

    sources = planfile.Sources()
    documents = inputs.read(
        wishes.filenames, recursive=wishes.recursive, settings=settings, values=wishes.values, note=sources.note
    )
    known = inputs.recall(store, documents)
    prepared = inputs.prepare(documents, known, settings=settings, cluster_defaults=wishes.cluster_defaults)
    inputs.warn(prepared, settings)
    made = make(prepared, known, settings, replace=wishes.replace, rerun=wishes.rerun)
    chosen = applysets.recall(store, wishes.apply_set, settings.namespace, prune=wishes.prune)
    if chosen is not None:
        made = applysets.with_set(made, chosen, prepared, prune=wishes.prune)
    ready = Ready(made, prepared, known, settings, chosen)
    if saved is not None:
        planfile.require_same(saved, wishes.values, settings, sources, ready)
    findings = [*made.refusals, *_missing_folders(ready)]
    if findings:
        raise InvalidInput(findings)
    return ready


def make(prepared: Inputs, known: Known, settings: Settings, *, replace: bool = False, rerun: bool = False) -> Plan:
    """The plan for prepared inputs; ``apply`` and ``run`` make theirs with it too."""
    from kfrun.plan import planner
    from kfrun.settings import BACKENDS

    is_flag = settings.origins["backend"].layer == "flag"
    chosen = planner.PlanOptions(
        replace=replace,
        rerun=rerun,
        strict=settings.strict,
        backend=settings.backend if is_flag else None,
        default_backend=settings.backend,
        backends=BACKENDS,
    )
    return planner.plan(prepared.jobs, prepared.objects, known.jobs, known.objects, chosen, child_jobs=known.child_jobs)


def _starting(plan: Plan) -> list[ObjectKey]:
    """Jobs whose pods are going to be started from this manifest, now or when they are resumed."""
    return [action.key for action in plan.actions if _starts(action)]


def _starts(action: change.Action) -> bool:
    if isinstance(action, change.UpdateJob):
        return action.reaches_pods
    if isinstance(action, change.ResumeJob):
        return bool(action.changes)
    return isinstance(action, change.CreateJob | change.ReplaceJob)


def _missing_folders(ready: Ready) -> list[Finding]:
    from kfrun.execute.local.process import preparation

    starting, current = set(_starting(ready.plan)), str(Path.cwd())
    found: list[Finding] = []
    for job in ready.plan.jobs:
        resolution = job.resolution
        if resolution.trainjob in starting:
            folder = preparation.working_folder(resolution.job, resolution.source, current)
            found += preparation.check(resolution, folder)
    return found


def stored_job(store: Store, key: ObjectKey) -> StoredObject:
    """The TrainJob that was just applied.

    Raises:
        NotFound: another kfrun has deleted it since.
    """
    from kfrun.observe import selection

    return selection.get(store, key.kind, key.namespace, key.name)


def has_several_containers(ready: Ready, key: ObjectKey) -> bool:
    """Whether the lines of a job need the name of their node."""
    workload = ready.prepared.workloads[key]
    return sum(len(pod.containers) + len(pod.init_containers) for job in workload.jobs for pod in job.pods) > 1


def show_plan(ready: Ready) -> None:
    """The plan on stderr: stdout belongs to data."""
    from kfrun.plan import render
    from kfrun.settings import uses_color

    color = uses_color(ready.settings.color, os.environ, is_terminal=sys.stderr.isatty())
    click.echo(render.to_text(ready.plan, color=color), err=True)


def carry_out(ready: Ready, wishes: Wishes, store: Store, *, say: Callable[[str], None]) -> None:
    """Execute the plan; ``say`` gets kubectl's line for each object that was touched."""
    from kfrun.execute.local import creation
    from kfrun.execute.local.process import preparation
    from kfrun.plan.jobs import is_managed_elsewhere

    python = _interpreter(wishes.python)
    jobs = {job.resolution.trainjob: job.resolution for job in ready.plan.jobs}
    launches = {
        key: preparation.prepare(
            jobs[key],
            ready.prepared.workloads[key],
            environ=os.environ,
            current=str(Path.cwd()),
            python=python,
            installer=ready.settings.installer,
            clean_env=wishes.clean_env,
        )
        for key in _starting(ready.plan)
        if not is_managed_elsewhere(jobs[key].job.data)
    }
    context = creation.Context(
        store=store,
        cache=Path(ready.settings.cache_dir),
        launches=launches,
        objects={document.key: document.data for document in ready.prepared.objects},
        stored=dict(ready.prepared.trainjobs),
        planned={
            key: (job.data["metadata"]["uid"], int(job.data["metadata"].get("generation", 1)))
            for key, job in ready.known.jobs.items()
        },
        keep_environment=wishes.keep_environment,
        back_off=(ready.settings.retry_delay, ready.settings.max_retry_delay),
    )

    def emit(action: change.Action) -> None:
        word = _DONE.get(type(action))
        if isinstance(action, change.ApplyObject) and not action.changes:
            word = "created"
        if word:
            say(f"{action.key.resource} {word}")

    if ready.apply_set is None:
        creation.execute(ready.plan, context, emit)
        return
    from kfrun.cli import applysets

    keys = [*context.objects, *jobs]
    applysets.claim(store, ready.apply_set, keys)
    creation.execute(ready.plan, context, emit)
    applysets.settle(store, ready.apply_set, keys, prune=wishes.prune)


def _interpreter(python: str | None) -> str | None:
    """The absolute path of ``--python``."""
    if python is None:
        return None
    from kfrun.execute.local.process import launch

    found = launch.find_executable(python, os.environ.get("PATH", os.defpath), str(Path.cwd()))
    if found is None:
        raise UsageProblem(f"--python {python}: there is no such interpreter", "give a path, or a name on PATH")
    return found


class Follower:
    """Streams a job to stdout and tells on stderr what happens to it, until nothing of it runs any more."""

    def __init__(self, store: Store, job: StoredObject, settings: Settings, *, prefix: bool) -> None:
        self._store, self._job = store, job
        self._settings, self._prefix = settings, prefix
        from kfrun.cli import attach
        from kfrun.observe import watch

        self._told = 0
        self._reader: LogReader | None = None
        self._installer: TextIO | None = None
        self._has_ended = watch.RunEnd(store, job.uid, heal=attach.healer(store))
        self._started = time.monotonic()

    def follow(self) -> Outcome | None:
        """Follow to the end; None when the job was deleted meanwhile.

        Ctrl-C passes through; a further call goes on where this one stopped. So does a `BrokenPipeError`, after a line
        on stderr: whoever wrote ``| head`` might believe that the job is over.
        """
        try:
            return self._follow()
        except BrokenPipeError:
            self._say_unread()
            raise

    def _follow(self) -> Outcome | None:
        if self._reader is None:
            self._reader = self._open()
        if self._reader is None:
            return None
        while not self._has_ended():
            self._reader.advance()
            self._pause()
        self._reader.finish()
        self._reader.close()
        sys.stdout.buffer.flush()
        self._tell()
        if self._installer is not None:
            self._installer.close()
        return self.outcome()

    def _open(self) -> LogReader | None:
        from kfrun import host
        from kfrun.observe import logs

        run = self._store.run(self._job.uid)
        if run is None:
            return None
        host.allow_many_files()
        chosen = logs.LogOptions(
            attempts="all",
            prefix=self._prefix or None,
            colour=options.colors_stdout(self._settings),
            end_lines=sys.stdout.isatty(),
        )
        reader = logs.LogReader(Path(run.folder), chosen, sys.stdout.buffer.write)
        reader.backlog()
        return reader

    def outcome(self) -> Outcome | None:
        """How the job ended; None while it has not, or when it is gone."""
        from kfrun.cli import rows

        key = self._job.key
        found = self._store.find(key.kind, key.namespace, key.name)
        if found is None or found.uid != self._job.uid:
            return None
        return rows.outcome_of(self._store, found, self._store.run(found.uid))

    def say_end(self, outcome: Outcome) -> None:
        """The last line: how it ended and how long it took."""
        word = "Complete" if outcome.succeeded else "Failed"
        seconds = time.monotonic() - self._started
        message = outcome.message or outcome.reason
        click.echo(f"{self._job.key.name}: {word} after {seconds:.1f} s: {_first_line(message)}", err=True)

    def _say_unread(self) -> None:
        if self.outcome() is not None:
            return
        name, namespace = self._job.key.name, self._job.key.namespace
        place = "" if namespace == "default" else f" -n {namespace}"
        again, stop = f"kfrun logs -f {name}{place}", f"kfrun delete {name}{place}"
        click.echo(f"nobody reads the output any more: {name} goes on; {again} shows it, {stop} stops it", err=True)

    def _pause(self) -> None:
        sys.stdout.buffer.flush()
        self._tell()
        time.sleep(_LOOK_SECONDS)

    def _tell(self) -> None:
        """Events of the TrainJob itself, what the installer says, and why a container could not be started."""
        for number, event in self._store.events(owner=self._job.uid, after=self._told):
            self._told = number
            if event.object.kind == "TrainJob" or (event.type == "Warning" and event.object.kind == "Pod"):
                # Further lines are the installer's last ones, which were shown as they came.
                self._tell_installation()
                self._say(_first_line(event.message), event.object.name)
        self._tell_installation()

    def _tell_installation(self) -> None:
        run = self._store.run(self._job.uid) if self._installer is None else None
        if run is not None:
            try:
                path = Path(run.folder, "environment.log")
                self._installer = path.open(encoding="utf-8", errors="replace")
            except OSError:
                return
        if self._installer is not None:
            for line in self._installer:
                self._say(line.rstrip(), self._job.key.name)

    def _say(self, text: str, name: str) -> None:
        from kfrun.report.table import clean

        click.echo(f"{name}: {clean(text)}", err=True)


def _first_line(message: str) -> str:
    return message.partition("\n")[0].rstrip(":")
