"""``kfrun run``, ``apply``, ``suspend``, ``resume`` and ``delete`` as a user meets them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import eventually, manifest

if TYPE_CHECKING:
    from tests.conftest import Kfrun


def conditions(kfrun: Kfrun, name: str) -> list[tuple[str, str, str]]:
    found = json.loads(kfrun.ok("get", "trainjob", name, "-o", "json"))["status"].get("conditions", [])
    return [(item["type"], item["status"], item["reason"]) for item in found]


def test_run_shows_the_plan_streams_the_logs_and_tells_the_end(kfrun: Kfrun) -> None:
    done = kfrun("run", "-f", kfrun.job("hello", "echo hello from $JOB_COMPLETION_INDEX", nodes=2))
    assert done.returncode == 0
    assert sorted(done.stdout.splitlines()) == ["[node-0] hello from 0", "[node-1] hello from 1"]
    assert "+ trainjob.trainer.kubeflow.org/hello" in done.stderr
    assert "hello: Complete after" in done.stderr


def test_run_ends_with_the_code_of_the_node_that_failed_first(kfrun: Kfrun) -> None:
    script = (
        "if [ $JOB_COMPLETION_INDEX = 1 ]; then sleep 0.2; exit 7; fi; trap 'exit 9' TERM; while :; do sleep 0.05; done"
    )
    done = kfrun("run", "-q", "-f", kfrun.job("job", script, nodes=2))
    assert done.returncode == 7
    assert "node-1 failed with exit code 7" in done.stderr


def test_run_replaces_a_finished_job_and_keeps_its_log_for_previous(kfrun: Kfrun) -> None:
    path = kfrun.job("job", "n=$(cat n 2>/dev/null || echo 0); n=$((n+1)); echo $n > n; echo run $n")
    uids = []
    for number in (1, 2, 3):
        assert kfrun("run", "-q", "-f", path).stdout == f"run {number}\n"
        uids.append(json.loads(kfrun.ok("get", "trainjob", "job", "-o", "json"))["metadata"]["uid"])
    assert len(set(uids)) == 3
    assert kfrun.ok("logs", "job") == "run 3\n"
    assert kfrun.ok("logs", "--previous", "job") == "run 2\n"
    assert len(list(kfrun.home.rglob("job.json"))) == 3


@pytest.mark.parametrize("others", [(), ("sitecustomize",)])
def test_the_callers_python_path_reaches_nothing_and_that_of_the_manifest_the_job(
    kfrun: Kfrun, others: tuple[str, ...]
) -> None:
    for folder, names in (("callers", ("sqlite3", "json", "yaml", "jinja2", *others)), ("own", ("ours",))):
        (kfrun.folder / folder).mkdir()
        for name in names:
            text = "TEXT = 'of the job'" if folder == "own" else "raise ImportError('of another Python')"
            (kfrun.folder / folder / f"{name}.py").write_text(text)
    script = "import json, os, sqlite3, sys, ours; print(ours.TEXT, os.environ['PYTHONPATH'])"
    text = manifest("job", [sys.executable, "-c", script]).replace(
        "containers:\n                - name: node\n",
        "containers:\n                - name: node\n                  env: [{name: PYTHONPATH, value: own}]\n",
    )
    path = kfrun.write("job.yaml", text)
    done = kfrun("run", "-q", "-f", path, PYTHONPATH=str(kfrun.folder / "callers"))
    assert (done.returncode, done.stdout) == (0, "of the job own\n"), done.stderr
    # whatever wakes or revives supervisors later does so under the same conditions
    for verb in (("get", "trainjobs"), ("describe", "job"), ("logs", "job"), ("delete", "job")):
        kfrun.ok(*verb, PYTHONPATH=str(kfrun.folder / "callers"))


def test_run_refuses_a_running_job_and_names_the_ways_out(kfrun: Kfrun) -> None:
    path = kfrun.job("job", "sleep 60")
    kfrun.ok("apply", "-q", "-f", path)
    done = kfrun("run", "-q", "-f", path)
    assert done.returncode == 1
    assert "kfrun logs -f job" in done.stderr
    assert "kfrun stop job ends it" in done.stderr


@pytest.mark.parametrize(("verb", "lines"), [("run -q", 1), ("apply -q --follow", 3)])
def test_when_the_reader_of_the_output_goes_away_it_is_said_that_the_job_goes_on(
    kfrun: Kfrun, verb: str, lines: int
) -> None:
    path = kfrun.job("job", "echo one; until test -e go; do echo more; sleep 0.1; done; echo last")
    line = f"{sys.executable} -m kfrun {verb} -f {path} 2>said | head -{lines}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], cwd=kfrun.folder, env=kfrun.env, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (141, [b"one"])
    said = (kfrun.folder / "said").read_text().splitlines()
    assert [one for one in said if "job goes on" in one] == said[-1:]
    assert "kfrun logs -f job shows it, kfrun stop job stops it" in said[-1]
    kfrun.write("go", "")
    kfrun.ok("wait", "job")
    assert kfrun.ok("logs", "job").endswith("last\n")


def test_when_both_outputs_have_no_reader_nothing_is_said(kfrun: Kfrun) -> None:
    path = kfrun.job("job", "echo one; until test -e go; do echo more; sleep 0.1; done")
    line = f"{sys.executable} -m kfrun run -q -f {path} 2>&1 | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], cwd=kfrun.folder, env=kfrun.env, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (141, b"")
    kfrun.write("go", "")


def test_run_rm_leaves_nothing(kfrun: Kfrun) -> None:
    assert kfrun("run", "-q", "--rm", "-f", kfrun.job("job", "echo hi")).stdout == "hi\n"
    assert kfrun.ok("get", "all") == ""
    assert not list(kfrun.home.rglob("job.json"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_of_run_stops_the_job_gracefully(kfrun: Kfrun, number: signal.Signals, code: int) -> None:
    process = kfrun.start(
        "run", "-f", kfrun.job("job", "trap 'echo saved; exit 0' TERM; echo up; while :; do sleep 0.05; done")
    )
    eventually(lambda: kfrun("logs", "job").stdout == "up\n")
    process.send_signal(number)
    out, error = process.communicate(timeout=20)
    assert process.returncode == code, error
    assert out == b"up\nsaved\n"
    assert b"Traceback" not in error
    assert conditions(kfrun, "job") == [("Failed", "True", "Cancelled")]


def test_a_second_interrupt_kills_at_once(kfrun: Kfrun) -> None:
    text = manifest("job", ["sh", "-c", "trap 'echo no' TERM; echo up; while :; do sleep 0.05; done"], grace=60)
    process = kfrun.start("run", "-f", kfrun.write("job.yaml", text))
    eventually(lambda: kfrun("logs", "job").stdout == "up\n")
    process.send_signal(signal.SIGINT)
    eventually(lambda: "no" in kfrun("logs", "job").stdout)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=20)
    assert process.returncode == 130, error


@pytest.mark.parametrize("gap", [0.0, 0.001, 0.003, 0.01])
def test_however_fast_the_interrupts_come_the_job_is_stopped(kfrun: Kfrun, gap: float) -> None:
    text = manifest("job", ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"], grace=3)
    process = kfrun.start("run", "-q", "-f", kfrun.write("job.yaml", text))
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    for _ in range(4):
        process.send_signal(signal.SIGINT)
        time.sleep(gap)
    _, error = process.communicate(timeout=20)
    assert process.returncode == 130, error
    assert b"Traceback" not in error
    assert conditions(kfrun, "job") == [("Failed", "True", "Cancelled")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_between_starting_and_following_stops_the_job_too(kfrun: Kfrun, number: signal.Signals) -> None:
    process = kfrun.start("run", "-q", "-f", kfrun.job("job", "touch ran; exec sleep 60"))
    eventually((kfrun.folder / "ran").exists)
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert conditions(kfrun, "job") == [("Failed", "True", "Cancelled")]


@pytest.mark.parametrize("closed", [">&-", "<&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("verb", ["run", "apply"])
def test_closed_streams_are_no_trouble(kfrun: Kfrun, verb: str, closed: str) -> None:
    command = f'exec "$@" {closed}'
    path = kfrun.job("job", "echo hi")
    done = subprocess.run(
        ["sh", "-c", command, "sh", sys.executable, "-m", "kfrun", verb, "-q", "-f", str(path)],
        env=kfrun.env,
        cwd=kfrun.folder,
        capture_output=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr.replace(b"job: Complete", b"").count(b"error")) == (0, 0), done.stderr
    assert kfrun("wait", "job").returncode == 0
    assert kfrun.ok("logs", "job") == "hi\n"


def test_a_finished_job_that_still_stops_is_waited_for_before_it_is_replaced(kfrun: Kfrun) -> None:
    script = "[ -e second ] && exit 0; touch second; trap '' TERM; while :; do sleep 0.05; done"
    text = manifest("job", ["sh", "-c", script], grace=2, spec="  activeDeadlineSeconds: 1")
    path = kfrun.write("job.yaml", text)
    assert kfrun("run", "-q", "-f", path, "--rm").returncode in (0, 1)
    (kfrun.folder / "second").unlink()
    kfrun.ok("apply", "-q", "-f", path)
    assert kfrun("wait", "job").returncode == 1
    done = kfrun("run", "-q", "-f", path)
    assert done.returncode == 0, done.stderr


def test_a_cancellation_does_not_take_a_deletion_back(kfrun: Kfrun) -> None:
    from kfrun.execute.local import requests
    from kfrun.model.source import ObjectKey

    text = manifest("job", ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"], grace=60)
    kfrun.ok("apply", "-q", "-f", kfrun.write("job.yaml", text))
    eventually(lambda: kfrun("logs", "job").stdout == "up\n")
    key = ObjectKey("trainer.kubeflow.org/v1alpha1", "TrainJob", "default", "job")
    with kfrun.store() as store:
        (run,) = store.runs()
        for wish, now, comes_to in (
            ("cancel", False, "cancel"),
            ("delete", False, "delete"),
            ("cancel", False, "delete"),
            ("kill", False, "delete now"),
            ("delete", False, "delete now"),
        ):
            assert requests.request(store, key, wish, now=now)
            found = store.run(run.uid)
            assert found is None or found.request == comes_to
        assert not requests.request(store, key, "cancel", uid="another")
    eventually(lambda: not kfrun.processes(), what="deleted")
    assert kfrun("get", "tj", "job").returncode == 1


@pytest.mark.parametrize(
    ("old", "new", "comes_to"),
    [
        ("cancel", "delete by 5.0", "delete by 5.0"),
        ("delete", "delete by 5.0", "delete by 5.0"),
        ("delete by 5.0", "delete", "delete by 5.0"),
        ("delete by 10.0", "delete by 9.0", "delete by 9.0"),
        ("delete by 9.0", "delete by 10.0", "delete by 9.0"),
        ("delete by 5.0", "kill", "delete now"),
        ("delete now", "delete by 5.0", "delete now"),
    ],
)
def test_of_two_deletions_the_sooner_counts(old: str, new: str, comes_to: str) -> None:
    from kfrun.execute import objects

    assert objects.stronger(old, new) == comes_to


def test_an_apply_that_was_planned_before_a_suspension_does_not_undo_it(
    kfrun: Kfrun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two commands at once: what the first one read is no longer true when it writes."""
    from click.testing import CliRunner

    from kfrun.cli.main import cli
    from kfrun.execute.local import supervisors
    from kfrun.flow import plans

    path = kfrun.job("job", "exec sleep 60")
    kfrun.ok("apply", "-q", "-f", path)
    path.write_text(path.read_text().replace("metadata: {name: job}", "metadata: {name: job, labels: {a: b}}"))
    planned = plans.make

    def slow(*args: Any, **kwargs: Any) -> Any:
        ready = planned(*args, **kwargs)
        kfrun.ok("suspend", "job")
        return ready

    monkeypatch.setattr(plans, "make", slow)
    monkeypatch.setenv("KFRUN_HOME", str(kfrun.home))
    done = CliRunner().invoke(cli, ["apply", "-q", "-f", str(path)])
    supervisors.dismiss()
    assert "changed by another kfrun" in str(done.exception)
    stored = json.loads(kfrun.ok("get", "trainjob", "job", "-o", "json"))
    assert stored["spec"]["suspend"] is True


