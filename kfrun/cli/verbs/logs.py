"""``kfrun logs``: the output of a job's nodes, read back or followed."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kfrun import host
from kfrun.cli import attach, durations, kinds, options
from kfrun.errors import NotFound, Refused, UsageProblem

if TYPE_CHECKING:
    from typing import Any

    from kfrun.model.state import StoredObject
    from kfrun.observe.logs import LogOptions, LogReader
    from kfrun.observe.store import Run, Store


@click.command("logs")
@click.argument("name", shell_complete=kinds.complete_trainjobs)
@options.namespace
@click.option("-f", "--follow", is_flag=True, help="Stay and print what comes, retries included, until the job ends.")
@click.option("--node", "nodes", multiple=True, metavar="NODE", help="Only this node: its index, name or pod.")
@click.option("-c", "--container", "containers", multiple=True, metavar="NAME", help="Only this container.")
@click.option("--tail", type=click.IntRange(min=-1), metavar="N", help="Only the last N lines of each container.")
@click.option("--since", metavar="WHEN", help="Only lines newer than 10m, 1h30m, or an RFC 3339 time.")
@click.option("--timestamps", is_flag=True, help="Begin each line with the time it was written.")
@click.option(
    "--prefix/--no-prefix", default=None, help="Begin each line with its node. Default: where there are several."
)
@click.option("-p", "--previous", is_flag=True, help="The attempt before the latest, or the run that was replaced.")
@click.option("--all-attempts", is_flag=True, help="Every attempt, not only the latest.")
@click.option("--environment", is_flag=True, help="What the installer of the job's packages said instead.")
def command(
    name: str,
    namespace: str | None,
    follow: bool,
    nodes: tuple[str, ...],
    containers: tuple[str, ...],
    tail: int | None,
    since: str | None,
    timestamps: bool,
    prefix: bool | None,
    previous: bool,
    all_attempts: bool,
    environment: bool,
) -> None:
    """Print the output of a job's nodes, in order of time.

    NAME is a TrainJob or pod/NAME. Without further options: the latest attempt of every container. The output
    passes through unchanged, byte by byte. Ctrl-C while following leaves the job alone.
    """
    from kfrun.cli import session
    from kfrun.observe.logs import LogOptions

    if previous and (follow or all_attempts):
        raise UsageProblem("--previous shows what is over: it does not go with --follow or --all-attempts")
    settings = options.load_settings(namespace=namespace)
    chosen = LogOptions(
        nodes=nodes,
        containers=containers,
        attempts="all" if all_attempts else "current",
        tail=None if tail is None or tail < 0 else tail,
        since=durations.parse_since(since, "--since", time.time()) if since else None,
        timestamps=timestamps,
        prefix=prefix,
        colour=options.colors_stdout(settings),
        end_lines=sys.stdout.isatty(),
    )
    with session.open_store(settings) as store:
        job, chosen = _target(store, settings.namespace, name, chosen)
        run = store.run(job.uid)
        if run is None:
            raise NotFound(f"{job.key.name} does not run on this machine: there are no logs")
        show = _Show(store, job, run, chosen)
        show.write(follow=follow, previous=previous, environment=environment)


def _target(store: Store, namespace: str, argument: str, chosen: LogOptions) -> tuple[StoredObject, LogOptions]:
    """The TrainJob whose logs are meant; ``pod/NAME`` narrows them to that pod."""
    from dataclasses import replace

    from kfrun.observe import selection

    word, _, name = argument.rpartition("/")
    if word.lower() not in ("pod", "pods", "po"):
        return kinds.trainjob(store, namespace, argument), chosen
    pod = selection.get(store, "Pod", namespace, name)
    owner = next((job for job in store.objects("TrainJob", namespace) if job.uid == pod.owner), None)
    if owner is None:
        raise selection.missing(store, "Pod", namespace, name)
    return owner, replace(chosen, nodes=(name,), attempts="all")


class _Show:
    """One call of the verb: where to read, what to show, when to stop."""

    def __init__(self, store: Store, job: StoredObject, run: Run, chosen: LogOptions) -> None:
        self._store, self._job, self._run = store, job, run
        self._options = chosen
        self._out = sys.stdout.buffer

    def write(self, *, follow: bool, previous: bool, environment: bool) -> None:
        from kfrun.observe import logs

        folder, chosen = Path(self._run.folder), self._options
        if previous:
            replaced = Path(self._run.previous) if self._run.previous else None
            folder, chosen = logs.previous(folder, replaced, chosen)
        find = (lambda: logs.environment_file(folder)) if environment else None
        if chosen.prefix is None and not environment and not previous:
            chosen = self._with_prefix(chosen)
        host.allow_many_files()
        with logs.LogReader(folder, chosen, self._out.write, find=find) as reader:
            if follow:
                self._follow(reader)
            else:
                reader.backlog()
                reader.finish()
            self._out.flush()
            if not reader.labels:
                self._explain_nothing(folder, environment=environment)

    def _with_prefix(self, chosen: LogOptions) -> LogOptions:
        """Prefixes from the first line on where more nodes are to come."""
        from dataclasses import replace

        jobset = self._store.find("JobSet", self._job.key.namespace, self._job.key.name)
        if jobset is None or chosen.nodes or chosen.containers or _pods_wanted(jobset.data) < 2:
            return chosen
        return replace(chosen, prefix=True)

    def _follow(self, reader: LogReader) -> None:
        from kfrun.observe import logs, watch

        key = self._job.key
        end = watch.RunEnd(self._store, self._job.uid, heal=attach.healer(self._store))
        with attach.detachable(attach.how_to_return("logs -f", key.name, key.namespace)):
            logs.follow(reader, end, pause=self._pause)
        if end.deleted:
            click.echo(f"{key.name} was deleted", err=True)

    def _pause(self, seconds: float) -> None:
        self._out.flush()
        time.sleep(seconds)

    def _explain_nothing(self, folder: Path, *, environment: bool) -> None:
        from kfrun.observe import logfiles, outcome

        name = self._job.key.name
        nodes = list(dict.fromkeys(file.node for file in logfiles.discover(folder)))
        if environment:
            raise NotFound(f"{name} installed nothing: there is no installer's output")
        if nodes:
            asked = ", ".join([*self._options.nodes, *self._options.containers])
            raise NotFound(f"{name} has no logs of {asked}", f"there are {', '.join(nodes)}")
        hint = f"kfrun describe trainjob {name} tells why"
        if (folder / "environment.log").exists():
            hint = f"kfrun logs --environment {name} shows the installer's output"
        elif not outcome.is_finished(self._job.data):
            hint = f"kfrun logs -f {name} waits for it"
        raise Refused(f"no container of {name} has started", hint)


def _pods_wanted(jobset: dict[str, Any]) -> int:
    """How many containers a JobSet runs at once when all its pods are up."""
    total = 0
    for group in jobset.get("spec", {}).get("replicatedJobs", ()):
        job = group.get("template", {}).get("spec", {})
        containers = job.get("template", {}).get("spec", {}).get("containers", ())
        total += group.get("replicas", 1) * job.get("parallelism", 1) * max(1, len(containers))
    return total
