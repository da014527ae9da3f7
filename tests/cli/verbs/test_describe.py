from __future__ import annotations

import json

import pytest

from kfrun.model.source import ObjectKey
from tests.observe.runs import add, condition, event, pod, terminated, trainjob

FAILED = condition("Failed", "FailedJobs", "jobset failed due to one or more job failures")
JOB = trainjob(
    "mnist", FAILED, spec={"trainer": {"command": ["python", "a b.py"], "env": [{"name": "A", "value": "1"}]}}
)
CHILD = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "mnist-node-0", "namespace": "default", "uid": "j"},
    "spec": {"completions": 2},
    "status": {"conditions": [FAILED]},
}


@pytest.fixture
def described(home):
    pods = (pod(index=1, state=terminated(7)), pod(index=0))
    add(home.store, JOB, home.run_folder(), *pods, runtime=json.dumps({"spec": {"mlPolicy": {"numNodes": 2}}}))
    home.store.create(CHILD, owner="uid-default-mnist")
    key = ObjectKey("v1", "Pod", "default", "mnist-node-0-1-a")
    home.store.record([event(JOB, "Created", "made"), event(JOB, "BackOff", "again", key=key)])
    return home


def test_trainjob(described):
    text = described.ok("describe", "trainjob", "mnist")
    fields = dict(line.split(":", 1) for line in text.splitlines() if line[:1].isalpha())
    found = {name: value.strip() for name, value in fields.items()}
    assert found["State"] == "Failed"
    assert found["Failure"] == "node-1 failed with exit code 7"
    assert found["Exit Code"] == "7"
    assert found["Nodes"] == "2"
    assert found["Runtime"] == "ClusterTrainingRuntime/torch-distributed"
    assert found["Backend"] == "process"
    assert found["Folder"].endswith("uid-default-mnist")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "Failed True FailedJobs" in next(line for line in lines if line.startswith("Failed True"))
    assert "mnist-node-0 Failed 0/2 <unknown>" in lines
    assert lines.index("node-0 mnist-node-0-0-a node Running 0") < lines.index("node-1 mnist-node-0-1-a node Error 7 0")
    assert any(line.endswith("Normal Created trainjob/mnist made") for line in lines)
    assert any(line.endswith("Normal BackOff pod/mnist-node-0-1-a again") for line in lines)
    assert lines[lines.index("Command:") + 1 :][:2] == ["- python", "- a b.py"]


@pytest.mark.parametrize("arguments", [["mnist"], ["tj/mnist"], ["tj"], ["trainjobs", "mnist"]])
def test_ways_to_name_it(described, arguments):
    assert described.ok("describe", *arguments).startswith("Name:")


def test_other_kinds_are_outlined(described):
    text = described.ok("describe", "pod", "mnist-node-0-1-a")
    assert "Kind:         Pod\n" in text
    assert "    exitCode: 7\n" in text
    assert "BackOff" in text
    assert "Created   trainjob" not in text


def test_variables_that_are_likely_secrets_are_not_told(home):
    """The pod holds them, as on a cluster, and ``-o yaml`` shows them."""
    values = {"API_TOKEN": "hush", "URL": "https://me:hush@example.com/", "PLAIN": "told"}
    given = pod()
    given["spec"]["containers"][0]["env"] = [{"name": name, "value": value} for name, value in values.items()]
    given["spec"]["containers"][0]["args"] = ["--token", "hush", "--password=hush", "--epochs=3"]
    add(home.store, JOB, home.run_folder(), given)
    text = home.ok("describe", "pod", given["metadata"]["name"])
    assert "told" in text
    assert "--epochs=3" in text
    assert "hush" not in text
    assert "hush" in home.ok("get", "pod", given["metadata"]["name"], "-o", "yaml")


def test_secrets_of_a_trainjob_are_not_told(home):
    trainer = {"command": ["train", "--api-key=hush"], "env": [{"name": "API_TOKEN", "value": "hush"}]}
    add(home.store, trainjob("x", spec={"trainer": trainer}), home.run_folder("x"))
    text = home.ok("describe", "x")
    assert "API_TOKEN" in text
    assert "--api-key=(sensitive)" in text
    assert "hush" not in text


