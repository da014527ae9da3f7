"""Termination messages, users and stop signals of a pod's containers, in real jobs."""

from __future__ import annotations

import os
import pwd
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import eventually
from tests.execute.test_probes_of_jobs import container, events, job, node, pod, shell

if TYPE_CHECKING:
    from tests.conftest import Kfrun

NEVER = {"restartPolicy": "Never"}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may start processes as another user")


@pytest.mark.parametrize("path", ["/dev/termination-log", "/tmp/kfrun-says-why"])
def test_what_a_container_writes_to_its_termination_log_is_its_message(kfrun: Kfrun, path: str) -> None:
    fields = {} if path.startswith("/dev") else {"terminationMessagePath": path}
    it = node(f"echo of no use; echo out of data > {path}; exit 3", **fields)
    assert kfrun("run", "-q", "-f", job(kfrun, it, pod=NEVER)).returncode == 3
    assert container(kfrun)["state"]["terminated"]["message"] == "out of data\n"
    assert "out of data" in kfrun.ok("describe", "trainjob", "job")
    assert not os.path.exists(path), "each container has its own"


def test_messages_are_the_last_4096_bytes_and_those_of_attempts_before_are_kept(kfrun: Kfrun) -> None:
    script = "n=$(cat n || echo 0); echo $((n+1)) > n; printf '%05000d' $n > /dev/termination-log; exit $((1-n))"
    assert kfrun("run", "-q", "-f", job(kfrun, node(script), backoffLimit=3)).returncode == 0
    found = container(kfrun)
    assert found["lastState"]["terminated"]["message"] == "0" * 4096
    assert found["state"]["terminated"]["message"] == "0" * 4095 + "1"


@pytest.mark.parametrize("code", [0, 4])
def test_the_last_lines_of_the_log_may_stand_in_for_the_message_of_a_failure(kfrun: Kfrun, code: int) -> None:
    it = node(f"seq 100; printf 'no \\377 end'; exit {code}", terminationMessagePolicy="FallbackToLogsOnError")
    assert kfrun("run", "-q", "-f", job(kfrun, it, pod=NEVER)).returncode == code
    lines = [str(number) for number in range(22, 101)]
    expected = "\n".join([*lines, "no \ufffd end"]) if code else None
    assert container(kfrun)["state"]["terminated"].get("message") == expected


def test_no_more_of_the_log_than_2048_bytes(kfrun: Kfrun) -> None:
    it = node("printf '%03000d' 7; exit 1", terminationMessagePolicy="FallbackToLogsOnError")
    kfrun("run", "-q", "-f", job(kfrun, it, pod=NEVER))
    assert container(kfrun)["state"]["terminated"]["message"] == "0" * 2047 + "7"


def test_what_cannot_be_read_as_a_message_is_none(kfrun: Kfrun) -> None:
    it = node("exit 1", terminationMessagePath="/dev/zero")
    assert kfrun("run", "-q", "-f", job(kfrun, it, pod=NEVER)).returncode == 1
    assert "message" not in container(kfrun)["state"]["terminated"]


@as_root
def test_a_container_runs_as_the_user_and_in_the_groups_that_it_asks_for(kfrun: Kfrun) -> None:
    path = Path(tempfile.gettempdir(), f"kfrun-test-{os.getpid()}")
    script = (
        f"until test -s {path}; do sleep 0.05; done; id -u; id -g; id -G; echo $HOME; test -w /dev/stdout && echo said"
    )
    hooks = {"postStart": shell(f"id -u > {path}")}
    it = node(script, securityContext={"runAsUser": 1234}, lifecycle=hooks)
    pods = {"securityContext": {"runAsUser": 1, "runAsGroup": 99, "supplementalGroups": [7, 8], "fsGroup": 9}}
    done = kfrun("run", "-q", "-f", job(kfrun, it, pod=pods))
    assert (done.returncode, done.stdout.split("\n")[:-1]) == (0, ["1234", "99", "99 7 8 9", "/", "said"]), done.stderr
    assert (path.read_text(), path.stat().st_uid) == ("1234\n", 1234)
    path.unlink()


