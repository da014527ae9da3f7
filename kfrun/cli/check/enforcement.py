"""What ``kfrun explain not-enforced`` tells: the matrix of fields and backends, or what of it concerns a manifest."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from kfrun.cli import console
from kfrun.plan.support import BACKENDS, matrix, of
from kfrun.report.findings import to_json, to_text
from kfrun.terminal import json_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kfrun.model.source import Finding
    from kfrun.settings import Settings

_WIDTH = 100
_MORE = """
What is not named here is honoured as on a cluster, or would change nothing: -o json has every field.
Of a manifest: kfrun explain not-enforced -f FILE; of a job that was applied: kfrun describe trainjob NAME.
"""


def explained(filenames: Sequence[str], backend: str | None, trainer_version: str | None, output: str) -> str:
    """The fields of ``filenames`` that the backend does not honour; without any, those of all manifests.

    Raises:
        InvalidInput: a manifest is refused.
    """
    settings = console.load_settings(trainer_version=trainer_version)
    if filenames:
        return _of_manifests(filenames, settings, backend or settings.backend, output)
    backends = (backend,) if backend is not None else BACKENDS
    if output == "json":
        rows = [{"type": row.type, "field": row.field, **_only(row.meanings, backends)} for row in matrix.rows()]
        return json_text({"formatVersion": 1, "fields": rows})
    return "\n".join("\n".join(_lines(name)) + "\n" for name in backends) + _MORE


def _only(meanings: dict[str, str], backends: Sequence[str]) -> dict[str, str]:
    return {name: meanings[name] for name in backends}


def _lines(backend: str) -> Iterator[str]:
    yield f"NOT ENFORCED BY {backend}:"
    for why, types in matrix.reasons(backend).items():
        yield f"  {why}:"
        for name, fields in types.items():
            yield from textwrap.wrap(
                f"{name}: {', '.join(fields)}", _WIDTH, initial_indent="      ", subsequent_indent="        "
            )
    for policy, why in of(backend).policies.items():
        yield f"  jobs of the ML policy {policy} {why}"


def _of_manifests(filenames: Sequence[str], settings: Settings, backend: str, output: str) -> str:
    from kfrun.flow.checker import remembered
    from kfrun.flow.checker.stages import Asked
    from kfrun.flow.desired import require_sound

    asked = Asked(settings, backend=backend, stored=True)
    _documents, findings = remembered.check_new(filenames, asked, recursive=False, cache=False)
    require_sound(findings)
    found: list[Finding] = [one for one in findings if one.code == matrix.CODE]
    if output == "json":
        return json_text(to_json(found))
    if not found:
        return f"{', '.join(filenames)}: nothing that {backend} does not honour\n"
    return to_text(found, color=console.colors_stdout(settings))