def test_terminal_is_not_commanded(home):
    add(home.store, trainjob("x", condition("Failed", "E", "\x1b[31mred\nnext")), home.run_folder("x"))
    text = home.ok("describe", "x")
    assert "\x1b" not in text
    assert "\\x1b[31mred\\nnext" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["mnits"], "did you mean mnist?"), (["pods", "x"], 'pod "x" not found')],
)
def test_what_is_not_there(described, arguments, message):
    done = described("describe", *arguments)
    assert (done.code, done.out) == (1, "")
    assert message in done.err


def test_job_that_really_ran(kfrun):
    """Its pods were removed from the store when the job failed: describe, logs and wait still know them."""
    script = 'echo "hello from $JOB_COMPLETION_INDEX"; [ "$JOB_COMPLETION_INDEX" = 0 ] && sleep 60; exit 5'
    kfrun.ok("apply", "-f", kfrun.job("two", script, nodes=2))
    done = kfrun("wait", "two", "--timeout", "60s")
    assert (done.returncode, done.stdout) == (
        5,
        "trainjob.trainer.kubeflow.org/two Failed: node-1 failed with exit code 5\n",
    )
    assert sorted(kfrun.ok("logs", "two", "-f").splitlines()) == ["[node-0] hello from 0", "[node-1] hello from 1"]
    rows = [line.split() for line in kfrun.ok("describe", "two").splitlines()]
    assert [(row[0], row[2:5]) for row in rows if row[:1] in (["node-0"], ["node-1"])] == [
        ("node-0", ["node", "Error", "143"]),
        ("node-1", ["node", "Error", "5"]),
    ]
    assert kfrun.ok("get", "tj", "-o", "wide").splitlines()[1].split()[5:7] == ["FailedJobs", "5"]


def test_job_of_another_version_s_backend(kfrun):
    kfrun.ok("apply", "--wait", "-f", kfrun.job("other", "true"))
    with kfrun.store() as store:
        (run,) = store.runs()
        store.change_run(run.uid, backend="container")
    text = kfrun.ok("describe", "other")
    assert "Complete" in text
    assert "container" in text


SECRET = "HUNTER"
SPEC = {
    "suspend": True,
    "trainer": {
        "command": ["sh", "-c", "true", "--api-key"],
        "args": [SECRET, "--token=" + SECRET],
        "env": [{"name": "HF_TOKEN", "value": SECRET}, {"name": "INDEX", "value": f"https://u:{SECRET}@example.com/a"}],
    },
}


def test_what_plan_hides_is_hidden_and_data_is_exact(home):
    job = trainjob("mnist", condition("Failed", "Bad", f"no answer of https://u:{SECRET}@example.com/"), spec=SPEC)
    job["metadata"]["annotations"] = {"kfrun.dev/pip-index-urls": f"https://reader:{SECRET}@example.com/simple"}
    add(home.store, job, home.run_folder())
    home.store.record([event(job, "Created", f"from https://u:{SECRET}@example.com/")])
    for arguments in (["describe", "mnist"], ["events"], ["get", "events"], ["get", "trainjobs", "-o", "wide"]):
        shown = home.ok(*arguments)
        assert SECRET not in shown
    assert "https://***@example.com/simple" in home.ok("describe", "mnist")
    for form in ("yaml", "json"):
        assert home.ok("get", "trainjob", "mnist", "-o", form).count(SECRET) == 6


def test_differences_hide_what_describe_hides(home, tmp_path):
    job = trainjob("mnist", spec={**SPEC, "runtimeRef": {"name": "plain-python"}})
    add(home.store, job, home.run_folder())
    lines = json.dumps(
        {
            "apiVersion": job["apiVersion"],
            "kind": "TrainJob",
            "metadata": {
                "name": "mnist",
                "annotations": {"kfrun.dev/pip-index-urls": "https://u:HUNTER@example.com/a"},
            },
            "spec": {
                "runtimeRef": {"name": "plain-python"},
                "trainer": {"command": ["sh", "-c", "true", "--api-key"], "args": ["HUNTERS", "--token=HUNTERS"]},
            },
        }
    )
    (tmp_path / "job.json").write_text(lines)
    done = home("diff", "-f", "job.json")
    assert done.code == 1
    assert SECRET not in done.out
    assert "(sensitive)" in done.out
    assert SECRET in home("diff", "-f", "job.json", "--show-secrets").out
