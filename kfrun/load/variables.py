"""Which values a template uses: the paths that it looks up from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import meta, nodes
from jinja2.exceptions import TemplateSyntaxError

from kfrun.load.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kfrun.model.source import FieldPath


def of(text: str) -> frozenset[FieldPath]:
    """``("a", "b")`` for ``{{ a.b }}``; ``("a",)`` where ``a`` is used as a whole, or in a way that cannot be told.

    Nothing of what is no template: reading it says what is wrong.
    """
    sandbox = Sandbox()
    try:
        tree = sandbox.parse(text)
    except (TemplateSyntaxError, RecursionError):
        return frozenset()
    free = meta.find_undeclared_variables(tree) - sandbox.globals.keys()
    return frozenset(path for path in _paths(tree) if path[0] in free)


def _paths(node: nodes.Node) -> Iterator[FieldPath]:
    """The longest paths below a node; not by recursion, for templates nest deeply."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, nodes.Call) and isinstance(one.node, nodes.Getattr):
            # a method: it looks at all that its owner has
            waiting += [one.node.node, *one.args, *one.kwargs]
            continue
        path = _path(one)
        if path is None:
            waiting += one.iter_child_nodes()
            continue
        yield path


def _path(node: nodes.Node) -> FieldPath | None:
    """The path that a node looks up; None where it, or a step of it, is computed."""
    path: list[str | int] = []
    while not isinstance(node, nodes.Name):
        if isinstance(node, nodes.Getattr):
            path.append(node.attr)
        elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and _is_step(node.arg.value):
            path.append(node.arg.value)
        else:
            return None
        node = node.node
    return (node.name, *reversed(path))


def _is_step(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)
