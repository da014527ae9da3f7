"""Where findings stand: in what the user gave, never outside of it.

A runtime that was shipped, or stored earlier, is only referred to. What is found in it because of a job stands at the
job's line that set what it belongs to, or else where the job names the runtime; the runtime's own place is related.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.load.excerpts import excerpt
from kfrun.model.source import Related
from kfrun.model.values import replace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kfrun.model.resolution import Resolution
    from kfrun.model.source import FieldPath, Finding, Position

_REFERENCE: Final = ("spec", "runtimeRef")


def inside(findings: Iterable[Finding], resolution: Resolution) -> list[Finding]:
    """The findings about a resolution, those of a runtime that nobody gave placed in the job."""
    runtime = resolution.runtime
    if runtime is None or not runtime.is_referred:
        return list(findings)
    key, source = runtime.document.key, runtime.document.source
    return [
        _moved(one, resolution) if one.object == key or (one.position and one.position.file == source) else one
        for one in findings
    ]


def _moved(one: Finding, resolution: Resolution) -> Finding:
    runtime, job = resolution.runtime, resolution.job
    assert runtime is not None
    related, position = Related(str(runtime), one.position), None
    if one.object == runtime.document.key:
        # the path is one of the runtime
        related = related._replace(message=f"{one.field} of {related.message}" if one.field else related.message)
        one = replace(one, object=job.key, path=_REFERENCE, shown=None)
    else:
        position = _cause(resolution, one.path)
    position = position or _reference(resolution)
    line = excerpt(job, position) if job.text and position.line else None
    return replace(one, position=position, excerpt=line, related=(*one.related, related))


def _reference(resolution: Resolution) -> Position:
    """Where the job names its runtime, or itself if it leaves that out."""
    spec = resolution.job.data.get("spec")
    reference = spec.get("runtimeRef") if isinstance(spec, dict) else None
    if not isinstance(reference, dict):
        return resolution.job.positions.value(("metadata", "name"))
    return resolution.job.positions.value((*_REFERENCE, "name") if "name" in reference else _REFERENCE)


def _cause(resolution: Resolution, path: FieldPath) -> Position | None:
    """The key of the job that set something beside a field of the JobSet."""
    found = (resolution.beside(path[:length]) for length in range(len(path), 0, -1))
    return next((position for position in found if position is not None), None)
