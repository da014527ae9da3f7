"""What JobSet's webhook fills in; whole JobSets are compared in tests/conformance."""

from __future__ import annotations

import copy

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
