"""What a manifest says about lint itself: comments and an annotation that switch policies off."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from kfrun.load import lines

if TYPE_CHECKING:
    from kfrun.model.source import Document, Finding

ANNOTATION: Final = "kfrun.dev/lint-ignore"
PATH: Final = ("metadata", "annotations", ANNOTATION)

_COMMENT: Final = re.compile(r"(?:^|\s)#\s*kfrun:\s*ignore\b([^#]*)")
_CODE: Final = re.compile(r"KF\d{3}")


def annotated(document: Document) -> frozenset[str]:
    """What the annotation names: codes, or ``all``."""
    metadata = document.data.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    value = annotations.get(ANNOTATION) if isinstance(annotations, dict) else None
    return frozenset(re.split(r"[\s,]+", value.strip())) - {""} if isinstance(value, str) else frozenset()


def is_ignored(finding: Finding, document: Document) -> bool:
    """Whether a comment names its code: on its line or on lines of their own above it.

    A comment at the list item that holds the field, such as a variable of ``env``, counts for the whole item.
    """
    place = finding.position
    if place is None or place.file != document.source or "kfrun:" not in document.text:
        return False
    places = {place.line}
    last = max((index for index, part in enumerate(finding.path) if isinstance(part, int)), default=None)
    if last is not None:
        places.add(document.positions.key(finding.path[: last + 1]).line)
    is_template = lines.is_template(document)
    return any(finding.code in _commented(document.text, line, is_template=is_template) for line in places)


@lru_cache(maxsize=256)
def _commented(text: str, line: int, *, is_template: bool) -> frozenset[str]:
    """The codes that comments name for a line."""
    found = _codes(lines.line_at(text, line, is_template=is_template))
    above = line - 1
    while above and (before := lines.line_at(text, above, is_template=is_template)).lstrip().startswith("#"):
        found |= _codes(before)
        above -= 1
    return frozenset(found)


def _codes(line: str) -> set[str]:
    return {code for comment in _COMMENT.findall(line) for code in _CODE.findall(comment)}
