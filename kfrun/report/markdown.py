"""Findings as Markdown: a heading and a table, for the summary of a CI step or a comment of a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.report.checks import cases
from kfrun.report.findings import field_of
from kfrun.report.table import clean

if TYPE_CHECKING:
    from kfrun.model.source import Finding
    from kfrun.report.checks import Report

MOST: Final = 200
"""Findings that are shown: a summary may have 1 MiB, and nobody reads more."""

_ESCAPED: Final = {ord(one): f"\\{one}" for one in "\\`*_[]<>|~&!#"} | {ord("$"): "&#36;"}
"""What would be markup; a dollar sign begins a formula, and a backslash does not keep it from that."""


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
    told = [f"**{one.code}** {_text(title)}" if title else f"**{one.code}**", _text(one.message)]
    told += [f"help: {_text(one.hint)}"] if one.hint else []
    told += [f"see: {_text(str(item))}" for item in one.related]
    place = _text(str(one.position).removeprefix("./")) if one.position else ""
    return f"| {one.severity} | {place} | {_text(about)} | {'<br>'.join(told)} |"


def _text(value: str) -> str:
    return clean(value).translate(_ESCAPED)
