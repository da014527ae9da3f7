"""The stages of a check, the same for one object and for 100,000: each by itself, and then all of them together.

Objects are documents, or documents that were put away packed. One that was packed without its data is only there to be
named: jobs find it, and nothing is asked about it. Where the objects come from, how many processes look at them and
what was found before is not known here.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kfrun.flow.checker import absence, scripts
from kfrun.model.kinds import RUNTIMES, TRAIN_JOB, runtime_key
from kfrun.model.packed import Packed, unpacked
from kfrun.model.source import Severity, Stage
from kfrun.model.values import NamedTuple, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from typing import Any, Literal

    from kfrun.model.resolution import Resolution
    from kfrun.model.source import Document, Finding, ObjectKey
    from kfrun.model.state import Observed, ObservedJob
    from kfrun.resolve.material import Material
    from kfrun.settings import Settings

    Admission = Literal["cluster", "local"]
    Until = Literal["schema", "rule", "job"]
    Object = Document | Packed
    Ask = Callable[[Callable[[Object], "Answer"], Sequence[Object]], list["Answer"]]


class Asked(NamedTuple):
    """How objects are checked.

    Attributes:
        until: the last stage: the structure, the rules of the CRDs too, or everything up to the Jobs.
        admission: whether webhooks are asked, and what becomes of the JobSet and its Jobs. ``local`` leaves out, or
            only warns of, what local processes do not need.
        backend: one of `kfrun.plan.support.BACKENDS` that is asked, too, what it has against the jobs.
        updated: objects that exist already.
        with_keys: make the keys of MPI and Flux jobs too, anew each time: only who shows or applies them needs any.
        only_own_kinds: objects of kinds that kfrun does not read are passed over.
        with_scripts: look for the scripts that jobs name beside their manifests, too.
        stored: runtimes that were applied on this machine count, too.
        missing_runtime: what it is that a job's runtime is not there: ``error``, ``warn`` or ``ignore``.
        values: what templates are rendered with; given, every text is one.
    """

    settings: Settings
    until: Until = "job"
    admission: Admission | None = "cluster"
    backend: str | None = None
    updated: Collection[ObjectKey] = ()
    with_keys: bool = False
    only_own_kinds: bool = False
    with_scripts: bool = False
    stored: bool = False
    missing_runtime: str = "error"
    values: Mapping[str, Any] | None = None


class Checked(NamedTuple):
    """What was found, and the resolutions of the sound jobs among the objects that were not packed."""

    findings: Sequence[Finding]
    resolutions: Sequence[Resolution] = ()


class Answer(NamedTuple):
    """What is said of an object, and what a job was resolved to: its runtime, and all of it unless it was packed."""

    findings: Sequence[Finding] = ()
    runtime: ObjectKey | None = None
    resolution: Resolution | None = None


def check(documents: Sequence[Document], observed: Observed, asked: Asked) -> Checked:
    """Check documents, here and now; findings are returned, not raised."""
    found = [finding for document in documents for finding in alone(document, asked)]
    return together(documents, found, observed, asked)


def alone(document: Document, asked: Asked) -> list[Finding]:
    """What is wrong with a document whatever else there is: its structure and its rules."""
    from kfrun.validate import documents

    return documents.check(document, version=asked.settings.trainer_version, with_rules=asked.until != "schema")


def _in_turn(answer: Callable[[Object], Answer], objects: Sequence[Object]) -> list[Answer]:
    return [answer(item) for item in objects]


def together(
    objects: Sequence[Object], found: Iterable[Finding], observed: Observed, asked: Asked, ask: Ask = _in_turn
) -> Checked:
    """What is wrong with the objects once each of them was looked at by itself.

    Args:
        objects: all of them, in their order.
        found: what `alone` says of them.
        observed: what is there already.
        asked: how far to go.
        ask: gets the answers about objects, in their order; in other processes, if they are packed.
    """
    checked = _together(objects, list(found), observed, asked, ask)
    return checked._replace(findings=_with_placeholders(checked.findings, objects))


def _together(
    objects: Sequence[Object], findings: list[Finding], observed: Observed, asked: Asked, ask: Ask
) -> Checked:
    if asked.until == "schema":
        return Checked(findings)
    from kfrun.validate.documents import repeated

    findings += repeated(objects)
    if asked.until == "rule":
        return Checked(findings)
    judge = _Judge(objects, observed, asked, _broken(findings))
    runtimes = judge.sound(objects, RUNTIMES) if asked.admission is not None else []
    jobs = judge.sound(objects, (TRAIN_JOB,))
    answers = ask(judge.answer, [*runtimes, *jobs])
    for one in answers[: len(runtimes)]:
        findings += one.findings
    # What follows from a runtime that was found to be wrong would only repeat it.
    wrong = _broken(findings)
    sound = [one for one in answers[len(runtimes) :] if one.runtime is None or one.runtime not in wrong]
    findings += _once(finding for one in sound for finding in one.findings)
    return Checked(findings, [one.resolution for one in sound if one.resolution is not None])


def _with_placeholders(findings: Sequence[Finding], objects: Sequence[Object]) -> Sequence[Finding]:
    """The findings; of a value that nobody filled in they tell how that is done."""
    if not findings:
        return findings
    from kfrun.load import lines, placeholders

    rendered = {item.source for item in objects if lines.is_template(item)}

    def told(one: Finding) -> Finding:
        place = one.position
        if one.code == "KF202" and place is not None and place.file.startswith("--set ") and "string is" in one.message:
            return replace(one, hint=place.file.replace("--set", "--set-string", 1) + "=… gives a text")
        if one.severity is not Severity.ERROR or not one.excerpt or place is None or place.file in rendered:
            return one
        found = placeholders.at(one.excerpt, place.column)
        return one if found is None else replace(one, hint=found.way_out)

    return [told(one) if one.stage is not Stage.YAML else one for one in findings]


def _broken(findings: Iterable[Finding]) -> set[ObjectKey | None]:
    """The objects that are refused: nothing further is asked about them."""
    return {finding.object for finding in findings if finding.severity is Severity.ERROR}


def _once(findings: Iterable[Finding]) -> Iterator[Finding]:
    """The findings, but what a backend has against a runtime not anew for each of its jobs."""
    told = set()
    for finding in findings:
        if finding.stage is Stage.BACKEND:
            place = (finding.object, finding.position, finding.message)
            if place in told:
                continue
            told.add(place)
        yield finding


class _Judge:
    """Says what the stages after structure and rules say of one object, with everything at hand that it depends on."""

    def __init__(
        self, objects: Sequence[Object], observed: Observed, asked: Asked, wrong: set[ObjectKey | None]
    ) -> None:
        from kfrun.flow import referred

        self._catalogue = referred.catalogue(objects, observed.runtimes, asked.settings)
        self._priorities = [item.key.name for item in objects if item.key.kind == "PriorityClass"]
        self._stored = observed.jobs
        self._asked = asked
        self._wrong = wrong
        self._wrong_runtimes = {runtime_key(key) for key in wrong if key is not None} - {None}

    def sound(self, objects: Iterable[Object], kinds: Collection[str]) -> list[Object]:
        """Those of these kinds that there is something to ask about."""
        there = (item for item in objects if not isinstance(item, Packed) or item.data)
        return [item for item in there if item.key.kind in kinds and item.key not in self._wrong]

    def answer(self, item: Object) -> Answer:
        """What is said of a runtime or a TrainJob."""
        return self._of_job(item) if item.key.kind == TRAIN_JOB else self._of_runtime(unpacked(item))

    def _of_runtime(self, document: Document) -> Answer:
        from kfrun.resolve import extensions
        from kfrun.validate.admission import check as admission

        version, is_update = self._asked.settings.trainer_version, document.key in self._asked.updated
        refused = admission.check_runtime(document, version=version, is_update=is_update)
        return Answer([*extensions.read(document, None).findings, *refused, *_of_commands(document, None)])

    def _of_job(self, item: Object) -> Answer:
        from kfrun.resolve import resolver
        from kfrun.resolve.runtimes.catalogue import wanted_runtime

        document, version = unpacked(item), self._asked.settings.trainer_version
        if self._wrong_runtimes and wanted_runtime(document) in self._wrong_runtimes:
            return Answer()  # what follows from a runtime that is known to be wrong would only repeat it
        material = _material(self._stored.get(document.key)) if self._asked.with_keys else None
        resolution = resolver.resolve(document, self._catalogue, version=version, material=material)
        runtime = resolution.runtime.document.key if resolution.runtime else None
        of_commands = _of_commands(document, resolution.runtime.document.data if resolution.runtime else None)
        findings = [*resolution.findings, *self._admitted(resolution), *of_commands]
        if runtime is None:
            findings = absence.weighed(findings, wanted_runtime(document), self._asked.missing_runtime)
        if self._asked.with_scripts:
            findings += scripts.check(resolution)
        if self._asked.backend is not None:
            from kfrun.plan.support import findings as support

            findings += support.check(resolution, self._asked.backend, os.geteuid())
        if findings:
            from kfrun.resolve.runtimes import placement

            findings = placement.inside(findings, resolution)
        return Answer(findings, runtime, resolution if document is item else None)

    def _admitted(self, resolution: Resolution) -> list[Finding]:
        """What the stages after a job's resolution say; nothing where they are not asked for."""
        if self._asked.admission is None:
            return []
        from kfrun.validate.admission import check as admission

        version, locally = self._asked.settings.trainer_version, self._asked.admission == "local"
        locally = locally and not _uses_images(backend_of(resolution, self._asked.settings))
        return admission.check(resolution, version=version, locally=locally, priority_classes=self._priorities)


