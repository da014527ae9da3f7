"""What the Trainer's mutating webhook makes of a TrainJob, before anybody asks whether it is valid.

The webhook stamps runtime patches with the time. Where it does, it writes back the whole TrainJob as its struct holds
it: quantities in their canonical form (``"2.5"`` becomes ``2500m``), and fields that a struct always writes (the
``divisor`` of a resourceFieldRef). Nothing is removed. Where it stamps none, nothing is written back.
Upstream: pkg/webhooks, TrainJobDefaulter; controller-runtime's handler of defaulters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.model.values import NamedTuple
from kfrun.validate.admission import quantity
from kfrun.validate.schema import structs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kfrun.model.source import FieldPath

    Node = dict[str, Any]

_SPEC = "TrainJobSpec"


class Rewritten(NamedTuple):
    """A field that the webhook writes otherwise than it was given; ``given`` is None for one that it adds."""

    path: FieldPath
    given: Any
    written: Any


def created(job: Node) -> Node:
    """The TrainJob, with its defaults, as it is stored when it is new."""
    return _written_back(job) if is_stamped(job) else job


def updated(job: Node, before: Node) -> Node:
    """The TrainJob as it takes the place of what it was ``before``, as `created` or `updated` gave that."""
    earlier = {_manager(patch): patch for patch in _patches(before)}
    stamped = any(_stamps(patch, earlier.get(_manager(patch))) for patch in _patches(job))
    return _written_back(job) if stamped else job


def is_stamped(job: Node) -> bool:
    """Whether a new TrainJob has a patch that says no time itself."""
    return any(patch.get("time") is None for patch in _patches(job))


def same(patches: Any, others: Any) -> bool:
    """Whether two lists of runtime patches mean the same; their times do not count."""
    mine, theirs = (_meaning(_timeless(one), "[RuntimePatch]") for one in (patches, others))
    return bool(mine == theirs)


def rewritten(job: Node) -> Iterator[Rewritten]:
    """What the webhook writes otherwise whenever it stamps a patch."""
    return _differences(job.get("spec"), _written(job.get("spec"), _SPEC), ("spec",))


def _patches(job: Node) -> list[Node]:
    spec = job.get("spec")
    patches = spec.get("runtimePatches") if isinstance(spec, dict) else None
    return [one for one in patches if isinstance(one, dict)] if isinstance(patches, list) else []


def _manager(patch: Node) -> str:
    return str(patch.get("manager"))


def _stamps(patch: Node, earlier: Node | None) -> bool:
    """Whether a patch gets another time than it has: that of the ``earlier`` one, or now."""
    if earlier is None:
        return patch.get("time") is None
    # an earlier one without a time was stamped when it was applied
    return patch.get("time") is None or patch["time"] != earlier.get("time") or not same([patch], [earlier])


def _timeless(patches: Any) -> Any:
    if not isinstance(patches, list):
        return []
    return [
        {name: value for name, value in one.items() if name != "time"} if isinstance(one, dict) else one
        for one in patches
    ]


def _written_back(job: Node) -> Node:
    return {**job, "spec": _written(job.get("spec"), _SPEC)}


def _written(value: Any, kind: str) -> Any:
    """A value of this kind as its struct writes it; values of wrong types stay as they are."""
    if kind[0] in "[{":
        return _items(value, kind, _written)
    if kind == "quantity":
        text = quantity.canonical(str(value)) if type(value) in (int, str) else None
        return value if text is None else text
    if kind in structs.ZEROS or not isinstance(value, dict):
        return value
    known = structs.fields(kind)
    made = {key: _written(item, known[key].kind) if key in known else item for key, item in value.items()}
    for key in structs.always(kind):
        if key not in made:
            below = known[key].kind
            made[key] = structs.ZEROS[below] if below in structs.ZEROS else _written({}, below)
    return made


def _meaning(value: Any, kind: str) -> Any:
    """What is compared of a value of this kind: amounts, and of fields those that a struct tells from absent ones."""
    if kind[0] in "[{":
        return _items(value, kind, _meaning)
    if kind == "quantity":
        return quantity.nanos(str(value))
    if kind in structs.ZEROS or not isinstance(value, dict):
        return value
    known = structs.fields(kind)
    held = {key: _meaning(item, known[key].kind) for key, item in value.items() if key in known}
    return {key: item for key, item in held.items() if item or (known[key].pointer and item is not None)}


def _items(value: Any, kind: str, read: Callable[[Any, str], Any]) -> Any:
    """A list or a map, each item read."""
    if kind[0] == "[" and isinstance(value, list):
        return [read(item, kind[1:-1]) for item in value]
    if kind[0] == "{" and isinstance(value, dict):
        return {key: read(item, kind[1:-1]) for key, item in value.items()}
    return value


def _differences(given: Any, written: Any, path: FieldPath) -> Iterator[Rewritten]:
    if isinstance(given, dict) and isinstance(written, dict):
        for key, item in written.items():
            yield from _differences(given.get(key), item, (*path, key))
    elif isinstance(given, list) and isinstance(written, list):
        for index, item in enumerate(written):
            yield from _differences(given[index], item, (*path, index))
    elif type(given) is not type(written) or given != written:
        yield Rewritten(path, given, written)
