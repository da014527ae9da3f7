"""What a Python script imports, found in its text without running it, modules of its own folder included."""

from __future__ import annotations

import ast
import os
import sys
from typing import TYPE_CHECKING, Final

from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TORCH: Final = frozenset({
    "torch", "accelerate", "bitsandbytes", "composer", "deepspeed", "detectron2", "diffusers", "fairscale", "fastai",
    "flair", "ignite", "kornia", "lightning", "lightning_fabric", "monai", "mmcv", "mmengine", "open_clip", "peft",
    "pytorch_lightning", "sentence_transformers", "timm", "torch_geometric", "torchaudio", "torchdata", "torchmetrics",
    "torchrl", "torchtext", "torchtitan", "torchtune", "torchvision", "transformers", "trl", "ultralytics", "unsloth",
    "xformers",
})  # fmt: skip
"""PyTorch, and what cannot be imported without it or is of little use."""

BROUGHT: Final = frozenset({
    "torch", "torchgen", "functorch", "filelock", "fsspec", "jinja2", "markupsafe", "mpmath", "networkx", "setuptools",
    "sympy", "triton", "typing_extensions",
})  # fmt: skip
"""What is there where PyTorch alone was installed."""

_OTHER_ENGINES: Final = frozenset({"tensorflow", "jax", "flax", "keras"})
"""With one of these, transformers needs no PyTorch."""

_MOST_FILES, _MOST_BYTES = 200, 4 * 1024 * 1024
_HANDLED: Final = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


class Imports(NamedTuple):
    """What was found.

    Attributes:
        names: of modules that come from elsewhere, the first part of each, and the line of its first import.
        own: those of the script itself.
        modules: that were read, the script first.
        broken: modules of the folder that are no Python, and why.
    """

    names: dict[str, int]
    own: dict[str, int]
    modules: tuple[ast.Module, ...] = ()
    broken: tuple[tuple[str, SyntaxError], ...] = ()

    @property
    def torch(self) -> str:
        """The first that means PyTorch; empty for none."""
        others = _OTHER_ENGINES & self.names.keys()
        found = (name for name in self.names if name in TORCH and not (name == "transformers" and others))
        return next(found, "")


def tree(text: str, path: str) -> ast.Module:
    """The syntax tree of a script.

    Raises:
        SyntaxError: it is no Python, as this interpreter knows it.
    """
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text, path)
        except (ValueError, RecursionError, MemoryError) as error:
            why = "it holds a null character" if isinstance(error, ValueError) else "it is nested too deeply"
            raise SyntaxError(why, (path, 1, 1, None)) from error


def of(script: ast.Module, path: str, folders: Sequence[str], *, is_thorough: bool = False) -> Imports:
    """What a script imports; ``folders`` are where its own modules are looked for, best first.

    Reading ends when PyTorch was found, unless ``is_thorough``.
    """
    search = _Search(folders, is_thorough=is_thorough)
    search.look_at(script, path, package="")
    own = dict(search.names)
    search.go_on()
    return Imports(search.names, own, tuple(search.modules), tuple(search.broken))


class _Search:
    """Goes from module to module, until it is known that PyTorch is needed, or enough was read."""

    def __init__(self, folders: Sequence[str], *, is_thorough: bool) -> None:
        self._is_thorough = is_thorough
        self.modules: list[ast.Module] = []
        self.names: dict[str, int] = {}
        self.broken: list[tuple[str, SyntaxError]] = []
        self._folders = folders
        self._waiting: list[tuple[str, str]] = []
        self._seen: set[str] = set()
        self._bytes = 0

    def look_at(self, module: ast.Module, path: str, package: str) -> None:
        """Note what a module imports."""
        self._seen.add(os.path.realpath(path))
        self.modules.append(module)
        for line, name, members in _imported(module.body, package):
            found = self._own(name)
            # from ours import model: the member may be a module, too
            found += [one for member in members for one in self._own(f"{name}.{member}")] if found else []
            top = name.partition(".")[0]
            if not found and top and top not in sys.stdlib_module_names:
                self.names.setdefault(top, line)
            self._waiting += found

    def go_on(self) -> None:
        """Read the modules of the folder that were named."""
        while self._waiting and len(self._seen) < _MOST_FILES and self._bytes < _MOST_BYTES:
            if not self._is_thorough and Imports(self.names, self.names).torch:
                return
            path, package = self._waiting.pop(0)
            if os.path.realpath(path) in self._seen:
                continue
            self._seen.add(os.path.realpath(path))
            try:
                with open(path, "rb") as file:
                    content = file.read(_MOST_BYTES)
                self._bytes += len(content)
                self.look_at(tree(decoded(content, path), path), path, package)
            except SyntaxError as error:
                self.broken.append((path, error))
            except OSError:
                continue

    def _own(self, name: str) -> list[tuple[str, str]]:
        """The files of a module of the folder, its packages' first: path, and the package that it is in."""
        parts = name.split(".")
        for folder in self._folders:
            found = list(_files(folder, parts))
            if found:
                return found
        return []


