from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from kfrun.cli import kinds
from kfrun.errors import UsageProblem
from tests.conftest import eventually
from tests.observe.runs import add, condition, event, pod, terminated, trainjob

COMPLETE = condition("Complete", "AllJobsCompleted", "jobset completed successfully")
FAILED = condition("Failed", "FailedJobs", "jobset failed")


@pytest.fixture
def jobs(home):
    add(home.store, trainjob("mnist", COMPLETE, metadata={"labels": {"team": "a"}}), home.run_folder())
    job = trainjob("bert", FAILED, spec={"trainer": {}})
    add(
        home.store, job, home.run_folder("bert"), pod("bert", 0), pod("bert", 1, state=terminated(7)),
        runtime=json.dumps({"spec": {"mlPolicy": {"numNodes": 3}}}),
    )  # fmt: skip
    add(home.store, trainjob("other", namespace="nlp"), home.run_folder("other"))
    return home


def rows(text):
    return [line.split() for line in text.splitlines()]


def test_table_of_trainjobs(jobs):
    header, bert, mnist = rows(jobs.ok("get", "trainjobs"))
    assert header == ["NAME", "STATE", "NODES", "RUNTIME", "AGE"]
    assert bert[:4] == ["bert", "Failed", "3", "torch-distributed"]
    assert mnist[:4] == ["mnist", "Complete", "2", "torch-distributed"]


def test_wide_table_has_exit_codes(jobs):
    header, bert, mnist = rows(jobs.ok("get", "tj", "-o", "wide"))
    assert header[5:] == ["REASON", "EXIT", "DURATION", "BACKEND", "RUN"]
    assert bert[5:] == ["FailedJobs", "7", "90s", "process", "1"]
    assert mnist[5:7] == ["AllJobsCompleted", "0"]


@pytest.mark.parametrize("word", ["trainjobs", "trainjob", "tj", "TJ", "trainjobs.trainer.kubeflow.org"])
def test_every_word_for_a_kind(jobs, word):
    assert jobs.ok("get", word, "-o", "name") == (
        "trainjob.trainer.kubeflow.org/bert\ntrainjob.trainer.kubeflow.org/mnist\n"
    )


def test_names_in_both_forms(jobs):
    both = "trainjob.trainer.kubeflow.org/mnist\ntrainjob.trainer.kubeflow.org/bert\n"
    assert jobs.ok("get", "tj", "mnist", "bert", "-o", "name") == both
    assert jobs.ok("get", "tj/mnist", "trainjob/bert", "-o", "name") == both


def test_namespaces(jobs):
    assert rows(jobs.ok("get", "tj", "-n", "nlp"))[1][0] == "other"
    assert [row[:2] for row in rows(jobs.ok("get", "tj", "-A"))] == [
        ["NAMESPACE", "NAME"], ["default", "bert"], ["default", "mnist"], ["nlp", "other"],
    ]  # fmt: skip


def test_several_kinds_are_tables_with_kinds_before_names(jobs):
    text = jobs.ok("get", "all")
    tables = text.split("\n\n")
    assert [row[0] for row in rows(tables[0])] == ["NAME", "trainjob/bert", "trainjob/mnist"]
    assert [row[0] for row in rows(tables[1])] == ["NAME", "pod/bert-node-0-0-a", "pod/bert-node-0-1-a"]


@pytest.mark.parametrize(
    ("selector", "names"), [("team=a", ["mnist"]), ("!team", ["bert"]), ("team notin (a)", ["bert"])]
)
def test_selectors(jobs, selector, names):
    assert jobs.ok("get", "tj", "-l", selector, "-o", "jsonpath={.items[*].metadata.name}").split() == names


