"""Jobs on which a cluster and kfrun part ways: each is refused, warned of, or told what a cluster would do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from kfrun.plan import hangs
from tests.cli.manifests import PATCH, job

if TYPE_CHECKING:
    from tests.conftest import Kfrun


@pytest.mark.parametrize("verb", ["run", "apply", "create"])
def test_a_job_whose_pods_nobody_could_count_is_refused_before_anything_starts(kfrun: Kfrun, verb: str) -> None:
    kfrun.write("job.yaml", f"{job()}    numNodes: -1\n")
    done = kfrun(verb, "-f", "job.yaml")
    assert (done.returncode, done.stderr.count("job.yaml:10:15: error KF361: -1 is not allowed")) == (1, 2)
    assert "a cluster would take the TrainJob and refuse its Jobs: it would hang without a condition" in done.stderr
    assert kfrun("get", "trainjob", "job").returncode == 1


def test_a_trainjob_that_the_webhook_refuses_is_refused_here_too(kfrun: Kfrun) -> None:
    text = manifest().replace("  template:\n    spec:\n", VOLCANO, 1)
    kfrun.write("job.yaml", text)
    done = kfrun("run", "-f", "job.yaml")
    assert (done.returncode, "error KF338: " in done.stderr) == (1, True), done.stderr


def test_a_job_without_pods_is_named_before_it_is_complete(kfrun: Kfrun) -> None:
    kfrun.write("job.yaml", f"{job()}    numNodes: 0\n")
    done = kfrun("run", "-f", "job.yaml")
    assert done.returncode == 0
    assert "job.yaml:10:5: warning KF722: no pod trains, the command reaches no container: the job is" in done.stderr
    assert "job: Complete" in done.stderr


RUNTIME = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainingRuntime
metadata:
  name: mine
spec:
  template:
    spec:
{above}
      replicatedJobs:
      - name: node
        template:
          metadata: {{labels: {{trainer.kubeflow.org/trainjob-ancestor-step: trainer}}}}
          spec:
            {spec}
            template:
              spec:
                {pod}
                containers:
                - name: node
                  image: python
                  command: [python, -c, "{code}"]
                  {container}
{below}
---
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata:
  name: {name}
spec:
  runtimeRef: {{kind: TrainingRuntime, name: mine}}
"""
CLAIMS = """\
      volumeClaimPolicies:
      - templates:
        - metadata: {name: data}
          spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}"""
SECOND = """\
      - name: second
        template:
          spec:
            template:
              spec:
                containers:
                - name: second
                  image: python
                  command: [python, -c, "import time; time.sleep(1.5); print('trained')"]"""
VOLCANO = """\
  podGroupPolicy: {volcano: {}}
  template:
    metadata: {annotations: {scheduling.volcano.sh/queue-name: ""}}
    spec:
"""
ONCE = "import os; os.path.exists('there') or (open('there', 'w'), os._exit(3)); print('trained')"
ALONE = """\
      failurePolicy:
        maxRestarts: 1
        rules:
        - {name: again, action: RestartJob}"""


def manifest(name: str = "job", code: str = "print('trained')", **parts: str) -> str:
    empty = dict.fromkeys(("above", "spec", "pod", "container", "below"), "")
    return RUNTIME.format(name=name, code=code, **empty | parts)


AT_START = {
    "restart-of-one-job": (manifest(code=ONCE, above=ALONE), "KF354"),
    "jobset-refused": (manifest(name="a" * 60), "KF351"),
    "jobs-refused": (manifest(container="ports: [{containerPort: 99999}]"), "KF372"),
    "job-gone-early": (manifest(code="print('trained')", spec="ttlSecondsAfterFinished: 0", below=SECOND), "KF509"),
    "managed-by-another": (manifest(spec="managedBy: example.com/mine"), "KF509"),
    "scheduling-gates": (manifest(pod="schedulingGates: [{name: example.com/wait}]"), "KF509"),
}
SUSPENDED = "  suspend: true\n"


def events(kfrun: Kfrun, name: str) -> str:
    """What the table of events says, one blank between its columns."""
    return "\n".join(" ".join(line.split()) for line in kfrun.ok("events", name).splitlines())


