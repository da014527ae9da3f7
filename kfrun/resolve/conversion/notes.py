"""What a conversion leaves behind, and looking into data of unknown form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.model.source import Severity
from kfrun.resolve.findings import finding

if TYPE_CHECKING:
    from kfrun.model.source import Document, FieldPath, Finding

Node = dict[str, Any]


class Notes:
    """Collects what does not map, with its position."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.found: list[Finding] = []

    def add(self, path: FieldPath, message: str, hint: str | None = None) -> None:
        """Something has no counterpart, or another meaning."""
        self._note("KF430", path, message, hint, Severity.WARNING)

    def refuse(self, path: FieldPath, message: str, hint: str | None = None) -> None:
        """The object cannot be converted."""
        self._note("KF431", path, message, hint, Severity.ERROR)

    def rest(self, path: FieldPath, given: Node, known: frozenset[str]) -> None:
        """Name every field of ``given`` that nobody has converted."""
        for name in given:
            if name not in known:
                self.add((*path, name), f"{name} has no counterpart in a TrainJob and was left out")

    def _note(self, code: str, path: FieldPath, message: str, hint: str | None, severity: Severity) -> None:
        self.found.append(finding(code, message, self.document, path, hint=hint, severity=severity))


def mapping(value: Any) -> Node:
    """``value`` if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def mappings(value: Any) -> list[Node]:
    """The mappings among the items of ``value``, if it is a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def without_empty(node: Node) -> Node:
    """``node`` without fields that are None or empty."""
    return {key: value for key, value in node.items() if value is not None and value not in ({}, [])}
