"""What ``validate`` and ``lint`` write, and in which formats; their options are in `kfrun.cli.check.checkoptions`."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from kfrun.cli import console
from kfrun.errors import Unavailable, UsageProblem
from kfrun.model.values import NamedTuple
from kfrun.report import checks
from kfrun.terminal import json_text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from kfrun.model.source import Document, Finding, ObjectKey, Severity
    from kfrun.report.checks import Report
    from kfrun.settings import Settings

FORMATS: Final = ("text", "json", "junit", "sarif", "tap", "github", "markdown")

_FOR_PROGRAMS: Final = frozenset({"json", "sarif", "github"})

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
_FOLDER: Final = "name a file in a folder that is yours to write"


class OutputTarget(NamedTuple):
    """One output: its format, and the file that it goes to; None is standard output."""

    format: str
    path: str | None


def named(paths: Sequence[str], filenames: Sequence[str]) -> tuple[str, ...]:
    """What is to be read.

    Raises:
        UsageProblem: nothing was named.
    """
    if not paths and not filenames:
        raise UsageProblem("no manifest was named", "name files, folders or -, as arguments or with -f")
    return (*filenames, *paths)


def severities(fail_on: str) -> frozenset[Severity]:
    """The severities that refuse an object."""
    return checks.ANYTHING if fail_on == "warning" else checks.ERRORS


def write(report: Report, targets: Sequence[OutputTarget], *, text: Callable[[], str]) -> None:
    """Write the report in every format that was asked for; ``text`` draws the one for people.

    Raises:
        UsageProblem: two outputs would go to one place, or a file cannot be written.
        Unavailable: there is no room for a file.
    """
    targets = targets or (OutputTarget("text", None),)
    places = [target.path and os.path.realpath(target.path) for target in targets]
    twice = next((target for target, place in zip(targets, places, strict=True) if places.count(place) > 1), None)
    if twice is not None:
        where = f'"{twice.path}"' if twice.path else "standard output"
        raise UsageProblem(f"two outputs would go to {where}", "give one of them a file of its own: -o sarif=FILE")
    for target in targets:
        if target.path is not None:
            _write_file(target.path, _without_logins(_draw(target.format, report, text)))
    for target in targets:
        if target.path is None:
            drawn = _without_logins(_draw(target.format, report, text))
            if target.format in _FOR_PROGRAMS:
                console.data(drawn)
            else:
                console.write(drawn, styled=True)


def _without_logins(text: str) -> str:
    if "://" not in text:
        return text
    from kfrun import masking

    return masking.without_logins(text)


def _write_file(path: str, content: str) -> None:
    from pathlib import Path

    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(content, encoding="utf-8", errors="backslashreplace", newline="\n")
    except (OSError, ValueError) as error:
        number = error.errno if isinstance(error, OSError) else None
        message = f"{path} cannot be written: {error.strerror if isinstance(error, OSError) else error}"
        if number in _NO_ROOM:
            raise Unavailable(message, "free some space and try again") from None
        hint = "it is a folder: name a file in it" if number == errno.EISDIR else _FOLDER
        raise UsageProblem(message, hint) from None


def _draw(name: str, report: Report, text: Callable[[], str]) -> str:
    if name == "text":
        return text()
    if name == "json":
        return json_text(_json(report))
    if name == "tap":
        from kfrun.report.tap import to_tap

        return to_tap(report)
    if name == "junit":
        from datetime import UTC, datetime

        from kfrun.report.junit import to_junit

        return to_junit(report, timestamp=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"))
    return _titled(name, report._replace(titles=titles({one.code for one in report.findings})))


def _titled(name: str, report: Report) -> str:
    """Of the formats that say what a code means."""
    if name == "sarif":
        from kfrun.flow import codes
        from kfrun.report.sarif import to_sarif

        found = {one.code for one in report.findings}
        report = report._replace(helps=codes.helps(found), pages=codes.pages(found))
        return json_text(to_sarif(report))
    if name == "markdown":
        from kfrun.report.github import to_markdown

        return to_markdown(report)
    from kfrun.report.github import to_github

    return to_github(report)


def _json(report: Report) -> dict[str, Any]:
    from kfrun.report.findings import object_json, to_json

    refused = refused_keys(report)
    objects = [
        {"source": document.source, "object": object_json(document.key), "valid": document.key not in refused}
        for document in report.documents
    ]
    return {**to_json(report.findings), "objects": objects}


def refused_keys(report: Report) -> set[object]:
    """The objects that a finding refuses."""
    return {finding.object for finding in report.findings if finding.severity in report.failing}


def titles(needed: Collection[str] = ()) -> dict[str, str]:
    """Code -> what it means, from the tables named CODES of the modules in use: whoever found something is.

    Unless another process found it: where one of ``needed`` is unknown here, all modules are asked.
    """
    from kfrun.load.kubeyaml import problems

    # bytes that are no text are found before anything of YAML is imported
    found: dict[str, str] = dict(problems.CODES)
    for name, module in list(sys.modules.items()):
        if name.startswith("kfrun."):
            found |= getattr(module, "CODES", {})
    if found.keys() >= set(needed):
        return found
    from kfrun.flow import codes

    return codes.tables()


def count(number: int, noun: str) -> str:
    """``1 object``, ``2 objects``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def drawn(report: Report, settings: Settings, backend: str | None = None) -> str:
    """The findings for people, coloured where standard output is a terminal.

    What ``backend`` does not honour takes a line a job, unless it refuses the job.
    """
    from kfrun.plan.support.matrix import CODE
    from kfrun.report.findings import to_text

    folded: list[Finding] = []
    others: list[Finding] = []
    for one in report.findings:
        (folded if one.code == CODE and one.severity not in report.failing else others).append(one)
    text = to_text(others, color=console.colors_stdout(settings))
    sources = {document.key: document.source for document in report.documents} if folded else {}
    return text + "".join(_folded(folded, sources, backend or ""))


