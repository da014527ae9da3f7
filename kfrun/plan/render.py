"""Draws plans: text for people (and for golden tests), JSON for programs.

The JSON form has a format version: readers ignore fields that they do not know and refuse another major version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun import masking
from kfrun.model.change import (
    Action,
    ApplyObject,
    BuildEnvironment,
    CreateJob,
    DeleteJob,
    DeleteObject,
    ReplaceJob,
    ResumeJob,
    SuspendJob,
    Unchanged,
    UpdateJob,
)
from kfrun.model.values import NamedTuple
from kfrun.plan import compare
from kfrun.plan.support import matrix
from kfrun.report import findings
from kfrun.report.table import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kfrun.model.change import CodeChange, FieldChange, Plan
    from kfrun.model.source import Finding, ObjectKey

FORMAT_VERSION = 1

_GREEN, _YELLOW, _RED, _DIM, _RESET = "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[2m", "\x1b[0m"
_WIDTH = 60
"""Characters of one value of a field change."""


class _Look(NamedTuple):
    """How a kind of action is drawn; ``counted`` is its name in the summary."""

    mark: str
    color: str
    counted: str


class _Line(NamedTuple):
    """One line: a coloured head and the rest."""

    head: str
    rest: str = ""
    paint: str = ""

    def drawn(self, *, color: bool) -> str:
        """The line without control characters: manifests are not trusted with the terminal."""
        head, rest = clean(self.head), clean(self.rest)
        return f"{self.paint}{head}{_RESET}{rest}" if color and self.paint else head + rest


_LOOKS: dict[type[Action], _Look] = {
    BuildEnvironment: _Look("*", _DIM, "environments"),
    ApplyObject: _Look("+", _GREEN, "create"),
    CreateJob: _Look("+", _GREEN, "create"),
    ReplaceJob: _Look("-/+", _RED, "replace"),
    UpdateJob: _Look("~", _YELLOW, "update"),
    SuspendJob: _Look("|", _YELLOW, "suspend"),
    ResumeJob: _Look(">", _GREEN, "resume"),
    DeleteJob: _Look("-", _RED, "delete"),
    DeleteObject: _Look("-", _RED, "delete"),
    Unchanged: _Look("=", _DIM, "unchanged"),
}
_CHANGED_OBJECT = _LOOKS[UpdateJob]
_MOST_FILES = 8
_CODE_CHANGES = {"~": "changed", "+": "added", "-": "removed"}


def to_text(plan: Plan, *, color: bool = False) -> str:
    """The plan for people, a line break at its end."""
    lines = [line for action in plan.actions for line in _action_lines(plan, action)]
    lines += [line for finding in plan.refusals for line in _refusal_lines(finding)]
    shown = [line.drawn(color=color) for line in lines]
    return "\n".join([*shown, *([""] if shown else []), _summary(plan), ""])


def to_json(plan: Plan) -> dict[str, Any]:
    """The plan for programs; secrets are masked as in the text."""
    return {
        "formatVersion": FORMAT_VERSION,
        "actions": [_action_json(action) for action in plan.actions],
        "notEnforced": [
            {"object": _key_json(key), "backend": plan.backends[key], "path": item.path, "why": item.why}
            for key, item in plan.not_enforced
        ],
        "refusals": findings.to_json(plan.refusals)["findings"],
        "jobs": [
            {
                "object": _key_json(job.resolution.trainjob),
                "digest": job.digest,
                "runDigest": job.run_digest,
                "codeDigest": "" if job.code is None else compare.code_digest(job.code),
            }
            for job in plan.jobs
        ],
        "summary": _counts(plan),
    }


def _look(action: Action) -> _Look:
    if isinstance(action, ApplyObject) and action.changes:
        return _CHANGED_OBJECT
    return _LOOKS[type(action)]


def _action_lines(plan: Plan, action: Action) -> Iterator[_Line]:
    look = _look(action)
    name = f"environment of {action.key.name}" if isinstance(action, BuildEnvironment) else _name(action.key)
    yield _Line(f"{look.mark:>3} {name}", f": {action.cause}", look.color)
    yield from (_Line(f"      {line}") for line in action.details)
    yield from (_Line(f"      {_change(change)}") for change in _changes(action))
    if isinstance(action, ReplaceJob) and action.code:
        yield _Line(f"      code: {_code(action.code)}")
    if isinstance(action, CreateJob | ReplaceJob | ResumeJob):
        fields = [item.path for key, item in plan.not_enforced if key == action.key]
        if fields:
            yield _Line(f"      {matrix.folded(fields, plan.backends[action.key])}", paint=_YELLOW)


def _refusal_lines(finding: Finding) -> Iterator[_Line]:
    place = f"{finding.position}: " if finding.position else ""
    path = f"{finding.field}: " if finding.field else ""
    yield _Line("  ! refused", f": {place}{path}{finding.message} [{finding.code}]", _RED)
    if finding.hint:
        yield _Line(f"      {finding.hint}")


def _name(key: ObjectKey) -> str:
    return key.resource if key.namespace in ("", "default") else f"{key.resource} in {key.namespace}"


def _changes(action: Action) -> tuple[FieldChange, ...]:
    if isinstance(action, ApplyObject | ReplaceJob | UpdateJob | SuspendJob | ResumeJob):
        return action.changes
    return ()


def _change(change: FieldChange) -> str:
    if change.old is None:
        return f"+ {change.path}: {_cut(change.new or '')}"
    if change.new is None:
        return f"- {change.path}: {_cut(change.old)}"
    if change.old == change.new:
        # Only what is masked can look the same.
        hidden = "" if change.new == masking.MASK else f"{_cut(change.new)}, "
        return f"~ {change.path}: {hidden}changed {masking.MASK}"
    start = _first_difference(change.old, change.new)
    return f"~ {change.path}: {_cut(change.old, start)} -> {_cut(change.new, start)}"


def _code(changed: Sequence[CodeChange]) -> str:
    names = [f"{item.mark} {item.name}" for item in changed[:_MOST_FILES]]
    more = len(changed) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def _first_difference(old: str, new: str) -> int:
    pairs = zip(old, new, strict=False)
    return next((index for index, (a, b) in enumerate(pairs) if a != b), min(len(old), len(new)))


def _cut(text: str, point: int = 0) -> str:
    """A piece of a long text with the character at ``point`` in it."""
    start = max(0, point - _WIDTH // 3) if len(text) > _WIDTH and point > _WIDTH // 2 else 0
    end = start + _WIDTH
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"


def _counts(plan: Plan) -> dict[str, int]:
    counts: dict[str, int] = {}
    for action in plan.actions:
        counted = _look(action).counted
        counts[counted] = counts.get(counted, 0) + 1
    return {look.counted: counts[look.counted] for look in _LOOKS.values() if look.counted in counts}


def _summary(plan: Plan) -> str:
    counts = _counts(plan)
    if plan.refusals:
        count = len(plan.refusals)
        return f"Refused for {count} reason{'' if count == 1 else 's'}: nothing is done."
    if plan.is_empty:
        unchanged = f" ({counts['unchanged']} unchanged)" if counts else ""
        return f"Nothing to do{unchanged}."
    return f"Plan: {', '.join(_counted(name, count) for name, count in counts.items())}."


def _counted(name: str, count: int) -> str:
    if name == "environments":
        return f"{count} environment{'' if count == 1 else 's'} to prepare"
    return f"{count} {name}" if name == "unchanged" else f"{count} to {name}"


def _action_json(action: Action) -> dict[str, Any]:
    data: dict[str, Any] = {
        "type": type(action).__name__,
        "object": _key_json(action.key),
        "cause": action.cause,
        "details": list(action.details),
        "changes": [{"path": item.path, "old": item.old, "new": item.new} for item in _changes(action)],
    }
    if isinstance(action, Unchanged | ReplaceJob):
        data["code"] = [{"file": item.name, "change": _CODE_CHANGES[item.mark]} for item in action.code]
    if isinstance(action, UpdateJob):
        data["reachesPods"] = action.reaches_pods
    if isinstance(action, BuildEnvironment) and action.packages:
        packages = action.packages
        data["packages"] = {
            "requirements": [masking.text(item) for item in packages.requirements],
            "sources": [f"{name} ({count})" for name, count in packages.sources],
            "indexUrls": [masking.text(item) for item in packages.index_urls],
            "python": packages.python,
            "isolated": packages.isolated,
        }
    return data


def _key_json(key: ObjectKey) -> dict[str, str]:
    return {"apiVersion": key.api_version, "kind": key.kind, "namespace": key.namespace, "name": key.name}
