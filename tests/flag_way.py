"""How far a flag goes from the door to the plan: ``python -m tests.flag_way [CHECKOUT]``.

Doors are the verbs `VERBS`: functions under ``options.verb``; flags are their parameters. A flag is followed in the
syntax trees of kfrun/ through whatever hands it on as it is: to a parameter, into a field of a record or an attribute
of an object, out of it again by name, with a record that is handed on as a whole (alone or within another one), by
``_replace``. What is computed of a flag, or what a function makes of it and returns, unless that is a record, is
another value, and its way ends there (a setting is computed, of flags, environment and files); so it does where only
getattr, ``**``, a loop or a container leads on.

The plan is made by a function of the package ``plan`` that returns a ``Plan``. The way of a flag is every stay from
which it gets there. What only looks at it, or keeps it for later, is not on the way but counted beside it.

stay: a function that is given the flag, or reads it from a record; or a record with a field for it. Each counts once.
room: a module with such a stay.
climb: the flag is handed to a stay in a higher layer, or comes back to it in what is returned; pyproject.toml orders
the layers. That a record is there for who made it is none.

Who adds a flag must think of each stay, and open each room.
"""

from __future__ import annotations

import argparse
import ast
import re
import tomllib
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

ROOT = Path(__file__).parents[1]
PACKAGE = "kfrun"
VERBS = ("apply", "run", "plan")


class Place(NamedTuple):
    """Where a flag is known.

    Attributes:
        stay: a function, a method or a record, with its module.
        name: a parameter of the function; a field, with its record and that one's module.
        owner: the parameter, the variable of the function that holds the record, or who made the record.
    """

    stay: str
    name: str
    owner: str


class Way(NamedTuple):
    """The way of a flag: how many stays, rooms and climbs, and how many stays there are beside it.

    Attributes:
        places: ``module:stay:parameter`` or ``module:stay:Record.field`` in the order in which they are reached; empty
            for a flag that does not get to the plan.
    """

    flag: str
    stays: int
    rooms: int
    climbs: int
    others: int
    places: tuple[str, ...]


class Code:
    """The package: functions and classes by their full name, and which name means what in a module."""

    def __init__(self, root: Path) -> None:
        self.nodes: dict[str, ast.FunctionDef | ast.ClassDef] = {}
        self.rooms: dict[str, str] = {}
        self._imported: dict[str, dict[str, str]] = {}
        for path in sorted((root / PACKAGE).rglob("*.py")):
            room = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
            tree = ast.parse(path.read_text(encoding="utf-8"))
            imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
            names = [(f"{getattr(node, 'module', '')}.", item) for node in imports for item in node.names]
            self._imported[room] = {item.asname or item.name: (top + item.name).lstrip(".") for top, item in names}
            self._define(room, room, tree.body)

    def _define(self, room: str, prefix: str, body: Sequence[ast.stmt]) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                name = f"{prefix}.{node.name}"
                self.nodes[name], self.rooms[name] = node, room
                if isinstance(node, ast.ClassDef):
                    self._define(room, name, node.body)

    def is_class(self, name: str | None) -> bool:
        """Whether that full name is a class's."""
        return isinstance(self.nodes.get(name or ""), ast.ClassDef)

    def makes_plan(self, name: str) -> bool:
        """Whether the plan is made there."""
        returns = getattr(self.nodes[name], "returns", None)
        return name.startswith(f"{PACKAGE}.plan.") and isinstance(returns, ast.Name) and returns.id == "Plan"

    def shown(self, place: Place) -> str:
        """``module:stay:parameter`` or ``module:stay:Record.field``."""
        room = self.rooms[place.stay]
        return f"{room}:{place.stay.removeprefix(f'{room}.')}:{'.'.join(place.name.split('.')[-2:])}"

    def meant(self, text: str, room: str) -> str | None:
        """The full name of what a name, ``module.name`` or a full name means in a module."""
        first, dot, rest = text.partition(".")
        name = self._imported.get(room, {}).get(first, f"{room}.{first}") + dot + rest
        if text in self.nodes or name in self.nodes:
            return text if text in self.nodes else name
        package, _, last = name.rpartition(".")
        return None if name == f"{room}.{text}" else self.meant(last, package)

    def record(self, annotation: ast.expr | None, where: str) -> str | None:
        """The class that an annotation names: of a union the first, of an iterator what it yields."""
        text = ast.unparse(annotation).strip("'").removeprefix("Iterator[").removesuffix("]") if annotation else ""
        names = text.replace("Self", where.rpartition(".")[0]).split(" | ")
        return next(filter(self.is_class, (self.meant(name, self.rooms[where]) for name in names)), None)

    @cache  # noqa: B019
    def fields(self, record: str) -> dict[str, str | None]:
        """Fields of a record and attributes that methods set, with the record that each holds."""
        found: dict[str, str | None] = {}
        for node in self.nodes[record].body:
            match node:
                case ast.AnnAssign(target=ast.Name(id=name)):
                    found[name] = self.record(node.annotation, record)
                case ast.FunctionDef():
                    types = {item.arg: item.annotation for item in _parameters(node)}
                    for target, value in _assignments(node):
                        if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self":
                            kind = self.record(types.get(ast.unparse(value)), record)
                            found[target.attr] = found.get(target.attr) or kind
        return found

    @cache  # noqa: B019
    def members(self, record: str | None) -> list[str]:
        """The full names of every field that can be read from a record, those of the records in it included."""
        found: dict[str, str | None] = {}
        todo = [record] if record else []
        while todo:
            each = todo.pop()
            new = {f"{each}.{name}": kind for name, kind in self.fields(each).items() if f"{each}.{name}" not in found}
            found |= new
            todo += filter(None, new.values())
        return list(found)


