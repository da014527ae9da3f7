"""The variables and arguments of a container: values, ConfigMaps, Secrets, files, the downward API, ``$(VAR)``. Pure.

Each runtime brings the addresses that its containers see.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kfrun.execute.local.pods import resources
from kfrun.execute.local.pods.configs import CONFIG_MAP, SECRET, Configs, MissingConfig, none
from kfrun.model.values import NamedTuple, dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from typing import Protocol

    ReadFile = Callable[[str, str], bytes | None]

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


class Sources(NamedTuple):
    """Where values come from beside the manifest.

    Attributes:
        configs: ConfigMaps and Secrets.
        pod: the spec of the pod, for what a variable tells of another one of its containers.
        machine: what there is at most of each resource.
        read: what is in a file, by the name of the pod's volume and the path; None where there is none.
    """

    configs: Configs = Configs(none, "")
    pod: Mapping[str, Any] = MappingProxyType({})
    machine: Mapping[str, int] = MappingProxyType({})
    read: ReadFile = none

    def container(self, name: str, default: Mapping[str, Any]) -> Mapping[str, Any]:
        """The container of that name; without one, ``default``."""
        found = (*self.pod.get("initContainers", ()), *self.pod.get("containers", ()))
        return next((item for item in found if item["name"] == name), default)


def environment(
    container: Mapping[str, Any],
    facts: PodFacts,
    local: Substitution,
    injected: Collection[str],
    sources: Sources | None = None,
) -> dict[str, str]:
    """The manifest's variables in order; ``$(VAR)`` sees only what was defined before it (Kubernetes' rule).

    What comes from where nobody reads here is left out; `kfrun.plan.support` names it. ``injected`` are the names of
    the variables that the ML policy put there.

    Raises:
        MissingConfig: a ConfigMap, a Secret, a file or a key that is not optional is not there.
    """
    sources = sources or Sources()
    env = dict(_whole(container, sources.configs))
    for entry in container.get("env", ()):
        name, source = entry["name"], entry.get("valueFrom")
        if source is None:
            value = local.variable(name, entry.get("value", ""), injected=name in injected)
            env[name] = expand(value, env)
        elif "fieldRef" in source:
            # Unlike a literal value, a field is not searched for $(VAR).
            env[name] = local.text(facts.field(source["fieldRef"].get("fieldPath", "")))
        else:
            found = _referred(source, container, sources)
            if found is not None:
                env[name] = found
    return env


def _whole(container: Mapping[str, Any], known: Configs) -> Iterator[tuple[str, str]]:
    """Every entry of the objects that ``envFrom`` names; of one name the last counts."""
    for item in container.get("envFrom", ()):
        kind, ref = (CONFIG_MAP, item["configMapRef"]) if "configMapRef" in item else (SECRET, item.get("secretRef"))
        entries = {} if ref is None else known.entries(kind, ref.get("name", ""), optional=ref.get("optional", False))
        prefix = item.get("prefix", "")
        yield from ((prefix + key, _text(value)) for key, value in sorted(entries.items()) if "=" not in key)


def _referred(source: Mapping[str, Any], container: Mapping[str, Any], sources: Sources) -> str | None:
    """What a ``valueFrom`` names; None for what is optional and not there."""
    for field, kind in (("configMapKeyRef", CONFIG_MAP), ("secretKeyRef", SECRET)):
        ref = source.get(field)
        if ref is not None:
            optional = ref.get("optional", False)
            found = sources.configs.value(kind, ref.get("name", ""), ref["key"], optional=optional)
            return None if found is None else _text(found)
    ref = source.get("resourceFieldRef")
    if ref is not None:
        return resources.told(ref, sources.container(ref.get("containerName", ""), container), sources.machine)
    ref = source.get("fileKeyRef")
    return None if ref is None else _of_file(ref, sources.read)


def _of_file(ref: Mapping[str, Any], read: ReadFile) -> str | None:
    """A variable of a file that an earlier container of the pod wrote. An empty one is none, as for a kubelet."""
    from kfrun.execute.local.pods import envfiles

    volume, path, key = ref["volumeName"], ref["path"], ref["key"]
    content, place = read(volume, path), f'file {path} in volume "{volume}"'
    try:
        found = envfiles.value(_text(content or b""), key)
    except envfiles.BadLine as error:
        raise MissingConfig(f"couldn't parse env {place}: {error}") from error
    if found or ref.get("optional", False):
        return found or None
    raise MissingConfig(f"env {place} not found" if content is None else f"couldn't find key {key} in env {place}")


def _text(value: bytes) -> str:
    """As the file system's names are: bytes that are no text reach the program as they are."""
    return value.decode("utf-8", "surrogateescape")


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
