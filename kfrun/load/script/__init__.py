"""Scripts that are run without a manifest: what their text and their folder say, read without running anything."""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from kfrun.errors import InvalidInput, NotFound, Refused, Unavailable, UsageProblem
from kfrun.load import excerpts, filekinds, sources
from kfrun.load.script import commands, imports, surroundings
from kfrun.model.script import NO_REQUIREMENTS, ScriptSummary
from kfrun.model.source import Finding, Position, Severity, Stage
from kfrun.model.values import NamedTuple
from kfrun.patterns import pattern
from kfrun.terminal import quoted

if TYPE_CHECKING:
    import ast
    from collections.abc import Mapping, Sequence

    from kfrun.load.script.commands import Parts
    from kfrun.model.script import ScriptCall

CODES = {
    "KF127": "a script is no Python, so nobody knows what it imports",
    "KF128": "a module that a script imports is no Python",
    "KF129": "a script for PyTorch imports what no file beside it names",
}

_MOST_BYTES: Final = 8 * 1024 * 1024
_READ: Final = (filekinds.PYTHON, filekinds.SHELL)
_NAMED: Final = pattern(r"[\w./-]+")
_LAUNCHED: Final = pattern(r"\b(?:torchrun|accelerate launch|deepspeed|torch\.distributed\.(?:run|launch))\b")


class ReadScript(NamedTuple):
    """What was read, what is to be warned of, and of Python the modules and the lines of the script's imports."""

    facts: ScriptSummary
    warnings: tuple[Finding, ...] = ()
    modules: tuple[ast.Module, ...] = ()
    imported: Mapping[str, int] = MappingProxyType({})


class _Script(NamedTuple):
    """What runs: as it is written, where it lies unless it stands in the command, what it is, and its text."""

    shown: str
    path: str
    kind: str
    content: bytes


def read(call: ScriptCall, folder: str, *, is_thorough: bool = False) -> ReadScript:
    """Read what a command line names, seen from ``folder``; ``is_thorough``, all modules of the folder with it.

    Raises:
        NotFound, Unavailable: the script is not there, or cannot be read.
        InvalidInput: it is no Python.
        Refused: nobody knows how to run it.
        UsageProblem: there is nothing to run, or what is said cannot be in a manifest.
    """
    _require_words(call)
    parts = _parts(call, folder)
    script = _script(parts, folder, is_command=call.is_command)
    path = script.path if script else ""
    facts = ScriptSummary(
        shown=script.shown if script else parts.program,
        folder=folder,
        path=path,
        title=call.name or surroundings.title(path, folder, _stem(parts, path)),
        command=parts.command,
        args=parts.args,
        distributed=next((word for word in parts.command if word in commands.LAUNCHERS), ""),
    )
    found = ReadScript(facts) if script is None else _looked_into(script, facts, call, is_thorough)
    facts = found.facts._replace(requirements=_requirements(call, script, folder))
    lacking = _lacking(script, found, facts) if script and not call.requirements and not call.runtime else ()
    return found._replace(facts=facts, warnings=(*found.warnings, *lacking))


def meant(call: ScriptCall, folder: str) -> ScriptCall:
    """A script that stands where a command is expected, and no program of its name, is a script all the same."""
    first = call.words[0] if call.words else ""
    if not call.is_command or not first or ("/" not in first and _is_program(first)):
        return call
    head = filekinds.of_file(os.path.join(folder, first))
    return call._replace(is_command=head is None or (head.is_executable and "/" in first))


def _require_words(call: ScriptCall) -> None:
    if not call.words or not call.words[0]:
        raise UsageProblem("no script was named", "kfrun run train.py runs one, kfrun run -- python train.py a command")
    for word in call.words:
        try:
            is_text = b"\0" not in word.encode()
        except UnicodeEncodeError:
            is_text = False
        if not is_text:
            way = "rename the file, or write the word otherwise"
            raise UsageProblem(f"{quoted(word)} is no text in UTF-8, and a manifest is one", way)


