from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from kfrun.cli import durations
from kfrun.errors import UsageProblem
from tests.conftest import eventually
from tests.observe.runs import START, RunFolder, add, condition, pod, trainjob, write_log

JOB = trainjob("mnist", condition("Complete", "AllJobsCompleted"))
UID = "uid-default-mnist"
JOBSET = {
    "apiVersion": "jobset.x-k8s.io/v1alpha2",
    "kind": "JobSet",
    "metadata": {"name": "mnist", "namespace": "default", "uid": "js"},
    "spec": {"replicatedJobs": [{"name": "node", "replicas": 1, "template": {"spec": {"parallelism": 2}}}]},
}


@pytest.fixture
def run(home):
    """The folder of a run with two nodes."""
    folder = RunFolder(home.run_folder())
    add(home.store, JOB, folder.path, pod(index=0))
    write_log(folder.pod(0), b"a\nc\n", samples=[(0.0, 2), (2.0, 4)])
    write_log(folder.pod(1), b"b\xff\n", samples=[(1.0, 3)])
    return folder


@pytest.mark.parametrize("name", ["mnist", "trainjob/mnist", "tj/mnist"])
def test_all_nodes_are_interleaved(home, run, name):
    assert home("logs", name).raw == b"[node-0] a\n[node-1] b\xff\n[node-0] c\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--node", "1"], b"b\xff\n"),
        (["--node", "node-0", "--tail", "1"], b"c\n"),
        (["--node", "node-0", "--tail=-1"], b"a\nc\n"),
        (["--no-prefix"], b"a\nb\xff\nc\n"),
        (["--node", "1", "--prefix"], b"[node-1] b\xff\n"),
        (["--since", "2027-01-15T08:00:00.5Z"], b"[node-1] b\xff\n[node-0] c\n"),
        (["--since", "2027-01-15T09:00:02+01:00"], b"[node-0] c\n"),
        (["--node", "1", "--timestamps"], b"2027-01-15T08:00:01.000000000Z b\xff\n"),
        (["-c", "node", "--node", "mnist-node-0-1-a"], b"b\xff\n"),
        (["--all-attempts", "--node", "1"], b"b\xff\n"),
    ],
)
def test_options(home, run, arguments, expected):
    done = home("logs", "mnist", *arguments)
    assert (done.code, done.raw) == (0, expected)


def test_pod_narrows_the_output(home, run):
    assert home("logs", "pod/mnist-node-0-0-a").raw == b"a\nc\n"


def test_previous_attempt_and_replaced_run(home, run, tmp_path):
    replaced = RunFolder(tmp_path / "old")
    write_log(replaced.pod(0), b"old\n")
    home.store.change_run(UID, previous=str(replaced.path))
    assert home("logs", "mnist", "-p").raw == b"old\n"
    write_log(run.path / "pods" / "mnist-node-0-0-a", b"again\n", restart=1)
    assert home("logs", "mnist", "--previous").raw == b"a\nc\n"


def test_installer_output(home, run):
    assert home("logs", "mnist", "--environment").code == 1
    (run.path / "environment.log").write_bytes(b"Resolved 3 packages\n")
    assert home("logs", "mnist", "--environment").raw == b"Resolved 3 packages\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["mnits"], 1, "hint: did you mean mnist?"),
        (["mnist", "--node", "9"], 1, "no logs of 9\nhint: there are node-0, node-1"),
        (["mnist", "-p", "-f"], 2, "--previous shows what is over"),
        (["mnist", "-p"], 1, "no previous logs"),
        (["mnist", "--since", "soon"], 2, '--since: "soon" is no duration'),
        (["mnist", "--since", "2027-13-01T00:00:00Z"], 2, "no RFC 3339 time"),
        (["mnist", "--tail", "-2"], 2, "--tail"),
        (["pod/nope"], 1, 'pod "nope" not found'),
        (["ctr/mnist"], 2, '"ctr/mnist" is no TrainJob'),
    ],
)
def test_what_cannot_be_shown_is_told(home, run, arguments, code, message):
    done = home("logs", *arguments)
    assert (done.code, done.out) == (code, "")
    assert message in done.err


def test_job_that_has_not_started(home):
    add(home.store, trainjob("mnist"), home.run_folder(), ended=False)
    done = home("logs", "mnist")
    assert (done.code, done.err) == (
        1,
        "error: no container of mnist has started\nhint: kfrun logs -f mnist waits for it\n",
    )


def test_job_that_runs_elsewhere(home):
    home.store.create(trainjob("mnist"))
    assert "does not run on this machine" in home("logs", "mnist").err


def start(home, *arguments):
    environ = {**os.environ, "KFRUN_HOME": str(home.path)}
    command = [sys.executable, "-m", "kfrun", "logs", "-f", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ)


def read_until(process, wanted):
    os.set_blocking(process.stdout.fileno(), False)
    text = bytearray()

    def look():
        text.extend(process.stdout.read() or b"")
        return wanted in text

    eventually(look, what=f"{wanted!r} on stdout")
    return bytes(text)


@pytest.fixture
def running(home):
    folder = RunFolder(home.run_folder())
    add(home.store, trainjob("mnist"), folder.path, ended=False)
    home.store.create(JOBSET, owner=UID)
    return folder


def test_follow_until_the_run_ends(home, running):
    process = start(home, "mnist")
    path = write_log(running.pod(0), b"one\n")
    # The JobSet wants two nodes: lines are prefixed before the second has begun.
    assert read_until(process, b"one") == b"[node-0] one\n"
    write_log(running.pod(1), b"two\n")
    assert read_until(process, b"two") == b"[node-1] two\n"
    with path.open("ab") as file:
        file.write(b"last")
    home.store.change_run(UID, ended=1)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, b"[node-0] last\n", b"")


def test_follow_ends_when_the_job_is_deleted(home, running):
    write_log(running.pod(0), b"one\n")
    process = start(home, "mnist")
    read_until(process, b"one")
    home.store.forget(UID)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, b"mnist was deleted\n")


def test_ctrl_c_detaches(home, running):
    write_log(running.pod(0), b"one\n")
    process = start(home, "mnist")
    read_until(process, b"one")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"detached: mnist goes on" in err
    assert b"kfrun logs -f mnist" in err
    assert b"kfrun stop mnist" in err
    assert b"Traceback" not in err


def test_reader_that_goes_away_is_no_error(home, running):
    write_log(running.pod(0), b"x\n" * 1_000_000)
    process = start(home, "mnist")
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(timeout=20) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("1.5", 1.5),
        ("30s", 30),
        ("10m", 600),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("200ms", 0.2),
        ("2d", 172800),
    ],
)
def test_durations(text, seconds):
    assert durations.parse_duration(text, "--x") == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "x", "10 m", "m10", "-5s", "1h-3m", "10parsecs"])
def test_wrong_durations(text):
    with pytest.raises(UsageProblem, match="is no duration"):
        durations.parse_duration(text, "--x")


def test_since_a_while_ago():
    assert durations.parse_since("1m", "--since", START) == START - 60