def _folded(findings: Iterable[Finding], sources: Mapping[ObjectKey, str], backend: str) -> Iterator[str]:
    from kfrun.plan.support import matrix
    from kfrun.report.table import clean

    fields: dict[ObjectKey, list[str]] = {}
    for one in findings:
        assert one.object is not None
        fields.setdefault(one.object, []).append(one.field)
    for key, found in fields.items():
        yield f"{clean(f'{sources[key]}: {key.resource}')}: {matrix.folded(found, backend)}\n"


def validity(
    report: Report,
    before: Mapping[ObjectKey, Document],
    settings: Settings,
    *,
    backend: str | None = None,
    quiet: bool = False,
) -> str:
    """What ``validate`` says to people; ``before`` has the objects that were updates, as they were.

    ``backend``: that was asked, too; ``quiet``: nothing but what was found.
    """
    from kfrun.report.table import clean

    if quiet:
        return drawn(report, settings, backend) if report.findings else ""
    refused = refused_keys(report)
    valid = [document for document in report.documents if document.key not in refused]
    lines = []
    for document in valid:
        old = before.get(document.key)
        verdict = f"a valid update of {clean(old.source)}" if old else "valid"
        lines.append(f"{clean(document.source)}: {clean(document.key.resource)} is {verdict}\n")
    if report.findings:
        lines.append(drawn(report, settings, backend))
    number, unread = len(report.documents), _unread(report)
    if number > 1 or (number and unread):
        lines.append(f"{count(number, 'object')}: {len(valid)} valid, {number - len(valid)} refused")
        lines.append(f"; not read: {count(unread, 'source')}\n" if unread else "\n")
    return "".join(lines)


def _unread(report: Report) -> int:
    """Sources that could not be read, or not as a whole."""
    return len({one.position.file for one in report.findings if one.object is None and one.position})