def _of_commands(document: Document, runtime: dict[str, Any] | None) -> Sequence[Finding]:
    """Warnings of commands that a cluster would only find when it starts them."""
    if document.key.kind == TRAIN_JOB and _is_plain(document.data["spec"].get("trainer") or {}, runtime):
        return ()
    from kfrun.validate.lint import commands

    if not commands.is_doubtful(document.data, runtime):
        return ()
    from kfrun.validate.lint import table

    return table.check_command(document, runtime)


def _is_plain(trainer: dict[str, Any], runtime: dict[str, Any] | None) -> bool:
    """Whether a TrainJob's command gives no reason to load anything that looks closer."""
    words = trainer.get("command")
    if not isinstance(words, list) or not words or not isinstance(words[0], str):
        return False
    is_torch = runtime is not None and "torch" in (runtime["spec"].get("mlPolicy") or {})
    return not any(map(str.isspace, words[0])) and (words[0] == "torchrun" or not is_torch)


def _uses_images(backend: str) -> bool:
    """Where no image is used, nothing that a cluster asks of one matters."""
    from kfrun.plan import support

    return "image" not in support.of(backend).not_honoured["Container"]


def backend_of(resolution: Resolution, settings: Settings) -> str:
    """The backend of a job: the flag, else the manifest, else the setting; one that there is not is the planner's."""
    from kfrun.plan.support import BACKENDS

    is_flag = settings.origins["backend"].layer == "flag"
    chosen = settings.backend if is_flag else resolution.backend or settings.backend
    return chosen if chosen in BACKENDS else BACKENDS[0]


def _material(stored: ObservedJob | None) -> Material:
    from kfrun.resolve.material import ENTROPY, Material

    # a job gets its uid when it is created; until then any text nobody can guess stands for it
    return Material(stored.uid if stored else os.urandom(16).hex(), os.urandom(ENTROPY))
