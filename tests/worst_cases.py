"""Regular expressions of the package, found in its source, and texts made to be the worst for each of them.

An expression is tried by the methods that the source calls on it. What it is made of, character by character, becomes
texts that begin it over and over, or go on with it for ever, and end in what it does not take.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import re
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

import kfrun

ROOT = Path(kfrun.__file__).parent
LENGTH = 100_000
SECONDS = 1.0
"""Of this process, for one text: what is linear takes a hundredth of it, what is quadratic a hundred times as long."""

METHODS = ("match", "fullmatch", "search", "sub", "split", "findall", "finditer")
_STEPS = (8, 16, 20, 24, 100, 1_000, 3_000)
"""Lengths on the way to the longest: what takes exponential time is noticed before it takes for ever."""

_SHORT, _SHORT_SECONDS = 24, 0.05
"""What takes so long for so few characters takes twice as long for one more."""

_PROBE_SECONDS = 0.0015
"""For a text of 3,000 characters: what takes less is not quadratic."""


class Expression(NamedTuple):
    """A regular expression as it is used: in which module and line, by which method."""

    place: str
    compiled: re.Pattern[Any]
    method: str

    def run(self, text: Any) -> float:
        """The seconds that it takes for a text."""
        call = getattr(self.compiled, self.method)
        started = time.process_time()
        found = call(text[:0], text) if self.method == "sub" else call(text)
        if self.method == "finditer":
            for _ in found:
                pass
        return time.process_time() - started


class Source(NamedTuple):
    """A module of the package: its name, its tree, and its names once it is imported."""

    name: str
    tree: ast.Module
    names: dict[str, Any]


def sources() -> Iterator[Source]:
    """Every module that has to do with regular expressions."""
    for path in sorted(ROOT.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if re.search(r"\bre\.|pattern\(|patterns", text):
            name = ".".join(("kfrun", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
            yield Source(name, ast.parse(text), vars(importlib.import_module(name)))


def expressions() -> tuple[list[Expression], set[str]]:
    """The expressions that can be told from the source, and where some are made of what is known later only."""
    found: list[Expression] = []
    unknown: set[str] = set()
    everywhere = list(sources())
    methods = _methods(everywhere)
    for source in everywhere:
        for node in ast.walk(source.tree):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if called in ("re.compile", "pattern", "patterns.pattern"):
                names = _assigned_to(source, node)
                mine = {method for name in names for method in methods.get(f"{source.name}.{name}", ())}
                anywhere = {method for name in names for method in methods.get(name, ())}
                uses = mine or anywhere or set(METHODS[:3])
            elif called.startswith("re.") and called[3:] in METHODS:
                uses = {called[3:]}
            else:
                continue
            try:
                compiled = _compiled(source, node, is_call=called in ("re.compile", "pattern", "patterns.pattern"))
            except (NameError, SyntaxError):
                unknown.add(f"{source.name}: {ast.unparse(node.args[0])}")
                continue
            found += [Expression(f"{source.name}:{node.lineno}", compiled, one) for one in sorted(uses)]
    return found, unknown


def _compiled(source: Source, node: ast.Call, *, is_call: bool) -> re.Pattern[Any]:
    def value(part: ast.expr) -> Any:
        return eval(compile(ast.Expression(part), source.name, "eval"), {**source.names, "re": re})

    expression = value(node.args[0])
    flags = [value(part) for part in node.args[1:2]] if is_call else []
    flags += [value(one.value) for one in node.keywords if one.arg == "flags"]
    if not is_call and isinstance(node.args[-1], ast.Attribute) and ast.unparse(node.args[-1]).startswith("re."):
        flags.append(value(node.args[-1]))
    return re.compile(expression, *flags)


def _assigned_to(source: Source, call: ast.Call) -> list[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is call:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            return [target.id for target in targets if isinstance(target, ast.Name)]
    return []


def _methods(everywhere: list[Source]) -> dict[str, set[str]]:
    """By the name of an expression, and that of the module before it, the methods that are called on it."""
    found: dict[str, set[str]] = {}
    for source in everywhere:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Attribute) and node.attr in METHODS:
                for name in ast.walk(node.value):
                    if isinstance(name, ast.Name):
                        found.setdefault(name.id, set()).add(node.attr)
                        found.setdefault(f"{source.name}.{name.id}", set()).add(node.attr)
    return found


def slowest(expression: Expression) -> tuple[float, str]:
    """The time that the worst text takes, and what that text is made of."""
    worst = (0.0, "")
    for unit, ending in product(units(expression.compiled), ("", "\x00", "\n!")):
        for length in _STEPS:
            seconds = expression.run(_text(expression.compiled, unit, ending, length))
            if seconds > (SECONDS if length > _SHORT else _SHORT_SECONDS):
                return 2 * SECONDS, f"{unit!r} … {ending!r}: {seconds:.2f} s for {length} characters"
        for length, most in ((12_000, 0.2 * SECONDS), (LENGTH, SECONDS)) if seconds > _PROBE_SECONDS else ():
            seconds = expression.run(_text(expression.compiled, unit, ending, length))
            if seconds > most:
                return 2 * SECONDS, f"{unit!r} … {ending!r}: {seconds:.1f} s for {length} characters"
        worst = max(worst, (seconds, f"{unit!r} … {ending!r}"))
    return worst


def _text(compiled: re.Pattern[Any], unit: str, ending: str, length: int) -> Any:
    text = (unit * (length // len(unit) + 1))[:length] + ending
    return text.encode("latin-1", "replace") if isinstance(compiled.pattern, bytes) else text


def units(compiled: re.Pattern[Any]) -> list[str]:
    """What is repeated: single characters of the expression, pairs of them, and the texts that begin its parts."""
    pattern = compiled.pattern.decode("latin-1") if isinstance(compiled.pattern, bytes) else compiled.pattern
    parsed = _parser.parse(pattern, compiled.flags & ~re.LOCALE)
    characters = list(dict.fromkeys([*_characters(parsed), "a", "0", " "]))[:12]
    beginnings = [text for text in _beginnings(parsed, "") if len(text) > 1]
    pairs = [first + second for first, second in product(characters, repeat=2) if first != second]
    return list(dict.fromkeys([*characters, *beginnings[:40], *pairs]))


def _characters(parsed: Any) -> Iterator[str]:
    for operator, argument in parsed:
        if operator in (_constants.LITERAL, _constants.NOT_LITERAL):
            yield chr(argument)
        elif operator is _constants.IN:
            yield from (chr(item) for kind, item in argument if kind is _constants.LITERAL)
            yield from (chr(item[0]) for kind, item in argument if kind is _constants.RANGE)
        else:
            for inner in _parts(operator, argument):
                yield from _characters(inner)


def _parts(operator: Any, argument: Any) -> list[Any]:
    """What an operator holds."""
    if operator is _constants.BRANCH:
        return list(argument[1])
    if operator in (_constants.ASSERT, _constants.ASSERT_NOT):
        return [argument[1]]
    if operator in (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT):
        return [argument[2]]
    if operator is _constants.SUBPATTERN:
        return [argument[-1]]
    return [argument] if operator is _constants.ATOMIC_GROUP else []


def _beginnings(parsed: Any, before: str) -> Iterator[str]:
    """Short texts that lead to each part of an expression."""
    for operator, argument in parsed:
        if before:
            yield before
        if operator is _constants.ASSERT:
            yield from _beginnings(argument[1], before)
            before = f"{before}{_shortest(argument[1])}" if argument[0] < 0 else before
            continue
        for inner in _parts(operator, argument):
            if operator is not _constants.ASSERT_NOT:
                yield from _beginnings(inner, before)
        before += _shortest([(operator, argument)])
    if before:
        yield before


def _shortest(parsed: Any) -> str:
    """A text that a part takes, one round of what is repeated."""
    text = ""
    for operator, argument in parsed:
        if operator is _constants.LITERAL:
            text += chr(argument)
        elif operator is _constants.IN:
            text += next(iter(_characters([(operator, argument)])), "a")
        elif operator in (_constants.ANY, _constants.NOT_LITERAL):
            text += "a"
        elif operator is _constants.BRANCH:
            text += _shortest(argument[1][0])
        elif operator not in (_constants.ASSERT, _constants.ASSERT_NOT):
            text += "".join(_shortest(inner) for inner in _parts(operator, argument))
    return text


Work = Callable[[str], object]


def seconds(work: Work, text: str) -> float:
    """The seconds of this process that something takes with a text, whether it refuses it or not."""
    from kfrun.errors import KfrunError

    started = time.process_time()
    with contextlib.suppress(KfrunError, RecursionError):
        work(text)
    return time.process_time() - started
