"""Probes, hooks and deadlines of pods as a user meets them: real jobs, from the manifest to the events."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from kfrun import host
from tests.conftest import eventually
from tests.execute.test_misfortune import kill_supervisor

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Kfrun

SERVER = """
import http.server, sys
class Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        print(self.path, self.headers["X-Who"], flush=True)
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Site)
for _ in range(2): server.handle_request()
"""


def job(kfrun: Kfrun, *containers: dict[str, Any], pod: dict[str, Any] | None = None, **spec: Any) -> Path:
    """A manifest of a job of one node."""
    template = {"terminationGracePeriodSeconds": 1, "containers": list(containers), **(pod or {})}
    labels = {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}
    group = {
        "name": "node",
        "template": {"metadata": {"labels": labels}, "spec": {**spec, "template": {"spec": template}}},
    }
    runtime = {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainingRuntime",
        "metadata": {"name": "rt"},
        "spec": {"template": {"spec": {"replicatedJobs": [group]}}},
    }
    trainjob = {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": "job"},
        "spec": {"runtimeRef": {"kind": "TrainingRuntime", "name": "rt"}},
    }
    return kfrun.write("job.yaml", yaml.safe_dump_all([runtime, trainjob], sort_keys=False))


def node(script: str, **fields: Any) -> dict[str, Any]:
    return {"name": "node", "image": "docker.io/kf/base:1", "command": ["sh", "-c", script], **fields}


def shell(script: str) -> dict[str, Any]:
    return {"exec": {"command": ["sh", "-c", script]}}


def events(kfrun: Kfrun) -> dict[str, list[str]]:
    """The messages of a job's events by their reasons."""
    found: dict[str, list[str]] = {}
    with kfrun.store() as store:
        for _, event in store.events():
            found.setdefault(event.reason, []).append(event.message)
    return found


def pod(kfrun: Kfrun) -> dict[str, Any]:
    (found,) = json.loads(kfrun.ok("get", "pods", "-o", "json"))["items"]
    assert isinstance(found, dict)
    return found


def container(kfrun: Kfrun) -> dict[str, Any]:
    found: dict[str, Any] = pod(kfrun)["status"]["containerStatuses"][0]
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number: int = server.getsockname()[1]
        return number


def test_an_unwell_container_is_restarted_and_both_attempts_are_kept(kfrun: Kfrun) -> None:
    script = "echo attempt; test -e again && exit 0; touch again; trap 'exit 0' TERM; while :; do sleep 0.05; done"
    probe = {**shell("echo not well; test $(cat nr) = x"), "periodSeconds": 1, "failureThreshold": 1}
    done = kfrun("run", "-q", "-f", job(kfrun, node(script, livenessProbe=probe), backoffLimit=3))
    assert (done.returncode, done.stdout) == (0, "attempt\nattempt\n")
    told = events(kfrun)
    assert told["Unhealthy"][0].startswith("Liveness probe failed: not well\ncat: nr: No such file")
    assert told["Killing"] == ["Container node failed liveness probe, will be restarted"]
    found = container(kfrun)
    assert (found["restartCount"], found["state"]["terminated"]["exitCode"]) == (1, 0)
    assert found["lastState"]["terminated"]["exitCode"] == 0
    assert kfrun.ok("logs", "job", "--previous") == "attempt\n"


def test_without_restarts_the_job_fails_with_the_code_of_the_unwell(kfrun: Kfrun) -> None:
    script = "echo not; echo; echo at all; exit 1"
    probe = {**shell(script), "periodSeconds": 1, "failureThreshold": 1, "terminationGracePeriodSeconds": 60}
    it = node("trap 'exit 9' TERM; while :; do sleep 0.05; done", livenessProbe=probe)
    done = kfrun("run", "-q", "-f", job(kfrun, it, pod={"restartPolicy": "Never"}, backoffLimit=0))
    assert done.returncode == 9, done.stderr
    assert done.stderr.endswith(": node-0 failed with exit code 9: liveness probe failed: not … at all\n")
    assert events(kfrun)["Killing"] == ["Stopping container node"]


