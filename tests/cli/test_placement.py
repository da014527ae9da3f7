"""No finding stands outside of what the user gave: not in a shipped runtime, nor in one that is stored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Kfrun

JOB = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: job}
spec:
  runtimeRef: {name: torch-distributed}
"""
RUNTIME = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: ClusterTrainingRuntime
metadata: {name: company, annotations: {kfrun.dev/packages: "six>=1"}}
spec:
  mlPolicy: {numNodes: 1}
  template:
    spec:
      replicatedJobs:
      - name: node
        template:
          metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}}
          spec:
            template:
              spec:
                containers:
                - name: node
                  image: example.com/train:1
                  command: [python, train.py]
                  workingDir: /absent/folder
"""
REQUESTS = "resourcesPerNode:\n      requests: {nvidia.com/gpu: 1}"
SIDE = """\
  runtimePatches:
  - manager: example.com/me
    trainingRuntimeSpec:
      template:
        spec:
          replicatedJobs:
          - name: node
            template: {spec: {template: {spec: {containers: [{name: side, image: a}]}}}}
"""


def findings(kfrun: Kfrun, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(kfrun(*arguments, "-o", "json").stdout)["findings"]
    return found


def test_what_the_job_left_out_stands_where_it_set_what_is_around_it(kfrun: Kfrun) -> None:
    kfrun.write("job.yaml", f"{JOB}  trainer:\n    numNodes: 1\n    {REQUESTS}\n")
    (one,) = findings(kfrun, "validate", "job.yaml")
    assert (one["code"], one["file"], one["line"], one["excerpt"]) == ("KF375", "job.yaml", 8, "    resourcesPerNode:")
    (related,) = one["related"]
    assert related["message"] == "clustertrainingruntime.trainer.kubeflow.org/torch-distributed, shipped with kfrun"
    assert related["file"].endswith("runtimes/torch-distributed.yaml")
    assert "= see: clustertrainingruntime.trainer" in kfrun("validate", "job.yaml").stdout


@pytest.mark.parametrize("form", ["text", "github", "sarif", "junit", "tap"])
def test_every_format_has_the_place_in_the_job_and_the_runtime_beside_it(kfrun: Kfrun, form: str) -> None:
    kfrun.write("job.yaml", f"{JOB}  trainer: {{numNodes: 1, resourcesPerNode: {{requests: {{nvidia.com/gpu: 1}}}}}}\n")
    done = kfrun("validate", "job.yaml", "-o", form)
    assert done.returncode == 1
    assert "torch-distributed, shipped with kfrun" in done.stdout
    if form == "sarif":
        (result,) = json.loads(done.stdout)["runs"][0]["results"]
        (location,), (related,) = result["locations"], result["relatedLocations"]
        assert location["physicalLocation"]["artifactLocation"]["uri"] == "job.yaml"
        assert related["physicalLocation"]["region"]["startLine"] > 0
    elif form == "github":
        assert done.stdout.startswith("::error file=job.yaml,line=6,col=26,")
    else:
        assert "job.yaml" in done.stdout


@pytest.mark.parametrize(
    "spec",
    [
        f"  trainer:\n    {REQUESTS}\n",
        "  trainer: {resourcesPerNode: {limits: {cpu: 1}, requests: {cpu: 2}}}\n",
        "  trainer: {numProcPerNode: 2}\n" + SIDE,
        "  trainer: {env: [{name: PET_NNODES, value: '1'}]}\n",
        "  trainer: {command: [sh], resourcesPerNode: {requests: {cpu: -1}}}\n",
        "  initializer: {dataset: {storageUri: 'hf://a/b'}}\n",
        "  labels: {'bad label': x}\n",
    ],
)
@pytest.mark.parametrize("runtime", ["torch-distributed", "plain-python", "mpi-distributed", "torchtune-llama3.2-1b"])
def test_no_finding_of_a_shipped_runtime_points_to_it(kfrun: Kfrun, spec: str, runtime: str) -> None:
    kfrun.write("job.yaml", JOB.replace("torch-distributed", runtime) + spec)
    for arguments in (("validate", "job.yaml"), ("validate", "--backend", "process", "job.yaml"), ("lint", "job.yaml")):
        assert {one["file"] for one in findings(kfrun, *arguments)} <= {"job.yaml"}, arguments
    for verb in ("plan", "render", "apply"):
        done = kfrun(verb, "-f", "job.yaml", *(["--strict"] if verb == "plan" else []))
        places = [
            line for line in (done.stderr + done.stdout).splitlines() if "error KF" in line or "warning KF" in line
        ]
        assert [line for line in places if not line.startswith("job.yaml:")] == []


def test_findings_about_a_stored_runtime_stand_where_the_job_names_it(kfrun: Kfrun) -> None:
    kfrun.write("runtime.yaml", RUNTIME)
    kfrun.ok("apply", "-q", "-f", "runtime.yaml")
    kfrun.write("job.yaml", JOB.replace("torch-distributed", "company"))
    done = kfrun("apply", "-q", "-f", "job.yaml")
    assert done.returncode == 1
    assert 'job.yaml:5:22: error KF601: the working directory "/absent/folder" does not exist' in done.stderr
    assert "= see: clustertrainingruntime.trainer.kubeflow.org/company, stored here\n" in done.stderr


def test_a_runtime_of_the_input_is_the_place(kfrun: Kfrun) -> None:
    kfrun.write("both.yaml", RUNTIME + "---\n" + JOB.replace("torch-distributed", "company"))
    done = kfrun("apply", "-q", "-f", "both.yaml")
    assert 'both.yaml:19:31: error KF601: the working directory "/absent/folder" does not exist' in done.stderr


def test_a_requirements_file_is_part_of_the_input(kfrun: Kfrun) -> None:
    kfrun.write("requirements.txt", "six\n--wrong\n")
    text = JOB.replace("{name: job}", "{name: job, annotations: {kfrun.dev/requirements: requirements.txt}}")
    kfrun.write("job.yaml", text.replace("torch-distributed", "plain-python") + "  trainer: {command: [sh]}\n")
    (one,) = findings(kfrun, "validate", "job.yaml")
    assert (one["code"], one["file"], one["line"]) == ("KF415", "requirements.txt", 2)
    (related,) = one["related"]
    assert (related["file"], related["line"]) == ("job.yaml", 3)
