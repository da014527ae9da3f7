"""Draws where the fields of rendered objects come from: as comments in YAML, beside the objects in JSON.

What it draws is in a `Resolution`; a field without an origin of its own has that of what holds it, and what nothing in
a manifest asked for is the controller's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.model.resolution import Origin
from kfrun.model.source import field_text
from kfrun.model.values import NamedTuple
from kfrun.report.table import clean
from kfrun.terminal import harmless, json_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kfrun.model.resolution import Resolution
    from kfrun.model.source import Document, FieldPath

FORMAT_VERSION: Final = 1
"""Of the JSON form; grows when a field changes its meaning or goes away."""

COLUMN: Final = 60
"""Comments are aligned up to this column; longer lines have theirs right behind them."""

CONTROLLER: Final = "controller"
"""Stands where no manifest has a say: apiVersion, kind, the owner."""


class Explained(NamedTuple):
    """One rendered object, and the origin of every field of it; None for what the controller itself sets."""

    object: dict[str, Any]
    origins: Mapping[FieldPath, Origin | None]


def explained(resolution: Resolution) -> list[Explained]:
    """The objects of a resolution in the order in which `render` prints them."""
    of_jobset = dict(resolution.origins)
    found = [Explained(item, _inherited(item, _of_object(item, resolution))) for item in resolution.objects]
    if resolution.jobset is not None:
        found.append(Explained(resolution.jobset, _inherited(resolution.jobset, of_jobset)))
    return found


def to_yaml(text: str, documents: Sequence[Document], origins: Sequence[Mapping[FieldPath, Origin | None]]) -> str:
    """The YAML ``text`` with a comment behind every field.

    Args:
        text: what `yamljson.to_yaml` wrote.
        documents: the same text read back, for the line of every field.
        origins: of the objects, in the same order.
    """
    comments: dict[int, str] = {}
    for document, fields in zip(documents, origins, strict=True):
        for path, origin in fields.items():
            # An item that is a mapping shares its line with its first field, which is the one to explain.
            comments[document.positions.key(path).line] = _words(origin)
    lines = text.splitlines()
    width = max((len(line) for line in lines if len(line) <= COLUMN), default=0)
    return "".join(
        f"{line:<{width}}  # {comments[number]}\n" if number in comments else f"{line}\n"
        for number, line in enumerate(lines, 1)
    )


def to_json(items: Sequence[Explained]) -> str:
    """The objects, and beside each the origins by path as the API server writes it."""
    objects = [
        {"object": item.object, "origins": {field_text(path): _data(origin) for path, origin in item.origins.items()}}
        for item in items
    ]
    return json_text({"formatVersion": FORMAT_VERSION, "objects": objects})


def _of_object(item: dict[str, Any], resolution: Resolution) -> dict[FieldPath, Origin]:
    """What a policy adds beside the JobSet comes from the runtime's policy as a whole."""
    if resolution.runtime is None:
        return {}
    field = "podGroupPolicy" if item.get("kind") == "PodGroup" else "mlPolicy"
    document = resolution.runtime.document
    chosen = [name for name, value in document.data["spec"].get(field, {}).items() if isinstance(value, dict)]
    origin = Origin("policy", document.positions.value(("spec", field)), ",".join(chosen))
    return {(key,): origin for key in item if key not in {"apiVersion", "kind", "metadata"}}


def _inherited(item: dict[str, Any], known: Mapping[FieldPath, Origin]) -> dict[FieldPath, Origin | None]:
    found: dict[FieldPath, Origin | None] = {}
    nodes = list(_nodes(item, ()))
    for path, _ in nodes:
        found[path] = known.get(path, found.get(path[:-1]))
    for path, value in reversed(nodes):
        origin = found[path]
        # A list that was not there before is no default when something put items into it.
        if origin is not None and origin.layer == "default" and value and isinstance(value, dict | list):
            found[path] = found[*path, next(iter(value)) if isinstance(value, dict) else 0]
    return found


def _nodes(value: Any, path: FieldPath) -> Iterator[tuple[FieldPath, Any]]:
    """Every field and item, holders before what they hold."""
    if path:
        yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, item in items:
        yield from _nodes(item, (*path, part))


def _words(origin: Origin | None) -> str:
    if origin is None:
        return CONTROLLER
    position = origin.position if origin.layer != "default" else None
    place = ":".join(map(str, position[:2] if position.line else position[:1])) if position else ""
    text = " ".join(part for part in (origin.layer, origin.detail, place) if part)
    return harmless(clean(text))


def _data(origin: Origin | None) -> dict[str, Any]:
    if origin is None:
        return {"layer": CONTROLLER}
    data: dict[str, Any] = {"layer": origin.layer}
    if origin.detail:
        data["detail"] = origin.detail
    if origin.position is not None and origin.layer != "default":
        position = origin.position
        given = {"file": position.file, "line": position.line, "column": position.column}
        data.update(given if position.line else {"given": position.file})
    return data
