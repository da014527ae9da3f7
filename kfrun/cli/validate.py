"""``kfrun validate``: checks manifests as a cluster's admission would, without starting anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from kfrun.cli import exits, inputs, options
from kfrun.errors import InvalidInput
from kfrun.model.source import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.model.source import Document, Finding
    from kfrun.settings import Settings


@click.command("validate")
@options.files
@options.namespace
@options.trainer_version
@options.output("text", "json", default="text")
def command(
    filenames: tuple[str, ...], recursive: bool, namespace: str | None, trainer_version: str | None, output: str
) -> int:
    """Check manifests as a cluster would.

    Structure, rules across fields, and whether the runtime that a job refers to exists and fits. Exit code 1 when
    something is refused; warnings alone do not refuse.
    """
    settings = options.load_settings(namespace=namespace, trainer_version=trainer_version)
    documents, findings = _checked(filenames, recursive=recursive, settings=settings)
    if output == "json":
        _write_json(documents, findings)
    else:
        _write_text(documents, findings, color=options.colors_stdout(settings))
    return exits.REFUSED if any(item.severity is Severity.ERROR for item in findings) else exits.SUCCESS


def _checked(
    filenames: Sequence[str], *, recursive: bool, settings: Settings
) -> tuple[Sequence[Document], Sequence[Finding]]:
    try:
        documents = inputs.read(filenames, recursive=recursive, settings=settings)
    except InvalidInput as refusal:
        return (), refusal.findings
    checked = inputs.check(documents, inputs.look_up(documents, settings), settings=settings)
    return checked.documents, checked.findings


def _write_text(documents: Sequence[Document], findings: Sequence[Finding], *, color: bool) -> None:
    from kfrun.report.table import clean

    refused = _refused(findings)
    valid = [document for document in documents if document.key not in refused]
    lines = [f"{clean(document.source)}: {clean(document.key.resource)} is valid\n" for document in valid]
    count = len(documents)
    options.write(lines)
    if findings:
        from kfrun.report.findings import to_text

        options.write(to_text(findings, color=color))
    if count > 1:
        options.write(f"{count} objects: {len(valid)} valid, {count - len(valid)} refused\n")


def _write_json(documents: Sequence[Document], findings: Sequence[Finding]) -> None:
    from kfrun.report.findings import to_json

    refused = _refused(findings)
    objects = [
        {"source": document.source, "object": document.key._asdict(), "valid": document.key not in refused}
        for document in documents
    ]
    options.write(json.dumps({**to_json(findings), "objects": objects}, indent=2, ensure_ascii=False) + "\n")


def _refused(findings: Sequence[Finding]) -> set[object]:
    return {finding.object for finding in findings if finding.severity is Severity.ERROR}