def test_apply_follow_detaches_on_ctrl_c_and_the_job_goes_on(kfrun: Kfrun) -> None:
    path = kfrun.job("job", "echo up; while [ ! -e go ]; do sleep 0.02; done; echo end")
    process = kfrun.start("apply", "-q", "--follow", "-f", path)
    eventually(lambda: kfrun("logs", "job").stdout == "up\n")
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"kfrun logs -f job" in error
    kfrun.write("go", "")
    assert kfrun("wait", "job").returncode == 0


def test_apply_twice_changes_nothing(kfrun: Kfrun) -> None:
    path = kfrun.job("job", "sleep 60")
    assert "created" in kfrun.ok("apply", "-q", "-f", path)
    before = json.loads(kfrun.ok("get", "trainjob", "job", "-o", "json"))["metadata"]
    assert {line.split()[-1] for line in kfrun.ok("apply", "-q", "-f", path).splitlines()} == {"unchanged"}
    after = json.loads(kfrun.ok("get", "trainjob", "job", "-o", "json"))["metadata"]
    assert (after["uid"], after["generation"]) == (before["uid"], before["generation"])
    assert kfrun("plan", "--detailed-exitcode", "-f", path).returncode == 0


def test_apply_of_a_changed_finished_job_needs_replace(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "--wait", "-f", kfrun.job("job", "echo one"))
    path = kfrun.write("job.yaml", manifest("job", ["sh", "-c", "echo one"], nodes=2))
    done = kfrun("apply", "-q", "-f", path)
    assert done.returncode == 1
    assert "--replace" in done.stderr
    kfrun.ok("apply", "-q", "--replace", "--wait", "-f", path)
    assert kfrun.ok("logs", "--no-prefix", "job") == "one\none\n"


