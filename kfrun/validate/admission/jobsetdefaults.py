"""JobSets as they are stored: with the defaults of their CRD, and what JobSet's mutating webhook adds.

The webhook writes back what it was given as it holds it, so containers gain ``resources: {}``; nothing is removed.
Nothing is changed in place either; what gets no default is shared with the JobSet given.
Upstream: jobset pkg/webhooks, v0.12, Default.
"""

from __future__ import annotations

from typing import Any, Final

from kfrun.model import kinds
from kfrun.validate.admission.causes import Node, node, text, values
from kfrun.validate.schema import defaults

_NETWORK: Final = {"enableDNSHostnames": True, "publishNotReadyAddresses": True}
_TEMPLATE: Final = ("spec", "template", "spec")
"""The runtime's schema holds the JobSet's."""


def apply(jobset: Node) -> Node:
    """The JobSet with everything filled in that admission fills in."""
    spec = defaults.complete(node(jobset, "spec"), _TEMPLATE, kinds.CLUSTER_RUNTIME)
    filled = {
        "successPolicy": {"operator": "All"},
        "startupPolicy": {"startupPolicyOrder": "AnyOrder"},
        **spec,
        "network": {**_NETWORK, **node(spec, "network")},
        "replicatedJobs": [_replicated(job) for job in values(spec, "replicatedJobs")],
    }
    if values(spec, "volumeClaimPolicies"):
        filled["volumeClaimPolicies"] = [
            {"retentionPolicy": {"whenDeleted": "Delete"}, **policy} for policy in values(spec, "volumeClaimPolicies")
        ]
    if values(node(spec, "failurePolicy"), "rules"):
        rules = enumerate(values(node(spec, "failurePolicy"), "rules"))
        named = [{**rule, "name": text(rule, "name") or f"failurePolicyRule{index}"} for index, rule in rules]
        filled["failurePolicy"] = {**spec["failurePolicy"], "rules": named}
    return {**jobset, "spec": filled}


def _replicated(job: Node) -> Node:
    template = node(job, "template")
    spec, pod = node(template, "spec"), node(template, "spec", "template", "spec")
    pod = {**pod, "restartPolicy": text(pod, "restartPolicy") or "OnFailure"}
    for part in ("containers", "initContainers", "ephemeralContainers"):
        if any("resources" not in one for one in values(pod, part)):
            pod[part] = [_with_resources(one) for one in pod[part]]
    filled = {"completionMode": "Indexed", **spec, "template": {**node(spec, "template"), "spec": pod}}
    return {**job, "template": {**template, "spec": filled}}


def _with_resources(container: Any) -> Any:
    return {"resources": {}, **container} if isinstance(container, dict) else container
