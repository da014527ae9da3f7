"""The whole way of an input, through the functions of the public commands, and what must hold wherever it goes wrong.

``validate``, ``lint``, ``render``, ``convert`` and ``plan`` of one input, less the writing: `walk` tells what was
found, and which of kfrun's promises was broken.
"""

from __future__ import annotations

import copy
import hashlib
import json
import sys
from contextlib import contextmanager
from io import BytesIO, TextIOWrapper
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from xml.etree import ElementTree as ET

from kfrun.cli.check import reports
from kfrun.cli.verbs import render
from kfrun.errors import InvalidInput
from kfrun.flow import documents, plans
from kfrun.flow.checker import absence, stages
from kfrun.flow.checker.stages import Asked
from kfrun.load import kubeyaml
from kfrun.load.given import Given
from kfrun.model import kinds
from kfrun.model.state import Observed
from kfrun.model.wishes import Wishes
from kfrun.plan import render as plan_forms
from kfrun.report import findings as finding_forms
from kfrun.report import github, junit, sarif, tap, yamljson
from kfrun.report.checks import Report
from kfrun.resolve import conversion
from kfrun.resolve.material import ENTROPY, Material
from kfrun.resolve.resolver import resolve
from kfrun.resolve.runtimes import shipped
from kfrun.resolve.runtimes.catalogue import Catalogue
from kfrun.validate.lint import subject, table
from kfrun.validate.rules import update
from kfrun.validate.schema import defaults, schemas, structure
from tests.fuzzing import places, texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kfrun.model.source import Document, Finding
    from kfrun.settings import Settings
    from tests.fuzzing.inputs import Input

MATERIAL: Final = Material("11111111-2222-3333-4444-555555555555", bytes(range(ENTROPY)))


class Answer(NamedTuple):
    """What kfrun says of an input.

    Attributes:
        findings: of load, validate, resolve and admission.
        broken: promises that were not kept, one sentence each; empty when all is well.
        written: everything that was written, in every form; the same for the same input.
        documents: that were read.
    """

    findings: tuple[Finding, ...]
    broken: tuple[str, ...]
    written: str
    documents: tuple[Document, ...] = ()

    @property
    def digest(self) -> str:
        """Of what was written."""
        return hashlib.sha256(self.written.encode("utf-8", "surrogatepass")).hexdigest()


class Broken(AssertionError):
    """A promise that was not kept."""


def walk(given: Input, settings: Settings) -> Answer:
    """Take an input the whole way; what kfrun refuses is in the findings, whatever else is raised goes through."""
    settings = settings._replace(trainer_version=given.version)
    try:
        found = read(given, settings)
    except InvalidInput as refusal:
        refused, (text, is_text) = refusal.findings, places.text_of(given.data)
        broken = list(places.wrong(refused, {"<stdin>": text}, is_template=given.is_template and is_text))
        if not refused:
            broken.append("the input was refused without a finding")
        return Answer(refused, tuple(broken), _reported("validate", (), refused))
    before = copy.deepcopy([item.data for item in found])
    steps = _Steps(given, settings, found)
    steps.take()
    if repr(before) != repr([item.data for item in found]):
        steps.broken.append("an input was modified")
    return Answer(tuple(steps.found), tuple(steps.broken), "\n".join(steps.written), found)


def read(given: Input, settings: Settings) -> tuple[Document, ...]:
    """The documents of an input, as every verb reads them from standard input.

    Raises:
        InvalidInput: with the findings of load.
    """
    kept = copy.deepcopy(texts.VALUES)
    values = Given(kept, (), lambda *_: None, from_files=True) if given.is_template else None
    with standard_input(given.data):
        return documents.load(["-"], values, settings, recursive=False)


@contextmanager
def standard_input(data: bytes) -> Iterator[None]:
    """Let the process read ``data`` from standard input."""
    kept, sys.stdin = sys.stdin, TextIOWrapper(BytesIO(data), encoding="utf-8")
    try:
        yield
    finally:
        sys.stdin = kept


