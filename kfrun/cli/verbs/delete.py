"""``kfrun delete``: stops jobs and removes everything of them; removes other objects that are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kfrun.cli import attach, durations, kinds, options, switches
from kfrun.cli.query import JOBS
from kfrun.errors import KfrunError, NotFound, UsageProblem, WaitTimeout
from kfrun.flow.objects import shipped
from kfrun.flow.waits import Waits
from kfrun.model.kinds import API_VERSION, CLAIM, CLUSTER_RUNTIME, CLUSTER_SCOPED, TRAIN_JOB, api_version
from kfrun.model.source import ObjectKey
from kfrun.model.values import NamedTuple
from kfrun.model.wishes import Wishes
from kfrun.observe import claims, selection
from kfrun.observe.selection import Selection
from kfrun.terminal import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.cli.query import Crowd
    from kfrun.execute.backend import Backend
    from kfrun.model.state import StoredObject
    from kfrun.model.wishes import Values
    from kfrun.settings import Settings


class _Verb(switches.Verb):
    """A command whose ``--dry-run`` has a value behind ``=`` only, or none, as kubectl's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, with the value written out."""
        return super().parse_args(ctx, ["--dry-run=client" if arg == "--dry-run" else arg for arg in args])


class _How(NamedTuple):
    """How to delete; ``grace`` None for the grace period of each job's own."""

    grace: float | None
    is_forced: bool
    is_dry: bool
    ignore_not_found: bool

    def say(self, key: ObjectKey) -> None:
        """Tell that an object is gone."""
        word = "force deleted" if self.is_forced else "deleted"
        options.say(f'{key.resource.partition("/")[0]} "{key.name}" {word}{" (dry run)" if self.is_dry else ""}')


