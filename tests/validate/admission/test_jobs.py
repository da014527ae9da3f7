"""Rules of Jobs and pods that the file of real answers has no case for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from kfrun.validate.admission import jobs
from kfrun.validate.admission.causes import DUPLICATE, FORBIDDEN, INVALID, NOT_FOUND, REQUIRED, TOO_LONG, UNSUPPORTED

if TYPE_CHECKING:
    from kfrun.model.source import FieldPath

Node = dict[str, Any]
POD = "spec.template.spec"
NODE = f"{POD}.containers[0]"


def job(container: Node | None = None, spec: Node | None = None, **pod: Any) -> Node:
    node = {"name": "node", "image": "img", **(container or {})}
    template = {"spec": {"restartPolicy": "OnFailure", "containers": [node], **pod}}
    limits = {"completionMode": "Indexed", "completions": 2, "parallelism": 2}
    return {"metadata": {"name": "tj-node-0"}, "spec": {**limits, **(spec or {}), "template": template}}


def answers(of: Node) -> set[tuple[str, str]]:
    return {(cause.field, cause.reason) for cause in jobs.check(of)}


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ({"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}, {("resources.requests", INVALID)}),
        ({"resources": {"requests": {"cpu": "1000m"}, "limits": {"cpu": "1"}}}, set()),
        ({"resources": {"requests": {"a.b/c": "1"}, "limits": {"a.b/c": "2"}}}, {("resources.requests", INVALID)}),
        ({"resources": {"limits": {"memory": "-1"}}}, {("resources.limits[memory]", INVALID)}),
        ({"resources": {"limits": {"hugepages-2Mi": "3Mi", "cpu": 1}}}, {("resources.limits[hugepages-2Mi]", INVALID)}),
        ({"env": [{"name": "A=B", "value": "x"}]}, {("env[0].name", INVALID)}),
        (
            {"env": [{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
            {("env[0].valueFrom", INVALID)},
        ),
        ({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a']"}}}]}, set()),
        (
            {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a b']"}}}]},
            {("env[0].valueFrom.fieldRef", INVALID)},
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nope"}}}]},
            {("env[0].valueFrom.fieldRef.fieldPath", INVALID)},
        ),
        ({"volumeMounts": [{"name": "no", "mountPath": "/a"}]}, {("volumeMounts[0].name", NOT_FOUND)}),
        ({"ports": [{"containerPort": 70000}]}, {("ports[0].containerPort", INVALID)}),
        (
            {"ports": [{"containerPort": 80, "name": "a"}, {"containerPort": 81, "name": "a"}]},
            {("ports[1].name", DUPLICATE)},
        ),
        (
            {"ports": [{"containerPort": 80, "hostPort": 80}, {"containerPort": 81, "hostPort": 80}]},
            {("ports[1].hostPort", DUPLICATE)},
        ),
        ({"securityContext": {"runAsUser": -1}}, {("securityContext.runAsUser", INVALID)}),
        ({"restartPolicy": "Sometimes"}, {("restartPolicy", UNSUPPORTED)}),
    ],
)
def test_containers(container: Node, expected: set[tuple[str, str]]) -> None:
    assert answers(job(container)) == {(f"{NODE}.{field}", reason) for field, reason in expected}


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        ({"volumes": [{"name": "v", "emptyDir": {}, "nfs": {}}]}, {("volumes[0].nfs", FORBIDDEN)}),
        ({"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "-1"}}]}, {("volumes[0].emptyDir.sizeLimit", FORBIDDEN)}),
        (
            {"volumes": [{"name": "v", "hostPath": {"path": "/", "type": "D"}}]},
            {("volumes[0].hostPath.type", UNSUPPORTED)},
        ),
        ({"volumes": [{"name": "v", "ephemeral": {}}]}, {("volumes[0].ephemeral.volumeClaimTemplate", REQUIRED)}),
        ({"volumes": [{"name": "v", "csi": {}}]}, {("volumes[0].csi.driver", REQUIRED)}),
        ({"containers": []}, {("containers", REQUIRED)}),
        ({"initContainers": [{"name": "a", "image": "i"}] * 2}, {("initContainers[1].name", DUPLICATE)}),
        ({"dnsPolicy": "None", "dnsConfig": {}}, {("dnsConfig.nameservers", REQUIRED)}),
        ({"tolerations": [{"key": "a b", "operator": "Exists"}]}, {("tolerations[0].key", INVALID)}),
        ({"schedulingGates": [{"name": "a"}, {"name": "a"}]}, {("schedulingGates[1]", DUPLICATE)}),
        ({"hostUsers": False, "hostNetwork": True}, {("hostNetwork", FORBIDDEN)}),
        ({"os": {"name": "beos"}}, {("os", UNSUPPORTED)}),
        ({"securityContext": {"sysctls": [{"name": "a"}] * 2}}, {("securityContext.sysctls[1].name", DUPLICATE)}),
    ],
)  # fmt: skip
def test_pods(pod: Node, expected: set[tuple[str, str]]) -> None:
    assert answers(job(**pod)) == {(f"{POD}.{field}", reason) for field, reason in expected}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"completions": None}, {("spec.completions", REQUIRED)}),
        ({"completionMode": "Sorted"}, {("spec.completionMode", UNSUPPORTED)}),
        ({"completionMode": "NonIndexed", "successPolicy": {}}, {("spec.successPolicy", INVALID)}),
        ({"managedBy": "a.b/" + "c" * 60}, {("spec.managedBy", TOO_LONG)}),
        ({"successPolicy": {"rules": [{"succeededIndexes": "0-1"}]}}, set()),
        (
            {"successPolicy": {"rules": [{"succeededIndexes": "1,0"}]}},
            {("spec.successPolicy.rules[0].succeededIndexes", INVALID)},
        ),
        ({"successPolicy": {"rules": [{}]}}, {("spec.successPolicy.rules[0]", REQUIRED)}),
        (
            {"selector": {"matchLabels": {"a": "b"}}},
            {("spec.selector", INVALID), ("spec.template.metadata.labels", INVALID)},
        ),
    ],
)  # fmt: skip
def test_jobs(spec: Node, expected: set[tuple[str, str]]) -> None:
    assert answers(job(spec=spec)) == expected


def test_a_refused_volume_is_missing_for_its_mounts() -> None:
    of = job({"volumeMounts": [{"name": "v", "mountPath": "/v"}]}, volumes=[{"name": "v", "hostPath": {}}])
    assert answers(of) == {
        (f"{POD}.volumes[0].hostPath.path", REQUIRED),
        (f"{NODE}.volumeMounts[0].name", NOT_FOUND),
    }


def test_paths_lead_to_the_field_even_where_the_api_server_leaves_the_index_out() -> None:
    volumes = [{"name": "v", "emptyDir": {}}]
    mounts = [{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/b", "subPath": "/abs"}]
    (cause,) = jobs.check(job({"volumeMounts": mounts}, volumes=volumes))
    path: FieldPath = ("spec", "template", "spec", "containers", 0, "volumeMounts", 1, "subPath")
    assert (cause.field, cause.path) == (f"{NODE}.volumeMounts.subPath", path)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text", ["a" * 100_000, "a." * 50_000, "iqn." * 25_000, "1" * 100_000, "[" * 100_000, "a/" * 50_000]
)
def test_texts_of_any_length_are_judged_at_once(text: str) -> None:
    sources = {
        "iscsi": {"targetPortal": text, "iqn": f"iqn.2001-04.{text}", "initiatorName": text},
        "quobyte": {"registry": text, "volume": text, "tenant": text},
        "flexVolume": {"driver": text, "options": {text: text}},
        "csi": {"driver": text},
        "azureDisk": {"diskName": text, "diskURI": text, "kind": text},
        "hostPath": {"path": text, "type": text},
        "ephemeral": {"volumeClaimTemplate": {"spec": {"storageClassName": text}}},
    }
    windows = {"runAsUserName": f"{text}\\{text}", "gmsaCredentialSpecName": text, "gmsaCredentialSpec": text}
    context = {"windowsOptions": windows, "sysctls": [{"name": text}], "seccompProfile": {"type": "Localhost"}}
    pod = {
        "volumes": [{"name": text, name: source} for name, source in sources.items()],
        "securityContext": context,
        "hostnameOverride": text,
        "dnsConfig": {"searches": [text], "nameservers": [text]},
        "hostAliases": [{"ip": text, "hostnames": [text]}],
        "resources": {"limits": {text: text, "cpu": text, f"hugepages-{text}": "1"}},
        "topologySpreadConstraints": [{"topologyKey": text, "matchLabelKeys": [text], "labelSelector": {}}],
    }
    node = {"restartPolicy": text, "resizePolicy": [{"resourceName": text}], "volumeDevices": [{"name": text}]}
    of = job({**node, "env": [{"name": "A", "valueFrom": {"fileKeyRef": {"path": text, "key": text}}}]}, **pod)
    of["spec"]["template"]["metadata"] = {
        "annotations": {
            text: text,
            "scheduler.alpha.kubernetes.io/tolerations": text,
            "controller.kubernetes.io/pod-deletion-cost": text,
            f"container.apparmor.security.beta.kubernetes.io/{text}": text,
        }
    }
    started = time.process_time()
    assert len(jobs.check(of)) > 30
    assert time.process_time() - started < 2


@pytest.mark.timeout(20)
def test_lists_of_any_length_are_judged_at_once() -> None:
    many = range(5_000)
    devices = [{"name": f"v{index}", "devicePath": f"/dev/{index}"} for index in many]
    keys = [f"k{index}" for index in many]
    expressions = [{"key": key, "operator": "Exists"} for key in keys]
    spread = {
        "maxSkew": 1,
        "whenUnsatisfiable": "DoNotSchedule",
        "matchLabelKeys": keys,
        "labelSelector": {"matchExpressions": expressions},
    }
    claims = {"claims": [{"name": "a", "request": f"r{index}"} for index in many]}
    policy = {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [*many]}}]}
    node = {"volumeDevices": devices, "volumeMounts": [{"name": "w", "mountPath": f"/{index}"} for index in many]}
    of = job(
        {**node, "resources": claims},
        {"podFailurePolicy": policy},
        topologySpreadConstraints=[{**spread, "topologyKey": "a"}, *({"topologyKey": key} for key in keys)],
    )
    started = time.process_time()
    assert len(jobs.check(of)) > 10_000
    assert time.process_time() - started < 5


@pytest.mark.parametrize("wrong", [None, "text", 1, [], ["x"], {"a": []}, [{"name": 1}], [[]]])
def test_values_of_wrong_types_are_passed_over(wrong: object) -> None:
    fields = ("containers", "initContainers", "volumes", "tolerations", "affinity", "securityContext", "dnsConfig")
    for field in (*fields, "hostAliases", "resourceClaims", "os", "overhead", "nodeSelector"):
        jobs.check(job(**{field: wrong}))
    for field in ("env", "envFrom", "ports", "resources", "volumeMounts", "livenessProbe", "lifecycle", "name"):
        jobs.check(job({field: wrong}))
    for field in ("podFailurePolicy", "successPolicy", "completions", "template", "selector"):
        jobs.check({"metadata": wrong, "spec": {field: wrong}})
    jobs.check({"spec": wrong})
