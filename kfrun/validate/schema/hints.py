"""How to mend a field: names spelled wrong, fields that moved or belong elsewhere, values to quote.

The texts are one sentence each.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from kfrun.load import lines
from kfrun.model import kinds
from kfrun.validate.schema import migration, schemas

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kfrun.model.source import Document, FieldPath

_RUNTIME_POD: Final = "spec.template.spec.replicatedJobs[].template.spec.template.spec"

TRAINER_FIELDS: Final = {
    "image": "image",
    "command": "command",
    "args": "args",
    "resources": "resourcesPerNode",
}
"""Fields of a container that a TrainJob sets in spec.trainer, not by a patch."""

NEAR: Final = 0.84
"""A name as alike as this wins over a field of exactly that name elsewhere (difflib's ratio)."""

LIKE: Final = 0.6
MOST_WORDS: Final = 200
"""Names that a misspelt one is compared with; schemas have fewer, a pod's own volumes may be more."""

ELSEWHERE_DEPTH: Final = 4
"""Fields in other places down to this depth win over names that are merely alike."""

_SPECIAL: Final = frozenset({"affinity", "volumes", "volumeClaimPolicies", "ephemeralContainers"})
"""Fields below which no suggestion is looked for: large, and with names that are common elsewhere."""


def unknown_field(path: FieldPath, allowed: Sequence[str], kind: str, version: str) -> str | None:
    """How to mend the unknown field at ``path``, where ``allowed`` are known."""
    name = str(path[-1])
    moved = migration.moved(path, kind, version) or migration.later(path, kind, version)
    if moved:
        return moved
    same = [field for field in allowed if _plain(field) == _plain(name)]
    near = same or _close(name, allowed, NEAR)
    if near:
        return did_you_mean(near[0])
    nearby = _patched(path, version) or _elsewhere(name, kind, version, deep=False)
    if nearby:
        return nearby
    like = _close(name, allowed, LIKE)
    return did_you_mean(like[0]) if like else _elsewhere(name, kind, version, deep=True)


def did_you_mean(name: str) -> str:
    """The question, with quotes."""
    return f"did you mean {json.dumps(name)}?"


def near_value(value: Any, allowed: Sequence[str], least: float = LIKE) -> str | None:
    """The allowed value that is spelled most like ``value``, if any is at ``least`` so much."""
    if not isinstance(value, str):
        return None
    same = [one for one in allowed if one and one.lower() == value.lower()]
    near = same or _close(value, [one for one in allowed if one], least)
    return did_you_mean(near[0]) if near else None


def wrong_type(document: Document, path: FieldPath, value: Any, needed: str) -> str | None:
    """How to turn ``value`` into the type that is needed."""
    if needed == "string":
        return quote(document, path, value)
    if needed in {"integer", "boolean"} and isinstance(value, str):
        return _unquote(path, value, needed)
    if needed == "array":
        return _as_list(path, value)
    if needed == "object" and isinstance(value, list):
        return "write fields without the dashes of a list"
    if needed == "object" and value == "":
        return "leave the field out, or write {}"
    return None


def quote(document: Document, path: FieldPath, value: Any) -> str | None:
    """``write "1"``: the scalar as it stands in the source, in quotes."""
    if isinstance(value, dict | list):
        return None
    token = _token(document, path, value)
    read_as = "null" if value is None else "a boolean" if isinstance(value, bool) else "a number"
    return f"write {json.dumps(token, ensure_ascii=False)}: without quotes YAML reads {token} as {read_as}"


def near_quantity(value: Any, pattern: str) -> str | None:
    """A quantity written with spaces, a B for bytes or a capital K."""
    if not isinstance(value, str):
        return None
    mended = re.sub(r"([kKMGTPE]i?)[bB]$", r"\1", value.replace(" ", "").replace(",", ""))
    mended = re.sub(r"K$", "k", mended)
    return did_you_mean(mended) if mended != value and re.match(pattern, mended) else None


def _unquote(path: FieldPath, value: str, needed: str) -> str | None:
    if needed == "integer" and re.fullmatch(r"[+-]?[0-9]{1,20}", value):
        return f"write {int(value)} without quotes"
    if needed == "boolean" and value.lower() in {"true", "false", "yes", "no", "on", "off"}:
        return f"write {'true' if value.lower() in {'true', 'yes', 'on'} else 'false'} without quotes"
    if path[-1:] == ("numProcPerNode",) and value in {"auto", "cpu", "gpu"}:
        return "names of devices were removed in v2.2: leave the field out to follow the devices"
    return None


def _as_list(path: FieldPath, value: Any) -> str | None:
    if isinstance(value, dict):
        if path[-1:] == ("env",):
            return 'write a list of names and values: - {name: LR, value: "0.1"}'
        return "start each item with a dash: - "
    if value is None:
        return None
    if path[-1:] in {("command",), ("args",)} and isinstance(value, str) and not re.search(r"[\"'\\$|&;<>]", value):
        return f"write {json.dumps(value.split(), ensure_ascii=False)}"
    return f"write [{json.dumps(value, ensure_ascii=False)}]"


def _token(document: Document, path: FieldPath, value: Any) -> str:
    """The plain scalar at ``path`` as written; the JSON form where it is quoted, tagged or an alias."""
    place = document.positions.value(path)
    rest = lines.line_of(document, place.line)[place.column - 1 :]
    plain = re.match(r"[^\s,\[\]{}#&*!|>'\"%@`][^\s,\]}#]*", rest)
    return plain.group() if plain else json.dumps(value)


def _close(word: str, words: Sequence[str], cutoff: float) -> list[str]:
    import difflib

    return difflib.get_close_matches(word, words[:MOST_WORDS], n=1, cutoff=cutoff)


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _patched(path: FieldPath, version: str) -> str | None:
    """Hints for fields that runtimePatches cannot set."""
    if path[:2] != ("spec", "runtimePatches"):
        return None
    name = str(path[-1])
    if name in TRAINER_FIELDS:
        return f"patches cannot set {name}: use spec.trainer.{TRAINER_FIELDS[name]} for the training nodes"
    place = _fields(version, kinds.RUNTIMES[0]).get(name, "")
    if place.startswith(_RUNTIME_POD):
        return f"patches cannot set {name}: set it in the runtime, at {place}"
    return None


def _elsewhere(name: str, kind: str, version: str, *, deep: bool) -> str | None:
    """A field of that name in another place of the same kind, or else of another kind."""
    other = kinds.RUNTIMES[0] if kind == kinds.TRAIN_JOB else kinds.TRAIN_JOB
    quoted = json.dumps(name, ensure_ascii=False)
    for one in (kind, other):
        place = _fields(version, one).get(name)
        if place is None or (len(place.split(".")) > ELSEWHERE_DEPTH and not deep):
            continue
        if one == other:
            return f"{quoted} is a field of a {other}: {place}"
        return f"{quoted} belongs under {place.rpartition('.')[0] or 'the root of the object'}"
    return None


@cache
def _fields(version: str, kind: str) -> dict[str, str]:
    """Field name -> the shortest path to a field of that name, as text, without the status."""
    root = schemas.schema(version, kind)
    found: dict[str, str] = {}
    level: list[tuple[str, schemas.Schema]] = [("", root)]
    while level:
        deeper: list[tuple[str, schemas.Schema]] = []
        for prefix, node in level:
            for name, text, below in _below(root, prefix, node):
                found.setdefault(name, text)
                deeper.append((text, below))
        level = deeper
    return found


def _below(root: schemas.Schema, prefix: str, node: schemas.Schema) -> Iterator[tuple[str, str, schemas.Schema]]:
    for name in node.get("properties", {}):
        text = f"{prefix}.{name}" if prefix else name
        below = schemas.child(root, node, name)
        if text in {"status", "metadata"} or name in _SPECIAL or below is None:
            continue
        if below.get("type") == "array":
            text, below = f"{text}[]", schemas.follow(root, below["items"])
        yield name, text, below
