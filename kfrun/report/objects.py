"""Objects in the output formats of ``-o``, but for tables of kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.errors import UsageProblem
from kfrun.patterns import split_outside
from kfrun.report.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Formatter = Callable[[Sequence[dict[str, Any]]], str]

FORMATS = "table, wide, yaml, json, name, jsonpath=TEMPLATE, custom-columns=HEADER:PATH,…"


def formatter(output: str, *, single: bool, headers: bool = True) -> Formatter:
    """The function that writes objects in a format; lists are wrapped in a List unless ``single``.

    Args:
        output: as given to ``-o``: yaml, json, name, jsonpath=…, custom-columns=….
        single: one object was asked for by name, and is printed by itself.
        headers: the header of custom columns.

    Raises:
        UsageProblem: there is no such format, or its expression is wrong.
    """
    name, equals, argument = output.partition("=")
    if name == "jsonpath":
        return _jsonpath(_needed(name, argument), single=single)
    if name == "custom-columns":
        return _custom_columns(_needed(name, argument), headers=headers)
    if not equals and name in ("yaml", "json", "name"):
        return {"yaml": _yaml(single=single), "json": _json(single=single), "name": _names}[name]
    from difflib import get_close_matches

    words = ["table", "wide", "yaml", "json", "name", "jsonpath", "custom-columns"]
    near = get_close_matches(name, words, n=1)
    hint = f'did you mean "{near[0]}"?' if near and near[0] != name else f"there are {FORMATS}"
    raise UsageProblem(f'there is no output format "{output}"', hint)


def sort_objects(objects: Sequence[dict[str, Any]], expression: str) -> list[dict[str, Any]]:
    """The objects by the value that ``--sort-by`` names; those without it come first."""
    from kfrun.report.jsonpath import JsonPath, to_text

    path = JsonPath.relaxed(expression)

    def key(obj: dict[str, Any]) -> tuple[int, float, str]:
        found = path.values(obj)
        if not found or found[0] is None:
            return (0, 0.0, "")
        if isinstance(found[0], int | float):
            return (1, float(found[0]), "")
        return (2, 0.0, to_text(found[0]))

    return sorted(objects, key=key)


def _needed(name: str, argument: str) -> str:
    if not argument:
        raise UsageProblem(f"-o {name} needs an expression: -o {name}=…")
    return argument


def _wrap(objects: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": "v1", "items": list(objects), "kind": "List", "metadata": {"resourceVersion": ""}}


def _yaml(*, single: bool) -> Formatter:
    from kfrun.report.yamljson import to_yaml

    return lambda objects: to_yaml(list(objects) if single else [_wrap(objects)])


def _json(*, single: bool) -> Formatter:
    from kfrun.report.yamljson import to_json

    return lambda objects: "".join(to_json([item]) for item in (objects if single else [_wrap(objects)]))


def _names(objects: Sequence[dict[str, Any]]) -> str:
    return "".join(f"{resource(obj)}\n" for obj in objects)


def resource(obj: dict[str, Any]) -> str:
    """The short form of an object, as kubectl writes it: ``trainjob.trainer.kubeflow.org/mnist``."""
    group, slash, _ = obj["apiVersion"].rpartition("/")
    kind = obj["kind"].lower()
    return f"{kind}.{group}/{obj['metadata']['name']}" if slash else f"{kind}/{obj['metadata']['name']}"


def _jsonpath(expression: str, *, single: bool) -> Formatter:
    from kfrun.report.jsonpath import JsonPath

    path = JsonPath(expression)
    if single:
        return lambda objects: "".join(path.render(item) for item in objects)
    return lambda objects: path.render(_wrap(objects))


def _custom_columns(expression: str, *, headers: bool) -> Formatter:
    from kfrun.report.jsonpath import JsonPath, to_text

    pairs = [column.partition(":")[::2] for column in split_outside(expression, "[]")]
    wrong = next((name for name, path in pairs if not name or not path), None)
    if wrong is not None:
        raise UsageProblem(f'custom-columns: "{wrong}" needs a path', "write NAME:.metadata.name,AGE:.status…")
    paths = [JsonPath.relaxed(path) for _, path in pairs]
    table = Table([name for name, _ in pairs], headers=headers)

    def cell(path: JsonPath, obj: dict[str, Any]) -> str:
        return ",".join(to_text(value) for value in path.values(obj)) or "<none>"

    return lambda objects: table.render([[cell(path, obj) for path in paths] for obj in objects])
