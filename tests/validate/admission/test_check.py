"""The later stages of admission as users meet them: what validate refuses, and what a local run only warns of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Kfrun

MANIFEST = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: ClusterTrainingRuntime
metadata: {{name: rt, labels: {labels}}}
spec:
  mlPolicy: {{torch: {{}}}}
  template:
    spec:
      replicatedJobs:
      - name: node
        replicas: {replicas}
        template:
          metadata: {{labels: {{trainer.kubeflow.org/trainjob-ancestor-step: trainer}}}}
          spec:
            template:
              spec:
                containers:
                - {{name: node, command: [echo], resources: {resources}}}
---
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {{name: tj}}
spec:
  runtimeRef: {{name: rt}}
  trainer:
    env: [{{name: {variable}, value: x}}]
"""


@pytest.fixture
def manifest(kfrun: Kfrun) -> Path:
    return kfrun.write("tj.yaml", written())


def written(labels: str = "{}", replicas: int = 1, resources: str = "{}", variable: str = "A") -> str:
    return MANIFEST.format(labels=labels, replicas=replicas, resources=resources, variable=variable)


def validated(kfrun: Kfrun, text: str) -> tuple[int, list[tuple[str, str, str]]]:
    """Exit code, and code, stage and severity of what validate finds."""
    done = kfrun("validate", "-f", kfrun.write("tj.yaml", text), "-o", "json")
    found = json.loads(done.stdout)["findings"]
    return done.returncode, [(one["code"], one["stage"], one["severity"]) for one in found]


def test_a_missing_image_is_refused_for_a_cluster_and_means_nothing_to_a_process(kfrun: Kfrun) -> None:
    assert validated(kfrun, written()) == (1, [("KF371", "job", "error")])
    planned = kfrun("plan", "-f", kfrun.folder / "tj.yaml")
    assert planned.returncode == 0
    assert "KF371" not in planned.stdout + planned.stderr


def test_what_only_a_cluster_refuses_is_a_warning_where_the_job_runs_here(kfrun: Kfrun) -> None:
    text = written(resources="{requests: {cpu: 2}, limits: {cpu: 1}}")
    assert validated(kfrun, text) == (1, [("KF371", "job", "error"), ("KF375", "job", "error")])
    planned = kfrun("plan", "-f", kfrun.folder / "tj.yaml")
    assert planned.returncode == 0
    assert "warning KF375" in planned.stdout + planned.stderr


def test_what_the_webhook_refuses_is_refused_everywhere_and_hides_later_stages(kfrun: Kfrun) -> None:
    text = written(variable="PET_NNODES")
    assert validated(kfrun, text) == (1, [("KF334", "webhook", "error")])
    assert kfrun("plan", "-f", kfrun.folder / "tj.yaml").returncode == 1
    assert kfrun("apply", "-f", kfrun.folder / "tj.yaml").returncode == 1


def test_jobs_of_a_refused_runtime_are_not_complained_of(kfrun: Kfrun) -> None:
    assert validated(kfrun, written(replicas=2, variable="PET_NNODES")) == (1, [("KF341", "webhook", "error")])


def test_a_deprecated_runtime_is_a_warning_for_itself_and_for_the_job(kfrun: Kfrun) -> None:
    code, found = validated(kfrun, written(labels="{trainer.kubeflow.org/support: deprecated}"))
    warnings = [one for one in found if one[2] == "warning"]
    assert (code, warnings) == (1, [("KF343", "webhook", "warning")] * 2)


def test_render_shows_what_a_later_stage_would_refuse(kfrun: Kfrun, manifest: Path) -> None:
    assert "kind: JobSet" in kfrun.ok("render", "-f", manifest)


def test_every_finding_says_how_to_mend_it_in_every_format(kfrun: Kfrun, manifest: Path) -> None:
    text = written(resources="{requests: {cpu: 2, gpu: 1}, limits: {cpu: 1}}")
    path = kfrun.write("tj.yaml", text)
    hints = {
        "raise the limit to 2, or ask for less",
        "set image here; for the container that trains, spec.trainer.image of the TrainJob does it too",
        "GPUs have a domain: nvidia.com/gpu, amd.com/gpu",
    }
    found = json.loads(kfrun("validate", "-f", path, "-o", "json").stdout)["findings"]
    assert {one["hint"] for one in found} == hints
    for form in ("text", "github", "sarif", "junit", "tap"):
        shown = kfrun("validate", "-f", path, "-o", form).stdout
        assert [hint for hint in hints if hint not in shown] == []


DEEP = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: ClusterTrainingRuntime
metadata: {name: rt}
spec:
  template:
    spec:
      replicatedJobs:
      - name: node
        template:
          metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}}
          spec:
            template:
              metadata:
                labels: {job-name: mine}
              spec:
                hostnameOverride: Trainer_0
                resources: {requests: {cpu: 100m}}
                volumes: [{name: old, nfs: {server: disks, path: data}}]
                containers:
                - name: node
                  image: img
                  lifecycle: {stopSignal: SIGINT}
                  resources: {requests: {cpu: 1}}
                  restartPolicy: Never
                  restartPolicyRules: [{action: Again, exitCodes: {operator: In, values: [3]}}]
---
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: tj}
spec: {runtimeRef: {name: rt}}
"""


def test_what_the_api_server_says_of_a_jobs_depths_stands_at_the_runtimes_lines(kfrun: Kfrun) -> None:
    done = kfrun("validate", "-f", kfrun.write("tj.yaml", DEEP), "-o", "json")
    found = json.loads(done.stdout)["findings"]
    lines = DEEP.splitlines()
    assert {(one["code"], lines[one["line"] - 1].split(":")[0].strip(" -")) for one in found} == {
        ("KF362", "labels"),
        ("KF381", "hostnameOverride"),
        ("KF375", "resources"),
        ("KF374", "volumes"),
        ("KF378", "restartPolicyRules"),
    }
