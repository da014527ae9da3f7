"""The values that templates are rendered with: ``--values FILE``, ``--set a.b=1``, ``--set-string``.

Files come first, in order, then ``--set``, then ``--set-string``; the later wins, and mappings are merged.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from kfrun.errors import InvalidInput, UsageProblem
from kfrun.load import kubeyaml
from kfrun.load.content import Source
from kfrun.load.content import read as read_source
from kfrun.load.given import Assignment, Given
from kfrun.model.source import Finding, Stage
from kfrun.model.values import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kfrun.model.source import Document, FieldPath

CODES = {"KF125": "a file of values is not one mapping"}

_PART: Final = re.compile(r"(\"(?:[^\"\\]|\\.)+\"|(?:[^.\[\]\\\"]|\\.)+)((?:\[(?:[0-9]+|[^\[\]]*[./][^\[\]]*)\])*)")
_FLOW: Final = ("[", "{", '"')


def read(
    files: Sequence[str],
    texts: Sequence[str] = (),
    strings: Sequence[str] = (),
    *,
    note: Callable[[str, str], None] | None = None,
) -> Given:
    """The values of a command line.

    Args:
        files: paths of YAML files, each one mapping.
        texts: of ``--set``: ``path=value``, the value typed as YAML would; ``[…]`` and ``{…}`` are JSON.
        strings: of ``--set-string``: the value is a text whatever it looks like.
        note: is told the name and the text of every file.

    Raises:
        InvalidInput, NotFound, Unavailable: a file of values is none, is not there, cannot be read.
        UsageProblem: a ``--set`` makes no sense.
    """
    values: dict[str, Any] = {}
    for name in files:
        _merge(values, _of_file(name, note))
    given = [_assignment(text, "--set") for text in texts] + [_assignment(text, "--set-string") for text in strings]
    for one in given:
        try:
            _put(values, one.path, one.value, f"{one.flag} {one.name}")
        except UsageProblem:
            if not one.is_field:  # that list is in the manifest
                raise
    return Given(values, given, _put, from_files=bool(files))


def _of_file(name: str, note: Callable[[str, str], None] | None) -> dict[str, Any]:
    text, refusal = read_source(Source(name))
    if refusal is not None:
        raise InvalidInput([refusal])
    if note is not None:
        note(name, text)
    documents, findings = kubeyaml.parse(text, name)
    findings = [_not_values(item) for item in findings]
    if len(documents) > 1:
        findings.append(_second(documents[1]))
    if findings:
        raise InvalidInput(findings)
    return documents[0].data if documents else {}


def _not_values(finding: Finding) -> Finding:
    if finding.code != "KF108":
        return finding
    message = finding.message.replace("an object with apiVersion and kind", "one mapping of values")
    return replace(finding, code="KF125", message=message, hint=None)


def _second(document: Document) -> Finding:
    message = "a file of values holds one document, found another"
    return Finding("KF125", message, Stage.TEMPLATE, position=document.positions.value(()), hint="put them into one")


def _merge(values: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        found = values.get(key)
        if isinstance(found, dict) and isinstance(value, dict):
            values[key] = {**found}
            _merge(values[key], value)
        else:
            values[key] = value


def _assignment(text: str, flag: str) -> Assignment:
    name, equals, value = _split(text)
    if not equals:
        raise UsageProblem(f'{flag} {name}: there is no "="', f"write {flag} name=value")
    path: list[str | int] = []
    position = 0
    while position <= len(name):
        found = _PART.match(name, position)
        if found is None or name[found.end() : found.end() + 1] not in ("", "."):
            raise UsageProblem(
                f'{flag} {name}=…: "{name}" is no path of a value',
                r'write a.b=value, list[0]=value; a dot that belongs to a name is \., or the name stands in "…"',
            )
        if found[1]:
            quoted = len(found[1]) > 1 and found[1].startswith('"')
            path.append(re.sub(r"\\(.)", r"\1", found[1][1:-1] if quoted else found[1]))
        path += [_step(inside) for inside in found[2][1:-1].split("][") if inside]
        position = found.end() + 1
    return Assignment(flag, name, tuple(path), _typed(value) if flag == "--set" else value)


def _step(text: str) -> str | int:
    """What stands in brackets: a number, or a key as findings write it."""
    return int(text) if text.isdigit() and len(text) < 10 else text.strip('"')


def _split(text: str) -> tuple[str, str, str]:
    """At the first ``=`` that no backslash stands before."""
    found = re.search(r"(?<!\\)=", text)
    return (text, "", "") if found is None else (text[: found.start()], "=", text[found.end() :])


def _typed(text: str) -> Any:
    from kfrun.load.kubeyaml import scalars

    if text.startswith(_FLOW):
        try:
            return json.loads(text)
        except ValueError as error:
            raise UsageProblem(
                f"--set: {error} in a value that starts like JSON", "--set-string takes it as a text"
            ) from None
        except RecursionError:
            raise UsageProblem("--set: a value is nested too deeply") from None
    return scalars.plain(text) if text else ""


def _put(values: dict[str, Any], path: FieldPath, value: Any, text: str) -> None:
    holder: Any = values
    for part, following in pairwise(path):
        empty: Any = [] if isinstance(following, int) else {}
        holder = _below(holder, part, empty, text)
    last = path[-1]
    if isinstance(last, int):
        _below(holder, last, value, text)
        holder[last] = value
    else:
        holder[last] = value


def _below(holder: Any, part: str | int, empty: Any, text: str) -> Any:
    """What stands at ``part``, made when it is missing or of another type than what goes into it."""
    name = text
    if isinstance(part, str):
        found = holder.get(part)
        if type(found) is not type(empty):
            found = holder[part] = empty
        return found
    if part > len(holder):
        raise UsageProblem(f"{name}: the list has {len(holder)} items, so there is no [{part}]", "lists have no gaps")
    if part == len(holder):
        holder.append(empty)
    if type(holder[part]) is not type(empty):
        holder[part] = empty
    return holder[part]
