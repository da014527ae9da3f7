"""Findings for GitHub: workflow commands, shown beside the lines of a pull request, and the Markdown of a summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.report.checks import cases
from kfrun.report.findings import field_of
from kfrun.report.table import clean

if TYPE_CHECKING:
    from kfrun.model.source import Finding
    from kfrun.report.checks import Report

_DATA: Final = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY: Final = {**_DATA, ":": "%3A", ",": "%2C"}

MOST: Final = 200
"""Findings that a summary shows: it may have 1 MiB, and nobody reads more."""

_MARKUP: Final = {ord(one): f"\\{one}" for one in "\\`*_[]<>|~&!#"} | {ord("$"): "&#36;"}
"""What would be markup; a dollar sign begins a formula, and a backslash does not keep it from that."""


def to_github(report: Report) -> str:
    """One command a finding; nothing where nothing was found."""
    return "".join(_command(one, report.titles.get(one.code, "")) for one in report.findings)


def _command(one: Finding, title: str) -> str:
    properties = {}
    if one.position and one.position.line:
        properties = {
            "file": one.position.file.removeprefix("./"),
            "line": str(one.position.line),
            "col": str(one.position.column),
        }
    properties["title"] = f"{one.code}: {title}" if title else one.code
    written = ",".join(f"{name}={_escaped(clean(value), _PROPERTY)}" for name, value in properties.items())
    # Only the breaks between our own lines are breaks: those of a message would start a command of its own.
    lines = [clean(one.message)]
    about = ", ".join(part for part in (one.object.resource if one.object else "", field_of(one)) if part)
    lines += [clean(about)] if about else []
    lines += [f"help: {clean(one.hint)}"] if one.hint else []
    lines += [f"see: {clean(str(item))}" for item in one.related]
    if one.position and not one.position.line:
        lines.append(clean(f"given by {one.position}"))
    return f"::{one.severity} {written}::{_escaped(chr(10).join(lines), _DATA)}\n"


def _escaped(text: str, escapes: dict[str, str]) -> str:
    for one, written in escapes.items():  # the percent sign first
        text = text.replace(one, written)
    return text


def to_markdown(report: Report) -> str:
    """The report; nothing of a manifest is markup in it."""
    found = cases(report)
    refused = sum(bool(case.failing) for case in found)
    objects = f"{len(report.documents)} object{'' if len(report.documents) == 1 else 's'}"
    verdict = f"{refused} refused" if refused else "nothing refused"
    lines = [f"### kfrun {report.verb}: {objects}, {verdict}", ""]
    if report.findings:
        lines += ["| | where | what | finding |", "|---|---|---|---|"]
        lines += [_row(one, report.titles.get(one.code, "")) for one in report.findings[:MOST]]
        more = len(report.findings) - MOST
        lines += ["", f"… and {more} more"] if more > 0 else []
        lines.append("")
    return "\n".join(lines)


def _row(one: Finding, title: str) -> str:
    about = ", ".join(part for part in (one.object.resource if one.object else "", field_of(one)) if part)
    told = [f"**{one.code}** {_plain(title)}" if title else f"**{one.code}**", _plain(one.message)]
    told += [f"help: {_plain(one.hint)}"] if one.hint else []
    told += [f"see: {_plain(str(item))}" for item in one.related]
    place = _plain(str(one.position).removeprefix("./")) if one.position else ""
    return f"| {one.severity} | {place} | {_plain(about)} | {'<br>'.join(told)} |"


def _plain(value: str) -> str:
    return clean(value).translate(_MARKUP)
