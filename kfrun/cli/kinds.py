"""The kinds that verbs can name, kubectl's way: ``trainjobs``, ``tj``, ``pod/NAME``, ``jobs,pods``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.cli import console
from kfrun.errors import NotFound, UsageProblem
from kfrun.model.kinds import CLUSTER_RUNTIME, NAMESPACED_RUNTIME, RUNTIMES, TRAIN_JOB
from kfrun.model.values import NamedTuple
from kfrun.observe import selection
from kfrun.observe.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def latest(backend: Backend, namespace: str) -> str:
    """The name of the TrainJob that was created last, which is meant where none is named; says which it is.

    Raises:
        NotFound: there is none.
    """
    found = backend.objects(Selection(TRAIN_JOB, namespace))
    if not found:
        raise NotFound(
            f"no job is named, and there is none in namespace {namespace}", "kfrun get trainjobs -A lists all"
        )
    name = max(
        found, key=lambda job: (job.data["metadata"].get("creationTimestamp", ""), job.resource_version)
    ).key.name
    if len(found) > 1:
        console.tell(f"no job is named: this is about {name}, the latest of {len(found)}")
    return name