def _files(folder: str, parts: Sequence[str]) -> Iterator[tuple[str, str]]:
    path = folder
    for depth, part in enumerate(parts, 1):
        if not part:
            return
        path = f"{path}/{part}"
        if os.path.isfile(f"{path}/__init__.py"):
            yield f"{path}/__init__.py", ".".join(parts[:depth])
        elif os.path.isfile(f"{path}.py"):
            yield f"{path}.py", ".".join(parts[: depth - 1])
            return
        elif not os.path.isdir(path):
            return


def decoded(content: bytes, path: str) -> str:
    """The text of a script, in the encoding that its first lines name.

    Raises:
        SyntaxError: it is not in that encoding.
    """
    try:
        text = content.decode("utf-8-sig") if b"coding" not in content[:400] else _in_its_encoding(content)
    except LookupError as error:
        raise SyntaxError(str(error), (path, 1, 1, None)) from error
    except UnicodeDecodeError as error:
        start = error.start
        line = content.count(b"\n", 0, start) + 1
        column = len(content[:start].rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
        why = f"the byte 0x{content[start]:02x} is not {error.encoding.upper()}"
        raise SyntaxError(why, (path, line, column, None)) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _in_its_encoding(content: bytes) -> str:
    import io
    import tokenize

    encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    return content.decode(encoding)


def _imported(body: Sequence[ast.stmt], package: str) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """The modules that statements import, with what is taken from each; not what may be missing."""
    for statement in body:
        line = statement.lineno
        if isinstance(statement, ast.Import):
            yield from ((line, alias.name, ()) for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            yield line, _absolute(statement, package), tuple(alias.name for alias in statement.names)
        else:
            for inner in _blocks(statement):
                yield from _imported(inner, package)
            yield from ((line, name, ()) for name in _by_name(statement))


def _absolute(statement: ast.ImportFrom, package: str) -> str:
    if not statement.level:
        return statement.module or ""
    parts = package.split(".") if package else []
    parts = parts[: len(parts) - statement.level + 1]
    return ".".join([*parts, *([statement.module] if statement.module else [])])


def _blocks(statement: ast.stmt) -> Iterator[Sequence[ast.stmt]]:
    """What is inside a statement and runs, as far as that can be told."""
    if isinstance(statement, ast.If) and _is_for_types(statement.test):
        yield statement.orelse
        return
    if isinstance(statement, ast.Try) and any(map(_handles, statement.handlers)):
        yield from (statement.orelse, statement.finalbody)
        return
    for name in ("body", "orelse", "finalbody"):
        yield getattr(statement, name, ())
    for inner in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        yield inner.body


def _is_for_types(test: ast.expr) -> bool:
    return (test.id if isinstance(test, ast.Name) else getattr(test, "attr", "")) == "TYPE_CHECKING"


def _handles(handler: ast.ExceptHandler) -> bool:
    """Whether the handler is there for a module that is missing."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    raises = any(isinstance(node, ast.Raise) for node in ast.walk(handler)) or any(
        isinstance(node, ast.Attribute) and node.attr in ("exit", "_exit") for node in ast.walk(handler)
    )
    return not raises and any(kind is None or getattr(kind, "id", "") in _HANDLED for kind in kinds)


def _by_name(statement: ast.stmt) -> Iterator[str]:
    """``x = importlib.import_module("torch")``."""
    value = getattr(statement, "value", None)
    if isinstance(value, ast.Call) and value.args and isinstance(value.args[0], ast.Constant):
        called = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
        if called in ("import_module", "__import__") and isinstance(value.args[0].value, str):
            yield value.args[0].value
