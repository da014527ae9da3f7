"""Local addresses for the cluster's: so that many jobs of many nodes run on one machine at once. Pure.

Resolved objects carry the cluster's names (``<job>-node-0-0.<job>``, port 29500). As processes, all nodes share the
loopback address, and each ``host:port`` gets a port of this job's own. Replaced are values that the ML policy
injected, and ``<pod host>:<port>`` where the user wrote it; nothing else, because a bare name or number may mean
anything.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kfrun.model.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kfrun.model.workload import JobTemplate, Workload

LOOPBACK = "127.0.0.1"
_NUMBER = r"(?:0|[1-9][0-9]{0,8})"
_DOMAIN = r"(?:\.{namespace}(?:\.svc(?:\.cluster\.local)?)?)?"


@dataclass(frozen=True, slots=True)
class Addresses:
    """How the pod hosts of a workload are found in texts, and that of them which the ML policy hands out.

    Attributes:
        pods: by replicatedJob, its replicas and the pods of each.
        host: finds the host of a pod, with the replicatedJob and the two indexes.
        pattern: the same with a port.
    """

    pods: dict[str, tuple[int, int]]
    host: re.Pattern[str]
    pattern: re.Pattern[str]
    policy_host: str = ""

    @classmethod
    def of(cls, workload: Workload) -> Addresses:
        """The addresses of a workload."""
        pods = {item.name: (item.replicas, item.spec["completions"]) for item in workload.templates}
        names = "|".join(map(re.escape, pods)) or "(?!)"
        subdomain = re.escape(f".{workload.subdomain}") if workload.subdomain else ""
        host = rf"({re.escape(workload.jobset_name)}-({names})-({_NUMBER})-({_NUMBER}){subdomain})"
        domain = _DOMAIN.replace("{namespace}", re.escape(workload.namespace))
        made = cls(pods, re.compile(host), re.compile(rf"(?<![\w.-]){host}{domain}:(\d{{1,5}})(?!\d)"))
        given = (value for _, value in _injected(workload) if made.is_host(value))
        return cls(made.pods, made.host, made.pattern, next(given, ""))

    def is_host(self, text: str) -> bool:
        """Whether it is the name of a pod, as the cluster's DNS knows it."""
        match = self.host.fullmatch(text)
        return match is not None and self._exists(match)

    def needed(self, workload: Workload) -> tuple[str, ...]:
        """Every ``host:port`` that needs a local port, in order of appearance."""
        found: dict[str, None] = {}
        for name, value in _injected(workload):
            if self.is_policy_port(name, value):
                found[f"{self.policy_host}:{value}"] = None
        for text in _texts(workload):
            for match in self.pattern.finditer(text):
                if self._exists(match):
                    found[f"{match[1]}:{match[5]}"] = None
        return tuple(found)

    def is_policy_port(self, name: str, value: str) -> bool:
        """Whether a variable that the ML policy injected is the port at `policy_host`."""
        return bool(self.policy_host) and name.endswith("_PORT") and value.isdigit()

    def replace(self, text: str, ports: Mapping[str, int]) -> str:
        """``text`` with every ``<pod host>:<port>`` replaced that has a local port."""

        def local(match: re.Match[str]) -> str:
            port = ports.get(f"{match[1]}:{match[5]}")
            return match[0] if port is None else f"{LOOPBACK}:{port}"

        return self.pattern.sub(local, text)

    def _exists(self, match: re.Match[str]) -> bool:
        replicas, completions = self.pods[match[2]]
        return int(match[3]) < replicas and int(match[4]) < completions


@dataclass(frozen=True, slots=True)
class LocalAddresses:
    """The addresses of a workload and the ports that were leased for them: a `Substitution`."""

    addresses: Addresses
    ports: Mapping[str, int]

    def variable(self, name: str, value: str, *, injected: bool) -> str:
        """See `kfrun.execute.local.pods.variables.Substitution`."""
        if injected and self.addresses.is_host(value):
            return LOOPBACK
        if injected and self.addresses.is_policy_port(name, value):
            return str(self.ports[f"{self.addresses.policy_host}:{value}"])
        return self.text(value)

    def text(self, text: str) -> str:
        """See `kfrun.execute.local.pods.variables.Substitution`."""
        return self.addresses.replace(text, self.ports)


def _containers(template: JobTemplate) -> Iterator[dict[str, Any]]:
    yield from template.init_containers
    yield from template.containers


def _injected(workload: Workload) -> Iterator[tuple[str, str]]:
    """Name and value of the variables that the ML policy put there."""
    for template in workload.templates:
        for container in _containers(template):
            names = template.injected.get(container["name"], ())
            for entry in container.get("env", ()):
                if entry["name"] in names and "value" in entry:
                    yield entry["name"], entry["value"]


def _texts(workload: Workload) -> Iterator[str]:
    """Everything that a user may have written an address into, annotations that a variable may be filled from too."""
    for template in workload.templates:
        for container in _containers(template):
            yield from container.get("command", ())
            yield from container.get("args", ())
            yield from (entry["value"] for entry in container.get("env", ()) if "value" in entry)
        yield from template.spec["template"].get("metadata", {}).get("annotations", {}).values()
