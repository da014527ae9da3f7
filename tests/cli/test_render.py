from __future__ import annotations

import json
from pathlib import Path

import pytest

from kfrun.__main__ import main
from kfrun.load import kubeyaml
from tests.cli.manifests import JOB, MISSING_RUNTIME


@pytest.fixture
def render(no_home, capsys):
    def run(*arguments, text=JOB, code=0):
        Path("job.yaml").write_text(text)
        assert main(["render", "-f", "job.yaml", *arguments]) == code
        return capsys.readouterr()

    return run


def test_the_jobset_is_printed_as_yaml_that_kubectl_reads(render):
    documents, findings = kubeyaml.parse(render().out, "out")
    assert findings == []
    assert [item.key.resource for item in documents] == ["jobset.jobset.x-k8s.io/mnist"]
    (job,) = documents[0].data["spec"]["replicatedJobs"]
    (container,) = job["template"]["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["python", "train.py"]


def test_yaml_and_json_are_the_same_objects(render):
    documents, _ = kubeyaml.parse(render().out, "out")
    assert json.loads(render("-o", "json").out) == documents[0].data


def test_the_objects_of_several_jobs_are_separate_documents(render):
    text = f"{JOB}---\n{JOB.replace('mnist', 'other')}"
    shown = render(text=text).out
    assert shown.count("\n---\n") == 1
    documents, _ = kubeyaml.parse(shown, "out")
    assert [item.key.name for item in documents] == ["mnist", "other"]
    data = json.loads(render("-o", "json", text=text).out)
    assert (data["kind"], len(data["items"])) == ("List", 2)


def test_the_same_input_gives_the_same_bytes(render):
    assert render().out == render().out


def test_the_namespace_reaches_the_objects(render):
    documents, _ = kubeyaml.parse(render("-n", "team-a").out, "out")
    assert documents[0].key.namespace == "team-a"


def test_the_cluster_retries_are_left_to_the_cluster(render):
    assert "backoffLimit" not in render().out


def test_refused_input_prints_nothing_but_findings(render):
    shown = render(text=MISSING_RUNTIME, code=1)
    assert shown.out == ""
    assert "KF401" in shown.err


def test_no_state_is_made(render, no_home):
    render()
    assert not no_home.exists()
