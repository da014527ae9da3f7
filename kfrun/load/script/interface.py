"""What a script takes on its command line, read from the calls that declare it: argparse's and click's.

Only what is written out is read: names, types, defaults, choices and helps that are literals. What is computed is told
as it is written.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, Final

from kfrun.model.script import Parameter
from kfrun.terminal import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LIBRARIES: Final = (
    "argparse",
    "click",
    "typer",
    "fire",
    "hydra",
    "absl",
    "tyro",
    "simple_parsing",
    "jsonargparse",
    "docopt",
)
"""Libraries that read arguments, those first of which something is read here."""

_MOST = 200
_LONGEST = 100
_MANY: Final = ("+", "*", "...")


def of(modules: Sequence[ast.Module]) -> tuple[str, tuple[Parameter, ...]]:
    """The library that reads a script's arguments, and what it takes as far as that is written out.

    Of several modules, it is the first in which one is told of; the script's own comes first.
    """
    found = [one for one in map(_of_module, modules) if one[0]]
    return next((one for one in found if one[1]), found[0] if found else ("", ()))


def _of_module(module: ast.Module) -> tuple[str, tuple[Parameter, ...]]:
    imported = {name.partition(".")[0] for node in ast.walk(module) for name in _modules(node)}
    library = next((name for name in LIBRARIES if name in imported), "")
    if library not in ("argparse", "click"):
        return library, ()
    name = "add_argument" if library == "argparse" else "option"
    calls = [node for node in ast.walk(module) if isinstance(node, ast.Call) and _called(node) in (name, "argument")]
    calls.sort(key=lambda call: (call.lineno, call.col_offset))
    commands = dict(_commands(module))
    found = ((call, _parameter(call)) for call in calls if library == "click" or _called(call) == name)
    own = (_behind(commands.get(_owner(call), ""), one) for call, one in found if one is not None)
    return library, tuple(own)[:_MOST]


def _commands(module: ast.Module) -> Iterator[tuple[str, str]]:
    """The parsers of commands below a script, by their variables, and what each command is called."""
    for node in ast.walk(module):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and _called(node.value) == "add_parser":
            name = _value(node.value.args[0], "") if node.value.args else ""
            yield from ((target.id, str(name)) for target in node.targets if isinstance(target, ast.Name))


def _owner(call: ast.Call) -> str:
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    return owner.id if isinstance(owner, ast.Name) else ""


def _behind(command: str, one: Parameter) -> Parameter:
    """An option of a command below the script, which stands behind the command's name."""
    return one._replace(about=f"behind {command}: {one.about}", is_required=False) if command else one


def _modules(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and not node.level:
        yield node.module or ""


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _parameter(call: ast.Call) -> Parameter | None:
    names = [one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    keywords = {one.arg: one.value for one in call.keywords if one.arg}
    action = _value(keywords.get("action"), "store")
    if not names or action in ("help", "version") or _called(call) == "group":
        return None
    name = next((one for one in names if one.startswith("--")), names[0])
    is_option = name.startswith("-")
    if _is_switch(action, keywords, name):
        return Parameter((_switch(name, keywords),), _about(keywords, "switch", None))
    default = keywords.get("default")
    is_required = _value(keywords.get("required"), None) is True or (not is_option and default is None)
    is_required = is_required and _value(keywords.get("nargs"), None) not in ("?", "*")
    values = _values(default, keywords, name)
    return Parameter(
        _words(name, values, keywords), _about(keywords, "", default, is_required=is_required), is_required
    )


def _is_switch(action: Any, keywords: dict[str, ast.expr], name: str) -> bool:
    if isinstance(action, str) and action.startswith(("store_", "append_const", "count")):
        return True
    is_optional = ast.unparse(keywords["action"]).endswith("BooleanOptionalAction") if "action" in keywords else False
    return is_optional or _value(keywords.get("is_flag"), False) is True or (name.startswith("--") and "/" in name)


def _switch(name: str, keywords: dict[str, ast.expr]) -> str:
    """The word that changes what is so by default."""
    on, _, off = name.partition("/")
    is_on = _value(keywords.get("default"), False) is True
    if off:
        return off.strip() if is_on else on.strip()
    is_optional = "action" in keywords and ast.unparse(keywords["action"]).endswith("BooleanOptionalAction")
    return f"--no-{on[2:]}" if is_optional and is_on else on


def _words(name: str, values: tuple[str, ...], keywords: dict[str, ast.expr]) -> tuple[str, ...]:
    if not name.startswith("-"):
        return values
    if name.startswith("--") and len(values) == 1 and "nargs" not in keywords:
        return (f"{name}={values[0]}",)
    return (name, *values)


def _values(default: ast.expr | None, keywords: dict[str, ast.expr], name: str) -> tuple[str, ...]:
    """The words of the default; what stands for a value where there is none."""
    found = _value(default, None)
    if isinstance(found, list | tuple) and found:
        return tuple(map(str, found))
    if found is None or isinstance(found, list | tuple | dict | set):
        choices = _value(keywords.get("choices"), ())
        first = choices[0] if isinstance(choices, list | tuple) and choices else None
        return (str(first) if first is not None else name.lstrip("-").upper().replace("-", "_"),)
    return (str(found),)


def _about(keywords: dict[str, ast.expr], kind: str, default: ast.expr | None, *, is_required: bool = False) -> str:
    parts = [kind or _type(keywords.get("type"))]
    if "choices" in keywords:
        parts.append(f"one of {ast.unparse(keywords['choices']).strip('[]()')}")
    if _value(keywords.get("nargs"), None) in _MANY:
        parts.append("several")
    if is_required:
        parts.append("required")
    elif default is not None and _value(default, None) is None:
        source = ast.unparse(default)
        parts.append("no default" if source == "None" else f"default {source}")
    elif default is None and not kind:
        parts.append("no default")
    text = _value(keywords.get("help"), "")
    words = ", ".join(filter(None, parts))
    shown = "" if default is None else str(_value(default, None) or ast.unparse(default))
    told = " ".join(text.replace("%(default)s", shown).replace("%%", "%").split()) if isinstance(text, str) else ""
    about = clean(": ".join(filter(None, (words, told))))
    return about if len(about) <= _LONGEST else f"{about[: _LONGEST - 1]}…"


def _type(found: ast.expr | None) -> str:
    return ast.unparse(found) if found is not None else ""


def _value(found: ast.expr | None, other: Any) -> Any:
    """The value of a literal; ``other`` for none, and None for what is computed."""
    if found is None:
        return other
    try:
        return ast.literal_eval(found)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
