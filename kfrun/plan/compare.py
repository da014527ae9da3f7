"""Digests of desired objects, and the differences between a stored object and a desired one.

Differences are for people: list entries are matched by the keys that Kubernetes merges them by, so an inserted
variable is one change, and secrets are told to have changed but never shown.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kfrun import digests, masking
from kfrun.model.change import DesiredJob, FieldChange
from kfrun.model.kinds import TRAIN_JOB
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kfrun.model.code import SourceCode
    from kfrun.model.resolution import Resolution

_LIST_KEYS = {
    "runtimePatches": ("manager",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "ports": ("containerPort", "protocol"),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}
"""What Kubernetes merges the entries of a list by, where that is not their name."""

_SUSPEND_WRITTEN = "+suspend"
"""Ends the digest of a TrainJob whose manifest says something about ``suspend``.

``suspend`` itself is in no digest: `kfrun suspend` and `kfrun resume` switch it too.
"""


def digest(value: object) -> str:
    """A short fingerprint of JSON-like data; the order of mapping keys does not matter, that of lists does."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return digests.blake2(text.encode("utf-8", "surrogatepass"))


def code_digest(code: SourceCode) -> str:
    """A fingerprint of a source folder's code."""
    return digest({name: file.digest for name, file in code.files.items()})


def desired(
    resolution: Resolution,
    *,
    runtime: Mapping[str, Any] | None = None,
) -> DesiredJob:
    """The resolved job as the planner takes it, with both digests.

    The TrainJob of ``resolution`` has its defaults filled in, but ``suspend`` only where its author wrote it.
    ``runtime`` is the runtime that the input asks for, when the job was resolved with the one that it was created
    with (a job keeps that until it is replaced).
    """
    if runtime is None and resolution.runtime is not None:
        runtime = resolution.runtime.document.data
    job = resolution.job.data
    written = _SUSPEND_WRITTEN if "suspend" in job.get("spec", {}) else ""
    return DesiredJob(
        resolution=resolution,
        digest=digest([visible(job), None if runtime is None else visible(runtime)]) + written,
        run_digest=digest(_what_runs(resolution)),
    )


def is_same(old: str, new: str) -> bool:
    """Whether two digests of desired objects mean the same object; ``suspend`` is compared apart."""
    return old.removesuffix(_SUSPEND_WRITTEN) == new.removesuffix(_SUSPEND_WRITTEN)


def wants_suspend(job: DesiredJob, digest_before: str, *, suspended: bool) -> bool:
    """Whether a stored job, ``suspended`` or not, is to be suspended after ``job`` was applied.

    As `kubectl apply` decides it: what the manifest says; what it stopped saying falls back to the default; what it
    never said stays as it was switched from elsewhere.
    """
    spec = job.resolution.job.data.get("spec", {})
    if "suspend" in spec:
        return bool(spec["suspend"])
    return suspended and not digest_before.endswith(_SUSPEND_WRITTEN)


def visible(data: Mapping[str, Any]) -> dict[str, Any]:
    """The part of an object that its author decides: no status, no server's metadata, no ``suspend``, no stamps."""
    metadata = data.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    kept = {key: metadata[key] for key in ("name", "namespace", "labels", "annotations") if metadata.get(key)}
    shown = {key: value for key, value in data.items() if key not in ("metadata", "status")}
    shown["metadata"] = kept
    if data.get("kind") == TRAIN_JOB and isinstance(data.get("spec"), dict):
        shown["spec"] = _unstamped(data["spec"])
    return shown


def _unstamped(spec: Mapping[str, Any]) -> dict[str, Any]:
    shown = {key: value for key, value in spec.items() if key != "suspend"}
    patches = shown.get("runtimePatches")
    if isinstance(patches, list):
        # The webhook stamps every patch with the time of its last change.
        shown["runtimePatches"] = [
            {key: value for key, value in patch.items() if key != "time"} if isinstance(patch, dict) else patch
            for patch in patches
        ]
    return shown


