"""Objects made wrong: fields dropped, doubled, retyped, renamed, moved, and values that nobody expects."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

from kfrun.model.kinds import TRAINER_KINDS
from kfrun.validate.schema import schemas
from tests.fuzzing.values import Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fuzzing.choices import Choices

    Path = tuple[str | int, ...]

NUMBERS: Final = (1, 1, 1, 2, 2, 3, 4)
"""How many mutations an input gets."""

ODD: Final[tuple[Any, ...]] = (
    None, True, 0, -1, 1.5, "", "x", [], {}, [None], {"": None}, [[[]]], {"a": {"b": {"c": []}}},
    2**31, -(2**31) - 1, 2**63, -(2**63) - 1, 2**64, 10**40, 10**400, -0.0, 1e300, 5e-324, 1e15, 0.1,
    "node", "auto", "Never", "1Gi", "-1", "1e3", "1" * 5000, "9" * 30 + "Gi", "0.0000000000000000000000001", "1e999999",
    "x" * 64, "x" * 254, "a/b/c", "A_B", "-a", "a.", "a\nb", "a\tb", "a\r\nb", " a ", "\u0000", "\u0085", "\u2028x",
    "\ud800", "\udfff\ud800", "\ufeff", "\u202e", "é", "漢字", "🚀" * 20, "\U0010ffff", "=", "<<", "y", "no", "~",
    "0o17", "0b1", "1_000", "1:30", "2026-01-01", ".nan", ".inf", "{{ x }}", "$(A)", "$$(A)", "${A}", "%s", "`id`",
    "hf://", "://x", "file:///etc/passwd", "trainer.kubeflow.org/v1alpha1", "kubeflow.org/v1", "PyTorchJob", "List",
    [1, "a", None, {"name": "node"}], {"name": "node"}, [{"name": "node"}, {"name": "node"}], {"name": ["node"]},
)  # fmt: skip

KEYS: Final = (
    "name", "spec", "metadata", "template", "containers", "env", "value", "labels", "annotations", "numNodes", "kind",
    "apiVersion", "image", "command", "mlPolicy", "torch", "replicatedJobs", "podSpecOverrides", "podTemplateOverrides",
    "runtimePatches", "numProcPerNode", "numnodes", "", " ", "x" * 300, "kfrun.dev/packages", "kfrun.dev/x", "0", "a.b",
    "a/b", "é", "\ud800", "<<", "null", "true", "1", "\n", "items", "targetJobs", "runtimeRef", "trainer", "suspend",
)  # fmt: skip

ANNOTATIONS: Final = (
    "numpy", "numpy==", "numpy>=1,<2 ; python_version<'3'", "a @ https://x/y.whl", "-r x", "a\n\n# b\nc==1\nc==2",
    "a==1\x0b\x0cb==2", "a[b,c]==1.*", "\ud800", "shared", "KF701", "all, KF999", "x" * 3000, "3.12", "../../x",
)  # fmt: skip


def mutate(choices: Choices, objects: list[Any]) -> None:
    """Change the objects in one to four places, most likely so that they are wrong."""
    for _ in range(choices.pick(NUMBERS)):
        choices.pick(_MUTATIONS)(choices, objects)


def rewrite(choices: Choices, objects: list[Any], version: str) -> None:
    """Write some fields of the Trainer's objects anew, as their schemas allow: what is wrong then, is so further on."""
    ours = [one for one in objects if isinstance(one, dict) and one.get("kind") in TRAINER_KINDS]
    for _ in range(choices.between(1, 6) if ours else 0):
        one = choices.pick(ours)
        paths = [path for path in _paths(one) if path[0] == "spec" and len(path) > 1]
        path = choices.pick(paths) if paths else ("spec",)
        root = schemas.schema(version, one["kind"])
        node = schemas.at(root, path)
        if node is not None:
            _at(one, path[:-1])[path[-1]] = Writer(choices, root).value(node, str(path[-1]), len(path) // 2)


def _paths(value: Any, path: Path = ()) -> list[Path]:
    found = [path] if path else []
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, item in pairs:
        found += _paths(item, (*path, part))
    return found


def _at(value: Any, path: Path) -> Any:
    for part in path:
        value = value[part]
    return value


def _place(choices: Choices, objects: list[Any]) -> tuple[Any, Any]:
    """A mapping or list, and a key or index of it; the top when there is nothing left."""
    paths = _paths(objects)
    if not paths:
        objects.append({})
        paths = [(0,)]
    path = choices.pick(paths)
    return _at(objects, path[:-1]), path[-1]


def _drop(choices: Choices, objects: list[Any]) -> None:
    around, part = _place(choices, objects)
    del around[part]


def _replace(choices: Choices, objects: list[Any]) -> None:
    around, part = _place(choices, objects)
    around[part] = copy.deepcopy(choices.pick(ODD))


def _retype(choices: Choices, objects: list[Any]) -> None:
    """The same, said in another type."""
    around, part = _place(choices, objects)
    value = around[part]
    around[part] = choices.pick((str(value), [value], {"value": value}, {"name": value}, [value, value], not value))


def _rename(choices: Choices, objects: list[Any]) -> None:
    around, part = _place(choices, objects)
    if isinstance(around, dict):
        near = part[:-1], part + "s", part.upper(), part[1:] + part[:1], part.replace("o", "0")
        around[choices.pick((*near, choices.pick(KEYS)))] = around.pop(part)


def _add(choices: Choices, objects: list[Any]) -> None:
    around, _ = _place(choices, objects)
    value = copy.deepcopy(choices.pick(ODD))
    if isinstance(around, dict):
        around[choices.pick(KEYS)] = value
    else:
        around.insert(choices.below(len(around) + 1), value)


def _double(choices: Choices, objects: list[Any]) -> None:
    """An item twice, or a field's value in another field."""
    around, part = _place(choices, objects)
    value = copy.deepcopy(around[part])
    if isinstance(around, list):
        around.insert(part, value)
    else:
        around[choices.pick(KEYS)] = value


def _move(choices: Choices, objects: list[Any]) -> None:
    """A part of the input at another place of it."""
    around, part = _place(choices, objects)
    value = copy.deepcopy(around[part])
    around, part = _place(choices, objects)
    around[part] = value


def _many(choices: Choices, objects: list[Any]) -> None:
    """A long list, or a long text."""
    around, part = _place(choices, objects)
    value = around[part]
    if isinstance(value, list) and value and len(repr(value)) < 2000:
        around[part] = [copy.deepcopy(value[0]) for _ in range(130)]
    elif isinstance(value, str) and len(value) < 2000:
        around[part] = value * 600


def _deep(choices: Choices, objects: list[Any]) -> None:
    around, part = _place(choices, objects)
    value = around[part]
    for _ in range(choices.pick((30, 60, 99, 101, 150))):
        value = {"a": value} if choices.once_in(2) else [value]
    around[part] = value


def _annotate(choices: Choices, objects: list[Any]) -> None:
    one = choices.pick(objects) if objects else None
    metadata = one.get("metadata") if isinstance(one, dict) else None
    if isinstance(metadata, dict):
        name = choices.pick(("packages", "packages", "python", "source", "environment", "backend", "lint-ignore", "x"))
        metadata["annotations"] = {f"kfrun.dev/{name}": choices.pick(ANNOTATIONS)}


def _wrap(choices: Choices, objects: list[Any]) -> None:
    """The objects as the items of a List."""
    kind = choices.pick(("List", "TrainJobList", "ConfigMapList", "xList"))
    objects[:] = [{"apiVersion": "v1", "kind": kind, "items": list(objects)}]


_MUTATIONS: Final[tuple[Callable[[Choices, list[Any]], None], ...]] = (
    _drop, _drop, _replace, _replace, _replace, _retype, _retype, _rename, _rename, _add, _add,
    _double, _move, _many, _deep, _annotate, _wrap,
)  # fmt: skip