@options.verb("delete", made_of=_Verb)
@click.argument(
    "targets", nargs=-1, metavar="[TYPE] NAME... | TYPE/NAME...", shell_complete=options.complete("jobs_or_types")
)
@click.option(
    "-f", "--filename", "filenames", multiple=True, metavar="FILE", shell_complete=options.complete("files"),
    help="Delete what these manifests name.",
)  # fmt: skip
@click.option("-R", "--recursive", is_flag=True, help="Read the folders below a folder too.")
@options.made
@options.exclude
@options.skip_other_kinds
@options.values
@options.namespace
@options.crowd("All TrainJobs of the namespace, or all objects of TYPE.")
@click.option("--ignore-not-found", is_flag=True, help="What is not there is no error.")
@click.option("--now", is_flag=True, help="Do not wait for the grace period: SIGKILL at once.")
@click.option(
    "--grace-period", type=click.IntRange(min=-1), default=-1, metavar="SECONDS",
    help="Time to end between SIGTERM and SIGKILL; -1 for that of the manifest. 0 needs --force.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="As --now; with --grace-period=0, as kubectl spells it.")
@click.option(
    "--dry-run", type=click.Choice(["none", "client"]), default="none", metavar="[=client]",
    help="Say what would be deleted, and delete nothing.",
)  # fmt: skip
@click.option("--wait/--no-wait", default=True, help="Return when they are gone (default), or at once.")
@click.option("--timeout", metavar="DURATION", help="Exit 124 when the time is up; the deletion goes on.")
def command(
    targets: tuple[str, ...],
    filenames: tuple[str, ...],
    recursive: bool,
    exclude: tuple[str, ...] | None,
    skip_other_kinds: bool,
    values: Values,
    namespace: str | None,
    crowd: Crowd,
    wait: bool,
    timeout: str | None,
    **how: Any,
) -> None:
    """Stop jobs and remove them with their logs and environments of their own; remove what else is stored.

    Jobs get SIGTERM first, and SIGKILL after their grace period. NAME alone is a TrainJob.
    """
    chosen = crowd.is_meant(())
    if not (targets or filenames or chosen):
        raise UsageProblem(
            "say what to delete: names, or -f FILE, or -l LABELS, or --all", "kfrun delete --help tells more"
        )
    if filenames and (targets or chosen):
        raise UsageProblem("-f FILE says what to delete: names, -l and --all do not go with it", "leave one out")
    if any(values) and not filenames:
        raise UsageProblem("values are for the templates of -f, and no file was named", "give -f FILE beside them")
    manner = _how(**how)
    if (exclude or skip_other_kinds) and not filenames:
        flag = "--exclude" if exclude else "--skip-other-kinds"
        raise UsageProblem(f"{flag} is for the manifests of -f, and no file was named", "give -f FILE beside it")
    settings = options.load_settings(namespace=namespace, exclude=exclude)
    seconds = durations.parse_duration(timeout, "--timeout") if timeout else None
    with options.backend(settings) as backend:
        if filenames:
            from kfrun.flow import documents

            options.listen()
            wishes = Wishes(filenames, recursive, values=values, skip_other_kinds=skip_other_kinds)
            found = documents.read(wishes, settings)
            wanted = [document.key for document in found]
        elif chosen:
            wanted = _chosen(backend, settings, targets, crowd)
        else:
            wanted = _wanted(backend, settings, targets)
        if not manner.is_dry:
            backend.tidy(settings.namespace)
        waiting = _delete(backend, wanted, manner)
        if wait:
            _await(backend, waiting, seconds, manner)


def _how(*, now: bool, grace_period: int, force: bool, dry_run: str, ignore_not_found: bool) -> _How:
    """What kubectl's switches come to.

    Raises:
        UsageProblem: they contradict each other.
    """
    if now and grace_period >= 0:
        raise UsageProblem("--now and --grace-period cannot be specified together", "leave one of them out")
    if force and grace_period > 0:
        raise UsageProblem(
            "--force and --grace-period greater than 0 cannot be specified together", "leave one of them out"
        )
    grace = None if grace_period < 0 else float(grace_period)
    if grace == 0 and not force:
        # as kubectl has it: 0 by mistake is the shortest time that is one
        grace = 1.0
    return _How(0.0 if now or force else grace, force, dry_run == "client", ignore_not_found)


def _chosen(backend: Backend, settings: Settings, targets: tuple[str, ...], crowd: Crowd) -> list[ObjectKey]:
    """What is stored of the types, by labels or all of it; TrainJobs where no type is named."""
    types = kinds.parse(targets) if targets else [JOBS]
    crowd.refuse([target.name for target in types])
    allowed = [_deletable(target) for target in types]
    query = crowd.query([kinds.Target(tuple(kind), None) for kind in allowed], settings.namespace)
    found = [item.key for item in query.read(backend) if item.uid]
    if not found:
        options.tell(query.nothing())
    return found


def _wanted(backend: Backend, settings: Settings, targets: tuple[str, ...]) -> list[ObjectKey]:
    if named := next((name for name in targets if name.endswith((".yaml", ".yml", ".json", ".j2"))), None):
        way = f"kfrun delete -f {quoted(named)} deletes what a manifest names"
        raise UsageProblem(f"{named} is a file, and delete takes names", way)
    is_kind = all(word.lower() in kinds.KINDS for word in targets[0].split(","))
    if len(targets) == 1 and is_kind and backend.find(TRAIN_JOB, settings.namespace, targets[0]) is None:
        raise UsageProblem(
            f"which {targets[0]}? name one, or say -l LABELS or --all",
            f"kfrun delete {targets[0]} --all removes every one of them",
        )
    if not any("/" in target for target in targets) and (len(targets) == 1 or not is_kind):
        targets = ("trainjob", *targets)
    return [_key(backend, target, settings.namespace) for target in kinds.parse(targets)]


def _deletable(target: kinds.Target) -> list[str]:
    """The kinds that can be deleted of those that are asked for.

    Raises:
        UsageProblem: none of them can.
    """
    allowed = [kind for kind in target.kinds if api_version(kind)]
    if not allowed:
        raise UsageProblem(f"{target.kinds[0]} objects belong to their TrainJob", "delete the TrainJob")
    return allowed


def _key(backend: Backend, target: kinds.Target, namespace: str) -> ObjectKey:
    """What is meant: for ``runtime/NAME`` the one that is stored."""
    keys = [
        ObjectKey(api_version(kind) or "", kind, "" if kind in CLUSTER_SCOPED else namespace, target.name or "")
        for kind in _deletable(target)
    ]
    return next((key for key in keys if backend.find(*key[1:])), keys[0])


def _delete(backend: Backend, keys: Sequence[ObjectKey], how: _How) -> list[tuple[ObjectKey, str]]:
    """Ask for every deletion at once, so that all jobs stop in parallel; returns those to wait for."""
    missing: list[KfrunError] = []
    waiting, place = [], shipped.around(backend, [key.kind for key in keys])
    kept = _kept(backend, keys)
    for key in keys:
        found = backend.find(*key[1:])
        if found is None and key in kept:
            continue
        if found is None:
            missing.append(shipped.refusal(key) or selection.missing(place, *key[1:]))
        elif how.is_dry:
            how.say(key)
        else:
            backend.wish(key, "delete", grace=how.grace, uid=found.uid)
            if key.kind == TRAIN_JOB or _is_used(backend, key):
                waiting.append((key, found.uid))
            else:
                how.say(key)
    if missing and not how.ignore_not_found:
        _await(backend, waiting, None, how)
        raise missing[0] if len(missing) == 1 else NotFound("; ".join(error.message for error in missing))
    return waiting


def _is_used(backend: Backend, key: ObjectKey) -> bool:
    """Whether it stays until those who use it have ended; says so."""
    if key.kind != CLAIM or backend.find(*key[1:]) is None:
        return False
    pods = claims.users(backend.objects(Selection("Pod", key.namespace)), key.name)
    options.tell(f"{key.resource} is used by {', '.join(f'pod/{name}' for name in pods)}: it goes when they have ended")
    return True


def _kept(backend: Backend, keys: Sequence[ObjectKey]) -> set[ObjectKey]:
    """The runtimes of the jobs among ``keys``: ``run`` keeps them with these and stores them nowhere else."""
    jobs = [job for key in keys if key.kind == TRAIN_JOB and (job := backend.find(*key[1:])) is not None]
    return {_runtime_of(job) for job in jobs}


def _runtime_of(job: StoredObject) -> ObjectKey:
    reference = job.data["spec"]["runtimeRef"]
    kind = reference.get("kind") or CLUSTER_RUNTIME
    return ObjectKey(API_VERSION, kind, "" if kind in CLUSTER_SCOPED else job.key.namespace, reference["name"])


def _await(backend: Backend, waiting: list[tuple[ObjectKey, str]], timeout: float | None, how: _How) -> None:
    for key, uid in waiting:
        flag = attach.namespace_flag(key.namespace)
        way = f"kfrun {'wait' if key.kind == TRAIN_JOB else 'get'} {key.resource}{flag}"
        way = f"{way} --for=delete waits for it" if key.kind == TRAIN_JOB else f"{way} tells whether it is gone"
        with attach.detachable(f"{key.name} is being deleted; {way}"):
            is_gone = Waits(backend, timeout).gone(key, uid)
        if not is_gone:
            raise WaitTimeout(
                f"{key.name} is not gone after {timeout:g} s; the deletion goes on",
                "--now kills at once" if key.kind == TRAIN_JOB else "it goes when the pods that use it have ended",
            )
        how.say(key)
