"""Local addresses for the cluster's: so that many jobs of many nodes run on one machine at once. Pure.

Resolved objects carry the cluster's names (``<job>-node-0-0.<job>``, port 29500). As processes, all nodes share the
loopback address, and each ``host:port`` gets a port of this job's own. Replaced are values that the ML policy
injected, and ``<pod host>:<port>`` where the user wrote it; nothing else, because a bare name or number may mean
anything.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kfrun.model.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kfrun.model.workload import Container, EnvVar, Workload

LOOPBACK = "127.0.0.1"
_DOMAIN = r"(?:\.{namespace}(?:\.svc(?:\.cluster\.local)?)?)?"


@dataclass(frozen=True, slots=True)
class Addresses:
    """The pod hosts of a workload and the pattern that finds them with a port."""

    hosts: frozenset[str]
    pattern: re.Pattern[str] | None
    policy_host: str

    @classmethod
    def of(cls, workload: Workload) -> Addresses:
        """The addresses of a workload."""
        hosts = frozenset(pod.host for job in workload.jobs for pod in job.pods)
        injected = (v.value for c in _containers(workload) for v in c.env if v.injected and v.value in hosts)
        policy_host = next((value for value in injected if value), "")
        if not hosts:
            return cls(hosts, None, policy_host)
        # Longest first, so that a name is not mistaken for another one that it begins with.
        names = "|".join(re.escape(name) for name in sorted(hosts, key=len, reverse=True))
        domain = _DOMAIN.replace("{namespace}", re.escape(workload.namespace))
        return cls(hosts, re.compile(rf"(?<![\w.-])({names}){domain}:(\d{{1,5}})(?!\d)"), policy_host)

    def needed(self, workload: Workload) -> tuple[str, ...]:
        """Every ``host:port`` that needs a local port, in order of appearance."""
        found: dict[str, None] = {}
        for container in _containers(workload):
            for variable in container.env:
                if self._is_policy_port(variable):
                    found[f"{self.policy_host}:{variable.value}"] = None
            for text in _texts(container):
                for match in self.pattern.finditer(text) if self.pattern else ():
                    found[f"{match[1]}:{match[2]}"] = None
        return tuple(found)

    def variable(self, variable: EnvVar, ports: dict[str, int]) -> str | None:
        """The local value of an environment variable."""
        if variable.injected and variable.value in self.hosts:
            return LOOPBACK
        if self._is_policy_port(variable):
            return str(ports[f"{self.policy_host}:{variable.value}"])
        return None if variable.value is None else self.text(variable.value, ports)

    def text(self, text: str, ports: dict[str, int]) -> str:
        """``text`` with every ``<pod host>:<port>`` replaced."""
        if self.pattern is None:
            return text
        return self.pattern.sub(lambda match: f"{LOOPBACK}:{ports[f'{match[1]}:{match[2]}']}", text)

    def _is_policy_port(self, variable: EnvVar) -> bool:
        value = variable.value or ""
        return variable.injected and bool(self.policy_host) and variable.name.endswith("_PORT") and value.isdigit()


def _containers(workload: Workload) -> Iterator[Container]:
    for job in workload.jobs:
        for pod in job.pods:
            yield from pod.init_containers
            yield from pod.containers


def _texts(container: Container) -> Iterator[str]:
    yield from container.command
    yield from container.args
    yield from (variable.value for variable in container.env if variable.value is not None)
