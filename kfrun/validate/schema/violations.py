"""What a broken schema keyword means to a user: codes, messages and hints.

It knows JSON Schema keywords but no validator.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from kfrun.model.source import Document, field_text
from kfrun.validate.located import Problem
from kfrun.validate.schema import hints, schemas

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kfrun.validate.schema.keywords import Violation
    from kfrun.validate.schema.lists import Duplicate

CODES: Final = {
    "KF201": "unknown field",
    "KF202": "a value of the wrong type",
    "KF203": "a required field is missing",
    "KF204": "a value that is none of the allowed ones",
    "KF205": "a value out of its bounds, too long, too short or of the wrong form",
    "KF206": "an item of a list repeats an earlier one",
    "KF207": "a kind or apiVersion that kfrun does not read",
    "KF208": "no valid quantity",
    "KF209": "the same object twice in the input",
}

SHOWN_FIELDS: Final = 12
"""Up to so many allowed fields are listed in a message."""

NEEDED: Final = {
    "object": "a mapping",
    "array": "a list",
    "string": "a string",
    "integer": "a whole number",
    "boolean": "true or false",
}


def problems(violation: Violation, document: Document, kind: str, version: str) -> Iterator[Problem]:
    """What a user has to mend; several problems for several unknown or missing fields."""
    keyword = violation.keyword
    if keyword == "additionalProperties":
        yield from _unknown(violation, kind, version)
    elif keyword == "required":
        yield from _missing(violation)
    elif keyword == "type":
        yield _wrong_type(violation, document)
    elif keyword == "enum":
        yield _not_allowed(violation)
    elif keyword == "pattern" and schemas.INT_OR_STRING in violation.schema:
        hint = hints.near_quantity(violation.value, violation.schema["pattern"])
        yield Problem("KF208", violation.path, f"{found(violation.value)} is no quantity; {_QUANTITY_FORMS}", hint)
    else:
        yield Problem("KF205", violation.path, _bounds(violation))


def without_echoes(problems: Iterable[Problem]) -> list[Problem]:
    """The problems in their order, once each, without a missing field that an unknown one was meant to be."""
    once = dict.fromkeys(problems)
    misspelt = {(one.path[:-1], one.hint) for one in once if one.code == "KF201"}
    return [
        one
        for one in once
        if one.code != "KF203" or (one.path[:-1], hints.did_you_mean(str(one.path[-1]))) not in misspelt
    ]


def repeated(duplicate: Duplicate) -> Problem:
    """An item of a list that repeats an earlier one."""
    earlier = field_text((*duplicate.path[:-1], duplicate.first))
    if "" in duplicate.key:
        what = found(duplicate.key[""])
    else:
        what = ", ".join(f"{name} {json.dumps(value)}" for name, value in duplicate.key.items())
    return Problem("KF206", duplicate.path, f"{what} is already in the list, at {earlier}")


def found(value: Any) -> str:
    """A value in words: ``the string "auto"``, ``a list``."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    kind = "boolean" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"
    return f"the {kind} {shown(value)}"


def shown(value: Any) -> str:
    """A scalar as JSON writes it, shortened."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."


_QUANTITY_FORMS: Final = 'allowed: a whole number, or a string like "500m", "1.5Gi", "2e3"'


def _unknown(violation: Violation, kind: str, version: str) -> Iterator[Problem]:
    allowed = sorted(violation.schema.get("properties", {}))
    for name in violation.value:
        if name in allowed:
            continue
        path = (*violation.path, name)
        message = f"unknown field {json.dumps(name, ensure_ascii=False)}"
        if not allowed:
            message += "; no field is allowed here"
        elif len(allowed) <= SHOWN_FIELDS:
            message += f"; allowed here: {', '.join(allowed)}"
        yield Problem("KF201", path, message, hints.unknown_field(path, allowed, kind, version), "key")


def _missing(violation: Violation) -> Iterator[Problem]:
    for name in violation.schema["required"]:
        if name not in violation.value:
            needed = _needed_fields(violation)
            yield Problem("KF203", (*violation.path, name), f'required field "{name}" is missing{needed}', at="parent")


def _needed_fields(violation: Violation) -> str:
    required = violation.schema["required"]
    return f"; needed here: {', '.join(required)}" if len(required) > 1 else ""


def _wrong_type(violation: Violation, document: Document) -> Problem:
    types = violation.schema["type"]
    path, value = violation.path, violation.value
    if schemas.INT_OR_STRING in violation.schema:
        if "pattern" in violation.schema:
            message = f"{found(value)} is no quantity; {_QUANTITY_FORMS}"
            return Problem("KF208", path, message, hints.quote(document, path, value))
        message = f"{found(value)} where a whole number or a string is needed"
        return Problem("KF202", path, message, hints.quote(document, path, value))
    message = f"{found(value)} where {NEEDED[types]} is needed"
    return Problem("KF202", path, message, hints.wrong_type(document, path, value, types))


def _not_allowed(violation: Violation) -> Problem:
    allowed = violation.schema["enum"]
    listed = ", ".join(json.dumps(one) for one in allowed)
    return Problem(
        "KF204",
        violation.path,
        f"{found(violation.value)} is not allowed; allowed: {listed}",
        hints.near_value(violation.value, allowed),
    )


def _bounds(violation: Violation) -> str:
    value, schema, keyword = violation.value, violation.schema, violation.keyword
    limit = schema[keyword]
    if keyword in {"minimum", "maximum"}:
        return f"{value} is out of bounds; allowed: {limit} or {'more' if keyword == 'minimum' else 'less'}"
    if keyword in _COUNTED:
        what, unit = _COUNTED[keyword]
        most = "least" if keyword.startswith("min") else "most"
        return f"the {what} has {len(value)} {unit}; at {most} {limit} {'is' if limit == 1 else 'are'} allowed"
    if keyword == "minProperties":
        return f"the mapping is empty; at least one of these is needed: {', '.join(sorted(schema['properties']))}"
    form = "a time like 2026-01-31T12:00:00Z" if schema.get("format") == "date-time" else f"text like {limit}"
    return f"{found(value)} is not allowed; allowed: {form}"


_COUNTED: Final = {
    "minLength": ("string", "characters"),
    "maxLength": ("string", "characters"),
    "minItems": ("list", "items"),
    "maxItems": ("list", "items"),
}
