"""Python packages of a job: PEP 508 requirements, merged.

The only module that uses `packaging`, and only when there is a requirement that takes reading.
"""

from __future__ import annotations

import itertools
import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from kfrun import masking
from kfrun.errors import InvalidInput
from kfrun.load.lines import Line
from kfrun.model.source import Finding, Stage
from kfrun.model.values import NamedTuple, dataclass
from kfrun.patterns import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from packaging.markers import Marker

    from kfrun.model.requirements import Listed


class BadRequirement(NamedTuple):
    """A requirement that cannot be used: code, message and hint of its finding."""

    line: Line
    code: str
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Requirement:
    """A requirement as written, but for paths, and what decides whether two of them collide."""

    text: str
    name: str
    marker: Marker | None
    line: Line
    listed: Listed | None = None


def parse(
    entries: Iterable[Line], folder: str | None = None, names: Mapping[str, str] = MappingProxyType({})
) -> tuple[list[Requirement], list[BadRequirement]]:
    """Read requirements; two of one name are refused unless their markers can never hold together.

    Paths in them begin at ``folder``, that of the manifest; those of a manifest without one are refused. ``names`` are
    those of packages that lie here, by their paths.
    """
    good: list[Requirement] = []
    bad: list[BadRequirement] = []
    named: dict[str, list[Requirement]] = {}
    for line in entries:
        read = _read(line, folder, names)
        if isinstance(read, BadRequirement):
            bad.append(read)
            continue
        others = named.setdefault(read.name or read.text, [])
        twin = next((other for other in others if len(others) > _MOST_OF_A_NAME or not _exclusive(other, read)), None)
        if twin is None:
            good.append(read)
            others.append(read)
        else:
            message = f'duplicate requirement "{read.text}": "{twin.text}" is listed already'
            bad.append(BadRequirement(line, "KF412", message, "keep one of them, or give both a marker"))
    return good, bad


def combine(runtime: Sequence[Requirement], trainer: Sequence[Requirement]) -> tuple[str, ...]:
    """The runtime's requirements that the trainer does not name, then the trainer's, each in their order."""
    return tuple(requirement.text for requirement in combined(runtime, trainer))


def combined(runtime: Iterable[Requirement], trainer: Sequence[Requirement]) -> list[Requirement]:
    """As `combine`, whole."""
    replaced = {requirement.name for requirement in trainer} - {""}
    return [*(requirement for requirement in runtime if requirement.name not in replaced), *trainer]


def of_file(listed: Listed) -> Requirement | BadRequirement:
    """A requirement of a file; one with a variable in it is the installer's to read."""
    line = Line(0, listed.text)
    if listed.name or "${" in listed.text or _URL.match(listed.text):
        return Requirement(listed.line, normalised(listed.name or name_of(listed.text)), None, line, listed)
    read = _read(line, None, {})
    if isinstance(read, BadRequirement):
        hint = _as_in_files(listed.text, read.hint)
        return read._replace(code="KF415", message=masking.text(read.message), hint=hint and masking.text(hint))
    return Requirement(listed.line, read.name, read.marker, line, listed)


def _as_in_files(text: str, hint: str | None) -> str | None:
    if text.partition(" ")[0] in ("pip", "uv", "python", "import", "from"):
        return "a requirements file lists packages, one a line, and no commands"
    return hint