class Value(NamedTuple):
    """What an expression is in a function.

    Attributes:
        sources: where the value was before, if it is still that value.
        record: the class of which it is, if that is known.
        owners: the variables that it may be, or be part of; what is made in place has a name of its own.
    """

    sources: set[Place]
    record: str | None
    owners: tuple[str, ...]


class Function:
    """One function: who hands what to whom; ``moves`` are from where to where flags go here."""

    def __init__(self, code: Code, name: str) -> None:
        self._code, self._name = code, name
        self.moves: dict[tuple[Place, Place], None] = {}
        owner, node = name.rpartition(".")[0], code.nodes[name]
        self._variables = {"self": Value(set(), owner if code.is_class(owner) else None, ("self",))}
        for item in _parameters(node):
            record = code.record(item.annotation, name)
            self._variables[item.arg] = Value({Place(name, item.arg, item.arg)}, record, (item.arg,))
        for _ in range(2):  # a variable may be used above the place where it gets its value
            for target, value in _assignments(node):
                self._assign(target, self._value(value))
        for each in _in_order(node):
            match each:
                case ast.Call():
                    self._call(each)
                case ast.Return(value=ast.expr() as value) | ast.Yield(value=ast.expr() as value):
                    self._put(self._value(value), name, "return")

    def _assign(self, target: ast.expr, value: Value) -> None:
        there = self._value(target)
        if isinstance(target, ast.Name):
            self._variables[target.id] = Value(
                there.sources | value.sources, there.record or value.record, there.owners
            )
            self._put(value, self._name, target.id)
        elif isinstance(target, ast.Attribute):
            self._fill(value, self._value(target.value), target.attr)

    def _value(self, node: ast.expr) -> Value:
        sources, record, owners = set[Place](), None, (f"{node.lineno}.{node.col_offset}",)
        match node:
            case ast.Name():
                return self._variables.get(node.id) or Value(sources, record, (node.id,))
            case ast.Attribute():
                _, holder, owners = self._value(node.value)
                if holder:
                    sources = {Place(self._name, f"{holder}.{node.attr}", owner) for owner in owners}
                    record = self._code.fields(holder).get(node.attr)
            case ast.IfExp() | ast.BoolOp():
                branches = node.values if isinstance(node, ast.BoolOp) else [node.body, node.orelse]
                given, records, names = zip(*map(self._value, branches), strict=True)
                return Value(set().union(*given), next(filter(None, records), None), sum(names, ()))
            case ast.Call() if copied := _copied(node):
                record = self._value(copied).record
            case ast.Call() if target := self._called(node.func):
                made = self._code.nodes[target]
                record = target if isinstance(made, ast.ClassDef) else self._code.record(made.returns, target)
        return Value(sources, record, owners)

    def _called(self, node: ast.expr) -> str | None:
        record = self._value(node.value).record if isinstance(node, ast.Attribute) else None
        return self._code.meant(f"{record}.{node.attr}" if record else ast.unparse(node), self._code.rooms[self._name])

    def _call(self, node: ast.Call) -> None:
        made, copied, called = self._value(node), _copied(node), self._called(node.func)
        callee = init if (init := f"{called}.__init__") in self._code.nodes else called
        if copied:
            self._put(self._value(copied), self._name, *made.owners)
        if copied or self._code.is_class(callee):
            for name, value in _arguments(node, self._code.fields(made.record) if made.record else ()):
                self._fill(self._value(value), made, name)
        elif callee:
            if isinstance(node.func, ast.Attribute):
                self._put(self._value(node.func.value), callee, "self")
            for name, value in _arguments(node, [item.arg for item in _parameters(self._code.nodes[callee])]):
                self._put(self._value(value), callee, name, name)
            for place in self._members(made):
                self.moves[Place(callee, place.name, "self" if callee == init else "return"), place] = None

    def _fill(self, value: Value, holder: Value, field: str) -> None:
        """A value goes into a field of a record, which can be read here."""
        for owner in holder.owners if holder.record else ():
            maker = f"{self._name}.{owner}"
            self._put(value, holder.record, maker, f"{holder.record}.{field}")
            for name in self._code.members(holder.record):
                self.moves[Place(holder.record, name, maker), Place(self._name, name, owner)] = None

    def _put(self, value: Value, there: str, owner: str, name: str = "") -> None:
        """What can be read from a value goes to ``owner``, and under ``name`` the value itself."""
        for source in sorted(value.sources) if name else ():
            self.moves[source, Place(there, name, owner)] = None
        for source in self._members(value):
            self.moves[source, Place(there, source.name, owner)] = None

    def _members(self, value: Value) -> list[Place]:
        return [Place(self._name, name, owner) for name in self._code.members(value.record) for owner in value.owners]


