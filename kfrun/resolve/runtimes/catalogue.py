"""Finds the runtime that a TrainJob refers to.

First match wins: documents given with the job, sources that somebody named, runtimes stored before, shipped ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.model.kinds import (
    API_VERSION,
    CLUSTER_RUNTIME,
    DEFAULT_NAMESPACE,
    GROUP,
    NAMESPACED_RUNTIME,
    RUNTIMES,
    runtime_key,
)
from kfrun.model.packed import unpacked
from kfrun.model.resolution import SHIPPED, STORE, RuntimeSource
from kfrun.model.source import ObjectKey, Stage
from kfrun.model.values import NamedTuple
from kfrun.resolve.findings import finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kfrun.model.packed import Packed
    from kfrun.model.source import Document, Finding


_REF = ("spec", "runtimeRef")
_NEAR = 0.6
_SHOWN = 8
"""Names listed in a hint; a catalogue of hundreds would bury the message."""


class Catalogue:
    """The runtimes at hand.

    Args:
        documents: what was given with ``-f``; other kinds among them are passed over. Of several runtimes with one
            name the last counts, as it would after ``kubectl apply``.
        stored: runtimes applied before.
        shipped: those of `kfrun.resolve.runtimes.shipped`.
        sources: runtimes of sources that are only referred to; the first of a name counts.
    """

    def __init__(
        self,
        documents: Sequence[Document | Packed] = (),
        stored: Sequence[Document] = (),
        shipped: Sequence[Document] = (),
        *,
        sources: Sequence[Document] = (),
    ) -> None:
        # in the order of search: whether its runtimes are referred to, and what is called where they were found;
        # an empty name stands for the document's own source
        self._layers: tuple[tuple[bool, str, Sequence[Document | Packed]], ...]
        self._layers = (
            (False, "", documents[::-1]),
            (True, "", sources),
            (True, STORE, stored),
            (True, SHIPPED, shipped),
        )
        self._looked_at: list[_Layer] = []

    def runtimes(self) -> Iterator[RuntimeSource]:
        """Every runtime that a job could use, each name once, in the order of search."""
        seen: set[ObjectKey] = set()
        for layer in self._by_key():
            yield from (layer.source(key) for key in layer.items if key not in seen)
            seen.update(layer.items)

    def find(self, job: Document) -> RuntimeSource | Finding:
        """The runtime that ``job`` refers to, or the finding that says why there is none.

        Source: upstream's TrainJob webhook (a missing runtime is refused at ``spec.runtimeRef``).
        """
        wanted = wanted_runtime(job)
        if wanted is None:
            return _unsupported(job)
        for layer in self._by_key():
            if wanted in layer.items:
                return layer.source(wanted)
        return _missing(job, wanted, list({key: None for layer in self._by_key() for key in layer.items}))

    def _by_key(self) -> Iterator[_Layer]:
        """The layers in the order of search, each looked at once, and only when those before it did not do."""
        yield from self._looked_at
        for is_referred, found_in, documents in self._layers[len(self._looked_at) :]:
            self._looked_at.append(_Layer(found_in, _by_runtime_key(documents), is_referred))
            yield self._looked_at[-1]


class _Layer(NamedTuple):
    """One place to look: its name, empty for the documents' own sources, and its runtimes by key."""

    found_in: str
    items: dict[ObjectKey, Document | Packed]
    is_referred: bool = False

    def source(self, key: ObjectKey) -> RuntimeSource:
        item = self.items[key]
        return RuntimeSource(key, self.found_in or item.source, unpacked(item), self.is_referred)


def _by_runtime_key(documents: Iterable[Document | Packed]) -> dict[ObjectKey, Document | Packed]:
    found: dict[ObjectKey, Document | Packed] = {}
    for document in documents:
        key = runtime_key(document.key)
        if key is not None:
            found.setdefault(key, document)
    return found


def is_older(runtime: Document) -> bool:
    """Whether a runtime has fields that v2.2 dropped."""
    policy: Any = runtime.data.get("spec")
    for part in ("mlPolicy", "torch"):
        policy = policy.get(part) if isinstance(policy, dict) else None
    return isinstance(policy, dict) and ("numProcPerNode" in policy or "elasticPolicy" in policy)


def wanted_runtime(job: Document) -> ObjectKey | None:
    """The key of the runtime that a TrainJob refers to; None when what it refers to is no runtime at all."""
    kind, group, name = _reference(job)
    if group != GROUP or kind not in RUNTIMES:
        return None
    namespace = "" if kind == CLUSTER_RUNTIME else job.key.namespace or DEFAULT_NAMESPACE
    return ObjectKey(API_VERSION, kind, namespace, name)


def _reference(job: Document) -> tuple[str, str, str]:
    spec = job.data.get("spec")
    reference = spec.get("runtimeRef") if isinstance(spec, dict) else None
    reference = reference if isinstance(reference, dict) else {}

    def text(key: str, default: str) -> str:
        value = reference.get(key)
        return value if isinstance(value, str) else default

    return text("kind", CLUSTER_RUNTIME), text("apiGroup", GROUP), text("name", "")


def _unsupported(job: Document) -> Finding:
    kind, group, _ = _reference(job)
    wrong = "kind" if group == GROUP else "apiGroup"
    message = f'"{kind}" of API group "{group}" is no training runtime'
    hint = f'use kind "{CLUSTER_RUNTIME}" or "{NAMESPACED_RUNTIME}" of API group "{GROUP}"'
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
        if key.kind == CLUSTER_RUNTIME:
            return f'there is a {key.kind} "{key.name}": drop "kind" from runtimeRef to use it'
        if key.namespace == DEFAULT_NAMESPACE:
            return f'there is a {key.kind} "{key.name}": set "kind: {key.kind}" in runtimeRef to use it'
        return f'there is a {key.kind} "{key.name}" in namespace "{key.namespace}"'
    return None


def _near(wanted: ObjectKey, present: list[ObjectKey]) -> str:
    import difflib

    usable = [key.name for key in present if (key.kind, key.namespace) == (wanted.kind, wanted.namespace)]
    if not usable:
        return f"there is no {wanted.kind} at all: give its file with -f, or with --runtimes where it lies"
    near = difflib.get_close_matches(wanted.name, usable, n=1, cutoff=_NEAR)
    listed = ", ".join(sorted(usable)[:_SHOWN]) + (" …" if len(usable) > _SHOWN else "")
    return f'did you mean "{near[0]}"? available: {listed}' if near else f"available: {listed}"