def test_dry_run_changes_nothing(kfrun: Kfrun) -> None:
    done = kfrun("apply", "--dry-run=client", "-f", kfrun.job("job", "touch ran"))
    assert done.returncode == 0
    assert "+ trainjob.trainer.kubeflow.org/job" in done.stderr
    assert not kfrun.home.exists()


def test_suspend_and_resume(kfrun: Kfrun) -> None:
    path = kfrun.job("job", "echo try >> tries; [ $(wc -l < tries) -ge 2 ] && exit 0; sleep 60")
    kfrun.ok("apply", "-q", "-f", path)
    eventually((kfrun.folder / "tries").exists)
    assert kfrun.ok("suspend", "job") == "trainjob.trainer.kubeflow.org/job suspended\n"
    eventually(lambda: conditions(kfrun, "job") == [("Suspended", "True", "Suspended")])
    eventually(lambda: "sleep 60" not in str(kfrun.processes()))
    assert kfrun.ok("suspend", "job").endswith("unchanged\n")
    kfrun.ok("resume", "job")
    assert kfrun("wait", "job").returncode == 0
    assert conditions(kfrun, "job") == [("Suspended", "False", "Resumed"), ("Complete", "True", "AllJobsCompleted")]
    assert kfrun("resume", "job").returncode == 1


