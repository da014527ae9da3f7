"""The variables and arguments of a container: literal values, the downward API and ``$(VAR)``. Pure.

Each runtime brings the addresses that its containers see.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kfrun.model.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Protocol

    class Substitution(Protocol):
        """How a runtime's own addresses take the place of the cluster's."""

        def variable(self, name: str, value: str, *, injected: bool) -> str:
            """The value of a variable here; ``injected`` by the ML policy."""

        def text(self, text: str) -> str:
            """An argument, or anything else that the user wrote, as it reads here."""


_REFERENCE = re.compile(r"\$(\$|\(([^)]*)\))")
_LONGEST = 1 << 20
"""Characters of a value. No program starts with a longer one, and variables that double would fill the memory."""
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]")


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What the downward API tells of one pod.

    Attributes:
        labels, annotations: those of the pod, JobSet's and the Job controller's among them.
        node: name of the machine.
        addresses: of the pod, as its containers see it; the first is its main one.
        host_addresses: of the machine.
    """

    name: str
    namespace: str
    uid: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    service_account: str
    node: str
    addresses: tuple[str, ...]
    host_addresses: tuple[str, ...]

    def field(self, path: str) -> str:
        """The value of a field path; of what there is not, empty."""
        match = _SUBSCRIPT.fullmatch(path)
        if match is not None:
            return (self.labels if match[1] == "labels" else self.annotations).get(match[2], "")
        fields = {
            "metadata.name": self.name,
            "metadata.namespace": self.namespace,
            "metadata.uid": self.uid,
            "spec.nodeName": self.node,
            "spec.serviceAccountName": self.service_account,
            "status.podIP": self.addresses[0],
            "status.podIPs": ",".join(self.addresses),
            "status.hostIP": self.host_addresses[0],
            "status.hostIPs": ",".join(self.host_addresses),
        }
        return fields.get(path, "")


def environment(
    container: Mapping[str, Any], facts: PodFacts, local: Substitution, injected: Collection[str]
) -> dict[str, str]:
    """The manifest's variables in order; ``$(VAR)`` sees only what was defined before it (Kubernetes' rule).

    What comes from where nobody reads here is left out; `kfrun.plan.support` names it. ``injected`` are the names of
    the variables that the ML policy put there.
    """
    env: dict[str, str] = {}
    for entry in container.get("env", ()):
        name, source = entry["name"], entry.get("valueFrom")
        if source is None:
            value = local.variable(name, entry.get("value", ""), injected=name in injected)
            env[name] = expand(value, env)
        elif "fieldRef" in source:
            # Unlike a literal value, a field is not searched for $(VAR).
            env[name] = local.text(facts.field(source["fieldRef"].get("fieldPath", "")))
    return env


def arguments(container: Mapping[str, Any], local: Substitution, env: Mapping[str, str]) -> list[str]:
    """Command and args with addresses and variables filled in."""
    return [expand(local.text(text), env) for text in (*container.get("command", ()), *container.get("args", ()))]


def expand(text: str, env: Mapping[str, str]) -> str:
    """Kubernetes' ``$(VAR)`` expansion: unknown references stay as they are, ``$$`` is one dollar sign."""
    room = _LONGEST - len(text)

    def value(match: re.Match[str]) -> str:
        nonlocal room
        if match[1] == "$":
            return "$"
        found = env.get(match[2], match[0])
        room -= len(found)
        return found if room >= 0 else match[0]

    # what is opened behind the last bracket is never closed: looking for its end each time would take for ever
    closed = text.rfind(")") + 1
    return _REFERENCE.sub(value, text[:closed]) + text[closed:].replace("$$", "$")
