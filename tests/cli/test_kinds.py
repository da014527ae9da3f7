"""Types and names as kubectl's users write them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from kfrun.cli import kinds
from kfrun.errors import UsageProblem

if TYPE_CHECKING:
    from tests.conftest import Kfrun


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("js", "JobSet"), ("JS", "JobSet"), ("trainjobs.v1alpha1.trainer.kubeflow.org", "TrainJob"),
        ("jobs.v1.batch", "Job"), ("jobsets.v1alpha2.jobset.x-k8s.io", "JobSet"), ("pods.v1", "Pod"),
        ("cm", "ConfigMap"), ("secrets", "Secret"), ("pvc", "PersistentVolumeClaim"), ("configmaps.v1", "ConfigMap"),
        ("trainingruntimes.v1beta12.trainer.kubeflow.org", "TrainingRuntime"),
    ],
)  # fmt: skip
def test_a_type_may_be_short_or_have_group_and_version(word: str, kind: str) -> None:
    assert kinds.kinds_of(word) == (kind,)


@pytest.mark.parametrize("word", ["nodes", "svc", "namespaces", "Deployment", "nodes.v1", "pv"])
def test_for_kinds_of_kubernetes_that_kfrun_keeps_none_of_nothing_near_is_guessed(word: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        kinds.kinds_of(word)
    assert (caught.value.hint or "").startswith("there are trainjobs, ")


@pytest.mark.parametrize("wrong", ["trainjobs.v1alpha1.example.com", "trainjobs.trainer", "jobs.v1x.batch"])
def test_a_group_that_is_another_is_no_type(wrong: str) -> None:
    with pytest.raises(UsageProblem, match="there is no resource type"):
        kinds.kinds_of(wrong)


FORMS = [
    ("job",),
    ("trainjob", "job"),
    ("trainjob/job",),
    ("tj", "job"),
    ("jobset/job",),
    ("js", "job"),
    ("job/job-node-0",),
]
"""What names the TrainJob ``job``."""


@pytest.mark.parametrize("form", FORMS, ids=" ".join)
def test_every_verb_that_takes_a_job_takes_its_type(kfrun: Kfrun, form: tuple[str, ...]) -> None:
    kfrun.ok("apply", "-q", "--wait", "-f", kfrun.job("job", "echo $JOB_COMPLETION_INDEX", nodes=2))
    assert sorted(kfrun.ok("logs", *form).split()) == ["0", "1", "[node-0]", "[node-1]"]
    assert "job-node-0" in kfrun.ok("events", *form)
    for verb in ("suspend", "resume"):
        done = kfrun(verb, *form)
        assert (done.returncode, "job is finished" in done.stderr) == (1, True), done.stderr
    if "job-node-0" not in form[-1]:
        kfrun.ok("wait", *form)


def test_a_suspended_job_is_resumed_as_the_hint_says(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", "exit 3", spec="  suspend: true"))
    refused = kfrun("run", "-q", "-f", str(kfrun.folder / "job.yaml")).stderr
    hint = next(line for line in refused.splitlines() if "kfrun resume" in line)
    command = hint[hint.index("kfrun resume") :].partition(" starts")[0].split()[1:]
    assert command == ["resume", "trainjob", "job"]
    kfrun.ok(*command)
    assert kfrun("wait", "job", "--timeout", "20s").returncode == 3


def test_one_job_is_one_job(kfrun: Kfrun) -> None:
    for verb in ("logs", "events"):
        done = kfrun(verb, "a", "b")
        assert (done.returncode, "one job can be named here, and these are 2: a, b" in done.stderr) == (2, True)
    done = kfrun("wait", "pod/a")
    assert "hint: name its TrainJob: kfrun get trainjobs lists them" in done.stderr


def test_events_for_a_trainjob_are_those_of_everything_that_belongs_to_it(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "--wait", "-f", kfrun.job("job", "true"))
    kfrun.ok("apply", "-q", "--wait", "-f", kfrun.job("other", "true"))
    found, same = (re.sub(r"(?m)^\d+s +", "", kfrun.ok("events", *words)) for words in (("--for", "tj/job"), ("job",)))
    assert found == same
    assert "job/job-node-0" in found
    assert "other" not in found
    assert "job/job-node" not in kfrun.ok("events", "--for", "jobset/job")
