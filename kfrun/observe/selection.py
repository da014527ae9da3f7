"""Which objects are meant, as users say it: by kind, name and label selector; and why one is not there.

Events are no objects where they are recorded; here they become objects of kind Event like everything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.errors import NotFound, UsageProblem
from kfrun.model.kinds import CLUSTER_SCOPED
from kfrun.model.source import ObjectKey
from kfrun.model.state import StoredObject
from kfrun.model.values import NamedTuple, dataclass
from kfrun.patterns import pattern, split_outside

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Protocol

    from kfrun.model.state import Event

    class Objects(Protocol):
        """Whoever holds objects."""

        def objects(self, selection: Selection) -> list[StoredObject]:
            """Those that are selected."""


_KEY = r"[A-Za-z0-9][-A-Za-z0-9_./]*"
_SET = pattern(rf"({_KEY})\s+(in|notin)\s*\(([^()]*)\)")
_EQUAL = pattern(rf"({_KEY})\s*(==|=|!=)\s*([-A-Za-z0-9_.]*)")
_EXISTS = pattern(rf"(!?)\s*({_KEY})")


@dataclass(frozen=True, slots=True)
class LabelRequirement:
    """One term of a label selector.

    Attributes:
        values: one of them the label must have; None for any.
        negated: it must not.
    """

    key: str
    values: frozenset[str] | None = None
    negated: bool = False

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet it. As in Kubernetes, a label that is missing has none of the values."""
        if self.values is None:
            return (self.key in labels) != self.negated
        return (self.key in labels and labels[self.key] in self.values) != self.negated


def parse_selector(text: str) -> tuple[LabelRequirement, ...]:
    """Parse a label selector in kubectl's syntax: ``a=b,c!=d,e in (f,g),h notin (i),j,!k``.

    Raises:
        UsageProblem: it is none; the message shows where.
    """
    found = []
    for term in _split(text):
        stripped = term.strip()
        if match := _SET.fullmatch(stripped):
            values = frozenset(value.strip() for value in match[3].split(","))
            found.append(LabelRequirement(match[1], values, match[2] == "notin"))
        elif match := _EQUAL.fullmatch(stripped):
            found.append(LabelRequirement(match[1], frozenset({match[3]}), match[2] == "!="))
        elif match := _EXISTS.fullmatch(stripped):
            found.append(LabelRequirement(match[2], None, bool(match[1])))
        else:
            raise UsageProblem(
                f'"{stripped}" is no label selector',
                "write key=value, key!=value, key in (a,b), key notin (a,b), key or !key",
            )
    return tuple(found)


def _split(text: str) -> list[str]:
    """At the commas outside brackets."""
    return [term for term in split_outside(text, "()") if term.strip()]


def matches(obj: StoredObject, selector: Sequence[LabelRequirement]) -> bool:
    """Whether an object's labels meet every term."""
    labels = obj.data.get("metadata", {}).get("labels") or {}
    return all(term.holds(labels) for term in selector)


class Selection(NamedTuple):
    """Which objects are meant; without a name those of any, ``namespace`` None means all of them.

    Attributes:
        owner: uid of the TrainJob that they belong to; empty for any.
        labels: what their labels must meet.
    """

    kind: str
    namespace: str | None = None
    name: str = ""
    owner: str = ""
    labels: tuple[LabelRequirement, ...] = ()

    @property
    def place(self) -> str | None:
        """The namespace as objects of the kind have it."""
        return "" if self.kind in CLUSTER_SCOPED and self.namespace is not None else self.namespace


def get(objects: Objects, kind: str, namespace: str, name: str) -> StoredObject:
    """The object of that kind and name.

    Raises:
        NotFound: there is none; near names, or the namespaces that have one, are in the hint.
    """
    found = objects.objects(Selection(kind, namespace, name))
    if not found:
        raise missing(objects, kind, namespace, name)
    return found[0]


def missing(objects: Objects, kind: str, namespace: str, name: str) -> NotFound:
    """The error for an object that is not there, with the likeliest reason as its hint."""
    from difflib import get_close_matches

    namespace = "" if kind in CLUSTER_SCOPED else namespace
    others = objects.objects(Selection(kind))
    place = f' in namespace "{namespace}"' if namespace else ""
    elsewhere = sorted({item.key.namespace for item in others if item.key.name == name})
    near = get_close_matches(name, [item.key.name for item in others if item.key.namespace == namespace], n=3)
    hint = f"kfrun get {kind.lower()}s lists what there is"
    if elsewhere:
        hint = f"there is one in namespace {' and '.join(elsewhere)}: add -n {elsewhere[0]}"
    elif near:
        hint = f"did you mean {' or '.join(near)}?"
    return NotFound(f'{kind.lower()} "{name}" not found{place}', hint)


def event_object(number: int, event: Event) -> StoredObject:
    """An event as the object that ``kubectl get events`` would show; ``number`` orders them."""
    name = f"{event.object.name}.{number:016x}"
    data: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": name,
            "namespace": event.object.namespace or "default",
            "uid": f"{event.owner}-event-{number}",
            "resourceVersion": str(number),
            "creationTimestamp": _timestamp(event.first_time),
        },
        "involvedObject": {
            "apiVersion": event.object.api_version,
            "kind": event.object.kind,
            "namespace": event.object.namespace,
            "name": event.object.name,
        },
        "type": event.type,
        "reason": event.reason,
        "message": event.message,
        "count": event.count,
        "firstTimestamp": _timestamp(event.first_time),
        "lastTimestamp": _timestamp(event.last_time),
        "source": {"component": "kfrun"},
    }
    key = ObjectKey("v1", "Event", data["metadata"]["namespace"], name)
    # Events have no versions in the store: one that is repeated changes its count.
    return StoredObject(key, data["metadata"]["uid"], event.count, event.owner, data)


def _timestamp(seconds: float) -> str:
    from kfrun.observe.status import timestamp

    return timestamp(seconds)
