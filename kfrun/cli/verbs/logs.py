"""``kfrun logs``: the output of a job's nodes, read back or followed."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from kfrun import host
from kfrun.cli import attach, console, durations, kinds, options
from kfrun.cli.query import JOBS, Crowd
from kfrun.errors import NotFound, Refused, Unavailable, UsageProblem
from kfrun.model.kinds import TRAIN_JOB
from kfrun.model.state import is_finished
from kfrun.model.values import replace
from kfrun.observe import logs
from kfrun.observe.logs import LogOptions, LogReader
from kfrun.observe.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.execute.backend import Backend
    from kfrun.model.state import StoredObject
    from kfrun.observe.logtexts import JobLogs, LogSource

_SELECTED_LINES = 10
"""``--tail`` of what is chosen by labels, as kubectl has it."""
_LOOK_SECONDS = 0.02


@options.verb("logs")
@click.argument("names", nargs=-1, metavar="[[TYPE] NAME]", shell_complete=options.complete("trainjobs"))
@options.namespace
@options.selector
@click.option("-f", "--follow", is_flag=True, help="Stay and print what comes, retries included, until the job ends.")
@click.option(
    "--node", "nodes", multiple=True, metavar="NODE", shell_complete=options.complete("nodes"),
    help="Only this node: its index, name or pod.",
)  # fmt: skip
@click.option("-c", "--container", "containers", multiple=True, metavar="NAME", help="Only this container.")
@click.option(
    "--tail", type=click.IntRange(min=-1), metavar="N", help="Only the last N lines of each container; -1 for all."
)
@click.option("--since", metavar="WHEN", help="Only lines newer than 10m, 1h30m, or an RFC 3339 time.")
@click.option("--timestamps", is_flag=True, help="Begin each line with the time it was written.")
@click.option(
    "--prefix/--no-prefix", default=None, help="Begin each line with its node. Default: where there are several."
)
@click.option("-p", "--previous", is_flag=True, help="The attempt before the latest, or the run that was replaced.")
@click.option(
    "--run", "number", type=click.IntRange(min=1), metavar="N",
    help="Of that run of the job; kfrun describe lists those that are kept.",
)  # fmt: skip
@click.option("--all-attempts", is_flag=True, help="Every attempt, not only the latest.")
@click.option("--environment", is_flag=True, help="What the installer of the job's packages said instead.")
def command(
    names: tuple[str, ...],
    namespace: str | None,
    selector: str | None,
    follow: bool,
    nodes: tuple[str, ...],
    containers: tuple[str, ...],
    tail: int | None,
    since: str | None,
    timestamps: bool,
    prefix: bool | None,
    previous: bool,
    number: int | None,
    all_attempts: bool,
    environment: bool,
) -> None:
    """Print the output of a job's nodes, in order of time.

    NAME is a TrainJob, pod/NAME or job/NAME; the latest job where it is left out. Without further options: the latest
    attempt of every container. The output passes through unchanged, byte by byte. Ctrl-C while following leaves the job
    alone.

    With -l LABELS, of all TrainJobs that have them, or of all such pods where no TrainJob does: the last 10 lines of
    each container where --tail says nothing else, with job and node before them where there are several jobs.
    """
    if previous and (follow or all_attempts):
        raise UsageProblem("--previous shows what is over: it does not go with --follow or --all-attempts")
    settings, crowd = options.load_settings(namespace=namespace), Crowd(selector)
    chosen = LogOptions(
        nodes=nodes,
        containers=containers,
        attempts="all" if all_attempts else "current",
        tail=None if tail is None or tail < 0 else tail,
        since=durations.parse_since(since, "--since", time.time()) if since else None,
        timestamps=timestamps,
        prefix=prefix,
        colour=options.colors_stdout(settings),
        terminal=sys.stdout.isatty(),
    )
    with options.backend(settings) as backend:
        if crowd.is_meant(names):
            chosen = replace(chosen, tail=_SELECTED_LINES) if tail is None else chosen
            jobs, chosen = _selected(backend, settings.namespace, crowd, chosen)
        else:
            name = kinds.one(names) or kinds.latest(backend, settings.namespace)
            jobs, chosen = _target(backend, settings.namespace, name, chosen)
        if jobs:
            show = _Show if len(jobs) == 1 else _ShowSeveral
            show(backend, jobs, chosen, number or 0).write(follow=follow, previous=previous, environment=environment)


def _selected(
    backend: Backend, namespace: str, crowd: Crowd, chosen: LogOptions
) -> tuple[list[StoredObject], LogOptions]:
    """The TrainJobs with the labels, or those that the pods with the labels belong to, narrowed to these."""
    found = crowd.jobs(backend, namespace)
    if found:
        return found, chosen
    pods = crowd.query([kinds.Target(("Pod",), None)], namespace).read(backend)
    if not pods:
        options.tell(crowd.query([JOBS], namespace).nothing())
    owners = {pod.owner for pod in pods}
    owned = [job for job in backend.objects(Selection(TRAIN_JOB, namespace)) if job.uid in owners]
    nodes = chosen.nodes or tuple(pod.key.name for pod in pods)
    return owned, replace(chosen, nodes=nodes)


def _target(
    backend: Backend, namespace: str, argument: str, chosen: LogOptions
) -> tuple[list[StoredObject], LogOptions]:
    """The TrainJob whose logs are meant; ``pod/NAME`` and ``job/NAME`` narrow them to that pod, or those pods."""
    word, slash, name = argument.rpartition("/")
    kind, job = kinds.kinds_of(word)[0] if slash else TRAIN_JOB, kinds.trainjob(backend, namespace, argument)
    if kind == "Pod":
        return [job], replace(chosen, nodes=(name,), attempts="all")
    if kind == "Job" and not chosen.nodes:
        return [job], replace(chosen, nodes=(name,))
    return [job], chosen


class _Show:
    """One call of the verb: where to read, what to show, when to stop."""

    def __init__(self, backend: Backend, jobs: Sequence[StoredObject], chosen: LogOptions, number: int) -> None:
        self._backend, self._job, self._number = backend, jobs[0], number
        self._logs: JobLogs = self._find(jobs)
        self._options = chosen
        self._out = sys.stdout.buffer

    def _find(self, jobs: Sequence[StoredObject]) -> JobLogs:
        return self._backend.logs(jobs[0], self._number)

    def write(self, *, follow: bool, previous: bool, environment: bool) -> None:
        source, chosen = self._logs.installer() if environment else self._logs.run(), self._options
        if previous:
            source, chosen = logs.previous(self._logs, chosen)
        if chosen.prefix is None and not environment and not previous:
            chosen = self._with_prefix(chosen)
        host.allow_many_files()
        with LogReader(source, chosen, self._out.write) as reader:
            if follow:
                self._follow(reader, with_installer=not environment and not previous)
            else:
                reader.backlog()
                reader.finish()
            self._out.flush()
            self._tell_damage(reader)
            if not reader.labels:
                self._explain_nothing(source, environment=environment)

    def _tell_damage(self, reader: LogReader) -> None:
        for text in reader.damaged:
            options.tell(f"warning: {text}")
        if reader.unreadable:
            raise Unavailable(
                "; ".join(reader.unreadable), "something was put in its place; move it away, what was written is lost"
            )

    def _with_prefix(self, chosen: LogOptions) -> LogOptions:
        """Prefixes from the first line on where more nodes are to come."""
        jobset = self._backend.find("JobSet", self._job.key.namespace, self._job.key.name)
        if jobset is None or chosen.nodes or chosen.containers or logs.containers(jobset.data) < 2:
            return chosen
        return replace(chosen, prefix=True)

    def _follow(self, reader: LogReader, *, with_installer: bool) -> None:
        key = self._job.key
        if with_installer and not is_finished(self._job.data) and not self._has_spoken():
            self._follow_installer()
        with attach.detachable(*attach.how_to_return("logs -f", key.name, key.namespace)):
            logs.follow(reader, self._logs.ended, pause=self._pause)
        if self._logs.deleted:
            options.tell(f"{key.name} was deleted")

    def _has_spoken(self) -> bool:
        return bool(logs.select(self._logs.run().files(), self._options))

    def _follow_installer(self) -> None:
        """Tell on standard error what the installer says, until the job has something to say."""
        from kfrun.flow.follower.installation import Installation

        key, live = self._job.key, console.live if console.has_live_line() else None
        installation = Installation(self._backend, self._job, self._logs, tell=options.tell, live=live)
        with attach.detachable(*attach.how_to_return("logs -f", key.name, key.namespace)):
            try:
                while not self._logs.ended() and not self._has_spoken():
                    installation.look()
                    self._pause(_LOOK_SECONDS)
                installation.look(final=True)
                if not self._has_spoken():
                    installation.tell_kept()
            finally:
                installation.close()

    def _pause(self, seconds: float) -> None:
        self._out.flush()
        from kfrun.flow.follower import pause

        pause(self._backend, self._logs, self._job, seconds)

    def _explain_nothing(self, source: LogSource, *, environment: bool) -> None:
        name = self._job.key.name
        if environment:
            raise NotFound(f"{name} installed nothing: there is no installer's output")
        nodes = list(dict.fromkeys(file.node for file in source.files()))
        if nodes:
            asked = ", ".join([*self._options.nodes, *self._options.containers])
            raise NotFound(f"{name} has no logs of {asked}", f"there are {', '.join(nodes)}")
        if self._number:
            raise NotFound(
                f"there are no logs of run {self._number} of {name}", f"kfrun describe {name} lists its runs"
            )
        hint = f"kfrun describe trainjob {name} tells why"
        if self._logs.installer().files():
            hint = f"kfrun logs --environment {name} shows the installer's output"
        elif not is_finished(self._job.data):
            hint = f"kfrun logs -f {name} waits for it"
        raise Refused(f"no container of {name} has started", hint)


class _ShowSeveral(_Show):
    """The same of several jobs, each with its name before its nodes."""

    def __init__(self, backend: Backend, jobs: Sequence[StoredObject], chosen: LogOptions, number: int) -> None:
        chosen = replace(chosen, prefix=True) if chosen.prefix is None else chosen
        self._jobs = jobs
        super().__init__(backend, jobs, chosen, number)

    def _find(self, jobs: Sequence[StoredObject]) -> JobLogs:
        from kfrun.observe.jointlogs import JointLogs

        found = {}
        for job in jobs:
            try:
                found[job.key.name] = self._backend.logs(job, self._number)
            except NotFound as error:
                options.tell(f"{job.key.name}: {error.message}")
        if not found:
            raise NotFound(f"there are no logs of {', '.join(job.key.name for job in jobs)}")
        self._jobs = [job for job in jobs if job.key.name in found]
        self._job = self._jobs[0]
        return JointLogs(found)

    def write(self, *, follow: bool, previous: bool, environment: bool) -> None:
        if not previous or len(self._jobs) == 1:
            super().write(follow=follow, previous=previous, environment=environment)
            return
        missing = 0
        for job in self._jobs:
            try:
                _ShowSeveral(self._backend, [job], self._options, self._number).write(
                    follow=False, previous=True, environment=environment
                )
            except NotFound as error:
                options.tell(f"{job.key.name}: {error.message}")
                missing += 1
        if missing == len(self._jobs):
            raise NotFound(f"there are no previous logs of {', '.join(job.key.name for job in self._jobs)}")

    def _follow(self, reader: LogReader, *, with_installer: bool) -> None:
        from kfrun.flow.follower.installation import Installation

        active = [job for job in self._jobs if with_installer and not is_finished(job.data)]
        watched = [
            Installation(self._backend, job, self._backend.logs(job), tell=options.tell, live=None) for job in active
        ]

        def pause(seconds: float) -> None:
            for installation in watched:
                installation.look()
            self._pause(seconds)

        with attach.detachable("detached: the jobs go on"):
            try:
                logs.follow(reader, self._logs.ended, pause=pause)
                for installation in watched:
                    installation.look(final=True)
            finally:
                for installation in watched:
                    installation.close()

    def _explain_nothing(self, source: LogSource, *, environment: bool) -> None:
        there = (
            "is no installer's output" if environment else "are no such logs" if source.files() else "are no logs yet"
        )
        raise NotFound(f"there {there} of {', '.join(job.key.name for job in self._jobs)}")