def test_readiness_over_http_with_a_named_port_and_headers(kfrun: Kfrun) -> None:
    port = free_port()
    get = {"path": "ready?a=b", "port": "web", "httpHeaders": [{"name": "X-Who", "value": "me"}]}
    it = {
        "name": "node",
        "image": "docker.io/kf/base:1",
        "command": [sys.executable, "-c", SERVER, str(port)],
        "ports": [{"name": "web", "containerPort": port}],
        "readinessProbe": {"httpGet": get, "periodSeconds": 1},
    }
    kfrun.ok("apply", "-q", "-f", job(kfrun, it))
    eventually(lambda: container(kfrun)["ready"])
    assert container(kfrun)["started"] is True
    kfrun.ok("wait", "job", "--for=condition=Complete", "--timeout=20s")
    assert kfrun.ok("logs", "job") == "/ready?a=b me\n" * 2


def test_a_startup_probe_holds_the_others_back_and_restarts_what_does_not_come_up(kfrun: Kfrun) -> None:
    script = "test -e again && touch up; touch again; sleep 2"
    startup = {**shell("test -e up"), "periodSeconds": 1, "failureThreshold": 2}
    liveness = {**shell("test -e up || touch asked-too-early"), "periodSeconds": 1}
    it = node(script, startupProbe=startup, livenessProbe=liveness)
    assert kfrun("run", "-q", "-f", job(kfrun, it, backoffLimit=3)).returncode == 0
    assert events(kfrun)["Killing"] == ["Container node failed startup probe, will be restarted"]
    assert not (kfrun.folder / "asked-too-early").exists()


def test_what_a_probe_starts_and_what_never_answers_is_gone_after_its_timeout(kfrun: Kfrun) -> None:
    probe = {**shell("setsid sleep 71 & sleep 72 & sleep 73"), "periodSeconds": 1, "failureThreshold": 9}
    kfrun.ok("apply", "-q", "-f", job(kfrun, node("sleep 60", livenessProbe=probe)))
    eventually(lambda: len(events(kfrun).get("Unhealthy", ())) > 0)
    (message,) = events(kfrun)["Unhealthy"]
    assert message.startswith('Liveness probe failed: command timed out: "sh -c setsid sleep 71')
    assert message.endswith("timed out after 1s")
    kfrun.ok("delete", "trainjob", "job")
    assert [line for _, line in kfrun.processes() if "sleep 7" in line] == []


def test_hooks_run_around_the_program_with_what_it_was_given(kfrun: Kfrun) -> None:
    hooks = {
        "postStart": shell("sleep 0.3; echo $WHO started >> told; sleep 74 & echo $! > helper"),
        "preStop": shell("echo stopping >> told"),
    }
    script = "trap 'echo TERM >> told; exit 0' TERM; while :; do sleep 0.05; done"
    it = node(script, lifecycle=hooks, env=[{"name": "WHO", "value": "node"}])
    kfrun.ok("apply", "-q", "-f", job(kfrun, it, pod={"terminationGracePeriodSeconds": 10}))
    eventually(lambda: pod(kfrun)["status"]["phase"] == "Running")
    told = kfrun.folder / "told"
    assert told.read_text() == "node started\n", "it counts as running when its hook has ended"
    helper = int((kfrun.folder / "helper").read_text())
    assert host.start_time(helper) is not None, "what the hook started serves the container"
    kfrun.ok("delete", "trainjob", "job")
    assert told.read_text() == "node started\nstopping\nTERM\n"
    assert host.start_time(helper) is None


def test_sigterm_still_comes_when_the_pre_stop_hook_takes_too_long(kfrun: Kfrun) -> None:
    it = node(
        "trap 'echo TERM > told; exit 0' TERM; while :; do sleep 0.05; done", lifecycle={"preStop": shell("sleep 75")}
    )
    kfrun.ok("apply", "-q", "-f", job(kfrun, it))
    eventually(lambda: pod(kfrun)["status"]["phase"] == "Running")
    began = time.monotonic()
    kfrun.ok("delete", "trainjob", "job")
    assert 1 <= time.monotonic() - began < 10
    assert (kfrun.folder / "told").read_text() == "TERM\n"
    assert [line for _, line in kfrun.processes() if "sleep 75" in line] == []


