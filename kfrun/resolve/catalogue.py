"""Finds the runtime that a TrainJob refers to. Called by resolver and by the ``runtimes`` verb.

Order of design section 4, first match wins: documents given with the job, runtimes stored before, shipped ones.
Remote sources take their place between stored and shipped in `Catalogue`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.model.resolution import RuntimeSource
from kfrun.model.source import ObjectKey, Stage
from kfrun.resolve.findings import finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kfrun.model.source import Document, Finding

API_VERSION: Final = "trainer.kubeflow.org/v1alpha1"
GROUP: Final = "trainer.kubeflow.org"
CLUSTER_KIND: Final = "ClusterTrainingRuntime"
NAMESPACED_KIND: Final = "TrainingRuntime"
DEFAULT_NAMESPACE: Final = "default"

STORE: Final = "store"
SHIPPED: Final = "shipped"

_REF = ("spec", "runtimeRef")
_NEAR = 0.6
_SHOWN = 8
"""Names listed in a hint; a catalogue of hundreds would bury the message."""


def runtime_key(document: Document) -> ObjectKey | None:
    """The key of a runtime document, namespace filled in; None when it is no runtime."""
    key = document.key
    if key.group != GROUP or not key.name:
        return None
    if key.kind == CLUSTER_KIND:
        return key._replace(api_version=API_VERSION, namespace="")
    if key.kind == NAMESPACED_KIND:
        return key._replace(api_version=API_VERSION, namespace=key.namespace or DEFAULT_NAMESPACE)
    return None


class Catalogue:
    """The runtimes at hand.

    Args:
        documents: what was given with ``-f``; other kinds among them are passed over. Of several runtimes with one
            name the last counts, as it would after ``kubectl apply``.
        stored: runtimes applied before.
        shipped: those of `kfrun.resolve.shipped`.
    """

    def __init__(
        self, documents: Sequence[Document] = (), stored: Sequence[Document] = (), shipped: Sequence[Document] = ()
    ) -> None:
        # in the order of search; an empty name stands for the document's own source
        self._layers = (("", documents[::-1]), (STORE, stored), (SHIPPED, shipped))
        self._looked_at: list[dict[ObjectKey, RuntimeSource]] = []

    def runtimes(self) -> Iterator[RuntimeSource]:
        """Every runtime that a job could use, each name once, in the order of search."""
        seen: set[ObjectKey] = set()
        for layer in self._by_key():
            yield from (source for key, source in layer.items() if key not in seen)
            seen.update(layer)

    def find(self, job: Document) -> RuntimeSource | Finding:
        """The runtime that ``job`` refers to, or the finding that says why there is none.

        Source: upstream's TrainJob webhook (a missing runtime is refused at ``spec.runtimeRef``).
        """
        kind, group, name = _reference(job)
        if group != GROUP or kind not in {CLUSTER_KIND, NAMESPACED_KIND}:
            return _unsupported(job, kind, group)
        namespace = "" if kind == CLUSTER_KIND else job.key.namespace or DEFAULT_NAMESPACE
        wanted = ObjectKey(API_VERSION, kind, namespace, name)
        for layer in self._by_key():
            if wanted in layer:
                return layer[wanted]
        return _missing(job, wanted, [source.key for source in self.runtimes()])

    def _by_key(self) -> Iterator[dict[ObjectKey, RuntimeSource]]:
        """The layers in the order of search, each looked at once, and only when those before it did not do."""
        yield from self._looked_at
        for found_in, documents in self._layers[len(self._looked_at) :]:
            self._looked_at.append(_sources(found_in, documents))
            yield self._looked_at[-1]


def _sources(found_in: str, documents: Iterable[Document]) -> dict[ObjectKey, RuntimeSource]:
    found: dict[ObjectKey, RuntimeSource] = {}
    for document in documents:
        key = runtime_key(document)
        if key is not None and key not in found:
            found[key] = RuntimeSource(key, found_in or document.source, document)
    return found


def _reference(job: Document) -> tuple[str, str, str]:
    spec = job.data.get("spec")
    reference = spec.get("runtimeRef") if isinstance(spec, dict) else None
    reference = reference if isinstance(reference, dict) else {}

    def text(key: str, default: str) -> str:
        value = reference.get(key)
        return value if isinstance(value, str) else default

    return text("kind", CLUSTER_KIND), text("apiGroup", GROUP), text("name", "")


def _unsupported(job: Document, kind: str, group: str) -> Finding:
    wrong = "kind" if group == GROUP else "apiGroup"
    message = f'"{kind}" of API group "{group}" is no training runtime'
    hint = f'use kind "{CLUSTER_KIND}" or "{NAMESPACED_KIND}" of API group "{GROUP}"'
    return finding("KF402", message, job, (*_REF, wrong), stage=Stage.WEBHOOK, hint=hint)


def _missing(job: Document, wanted: ObjectKey, present: list[ObjectKey]) -> Finding:
    if not wanted.name:
        return finding("KF401", "no runtime is named", job, (*_REF, "name"), stage=Stage.WEBHOOK)
    where = f' in namespace "{wanted.namespace}"' if wanted.namespace else ""
    message = f'{wanted.kind} "{wanted.name}" was not found{where}'
    hint = _elsewhere(wanted, present) or _near(wanted, present)
    return finding("KF401", message, job, (*_REF, "name"), stage=Stage.WEBHOOK, hint=hint)


def _elsewhere(wanted: ObjectKey, present: list[ObjectKey]) -> str | None:
    """The same name under another kind or in another namespace."""
    for key in present:
        if key.name != wanted.name:
            continue
        if key.kind == wanted.kind:
            return f'there is one in namespace "{key.namespace}": a job can only use those of its own namespace'
        if key.kind == CLUSTER_KIND:
            return f'there is a {CLUSTER_KIND} "{key.name}": drop "kind" from runtimeRef to use it'
        if key.namespace == DEFAULT_NAMESPACE:
            return f'there is a {NAMESPACED_KIND} "{key.name}": set "kind: {NAMESPACED_KIND}" in runtimeRef to use it'
        return f'there is a {NAMESPACED_KIND} "{key.name}" in namespace "{key.namespace}"'
    return None


def _near(wanted: ObjectKey, present: list[ObjectKey]) -> str:
    import difflib

    usable = [key.name for key in present if (key.kind, key.namespace) == (wanted.kind, wanted.namespace)]
    if not usable:
        return f"there is no {wanted.kind} at all: give its file with -f"
    near = difflib.get_close_matches(wanted.name, usable, n=1, cutoff=_NEAR)
    listed = ", ".join(sorted(usable)[:_SHOWN]) + (" …" if len(usable) > _SHOWN else "")
    return f'did you mean "{near[0]}"? available: {listed}' if near else f"available: {listed}"
