"""kfrun's answer to a case of the conformance suite, beside that of the real webhooks and controllers.

A case is a folder with ``input.yaml`` (objects in the order of their creation; an object that comes twice is updated)
and ``expected.yaml`` (a list with the answer to each Trainer object). `FIELDS` says which fields of an answer are
compared; each is compared by one small function, which yields a line for each difference. Messages may differ, paths
and numbers of problems may not.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from kfrun.load import kubeyaml
from kfrun.model.source import Severity, Stage
from kfrun.resolve.material import ENTROPY, Material
from kfrun.resolve.resolver import resolve
from kfrun.resolve.runtimes.catalogue import Catalogue
from kfrun.validate import documents
from kfrun.validate.admission import check as admission
from kfrun.validate.admission import jobsetdefaults
from kfrun.validate.rules import update

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kfrun.model.resolution import Resolution
    from kfrun.model.source import Document, Finding

    Node = dict[str, Any]

VERSION = "head"
"""The cases were executed with the newest source."""

MATERIAL = Material("11111111-2222-3333-4444-555555555555", bytes(range(ENTROPY)))
AT_RUNTIME_REF = {"KF401", "KF402", "KF405"}
"""Findings that upstream's webhook reports at spec.runtimeRef (or spec.RuntimeRef), and kfrun where they are mended."""

KINDS = {"TrainJob", "TrainingRuntime", "ClusterTrainingRuntime"}


@dataclass(frozen=True)
class Entry:
    """One object of a case: the document, what was applied before it, and the real answer."""

    document: Document
    before: tuple[Document, ...]
    answer: Node
    priority_classes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.document.key.kind}/{self.document.key.name}"

    @property
    def is_update(self) -> bool:
        return self.answer["operation"] == "update"

    def validated(self) -> list[Finding]:
        return documents.check(self.document, version=VERSION)

    def resolved(self) -> Resolution:
        return resolve(self.document, Catalogue(self.before), version=VERSION, material=MATERIAL)


def entries(case: Path) -> Iterator[Entry]:
    """The Trainer objects of a case with their answers."""
    applied, findings = kubeyaml.parse((case / "input.yaml").read_text(encoding="utf-8"), "input.yaml")
    assert not findings, findings
    answers = yaml.safe_load((case / "expected.yaml").read_text(encoding="utf-8"))
    priorities = tuple(item.key.name for item in applied if item.key.kind == "PriorityClass")
    ours = [(index, item) for index, item in enumerate(applied) if item.key.kind in KINDS]
    for (index, document), answer in zip(ours, answers, strict=True):
        entry = Entry(document, tuple(applied[:index]), answer, priorities)
        assert entry.name == answer["object"]
        yield entry


def differences(case: Path) -> list[str]:
    """Where kfrun's answers differ from the real ones; one line each, empty when they agree."""
    return [
        f"{entry.name} ({entry.answer['operation']}): {line}"
        for entry in entries(case)
        for compare in FIELDS.values()
        for line in compare(entry)
    ]


def _paths(found: list[str], expected: list[str], field: str) -> Iterator[str]:
    have, want = Counter(found), Counter(expected)
    for path, count in sorted((want - have).items()):
        yield f"{field}: {path or '<root>'} is refused {count}x more on a cluster"
    for path, count in sorted((have - want).items()):
        yield f"{field}: {path or '<root>'} is refused {count}x more by kfrun"


def _structural(entry: Entry, *, unknown: bool) -> list[str]:
    """The fields that schema and CEL rules refuse, unknown fields apart."""
    return [
        item.field
        for item in entry.validated()
        if item.stage in {Stage.SCHEMA, Stage.RULE}
        and item.severity is Severity.ERROR
        and (item.code == "KF201") is unknown
    ]


def _crd_errors(entry: Entry) -> Iterator[str]:
    expected = [error.split(": ")[0].replace("<nil>", "") for error in entry.answer.get("crdErrors", [])]
    yield from _paths(_structural(entry, unknown=False), expected, "crdErrors")


def _pruned(entry: Entry) -> Iterator[str]:
    expected = entry.answer.get("prunedUnknownFields", [])
    yield from _paths(_structural(entry, unknown=True), expected, "prunedUnknownFields")


def _build_error(entry: Entry) -> Iterator[str]:
    """Whether the objects can be built; for updates nothing was built."""
    if entry.document.key.kind != "TrainJob" or entry.is_update:
        return
    resolution = entry.resolved()
    messages = [item.message for item in resolution.findings if item.severity is Severity.ERROR]
    refused = bool({"buildError", "note"} & set(entry.answer)) or "appliedObjects" not in entry.answer
    if refused and (resolution.jobset is not None or not messages):
        yield f"buildError: kfrun builds what a cluster does not: {entry.answer.get('buildError', 'no objects')}"
    if not refused and (resolution.jobset is None or messages):
        yield f"buildError: kfrun does not build what a cluster does: {'; '.join(messages)}"


def _applied(entry: Entry) -> Iterator[str]:
    if "appliedObjects" not in entry.answer:
        return
    resolution = entry.resolved()
    built = [*resolution.objects, *([resolution.jobset] if resolution.jobset is not None else [])]
    found = {_identity(item): item for item in built}
    expected = {_identity(item): item for item in entry.answer["appliedObjects"]}
    for name in sorted(expected.keys() - found.keys()):
        yield f"appliedObjects: {name} is missing"
    for name in sorted(found.keys() - expected.keys()):
        yield f"appliedObjects: {name} is applied by kfrun only"
    for name in sorted(expected.keys() & found.keys()):
        for line in _unequal(_comparable(found[name], expected[name]), _grouped(expected[name]), ""):
            yield f"appliedObjects: {name} {line}"