@as_root
@pytest.mark.parametrize("volumes", [False, True])
def test_who_runs_as_somebody_else_can_leave_a_message_and_is_not_called_root(kfrun: Kfrun, volumes: bool) -> None:
    script = "echo no data >/dev/termination-log; echo ${USER-nobody} ${LOGNAME-nobody}; exit 3"
    it = node(script, securityContext={"runAsUser": 1234})
    pods = dict(NEVER)
    if volumes:
        it |= {"volumeMounts": [{"name": "v", "mountPath": "/workspace"}]}
        pods |= {"volumes": [{"name": "v", "emptyDir": {}}]}
    done = kfrun("run", "-q", "-f", job(kfrun, it, pod=pods))
    assert (done.returncode, done.stdout) == (3, "nobody nobody\n"), done.stderr
    assert container(kfrun)["state"]["terminated"]["message"] == "no data\n"
    uid = kfrun.ok("get", "tj", "job", "-o", "jsonpath={.metadata.uid}")
    assert not list(Path("/dev/shm").glob(f"*{uid}*"))


@as_root
def test_hooks_of_somebody_else_may_write_to_the_log_of_their_container(kfrun: Kfrun) -> None:
    path = Path(tempfile.gettempdir(), f"kfrun-test-{os.getpid()}")
    hooks = {"postStart": shell(f"echo from the hook > /proc/1/fd/1; touch {path}")}
    it = node(f"until test -e {path}; do sleep 0.05; done; echo of its own", lifecycle=hooks)
    done = kfrun("run", "-q", "-f", job(kfrun, it | {"securityContext": {"runAsUser": 1234}}))
    path.unlink()
    assert (done.returncode, done.stdout) == (0, "from the hook\nof its own\n"), done.stderr
    uid = kfrun.ok("get", "tj", "job", "-o", "jsonpath={.metadata.uid}")
    assert not list(Path("/dev/shm").glob(f"*{uid}*"))
    assert not list(kfrun.home.rglob("*.pipe"))


@as_root
def test_nobody_else_is_told_who_the_caller_is(kfrun: Kfrun) -> None:
    caller = {"USER": "root", "LOGNAME": "root", "XDG_CACHE_HOME": "/root/.cache", "KEPT": "yes"}
    script = "env | grep -E '^(USER|LOGNAME|XDG_|KEPT|HOME=)' | sort"
    it = node(script, securityContext={"runAsUser": 1})
    done = kfrun("run", "-q", "-f", job(kfrun, it), **caller)
    user = pwd.getpwuid(1)
    named = [f"HOME={user.pw_dir}", "KEPT=yes", f"LOGNAME={user.pw_name}", f"USER={user.pw_name}"]
    assert done.stdout.split("\n")[:-1] == named
    own = node("echo $USER", securityContext={"runAsUser": 0})
    assert kfrun("run", "-q", "-f", job(kfrun, own), **caller).stdout == "root\n"


@as_root
def test_who_is_not_known_is_in_the_group_of_root_and_what_it_cannot_start_is_told(kfrun: Kfrun) -> None:
    done = kfrun("run", "-q", "-f", job(kfrun, node("id -g", securityContext={"runAsUser": 1234})))
    assert done.stdout == "0\n"
    secret = kfrun.write("secret.sh", "#!/bin/sh\n")
    secret.chmod(0o700)
    it = {"name": "node", "image": "i", "command": [str(secret)], "securityContext": {"runAsUser": 1234}}
    assert kfrun("run", "-q", "-f", job(kfrun, it, pod=NEVER)).returncode == 128
    assert container(kfrun)["state"]["terminated"]["reason"] == "StartError"


@as_root
@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({}, "container has runAsNonRoot and image will run as root"),
        ({"runAsUser": 0}, "container's runAsUser breaks non-root policy"),
    ],
)
def test_what_must_not_run_as_root_waits_for_somebody_to_mend_it(
    kfrun: Kfrun, context: dict[str, int], message: str
) -> None:
    it = job(kfrun, node("id -u", securityContext=context), pod={"securityContext": {"runAsNonRoot": True}})
    kfrun.ok("apply", "-q", "-f", it)
    eventually(lambda: events(kfrun).get("Failed"))
    found = container(kfrun)["state"]["waiting"]
    name = pod(kfrun)["metadata"]["name"]
    uid = pod(kfrun)["metadata"]["uid"]
    assert found == {
        "reason": "CreateContainerConfigError",
        "message": f'{message} (pod: "{name}_default({uid})", container: node)',
    }
    assert events(kfrun)["Failed"] == [f"Error: {found['message']}"]
    kfrun.ok("delete", "trainjob", "job")


@as_root
def test_somebody_who_is_not_root_may_be_run(kfrun: Kfrun) -> None:
    context = {"runAsNonRoot": True, "runAsUser": 1234}
    assert kfrun("run", "-q", "-f", job(kfrun, node("id -u", securityContext=context))).stdout == "1234\n"


