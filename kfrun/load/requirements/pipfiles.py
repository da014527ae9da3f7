"""Requirements files, and the files that these name."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from kfrun.load.requirements import localpaths, syntax
from kfrun.model.requirements import Listed
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from kfrun.load.requirements.closure import Closure, File
    from kfrun.model.source import Position

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_DEEPEST: Final = 50


class _Opened(NamedTuple):
    """One file, and those that led to it, the outermost first."""

    closure: Closure
    file: File
    chain: tuple[str, ...] = ()
    is_constraint: bool = False

    def fault(self, line: syntax.Logical, message: str, hint: str) -> None:
        """Note what is wrong with a line."""
        place = self.place(line)
        self.closure.fault(self.file.entry, message, hint, place, self.file.excerpt(place))

    def place(self, line: syntax.Logical) -> Position:
        """Where a line begins."""
        return self.file.place(line.number, line.column)


def read(closure: Closure, file: File) -> None:
    """Read a requirements file."""
    _read(_Opened(closure, file))


def _read(reader: _Opened) -> None:
    for line in syntax.logical_lines(reader.file.text):
        found = syntax.parsed(line.text)
        if found.wrong:
            reader.fault(line, found.wrong, found.hint)
        elif found.requirement:
            _requirement(reader, line, found.requirement, found.options)
        else:
            for name, value in found.options:
                _option(reader, line, name, value)


def _option(reader: _Opened, line: syntax.Logical, name: str, value: str) -> None:
    if name in ("--requirement", "--constraint"):
        _nested(reader, line, value, is_constraint=name == "--constraint" or reader.is_constraint)
    elif name == "--editable":
        if reader.is_constraint:
            reader.fault(line, "a constraint cannot be editable", "write name==version")
        else:
            _requirement(reader, line, value, (), editable=True)
    elif name in ("--index-url", "--extra-index-url", "--find-links"):
        _place(reader, line, name, value)
    else:
        reader.closure.options.append((name, value))


def _place(reader: _Opened, line: syntax.Logical, name: str, value: str) -> None:
    """An index, or links: a folder becomes its URL."""
    if "://" not in value and not value.startswith("${"):
        path, _ = localpaths.place(value, _folders(reader))
        if not os.path.exists(path):
            reader.fault(
                line, f'"{value}" is no URL, and there is no folder {path}', "write https://..., or mend the path"
            )
            return
        value = localpaths.url(path)
    reader.closure.options.append((name, value))


def _folders(reader: _Opened) -> tuple[str, ...]:
    own = os.path.dirname(reader.file.path)
    return (own, *([reader.closure.folder] if reader.closure.folder else ()))


def _nested(reader: _Opened, line: syntax.Logical, name: str, *, is_constraint: bool) -> None:
    name = localpaths.expanded(name)
    if "://" in name:
        reader.fault(
            line,
            f'"{name.partition("?")[0].rpartition("@")[2]}" is a URL',
            "save it beside the file, and name it by its path",
        )
        return
    if name.endswith((".toml", ".lock", ".py")):
        hint = f"give it a line of its own in kfrun.dev/requirements: {reader.closure.seen(reader.file, name)}"
        reader.fault(line, f'"{name}" is no requirements file', hint)
        return
    path = os.path.normpath(os.path.join(os.path.dirname(reader.file.path), name))
    chain = (*reader.chain, reader.file.path)
    if path in chain or len(chain) > _DEEPEST:
        names = " -> ".join(
            os.path.basename(item) for item in (*chain[chain.index(path) if path in chain else 0 :], path)
        )
        reader.fault(line, f"the file includes itself: {names}", "remove one of the lines")
        return
    file = reader.closure.open(path, name, reader.file.entry, place=reader.place(line))
    if file is not None:
        _read(_Opened(reader.closure, file, chain, is_constraint))


def _requirement(
    reader: _Opened, line: syntax.Logical, text: str, options: tuple[tuple[str, str], ...], *, editable: bool = False
) -> None:
    found = localpaths.of(text)
    place = reader.place(line)
    item = Listed(
        text,
        place,
        reader.file.excerpt(place),
        hashes=tuple(value for name, value in options if name == "--hash"),
        settings=tuple(value for name, value in options if name == "--config-settings"),
        is_constraint=reader.is_constraint,
    )
    if found is not None:
        local = _local(reader, line, found, editable=editable)
        if local is None:
            return
        item = item._replace(text=local[0], name=local[1])
    elif editable:
        hint = f"leave -e out: name @ {text.partition('#')[0]}" if "://" in text else "write -e ./path"
        reader.fault(line, "only a folder can be installed with -e", hint)
        return
    elif _URL.fullmatch(text.partition(" ")[0]):
        egg = re.search(r"[#&]egg=([A-Za-z0-9][\w.-]*)", text)
        item = item._replace(
            name=egg[1] if egg else localpaths.name_of(text.partition("#")[0]) if ".whl" in text else ""
        )
    reader.closure.listed.append(item)


def _local(
    reader: _Opened, line: syntax.Logical, found: localpaths.LocalPath, *, editable: bool
) -> tuple[str, str] | None:
    """What the installer is told of a package that lies here, and its name; None where there is none."""
    if found.path.startswith("~"):
        reader.fault(line, f'"{found.path}": ~ stays as it is', "write the whole path, or ${HOME}/...")
        return None
    path, fragment = localpaths.place(found.path, _folders(reader))
    if not os.path.exists(path):
        reader.fault(line, f"{path} does not exist", "mend the path: it begins at the folder of the file")
        return None
    if not localpaths.is_package(path):
        why = "has neither pyproject.toml nor setup.py"
        reader.fault(line, f"{path} {why}", "name the folder of a package, or give it a pyproject.toml")
        return None
    if editable and not os.path.isdir(path):
        reader.fault(line, "only a folder can be installed with -e", "leave -e out")
        return None
    reader.closure.note_project(path)
    name = found.name or localpaths.name_of(path)
    extras = found.extras
    marker = f" {found.marker}" if found.marker else ""
    place = f"{localpaths.url(path)}{fragment}"
    if editable:
        return f"-e {place}{extras}{marker}", name
    return (f"{name}{extras} @ {place}{marker}" if name else f"{place}{extras}{marker}"), name
