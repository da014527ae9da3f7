"""Findings as JUnit XML, which CI servers show as tests.

One test case an object. The form is what the schema of Ant's JUnit task and that of Jenkins' xunit plugin both take:
one failure a case at most, which tells all its findings; findings that refuse nothing are in ``system-out``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.report.checks import Case, Report, cases
from kfrun.report.table import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.model.source import Finding

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


def to_junit(report: Report, *, timestamp: str) -> str:
    """The report as an XML document. ``timestamp`` is the time of the check: ``2026-01-31T12:00:00``, in UTC."""
    found = cases(report)
    failures = sum(bool(case.failing) for case in found)
    suite = _attributes(
        name=f"kfrun {report.verb}",
        package="kfrun",
        id="0",
        timestamp=timestamp,
        hostname="localhost",
        tests=str(len(found)),
        failures=str(failures),
        errors="0",
        skipped="0",
        time="0",
    )
    notes = "\n".join(_line(one) for case in found for one in case.other)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        "<testsuites>",
        f"  <testsuite{suite}>",
        "    <properties/>",
        *(_case(case) for case in found),
        f"    <system-out>{_escaped(notes)}</system-out>",
        "    <system-err></system-err>",
        "  </testsuite>",
        "</testsuites>",
    ]
    return "\n".join(lines) + "\n"


def _case(case: Case) -> str:
    name = clean(case.name) or "file"
    attributes = _attributes(name=name, classname=clean(case.source) or "kfrun", time="0")
    if not case.failing:
        return f"    <testcase{attributes}/>"
    failure = _attributes(type=case.failing[0].code, message=_summary(case.failing))
    text = "\n".join(_line(one) for one in case.failing)
    return f"    <testcase{attributes}>\n      <failure{failure}>{_escaped(text)}</failure>\n    </testcase>"


def _summary(findings: Sequence[Finding]) -> str:
    first = f"{findings[0].code}: {clean(findings[0].message)}"
    return first if len(findings) == 1 else f"{first} (and {len(findings) - 1} more)"


def _line(one: Finding) -> str:
    """A finding on a line, in the form that compilers use; a hint is on a second one."""
    where = f"{clean(str(one.position))}: " if one.position else ""
    field = f" [{clean(one.field)}]" if one.field else ""
    hint = f"\n  help: {clean(one.hint)}" if one.hint else ""
    see = "".join(f"\n  see: {clean(str(item))}" for item in one.related)
    return f"{where}{one.severity} {one.code}: {clean(one.message)}{field}{hint}{see}"


def _attributes(**values: str) -> str:
    return "".join(f' {name}="{_escaped(value)}"' for name, value in values.items())


def _escaped(text: str) -> str:
    for one, written in _ESCAPES.items():  # the ampersand first
        text = text.replace(one, written)
    return text