class _Steps:
    """The steps behind load; each appends what it wrote and what is broken."""

    def __init__(self, given: Input, settings: Settings, documents: tuple[Document, ...]) -> None:
        self.broken: list[str] = []
        self.written: list[str] = []
        self.found: Sequence[Finding] = ()
        self._told: list[Finding] = []
        self._given = given
        self._settings = settings
        self._documents = documents
        self._texts = {item.source: item.text for item in (*documents, *shipped.shipped())}

    def take(self) -> None:
        checked = stages.check(self._documents, Observed(), Asked(self._settings))
        self.found = absence.unasked(checked.findings)
        self._tell(checked.findings)
        self._update()
        self._lint()
        self._convert()
        self._fill_in()
        self._render()
        if not any(one.severity == "error" for one in checked.findings):
            self._plan()
        self.written.append(_reported("validate", self._documents, self._told))

    def _tell(self, found: Sequence[Finding]) -> None:
        self.broken += places.wrong(found, self._texts, is_template=self._given.is_template)
        self._told += found

    def _update(self) -> None:
        """As an update of what it was before, and of itself."""
        refused = {one.object for one in self.found}
        stored = {item.key[1:4:2]: item for item in kubeyaml.parse(self._given.before, "before")[0]}
        for item in self._documents:
            if item.key.kind not in kinds.TRAINER_KINDS:
                continue
            if item.key not in refused and update.check(item.data, item, version=self._settings.trainer_version):
                self.broken.append("what is the same is refused as an update")
            old = stored.get(item.key[1:4:2])
            if old is not None:
                self._tell(update.check(old.data, item, version=self._settings.trainer_version))

    def _lint(self) -> None:
        catalogue = Catalogue(self._documents, (), shipped.shipped())
        known = [source.document for source in catalogue.runtimes()]

        def runtime(job: Document) -> dict[str, Any] | None:
            name = subject.get(job.data, "spec", "runtimeRef", "name")
            return next((item.data for item in known if item.key.name == name), None)

        self._tell(table.check(self._documents, runtime, subject.Choice()))

    def _convert(self) -> None:
        once = conversion.convert(self._documents)
        self._tell(once.notes)
        text = yamljson.to_yaml(once.objects)
        self.written.append(text)
        again, findings = kubeyaml.parse(text, "converted")
        if findings:
            self.broken.append(f"what convert prints cannot be read: {findings[0].message}")
        elif repr([item.data for item in again]) != repr(list(once.objects)):
            self.broken.append("what convert prints is read back as something else")
        elif list(conversion.convert(again).objects) != list(once.objects):
            self.broken.append("converting twice is not converting once")

    def _fill_in(self) -> None:
        for item in self._documents:
            if item.key.kind in kinds.TRAINER_KINDS:
                once = defaults.apply(item.data, item.key.kind, self._settings.trainer_version)
                if repr(defaults.apply(once, item.key.kind, self._settings.trainer_version)) != repr(once):
                    self.broken.append("defaults filled in twice differ from defaults filled in once")

    def _render(self) -> None:
        """Also what check refused: resolve never depends on validation."""
        catalogue = Catalogue(self._documents, (), shipped.shipped())
        refused = {one.object for one in self.found}
        for item in self._documents:
            if item.key.kind != kinds.TRAIN_JOB:
                continue
            made = resolve(item, catalogue, version=self._settings.trainer_version, material=MATERIAL)
            if made.jobset is None and not made.findings:
                self.broken.append("resolve gives neither a JobSet nor a finding")
            self._tell(made.findings)
            doubts = {one.code for one in made.findings}
            is_sound = item.key not in refused and "KF403" not in doubts
            is_sound = is_sound and (made.runtime is None or made.runtime.document.key not in refused)
            if made.jobset is not None:
                self._rendered([*made.objects, made.jobset], is_sound=is_sound)
                if is_sound:
                    self.written.append(render._explained([made], "yaml") + render._explained([made], "json"))

    def _rendered(self, objects: Sequence[dict[str, Any]], *, is_sound: bool) -> None:
        text = yamljson.to_yaml(objects)
        self.written += [text, yamljson.to_json(objects)]
        again, findings = kubeyaml.parse(text, "rendered")
        if findings:
            self.broken.append(f"what render prints cannot be read: {findings[0].message}")
        elif repr([item.data for item in again]) != repr(list(objects)):
            self.broken.append("what render prints is read back as something else")
        elif is_sound:
            self.broken += _schema_problems(again[-1], self._settings.trainer_version)

    def _plan(self) -> None:
        try:
            made = plans.of(self._documents, Observed(), Wishes(), self._settings).plan
        except InvalidInput as refusal:
            self._tell(refusal.findings)
            return
        self.written.append(plan_forms.to_text(made) + json.dumps(plan_forms.to_json(made), indent=2))
        again = plans.of(self._documents, Observed(), Wishes(), self._settings).plan
        if plan_forms.to_json(made) != plan_forms.to_json(again):
            self.broken.append("planning twice gives two plans")


def _schema_problems(jobset: Document, version: str) -> Iterator[str]:
    """What the JobSet's own schema says of it, asked in the template of a runtime."""
    spec = jobset.data["spec"]
    data = {
        "apiVersion": kinds.API_VERSION,
        "kind": kinds.RUNTIMES[0],
        "metadata": {"name": "rendered"},
        "spec": {"template": {"spec": spec}},
    }
    root = schemas.schema(version, kinds.RUNTIMES[0])
    for violation in structure.violations(defaults.without_nulls(data, root), version, kinds.RUNTIMES[0]):
        yield f"the rendered JobSet has no right form: {violation.keyword} at {violation.path}"


def _reported(verb: str, documents: Sequence[Document], found: Sequence[Finding]) -> str:
    """The report in every form that validate and lint write."""
    report = Report(verb, documents, found, titles=reports.titles())
    forms = [
        finding_forms.to_text(found),
        finding_forms.to_text(found, color=True),
        json.dumps(finding_forms.to_json(found), ensure_ascii=False),
        json.dumps(sarif.to_sarif(report), ensure_ascii=False),
        junit.to_junit(report, timestamp="2026-01-01T00:00:00"),
        github.to_github(report),
        tap.to_tap(report),
    ]
    ET.fromstring(forms[4])
    unknown = {one.code for one in found} - report.titles.keys()
    if unknown:
        raise Broken(f"findings with codes that no table holds: {unknown}")
    return "\n".join(forms)