def _parts(call: ScriptCall, folder: str) -> Parts:
    """The command that runs a script; a command stays as it is written."""
    first, *rest = call.words
    if call.is_command:
        return commands.parts(call.words)
    if call.is_module:
        return commands.Parts(("python", "-m", first), tuple(rest), module=first)
    path = os.path.join(folder, first)
    _require_file(first, path, rest)
    head = filekinds.of_file(path) or filekinds.Head(filekinds.PYTHON if os.path.isdir(path) else "")
    word = _relative(path, folder)
    if head.kind == filekinds.PYTHON:
        return commands.Parts(("python", word), tuple(rest), script=word)
    if head.kind == filekinds.NOTEBOOK:
        way = f"jupyter nbconvert --to script {quoted(first)} writes a script of it"
        raise Refused(f"{first} is {filekinds.NOTEBOOK}: jobs run scripts", way)
    if head.is_executable and (head.program or head.kind == filekinds.PROGRAM):
        own = word if "/" in word else f"./{word}"
        return commands.Parts((own,), tuple(rest), script=own)
    if head.kind == filekinds.SHELL:
        shell = head.program[0].rpartition("/")[2] if head.program else "sh" if first.endswith(".sh") else "bash"
        return commands.Parts((shell, word), tuple(rest), script=word)
    said = head.kind or "neither a script nor a manifest"
    raise Refused(f"{first} is {said}", f"say what runs it: kfrun run -- PROGRAM {quoted(first)}")


def _require_file(first: str, path: str, rest: Sequence[str]) -> None:
    try:
        if os.path.isdir(path) and not os.path.isfile(os.path.join(path, "__main__.py")):
            raise Refused(
                f"{first} is a folder", f"name a script in it: kfrun run {quoted(first.rstrip('/'))}/train.py"
            )
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        if os.path.islink(path):
            raise NotFound(f"{first} is a link to nothing", "mend the link, or name another file") from None
        raise _missing(first, rest) from None
    except OSError as error:
        raise Unavailable(f"{first} cannot be read: {(error.strerror or str(error)).lower()}") from error


def _missing(first: str, rest: Sequence[str]) -> NotFound:
    near = sources.near_names(first)
    if near is None and "/" not in first and (first.startswith("python") or _is_program(first)):
        again = " ".join(quoted(word) for word in (first, *rest[:2]))
        near = f"a command stands behind --: kfrun run -- {again}"
    if near is None and "/" not in first and "." not in first:
        near = f"kfrun run takes a script or a manifest; kfrun rerun {quoted(first)} runs a stored job again"
    return NotFound(f"no such file: {first}", near)


def _is_program(name: str) -> bool:
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return any(folder and os.access(os.path.join(folder, name), os.X_OK) for folder in folders)


def _relative(path: str, folder: str) -> str:
    """The path as the job's command names it: from ``folder`` on where it is in it."""
    path = os.path.normpath(path)
    inside = path.startswith(folder.rstrip("/") + "/")
    word = os.path.relpath(path, folder) if inside else path
    return f"./{word}" if word.startswith("-") else word


def _stem(parts: Parts, path: str) -> str:
    """What else than its file a job may be called after."""
    if parts.module:
        return next((name for name in reversed(parts.module.split(".")) if name != "__main__"), "main")
    return "" if path else parts.program.partition(".")[0]


def _script(parts: Parts, folder: str, *, is_command: bool) -> _Script | None:
    """The script of a command, with its text; None where that is nothing of the user's."""
    if parts.code:
        kind = filekinds.SHELL if parts.program in commands.SHELLS else filekinds.PYTHON
        return _Script(f"{parts.program} -c", "", kind, parts.code.encode())
    if parts.module:
        path = _module_path(parts.module, folder)
        if path is None and not is_command:
            way = f"kfrun run -- python -m {quoted(parts.module)} runs any"
            raise NotFound(f"there is no module {parts.module} below {folder}", way)
        shown, kind = os.path.relpath(path, folder) if path else "", filekinds.PYTHON
    else:
        path = os.path.normpath(os.path.join(folder, parts.script)) if parts.script else None
        path = os.path.join(path, "__main__.py") if path and os.path.isdir(path) else path
        head = filekinds.of_file(path) if path else None
        shown, kind = parts.script, head.kind if head else ""
    if path is None or not os.path.isfile(path):
        return None  # what a command names may come to be; who starts it says what is missing
    return _Script(shown, path, kind, _content(path, shown) if kind in _READ and not path.endswith(".pyz") else b"")


def _module_path(name: str, folder: str) -> str | None:
    """Where a module is: in the current folder, or in its ``src``, which a project puts on the path."""
    bases = ("/".join([*start, *name.split(".")]) for start in ((folder,), (folder, "src")))
    candidates = (path for base in bases for path in (f"{base}.py", f"{base}/__main__.py"))
    return next(filter(os.path.isfile, candidates), None)


def _content(path: str, shown: str) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise Unavailable(f"{shown} cannot be read: {(error.strerror or str(error)).lower()}") from error
    if len(content) > _MOST_BYTES:
        raise Refused(f"{shown} has more than {_MOST_BYTES >> 20} MiB: that is no script")
    return content


