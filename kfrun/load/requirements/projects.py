"""Projects and scripts that say what they need: pyproject.toml, and the ``# /// script`` block of PEP 723."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final

from kfrun.load.requirements import localpaths
from kfrun.model.requirements import Listed
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kfrun.load.requirements.closure import Closure, File

_BLOCK: Final = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
_NAME: Final = re.compile(r"([A-Za-z0-9][\w.-]*)\s*(\[[^\]]*\])?([^;]*)(;.*)?", re.DOTALL)
_LOCKED: Final = "uv lock writes uv.lock: name that"


class _Project(NamedTuple):
    """A pyproject.toml, or the block of a script."""

    closure: Closure
    file: File
    data: dict[str, Any]

    @property
    def table(self) -> dict[str, Any]:
        """``[project]``."""
        return _table(self.data, "project")

    @property
    def folder(self) -> str:
        """Where it lies."""
        return os.path.dirname(self.file.path)

    def fault(self, message: str, hint: str, text: str = "") -> None:
        """Note what is wrong, at the place of ``text``."""
        place = self.file.place_of(text) if text else self.file.place(1)
        self.closure.fault(self.file.entry, message, hint, place, self.file.excerpt(place))

    def lacks(self, what: str, hint: str, *, is_asked_for: bool) -> None:
        """Note what is not there: where it is named, in the annotation or in the file."""
        message = f"{self.file.shown} has no {what}"
        if is_asked_for:
            self.closure.fault(self.file.entry, message, hint, code="KF415")
        else:
            self.fault(message, hint, what.partition('"')[2].rstrip('"'))


def read(closure: Closure, file: File, extras: tuple[str, ...], group: str) -> int:
    """Read a pyproject.toml: what the project depends on, with extras, or one of its groups alone."""
    data = toml(closure, file, file.text)
    if data is None:
        return 0
    project = _Project(closure, file, data)
    if group:
        _add(project, list(_group(project, group, ())))
        return 0
    table = project.table
    if not table:
        poetry = "poetry" in _table(data, "tool")
        hint = "poetry export -o requirements.txt writes one; name that" if poetry else "give it one, with dependencies"
        project.fault("there is no [project] table" + (", Poetry's own tables are not read" if poetry else ""), hint)
        return 0
    _require_python(project, table)
    _add(project, [*_texts(project, table, "dependencies"), *_extras(project, extras, ())])
    add_project(closure, file, data, extras)
    return 0


def read_script(closure: Closure, file: File) -> int:
    """Read the block of a script."""
    text = file.text.replace("\r\n", "\n") + "\n"
    blocks = [found for found in _BLOCK.finditer(text) if found["type"] == "script"]
    if len(blocks) != 1:
        count = "there is no # /// script block" if not blocks else "there are several # /// script blocks"
        way = "kfrun.dev/packages names packages without one"
        place = file.place_of("# /// script") if blocks else None
        closure.fault(file.entry, f"{count} in {file.shown}", f"write one as PEP 723 has it; {way}", place)
        return 0
    lines = blocks[0]["content"].splitlines()
    inner = "\n".join(line[2:] if line.startswith("# ") else line[1:] for line in lines)
    data = toml(closure, file, inner, text.count("\n", 0, blocks[0].start()) + 1)
    if data is not None:
        project = _Project(closure, file, data)
        _require_python(project, data)
        _add(project, _texts(project, data, "dependencies"))
    return 0


def require(closure: Closure, file: File, data: dict[str, Any], extras: tuple[str, ...], group: str) -> bool:
    """Whether a pyproject.toml has these extras, and this group if one is named; what it has not was noted."""
    before = len(closure.faults)
    project = _Project(closure, file, data)
    list(_group(project, group, ()) if group else _extras(project, extras, ()))
    return len(closure.faults) == before


def toml(closure: Closure, file: File, text: str, line: int = 1) -> dict[str, Any] | None:
    """What a text in TOML says, which begins at ``line`` of a file; None where it is none, after that was noted."""
    import tomllib

    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        place = file.place(line)
        why = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        closure.fault(file.entry, f"this is no TOML: {why}", "mend it", place)
        return None


def add_project(closure: Closure, file: File, data: dict[str, Any], extras: tuple[str, ...]) -> None:
    """Have the project itself found by Python: installed so that edits are seen, or its ``src`` on the path."""
    folder = os.path.dirname(file.path)
    closure.note_project(folder)
    told = _table(_table(data, "tool"), "uv").get("package")
    if told if isinstance(told, bool) else "build-system" in data:
        wanted = f"[{','.join(extras)}]" if extras else ""
        name = _table(data, "project").get("name")
        text = f"-e {localpaths.url(folder)}{wanted}"
        closure.listed.append(Listed(text, file.place(1), name=name if isinstance(name, str) else ""))
    elif os.path.isdir(os.path.join(folder, "src")):
        closure.folders.append(os.path.join(folder, "src"))


def _table(data: dict[str, Any], name: str) -> dict[str, Any]:
    found = data.get(name)
    return found if isinstance(found, dict) else {}


def _texts(project: _Project, table: dict[str, Any], name: str) -> list[str]:
    found = table.get(name, [])
    if isinstance(found, list) and all(isinstance(item, str) for item in found):
        return found
    project.fault(f"{name} is no list of texts", 'write ["name==version", ...]', name)
    return []


def _require_python(project: _Project, table: dict[str, Any]) -> None:
    wanted = table.get("requires-python")
    if isinstance(wanted, str) and wanted.strip():
        project.closure.python.append(wanted.strip())


def _extras(project: _Project, names: tuple[str, ...], chain: tuple[str, ...]) -> Iterator[str]:
    """The packages of extras; an extra may name others of the project."""
    known = _table(project.table, "optional-dependencies")
    own = normalised(str(project.table.get("name", "")))
    for name in names:
        key = next((item for item in known if normalised(item) == normalised(name)), None)
        if key is None:
            allowed = f"allowed: {', '.join(known)}" if known else "there is none in [project.optional-dependencies]"
            project.lacks(f'extra "{name}"', allowed, is_asked_for=not chain)
        elif key not in chain:
            for text in _texts(project, known, key):
                found = _NAME.fullmatch(text)
                if found is not None and own and normalised(found[1]) == own and found[2]:
                    inner = tuple(item.strip() for item in found[2][1:-1].split(","))
                    yield from _extras(project, inner, (*chain, key))
                else:
                    yield text


def _group(project: _Project, name: str, chain: tuple[str, ...]) -> Iterator[str]:
    """The packages of a group of PEP 735, with the groups that it includes."""
    known = _table(project.data, "dependency-groups")
    key = next((item for item in known if normalised(item) == normalised(name)), None)
    if key is None:
        allowed = (
            f"allowed: {', '.join(known)}" if known else "there is no [dependency-groups]; extras are written [name]"
        )
        project.lacks(f'dependency group "{name}"', allowed, is_asked_for=not chain)
        return
    if key in chain:
        project.fault(f"the group includes itself: {' -> '.join((*chain, key))}", "remove one include-group", key)
        return
    items = known[key]
    for item in items if isinstance(items, list) else ():
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict) and isinstance(item.get("include-group"), str):
            yield from _group(project, item["include-group"], (*chain, key))
        else:
            project.fault(
                f'an item of the group "{name}" is no requirement', "write a text, or {include-group = ...}", key
            )


def _add(project: _Project, texts: list[str]) -> None:
    """List requirements, as uv's own tables would have them."""
    uv = _table(_table(project.data, "tool"), "uv")
    _add_indexes(project, uv)
    sources = {normalised(name): source for name, source in _table(uv, "sources").items()}
    for text in texts:
        found = _NAME.fullmatch(text)
        source = sources.get(normalised(found[1])) if found else None
        place = project.file.place_of(text)
        item = Listed(text, place, project.file.excerpt(place))
        if found is not None and source is not None:
            name = f"{found[1]}{found[2] or ''}"
            placed = _from_source(project, name, found[1], source)
            if placed is None:
                continue
            item = item._replace(text=f"{placed}{f' {found[4]}' if found[4] else ''}", name=found[1])
        elif localpaths.of(text):
            project.fault(f'"{text}" names a path', "write name @ file:///path, or a source in [tool.uv.sources]", text)
            continue
        project.closure.listed.append(item)