def ways(root: Path = ROOT) -> list[Way]:
    """The way of each flag of each verb."""
    code, known, found = Code(root), dict[str, Function](), []
    levels = _levels(root, code)
    decorators = {name: ast.unparse(node.decorator_list) for name, node in code.nodes.items()}
    doors = {verb: name for verb in VERBS for name in decorators if f"options.verb('{verb}'" in decorators[name]}
    for verb in VERBS:
        for item in _parameters(code.nodes[doors[verb]]):
            names = code.members(code.record(item.annotation, doors[verb]))
            first = [Place(doors[verb], item.arg, item.arg), *(Place(doors[verb], name, item.arg) for name in names)]
            found.append(_way(code, f"{verb}.{item.arg}", _reached(code, first, known), levels))
    return found


def longest(found: Sequence[Way]) -> Way:
    """The way with the most stays, of several the one with the most rooms."""
    return max(found, key=lambda way: (way.stays, way.rooms))


def _reached(code: Code, first: list[Place], known: dict[str, Function]) -> dict[Place, list[Place]]:
    """Where a flag gets to, in the order of the code, and where it goes from there; it ends where the plan is made."""
    read: set[str] = set()
    while True:
        onward: dict[Place, list[Place]] = defaultdict(list)
        for source, target in (move for name in sorted(read) for move in known[name].moves):
            if not code.makes_plan(source.stay):
                onward[source].append(target)
        reached: dict[Place, list[Place]] = {}
        todo = first[::-1]
        while todo:
            place = todo.pop()
            if place not in reached:
                reached[place] = onward[place]
                todo += onward[place][::-1]
        new = {place.stay for place in reached if not code.is_class(place.stay)} - read
        if not new:
            return reached
        read |= new
        for name in sorted(new - known.keys()):
            known[name] = Function(code, name)


