"""Reports that the tests of the formats for CI start from."""

from __future__ import annotations

from kfrun.load import kubeyaml
from kfrun.model.source import Document, Finding, ObjectKey, Position, Related, Severity, Stage
from kfrun.report.checks import ERRORS, Report

API = "trainer.kubeflow.org/v1alpha1"
NASTY = 'a <b> & "c" ]]> 100% :: ,\n::error::injected\x1b[31m\u202e # \\ \ud800'
"""Text that every format has to keep from being more than text."""


def documents(*names: str, source: str = "job.yaml") -> list[Document]:
    text = "---\n".join(f"apiVersion: {API}\nkind: TrainJob\nmetadata:\n  name: {name}\n" for name in names)
    found, problems = kubeyaml.parse(text, source, folder=None)
    assert not problems
    return list(found)


def finding(name: str | None = "a", *, file: str | None = "job.yaml", line: int = 3, **changes) -> Finding:
    values = {
        "code": "KF201",
        "message": 'unknown field "x"',
        "stage": Stage.SCHEMA,
        "severity": Severity.ERROR,
        "path": ("spec", "trainer", "env", 2, "x"),
        "position": Position(file, line, 5) if file else None,
        "hint": "remove it",
        "object": ObjectKey(API, "TrainJob", "", name) if name else None,
        "excerpt": "    x: 1",
        **changes,
    }
    return Finding(**values)


def report(*found: Finding, names: tuple[str, ...] = ("a", "b"), failing=ERRORS) -> Report:
    return Report("validate", documents(*names), found, failing)


def nasty() -> Report:
    """A report whose texts try to break out of every format."""
    one = finding(
        message=NASTY, hint=NASTY, file=f"dir with blank/{NASTY}.yaml", path=("spec", NASTY), code="KF203",
        object=ObjectKey(API, "TrainJob", "", NASTY), related=(Related(NASTY, Position(NASTY, 1, 2)), Related(NASTY)),
    )  # fmt: skip
    return report(one, finding(message=NASTY))
