"""The kinds that verbs can name, kubectl's way: ``trainjobs``, ``tj``, ``pod/NAME``, ``jobs,pods``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.cli import options
from kfrun.errors import KfrunError, UsageProblem
from kfrun.model.kinds import CLUSTER_RUNTIME, NAMESPACED_RUNTIME, RUNTIMES, TRAIN_JOB
from kfrun.model.values import NamedTuple
from kfrun.observe import selection
from kfrun.observe.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click

    from kfrun.execute.backend import Backend
    from kfrun.model.state import StoredObject

_WORDS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("trainjobs", "trainjob", "tj", "trainjobs.trainer.kubeflow.org", "trainjob.trainer.kubeflow.org"): (TRAIN_JOB,),
    ("runtimes", "runtime"): RUNTIMES,
    (
        "clustertrainingruntimes", "clustertrainingruntime", "ctr",
        "clustertrainingruntimes.trainer.kubeflow.org", "clustertrainingruntime.trainer.kubeflow.org",
    ): (CLUSTER_RUNTIME,),
    (
        "trainingruntimes", "trainingruntime", "tr",
        "trainingruntimes.trainer.kubeflow.org", "trainingruntime.trainer.kubeflow.org",
    ): (NAMESPACED_RUNTIME,),
    ("jobsets", "jobset", "jobsets.jobset.x-k8s.io", "jobset.jobset.x-k8s.io"): ("JobSet",),
    ("jobs", "job", "jobs.batch", "job.batch"): ("Job",),
    ("pods", "pod", "po"): ("Pod",),
    ("events", "event", "ev"): ("Event",),
    ("all",): (TRAIN_JOB, "JobSet", "Job", "Pod"),
}  # fmt: skip
KINDS: dict[str, tuple[str, ...]] = {word: kinds for words, kinds in _WORDS.items() for word in words}
"""Word -> the kinds it stands for."""


class Target(NamedTuple):
    """What an argument asks for: objects of some kinds, one of them by ``name`` or all with None."""

    kinds: tuple[str, ...]
    name: str | None


def parse(arguments: Sequence[str]) -> list[Target]:
    """Read ``TYPE[,TYPE] [NAME…]`` or ``TYPE/NAME…``.

    Raises:
        UsageProblem: an unknown type, or the two forms mixed.
    """
    if any("/" in argument for argument in arguments):
        plain = next((argument for argument in arguments if "/" not in argument), None)
        if plain is not None:
            raise UsageProblem(f'"{plain}" has no type', "write TYPE NAME… or TYPE/NAME…, not both")
        pairs = [argument.split("/", 1) for argument in arguments]
        return [Target(kinds_of(word), name) for word, name in pairs]
    kinds = tuple(dict.fromkeys(kind for word in arguments[0].split(",") for kind in kinds_of(word)))
    names = list(dict.fromkeys(arguments[1:]))
    return [Target(kinds, name) for name in names] or [Target(kinds, None)]


def kinds_of(word: str) -> tuple[str, ...]:
    """The kinds that a word stands for.

    Raises:
        UsageProblem: it stands for none.
    """
    found = KINDS.get(word.lower())
    if found is not None:
        return found
    from difflib import get_close_matches

    near = get_close_matches(word.lower(), KINDS, n=1)
    types = ", ".join(words[0] for words in _WORDS)
    raise UsageProblem(
        f'there is no resource type "{word}"', f'did you mean "{near[0]}"?' if near else f"there are {types}"
    )


def trainjob_name(argument: str) -> str:
    """The name in ``NAME`` or ``trainjob/NAME``.

    Raises:
        UsageProblem: another type is named.
    """
    word, slash, name = argument.rpartition("/")
    if slash and kinds_of(word) != (TRAIN_JOB,):
        raise UsageProblem(f'"{argument}" is no TrainJob', f"write trainjob/{name}, or just {name}")
    return name


def trainjob(backend: Backend, namespace: str, argument: str) -> StoredObject:
    """The stored TrainJob that an argument names.

    Raises:
        NotFound: there is none.
        UsageProblem: the argument names another type.
    """
    return selection.get(backend, TRAIN_JOB, namespace, trainjob_name(argument))


def complete_trainjobs(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Names of stored TrainJobs, for the shell."""
    return _complete_names(ctx, (TRAIN_JOB,), incomplete)


def complete_targets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Types for the first argument, then names of that type, for the shell."""
    given = ctx.params.get(param.name or "") or ()
    if not given:
        return [words[0] for words in _WORDS if words[0].startswith(incomplete)]
    kinds = KINDS.get(given[0].lower(), ())
    return _complete_names(ctx, kinds, incomplete)


def _complete_names(ctx: click.Context, kinds: Sequence[str], incomplete: str) -> list[str]:
    try:
        settings = options.load_settings(namespace=ctx.params.get("namespace"))
        # Pressing Tab must not start anything.
        with options.backend(settings, heal=False) as backend:
            wanted = [Selection(kind, settings.namespace) for kind in kinds]
            found = [item.key.name for one in wanted for item in backend.objects(one)]
    except KfrunError:
        return []
    return sorted({name for name in found if name.startswith(incomplete)})