def _looked_into(script: _Script, facts: ScriptSummary, call: ScriptCall, is_thorough: bool = False) -> ReadScript:
    """The facts, with what the script imports."""
    if script.kind not in _READ or not script.content:
        return ReadScript(facts)
    if script.kind == filekinds.SHELL:
        return _of_shell(script.content.decode("utf-8", "replace"), facts, call)
    try:
        module = imports.tree(imports.decoded(script.content, script.shown), script.shown)
    except SyntaxError as error:
        finding = _no_python(script, error, is_refused=not call.is_command)
        if not call.is_command:
            raise InvalidInput([finding]) from error
        return ReadScript(facts, (finding,))
    found = imports.of(module, script.path, _folders(script.path, facts.folder), is_thorough=is_thorough)
    broken = tuple(_broken(path, error, facts.folder) for path, error in found.broken)
    return ReadScript(facts._replace(distributed=facts.distributed or found.torch), broken, found.modules, found.own)


def _of_shell(text: str, facts: ScriptSummary, call: ScriptCall) -> ReadScript:
    """Of a shell script: the launcher that it calls, or what the Python scripts import that it names."""
    launched = _LAUNCHED.search(text)
    if launched is not None or facts.distributed:
        return ReadScript(facts._replace(distributed=facts.distributed or (launched[0] if launched else "")))
    for name in dict.fromkeys(_NAMED.findall(text)):
        path = os.path.normpath(os.path.join(facts.folder, name))
        if name.endswith(".py") and os.path.isfile(path):
            script = _Script(name, path, filekinds.PYTHON, _content(path, name))
            inner = _looked_into(script, facts, call._replace(is_command=True))
            if inner.facts.distributed:
                return ReadScript(inner.facts)
    return ReadScript(facts)


def _folders(path: str, folder: str) -> tuple[str, ...]:
    """Where a script's own modules are: beside it, in the current folder, and below their ``src``."""
    own = os.path.dirname(path) or folder
    # Python looks beside the file that a link leads to
    found = (os.path.dirname(os.path.realpath(path)) if path else own, own, folder, f"{own}/src", f"{folder}/src")
    return tuple(dict.fromkeys(one for one in found if os.path.isdir(one)))


def _requirements(call: ScriptCall, script: _Script | None, folder: str) -> tuple[str, ...]:
    if call.requirements:
        given = [name for name in call.requirements if name != NO_REQUIREMENTS]
        return tuple(os.path.normpath(os.path.join(folder, name)) for name in given)
    is_python = script is not None and script.path.endswith(".py")
    text = script.content.decode("utf-8", "replace") if script and is_python else ""
    return surroundings.requirements(text.replace("\r\n", "\n"), script.path if script else "", folder)


def _lacking(script: _Script, found: ReadScript, facts: ScriptSummary) -> tuple[Finding, ...]:
    """What is imported and would be missing in an environment of PyTorch alone; elsewhere the caller's own is used."""
    missing = [name for name in found.imported if name not in imports.BROUGHT]
    if not missing or not facts.distributed or facts.requirements:
        return ()
    names = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} imported"
    position = Position(script.shown, found.imported[missing[0]], 1)
    return (
        Finding(
            "KF129",
            f"{names}, and no file beside the script names packages: the job gets PyTorch alone",
            Stage.YAML,
            Severity.WARNING,
            position=position,
            hint="write them into requirements.txt; --runtime plain-python runs it in the Python that is there",
            excerpt=excerpts.excerpt(script.content.decode("utf-8", "replace"), position),
        ),
    )


def _no_python(script: _Script, error: SyntaxError, *, is_refused: bool) -> Finding:
    import sys

    shown, version = script.shown, ".".join(map(str, sys.version_info[:2]))
    position = Position(shown, error.lineno or 1, max(error.offset or 1, 1))
    lines = script.content.decode("utf-8", "replace").splitlines()
    line = lines[position.line - 1] if position.line <= len(lines) else ""
    way = f"mend it; a script for another Python than {version} is run as it is by kfrun run -- python {quoted(shown)}"
    taken = "; its imports are not known: --runtime says what it needs"
    return Finding(
        "KF127",
        f"this is no Python: {error.msg}{'' if is_refused else taken}",
        Stage.YAML,
        Severity.ERROR if is_refused else Severity.WARNING,
        position=position,
        hint=way if is_refused else None,
        excerpt=excerpts.shown(line, position.column) if line else None,
    )


def _broken(path: str, error: SyntaxError, folder: str) -> Finding:
    shown = os.path.relpath(path, folder)
    position = Position(shown, error.lineno or 1, max(error.offset or 1, 1))
    return Finding(
        "KF128",
        f"a module that is imported is no Python: {error.msg}; what it imports is not known",
        Stage.YAML,
        Severity.WARNING,
        position=position,
        hint="mend it, or say what the script needs: --runtime",
    )
