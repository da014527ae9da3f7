"""What `kfrun wait --for` waits for: conditions, deletion, creation, values. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from kfrun.errors import UsageProblem
from kfrun.model.values import dataclass
from kfrun.patterns import pattern

if TYPE_CHECKING:
    from collections.abc import Mapping

_VALUE = pattern(r"(\{.*\}|(?:[^=\[]|\[[^\]]*\])+)(?:=(.*))?", re.DOTALL)
"""A path, then ``=`` and a value; a path without braces may hold the sign within brackets only."""
_KNOWN = ("Complete", "Failed", "Suspended")
_BY_HAND = pattern(r"""[\s{$.\['"]*(?:spec|metadata)\b""")
"""Paths to what users may change of a job that is over; its status stays as it is."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """One ``--for``.

    Attributes:
        kind: ``condition``, ``delete``, ``create`` or ``jsonpath``.
        conditions: type and status (``True``), any of which suffices.
        path, value: of jsonpath; without a value any will do.
        text: as given.
    """

    kind: Literal["condition", "delete", "create", "jsonpath"]
    text: str
    conditions: tuple[tuple[str, str], ...] = ()
    path: str = ""
    value: str | None = None

    def holds(self, obj: Mapping[str, Any] | None) -> bool:
        """Whether it came; ``obj`` is None when the object does not exist."""
        if self.kind == "delete":
            return obj is None
        if obj is None:
            return False
        if self.kind == "jsonpath":
            return self._has_value(obj)
        return self.kind == "create" or self._has_condition(obj)

    @property
    def needs_end(self) -> bool:
        """Whether the job must end for it to come."""
        return any(kind in ("Complete", "Failed") for kind, _ in self.conditions)

    @property
    def comes_of_running(self) -> bool:
        """Whether it can only come while the job is not over."""
        return self.kind == "condition" or (self.kind == "jsonpath" and not _BY_HAND.match(self.path))

    def _has_condition(self, obj: Mapping[str, Any]) -> bool:
        found = {
            (item.get("type", "").lower(), item.get("status", "").lower())
            for item in obj.get("status", {}).get("conditions") or []
        }
        return any((kind.lower(), status.lower()) in found for kind, status in self.conditions)

    def _has_value(self, obj: Mapping[str, Any]) -> bool:
        from kfrun.report.jsonpath import JsonPath, to_text

        found = [to_text(value) for value in JsonPath.relaxed(self.path).values(obj)]
        return bool(found) if self.value is None else self.value in found


def parse(text: str) -> Awaited:
    """Read ``condition=A,B``, ``condition=A=False``, ``delete``, ``create`` or ``jsonpath={.path}=value``.

    Raises:
        UsageProblem: it is none of them.
    """
    kind, _, rest = text.partition("=")
    if text.lower() == "delete":
        return Awaited("delete", text)
    if text.lower() == "create":
        return Awaited("create", text)
    if kind.lower() == "condition" and rest:
        return Awaited("condition", text, conditions=tuple(_condition(part) for part in rest.split(",")))
    if kind.lower() == "jsonpath" and rest:
        return _jsonpath(text, rest)
    raise UsageProblem(
        f"--for={text}: expected condition=…, delete, create or jsonpath=…",
        "--for=condition=Complete,Failed waits for the end, however it comes; so does no --for at all",
    )


def _condition(part: str) -> tuple[str, str]:
    name, _, status = part.strip().partition("=")
    known = {kind.lower(): kind for kind in _KNOWN}
    if name.lower() not in known:
        from difflib import get_close_matches

        near = get_close_matches(name.lower(), known, n=1)
        hint = f'did you mean "{known[near[0]]}"?' if near else None
        raise UsageProblem(f'a TrainJob has no condition "{name}": there are {", ".join(_KNOWN)}', hint)
    return known[name.lower()], status or "True"


def _jsonpath(text: str, rest: str) -> Awaited:
    from kfrun.report.jsonpath import JsonPath

    found = _VALUE.fullmatch(rest.replace("'{", "{").replace("}'", "}"))
    path, value = (found[1], found[2]) if found else (rest, None)
    JsonPath.relaxed(path)
    return Awaited("jsonpath", text, path=path, value=value)