def test_objects_in_other_formats(jobs):
    single = json.loads(jobs.ok("get", "tj", "mnist", "-o", "json"))
    assert (single["kind"], single["metadata"]["name"]) == ("TrainJob", "mnist")
    assert json.loads(jobs.ok("get", "tj", "-o", "json"))["kind"] == "List"
    assert "kind: List\n" in jobs.ok("get", "tj", "-o", "yaml")
    assert jobs.ok("get", "tj", "mnist", "-o", "jsonpath={.status.conditions[-1:].type}") == "Complete"
    columns = jobs.ok("get", "tj", "--sort-by", ".metadata.uid", "-o", "custom-columns=N:.metadata.name")
    assert columns == "N\nbert\nmnist\n"


def test_order_and_header(jobs):
    assert [row[0] for row in rows(jobs.ok("get", "tj", "--sort-by=.status.conditions[0].type", "--no-headers"))] == [
        "mnist", "bert",
    ]  # fmt: skip


def test_events_are_a_kind(jobs):
    jobs.store.record([event(trainjob("mnist"), "Created", "made it")])
    assert "Created   trainjob/mnist   made it" in jobs.ok("get", "events")


def test_nothing_is_no_error(home):
    done = home("get", "tj")
    assert (done.code, done.out, done.err) == (0, "", "No resources found in default namespace.\n")
    assert home("get", "tj", "-A").err == "No resources found\n"
    assert home("get", "tr").err == "No resources found in default namespace.\n"
    assert json.loads(home("get", "tj", "-o", "json").out)["items"] == []


def test_without_a_store_nothing_is_made(tmp_path, monkeypatch, capfd):
    from kfrun.cli import main

    monkeypatch.setenv("KFRUN_HOME", str(tmp_path / "none"))
    assert main.run(["get", "tj"]) == 0
    assert not (tmp_path / "none").exists()
    assert "No resources" in capfd.readouterr().err


