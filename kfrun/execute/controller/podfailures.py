"""What a Job makes of the way in which a pod failed: its podFailurePolicy, and limits of each index (batch/v1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from kfrun.model.runstate import ContainerState, PodState
    from kfrun.model.workload import ChildJob

_DISRUPTION = "DisruptionTarget"
_DISRUPTED = ("NodeRestarted",)
"""Ends of containers that nothing of the job is to blame for, as when a cluster drains a node."""


class Match(NamedTuple):
    """The rule that fits a failed pod: its action (``FailJob``, ``FailIndex``, ``Ignore`` or ``Count``), and why."""

    action: str
    message: str


def match(child: ChildJob, pod: PodState, namespace: str) -> Match | None:
    """The first rule of the Job's podFailurePolicy that fits a failed pod."""
    for number, rule in enumerate(child.pod_failure_rules):
        said = _of_codes(rule.get("onExitCodes"), pod, namespace) or _of_conditions(rule, pod, namespace)
        if said:
            return Match(rule["action"], f"{said} matching {rule['action']} rule at index {number}")
    return None


def _of_codes(wanted: dict[str, Any] | None, pod: PodState, namespace: str) -> str:
    if wanted is None:
        return ""
    for container in sorted(pod.containers, key=lambda item: item.init):
        if wanted.get("containerName") in (None, container.name) and _fits(wanted, container):
            return (
                f"Container {container.name} for pod {namespace}/{pod.name} failed with exit code {container.exit_code}"
            )
    return ""


def _fits(wanted: dict[str, Any], container: ContainerState) -> bool:
    if container.status != "terminated" or not container.exit_code:
        return False
    return (container.exit_code in wanted["values"]) is (wanted["operator"] == "In")


def _of_conditions(rule: dict[str, Any], pod: PodState, namespace: str) -> str:
    is_disrupted = any(container.reason in _DISRUPTED for container in pod.containers)
    for wanted in rule.get("onPodConditions", ()):
        if is_disrupted and (wanted["type"], wanted.get("status", "True")) == (_DISRUPTION, "True"):
            return f"Pod {namespace}/{pod.name} has condition {_DISRUPTION}"
    return ""


def index_numbers(text: str) -> set[int]:
    """The indexes of a text like ``0,2-4``, which was validated."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found
