"""Findings in the Test Anything Protocol, version 14: one test an object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.report.checks import Case, Report, cases
from kfrun.report.table import clean
from kfrun.terminal import json_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kfrun.model.source import Finding


def to_tap(report: Report) -> str:
    """The report as TAP. Findings are in the YAML block below their test; values in it are written as JSON."""
    found = cases(report)
    lines = ["TAP version 14", f"1..{len(found)}"]
    for number, case in enumerate(found, 1):
        lines += _case(number, case)
    return "\n".join(lines) + "\n"


def _case(number: int, case: Case) -> Iterator[str]:
    verdict = "not ok" if case.failing else "ok"
    # A hash sign would begin a directive.
    label = clean(case.label).replace("\\", "\\\\").replace("#", "\\#")
    yield f"{verdict} {number} - {label}"
    if not (case.failing or case.other):
        return
    yield "  ---"
    yield "  findings:"
    for one in (*case.failing, *case.other):
        pairs = [f"{name}: {json_text(value)[:-1]}" for name, value in _values(one).items()]
        yield f"    - {pairs[0]}"
        yield from (f"      {pair}" for pair in pairs[1:])
    yield "  ..."


def _values(one: Finding) -> dict[str, str | int]:
    values: dict[str, str | int] = {"code": one.code, "severity": str(one.severity), "message": one.message}
    if one.field:
        values["field"] = one.field
    if one.position:
        values |= one.position._asdict() if one.position.line else {"given": one.position.file}
    if one.hint:
        values["hint"] = one.hint
    if one.related:
        values["see"] = "; ".join(map(str, one.related))
    return values