def test_a_post_start_hook_that_fails_fails_the_job(kfrun: Kfrun) -> None:
    hook = shell("printf 'no \\033[2Jway\\n'; echo --token=hf_secret; exit 3")
    done = kfrun("run", "-q", "-f", job(kfrun, node("sleep 60", lifecycle={"postStart": hook})))
    assert done.returncode == 143
    told, output = events(kfrun), "no \033[2Jway\n--token=(sensitive)\n"
    assert told["FailedPostStartHook"][0].endswith(f"exit 3' exited with 3: {output}")
    assert told["FailedPostStartHook"][0].startswith("PostStartHook failed: command 'sh -c printf")
    assert told["Killing"] == ["FailedPostStartHook"]
    *_, event, end = done.stderr.splitlines()
    assert event.endswith(" exited with 3: no \\x1b[2Jway")
    assert ": node-0 failed with exit code 143: postStart hook failed: command 'sh -c " in end
    assert end.endswith(" exited with 3: no \\x1b[2Jway … --token=(sensitive)")
    assert "hf_secret" not in "".join(kfrun.ok(*words) for words in (("describe", "tj/job"), ("get", "events")))


def test_a_pod_that_is_active_for_too_long_fails(kfrun: Kfrun) -> None:
    it = job(kfrun, node("trap 'exit 0' TERM; while :; do sleep 0.05; done"), pod={"activeDeadlineSeconds": 1})
    done = kfrun("run", "-q", "-f", it)
    assert (done.returncode, kfrun("wait", "job").returncode) == (1, 1)
    assert done.stderr.endswith(": node-0 was active longer than its pod's activeDeadlineSeconds of 1 s\n")
    status = pod(kfrun)["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")
    assert status["message"] == "Pod was active on the node longer than the specified deadline"
    assert "DeadlineExceeded" in kfrun.ok("describe", "pod", pod(kfrun)["metadata"]["name"])


def test_a_job_that_waits_is_pending_and_says_for_what_and_then_it_runs(kfrun: Kfrun) -> None:
    it = node("sleep 60", envFrom=[{"configMapRef": {"name": "later"}}])
    kfrun.ok("apply", "-q", "-f", job(kfrun, it))
    eventually(lambda: events(kfrun).get("Failed"))
    assert kfrun.ok("get", "tj", "-o", "wide", "--no-headers").split()[1::4][:2] == [
        "Pending",
        "CreateContainerConfigError",
    ]
    assert 'Waits For:     CreateContainerConfigError: configmap "later" not found' in kfrun.ok("describe", "tj/job")
    late = kfrun("wait", "job", "--timeout=0.1s")
    assert late.returncode == 124
    assert 'it is Pending, CreateContainerConfigError: configmap "later" not found' in late.stderr
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "later"}, "data": {"A": "1"}}
    kfrun.ok("apply", "-q", "-f", kfrun.write("later.yaml", yaml.safe_dump(config)))
    eventually(lambda: kfrun.ok("get", "tj", "--no-headers").split()[1] == "Running")
    assert "Waits For" not in kfrun.ok("describe", "tj/job")


def test_the_code_of_what_a_deadline_stopped_is_not_that_of_the_job(kfrun: Kfrun) -> None:
    done = kfrun("run", "-q", "-f", job(kfrun, node("exec sleep 60"), pod={"activeDeadlineSeconds": 1}))
    assert (done.returncode, container(kfrun)["state"]["terminated"]["exitCode"]) == (1, 143)


def test_probes_go_on_when_the_supervisor_was_killed(kfrun: Kfrun) -> None:
    probe = {**shell("test -e ok"), "periodSeconds": 1, "failureThreshold": 1}
    kfrun.ok("apply", "-q", "-f", job(kfrun, node("sleep 60", readinessProbe=probe)))
    eventually(lambda: events(kfrun).get("Unhealthy"))
    kill_supervisor(kfrun)
    (kfrun.folder / "ok").touch()
    kfrun.ok("get", "trainjobs")
    eventually(lambda: container(kfrun)["ready"])
    assert container(kfrun)["restartCount"] == 0