def _add_indexes(project: _Project, uv: dict[str, Any]) -> None:
    options = project.closure.options
    items = uv.get("index", [])
    for index in items if isinstance(items, list) else ():
        url = index.get("url") if isinstance(index, dict) else None
        if isinstance(url, str) and not index.get("explicit"):
            options.append(("--index-url" if index.get("default") else "--extra-index-url", url))
    if isinstance(uv.get("index-url"), str):
        options.append(("--index-url", uv["index-url"]))
    for name in ("extra-index-url", "find-links"):
        found = uv.get(name, [])
        options += [(f"--{name}", item) for item in (found if isinstance(found, list) else ()) if isinstance(item, str)]


def _from_source(project: _Project, name: str, own: str, source: Any) -> str | None:
    """A requirement from where ``[tool.uv.sources]`` has it."""
    texts = {key: value for key, value in source.items() if isinstance(value, str)} if isinstance(source, dict) else {}
    if "git" in texts:
        revision = next((f"@{texts[key]}" for key in ("rev", "tag", "branch") if key in texts), "")
        inner = f"#subdirectory={texts['subdirectory']}" if "subdirectory" in texts else ""
        return f"{name} @ git+{texts['git']}{revision}{inner}"
    if "url" in texts:
        return f"{name} @ {texts['url']}"
    if "path" in texts:
        path, _ = localpaths.place(texts["path"], [project.folder])
        if localpaths.is_package(path):
            project.closure.note_project(path)
            is_editable = source.get("editable") is True and os.path.isdir(path)
            place = localpaths.url(path)
            return f"-e {place}{name.removeprefix(own)}" if is_editable else f"{name} @ {place}"
        project.fault(f"{path}, where {own} is to come from, is no package", "mend the path in [tool.uv.sources]", own)
        return None
    project.fault(f"{own} comes from a source that only uv understands", _LOCKED, own)
    return None


def normalised(name: str) -> str:
    """The name by which packages, extras and groups are told apart."""
    return re.sub(r"[-_.]+", "-", name).lower()
