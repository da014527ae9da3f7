"""Checks a document against the shipped JSON Schema of its kind.

The first documents of a process are walked along their schema by `keywords`; of many `jsonschema_rs` decides whether
they are valid, and only the others are walked. `jsonschema` is the reference: it says what `keywords` doubts, and
decides where the wheel of `jsonschema_rs` is missing. Neither of the two is used outside of this module.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, cast

from kfrun.model import kinds
from kfrun.model.source import Document, Finding, Stage
from kfrun.validate import located
from kfrun.validate.located import Problem
from kfrun.validate.schema import defaults, keywords, lists, schemas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema.protocols import Validator

    from kfrun.validate.schema.keywords import Violation
    from kfrun.validate.schema.schemas import Schema


_FIRST = iter(range(20))
"""How many documents are looked at before `jsonschema_rs` pays."""


if TYPE_CHECKING:
    # a protocol takes 0.2 ms to define, and nobody asks for it while kfrun runs

    class _Decider(Protocol):
        def is_valid(self, instance: Any, /) -> bool: ...


def check(document: Document, *, version: str = schemas.DEFAULT_VERSION) -> list[Finding]:
    """Every structural problem of a TrainJob or runtime, in the order of the source.

    Raises:
        UsageProblem: an unknown Trainer version.
        Unavailable: the installation lacks its schemas.
    """
    kind = document.data.get("kind")
    problem = identity_problem(document.data)
    if problem is not None or kind not in kinds.TRAINER_KINDS:
        problem = problem or Problem("KF207", ("kind",), f'kind "{kind}" has no schema')
        return [located.finding(document, problem, Stage.SCHEMA)]
    root = schemas.schema(version, str(kind))
    written, unknown = _without_status(document.data, root)
    data = defaults.without_nulls(written, root)
    duplicates = list(lists.duplicates(data, version, str(kind)))
    broken = (*violations(data, version, str(kind)), *unknown)
    if not duplicates and not broken:
        return []
    from kfrun.validate.schema import violations as explain

    repeated = [explain.repeated(duplicate) for duplicate in duplicates]
    wrong = [problem for violation in broken for problem in explain.problems(violation, document, str(kind), version)]
    return located.findings(document, explain.without_echoes([*wrong, *repeated]), Stage.SCHEMA)


def _without_status(data: dict[str, Any], root: Schema) -> tuple[dict[str, Any], list[Violation]]:
    """What of an object is checked, and the fields of its status that nobody knows; runtimes have no status."""
    if "status" not in data or "status" not in root["properties"]:
        return data, []
    from kfrun.validate.schema import status

    unknown = list(status.unknown_fields(data["status"], root))
    return {field: value for field, value in data.items() if field != "status"}, unknown


def identity_problem(data: dict[str, Any]) -> Problem | None:
    """Why kfrun cannot tell what kind of object this is, if it cannot."""
    for field in ("kind", "apiVersion"):
        value = data.get(field)
        if value is None or value == "":
            return Problem("KF203", (field,), f'required field "{field}" is missing', _known_kinds(), "parent")
        if not isinstance(value, str):
            from kfrun.validate.schema import violations as explain

            return Problem("KF202", (field,), f"{explain.found(value)} where a string is needed")
    kind, version = data["kind"], data["apiVersion"]
    expected = kinds.api_version(kind)
    if expected is None:
        return _unknown_kind(kind, version)
    if version != expected:
        message = f'apiVersion "{version}" is not read for kind {kind}; allowed: "{expected}"'
        return Problem("KF207", ("apiVersion",), message, f"write apiVersion: {expected}")
    return None


def violations(data: dict[str, Any], version: str, kind: str) -> list[Violation]:
    """What of the schema is broken, one cause once: a value of the wrong type breaks nothing else.

    Repeated items of a set are left to `lists`, which names the item.
    """
    if next(_FIRST, None) is None and _is_valid(data, version, kind):
        return []
    try:
        broken = keywords.broken(data, schemas.schema(version, kind))
    except keywords.InDoubt:
        broken = [] if _is_valid(data, version, kind) else referred(data, version, kind)
    mistyped = {one.path for one in broken if one.keyword == "type"}
    return [one for one in broken if one.keyword == "type" or one.path not in mistyped]


def referred(data: dict[str, Any], version: str, kind: str) -> list[Violation]:
    """What `jsonschema` finds wrong: as `keywords.broken` says it, but slowly and without doubts."""
    return [
        # no node of ours is a mere true or false
        keywords.Violation(
            tuple(error.absolute_path), str(error.validator), cast("Schema", error.schema), error.instance
        )
        for error in _reference(version, kind).iter_errors(data)
        if error.validator != "uniqueItems"
    ]


def _known_kinds() -> str:
    return f"kfrun reads {', '.join((*kinds.TRAINER_KINDS, *kinds.CORE_KINDS))}"


def _unknown_kind(kind: str, version: str) -> Problem:
    near = _near_kind(kind, version)
    message = f'kfrun reads no kind "{kind}" ({version})'
    if kind in kinds.LEGACY_JOBS:
        near = f"{kind} belongs to the Training Operator; its successor is a TrainJob with a runtime"
        near += ": kfrun convert -f FILE makes one" if kind in kinds.CONVERTED_JOBS else ""
    others = f"{_known_kinds()}; --skip-other-kinds passes over others"
    return Problem("KF207", ("kind",), message, near or others)


def _near_kind(kind: str, version: str) -> str | None:
    """The kind that is meant, unless it is one of Kubernetes, or somebody's own and not spelled almost the same."""
    from kfrun.validate.schema import hints

    if kind in kinds.OTHER_KINDS:
        return None
    is_custom = "/" in version and "kubeflow.org" not in version
    return hints.near_value(kind, (*kinds.TRAINER_KINDS, *kinds.CORE_KINDS), hints.NEAR if is_custom else hints.LIKE)


def _is_valid(data: dict[str, Any], version: str, kind: str) -> bool:
    try:
        return _decider(version, kind).is_valid(data)
    except ValueError:
        # nested too deeply, or text that is not Unicode: the reference copes with both
        return _reference(version, kind).is_valid(data)


@cache
def _decider(version: str, kind: str) -> _Decider:
    try:
        from jsonschema_rs import Draft7Validator
    except ImportError:
        return _reference(version, kind)
    decider: _Decider = Draft7Validator(schemas.schema(version, kind), validate_formats=False)
    return decider


@cache
def _reference(version: str, kind: str) -> Validator:
    from jsonschema import Draft7Validator
    from jsonschema.exceptions import ValidationError
    from jsonschema.validators import extend

    def pattern(_: Validator, expression: str, text: Any, __: Schema) -> Iterator[ValidationError]:
        # in JSON Schema $ is the end of the text only, in Python it also matches before a last line break
        if isinstance(text, str) and not re.search(re.sub(r"\$$", r"\\Z", expression), text):
            yield ValidationError(f"{text!r} does not match {expression!r}")

    validator: Validator = extend(Draft7Validator, {"pattern": pattern})(  # type: ignore[no-untyped-call]
        schemas.schema(version, kind)
    )
    return validator
