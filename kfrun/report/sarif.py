"""Findings as SARIF 2.1.0, the interchange format of static analysis.

Source: OASIS, Static Analysis Results Interchange Format 2.1.0. Code scanning follows an alert by its fingerprint,
which says what is wrong with which field of which object, not where it stands: it outlives edits above it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kfrun.report.table import clean
from kfrun.terminal import harmless
from kfrun.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.model.source import Finding, ObjectKey, Position, Related
    from kfrun.report.checks import Report

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
INFORMATION: Final = "https://www.kubeflow.org/docs/components/trainer/"
"""What a reader who follows the tool's name is shown: kfrun checks what these pages describe."""

ROOT: Final = "%SRCROOT%"
"""The name by which readers know the root of the checkout; relative files are below it."""

_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/")


def to_sarif(report: Report) -> dict[str, Any]:
    """The report as a SARIF log of one run."""
    codes = sorted({one.code for one in report.findings})
    driver = {
        "name": f"kfrun {report.verb}",
        "version": __version__,
        "informationUri": INFORMATION,
        "rules": [_rule(code, report) for code in codes],
    }
    fingerprints = _fingerprints(report.findings)
    results = [
        _result(one, codes.index(one.code), mark) for one, mark in zip(report.findings, fingerprints, strict=True)
    ]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str, report: Report) -> dict[str, Any]:
    texts = {"shortDescription": report.titles.get(code), "help": report.helps.get(code)}
    page = report.pages.get(code)
    told = {name: {"text": text} for name, text in texts.items() if text}
    return {"id": code, **told, **({"helpUri": page} if page else {})}


def _result(one: Finding, rule: int, fingerprint: str) -> dict[str, Any]:
    text = clean(one.message) + (f"\n{clean(one.hint)}" if one.hint else "")
    if one.position and not one.position.line:
        text += f"\ngiven by {clean(str(one.position))}"
    properties = {"stage": str(one.stage), "field": clean(one.field), "hint": clean(one.hint or "")}
    result: dict[str, Any] = {
        "ruleId": one.code,
        "ruleIndex": rule,
        "level": str(one.severity),
        "message": {"text": harmless(text)},
        "partialFingerprints": {"kfrun/v1": fingerprint},
        "properties": {name: value for name, value in properties.items() if value},
    }
    location: dict[str, Any] = {}
    if one.position and one.position.line:
        location["physicalLocation"] = _physical(one.position, one.excerpt)
    if one.object and one.object.name:
        location["logicalLocations"] = [_logical(one.object, one.field)]
    if location:
        result["locations"] = [location]
    if one.related:
        result["relatedLocations"] = [_related(item) for item in one.related]
    return result


def _related(item: Related) -> dict[str, Any]:
    physical = _physical(item.position, None) if item.position and item.position.line else None
    return {"message": {"text": harmless(clean(item.message))}, **({"physicalLocation": physical} if physical else {})}


def _physical(position: Position, excerpt: str | None) -> dict[str, Any]:
    region: dict[str, Any] = {"startLine": position.line, "startColumn": position.column}
    if excerpt:
        region["snippet"] = {"text": excerpt}
    return {"artifactLocation": _artifact(position.file), "region": region}


def _artifact(file: str) -> dict[str, str]:
    if file.startswith(("https://", "http://")):
        return {"uri": _quoted(file, also=b":?&=%#+@")}
    if file.startswith("/"):
        return {"uri": f"file://{_quoted(file)}"}
    return {"uri": _quoted(file.strip("<>").removeprefix("./") or "unknown"), "uriBaseId": ROOT}


def _quoted(text: str, *, also: bytes = b"") -> str:
    """Percent-encode what has no place in a URI."""
    try:
        data = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        data = text.encode("utf-8", "backslashreplace")
    return "".join(chr(one) if one in _UNRESERVED or one in also else f"%{one:02X}" for one in data)


def _logical(key: ObjectKey, field: str) -> dict[str, str]:
    name = f"{key.namespace}/{key.resource}" if key.namespace else key.resource
    return {
        "name": clean(key.name),
        "fullyQualifiedName": clean(f"{name}/{field}" if field else name),
        "kind": "object",
    }


def _fingerprints(findings: Sequence[Finding]) -> list[str]:
    """One a finding; findings that say the same are numbered."""
    from hashlib import sha256

    seen: dict[str, int] = {}
    marks = []
    for one in findings:
        text = "\0".join([one.code, *(one.object or ()), one.field, one.message])
        seen[text] = seen.get(text, 0) + 1
        data = f"{text}\0{seen[text]}".encode("utf-8", "surrogatepass")
        marks.append(sha256(data).hexdigest()[:32])
    return marks
