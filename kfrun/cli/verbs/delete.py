"""``kfrun delete``: stops jobs and removes everything of them; removes stored runtimes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kfrun.cli import attach, durations, kinds, options
from kfrun.errors import NotFound, UsageProblem, WaitTimeout
from kfrun.flow.waits import Waits
from kfrun.model.kinds import API_VERSION, CLUSTER_SCOPED, TRAIN_JOB, TRAINER_KINDS
from kfrun.model.source import ObjectKey
from kfrun.model.wishes import Wishes
from kfrun.observe import selection
from kfrun.observe.selection import Selection
from kfrun.terminal import quoted

if TYPE_CHECKING:
    from kfrun.execute.backend import Backend
    from kfrun.model.wishes import Values
    from kfrun.settings import Settings


@options.verb("delete")
@click.argument(
    "targets", nargs=-1, metavar="[TYPE] NAME... | TYPE/NAME...", shell_complete=options.complete("jobs_or_types")
)
@click.option(
    "-f", "--filename", "filenames", multiple=True, metavar="FILE", shell_complete=options.complete("files"),
    help="Delete what these manifests name.",
)  # fmt: skip
@click.option("-R", "--recursive", is_flag=True, help="Read the folders below a folder too.")
@options.values
@options.namespace
@click.option("--all", "everything", is_flag=True, help="All TrainJobs of the namespace.")
@click.option("--ignore-not-found", is_flag=True, help="What is not there is no error.")
@click.option("--now", is_flag=True, help="Do not wait for the grace period: SIGKILL at once.")
@click.option("--wait/--no-wait", default=True, help="Return when they are gone (default), or at once.")
@click.option("--timeout", metavar="DURATION", help="Exit 124 when the time is up; the deletion goes on.")
def command(
    targets: tuple[str, ...],
    filenames: tuple[str, ...],
    recursive: bool,
    values: Values,
    namespace: str | None,
    everything: bool,
    ignore_not_found: bool,
    now: bool,
    wait: bool,
    timeout: str | None,
) -> None:
    """Stop jobs and remove them with their logs and environments of their own; remove stored runtimes.

    Jobs get SIGTERM first, and SIGKILL after their grace period. NAME alone is a TrainJob.
    """
    if bool(targets) + bool(filenames) + everything != 1:
        raise UsageProblem("say what to delete: names, or -f FILE, or --all", "kfrun delete --help tells more")
    if any(values) and not filenames:
        raise UsageProblem("values are for the templates of -f, and no file was named", "give -f FILE beside them")
    settings = options.load_settings(namespace=namespace)
    seconds = durations.parse_duration(timeout, "--timeout") if timeout else None
    with options.backend(settings) as backend:
        if filenames:
            from kfrun.flow import documents

            found = documents.read(Wishes(filenames, recursive, values=values), settings)
            wanted = [document.key for document in found]
        else:
            wanted = _wanted(backend, settings, targets, everything=everything)
        backend.tidy(settings.namespace)
        waiting = _delete(backend, wanted, ignore_not_found=ignore_not_found, now=now)
        if wait:
            _await(backend, waiting, seconds)


def _wanted(backend: Backend, settings: Settings, targets: tuple[str, ...], *, everything: bool) -> list[ObjectKey]:
    if named := next((name for name in targets if name.endswith((".yaml", ".yml", ".json", ".j2"))), None):
        way = f"kfrun delete -f {quoted(named)} deletes what a manifest names"
        raise UsageProblem(f"{named} is a file, and delete takes names", way)
    if everything:
        return [job.key for job in backend.objects(Selection(TRAIN_JOB, settings.namespace))]
    is_kind = targets[0].lower() in kinds.KINDS
    if len(targets) == 1 and is_kind and backend.find(TRAIN_JOB, settings.namespace, targets[0]) is None:
        raise UsageProblem(f"which {targets[0]}? name one", "kfrun delete --all removes every TrainJob")
    if "/" not in targets[0] and (len(targets) == 1 or not is_kind):
        targets = ("trainjob", *targets)
    return [_key(backend, target, settings.namespace) for target in kinds.parse(targets)]


def _key(backend: Backend, target: kinds.Target, namespace: str) -> ObjectKey:
    """What is meant: for ``runtime/NAME`` the one that is stored."""
    allowed = [kind for kind in target.kinds if kind in TRAINER_KINDS]
    if not allowed:
        raise UsageProblem(f"{target.kinds[0]} objects belong to their TrainJob", "delete the TrainJob")
    keys = [
        ObjectKey(API_VERSION, kind, "" if kind in CLUSTER_SCOPED else namespace, target.name or "") for kind in allowed
    ]
    return next((key for key in keys if backend.find(*key[1:])), keys[0])


def _delete(
    backend: Backend, keys: list[ObjectKey], *, ignore_not_found: bool, now: bool
) -> list[tuple[ObjectKey, str]]:
    """Ask for every deletion at once, so that all jobs stop in parallel; returns those to wait for."""
    missing, waiting = [], []
    for key in keys:
        found = backend.find(*key[1:])
        if found is None:
            missing.append(selection.missing(backend, *key[1:]))
            continue
        backend.wish(key, "delete", now=now, uid=found.uid)
        if key.kind == TRAIN_JOB:
            waiting.append((key, found.uid))
        else:
            options.say(f'{_resource(key)} "{key.name}" deleted')
    if missing and not ignore_not_found:
        _await(backend, waiting, None)
        raise missing[0] if len(missing) == 1 else NotFound("; ".join(error.message for error in missing))
    return waiting


def _await(backend: Backend, waiting: list[tuple[ObjectKey, str]], timeout: float | None) -> None:
    for key, uid in waiting:
        with attach.detachable(f"{key.name} is being deleted; kfrun wait {key.name} --for=delete waits for it"):
            is_gone = Waits(backend, timeout).gone(key, uid)
        if not is_gone:
            raise WaitTimeout(
                f"{key.name} is not gone after {timeout:g} s; the deletion goes on", "--now kills at once"
            )
        options.say(f'{_resource(key)} "{key.name}" deleted')


def _resource(key: ObjectKey) -> str:
    return key.resource.partition("/")[0]
