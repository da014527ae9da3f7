"""Looks fields up in the shipped schemas by their path: ``trainjob.spec.trainer``.

JobSets, Jobs and pods have schemas as parts of a runtime's: ``pod.spec`` is what stands in its template.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from kfrun.errors import NotFound
from kfrun.model import kinds
from kfrun.model.fieldinfo import FieldInfo
from kfrun.model.values import replace
from kfrun.validate.advice import examples
from kfrun.validate.rules import cel
from kfrun.validate.schema import hints, migration, schemas

if TYPE_CHECKING:
    from kfrun.model.source import FieldPath

NAMES: Final = {
    **{kind.lower(): kind for kind in kinds.TRAINER_KINDS},
    **{f"{kind.lower()}s": kind for kind in kinds.TRAINER_KINDS},
    **dict(zip(("tj", "ctr", "tr"), kinds.TRAINER_KINDS, strict=True)),
    **dict.fromkeys(("runtime", "runtimes"), kinds.CLUSTER_RUNTIME),
    **dict.fromkeys(("jobset", "jobsets", "js"), "JobSet"),
    **dict.fromkeys(("job", "jobs"), "Job"),
    **dict.fromkeys(("pod", "pods", "po"), "Pod"),
}
"""How a kind may be written -> the kind."""

KINDS: Final = (*kinds.TRAINER_KINDS, "JobSet", "Job", "Pod")

_JOBSET: Final = ("spec", "template")
_JOB: Final = (*_JOBSET, "spec", "replicatedJobs", "template")
_WITHIN: Final = {"JobSet": _JOBSET, "Job": _JOB, "Pod": (*_JOB, "spec", "template")}
"""Where in a runtime the kinds stand that have no schema of their own."""

_GROUP: Final = re.compile(
    r"(?i)^([a-z]+)(\.v\d+((alpha|beta)\d+)?)?\.(trainer\.kubeflow\.org|jobset\.x-k8s\.io|batch)(?=\.|$)"
)
"""The API group, and a version, behind the word for a kind."""

SHOWN: Final = 20
"""Up to so many known fields are listed where one is unknown."""

_INTEGERS: Final = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}


def find(text: str, *, version: str, recursive: bool = False) -> FieldInfo:
    """The field that ``text`` names; lists may be written with or without ``[]`` or an index.

    Raises:
        NotFound: no such kind or field; the hint names the nearest ones.
        UsageProblem: an unknown Trainer version.
    """
    asked, names = _parts(text)
    within = _WITHIN.get(asked, ())
    kind = kinds.CLUSTER_RUNTIME if within else asked
    root = schemas.schema(version, kind)
    node, path, required, outer = root, _Path(kind), False, ""
    for name in (*within, *names):
        owner = node
        found = schemas.child(root, owner, name)
        if found is None:
            raise _unknown(path, name, owner, version, _shown(asked, path.text, outer))
        required = name in owner.get("required", ())
        path = path.below(name, owner)
        node, path = _through_lists(root, found, path)
        if len(path.names) == len(within):
            outer = path.text
    info = _info(root, path, version, required=required, levels=-1 if recursive else 1, example=True)
    return _relative(info, asked, outer) if within else info


def completions(incomplete: str, *, version: str) -> list[str]:
    """The paths that begin with ``incomplete``, one level deep."""
    if "." not in incomplete:
        return [kind.lower() for kind in KINDS if kind.lower().startswith(incomplete.lower())]
    parent, _, begun = incomplete.rpartition(".")
    try:
        info = find(parent, version=version)
    except NotFound:
        return []
    return [f"{parent}.{field.name}" for field in info.fields if field.name.startswith(begun)]


class _Path:
    """Where a field stands: by names for users, by keys and indexes for `schemas.at`, and who describes it."""

    __slots__ = ("field", "keys", "kind", "owner", "text")

    def __init__(
        self, kind: str, text: str = "", keys: FieldPath = (), place: tuple[schemas.Schema, str] = ({}, "")
    ) -> None:
        self.kind, self.text, self.keys = kind, text, keys
        self.owner, self.field = place

    @property
    def names(self) -> list[str]:
        """The keys without the indexes."""
        return [key for key in self.keys if isinstance(key, str)]

    def below(self, name: str, owner: schemas.Schema) -> _Path:
        return _Path(self.kind, f"{self.text}.{name}" if self.text else name, (*self.keys, name), (owner, name))

    def items(self) -> _Path:
        return _Path(self.kind, f"{self.text}[]", (*self.keys, 0), (self.owner, self.field))


def _relative(info: FieldInfo, kind: str, outer: str) -> FieldInfo:
    """A field of a runtime as one of the kind that stands at ``outer`` in it."""
    return replace(
        info,
        kind=kind,
        path=info.path[len(outer) :].lstrip("."),
        within=f"{kinds.CLUSTER_RUNTIME.lower()}.{info.path}",
        fields=tuple(_relative(field, kind, outer) for field in info.fields),
    )


def _shown(kind: str, path: str, outer: str) -> str:
    """A path as it is asked for: ``pod.spec``."""
    return ".".join(filter(None, (kind.lower(), path[len(outer) :].lstrip("."))))


def _parts(text: str) -> tuple[str, list[str]]:
    plain = _GROUP.sub(r"\1", re.sub(r"\[[^\[\]]*\]", "", text.strip().strip(".")))
    first, *names = plain.split(".")
    kind = NAMES.get(first.lower())
    if kind is None:
        near = hints.near_value(first, KINDS)
        known = f"known: {', '.join(one.lower() for one in KINDS)}, and codes such as KF203"
        raise NotFound(f'there is no kind "{first}"', f"{near} {known}" if near else known)
    return kind, names


def _through_lists(root: schemas.Schema, node: schemas.Schema, path: _Path) -> tuple[schemas.Schema, _Path]:
    while node.get("type") == "array":
        node, path = schemas.follow(root, node["items"]), path.items()
    return node, path


def _unknown(path: _Path, name: str, owner: schemas.Schema, version: str, where: str) -> NotFound:
    known = sorted(owner.get("properties", {}))
    keys = (*path.keys, name)
    last = migration.until(keys, path.kind)
    hint = hints.unknown_field(keys, known, path.kind, version) if known else f"{where} has no fields"
    if last is not None and not migration.moved(keys, path.kind, version):
        hint = f"it was there until {last}: --trainer-version {last} explains it"
    is_within = not where.startswith(path.kind.lower())
    if known and is_within and not (hint or "").startswith("did you mean"):
        hint = None  # it would speak of the runtime around it
    if not hint or hint.startswith("did you mean"):
        listed = ", ".join(known[:SHOWN]) + (", ..." if len(known) > SHOWN else "")
        hint = f"{hint or ''} fields of {where}: {listed}".strip()
    return NotFound(f'{where} has no field "{name}"', hint)


def _info(
    root: schemas.Schema, path: _Path, version: str, *, required: bool, levels: int, example: bool = False
) -> FieldInfo:
    written = path.owner.get("properties", {}).get(path.field, path.owner.get("additionalProperties", root))
    outer = schemas.follow(root, written)
    place = path if path.text.endswith("[]") else _through_lists(root, outer, path)[1]
    inner = _innermost(root, outer)
    return FieldInfo(
        kind=path.kind,
        path=place.text,
        type=_type(root, written) if path.text else "Object",
        required=required,
        default=outer.get("default"),
        constraints=(*_constraints(outer), *_of_items(root, outer), *cel.stated(path.kind, place.text, version)),
        description=written.get("description") or inner.get("description", ""),
        since=migration.since(path.keys, path.kind),
        until=migration.until(path.keys, path.kind),
        example=examples.example(root, path.keys) if example else None,
        fields=_fields(root, inner, place, version, levels) if levels else (),
    )


def _innermost(root: schemas.Schema, node: schemas.Schema) -> schemas.Schema:
    while node.get("type") == "array":
        node = schemas.follow(root, node["items"])
    return node


def _fields(
    root: schemas.Schema, node: schemas.Schema, path: _Path, version: str, levels: int
) -> tuple[FieldInfo, ...]:
    return tuple(
        _info(root, path.below(name, node), version, required=name in node.get("required", ()), levels=levels - 1)
        for name in node.get("properties", {})
    )


def _type(root: schemas.Schema, node: schemas.Schema) -> str:
    reference = node.get("$ref", "").rpartition("/")[2]
    if reference:
        return str(reference.rpartition(".")[2])
    if node.get(schemas.INT_OR_STRING):
        return "integer or string"
    if node.get("type") == "array":
        return f"[]{_type(root, node['items'])}"
    values = node.get("additionalProperties")
    if isinstance(values, dict):
        return f"map[string]{_type(root, values)}"
    if node.get("format") == "date-time":
        return "time"
    name = str(node.get("type", "any"))
    return "Object" if name == "object" else name


def _of_items(root: schemas.Schema, node: schemas.Schema) -> list[str]:
    if node.get("type") != "array":
        return []
    item = schemas.follow(root, node["items"])
    return [f"every item: {clause}" for clause in _constraints(item)] if item.get("type") != "object" else []


def _constraints(node: schemas.Schema) -> list[str]:
    found = []
    low, high = node.get("minimum"), node.get("maximum")
    natural = _INTEGERS[node.get("format", "int64")] if node.get("type") == "integer" else (None, None)
    if low is not None and low != natural[0]:
        found.append(f"at least {low}")
    if high is not None and high != natural[1]:
        found.append(f"at most {high}")
    if "enum" in node:
        found.append(f"one of {', '.join(json.dumps(one) for one in node['enum'])}")
    for keyword, (clause, singular, plural) in _COUNTS.items():
        if keyword in node:
            found.append(f"{clause} {node[keyword]} {singular if node[keyword] == 1 else plural}")
    if schemas.LIST_KEYS in node:
        found.append(f"items differ in {' and '.join(node[schemas.LIST_KEYS])}")
    if node.get("uniqueItems"):
        found.append("items differ")
    if "pattern" in node and node.get("format") != "date-time":
        found.append(f"text like {node['pattern']}")
    return found


_COUNTS: Final[dict[str, tuple[str, str, str]]] = {
    "minLength": ("at least", "character", "characters"),
    "maxLength": ("at most", "character", "characters"),
    "minItems": ("at least", "item", "items"),
    "maxItems": ("at most", "item", "items"),
    "minProperties": ("at least", "field", "fields"),
}


def as_data(info: FieldInfo) -> dict[str, Any]:
    """The field as plain data, for programs."""
    return {
        "kind": info.kind,
        "path": info.path,
        **({"within": info.within} if info.within else {}),
        "type": info.type,
        "required": info.required,
        "default": info.default,
        "constraints": list(info.constraints),
        "description": info.description,
        "since": info.since,
        "until": info.until,
        "example": info.example,
        "fields": [as_data(field) for field in info.fields],
    }
