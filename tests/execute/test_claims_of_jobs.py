"""Persistent volume claims: what may change of them, who has them, and when they go."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.execute.test_volumes_of_jobs import container, manifest, mount, run, until_event

if TYPE_CHECKING:
    from tests.conftest import Kfrun

DATA = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
HOLD = "touch /v/kept; until test -e go; do sleep 0.05; done; ls /v"


def claim(storage: str = "1Gi", mode: str = "ReadWriteOnce", name: str = "data") -> dict[str, Any]:
    spec = {"accessModes": [mode], "resources": {"requests": {"storage": storage}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def apply(kfrun: Kfrun, text: str | dict[str, Any], *, code: int = 0) -> str:
    path = kfrun.write("applied.yaml", text if isinstance(text, str) else json.dumps(text))
    done = kfrun("apply", "-q", "-f", str(path))
    assert done.returncode == code, done.stderr
    return done.stderr


def holding(kfrun: Kfrun, name: str) -> str:
    """A job whose pod uses the claim until it is told to end; its pod, once it runs."""
    apply(kfrun, manifest(container(HOLD, mount("/v")), volumes=DATA, name=name))
    kfrun.ok("wait", name, "--for=jsonpath={.status.jobsStatus[0].ready}=1", "--timeout", "20s")
    return next(item for item in kfrun.ok("get", "pods", "-o", "name").split() if name in item)


def names(kfrun: Kfrun) -> list[str]:
    return [item["metadata"]["name"] for item in json.loads(kfrun.ok("get", "pvc", "-o", "json"))["items"]]


def kept(kfrun: Kfrun) -> int:
    return len(list(kfrun.home.rglob("kept")))


def test_a_claim_shows_what_it_asks_for(kfrun: Kfrun) -> None:
    apply(kfrun, claim("10Gi", "ReadWriteOncePod"))
    row = kfrun.ok("get", "pvc").splitlines()[1].split()
    assert row[:4] == ["data", "Bound", "10Gi", "RWOP"]
    assert "Used By:      <none>" in kfrun.ok("describe", "pvc", "data")


def test_a_claim_may_ask_for_more_and_for_nothing_else(kfrun: Kfrun) -> None:
    apply(kfrun, claim("1Gi"))
    said = apply(kfrun, claim("512Mi", "ReadWriteMany"), code=1)
    assert "KF320: field is immutable: spec.accessModes was ReadWriteOnce, now ReadWriteMany" in said
    assert "KF320: spec.resources.requests.storage was 1Gi, now 512Mi: a claim may ask for more, never for less" in said
    apply(kfrun, claim("2Gi"))
    apply(kfrun, {**claim("2Gi"), "spec": {**claim("2Gi")["spec"], "volumeMode": "Filesystem"}})
    assert kfrun.ok("get", "pvc").splitlines()[1].split()[2] == "2Gi"


def test_a_claim_in_use_goes_when_the_last_pod_that_uses_it_has_ended(kfrun: Kfrun) -> None:
    apply(kfrun, claim())
    pods = [holding(kfrun, name) for name in ("one", "two")]
    done = kfrun("delete", "pvc", "data", "--timeout", "0.3s")
    assert done.returncode == 124
    assert f"persistentvolumeclaim/data is used by {pods[0]}, {pods[1]}: it goes when they have ended" in done.stderr
    assert kfrun.ok("get", "pvc").splitlines()[1].split()[1] == "Terminating"
    assert pods[0].partition("/")[2] in kfrun.ok("describe", "pvc", "data")
    assert "KF503: PersistentVolumeClaim data is being deleted" in apply(kfrun, claim(), code=1)
    kfrun.ok("stop", "one")
    assert (names(kfrun), kept(kfrun)) == (["data"], 1)
    (kfrun.folder / "go").touch()
    kfrun.ok("delete", "pvc", "data", "--timeout", "20s", "--ignore-not-found")
    assert (names(kfrun), kept(kfrun)) == ([], 0)
    assert kfrun.ok("logs", "two") == "kept\n"


def test_a_pod_waits_for_a_claim_that_is_being_deleted_and_does_not_hold_it_back(kfrun: Kfrun) -> None:
    apply(kfrun, claim())
    holding(kfrun, "one")
    kfrun.ok("delete", "pvc", "data", "--no-wait")
    apply(kfrun, manifest(container("ls /v", mount("/v")), volumes=DATA, name="late"))
    assert until_event(kfrun, "FailedScheduling") == (
        '0/1 nodes are available: persistentvolumeclaim "data" is being deleted.'
    )
    (kfrun.folder / "go").touch()
    kfrun.ok("wait", "one", "late", "--timeout", "20s")
    assert kfrun.ok("logs", "late") == ""
    assert (names(kfrun), kept(kfrun)) == ([], 0)


def test_a_job_and_its_claim_go_together(kfrun: Kfrun) -> None:
    apply(kfrun, claim())
    holding(kfrun, "one")
    text = manifest(container("true", mount("/v")), volumes=DATA, name="one", objects=(claim(),))
    kfrun.ok("delete", "-f", str(kfrun.write("both.yaml", text)), "--timeout", "20s")
    assert (names(kfrun), kept(kfrun)) == ([], 0)


def test_a_claim_of_one_pod_alone_makes_the_next_one_wait(kfrun: Kfrun) -> None:
    apply(kfrun, claim(mode="ReadWriteOncePod"))
    holding(kfrun, "one")
    apply(kfrun, manifest(container("ls /v", mount("/v")), volumes=DATA, name="late"))
    assert until_event(kfrun, "FailedScheduling") == (
        "0/1 nodes are available: 1 node has pod using PersistentVolumeClaim with the same name and "
        "ReadWriteOncePod access mode."
    )
    (kfrun.folder / "go").touch()
    kfrun.ok("wait", "late", "--timeout", "20s")
    assert kfrun.ok("logs", "late") == "kept\n"


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
def test_the_claims_of_a_jobset_are_objects_and_go_with_it_unless_they_are_retained(kfrun: Kfrun, policy: str) -> None:
    own = {"metadata": {"name": "own"}, "spec": claim()["spec"]}
    policies = [{"templates": [own], "retentionPolicy": {"whenDeleted": policy}}]
    text = manifest(container("touch /v/kept", mount("/v", "own")), jobset={"volumeClaimPolicies": policies})
    run(kfrun, text)
    assert (names(kfrun), kept(kfrun)) == (["own-job"], 1)
    kfrun.ok("delete", "trainjob", "job")
    is_kept = policy == "Retain"
    assert (names(kfrun), kept(kfrun)) == (["own-job"] * is_kept, int(is_kept))
    if is_kept:
        run(kfrun, text)
        assert "ClaimRetained" not in kfrun.ok("events", "job")
        run(kfrun, text.replace("1Gi", "2Gi"))
        assert "ClaimRetained" in kfrun.ok("events", "job", "--types", "Warning")
        run(kfrun, text.replace('"Retain"', '"Delete"'))
        assert kept(kfrun) == 1, "the retained one is used as it is"
        kfrun.ok("delete", "pvc", "own-job")
        assert (names(kfrun), kept(kfrun)) == ([], 0)


def test_a_claim_that_is_only_read_cannot_be_written(kfrun: Kfrun) -> None:
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data", "readOnly": True}}]
    run(kfrun, manifest(container("touch /v/a 2>/dev/null && exit 3; ls /v", mount("/v")), volumes=volumes))