@pytest.mark.parametrize("name", list(AT_START))
def test_where_a_cluster_would_hang_the_job_runs_and_says_so_before_and_as_an_event(kfrun: Kfrun, name: str) -> None:
    text, code = AT_START[name]
    (case,) = (one for one in hangs.CASES if one.name == name)
    kfrun.write("job.yaml", text)
    done = kfrun("run", "-f", "job.yaml")
    assert done.returncode == 0, done.stderr
    assert "trained" in done.stdout
    assert f"warning {code}: " in done.stderr
    stored = kfrun.ok("get", "trainjobs", "-o", "name").strip().rpartition("/")[2]
    assert f"Warning ClusterWouldHang trainjob/{stored} {case}\n" in events(kfrun, stored)
    assert (f"warning KF509: {case}\n" in done.stderr) is (code == "KF509")
    assert done.stderr.count(str(case)) == (code == "KF509"), "once is enough"


def test_a_jobset_without_jobs_is_complete_at_once(kfrun: Kfrun) -> None:
    (case,) = (one for one in hangs.CASES if one.name == "no-jobs")
    head, middle = manifest().split("      replicatedJobs:\n")
    kfrun.write("job.yaml", f"{head}      replicatedJobs: []\n---\n{middle.partition('---')[2].lstrip()}")
    done = kfrun("run", "-f", "job.yaml")
    assert (done.returncode, f"warning KF509: {case}\n" in done.stderr) == (0, True)
    assert str(case) in events(kfrun, "job")


def test_a_job_that_its_ttl_removes_runs_again(kfrun: Kfrun) -> None:
    kfrun.write("job.yaml", AT_START["job-gone-early"][0])
    kfrun.ok("run", "-f", "job.yaml", "-q")
    assert events(kfrun, "job").count("Created pod: job-node-0-0") > 1


def test_a_suspended_job_with_claims_is_resumed_and_it_is_said(kfrun: Kfrun) -> None:
    (case,) = (one for one in hangs.CASES if one.name == "resume-with-claims")
    text = manifest(above=CLAIMS, container="volumeMounts: [{name: data, mountPath: /data}]")
    kfrun.write("job.yaml", f"{text}{SUSPENDED}")
    assert f"warning KF509: {case}\n" in kfrun("apply", "-f", "job.yaml").stderr
    time.sleep(0.5)
    assert "ClusterWouldHang" not in events(kfrun, "job")
    assert f"job: {case}\n" in kfrun("resume", "job").stderr
    kfrun.ok("wait", "job")
    assert str(case) in events(kfrun, "job")


def test_a_suspended_job_that_was_changed_is_resumed_as_it_is_now_and_it_is_said(kfrun: Kfrun) -> None:
    (case,) = (one for one in hangs.CASES if one.name == "resume-with-changed-pods")
    kfrun.write("job.yaml", f"{manifest()}{SUSPENDED}")
    kfrun.ok("apply", "-f", "job.yaml")
    allowed = PATCH % "nodeSelector: {a: b}"
    kfrun.write("job.yaml", f"{manifest()}{SUSPENDED}{allowed}")
    assert "KF509" not in kfrun("apply", "-f", "job.yaml").stderr
    changed = PATCH % "terminationGracePeriodSeconds: 7"
    kfrun.write("job.yaml", f"{manifest()}{SUSPENDED}{changed}")
    assert f"warning KF509: {case}\n" in kfrun("apply", "-f", "job.yaml").stderr
    assert f"job: {case}\n" in kfrun("resume", "job").stderr
    kfrun.ok("wait", "job")
    assert kfrun.ok("logs", "job") == "trained\n"
    assert "terminationGracePeriodSeconds: 7\n" in kfrun.ok("get", "jobset", "job", "-o", "yaml")
    assert str(case) in events(kfrun, "job")


def test_a_job_that_runs_on_a_cluster_as_well_says_nothing_of_one(kfrun: Kfrun) -> None:
    kfrun.write("job.yaml", job())
    done = kfrun("run", "-f", "job.yaml")
    assert (done.returncode, "cluster would" in done.stderr) == (0, False)
    assert "ClusterWouldHang" not in events(kfrun, "job")


def test_every_case_of_the_table_is_tried() -> None:
    tried = {*AT_START, "no-jobs", "resume-with-claims", "resume-with-changed-pods"}
    assert [case.name for case in hangs.CASES if case.name not in tried] == []