def test_missing_names_are_told_after_what_was_found(jobs):
    done = jobs("get", "tj", "mnist", "brt", "zzz", "-o", "name")
    assert (done.code, done.out) == (1, "trainjob.trainer.kubeflow.org/mnist\n")
    assert 'error: trainjob "brt" not found in namespace "default"\nhint: did you mean bert?\n' in done.err
    assert 'error: trainjob "zzz" not found' in done.err
    done = jobs("get", "tj", "zzz", "--ignore-not-found")
    assert (done.code, done.out, done.err) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trainjbs"], 'no resource type "trainjbs"\nhint: did you mean "trainjobs"?'),
        (["tj/a", "b"], '"b" has no type'),
        (["tj", "mnist", "-A"], "--all-namespaces do not go together"),
        (["tj", "-o", "jsn"], 'did you mean "json"?'),
        (["tj", "-o", "jsonpath={.a"], "unclosed action, at column 1"),
        (["tj", "-l", "a in b"], "no label selector"),
    ],
)
def test_wrong_command_lines(home, arguments, message):
    done = home("get", *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_targets():
    assert kinds.parse(["jobs,pods"]) == [(("Job", "Pod"), None)]
    assert kinds.parse(["runtimes", "x"]) == [(("ClusterTrainingRuntime", "TrainingRuntime"), "x")]
    with pytest.raises(UsageProblem):
        kinds.parse(["nothing/x"])


def start(home, *arguments):
    environ = {**os.environ, "KFRUN_HOME": str(home.path)}
    return subprocess.Popen(
        [sys.executable, "-m", "kfrun", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ
    )


def read_until(process, wanted, seen=b""):
    os.set_blocking(process.stdout.fileno(), False)
    text = bytearray(seen)

    def look():
        text.extend(process.stdout.read() or b"")
        return wanted in text

    eventually(look, what=f"{wanted!r} on stdout")
    return bytes(text)


def test_watch_prints_changes_and_detaches(jobs):
    process = start(jobs, "get", "tj", "-w", "--output-watch-events")
    text = read_until(process, b"mnist")
    jobs.store.create(trainjob("new"))
    text = read_until(process, b"new", text)
    jobs.store.update(trainjob("new", COMPLETE))
    text = read_until(process, b"MODIFIED", text)
    jobs.store.delete("TrainJob", "default", "new")
    text = read_until(process, b"DELETED", text)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"goes on" in err
    assert b"Traceback" not in err
    table = [line.split()[:3] for line in text.decode().splitlines()]
    assert table == [
        ["EVENT", "NAME", "STATE"],
        ["ADDED", "bert", "Failed"],
        ["ADDED", "mnist", "Complete"],
        ["ADDED", "new", "Pending"],
        ["MODIFIED", "new", "Complete"],
        ["DELETED", "new", "Deleted"],
    ]


def test_watch_in_json_writes_objects(jobs):
    process = start(jobs, "get", "tj", "mnist", "-w", "-o", "json")
    text = read_until(process, b"}\n")
    assert json.loads(text)["metadata"]["name"] == "mnist"
    process.terminate()
    process.communicate(timeout=20)


def test_a_thousand_jobs_are_listed(home):
    with home.store.writing():
        for number in range(1000):
            job = trainjob(f"job-{number:04d}", COMPLETE, spec={"trainer": {"args": ["x" * 1000]}})
            add(home.store, job, home.folder, runtime=json.dumps({"spec": {"mlPolicy": {"numNodes": 2}}}))
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    command = [sys.executable, "-m", "kfrun", "get", "tj"]
    done = subprocess.run(command, capture_output=True, env={**environ, "KFRUN_HOME": str(home.path)}, check=True)
    assert done.stdout.count(b"\n") == 1001


def test_names_are_completed(jobs, monkeypatch):
    def complete(line):
        monkeypatch.setenv("_KFRUN_COMPLETE", line)
        return [item.split("\t")[1] for item in jobs().out.splitlines() if item]

    assert complete("kfrun logs m") == ["mnist"]
    assert complete("kfrun get trainj") == ["trainjobs"]
    assert complete("kfrun get tj b") == ["bert"]
    assert complete("kfrun wait -n nlp o") == ["other"]


CORE = """
{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: "1", b: "2"}, binaryData: {d: AA==}}
---
{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: aHVudGVyMg==}, stringData: {a: hunter2}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: p}
spec: {accessModes: [ReadWriteOnce, ReadOnlyMany], resources: {requests: {storage: 2Gi}}}
"""


@pytest.fixture
def core(home):
    """A home with a ConfigMap, a Secret and a claim."""
    home.path.parent.joinpath("core.yaml").write_text(CORE)
    home.ok("apply", "-q", "-f", "core.yaml")
    return home


def test_config_maps_secrets_and_claims_are_listed_and_described(core):
    found = [rows(core.ok("get", *words, "--no-headers"))[0][:-1] for words in (["cm"], ["secret/s"], ["pvc", "p"])]
    assert found == [["c", "3"], ["s", "Opaque", "1"], ["p", "Bound", "2Gi", "RWO,ROX"]]
    assert "a: 1\n" in core.ok("describe", "cm", "c")
    assert "storage: 2Gi\n" in core.ok("describe", "pvc/p")
    assert 'configmap "other" not found' in core("get", "cm", "other").err


@pytest.mark.parametrize(
    "words", [["-o", "yaml"], ["-o", "json"], ["-o", "jsonpath={..a}"], ["-o", "custom-columns=A:.data.a"]]
)
def test_what_a_secret_holds_is_printed_only_where_that_was_asked_for(core, words):
    done = core("get", "secret", "s", *words)
    assert ("(sensitive)" in done.out, "aHVudGVyMg" in done.out, "hunter2" in done.out) == (True, False, False)
    assert "--show-secrets prints it" in done.err
    shown = core("get", "secret", "s", *words, "--show-secrets")
    assert ("aHVudGVyMg==" in shown.out, shown.err) == (True, "")


def test_what_secrets_hold_is_not_described(core):
    assert "hunter2" not in (found := core.ok("describe", "secret", "s"))
    assert "aHVudGVyMg" not in found
