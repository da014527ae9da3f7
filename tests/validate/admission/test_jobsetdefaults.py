"""What the CRD of JobSets and JobSet's webhook fill in; whole JobSets are compared in tests/conformance."""

from __future__ import annotations

import copy

import pytest

from kfrun.validate.admission import jobsetdefaults


def filled(**spec):
    return jobsetdefaults.apply({"metadata": {"name": "tj"}, "spec": {"replicatedJobs": [], **spec}})["spec"]


def test_policies_are_filled_in():
    assert filled() == {
        "replicatedJobs": [],
        "successPolicy": {"operator": "All"},
        "startupPolicy": {"startupPolicyOrder": "AnyOrder"},
        "network": {"enableDNSHostnames": True, "publishNotReadyAddresses": True},
    }


def test_what_is_said_stays_as_it_is():
    said = {
        "successPolicy": {"operator": "Any"},
        "startupPolicy": {"startupPolicyOrder": "InOrder"},
        "network": {"enableDNSHostnames": False, "publishNotReadyAddresses": False, "subdomain": "s"},
        "volumeClaimPolicies": [{"templates": [], "retentionPolicy": {"whenDeleted": "Retain"}}],
    }
    assert filled(**said) == {"replicatedJobs": [], **said}


def test_rules_without_a_name_and_claims_without_retention_get_one():
    spec = filled(
        failurePolicy={"maxRestarts": 2, "rules": [{"name": "", "action": "FailJobSet"}, {"name": "a"}]},
        volumeClaimPolicies=[{"templates": []}],
    )
    assert [rule["name"] for rule in spec["failurePolicy"]["rules"]] == ["failurePolicyRule0", "a"]
    assert spec["failurePolicy"]["maxRestarts"] == 2
    assert spec["volumeClaimPolicies"] == [{"templates": [], "retentionPolicy": {"whenDeleted": "Delete"}}]


def test_jobs_and_their_pods_are_filled_in_and_nothing_is_changed_in_place():
    pod = {"containers": [{"name": "node", "ports": [{"containerPort": 1}, {"containerPort": 2, "protocol": "UDP"}]}]}
    job = {"name": "node", "template": {"spec": {"parallelism": 2, "template": {"spec": pod}}}}
    given = {"metadata": {"name": "tj"}, "spec": {"replicatedJobs": [job]}}
    before = copy.deepcopy(given)
    (found,) = jobsetdefaults.apply(given)["spec"]["replicatedJobs"]
    assert given == before
    spec = found["template"]["spec"]
    assert (spec["completionMode"], spec["parallelism"]) == ("Indexed", 2)
    assert spec["template"]["spec"]["restartPolicy"] == "OnFailure"
    assert [port["protocol"] for port in spec["template"]["spec"]["containers"][0]["ports"]] == ["TCP", "UDP"]


def pod_of(**pod):
    job = {"name": "node", "template": {"spec": {"template": {"spec": pod}}}}
    (found,) = filled(replicatedJobs=[job])["replicatedJobs"]
    return found["template"]["spec"]["template"]["spec"]


def test_every_container_has_resources():
    pod = pod_of(containers=[{"name": "a"}], initContainers=[{"name": "b"}, {"name": "c", "resources": {"limits": {}}}])
    assert pod["containers"] == [{"name": "a", "resources": {}}]
    assert [one["resources"] for one in pod["initContainers"]] == [{}, {"limits": {}}]


@pytest.mark.parametrize(
    ("volume", "stored"),
    [
        ({"rbd": {"image": "i", "monitors": ["m"]}}, {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"}),
        ({"iscsi": {"iqn": "i", "lun": 0, "targetPortal": "t"}}, {"iscsiInterface": "default"}),
        ({"azureDisk": {"diskName": "d", "diskURI": "u"}}, {"fsType": "ext4", "readOnly": False}),
        ({"scaleIO": {"gateway": "g"}}, {"fsType": "xfs", "storageMode": "ThinProvisioned"}),
        ({"configMap": {}}, {"name": ""}),
        ({"cephfs": {"monitors": ["m"], "secretRef": {}}}, {"secretRef": {"name": ""}}),
        ({"projected": {"sources": [{"secret": {}}]}}, {"sources": [{"secret": {"name": ""}}]}),
        ({"emptyDir": {}}, {}),
    ],
)
def test_volumes_have_the_defaults_of_the_crd(volume, stored):
    ((source, given),) = volume.items()
    assert pod_of(volumes=[{"name": "a", **volume}])["volumes"] == [{"name": "a", source: {**given, **stored}}]


@pytest.mark.parametrize(
    ("field", "given", "stored"),
    [
        (
            "env",
            [{"valueFrom": {"secretKeyRef": {"key": "k"}}}],
            [{"valueFrom": {"secretKeyRef": {"key": "k", "name": ""}}}],
        ),
        ("env", [{"name": "a", "value": ""}], [{"name": "a", "value": ""}]),
        ("envFrom", [{"configMapRef": {}}, {"prefix": "a"}], [{"configMapRef": {"name": ""}}, {"prefix": "a"}]),
        ("readinessProbe", {"grpc": {"port": 1}}, {"grpc": {"port": 1, "service": ""}}),
        ("ports", [{"containerPort": 1}], [{"containerPort": 1, "protocol": "TCP"}]),
        ("image", "", ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("part", ["containers", "initContainers", "ephemeralContainers"])
def test_containers_have_them_too_and_nothing_is_taken_away(part, field, given, stored):
    assert pod_of(**{part: [{"name": "a", field: given}]})[part] == [{"name": "a", "resources": {}, field: stored}]


def test_a_job_that_a_patch_added_has_a_group_and_one_replica():
    (job,) = filled(replicatedJobs=[{"name": "a", "template": {}}])["replicatedJobs"]
    assert (job["groupName"], job["replicas"]) == ("default", 1)


def test_pull_secrets_retention_and_strategy():
    assert pod_of(imagePullSecrets=[{}])["imagePullSecrets"] == [{"name": ""}]
    spec = filled(failurePolicy={"maxRestarts": 1}, volumeClaimPolicies=[{"templates": [], "retentionPolicy": {}}])
    assert spec["failurePolicy"] == {"maxRestarts": 1, "restartStrategy": "Recreate"}
    assert spec["volumeClaimPolicies"][0]["retentionPolicy"] == {"whenDeleted": "Delete"}