def test_delete_stops_removes_and_leaves_nothing(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", "trap 'exit 0' TERM; while :; do sleep 0.02; done", nodes=3))
    eventually(lambda: len(kfrun.processes()) >= 7)
    assert kfrun.ok("delete", "trainjob", "job") == 'trainjob.trainer.kubeflow.org "job" deleted\n'
    assert not kfrun.processes()
    assert not list((kfrun.database.parent / "jobs").rglob("*"))
    assert kfrun.ok("get", "all") + kfrun.ok("events") == ""
    assert kfrun("delete", "tj/job").returncode == 1
    assert kfrun("delete", "--ignore-not-found", "tj", "job").returncode == 0


def test_delete_works_without_a_supervisor(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", "exec sleep 60"))
    eventually(lambda: "sleep 60" in str(kfrun.processes()))
    for pid, command in kfrun.processes():
        parent = int(subprocess.check_output(["ps", "-o", "ppid=", "-p", str(pid)]))
        if "nursery" in command and parent == 1:
            os.kill(pid, signal.SIGKILL)
    kfrun.ok("delete", "--now", "job")
    eventually(lambda: not kfrun.processes(), 2, "nothing is left")


def test_the_deadline_fails_the_job(kfrun: Kfrun) -> None:
    path = kfrun.job("job", "sleep 60", spec="  activeDeadlineSeconds: 1")
    assert kfrun("run", "-q", "-f", path).returncode == 1
    assert conditions(kfrun, "job") == [("Failed", "True", "DeadlineExceeded")]


def test_the_likely_cause_of_a_failed_start_is_told_wherever_the_start_is(kfrun: Kfrun) -> None:
    """What is there when a job is applied may be gone when it starts."""
    script = kfrun.write("lines.sh", "#!/bin/sh\necho started\n")
    script.chmod(0o755)
    kfrun.ok("apply", "-q", "-f", kfrun.job("job", ["./lines.sh"], spec="  suspend: true"))
    script.write_text("#!/bin/sh\r\necho started\r\n")
    kfrun.ok("resume", "job")
    done = kfrun("wait", "job")
    assert done.returncode == 128
    for shown in (kfrun.ok("events", "job"), kfrun.ok("describe", "trainjob", "job")):
        assert 'Error: exec: "./lines.sh": No such file or directory; help: its first line ends with' in shown


def test_several_jobs_are_for_apply(kfrun: Kfrun) -> None:
    path = kfrun.write("two.yaml", manifest("one", ["true"]) + "---\n" + manifest("two", ["true"]))
    done = kfrun("run", "-f", path)
    assert done.returncode == 2
    assert "kfrun apply" in done.stderr
    assert kfrun("apply", "-q", "--wait", "-f", path).returncode == 0


def test_a_job_of_another_controller_is_recorded_and_not_run(kfrun: Kfrun) -> None:
    path = kfrun.job("job", "touch ran", spec="  managedBy: kueue.x-k8s.io/multikueue")
    done = kfrun("run", "-f", path)
    assert done.returncode == 3
    assert "kueue.x-k8s.io/multikueue" in done.stderr
    assert not (kfrun.folder / "ran").exists()
    kfrun.ok("delete", "job")


@pytest.mark.parametrize("name", ["../../x", "a/b", ".", "x" * 64, "UPPER", "a..b", "-a"])
def test_path_tricks_in_names_are_refused(kfrun: Kfrun, name: str) -> None:
    text = manifest("job", ["true"]).replace("metadata: {name: job}", f"metadata: {{name: {json.dumps(name)}}}")
    done = kfrun("apply", "-f", kfrun.write("job.yaml", text))
    assert done.returncode == 1
    assert "job.yaml:" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_failed_installation_shows_the_installers_last_lines(kfrun: Kfrun) -> None:
    text = manifest("job", ["true"]).replace(
        "kind: TrainJob\nmetadata: {name: job}",
        'kind: TrainJob\nmetadata: {name: job, annotations: {kfrun.dev/packages: "no-such-package-of-kfrun==9.9"}}',
    )
    done = kfrun("run", "-q", "-f", kfrun.write("job.yaml", text))
    assert done.returncode == 3
    assert "no-such-package-of-kfrun" in done.stderr
    assert conditions(kfrun, "job") == [("Failed", "True", "EnvironmentFailed")]
    assert "no-such-package-of-kfrun" in kfrun.ok("events", "job")


def test_the_interpreter_of_the_caller_is_used_where_no_package_is_asked_for(kfrun: Kfrun) -> None:
    path = kfrun.job("job", ["python", "-c", "import sys; print(sys.executable)"])
    found = kfrun("run", "-q", "--python", sys.executable, "-f", path).stdout.strip()
    assert os.path.dirname(found) == os.path.dirname(sys.executable)


def test_a_changed_suspended_job_is_resumed_with_the_new_manifest(kfrun: Kfrun) -> None:
    text = manifest("job", ["sh", "-c", "echo nodes: $NODES"], spec="  suspend: true")
    kfrun.ok("apply", "-q", "-f", kfrun.write("job.yaml", text))
    patch = """\
  suspend: false
  runtimePatches:
  - manager: example.com/test
    trainingRuntimeSpec:
      template:
        spec:
          replicatedJobs:
          - name: node
            template: {spec: {template: {spec: {terminationGracePeriodSeconds: 7}}}}
"""
    changed = manifest("job", ["sh", "-c", "echo nodes: $NODES"], spec=patch)
    done = kfrun("apply", "--wait", "-f", kfrun.write("job.yaml", changed))
    assert done.returncode == 0, done.stderr
    pod = json.loads(kfrun.ok("get", "pods", "-o", "json"))["items"][0]
    assert pod["spec"]["terminationGracePeriodSeconds"] == 7