def test_probes_and_hooks_know_after_a_takeover_what_the_container_was_started_with(kfrun: Kfrun) -> None:
    """Whatever became of the objects that its variables and volumes came from."""
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"LEVEL": "high"}}
    asks = shell('test -e ok && test "$LEVEL" = high && test "$(cat /c/LEVEL)" = high')
    it = node(
        "trap 'exit 0' TERM; while :; do sleep 0.05; done",
        envFrom=[{"configMapRef": {"name": "c"}}],
        readinessProbe={**asks, "periodSeconds": 1},
        lifecycle={"preStop": shell('echo "$LEVEL" > told')},
        volumeMounts=[{"name": "c", "mountPath": "/c"}],
    )
    pods = {"volumes": [{"name": "c", "configMap": {"name": "c"}}], "terminationGracePeriodSeconds": 20}
    kfrun.ok("apply", "-q", "-f", kfrun.write("config.yaml", yaml.safe_dump(config)))
    kfrun.ok("apply", "-q", "-f", job(kfrun, it, pod=pods))
    eventually(lambda: events(kfrun).get("Unhealthy"))
    kill_supervisor(kfrun)
    kfrun.ok("delete", "configmap", "c")
    (kfrun.folder / "ok").touch()
    kfrun.ok("get", "trainjobs")
    eventually(lambda: container(kfrun)["ready"])
    kfrun.ok("delete", "trainjob", "job")
    assert (kfrun.folder / "told").read_text() == "high\n"


def test_a_hook_whose_supervisor_was_killed_runs_once_more_before_sigterm(kfrun: Kfrun) -> None:
    hooks = {"preStop": shell("echo stopping >> told; sleep 1")}
    script = "trap 'echo TERM >> told; exit 0' TERM; while :; do sleep 0.05; done"
    kfrun.ok("apply", "-q", "-f", job(kfrun, node(script, lifecycle=hooks), pod={"terminationGracePeriodSeconds": 20}))
    eventually(lambda: pod(kfrun)["status"]["phase"] == "Running")
    kfrun.ok("suspend", "job")
    told = kfrun.folder / "told"
    eventually(told.exists)
    kill_supervisor(kfrun)
    eventually(lambda: kfrun.ok("get", "trainjobs") and told.read_text().endswith("TERM\n"))
    assert told.read_text() == "stopping\nstopping\nTERM\n"


def test_a_job_without_any_has_nothing_of_them_loaded(kfrun: Kfrun) -> None:
    program = (
        "import sys; from kfrun.execute.local import supervisor, runtimes; runtimes.load();"
        "print(sorted(name[28:] for name in sys.modules if name.startswith('kfrun.execute.local.kubelet.')))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert loaded == "['handlers', 'messages']\n"


VOLUME = {"volumeMounts": [{"name": "v", "mountPath": "/mounted"}]}, {"volumes": [{"name": "v", "emptyDir": {}}]}


@pytest.mark.parametrize("kind", ["livenessProbe", "postStart"])
@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("no-such-program", "executable file not found in $PATH; help: no folder of PATH has it: install it, or write"),
        ("./plain", "no such executable file; help: it is not executable: chmod +x ./plain"),
        ("./script", "No such file or directory; help: its first line asks for /no/such/interpreter, which is not"),
    ],
)
def test_a_program_that_cannot_be_started_is_told_alike_with_volumes_and_without(
    kfrun: Kfrun, kind: str, word: str, said: str
) -> None:
    kfrun.write("plain", "nothing to execute").chmod(0o644)
    kfrun.write("script", "#!/no/such/interpreter\n").chmod(0o755)
    asks = {"exec": {"command": [word]}}
    fields = {kind: {**asks, "periodSeconds": 1}} if kind == "livenessProbe" else {"lifecycle": {kind: asks}}
    reason, start = {
        "livenessProbe": ("Unhealthy", "Liveness probe errored and resulted in unknown state"),
        "postStart": ("FailedPostStartHook", "PostStartHook failed"),
    }[kind]
    told = []
    for mounts, volumes in (({}, {}), VOLUME):
        script = f"test -d /mounted {'||' if mounts else '&&'} exit 5; trap 'exit 0' TERM; while :; do sleep 0.05; done"
        kfrun.ok("apply", "-q", "-f", job(kfrun, node(script, **fields, **mounts), pod=volumes))
        told.append(eventually(lambda: events(kfrun).get(reason)))
        kfrun.ok("delete", "trainjob", "job", "--now")
    assert told[0] == told[1]
    assert str(told[0]).startswith(f"""['{start}: exec: "{word}": {said}""")
