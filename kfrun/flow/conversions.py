"""Older manifests rewritten, and what was written checked: nobody learns only later that a cluster refuses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.flow.checker import stages
from kfrun.flow.checker.stages import Asked
from kfrun.model.kinds import LEGACY_JOBS, is_own
from kfrun.model.source import Severity, Stage
from kfrun.model.state import Observed
from kfrun.resolve import conversion
from kfrun.resolve.findings import finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.model.source import Document, Finding, ObjectKey
    from kfrun.resolve.conversion import Conversion
    from kfrun.settings import Settings


def convert(documents: Sequence[Document], settings: Settings) -> Conversion:
    """The documents converted. What is still wrong with an object is said of the document that it comes from."""
    from kfrun.load import kubeyaml
    from kfrun.report import yamljson
    from kfrun.validate.schema import schemas

    done = conversion.convert(documents)
    written, wrong = kubeyaml.parse(yamljson.to_yaml(done.objects), "converted")
    if settings.trainer_version in schemas.BEFORE_PATCHES:
        settings = settings._replace(trainer_version=schemas.DEFAULT_VERSION)
    wrong += stages.check(written, Observed(), Asked(settings)).findings
    sources: dict[ObjectKey | None, Document] = {
        document.key: source for document, source in zip(written, done.sources, strict=False)
    }
    notes = [_note(one, sources.get(one.object, documents[0])) for one in wrong if one.severity is Severity.ERROR]
    return done._replace(notes=(*done.notes, *notes))


def _note(one: Finding, source: Document) -> Finding:
    from kfrun.report.findings import field_of

    kind = one.object.kind if one.object else "object"
    message = f"kfrun validate refuses the {kind} that is written here: {field_of(one)}: {one.message}"
    # a runtime may be where the job is going to be applied, and what is of another kind was passed on as it is
    is_elsewhere = one.code == "KF401" or not (is_own(source.key) or source.key.kind in LEGACY_JOBS)
    severity = Severity.WARNING if is_elsewhere else Severity.ERROR
    path = ("spec",) if one.stage in (Stage.JOBSET, Stage.JOB) else one.path
    return finding("KF432", message, source, path, hint=one.hint, severity=severity)
