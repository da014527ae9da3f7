"""A plan in a file: what it was made of, by reference and digest, and what it does. Pure.

``kfrun plan --out`` writes it, ``kfrun apply FILE`` makes the plan again from the same sources and refuses when
anything differs: a source, what is stored, or what would be done. Nothing in the file is executed, so it need not be
trusted; no manifest, value or secret stands in it, but what a plan shows anyway.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kfrun.errors import Refused
from kfrun.model.values import NamedTuple
from kfrun.model.wishes import Values, Wishes
from kfrun.plan import compare

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from kfrun.model.source import ObjectKey
    from kfrun.model.state import ObservedJob

FORMAT_VERSION = 1
KIND = "SavedPlan"
"""Readers ignore fields that they do not know and refuse another major version."""

_AGAIN = "look at the new plan: kfrun plan"


_KEPT = (
    "filenames", "recursive", "namespace", "trainer_version", "backend", "strict", "cluster_defaults", "replace",
    "apply_set", "prune", "arguments", "force", "exclude", "runtime_sources", "skip_other_kinds",
)  # fmt: skip
"""What a file keeps of the wishes as it is; beside it the names of the files of values."""

_SWITCHES = ("recursive", "strict", "cluster_defaults", "replace", "force", "prune", "skip_other_kinds")


class SavedPlan(NamedTuple):
    """What the file holds.

    Attributes:
        wishes: what the plan was made with, but for the values that ``--set`` and ``--set-string`` give.
        set_digest: stands for these; empty where there are none.
        sources: absolute path or URL -> digest of its text.
        stored: object -> fingerprint of what was stored of it, empty when nothing was.
        plan: the plan's JSON form.
    """

    wishes: Wishes
    set_digest: str
    sources: Mapping[str, str]
    stored: Mapping[str, str]
    plan: Mapping[str, Any]

    def to_text(self) -> str:
        """The file's content."""
        data = {
            "formatVersion": FORMAT_VERSION,
            "kind": KIND,
            "call": self._call(),
            "sources": dict(self.sources),
            "stored": dict(self.stored),
            "plan": dict(self.plan),
        }
        return json.dumps(data, indent=2, ensure_ascii=False) + "\n"

    def _call(self) -> dict[str, Any]:
        kept = {name: getattr(self.wishes, name) for name in _KEPT}
        return {**kept, "value_files": self.wishes.values.files, "set_digest": self.set_digest}

    @classmethod
    def parse(cls, text: str, name: str) -> Self:
        """Read what `to_text` wrote.

        Raises:
            Refused: it is no plan, damaged, or of another major version.
        """
        try:
            data = json.loads(text)
            _require_known(data, name)
            call = data["call"]
            return cls(
                _wishes(call),
                _text(call["set_digest"]),
                dict(data["sources"]),
                dict(data["stored"]),
                dict(data["plan"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            hint = "kfrun plan --out FILE makes one; -f names a manifest"
            raise Refused(f"{name} is no plan, or a damaged one", hint) from error


def _wishes(call: Mapping[str, Any]) -> Wishes:
    found: dict[str, Any] = {"filenames": call["filenames"], **{key: call[key] for key in _KEPT if key in call}}
    for key, value in found.items():
        if key in ("filenames", "arguments", "exclude", "runtime_sources"):
            found[key] = None if value is None else tuple(map(str, value))
        elif not isinstance(value, bool | None if key in _SWITCHES else str | None):
            raise TypeError(key)
    return Wishes(**found, values=Values(tuple(map(str, call.get("value_files", ())))))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _require_known(data: Mapping[str, Any], name: str) -> None:
    if data["kind"] != KIND:
        raise Refused(f"{name} is no saved plan", "kfrun plan --out FILE makes one; -o json is for programs to read")
    if data["formatVersion"] != FORMAT_VERSION:
        raise Refused(
            f"{name} has format {data['formatVersion']}, this kfrun reads {FORMAT_VERSION}",
            "make the plan and apply it with the same kfrun",
        )


def fingerprint(job: ObservedJob | None, stored: Mapping[str, Any] | None) -> str:
    """What matters of a stored object for a plan; a running job may go on training meanwhile."""
    if job is not None:
        generation = job.data["metadata"].get("generation", 1)
        return compare.digest([job.uid, job.digest, generation, job.finished, job.suspended, job.deleting])
    return "" if stored is None else compare.digest([stored["metadata"].get("uid", ""), compare.visible(stored)])


def name_of(key: ObjectKey) -> str:
    """How the file calls an object."""
    return f"{key.namespace}/{key.resource}" if key.namespace else key.resource


def require_same(saved: SavedPlan, now: SavedPlan) -> None:
    """Refuse a saved plan that is not what would be planned now.

    Raises:
        Refused: with the first reason: a source, the store, or what would be done.
    """
    for kind, before, after in (("source", saved.sources, now.sources), ("stored", saved.stored, now.stored)):
        differing = [name for name in dict.fromkeys([*before, *after]) if before.get(name) != after.get(name)]
        if differing:
            raise Refused(_difference(kind, differing[0], before, after), _AGAIN)
    if _done(saved.plan) != _done(json.loads(json.dumps(now.plan))):
        raise Refused("the plan does not say what would be done now", _AGAIN)


def _difference(kind: str, name: str, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    if kind == "stored":
        return f"{name} was changed in the store since the plan was made"
    if name not in after:
        return f"{name} was read for the plan and is not there any more"
    return f"{name} {'was changed' if name in before else 'has come'} since the plan was made"


def _done(plan: Mapping[str, Any]) -> list[Any]:
    """What a plan does: not what it would run with, which holds keys that are made anew each time."""
    jobs = [[job.get("object"), job.get("digest")] for job in plan.get("jobs", ())]
    return [plan.get("actions"), plan.get("notEnforced"), jobs]
