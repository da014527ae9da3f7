"""Measures the sizes that CONTRIBUTING.md bounds: ``python -m tests.style_metrics [CHECKOUT]`` prints the table.

Code lines are lines that hold a token of the program: no blanks, comments or docstrings. Nesting counts what branches
or repeats: if, for, while, try, match. The ``__init__`` of a folder is none of its modules.
"""

from __future__ import annotations

import argparse
import ast
import io
import tokenize
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
_BRANCHING = (ast.If, ast.For, ast.While, ast.Try, ast.Match)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


@dataclass(frozen=True)
class Function:
    """One function or method; ``lines`` counts its code without the docstring."""

    where: str
    lines: int
    nesting: int
    positional: int
    is_verb: bool


@dataclass(frozen=True)
class Module:
    """One file; ``name`` is its path, from the measured folder's name on."""

    path: Path
    name: str
    lines: int
    tree: ast.Module
    functions: list[Function] = field(default_factory=list)


def measure(folder: Path) -> list[Module]:
    """Every module below ``folder``."""
    return [_module(path, path.relative_to(folder.parent).as_posix()) for path in sorted(folder.rglob("*.py"))]


def folders(modules: list[Module]) -> dict[str, int]:
    """How many modules lie in each folder, those below it not counted."""
    found = Counter(module.name.rpartition("/")[0] for module in modules if module.path.stem != "__init__")
    return dict(sorted(found.items()))


def class_names(modules: list[Module]) -> dict[str, list[str]]:
    """The modules that define a class of each name, private and nested ones too; one that does it twice is twice."""
    found: dict[str, list[str]] = defaultdict(list)
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(module.name)
    return dict(sorted(found.items()))


def percentile(values: list[int], share: float) -> int:
    """The smallest value that ``share`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def table(modules: list[Module]) -> str:
    """The sizes of each package, for people."""
    rows = [
        ("package", "files", "code lines", "modules a folder p50/max", "file p50/p90/max", "function p50/p90/max",
         "nesting max"),
    ]  # fmt: skip
    packages: dict[str, list[Module]] = {}
    for module in modules:
        parts = module.name.split("/")
        packages.setdefault("/".join(parts[:2]) if len(parts) > 2 else parts[0], []).append(module)
    for name, members in [*sorted(packages.items()), ("all", modules)]:
        files, counts = [module.lines for module in members], list(folders(members).values()) or [0]
        functions = [item for module in members for item in module.functions]
        lengths = [item.lines for item in functions] or [0]
        rows.append(
            (
                name,
                str(len(files)),
                str(sum(files)),
                f"{percentile(counts, 0.5)} / {max(counts)}",
                f"{percentile(files, 0.5)} / {percentile(files, 0.9)} / {max(files)}",
                f"{percentile(lengths, 0.5)} / {percentile(lengths, 0.9)} / {max(lengths)}",
                str(max((item.nesting for item in functions), default=0)),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines)


def _module(path: Path, name: str) -> Module:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    code = _code_lines(text) - _docstring_lines(tree)
    module = Module(path, name, len(code), tree)
    for node in ast.walk(tree):
        if isinstance(node, _FUNCTIONS):
            module.functions.append(_function(node, code, f"{module.name}:{node.lineno} {node.name}"))
    return module


def _code_lines(text: str) -> set[int]:
    found: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NO_CODE:
            found.update(range(token.start[0], token.end[0] + 1))
    return found


def _docstring_lines(tree: ast.Module) -> set[int]:
    found: set[int] = set()
    for node in ast.walk(tree):
        # also the strings that explain a constant
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            found.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return found


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, code: set[int], where: str) -> Function:
    lines = sum(number in code for number in range(node.lineno, (node.end_lineno or node.lineno) + 1))
    names = [item.arg for item in (*node.args.posonlyargs, *node.args.args)]
    positional = len([name for name in names if name not in ("self", "cls")])
    decorators = [ast.unparse(item) for item in node.decorator_list]
    is_verb = any(word in item for item in decorators for word in ("options.verb", "command", "callback"))
    return Function(where, lines, _nesting(node.body), positional, is_verb)


def _nesting(body: list[ast.stmt], depth: int = 0) -> int:
    deepest = depth
    for statement in body:
        if isinstance(statement, ast.With):
            deepest = max(deepest, _nesting(statement.body, depth))
        if not isinstance(statement, _BRANCHING):
            continue
        inner = depth + 1
        for name in ("body", "orelse", "finalbody"):
            children = getattr(statement, name, [])
            is_elif = name == "orelse" and len(children) == 1 and isinstance(children[0], ast.If)
            deepest = max(deepest, _nesting(children, depth if is_elif else inner))
        for part in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
            deepest = max(deepest, _nesting(part.body, inner))
        deepest = max(deepest, inner)
    return deepest


def main() -> int:
    """Print the table of the package and of the tests."""
    parser = argparse.ArgumentParser(prog="python -m tests.style_metrics", description="Sizes of files and functions.")
    parser.add_argument("checkout", nargs="?", type=Path, default=ROOT, help="another checkout")
    root = parser.parse_args().checkout.resolve()
    print(table(measure(root / "kfrun")))
    print()
    print(table(measure(root / "tests")))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
