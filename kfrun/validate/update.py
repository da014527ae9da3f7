"""What may not change when an object is applied again. Called by `plan` through the CLI, with the stored object.

Source: transition rules of the CRDs (CEL ``self == oldSelf``), which hold only where the field existed before and
after; and the TrainJob webhook on runtimePatches. Both see objects with defaults; lists with keys are compared
without regard to order, as CEL does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kfrun.model.source import Document, FieldPath, Finding, Stage, field_text
from kfrun.validate import defaults, explain, kinds, lists, located, schemas
from kfrun.validate.located import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kfrun.validate.schemas import Schema

CODES: Final = {
    "KF320": "a field that cannot change did",
    "KF321": "runtimePatches changed while the TrainJob runs",
}

EACH: Final = "[]"
"""In a path: every item of a list, found again by its key fields."""

PATCHES: Final = ("spec", "runtimePatches")

_PATCHED_POD: Final = (
    *("spec", "runtimePatches", EACH, "trainingRuntimeSpec", "template", "spec", "replicatedJobs", EACH),
    *("template", "spec", "template", "spec"),
)
_PATCHED_FIELDS: Final = (
    *("containers", "imagePullSecrets", "initContainers", "securityContext", "serviceAccountName"),
    *("terminationGracePeriodSeconds", "volumes"),
)
_TRAIN_JOB: Final[tuple[tuple[str, ...], ...]] = (
    ("spec", "runtimeRef"),
    ("spec", "initializer"),
    ("spec", "trainer"),
    ("spec", "managedBy"),
    ("spec", "activeDeadlineSeconds"),
    *((*_PATCHED_POD, field) for field in _PATCHED_FIELDS),
)
_JOBSET: Final = ("spec", "template", "spec")
_RUNTIME: Final[tuple[tuple[str, ...], ...]] = (
    (*_JOBSET, "failurePolicy"),
    (*_JOBSET, "network"),
    (*_JOBSET, "startupPolicy"),
    (*_JOBSET, "successPolicy"),
    (*_JOBSET, "volumeClaimPolicies"),
    (*_JOBSET, "replicatedJobs", EACH, "dependsOn"),
)
IMMUTABLE: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    kinds.TRAIN_JOB: _TRAIN_JOB,
    **dict.fromkeys(kinds.RUNTIMES, _RUNTIME),
}


def check(old: dict[str, Any], new: Document) -> list[Finding]:
    """Why ``new`` cannot replace ``old``, an object of the same kind and name; empty when it can.

    Both may be with or without defaults. Kinds without such rules have no findings.
    """
    kind = str(new.data.get("kind"))
    paths = IMMUTABLE.get(kind)
    if paths is None:
        return []
    root = schemas.schema(schemas.DEFAULT_VERSION, kind)
    before, after = defaults.apply(old, kind), defaults.apply(new.data, kind)
    pairs = [pair for path in paths for pair in _pairs(before, after, path, _Cursor(root, root))]
    frozen = located.findings(new, (_refusal(pair, kind) for pair in pairs if _differ(pair)), Stage.RULE)
    if kind != kinds.TRAIN_JOB or any(one.path[:2] == PATCHES for one in frozen):
        return frozen
    return frozen + located.findings(new, _running_patches(before, after, root), Stage.WEBHOOK)


class _Cursor(NamedTuple):
    """A place in a document and in its schema."""

    root: Schema
    node: Schema | None
    path: FieldPath = ()

    def down(self, part: str | int) -> _Cursor:
        node = None if self.node is None else schemas.child(self.root, self.node, part)
        return _Cursor(self.root, node, (*self.path, part))

    @property
    def keys(self) -> list[str] | None:
        """The key fields, at a list whose items have any."""
        return None if self.node is None else self.node.get(schemas.LIST_KEYS)


class _Pair(NamedTuple):
    """A field that exists before and after."""

    place: _Cursor
    old: Any
    new: Any


def _pairs(old: Any, new: Any, pattern: tuple[str, ...], place: _Cursor) -> Iterator[_Pair]:
    """The fields that ``pattern`` names, where they exist on both sides; paths are those of the new object."""
    if not pattern:
        yield _Pair(place, old, new)
    elif pattern[0] == EACH:
        for index, item in enumerate(new if isinstance(new, list) else ()):
            twin = _twin(old, item, place)
            if twin is not None:
                yield from _pairs(twin, item, pattern[1:], place.down(index))
    elif isinstance(old, dict) and isinstance(new, dict) and pattern[0] in old and pattern[0] in new:
        yield from _pairs(old[pattern[0]], new[pattern[0]], pattern[1:], place.down(pattern[0]))


def _twin(old: Any, item: Any, place: _Cursor) -> Any:
    """The item of the old list with the key fields of ``item``; None when there is none."""
    key = _key(item, place)
    candidates = old if isinstance(old, list) else []
    return next((one for one in candidates if key is not None and _key(one, place) == key), None)


def _key(item: Any, place: _Cursor) -> dict[str, Any] | None:
    fields = place.down(0).node
    return lists.item_key(item, place.keys, fields["properties"]) if place.keys and fields else None


def _differ(pair: _Pair) -> bool:
    return _difference(pair.old, pair.new, pair.place) is not None


def _difference(old: Any, new: Any, place: _Cursor) -> _Pair | None:
    """The first place where the two differ, as deep as possible; None when they are equal."""
    if type(old) is type(new) and old == new:
        return None
    if isinstance(old, dict) and isinstance(new, dict):
        below = (
            _Pair(place.down(name), old.get(name), new.get(name))
            for name in sorted(old.keys() | new.keys(), key=lambda name: (name not in new, name))
        )
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        twins = (_twin(old, item, place) for item in new) if place.keys else iter(old)
        below = (_Pair(place.down(index), twin, new[index]) for index, twin in enumerate(twins))
    else:
        return _Pair(place, old, new)
    return next((found for pair in below if (found := _difference(pair.old, pair.new, pair.place))), None)


def _refusal(pair: _Pair, kind: str) -> Problem:
    leaf = _difference(pair.old, pair.new, pair.place) or pair
    field = field_text(leaf.place.path)
    if leaf.old is None:
        what = f"{field} is new"
    elif leaf.new is None:
        what = f"{field} is gone"
    elif isinstance(leaf.old, dict | list) or isinstance(leaf.new, dict | list):
        what = f"{field} changed"
    else:
        what = f"{field} was {explain.shown(leaf.old)}, now {explain.shown(leaf.new)}"
    hint = f"delete the {kind} and apply it again"
    hint += ", or use --replace once it has finished" if kind == kinds.TRAIN_JOB else ", or give it another name"
    return Problem("KF320", pair.place.path, f"field is immutable: {what}", hint, "key")


def _running_patches(before: dict[str, Any], after: dict[str, Any], root: Schema) -> Iterator[Problem]:
    """The webhook's rule; the time of a patch does not count, the API server stamps it."""
    if any(one.get("spec", {}).get("suspend") is True for one in (before, after) if _has_spec(one)):
        return
    old, new = (_without_times(one) for one in (before, after))
    place = _Cursor(root, schemas.at(root, PATCHES), PATCHES)
    if _difference(old, new, place) is not None:
        message = "runtimePatches can only change while the TrainJob is suspended, before or after the change"
        yield Problem("KF321", PATCHES, message, "suspend the TrainJob first, or set spec.suspend: true", "key")


def _has_spec(data: dict[str, Any]) -> bool:
    return isinstance(data.get("spec"), dict)


def _without_times(data: dict[str, Any]) -> list[Any]:
    patches = data["spec"].get("runtimePatches") if _has_spec(data) else None
    if not isinstance(patches, list):
        return []
    return [
        {name: value for name, value in one.items() if name != "time"} if isinstance(one, dict) else one
        for one in patches
    ]
