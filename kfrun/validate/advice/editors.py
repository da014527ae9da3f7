"""The schemas as editors take them: each with an ``$id``, kfrun's own annotations in them, and one for all kinds."""

from __future__ import annotations

import copy
import re
from typing import Any, Final

from kfrun.model import kinds
from kfrun.validate.rules.extensions import CHOICES, PREFIX
from kfrun.validate.schema import schemas

_DRAFT: Final = "http://json-schema.org/draft-07/schema#"
_METADATA: Final = "meta.v1.ObjectMeta"

_WORDS: Final = {
    "packages": "Python packages that the job needs, a requirement a line; -e . and ./path are installed from here.",
    "requirements": "Files that list packages: requirements.txt, pyproject.toml[extra], uv.lock, a script; one a line.",
    "pip-index-urls": "Indexes that packages come from, one a line; the first is the default.",
    "python": "The version of Python, as 3.12 or 3.12.4.",
    "source": "The folder that the job runs in, relative to the manifest.",
    "mount": "Folders below the source folder and the paths at which containers see them, one a line: .=/workspace.",
    "environment": "Whether jobs with the same packages share an environment.",
    "backend": "What runs the job.",
    "lint-ignore": "Codes of kfrun lint that are let pass here.",
}


def of(kind: str, version: str) -> dict[str, Any]:
    """The schema of a kind, of `kinds.TRAINER_KINDS`.

    Raises:
        UsageProblem: an unknown Trainer version.
    """
    found = copy.deepcopy(schemas.schema(version, kind))
    metadata = found["definitions"][_METADATA]
    annotations = metadata["properties"]["annotations"]
    annotations["properties"] = {f"{PREFIX}{name}": _annotation(name) for name in CHOICES}
    known = "|".join(re.escape(name) for name in CHOICES)
    # what only looks like one of kfrun's is a mistake
    annotations["patternProperties"] = {f"^{re.escape(PREFIX)}(?!({known})$)": False}
    return {"$schema": _DRAFT, "$id": identifier(kind, version), **found}


def of_all(version: str) -> dict[str, Any]:
    """A schema for files that hold objects of several kinds: each is checked as the kind that it says.

    Raises:
        UsageProblem: an unknown Trainer version.
    """
    parts = {kind: of(kind, version) for kind in kinds.TRAINER_KINDS}
    definitions: dict[str, Any] = {}
    for kind, part in parts.items():
        definitions |= part.pop("definitions")
        definitions[kind] = {key: value for key, value in part.items() if key not in ("$schema", "$id")}
    conditions = [
        {
            "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
            "then": {"$ref": f"#/definitions/{kind}"},
        }
        for kind in parts
    ]
    return {
        "$schema": _DRAFT,
        "$id": identifier("all", version),
        "title": "Manifests of Kubeflow Trainer",
        "type": "object",
        "required": ["apiVersion", "kind"],
        "properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string", "examples": [*parts]}},
        "allOf": conditions,
        "definitions": definitions,
    }


def identifier(kind: str, version: str) -> str:
    """The ``$id``: a name, and no address that anybody would fetch."""
    return f"urn:kfrun:schema:{schemas.FOLDERS[version]}:{kind.lower()}"


def _annotation(name: str) -> dict[str, Any]:
    choices = CHOICES[name]
    return {"type": "string", "description": _WORDS[name], **({"enum": list(choices)} if choices else {})}
