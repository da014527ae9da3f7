"""JobSets as they are after JobSet's mutating webhook and the defaults of its CRD.

What stands in a JobSet that the Trainer builds has the runtime's defaults already; here comes what is filled in on the
way into the cluster. Nothing is changed in place; what gets no default is shared with the JobSet given.
Upstream: jobset pkg/webhooks, v0.12, Default.
"""

from __future__ import annotations

from typing import Final

from kfrun.validate.admission.causes import Node, node, text, values

_NETWORK: Final = {"enableDNSHostnames": True, "publishNotReadyAddresses": True}


def apply(jobset: Node) -> Node:
    """The JobSet with everything filled in that admission fills in."""
    spec = node(jobset, "spec")
    filled = {
        "successPolicy": {"operator": "All"},
        "startupPolicy": {"startupPolicyOrder": "AnyOrder"},
        **spec,
        "network": {**_NETWORK, **node(spec, "network")},
        "replicatedJobs": [_replicated(job) for job in values(spec, "replicatedJobs")],
    }
    if values(spec, "volumeClaimPolicies"):
        filled["volumeClaimPolicies"] = [
            {**policy, "retentionPolicy": {"whenDeleted": "Delete", **node(policy, "retentionPolicy")}}
            for policy in values(spec, "volumeClaimPolicies")
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
    for part in ("containers", "initContainers"):
        if any(values(one, "ports") for one in values(pod, part)):
            pod[part] = [_with_protocols(one) for one in pod[part]]
    filled = {"completionMode": "Indexed", **spec, "template": {**node(spec, "template"), "spec": pod}}
    return {**job, "template": {**template, "spec": filled}}


def _with_protocols(container: Node) -> Node:
    ports = values(container, "ports")
    return {**container, "ports": [{"protocol": "TCP", **port} for port in ports]} if ports else container
