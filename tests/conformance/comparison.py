"""kfrun's answer to a case of the conformance suite, beside that of the real webhooks and controllers.

A case is a folder with ``input.yaml`` (objects in the order of their creation; an object that comes twice is updated)
and ``expected.yaml`` (a list with the answer to each Trainer object). `FIELDS` says which fields of an answer are
compared; each is compared by one small function, which yields a line for each difference. Messages may differ, paths
and numbers of problems may not; `tests.conformance.refusals` says which problems are the same.

Behind the stage that refuses an object a cluster is asked nothing; what the answers say of later ones is what would be
with webhooks off, and is not compared. Nor are the later stages of a TrainJob whose runtime was refused.
"""

from __future__ import annotations

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
from tests.conformance.refusals import Refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kfrun.model.resolution import Resolution
    from kfrun.model.source import Document, Finding, ObjectKey

    Node = dict[str, Any]

VERSION = "head"
"""The cases were executed with the newest source."""

MATERIAL = Material("11111111-2222-3333-4444-555555555555", bytes(range(ENTROPY)))
AT_RUNTIME_REF = {"KF401", "KF402", "KF405"}
"""Findings that upstream's webhook reports at spec.runtimeRef (or spec.RuntimeRef), and kfrun where they are mended."""

KINDS = {"TrainJob", "TrainingRuntime", "ClusterTrainingRuntime"}
_REFUSING = ("crdErrors", "webhookErrors")
"""The fields of an answer that say why it was refused, in the cluster's order."""


@dataclass(frozen=True)
class Entry:
    """One object of a case: the document, what was applied before it, and the real answer.

    Attributes:
        follows: its runtime was refused.
    """

    document: Document
    before: tuple[Document, ...]
    answer: Node
    priority_classes: tuple[str, ...] = ()
    follows: bool = False
    version: str = VERSION

    @property
    def name(self) -> str:
        return f"{self.document.key.kind}/{self.document.key.name}"

    @property
    def is_update(self) -> bool:
        return self.answer["operation"] == "update"

    def reaches(self, field: str) -> bool:
        """Whether a cluster gets as far as the stage that this field of an answer tells of."""
        earlier = _REFUSING[: _REFUSING.index(field)] if field in _REFUSING else _REFUSING
        return not self.follows and not any(self.answer.get(one) for one in earlier)

    def alone(self) -> list[Finding]:
        """What schema and rules say, those on changes included."""
        found = documents.check(self.document, version=self.version)
        return found + [one for one in self.changes() if one.stage is Stage.RULE]

    def changes(self) -> list[Finding]:
        """Why it cannot replace what it was."""
        previous = next((item for item in self.before if item.key == self.document.key), None)
        return [] if previous is None else update.check(previous.data, self.document, version=self.version)

    def resolved(self) -> Resolution:
        return resolve(self.document, Catalogue(self.before), version=self.version, material=MATERIAL)

    def admitted(self) -> list[Finding]:
        """What webhooks and the later stages say, each stage asked for itself."""
        if self.document.key.kind != "TrainJob":
            return admission.check_runtime(self.document, version=self.version, is_update=self.is_update)
        resolution = self.resolved()
        found = admission.check(resolution, version=self.version, priority_classes=self.priority_classes)
        return [*resolution.findings, *found, *self.changes()]


def entries(case: Path, version: str = VERSION) -> Iterator[Entry]:
    """The Trainer objects of a case with their answers."""
    applied, findings = kubeyaml.parse((case / "input.yaml").read_text(encoding="utf-8"), "input.yaml")
    assert not findings, findings
    answers = iter(yaml.safe_load((case / "expected.yaml").read_text(encoding="utf-8")))
    priorities = tuple(item.key.name for item in applied if item.key.kind == "PriorityClass")
    there: dict[ObjectKey, Document] = {}
    refused = set()
    for document in applied:
        is_refused = False
        if document.key.kind in KINDS:
            follows = _runtime_of(document) in refused
            entry = Entry(document, tuple(there.values()), next(answers), priorities, follows, version)
            assert entry.name == entry.answer["object"]
            is_refused = any(entry.answer.get(field) for field in _REFUSING)
            yield entry
        if is_refused and document.key not in there:
            refused.add(f"{document.key.kind}/{document.key.name}")
        if not is_refused or document.key not in there:  # a refused change leaves what was there
            there[document.key] = document
    assert not list(answers)


