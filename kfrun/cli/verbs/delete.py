"""``kfrun delete``: stops jobs and removes everything of them; removes stored runtimes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kfrun.cli import attach, durations, inputs, kinds, options
from kfrun.errors import NotFound, UsageProblem, WaitTimeout

if TYPE_CHECKING:
    from kfrun.cli.options import Values
    from kfrun.model.source import ObjectKey
    from kfrun.observe.store import Store
    from kfrun.settings import Settings

_DELETABLE = ("TrainJob", "ClusterTrainingRuntime", "TrainingRuntime")


@click.command("delete")
@click.argument("targets", nargs=-1, metavar="[TYPE] NAME... | TYPE/NAME...", shell_complete=kinds.complete_targets)
@click.option("-f", "--filename", "filenames", multiple=True, metavar="FILE", help="Delete what these manifests name.")
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
    from kfrun.cli import session
    from kfrun.execute.local import supervisors

    if bool(targets) + bool(filenames) + everything != 1:
        raise UsageProblem("say what to delete: names, or -f FILE, or --all", "kfrun delete --help tells more")
    if any(values) and not filenames:
        raise UsageProblem("values are for the templates of -f, and no file was named", "give -f FILE beside them")
    settings = options.load_settings(namespace=namespace)
    seconds = durations.parse_duration(timeout, "--timeout") if timeout else None
    with session.open_store(settings) as store:
        if filenames:
            documents = inputs.read(filenames, recursive=recursive, settings=settings, values=values)
            wanted = [document.key for document in documents]
        else:
            wanted = _wanted(store, settings, targets, everything=everything)
        supervisors.sweep(store, settings.namespace)
        waiting = _delete(store, wanted, ignore_not_found=ignore_not_found, now=now)
        if wait:
            _await(store, waiting, seconds)


def _wanted(store: Store, settings: Settings, targets: tuple[str, ...], *, everything: bool) -> list[ObjectKey]:
    from kfrun.model.source import ObjectKey

    if everything:
        return [job.key for job in store.objects("TrainJob", settings.namespace)]
    is_kind = targets[0].lower() in kinds.KINDS
    if len(targets) == 1 and is_kind and store.find("TrainJob", settings.namespace, targets[0]) is None:
        raise UsageProblem(f"which {targets[0]}? name one", "kfrun delete --all removes every TrainJob")
    if "/" not in targets[0] and (len(targets) == 1 or not is_kind):
        targets = ("trainjob", *targets)
    keys = []
    for target in kinds.parse(targets):
        kind = _stored_kind(store, target, settings.namespace)
        scope = "" if kind == "ClusterTrainingRuntime" else settings.namespace
        keys.append(ObjectKey("trainer.kubeflow.org/v1alpha1", kind, scope, target.name or ""))
    return keys


def _stored_kind(store: Store, target: kinds.Target, namespace: str) -> str:
    """The kind that is meant: for ``runtime/NAME`` the one that is stored."""
    allowed = [kind for kind in target.kinds if kind in _DELETABLE]
    if not allowed:
        raise UsageProblem(f"{target.kinds[0]} objects belong to their TrainJob", "delete the TrainJob")
    for kind in allowed:
        if store.find(kind, "" if kind == "ClusterTrainingRuntime" else namespace, target.name or ""):
            return kind
    return allowed[0]


def _delete(store: Store, keys: list[ObjectKey], *, ignore_not_found: bool, now: bool) -> list[tuple[ObjectKey, str]]:
    """Ask for every deletion at once, so that all jobs stop in parallel; returns those to wait for."""
    from kfrun.execute.local import creation
    from kfrun.observe import selection

    missing, waiting = [], []
    for key in keys:
        found = store.find(key.kind, key.namespace, key.name)
        if found is None:
            missing.append(selection.missing(store, key.kind, key.namespace, key.name))
        elif key.kind == "TrainJob":
            creation.request(store, key, "delete", now=now, uid=found.uid)
            waiting.append((key, found.uid))
        else:
            store.delete(key.kind, key.namespace, key.name)
            click.echo(f'{_resource(key)} "{key.name}" deleted')
    if missing and not ignore_not_found:
        _await(store, waiting, None)
        raise missing[0] if len(missing) == 1 else NotFound("; ".join(error.message for error in missing))
    return waiting


def _await(store: Store, waiting: list[tuple[ObjectKey, str]], timeout: float | None) -> None:
    from kfrun.observe import watch

    for key, uid in waiting:
        with attach.detachable(f"{key.name} is being deleted; kfrun wait {key.name} --for=delete waits for it"):
            gone = watch.wait(
                store,
                lambda uid=uid: True if store.run(uid) is None else None,  # type: ignore[misc]
                timeout=timeout,
                heal=attach.healer(store),
            )
        if gone is None:
            raise WaitTimeout(
                f"{key.name} is not gone after {timeout:g} s; the deletion goes on", "--now kills at once"
            )
        click.echo(f'{_resource(key)} "{key.name}" deleted')


def _resource(key: ObjectKey) -> str:
    return key.resource.partition("/")[0]