def _way(code: Code, flag: str, reached: dict[Place, list[Place]], levels: dict[str, int]) -> Way:
    kept = {place for place in reached if code.makes_plan(place.stay)}
    while more := {place for place in reached if kept.intersection(reached[place])} - kept:
        kept |= more
    givers = [place for place in kept if not code.is_class(place.stay.removesuffix(".__init__"))]
    steps = {(source.stay, target.stay) for source in givers for target in reached[source] if target in kept}
    climbs = sum(levels.get(code.rooms[low], 1) < levels.get(code.rooms[high], -99) for low, high in steps)
    stays, others = ({place.stay for place in places} for places in (kept, reached.keys() - kept))
    shown = dict.fromkeys(code.shown(place) for place in reached if place in kept)
    return Way(flag, len(stays), len({code.rooms[stay] for stay in stays}), climbs, len(others - stays), tuple(shown))


def _levels(root: Path, code: Code) -> dict[str, int]:
    """How high each module is, those of the highest layer 0; without those that are in none."""
    tool = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    contract = next(item for item in tool["importlinter"]["contracts"] if item["type"] == "layers")
    prefix = "".join(f"{container}." for container in contract.get("containers", ()))
    layers = [tuple(f"{prefix}{name}." for name in re.findall(r"[\w.]+", layer)) for layer in contract["layers"]]
    rooms = code.rooms.values()
    return {room: -low for low, names in enumerate(layers) for room in rooms if f"{room}.".startswith(names)}


def _parameters(function: ast.FunctionDef) -> list[ast.arg]:
    every = function.args
    return [item for item in (*every.posonlyargs, *every.args, *every.kwonlyargs) if item.arg not in ("self", "cls")]


def _assignments(function: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Targets and their values, that of ``with value as target`` included."""
    for node in _in_order(function):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and node.value:
            yield from ((target, node.value) for target in getattr(node, "targets", None) or [node.target])
        elif isinstance(node, ast.With):
            yield from ((item.optional_vars, item.context_expr) for item in node.items if item.optional_vars)


def _in_order(tree: ast.AST) -> list[ast.AST]:
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.stmt | ast.expr)]
    return sorted(nodes, key=lambda node: (node.lineno, node.col_offset))


def _copied(node: ast.Call) -> ast.expr | None:
    """The record of which ``_replace`` or ``dataclasses.replace`` makes another one."""
    if isinstance(node.func, ast.Attribute) and node.func.attr == "_replace":
        return node.func.value
    is_replace = ast.unparse(node.func) in ("replace", "dataclasses.replace")
    return node.args[0] if is_replace and node.args else None


def _arguments(node: ast.Call, names: Collection[str]) -> Iterator[tuple[str, ast.expr]]:
    yield from zip(names, () if _copied(node) else node.args, strict=False)
    yield from ((item.arg, item.value) for item in node.keywords if item.arg in names)


def main() -> None:
    """Print the figures of every flag, and each place of the longest way."""
    parser = argparse.ArgumentParser(prog="python -m tests.flag_way", description="How far flags go to the plan.")
    parser.add_argument("checkout", nargs="?", type=Path, default=ROOT, help="another checkout")
    found = ways(parser.parse_args().checkout.resolve())
    for way in found:
        shown = f"{way.stays:2} stays in {way.rooms:2} rooms, {way.climbs} climbs" if way.places else "not to the plan"
        print(f"{way.flag:24} {shown:31} {way.others:3} other stays")
    print(f"\nlongest: {longest(found).flag}", *longest(found).places, sep="\n")


if __name__ == "__main__":
    main()