@pytest.mark.parametrize(("name", "number"), [("SIGUSR1", 10), ("SIGRTMIN+3", 37), ("SIGRTMAX-1", 63), ("SIGINT", 2)])
def test_a_container_may_have_a_signal_of_its_own_to_stop(kfrun: Kfrun, name: str, number: int) -> None:
    it = node(
        f"trap 'echo {name} > told; exit 0' {number}; while :; do sleep 0.05; done", lifecycle={"stopSignal": name}
    )
    kfrun.ok("apply", "-q", "-f", job(kfrun, it, pod={"os": {"name": "linux"}, "terminationGracePeriodSeconds": 10}))
    eventually(lambda: pod(kfrun)["status"]["phase"] == "Running")
    kfrun.ok("delete", "trainjob", "job")
    assert (kfrun.folder / "told").read_text() == f"{name}\n"


def test_output_through_the_names_of_the_streams_comes_in_order_and_nothing_is_lost(kfrun: Kfrun) -> None:
    script = "echo 1; echo 2 > /dev/stderr; echo 3 >&2; echo 4 > /dev/stdout; echo 5 >> /proc/self/fd/1; printf 6"
    assert kfrun("run", "-q", "-f", job(kfrun, node(script))).stdout == "1\n2\n3\n4\n5\n6"
    assert kfrun.ok("logs", "job") == "1\n2\n3\n4\n5\n6"
    as_other = node(script, securityContext={"runAsUser": 1234} if os.geteuid() == 0 else {})
    assert kfrun("run", "-q", "-f", job(kfrun, as_other)).stdout == "1\n2\n3\n4\n5\n6"


def test_scripts_may_open_the_streams_as_well(kfrun: Kfrun) -> None:
    kfrun.write("train.sh", "echo 1; echo 2 > /dev/stderr; echo 3")
    it = {"name": "node", "image": "i", "command": ["sh", "-e", "train.sh"]}
    assert kfrun("run", "-q", "-f", job(kfrun, it)).stdout == "1\n2\n3\n"


def test_hooks_write_to_the_log_of_the_main_process(kfrun: Kfrun) -> None:
    hooks = {"preStop": shell("echo stopping > /proc/1/fd/1"), "postStart": shell("echo started >> /proc/1/fd/2")}
    it = node("echo first; trap 'exit 0' TERM; while :; do sleep 0.05; done", lifecycle=hooks)
    kfrun.ok("apply", "-q", "-f", job(kfrun, it, pod={"terminationGracePeriodSeconds": 10}))
    eventually(lambda: pod(kfrun)["status"]["phase"] == "Running")
    kfrun.ok("suspend", "job")
    eventually(lambda: kfrun.ok("logs", "job").splitlines()[-1:] == ["stopping"])
    assert sorted(kfrun.ok("logs", "job").splitlines()) == ["first", "started", "stopping"]


@pytest.mark.parametrize(
    ("script", "code", "reason"),
    [
        ("exit 255", 255, "Error"),
        ("exit 256", 0, "Completed"),
        ("kill -9 $$$$", 137, "Error"),
        ("kill -s USR1 $$$$", 138, "Error"),
        ("no-such-program", 127, "Error"),
        ("/dev/null", 126, "Error"),
        ("true | false", 1, "Error"),
    ],
)
def test_exit_codes_are_those_that_a_kubelet_reports(kfrun: Kfrun, script: str, code: int, reason: str) -> None:
    assert kfrun("run", "-q", "-f", job(kfrun, node(script), pod=NEVER)).returncode == code
    ended = container(kfrun)["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (code, reason)


def test_each_container_has_its_log_byte_by_byte(kfrun: Kfrun) -> None:
    side = {"name": "side", "image": "i", "command": ["sh", "-c", "echo aside; printf tail"]}
    it = job(kfrun, node("printf '\\377\\000\\033x'; printf last >&2"), side)
    kfrun("run", "-q", "-f", it)
    for name, expected in (("node", b"\377\0\033xlast"), ("side", b"aside\ntail")):
        process = kfrun.start("logs", "job", "--container", name)
        assert process.communicate()[0] == expected
    process = kfrun.start("logs", "job")
    lines = process.communicate()[0].splitlines()
    assert sorted(lines) == sorted([b"[node-0] \377\0\033xlast", b"[node-0/side] aside", b"[node-0/side] tail"])
