"""What may not change when an object is applied again: a stored one for `plan`, an older document for ``validate``.

Both call through `plan.jobs`, which hides secrets.

Source: transition rules of the CRDs (CEL ``self == oldSelf``), which hold only where the field existed before and
after; and the TrainJob webhook on runtimePatches. Both see objects with defaults, and TrainJobs as the mutating
webhook leaves them (`defaulter`); lists with keys are compared without regard to order, as CEL does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.model import kinds
from kfrun.model.source import Document, FieldPath, Finding, Stage, field_text
from kfrun.model.values import NamedTuple
from kfrun.validate import located
from kfrun.validate.located import Problem
from kfrun.validate.rules import defaulter
from kfrun.validate.rules.cel import get
from kfrun.validate.schema import defaults, lists, schemas, violations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kfrun.validate.schema.schemas import Schema

CODES: Final = {
    "KF320": "a field that cannot change did",
    "KF321": "runtimePatches changed while the TrainJob runs",
    "KF322": "runtimePatches changed while Jobs of the TrainJob are still active",
}

EACH: Final = "[]"
"""In a path: every item of a list, found again by its key fields."""

PATCHES: Final = ("spec", "runtimePatches")

OVERRIDES: Final = ("spec", "podTemplateOverrides")
"""What v2.1 had in place of runtimePatches."""

_PATCHED_POD: Final = (
    *("spec", "runtimePatches", EACH, "trainingRuntimeSpec", "template", "spec", "replicatedJobs", EACH),
    *("template", "spec", "template", "spec"),
)
_PATCHED_FIELDS: Final = (
    *("containers", "imagePullSecrets", "initContainers", "securityContext", "serviceAccountName", "volumes"),
)
_TRAIN_JOB: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("v2.0", ("spec", "runtimeRef")),
    ("v2.2", ("spec", "initializer")),
    ("v2.2", ("spec", "trainer")),
    ("v2.0", ("spec", "managedBy")),
    ("v2.2", ("spec", "activeDeadlineSeconds")),
    *(("v2.2", (*_PATCHED_POD, field)) for field in _PATCHED_FIELDS),
    ("v2.3", (*_PATCHED_POD, "terminationGracePeriodSeconds")),
)
_JOBSET: Final = ("spec", "template", "spec")
_RUNTIME: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("v2.0", (*_JOBSET, "failurePolicy")),
    ("v2.0", (*_JOBSET, "network")),
    ("v2.0", (*_JOBSET, "startupPolicy")),
    ("v2.0", (*_JOBSET, "successPolicy")),
    ("v2.2", (*_JOBSET, "volumeClaimPolicies")),
    ("v2.0", (*_JOBSET, "replicatedJobs", EACH, "dependsOn")),
)
IMMUTABLE: Final[dict[str, tuple[tuple[str, tuple[str, ...]], ...]]] = {
    kinds.TRAIN_JOB: _TRAIN_JOB,
    **dict.fromkeys(kinds.RUNTIMES, _RUNTIME),
}
"""Kind -> the first release that has the rule, and the field."""


def check(old: dict[str, Any] | Document, new: Document, *, version: str = schemas.DEFAULT_VERSION) -> list[Finding]:
    """Why ``new`` cannot replace ``old``, an object of the same kind and name; empty when it can.

    Both may be with or without defaults. Of an older document messages tell where the old value stands; other old
    objects are those of the store. Kinds without such rules have no findings.
    """
    kind = str(new.data.get("kind"))
    if kind == kinds.CLAIM:
        from kfrun.validate.rules import claims

        return located.findings(
            new, claims.changes(old.data if isinstance(old, Document) else old, new.data), Stage.RULE
        )
    if kind not in IMMUTABLE:
        return []
    source, data = (old, old.data) if isinstance(old, Document) else (None, old)
    root = schemas.schema(version, kind)
    given = before, after = defaults.apply(data, kind, version), defaults.apply(new.data, kind, version)
    if kind == kinds.TRAIN_JOB and version not in schemas.BEFORE_PATCHES:
        before = defaulter.created(before)
        after = defaulter.updated(after, before)
    pairs = [pair for path in _frozen(kind, version) for pair in _pairs(before, after, path, _Cursor(root, root))]
    refusals = (_refusal(pair, kind, source, given) for pair in pairs if _differ(pair))
    frozen = located.findings(new, refusals, Stage.RULE)
    if kind != kinds.TRAIN_JOB or any(one.path[:2] == PATCHES for one in frozen):
        return frozen
    return frozen + located.findings(new, _patches(before, after, version), Stage.WEBHOOK)


def _frozen(kind: str, version: str) -> Iterator[tuple[str, ...]]:
    """The fields that cannot change in a release."""
    releases = list(schemas.FOLDERS)
    for since, path in IMMUTABLE[kind]:
        if releases.index(since) <= releases.index(version):
            yield path


class _Cursor(NamedTuple):
    """A place in a document and in its schema; ``before`` is its path in the old object, as far as that has it."""

    root: Schema
    node: Schema | None
    path: FieldPath = ()
    before: FieldPath = ()

    def down(self, part: str | int, old: str | int | None = None) -> _Cursor:
        node = None if self.node is None else schemas.child(self.root, self.node, part)
        before = self.before if old is None else (*self.before, old)
        return _Cursor(self.root, node, (*self.path, part), before)

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
                yield from _pairs(old[twin], item, pattern[1:], place.down(index, twin))
    elif isinstance(old, dict) and isinstance(new, dict) and pattern[0] in old and pattern[0] in new:
        yield from _pairs(old[pattern[0]], new[pattern[0]], pattern[1:], place.down(pattern[0], pattern[0]))


def _twin(old: Any, item: Any, place: _Cursor) -> int | None:
    """The index in the old list of the item with the key fields of ``item``; None when there is none."""
    key = _key(item, place)
    candidates = old if isinstance(old, list) else []
    return next((at for at, one in enumerate(candidates) if key is not None and _key(one, place) == key), None)


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
            _Pair(place.down(name, name if name in old else None), old.get(name), new.get(name))
            for name in sorted(old.keys() | new.keys(), key=lambda name: (name not in new, name))
        )
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        twins = (_twin(old, item, place) for item in new) if place.keys else iter(range(len(old)))
        below = (
            _Pair(place.down(index, twin), None if twin is None else old[twin], new[index])
            for index, twin in enumerate(twins)
        )
    else:
        return _Pair(place, old, new)
    return next((found for pair in below if (found := _difference(pair.old, pair.new, pair.place))), None)


def _refusal(pair: _Pair, kind: str, source: Document | None, given: tuple[Any, Any]) -> Problem:
    """``given``: the old and the new object before the webhook had them."""
    leaf = _difference(pair.old, pair.new, pair.place) or pair
    field = field_text(leaf.place.path)
    if leaf.old is None:
        what = f"{field} is new"
    elif leaf.new is None:
        what = f"{field} is gone"
    elif isinstance(leaf.old, dict | list) or isinstance(leaf.new, dict | list):
        what = f"{field} changed"
    else:
        what = f"{field} was {violations.shown(leaf.old)}, now {violations.shown(leaf.new)}"
    hint = f"delete the {kind} and apply it again"
    if source is not None:
        place = source.positions.key(leaf.place.before)
        what += f" (before: {place.file}:{place.line})"
        hint += ", or give it another name"
    else:
        hint += (
            ", or use kfrun apply --force, which stops it first"
            if kind == kinds.TRAIN_JOB
            else ", or give it another name"
        )
    was_rewritten = leaf.old is not None and get(given[0], *leaf.place.before) != leaf.old
    if was_rewritten or get(given[1], *leaf.place.path) != leaf.new:
        what += "; the webhook that stamps the time of a patch writes the whole TrainJob anew"
        hint = f"write it as a cluster does (kfrun lint says how, KF723), and {hint}"
    return Problem("KF320", pair.place.path, f"field is immutable: {what}", hint, "key")


def _patches(before: dict[str, Any], after: dict[str, Any], version: str) -> Iterator[Problem]:
    """The webhook's rule; the time of a patch does not count, the API server stamps it.

    What it knows of the pods is what the JobSet's status says, which the TrainJob's repeats. v2.1 asks for a suspended
    new object; later releases are content with an old one.
    """
    if version == "v2.0":
        return
    path, either = (OVERRIDES, (after,)) if version == "v2.1" else (PATCHES, (before, after))
    field = path[-1]
    old, new = (get(one, *path) or [] for one in (before, after))
    root = schemas.schema(version, kinds.TRAIN_JOB)
    if path == PATCHES and defaulter.same(old, new):
        return
    if path == OVERRIDES and _difference(old, new, _Cursor(root, schemas.at(root, path), path, path)) is None:
        return
    if not any(get(one, "spec", "suspend") is True for one in either):
        when = "before or after the change" if len(either) == 2 else "after the change"
        message = f"{field} can only change while the TrainJob is suspended, {when}"
        yield Problem("KF321", path, message, "suspend the TrainJob first, or set spec.suspend: true", "key")
        return
    for name, count in _active(before):
        message = f'{field} cannot change while the replicatedJob "{name}" has {count} active Job{"s"[: count != 1]}'
        yield Problem("KF322", path, message, "suspend the TrainJob, and change it when its pods are gone", "key")


def _active(job: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """The replicatedJobs that a TrainJob's status says to be active, and how many of their Jobs are."""
    status = job.get("status")
    counts = status.get("jobsStatus") if isinstance(status, dict) else None
    for one in counts if isinstance(counts, list) else ():
        count = one.get("active") if isinstance(one, dict) else None
        if isinstance(count, int) and count > 0:
            yield str(one.get("name", "")), int(count)
