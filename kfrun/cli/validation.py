"""What ``validate`` does once its command line was read: checks new objects, and tells what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.cli import exits, reports
from kfrun.flow.checker import pipeline

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kfrun.cli.reports import OutputTarget
    from kfrun.flow.checker.pipeline import CheckedInput
    from kfrun.flow.checker.stages import Asked
    from kfrun.model.source import Document, ObjectKey
    from kfrun.report.checks import Report
    from kfrun.settings import Settings


def check(names: Sequence[str], asked: Asked, *, recursive: bool, cache: bool) -> CheckedInput:
    """Check objects as new ones.

    Args:
        names: files, folders, globs, URLs, or ``-``.
        asked: how.
        recursive: descend into the folders of a folder.
        cache: believe what was found sound before.
    """
    texts = pipeline.opened(names, recursive=recursive)
    if not cache:
        return pipeline.check(texts, asked)
    from kfrun.flow.checker import remembered
    from kfrun.flow.checker.verdicts import Verdicts

    return remembered.check(texts, asked, Verdicts.open(asked))


def tell(
    report: Report, outputs: Sequence[OutputTarget], settings: Settings, before: Mapping[ObjectKey, Document]
) -> int:
    """Write the report, and return the exit code. ``before`` has the objects that were updates, as they were."""
    reports.write(report, outputs, text=lambda: _text(report, before, settings))
    return exits.REFUSED if report.refused else exits.SUCCESS


def _text(report: Report, before: Mapping[ObjectKey, Document], settings: Settings) -> str:
    from kfrun.report.table import clean

    refused = reports.refused_keys(report)
    valid = [document for document in report.documents if document.key not in refused]
    lines = []
    for document in valid:
        old = before.get(document.key)
        verdict = f"a valid update of {clean(old.source)}" if old else "valid"
        lines.append(f"{clean(document.source)}: {clean(document.key.resource)} is {verdict}\n")
    if report.findings:
        lines.append(reports.drawn(report.findings, settings))
    number, unread = len(report.documents), _unread(report)
    if number > 1 or (number and unread):
        lines.append(f"{reports.count(number, 'object')}: {len(valid)} valid, {number - len(valid)} refused")
        lines.append(f"; not read: {reports.count(unread, 'source')}\n" if unread else "\n")
    return "".join(lines)


def _unread(report: Report) -> int:
    """Sources that could not be read, or not as a whole."""
    return len({one.position.file for one in report.findings if one.object is None and one.position})
