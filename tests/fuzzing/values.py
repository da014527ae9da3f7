"""Values that the shipped schemas allow: types, enums, bounds, patterns, maps, keys of lists, quantities.

What a schema leaves open is filled with what manifests hold: names that refer to each other, images, paths.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.validate.schema import schemas

if TYPE_CHECKING:
    from kfrun.validate.schema.schemas import Schema
    from tests.fuzzing.choices import Choices

DEEPEST: Final = 9
"""Levels of optional fields; below only what is required is written."""

TEXTS: Final = ("node", "a", "data", "worker", "launcher", "model-initializer", "x1", "a.b/c", "", "ä", "1", "true")
NAMES: Final = ("node", "a", "data", "worker", "launcher", "x1", "dataset-initializer", "model-initializer")
TIMES: Final = ("2026-01-02T03:04:05Z", "2026-01-02t03:04:05.123456+01:00", "1999-12-31T23:59:59-08:00")
QUANTITIES: Final[tuple[Any, ...]] = (1, "1", "500m", "1Gi", 0, "1.5Gi", "2e3", ".5", "+1k", "100n", 2**31, "1E")
ODD_TEXTS: Final = (
    "",
    "Ünïcödé ☃ 漢字",
    "a: b",
    "- x",
    "yes",
    "0x1F",
    "null",
    "~",
    " lead",
    "a\nb\n",
    "#",
    "'\"",
    "\u2028",
)
BY_PATTERN: Final = {
    "^[0-9]{4}": TIMES,
    "^[A-Za-z](": ("reason", "FailJob", "a_b,c:d9", "Z"),
    "^([a-z0-9](": ("kubernetes.io/os", "a", "example.com/a_B.c", "DisruptionTarget"),
    "^(\\+|-)?(": QUANTITIES[1:4],
}
"""What fits a pattern, by how it begins."""

BY_FIELD: Final[dict[str, tuple[Any, ...]]] = {
    "name": NAMES,
    "namespace": ("default", "team-a"),
    "image": ("python:3.12", "ghcr.io/a/b:1@sha256:" + "0" * 64, "localhost:5000/x"),
    "storageUri": ("hf://owner/name", "s3://bucket/path", "", "pvc://claim/x"),
    "managedBy": ("trainer.kubeflow.org/trainjob-controller", "kueue.x-k8s.io/multikueue"),
    "manager": ("example.com/a", "example.com/b", "kueue.x-k8s.io/manager"),
    "mountPath": ("/data", "/workspace", "relative", "/dev/shm"),
    "restartPolicy": ("Never", "OnFailure", "Always"),
    "operator": ("In", "Exists", "All", "Any", "NotIn", "Equal"),
    "action": ("FailJob", "Ignore", "Count", "FailJobSet", "RestartJobSet"),
    "completionMode": ("Indexed", "NonIndexed"),
    "topologyKey": ("kubernetes.io/hostname", "zone"),
    "key": ("a", "kubernetes.io/os", "zone"),
    "ip": ("10.0.0.1", "::1", "x"),
    "status": ("Complete", "Ready", "True"),
    "medium": ("", "Memory"),
}
"""What a text field of this name holds, most of the time."""


class Writer:
    """Writes values of one schema by the choices that it is given."""

    def __init__(self, choices: Choices, root: Schema) -> None:
        self._choices = choices
        self._root = root

    def value(self, node: Schema, name: str = "", depth: int = 0) -> Any:
        """A value that ``node`` allows; ``name`` is the field's."""
        node = schemas.follow(self._root, node)
        if "enum" in node:
            return self._choices.pick(node["enum"])
        kind = node.get("type")
        if isinstance(kind, list):  # an int-or-string, or a quantity
            return self._choices.pick(QUANTITIES) if "pattern" in node else self._choices.pick((80, "http", "10%"))
        if kind == "object":
            return self._mapping(node, depth)
        if kind == "array":
            return self._list(node, name, depth)
        if kind == "integer":
            return self._number(node)
        if kind == "boolean":
            return bool(self._choices.below(2))
        return self._text(node, name)

    def object(self, definition: str, **given: Any) -> dict[str, Any]:
        """An object of a definition in which some fields are given; only these where a release has it not."""
        node = self._root["definitions"].get(definition, {"properties": {}})
        return {**self._mapping(node, 1, without=frozenset(given)), **given}

    def _mapping(self, node: Schema, depth: int, without: frozenset[str] = frozenset()) -> dict[str, Any]:
        known = node.get("properties")
        if known is None:
            return self._map(node, depth)
        required = [field for field in node.get("required", ()) if field not in without]
        chosen = {field: self.value(known[field], field, depth + 1) for field in required}
        optional = [field for field in known if field not in chosen and field not in without]
        wanted = 0 if depth > DEEPEST else min(self._choices.below(4), len(optional))
        if not wanted and not chosen and node.get("minProperties"):
            wanted = 1
        for _ in range(wanted):
            field = optional.pop(self._choices.below(len(optional)))
            chosen[field] = self.value(known[field], field, depth + 1)
        return chosen

    def _map(self, node: Schema, depth: int) -> dict[str, Any]:
        values = node.get("additionalProperties")
        if not isinstance(values, dict):
            return {}
        names = ("a", "nvidia.com/gpu", "cpu", "memory", "kfrun.dev/python", "example.com/x")
        return {self._choices.pick(names): self.value(values, "", depth + 1) for _ in range(self._choices.below(3))}

    def _list(self, node: Schema, name: str, depth: int) -> list[Any]:
        fewest = max(node.get("minItems", 0), 1 if name in ("containers", "replicatedJobs") else 0)
        length = fewest if depth > DEEPEST else fewest + self._choices.below(3)
        items = [self.value(node["items"], name, depth + 1) for _ in range(min(length, node.get("maxItems", length)))]
        return self._told_apart(items, schemas.follow(self._root, node["items"]), node)

    def _told_apart(self, items: list[Any], item: Schema, node: Schema) -> list[Any]:
        """The items without those that repeat an earlier one: lists that are sets, or maps by some fields."""
        keys = node.get(schemas.LIST_KEYS)
        if keys is None and node.get(schemas.LIST_TYPE) != "set":
            return items
        defaults = {key: item["properties"][key].get("default") for key in keys or ()}
        seen: dict[str, Any] = {}
        for one in items:
            identity = one if keys is None else [one.get(key, defaults[key]) for key in keys]
            seen.setdefault(repr(identity), one)
        return list(seen.values())

    def _number(self, node: Schema) -> int:
        least = node.get("minimum", -(2**31) if self._choices.once_in(8) else 0)
        most = node.get("maximum", 2**63 - 1 if node.get("format") == "int64" else 2**31 - 1)
        small = [number for number in (1, 2, 0, 3, 8, 80) if least <= number <= most] or [least]
        return self._choices.pick((least, most)) if self._choices.once_in(8) else self._choices.pick(small)

    def _text(self, node: Schema, name: str) -> str:
        pattern = node.get("pattern")
        if pattern is not None:
            return self._choices.pick(
                next(fitting for begin, fitting in BY_PATTERN.items() if pattern.startswith(begin))
            )
        if node.get("format") == "date-time":
            return self._choices.pick(TIMES)
        texts: tuple[str, ...] = BY_FIELD.get(name, TEXTS)
        found = self._choices.pick(ODD_TEXTS if self._choices.once_in(12) else texts)
        return found if len(found) >= node.get("minLength", 0) else "x"