def _what_runs(resolution: Resolution) -> list[Any]:
    """What reaches processes: labels and annotations of the JobSet itself do not."""
    spec = (resolution.jobset or {}).get("spec", {})
    packages = resolution.packages
    from_files = [packages.constraints, packages.options, packages.locks, packages.folders]
    return [
        {key: value for key, value in spec.items() if key != "suspend"},
        [{key: value for key, value in item.items() if key != "metadata"} for item in resolution.objects],
        [packages.requirements, packages.index_urls, packages.python, packages.isolated],
        resolution.source,
        resolution.backend,
        # nothing where there is none, so that jobs of older versions keep theirs
        *([from_files] if any(from_files) else []),
    ]


def changes(old: Mapping[str, Any], new: Mapping[str, Any], *, show_secrets: bool = False) -> tuple[FieldChange, ...]:
    """What differs between two objects of one kind, status and server's metadata aside; empty when nothing does."""
    before, after = (_Value.of(visible(item), show_secrets=show_secrets) for item in (old, new))
    keys = dict.fromkeys([*before.raw, *after.raw])
    return tuple(change for key in keys for change in _changes(key, before.at(key), after.at(key)))


class _Value(NamedTuple):
    """A part of an object, and how it may be shown: the shape of both is the same, but for what is hidden whole."""

    raw: Any
    shown: Any

    @classmethod
    def of(cls, raw: Any, *, show_secrets: bool) -> _Value:
        """An object whole."""
        return cls(raw, raw if show_secrets else masking.data(raw))

    def at(self, key: str | int) -> _Value:
        """A field or an item; what is not there is absent."""
        if isinstance(self.raw, dict) and key not in self.raw:
            return _ABSENT
        return _Value(self.raw[key], self.shown if self.shown == masking.MASK else self.shown[key])

    def text(self) -> str | None:
        """As a change shows it; None for what is not there."""
        if self is _ABSENT:
            return None
        return masking.MASK if self.shown == masking.MASK else json.dumps(self.shown, ensure_ascii=False)


_ABSENT = _Value(None, None)


def _changes(path: str, old: _Value, new: _Value) -> Iterator[FieldChange]:
    if isinstance(old.raw, dict) and isinstance(new.raw, dict):
        for key in dict.fromkeys([*old.raw, *new.raw]):
            yield from _changes(_below(path, key), old.at(key), new.at(key))
    elif isinstance(old.raw, list) and isinstance(new.raw, list):
        yield from _list_changes(path, old, new)
    elif old is _ABSENT or new is _ABSENT or not _equal(old.raw, new.raw):
        yield FieldChange(path, old.text(), new.text())


def _list_changes(path: str, old: _Value, new: _Value) -> Iterator[FieldChange]:
    keys = _LIST_KEYS.get(path.rpartition(".")[2], ("name",))
    named_old, named_new = _by_key(old, keys), _by_key(new, keys)
    if named_old is not None and named_new is not None:
        yield from _aligned_changes(path, named_old, named_new)
    elif len(old.raw) == len(new.raw):
        for index in range(len(old.raw)):
            yield from _changes(f"{path}[{index}]", old.at(index), new.at(index))
    else:
        yield FieldChange(path, old.text(), new.text())


def _aligned_changes(path: str, old: dict[str, _Value], new: dict[str, _Value]) -> Iterator[FieldChange]:
    for key in dict.fromkeys([*old, *new]):
        yield from _changes(f"{path}[{key}]", old.get(key, _ABSENT), new.get(key, _ABSENT))
    before, after = [key for key in old if key in new], [key for key in new if key in old]
    if before != after:
        # The order of variables decides what `$(VAR)` sees.
        yield FieldChange(path, f"order {', '.join(before)}", f"order {', '.join(after)}")


def _by_key(items: _Value, keys: Sequence[str]) -> dict[str, _Value] | None:
    """The entries by their merge key, or None when they have none or share one."""
    found: dict[str, _Value] = {}
    for index, item in enumerate(items.raw):
        if not isinstance(item, dict) or keys[0] not in item:
            return None
        found["/".join(str(item[key]) for key in keys if key in item)] = items.at(index)
    return found if len(found) == len(items.raw) else None


def _below(path: str, key: str) -> str:
    # An annotation's dots and slashes must not read as levels of their own.
    return f"{path}[{key}]" if "." in key or "/" in key or not key else f"{path}.{key}"


def _equal(old: object, new: object) -> bool:
    # 1 == True in Python, and 1 == 1.0: neither is so in YAML or in a digest.
    return type(old) is type(new) and old == new
