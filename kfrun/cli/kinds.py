"""The kinds that verbs can name, kubectl's way: ``trainjobs``, ``tj``, ``pod/NAME``, ``jobs,pods``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.cli import console
from kfrun.errors import NotFound, UsageProblem
from kfrun.model.kinds import CLAIM, CLUSTER_RUNTIME, NAMESPACED_RUNTIME, RUNTIMES, TRAIN_JOB
from kfrun.model.values import NamedTuple
from kfrun.observe import selection
from kfrun.observe.selection import Selection
from kfrun.patterns import pattern

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
    ("jobsets", "jobset", "js", "jobsets.jobset.x-k8s.io", "jobset.jobset.x-k8s.io"): ("JobSet",),
    ("jobs", "job", "jobs.batch", "job.batch"): ("Job",),
    ("pods", "pod", "po"): ("Pod",),
    ("persistentvolumeclaims", "persistentvolumeclaim", "pvc"): (CLAIM,),
    ("events", "event", "ev"): ("Event",),
    ("configmaps", "configmap", "cm"): ("ConfigMap",),
    ("secrets", "secret"): ("Secret",),
    ("all",): (TRAIN_JOB, "JobSet", "Job", "Pod"),
}  # fmt: skip
KINDS: dict[str, tuple[str, ...]] = {word: kinds for words, kinds in _WORDS.items() for word in words}
"""Word -> the kinds it stands for."""

_OF_JOBS = (TRAIN_JOB, "JobSet", "Job", "Pod")
_VERSION = pattern(r"\.v\d+((alpha|beta)\d+)?(?=\.|$)")
_OTHERS = frozenset(
    (
        *("nodes", "node", "no", "services", "service", "svc"),
        *("deployments", "deployment", "deploy", "namespaces", "namespace", "ns", "serviceaccounts", "sa", "ingresses"),
        *("persistentvolumes", "pv", "daemonsets", "ds", "statefulsets", "sts"),
        *("replicasets", "rs", "cronjobs", "cj", "endpoints", "ep", "roles", "rolebindings", "storageclasses", "sc"),
        *("customresourcedefinitions", "crd", "crds", "replicationcontrollers", "rc", "networkpolicies", "netpol"),
    )
)
"""Words for kinds of Kubernetes that kfrun keeps none of: what looks like them is not meant."""


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
    asked = _VERSION.sub("", word.lower())
    if asked in KINDS:
        return KINDS[asked]
    from difflib import get_close_matches

    near = [] if asked.partition(".")[0] in _OTHERS else get_close_matches(asked, KINDS, n=1)
    types = ", ".join(words[0] for words in _WORDS)
    raise UsageProblem(
        f'there is no resource type "{word}"', f'did you mean "{near[0]}"?' if near else f"there are {types}"
    )


def named(arguments: Sequence[str]) -> list[str]:
    """The jobs of ``NAME…``, ``TYPE/NAME…`` or ``TYPE NAME…``, each once, as ``NAME`` or ``TYPE/NAME``."""
    kinds = KINDS.get(arguments[0].lower(), ()) if len(arguments) > 1 else ()
    if len(kinds) == 1 and kinds[0] in _OF_JOBS:
        arguments = [f"{arguments[0]}/{name}" for name in arguments[1:]]
    return list(dict.fromkeys(arguments))


def one(arguments: Sequence[str]) -> str | None:
    """The only job that is named, None where none is.

    Raises:
        UsageProblem: there are several.
    """
    found = named(arguments)
    if len(found) > 1:
        raise UsageProblem(f"one job can be named here, and these are {len(found)}: {', '.join(found)}", "name one")
    return found[0] if found else None


def trainjob_name(argument: str) -> str:
    """The name in ``NAME`` or ``trainjob/NAME``; of a JobSet, too, which has the same.

    Raises:
        UsageProblem: another type is named.
    """
    word, slash, name = argument.rpartition("/")
    if slash and kinds_of(word) not in ((TRAIN_JOB,), ("JobSet",)):
        raise UsageProblem(f'"{argument}" is no TrainJob', "name its TrainJob: kfrun get trainjobs lists them")
    return name


def trainjob(backend: Backend, namespace: str, argument: str) -> StoredObject:
    """The stored TrainJob that an argument names, or that the JobSet, Job or pod belongs to which it names.

    Raises:
        NotFound: there is none.
        UsageProblem: the argument names another type.
    """
    word, slash, name = argument.rpartition("/")
    kind = kinds_of(word)[0] if slash else TRAIN_JOB
    if kind in ("Job", "Pod"):
        owned = selection.get(backend, kind, namespace, name)
        owner = next((job for job in backend.objects(Selection(TRAIN_JOB, namespace)) if job.uid == owned.owner), None)
        if owner is None:
            raise selection.missing(backend, kind, namespace, name)
        return owner
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