def allows(wanted: str, version: str) -> bool | None:
    """Whether a Python version is among those that PEP 440 text allows; None where that is none.

    A version without its last number stands for all of them.
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        allowed = SpecifierSet(wanted)
    except InvalidSpecifier:
        return None
    tried = [version] if version.count(".") > 1 else [f"{version}.{patch}" for patch in (0, 99)]
    return any(allowed.contains(each, prereleases=True) for each in tried)


def merge(runtime: Sequence[str], trainer: Sequence[str]) -> tuple[str, ...]:
    """Merge two lists of PEP 508 requirements.

    A trainer's entry replaces the runtime's entries of the same name (PEP 503) as a whole: specifier, extras,
    marker and URL. Texts stay as they were written; paths must be absolute.

    Raises:
        InvalidInput: a text that is no requirement, or a duplicate name within one list.
    """
    lists = []
    for texts in (runtime, trainer):
        good, bad = parse(Line(number, text.strip()) for number, text in enumerate(texts))
        if bad:
            raise InvalidInput([Finding(item.code, item.message, Stage.RULE, hint=item.hint) for item in bad])
        lists.append(good)
    return combine(lists[0], lists[1])


_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_VERSION = r"(?:==|!=|<=|>=|<|>)\d+(?:\.\d+)*"
_PLAIN = pattern(rf"({_NAME})(?:{_VERSION}(?:,{_VERSION})*)?", re.ASCII)
"""Requirements that are right beyond doubt: importing `packaging` costs 20 ms of every start."""


_URL = pattern(r"(?:-e )?[A-Za-z][A-Za-z0-9+.-]*://")
_FILES = ("pyproject.toml", "uv.lock", "setup.py", "setup.cfg")


def _read(line: Line, folder: str | None, names: Mapping[str, str]) -> Requirement | BadRequirement:
    plain = _PLAIN.fullmatch(line.text)
    if line.text in _FILES or (line.text.endswith((".txt", ".in")) and not line.text.startswith("-")):
        return BadRequirement(line, "KF411", f'"{line.text}" is a file', f"kfrun.dev/requirements: {line.text}")
    if plain is not None:
        return Requirement(line.text, normalised(plain[1]), None, line)
    from packaging.requirements import InvalidRequirement
    from packaging.requirements import Requirement as Parsed

    from kfrun.resolve.packages import places

    local = places.local(line.text, folder, names)
    if isinstance(local, tuple) and not isinstance(local, places.Nowhere):
        return Requirement(local[0], normalised(local[1]), None, line)
    text = local or places.placed(line.text, folder)
    if isinstance(text, places.Nowhere):
        return BadRequirement(line, "KF413", *text)
    try:
        parsed = Parsed(text)
    except InvalidRequirement as problem:
        reason = str(problem).splitlines()[0]
        message = f'"{line.text}" is no requirement: {reason}'
        return BadRequirement(line, "KF411", message, _hint(line.text))
    return Requirement(text, normalised(parsed.name), parsed.marker, line)


def name_of(text: str) -> str:
    """The name that a requirement begins with."""
    found = re.match(_NAME, text)
    return found[0] if found else ""


def normalised(name: str) -> str:
    """The name by which PEP 503 tells packages apart."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _hint(text: str) -> str:
    option, _, value = text.replace("=", " ", 1 if text.startswith("--") else 0).partition(" ")
    if option in ("-r", "--requirement") and value:
        return f"kfrun.dev/requirements: {value.strip()}"
    if option in ("-e", "--editable"):
        return f"leave -e out: name @ {value.strip()}" if "://" in value else "write -e ./path, the folder of a package"
    if text.startswith("-"):
        return (
            "options of pip belong into a requirements file, which kfrun.dev/requirements names; "
            "index URLs may go into kfrun.dev/pip-index-urls"
        )
    if "://" in text and "@" not in text.partition("://")[0]:
        return f"give it a name: name @ {text}"
    match = re.fullmatch(r"([\w.\-\[\],]+)\s*=\s*([\w.*]+)", text)
    if match:
        return f"did you mean {match[1]}=={match[2]}?"
    return "write one PEP 508 requirement a line, such as numpy>=2 or torch==2.9.*"


_OPERAND = r"""(?<![\w.])([\w.]++|"[^"]*+"|'[^']*+')"""
_COMPARISON = rf"""{_OPERAND}\s*+(?:[<>=!~]=?=?|not in|in)\s*+{_OPERAND}"""
_MOST_ENVIRONMENTS = 4096
_MOST_OF_A_NAME = 16
"""Entries of one package that are compared; more collide."""


def _exclusive(left: Requirement, right: Requirement) -> bool:
    """Whether no environment satisfies both markers.

    Tried on the values that the markers compare with and their neighbours; where these are too many, or a marker is
    missing, the two are taken to collide.
    """
    if left.marker is None or right.marker is None:
        return False
    environments = list(itertools.islice(_environments(left.marker, right.marker), _MOST_ENVIRONMENTS + 1))
    if len(environments) > _MOST_ENVIRONMENTS:
        return False
    return not any(left.marker.evaluate(each) and right.marker.evaluate(each) for each in environments)


def _environments(*markers: Marker) -> Iterator[dict[str, str]]:
    values: dict[str, set[str]] = {}
    for marker in markers:
        for match in re.finditer(_COMPARISON, str(marker)):
            quoted = next((part for part in match.groups() if part[0] in "\"'"), "")
            variable = next((part for part in match.groups() if part[0] not in "\"'"), "")
            values.setdefault(variable, set()).update(_samples(quoted.strip("\"'")))
    if "python_full_version" in values:
        minors = values.pop("python_version", set())
        values["python_full_version"] |= {f"{minor}.{patch}" for minor in minors for patch in (0, 99)}
    names = sorted(values)
    for combination in itertools.product(*(sorted(values[name]) for name in names)):
        environment = dict(zip(names, combination, strict=True))
        full = environment.get("python_full_version")
        if full is not None:
            environment["python_version"] = ".".join(full.split(".")[:2])
        yield environment


def _samples(value: str) -> set[str]:
    """A compared value, its neighbours when it is a version, and something that it is not."""
    match = re.fullmatch(r"((?:[0-9]{1,9}\.)*)([0-9]{1,9})(?:\.\*)?", value)
    if match is None:
        return {value, "", "another"} | set(re.split(r"[\s,]+", value))
    head, last = match[1].rstrip("."), int(match[2])
    neighbours = {number for number in (last - 1, last, last + 1) if number >= 0}
    return {f"{head}.{number}" if head else str(number) for number in neighbours} | {value.removesuffix(".*")}
