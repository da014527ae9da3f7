from __future__ import annotations

import json
from pathlib import Path

import pytest

from kfrun import settings
from kfrun.__main__ import main
from kfrun.execute.local.backend import LocalBackend
from kfrun.flow import desired
from kfrun.flow import documents as reading
from kfrun.model.wishes import Wishes
from kfrun.observe import location
from kfrun.observe.store import Run, Store
from tests.cli.manifests import JOB, MISSING_RUNTIME, RUNTIME


@pytest.fixture
def plan(no_home, capsys):
    def run(*arguments, text=None, code=0):
        if text is not None:
            Path("job.yaml").write_text(text)
        assert main(["plan", "-f", "job.yaml", *arguments]) == code
        return capsys.readouterr().out

    return run


@pytest.fixture
def store(no_home):
    """The store of this test's state folder, opened."""
    found = settings.load({}, {"KFRUN_HOME": str(no_home)}, Path.cwd())
    with Store.open(location.database(found)) as opened:
        yield opened


def record(store, text, *, conditions=()):
    """Store the TrainJob of a manifest as an executor would."""
    Path("job.yaml").write_text(text)
    found = settings.load({}, {"KFRUN_HOME": "/nowhere"}, Path.cwd())
    documents = reading.read(Wishes(("job.yaml",)), found)
    observed = LocalBackend(store, found).observe([document.key for document in documents])
    prepared = desired.prepare(documents, observed, settings=found)
    for document in prepared.objects:
        store.create({**document.data, "metadata": {**document.data["metadata"], "uid": document.key.name}})
    for job in prepared.jobs:
        key = job.resolution.trainjob
        data = dict(prepared.trainjobs[key])
        data["metadata"] = {**data["metadata"], "uid": "u1"}
        store.create({**data, "status": {"conditions": list(conditions)}})
        runtime = json.dumps(job.resolution.runtime.document.data)
        digests = {"digest": job.digest, "run_digest": job.run_digest}
        store.add_run(
            Run("u1", key.namespace, key.name, "/nowhere", "process", boot="", ended=True, runtime=runtime, **digests)
        )


COMPLETE = {"type": "Complete", "status": "True", "reason": "AllJobsCompleted"}


def test_a_new_job_is_planned_and_nothing_is_stored(plan, no_home):
    shown = plan(text=JOB)
    assert "  + trainjob.trainer.kubeflow.org/mnist: not stored yet\n" in shown
    assert f"working directory: {Path.cwd()}\n" in shown
    assert shown.endswith("\nPlan: 1 to create.\n")
    assert not no_home.exists()


@pytest.mark.parametrize(("arguments", "code"), [((), 0), (("--detailed-exitcode",), 2)])
def test_changes_are_code_2_where_that_is_asked_for(plan, arguments, code):
    plan(*arguments, text=JOB, code=code)


def test_what_is_stored_unchanged_is_code_0(plan, store):
    record(store, JOB)
    assert plan("--detailed-exitcode") == (
        "  = trainjob.trainer.kubeflow.org/mnist: unchanged; running\n\nNothing to do (1 unchanged).\n"
    )


def test_a_stored_runtime_is_found(plan, store):
    record(store, RUNTIME)
    text = JOB.replace("name: plain-python", "kind: TrainingRuntime\n    name: mine")
    assert "mine (applied before)" in plan(text=text)


def test_a_changed_finished_job_is_refused_with_code_1_unless_it_may_be_replaced(plan, store):
    record(store, JOB, conditions=[COMPLETE])
    text = JOB.replace("train.py", "other.py")
    assert "KF501" in plan("--detailed-exitcode", text=text, code=1)
    shown = plan("--replace", text=text)
    assert "-/+ trainjob.trainer.kubeflow.org/mnist: finished: Complete (AllJobsCompleted); changed since" in shown
    assert '~ spec.trainer.command[1]: "train.py" -> "other.py"' in shown


def test_an_immutable_field_of_a_running_job_is_refused(plan, store):
    record(store, JOB)
    assert "field is immutable" in plan(text=JOB.replace("train.py", "other.py"), code=1)


def test_json_has_a_format_version(plan):
    data = json.loads(plan("-o", "json", text=JOB))
    assert data["formatVersion"] == 1
    assert [action["type"] for action in data["actions"]] == ["CreateJob"]
    assert data["summary"] == {"create": 1}


def test_strict_refuses_what_is_not_enforced(plan):
    text = JOB + "    resourcesPerNode:\n      limits: {memory: 1Gi}\n"
    line = "      not enforced by process: 1 field (resources); kfrun explain not-enforced\n"
    assert line in plan(text=text)
    refused = plan("--strict", text=text, code=1)
    assert line in refused
    assert f"refused: job.yaml:{text.count(chr(10))}:24: spec.replicatedJobs[0]." in refused
    assert "backend process does not enforce resources: CPU, memory" in refused
    (named,) = json.loads(plan("-o", "json", text=text))["notEnforced"]
    assert (named["backend"], named["path"].rpartition(".")[2]) == ("process", "resources")


def test_the_backend_flag_wins_over_the_manifest(plan):
    text = JOB.replace("name: mnist", "name: mnist\n  annotations:\n    kfrun.dev/backend: docker")
    assert "KF506" in plan(text=text, code=1)
    assert "KF506" not in plan("--backend", "process", text=text)


def test_refused_input_is_code_1_even_in_detail(no_home, capsys):
    Path("job.yaml").write_text(MISSING_RUNTIME)
    assert main(["plan", "-f", "job.yaml", "--detailed-exitcode"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "KF401" in shown.err


def test_a_container_without_a_command_is_refused_here_but_not_by_validate(no_home, capsys):
    Path("job.yaml").write_text(JOB.replace("  trainer:\n    command: [python, train.py]\n", ""))
    assert main(["validate", "-f", "job.yaml"]) == 0
    assert main(["plan", "-f", "job.yaml"]) == 1
    assert "KF420" in capsys.readouterr().err


def test_secrets_are_nowhere_in_a_plan(plan, store):
    secret = JOB + "    env:\n    - {name: HF_TOKEN, value: hunter2}\n    args: [--api-key, hunter2]\n"
    record(store, secret, conditions=[COMPLETE])
    changed = secret.replace("hunter2", "hunter3").replace("train.py", "other.py")
    for output in ("text", "json"):
        assert "hunter" not in plan("--replace", "-o", output, text=changed)