def _runtime_of(document: Document) -> str:
    spec = document.data.get("spec")
    reference = spec.get("runtimeRef") if isinstance(spec, dict) else None
    reference = reference if isinstance(reference, dict) else {}
    return f"{reference.get('kind', 'ClusterTrainingRuntime')}/{reference.get('name')}"


def differences(case: Path) -> list[str]:
    """Where kfrun's answers differ from the real ones; one line each, empty when they agree."""
    return [
        f"{entry.name} ({entry.answer['operation']}): {line}"
        for entry in entries(case)
        for compare in FIELDS.values()
        for line in compare(entry)
    ]


def _compared(found: list[str], expected: Refusals, field: str) -> Iterator[str]:
    for path in expected.missing(found):
        yield f"{field}: {path or '<root>'} is refused more often on a cluster"
    for path in expected.surplus(found):
        yield f"{field}: {path or '<root>'} is refused more often by kfrun"


def _errors(found: list[Finding], *stages: Stage) -> list[Finding]:
    return [one for one in found if one.stage in stages and one.severity is Severity.ERROR]


def _crd_errors(entry: Entry) -> Iterator[str]:
    found = [one.field for one in _errors(entry.alone(), Stage.SCHEMA, Stage.RULE) if one.code != "KF201"]
    yield from _compared(found, Refusals.of(entry.answer.get("crdErrors", [])), "crdErrors")


def _pruned(entry: Entry) -> Iterator[str]:
    found = [one.field for one in _errors(entry.alone(), Stage.SCHEMA, Stage.RULE) if one.code == "KF201"]
    yield from _compared(found, Refusals.of(entry.answer.get("prunedUnknownFields", [])), "prunedUnknownFields")


def _webhook_errors(entry: Entry) -> Iterator[str]:
    if not entry.reaches("webhookErrors"):
        return
    found = [
        "spec.runtimeRef" if one.code in AT_RUNTIME_REF else one.field
        for one in _errors(entry.admitted(), Stage.WEBHOOK, Stage.BUILD)
        if one.stage is Stage.WEBHOOK or one.code in AT_RUNTIME_REF
    ]
    yield from _compared(found, Refusals.of(entry.answer.get("webhookErrors", [])), "webhookErrors")


def _webhook_warnings(entry: Entry) -> Iterator[str]:
    if not entry.reaches("webhookErrors"):
        return
    warnings = [one for one in entry.admitted() if one.severity is Severity.WARNING and one.stage is Stage.WEBHOOK]
    expected = entry.answer.get("webhookWarnings", [])
    if len(warnings) != len(expected):
        yield f"webhookWarnings: {[one.message for one in warnings]} instead of {expected}"


def _build_error(entry: Entry) -> Iterator[str]:
    """Whether the objects can be built; for updates nothing was built."""
    if entry.document.key.kind != "TrainJob" or entry.is_update or not entry.reaches("buildError"):
        return
    resolution = entry.resolved()
    messages = [one.message for one in resolution.findings if one.severity is Severity.ERROR]
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


def _jobset_errors(entry: Entry) -> Iterator[str]:
    if entry.reaches("jobSetAdmissionErrors"):
        found = [one.field for one in _errors(entry.admitted(), Stage.JOBSET)]
        expected = Refusals.of(entry.answer.get("jobSetAdmissionErrors", []))
        yield from _compared(found, expected, "jobSetAdmissionErrors")


def _defaulted(entry: Entry) -> Iterator[str]:
    """The JobSet as it is stored: with the defaults of its CRD and what JobSet's own webhook adds."""
    if "jobSetSpecAfterAdmission" not in entry.answer:
        return
    jobset = entry.resolved().jobset
    assert jobset is not None
    found = jobsetdefaults.apply(jobset)["spec"]
    for line in _unequal(_grouped(found), _grouped(entry.answer["jobSetSpecAfterAdmission"]), ""):
        yield f"jobSetSpecAfterAdmission: spec{line}"


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