def _defaulted(entry: Entry) -> Iterator[str]:
    """The JobSet after JobSet's own defaulting webhook."""
    if "jobSetSpecAfterAdmission" not in entry.answer:
        return
    jobset = entry.resolved().jobset
    assert jobset is not None
    found = jobsetdefaults.apply(jobset)["spec"]
    for line in _unequal(_grouped(found), _grouped(entry.answer["jobSetSpecAfterAdmission"]), ""):
        yield f"jobSetSpecAfterAdmission: spec{line}"


def _admitted(entry: Entry) -> list[Finding]:
    """What webhooks and the later stages say, each stage asked for itself."""
    if entry.document.key.kind != "TrainJob":
        return admission.check_runtime(entry.document, version=VERSION, is_update=entry.is_update)
    resolution = entry.resolved()
    found = [
        *resolution.findings,
        *admission.check(resolution, version=VERSION, priority_classes=entry.priority_classes),
    ]
    previous = [item for item in entry.before if item.key == entry.document.key]
    return [*found, *update.check(previous[-1].data, entry.document)] if entry.is_update else found


def _webhook_errors(entry: Entry) -> Iterator[str]:
    found = [
        "spec.runtimeRef" if item.code in AT_RUNTIME_REF else item.field
        for item in _admitted(entry)
        if item.severity is Severity.ERROR and (item.stage is Stage.WEBHOOK or item.code in AT_RUNTIME_REF)
    ]
    lines = [line for error in entry.answer.get("webhookErrors", []) for line in _split(error)]
    yield from _paths(found, [_webhook_path(line) for line in lines], "webhookErrors")


def _split(error: str) -> list[str]:
    """The errors of a list in brackets, or the one that is not."""
    if not error.startswith("["):
        return [error]
    return re.split(r", (?=spec\.[\w.\[\]]+: )", error.removeprefix("[").removesuffix("]"))


def _webhook_path(error: str) -> str:
    path = error.split(": ", maxsplit=1)[0]
    return "spec.runtimeRef" if path in {"spec.RuntimeRef", "unsupported runtime"} else path


def _webhook_warnings(entry: Entry) -> Iterator[str]:
    warnings = [item for item in _admitted(entry) if item.severity is Severity.WARNING and item.stage is Stage.WEBHOOK]
    expected = entry.answer.get("webhookWarnings", [])
    if len(warnings) != len(expected):
        yield f"webhookWarnings: {[item.message for item in warnings]} instead of {expected}"


def _jobset_errors(entry: Entry) -> Iterator[str]:
    found = [item.field for item in _admitted(entry) if item.severity is Severity.ERROR and item.stage is Stage.JOBSET]
    errors = [error.rpartition(" is invalid: ")[2] for error in entry.answer.get("jobSetAdmissionErrors", [])]
    yield from _paths(found, [error.split(": ")[0] for error in errors], "jobSetAdmissionErrors")


def _identity(item: Node) -> str:
    return f"{item['apiVersion']} {item['kind']} {item['metadata']['name']}"


def _comparable(found: Node, expected: Node) -> Node:
    """``found`` with random data and scripts as the expected object writes them, where they hold what they must."""
    data = {key: _stand_in(value, expected.get("data", {}).get(key)) for key, value in found.get("data", {}).items()}
    return _grouped({**found, "data": data} if data else found)


def _stand_in(value: str, expected: Any) -> Any:
    if expected == "<random>" and value:
        return expected
    if isinstance(expected, dict):
        lines = {line.strip() for line in value.splitlines()}
        have = [line for line in expected["substitutedLines"] if line.strip() in lines]
        return {**expected, "substitutedLines": have}
    return value


def _grouped(node: Any) -> Any:
    """DMLC_* behind the other variables: upstream's order of the two groups is random."""
    if isinstance(node, list):
        return [_grouped(item) for item in node]
    if not isinstance(node, dict):
        return node
    result = {key: _grouped(value) for key, value in node.items()}
    if isinstance(result.get("env"), list):
        result["env"] = sorted(result["env"], key=lambda item: item.get("name", "").startswith("DMLC_"))
    return result


def _unequal(found: Any, expected: Any, path: str) -> Iterator[str]:
    if type(found) is not type(expected):
        yield f"{path}: {found!r} instead of {expected!r}"
    elif isinstance(found, dict):
        for key in sorted(found.keys() | expected.keys()):
            if key not in found or key not in expected:
                yield f"{path}.{key}: {'missing' if key not in found else 'only by kfrun'}"
            else:
                yield from _unequal(found[key], expected[key], f"{path}.{key}")
    elif isinstance(found, list) and len(found) == len(expected):
        for index, (left, right) in enumerate(zip(found, expected, strict=True)):
            yield from _unequal(left, right, f"{path}[{index}]")
    elif found != expected:
        yield f"{path}: {found!r} instead of {expected!r}"


FIELDS: dict[str, Callable[[Entry], Iterator[str]]] = {
    "crdErrors": _crd_errors,
    "prunedUnknownFields": _pruned,
    "buildError": _build_error,
    "appliedObjects": _applied,
    "jobSetSpecAfterAdmission": _defaulted,
    "webhookErrors": _webhook_errors,
    "webhookWarnings": _webhook_warnings,
    "jobSetAdmissionErrors": _jobset_errors,
}
"""Fields of an answer that are compared, and by what. A new checker of kfrun is one line here.

``childJobs`` are compared by tests/resolve/test_conformance.py.
"""
