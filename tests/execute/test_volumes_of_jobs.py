"""Volumes of jobs that run as local processes: what is mounted where, who sees it, and what is left of it."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Kfrun

RUNTIME = {"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainingRuntime", "metadata": {"name": "rt"}}
JOB = {
    "apiVersion": "trainer.kubeflow.org/v1alpha1",
    "kind": "TrainJob",
    "metadata": {"name": "job"},
    "spec": {"runtimeRef": {"kind": "TrainingRuntime", "name": "rt"}},
}


def container(script: str, *mounts: dict[str, Any], name: str = "node", **fields: Any) -> dict[str, Any]:
    return {"name": name, "command": ["sh", "-ec", script], "volumeMounts": list(mounts), **fields}


def mount(path: str, name: str = "v", **fields: Any) -> dict[str, Any]:
    return {"name": name, "mountPath": path, **fields}


def manifest(
    *containers: dict[str, Any],
    volumes: list[dict[str, Any]] | None = None,
    pod: dict[str, Any] | None = None,
    name: str = "job",
    objects: tuple[dict[str, Any], ...] = (),
    annotations: dict[str, str] | None = None,
    jobset: dict[str, Any] | None = None,
) -> str:
    spec = {"containers": list(containers), "volumes": volumes or [], "terminationGracePeriodSeconds": 1, **(pod or {})}
    labels = {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}
    template = {"metadata": {"labels": labels}, "spec": {"backoffLimit": 0, "template": {"spec": spec}}}
    runtime = {**RUNTIME, "spec": {"template": {"spec": {"replicatedJobs": [{"name": "node", "template": template}]}}}}
    runtime["spec"]["template"]["spec"] |= jobset or {}
    job = {**JOB, "metadata": {"name": name, "annotations": annotations or {}}}
    return "\n---\n".join(map(json.dumps, (*objects, runtime, job)))


def run(kfrun: Kfrun, text: str, *args: str, code: int = 0, **env: str) -> str:
    path = kfrun.write("manifest.yaml", text)
    done = kfrun("run", "-q", "-f", str(path), *args, **env)
    assert done.returncode == code, done.stderr
    return done.stdout


EMPTY = [{"name": "v", "emptyDir": {}}]


def test_a_path_that_the_machine_has_not_is_the_pods_alone(kfrun: Kfrun) -> None:
    said = run(kfrun, manifest(container("echo hi > /workspace/model/a; ls /workspace/model; ls -d /etc /usr /proc/self", mount("/workspace/model")), volumes=EMPTY))  # fmt: skip  # noqa: E501
    assert said.split() == ["a", "/etc", "/proc/self", "/usr"]
    assert not os.path.exists("/workspace")


def test_a_folder_of_the_machine_is_seen_otherwise_by_the_pod_alone(kfrun: Kfrun, tmp_path: Path) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "old").touch()
    said = run(kfrun, manifest(container(f"ls {folder}; touch {folder}/new", mount(str(folder))), volumes=EMPTY))
    assert said == ""
    assert [path.name for path in folder.iterdir()] == ["old"]


def test_containers_of_a_pod_share_its_volumes_and_nothing_is_left(kfrun: Kfrun) -> None:
    first = container("echo one > /data/file", mount("/data"), name="first")
    text = manifest(
        container("cat /elsewhere/file", mount("/elsewhere")), volumes=EMPTY, pod={"initContainers": [first]}
    )
    assert run(kfrun, text) == "[node-0] one\n"
    assert list(kfrun.home.rglob("volumes")) == []


def test_what_is_new_beside_a_volume_stays_on_the_machine_where_it_is_the_users(kfrun: Kfrun) -> None:
    text = manifest(
        container("echo x > /workspace/checkpoint; cat /workspace/train.txt", mount("/workspace/cache")),
        volumes=EMPTY,
        annotations={"kfrun.dev/mount": ".=/workspace"},
    )
    (kfrun.folder / "train.txt").write_text("source\n")
    assert run(kfrun, text) == "source\n"
    assert (kfrun.folder / "checkpoint").read_text() == "x\n"


def test_a_manifest_with_paths_of_a_container_runs_with_the_source_folder_mapped(kfrun: Kfrun) -> None:
    (kfrun.folder / "src").mkdir()
    (kfrun.folder / "src" / "train.py").write_text("import os; print(os.getcwd(), __file__)\n")
    own = {"name": "node", "command": ["python", "/workspace/train.py"], "workingDir": "/workspace"}
    text = manifest(own, annotations={"kfrun.dev/mount": "src=/workspace"})
    assert run(kfrun, text) == "/workspace /workspace/train.py\n"
    own["command"][1] = "/workspace/none.py"
    done = kfrun(
        "run", "-f", str(kfrun.write("manifest.yaml", manifest(own, annotations={"kfrun.dev/mount": "src=/workspace"})))
    )
    assert done.returncode == 1
    assert "none.py" in done.stderr


@pytest.mark.parametrize(
    "value", ["x", ".=relative", "=", ".=/", "a=/b/../c", "../p=/p", "a/../../p=/p", "/etc=/p", "a=/p\nb=/p/"]
)
def test_a_mount_that_says_nothing_is_refused(kfrun: Kfrun, value: str) -> None:
    text = manifest(container("true"), annotations={"kfrun.dev/mount": value})
    done = kfrun("validate", "-f", str(kfrun.write("manifest.yaml", text)))
    assert done.returncode == 1
    assert "KF310" in done.stdout + done.stderr


def test_a_mount_of_what_is_not_there_or_behind_a_volume_is_an_error_at_its_line(kfrun: Kfrun) -> None:
    (kfrun.folder / "src").mkdir()
    lines = "src=/fine\nnone=/workspace\nsrc=/v"
    text = manifest(container("true", mount("/v/")), volumes=EMPTY, annotations={"kfrun.dev/mount": lines})
    done = kfrun("run", "-q", "-f", str(kfrun.write("manifest.yaml", text)))
    assert done.returncode == 1
    assert 'error KF607: there is no folder "none" in ' in done.stderr
    assert 'error KF607: container node has the volume "v" at /v, which would hide the folder "src"' in done.stderr
    assert done.stderr.count("KF607") == 2


@pytest.mark.parametrize("command", [["python", "/image/app/src/train.py"], ["/image/app/src/train.py"]])
def test_a_script_where_an_image_would_have_it_comes_with_the_line_that_shows_it_there(
    kfrun: Kfrun, command: list[str]
) -> None:
    (kfrun.folder / "src").mkdir()
    script = kfrun.folder / "src" / "train.py"
    script.write_text("#!/usr/bin/env python\nprint('hi')\n")
    script.chmod(0o755)
    own = {"name": "node", "command": command}
    done = kfrun("run", "-q", "-f", str(kfrun.write("manifest.yaml", manifest(own))))
    assert done.returncode == 1
    assert f'kfrun.dev/mount: ".=/image/app" shows {kfrun.folder} there' in done.stderr
    assert run(kfrun, manifest(own, annotations={"kfrun.dev/mount": ".=/image/app"})) == "hi\n"


def test_read_only_means_it(kfrun: Kfrun, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    volumes = [{"name": "v", "hostPath": {"path": str(tmp_path / "data"), "type": "Directory"}}]
    script = "touch /ro/a 2>/dev/null && exit 3; touch /rw/b"
    run(kfrun, manifest(container(script, mount("/ro", readOnly=True), mount("/rw")), volumes=volumes))
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["b"]


@pytest.mark.parametrize(
    ("kind", "make", "message"),
    [
        ("Directory", "", "is not a directory"),
        ("File", "mkdir", "is not a file"),
        ("Socket", "touch", "is not a socket"),
        ("CharDevice", "touch", "is not a character device"),
        ("DirectoryOrCreate", "touch", "is not a directory"),
    ],
)
def test_a_host_path_of_another_type_keeps_the_pod_waiting(
    kfrun: Kfrun, tmp_path: Path, kind: str, make: str, message: str
) -> None:
    path = tmp_path / "it"
    if make:
        path.touch() if make == "touch" else path.mkdir()
    text = manifest(
        container("true", mount("/v")), volumes=[{"name": "v", "hostPath": {"path": str(path), "type": kind}}]
    )
    kfrun.ok("apply", "-q", "-f", str(kfrun.write("manifest.yaml", text)))
    said = until_event(kfrun, "FailedMount")
    assert f'MountVolume.SetUp failed for volume "v" : hostPath type check failed: {path} {message}' in said
    assert kfrun("delete", "trainjob", "job").returncode == 0


def until_event(kfrun: Kfrun, reason: str) -> str:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with kfrun.store() as store:
            found = [event.message for _, event in store.events() if event.reason == reason]
        if found:
            return found[0]
        time.sleep(0.02)
    raise AssertionError(f"no event {reason}")


def test_paths_that_are_made_are_there_afterwards(kfrun: Kfrun, tmp_path: Path) -> None:
    volumes = [
        {"name": "v", "hostPath": {"path": str(tmp_path / "folder"), "type": "DirectoryOrCreate"}},
        {"name": "f", "hostPath": {"path": str(tmp_path / "file"), "type": "FileOrCreate"}},
    ]
    run(kfrun, manifest(container("echo a > /v/a; echo b > /f", mount("/v"), mount("/f", "f")), volumes=volumes))
    assert (tmp_path / "folder" / "a").read_text() == "a\n"
    assert (tmp_path / "file").read_text() == "b\n"


def test_a_part_of_a_volume_may_depend_on_variables(kfrun: Kfrun, tmp_path: Path) -> None:
    env = [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}]
    one = container("echo x > /v/a; cat /w", mount("/v", subPathExpr="$(POD)/x"), mount("/w", subPath="key"), env=env)
    (tmp_path / "key").write_text("value\n")
    volumes = [{"name": "v", "hostPath": {"path": str(tmp_path)}}]
    assert run(kfrun, manifest(one, volumes=volumes)) == "value\n"
    assert (tmp_path / "default" / "x" / "a").exists()


def test_a_part_of_a_volume_cannot_lead_out_of_it(kfrun: Kfrun, tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume" / "link").symlink_to("/etc")
    volumes = [{"name": "v", "hostPath": {"path": str(tmp_path / "volume")}}]
    path = kfrun.write("manifest.yaml", manifest(container("ls /v", mount("/v", subPath="link")), volumes=volumes))
    done = kfrun("run", "-q", "-f", str(path))
    assert done.returncode == 128
    assert "leads out of its volume" in done.stderr


def test_a_claim_is_kept_from_job_to_job_and_one_of_the_jobset_goes_with_it(kfrun: Kfrun) -> None:
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    policy = {
        "volumeClaimPolicies": [
            {
                "templates": [
                    {
                        "metadata": {"name": "own"},
                        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
                    }
                ]
            }
        ]
    }
    script = "ls /v /own; echo x > /v/kept; echo y > /own/gone"
    text = manifest(container(script, mount("/v"), mount("/own", "own")), volumes=volumes, jobset=policy)
    assert run(kfrun, text).split() == ["/own:", "/v:"]
    assert run(kfrun, text).split() == ["/own:", "/v:", "kept"]
    kfrun.ok("delete", "trainjob", "job")
    assert [path.name for path in kfrun.home.rglob("kept")] == ["kept"]
    assert list(kfrun.home.rglob("gone")) == []


def test_a_claim_that_is_deleted_is_empty_when_it_is_made_again(kfrun: Kfrun) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": spec}
    path = kfrun.write("claim.yaml", json.dumps(claim))
    kfrun.ok("apply", "-q", "-f", str(path))
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    text = manifest(container("ls /v; touch /v/kept", mount("/v")), volumes=volumes)
    assert [run(kfrun, text), run(kfrun, text)] == ["", "kept\n"]
    kfrun.ok("delete", "-f", str(path))
    kfrun.ok("apply", "-q", "-f", str(path))
    assert run(kfrun, text) == ""


def test_a_volume_in_the_place_of_the_programs_says_so(kfrun: Kfrun) -> None:
    path = kfrun.write("manifest.yaml", manifest(container("true", mount("/usr")), volumes=EMPTY))
    done = kfrun("run", "-q", "-f", str(path))
    assert done.returncode == 128
    assert "a volume hides what this machine has at /usr" in done.stderr
    # An interpreter of its own, wherever it lies: what loads it is the machine's.
    it = {**container("", mount("/usr")), "command": [sys.executable, "-c", "pass"]}
    done = kfrun("run", "-q", "-f", kfrun.write("manifest.yaml", manifest(it, volumes=EMPTY)))
    assert (done.returncode, "a volume hides what this machine has at /usr" in done.stderr) == (128, True)
    path = kfrun.write("manifest.yaml", manifest(container("true", mount("/")), volumes=EMPTY))
    done = kfrun("run", "-q", "-f", str(path))
    assert (done.returncode, "cannot be mounted at /:" in done.stderr) == (128, True)


def test_where_nothing_can_be_mounted_paths_are_rewritten_and_that_is_told(kfrun: Kfrun) -> None:
    env = [{"name": "OUT", "value": "/workspace/out"}]
    one = container("echo x > $OUT; cat /workspace/out; ls -d /workspaces || true", mount("/workspace"), env=env)
    path = kfrun.write("manifest.yaml", manifest(one, volumes=EMPTY))
    done = kfrun("run", "-q", "-f", str(path), KFRUN_PORTABLE="1")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "x")
    assert "this system mounts nothing for a process: /workspace in its command" in done.stderr


def test_objects_become_files_with_their_modes(kfrun: Kfrun) -> None:
    objects = (
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "c"},
            "data": {"k": "v"},
            "binaryData": {"b": "AAE="},
        },
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"token": "t"}},
    )
    volumes = [
        {"name": "v", "configMap": {"name": "c"}},
        {"name": "s", "secret": {"secretName": "s", "defaultMode": 0o400}},
        {"name": "d", "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        {"name": "o", "secret": {"secretName": "none", "optional": True}},
    ]
    script = 'stat -Lc "%a %s" /v/k /v/b /s/token; cat /s/token; ls /o; grep -c job-name= /d/labels'
    mounts = [mount("/v"), mount("/s", "s"), mount("/d", "d"), mount("/o", "o")]
    said = run(kfrun, manifest(container(script, *mounts), volumes=volumes, objects=objects))
    assert said.split("\n")[:4] == ["644 1", "644 2", "400 1", "t3"]


def test_what_is_made_of_objects_cannot_be_written(kfrun: Kfrun) -> None:
    objects = ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "v"}},)
    volumes = [{"name": "v", "configMap": {"name": "c"}}]
    script = "(echo x > /v/k || touch /v/new || echo x > /one) 2>/dev/null && exit 3; cat /v/k"
    text = manifest(container(script, mount("/v"), mount("/one", subPath="k")), volumes=volumes, objects=objects)
    assert run(kfrun, text) == "v"


def test_a_relative_host_path_is_none(kfrun: Kfrun) -> None:
    text = manifest(container("true", mount("/v")), volumes=[{"name": "v", "hostPath": {"path": "rel/path"}}])
    done = kfrun("apply", "-q", "-f", str(kfrun.write("manifest.yaml", text)))
    assert done.returncode or "rel/path is no absolute path" in until_event(kfrun, "FailedMount")
    assert not os.path.exists("/rel")


def test_a_missing_key_keeps_the_pod_waiting(kfrun: Kfrun) -> None:
    objects = ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "v"}},)
    volumes = [{"name": "v", "configMap": {"name": "c", "items": [{"key": "none", "path": "x"}]}}]
    text = manifest(container("true", mount("/v")), volumes=volumes, objects=objects)
    kfrun.ok("apply", "-q", "-f", str(kfrun.write("manifest.yaml", text)))
    assert "configmap references non-existent config key: none" in until_event(kfrun, "FailedMount")
    kfrun.ok("stop", "job")
    assert kfrun("wait", "job", "--timeout", "20s").returncode == 130


def of_paths(*paths: str) -> str:
    objects = ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "v"}},)
    volumes = [{"name": "v", "configMap": {"name": "c", "items": [{"key": "k", "path": path} for path in paths]}}]
    return manifest(container("true", mount("/v")), volumes=volumes, objects=objects)


def test_a_file_of_an_object_has_a_path_of_its_own(kfrun: Kfrun) -> None:
    kfrun.ok("apply", "-q", "-f", str(kfrun.write("manifest.yaml", of_paths("x", "x/y"))))
    assert '"x/y" lies below another file' in until_event(kfrun, "FailedMount")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may start programs as another user")
def test_volumes_belong_to_the_group_of_their_pod(kfrun: Kfrun) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": "hidden\n"}}
    claim = {"persistentVolumeClaim": {"claimName": "data"}}
    volumes = [{"name": "v", **claim}, {"name": "s", "secret": {"secretName": "s", "defaultMode": 0o400}}]
    script = "cat /s/k; echo x > /v/a; stat -c %g /v/a; umask; stat -c %a /s/..data/k"
    pod = {"securityContext": {"runAsUser": 1234, "fsGroup": 5678}}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    objects = (
        secret,
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": spec},
    )
    one = container(script, mount("/v"), mount("/s", "s"))
    assert run(kfrun, manifest(one, volumes=volumes, pod=pod, objects=objects)).split()[:2] == ["hidden", "5678"]


def test_a_job_without_volumes_gets_no_namespace(kfrun: Kfrun) -> None:
    said = run(kfrun, manifest(container("readlink /proc/self/ns/mnt")))
    assert said.strip() == os.readlink("/proc/self/ns/mnt")


@pytest.mark.parametrize(
    "volume",
    [
        {"configMap": {"name": "c", "items": [{"key": "k", "path": "../../escaped"}]}},
        {"persistentVolumeClaim": {"claimName": "../../escaped"}},
        {"downwardAPI": {"items": [{"path": "/escaped", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    ],
)
def test_nothing_of_a_volume_is_written_elsewhere(kfrun: Kfrun, volume: dict[str, Any]) -> None:
    objects = ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "v"}},)
    text = manifest(container("true", mount("/v")), volumes=[{"name": "v", **volume}], objects=objects)
    done = kfrun("apply", "-q", "-f", str(kfrun.write("manifest.yaml", text)))
    if done.returncode == 0:
        assert 'MountVolume.SetUp failed for volume "v"' in until_event(kfrun, "FailedMount")
        kfrun.ok("delete", "trainjob", "job")
    assert list(kfrun.home.rglob("escaped")) == []
    assert not os.path.exists("/escaped")


@pytest.mark.parametrize("medium", ["", "Memory"])
def test_a_pod_with_too_much_in_a_volume_is_evicted(kfrun: Kfrun, medium: str) -> None:
    volumes = [{"name": "v", "emptyDir": {"sizeLimit": "1Mi", "medium": medium}}]
    one = container("head -c 3000000 /dev/zero > /v/a; sleep 60", mount("/v"))
    done = kfrun("run", "-q", "-f", str(kfrun.write("manifest.yaml", manifest(one, volumes=volumes))))
    assert done.returncode == 1
    assert 'Usage of EmptyDir volume "v" exceeds the limit "1Mi".' in done.stderr
    assert "node-0 was evicted: Usage of EmptyDir volume" in done.stderr
    (pod,) = json.loads(kfrun.ok("get", "pod", "-o", "json"))["items"]
    assert (pod["status"]["phase"], pod["status"]["reason"]) == ("Failed", "Evicted")


def test_nothing_of_a_volume_is_left_that_nobody_may_write_and_none_of_an_ephemeral_claim(kfrun: Kfrun) -> None:
    template = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
    volumes = [*EMPTY, {"name": "e", "ephemeral": {"volumeClaimTemplate": template}}]
    script = "mkdir -p /v/locked/marked /e/marked; chmod 500 /v/locked"
    run(kfrun, manifest(container(script, mount("/v"), mount("/e", "e")), volumes=volumes))
    assert list(kfrun.home.rglob("marked")) == []


def test_volumes_go_with_pods_that_end_faster_than_they_are_kept_in_mind(kfrun: Kfrun) -> None:
    text = manifest(container("exit 1", mount("/v")), volumes=EMPTY, jobset={"failurePolicy": {"maxRestarts": 1}})
    run(kfrun, text.replace('"backoffLimit": 0', '"backoffLimit": 0, "completions": 70, "parallelism": 70'), code=1)
    assert list(kfrun.home.rglob("pods/*/volumes")) == []


HIDDEN = os.path.dirname(os.__file__)


@pytest.mark.parametrize("path", ["/", "/etc"])
def test_a_path_of_the_machine_in_a_volume_makes_no_other_one_its_own(kfrun: Kfrun, path: str) -> None:
    volumes = [{"name": "v", "hostPath": {"path": path}}, {"name": "w", "emptyDir": {}}]
    one = container(
        "ls -d /workspace/host/passwd* /etc/kfrun-w || true", mount("/workspace/host"), mount("/etc/kfrun-w", "w")
    )
    assert "/etc/kfrun-w" in run(kfrun, manifest(one, volumes=volumes)).split()
    assert not os.path.exists("/etc/kfrun-w")
    assert not os.path.exists("/workspace")


def test_probes_and_hooks_see_what_their_container_makes_beside_its_volumes(kfrun: Kfrun) -> None:
    probe = {"exec": {"command": ["cat", "/workspace/healthy"]}, "periodSeconds": 1, "failureThreshold": 1}
    hook = {"postStart": {"exec": {"command": ["sh", "-c", "sleep 0.5; cp /workspace/healthy /workspace/hooked"]}}}
    script = "touch /workspace/healthy; sleep 2.5; ls /workspace"
    one = container(script, mount("/workspace/model"), livenessProbe=probe, lifecycle=hook)
    assert run(kfrun, manifest(one, volumes=EMPTY)).split() == ["healthy", "hooked", "model"]


@pytest.mark.parametrize("place", [HIDDEN, os.path.dirname(HIDDEN)])
def test_a_volume_over_the_interpreter_that_runs_kfrun_is_told_of(kfrun: Kfrun, place: str) -> None:
    text = manifest({"name": "node", "command": ["absent"], "volumeMounts": [mount(place)]}, volumes=EMPTY)
    kfrun("apply", "-q", "-f", str(kfrun.write("manifest.yaml", text)))
    assert f"a volume hides what this machine has at {place}" in until_event(kfrun, "Failed")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (of_paths("..data"), "..data"),
        (manifest(container("true", mount("/v", "none")), volumes=EMPTY), "none"),
        (manifest(container("true"), volumes=[{"name": "v", "hostPath": {"path": "/tmp/a/../b"}}]), "/tmp/a/../b"),
    ],
)
def test_volumes_that_a_cluster_refuses_are_refused_before_anything_starts(kfrun: Kfrun, text: str, said: str) -> None:
    done = kfrun("run", "-q", "-f", str(kfrun.write("manifest.yaml", text)))
    assert done.returncode == 1
    assert "error KF374" in done.stderr
    assert said in done.stderr
    assert kfrun("get", "trainjob", "job").returncode == 1


def test_a_file_does_not_lie_where_a_folder_is(kfrun: Kfrun, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    volumes = [{"name": "v", "hostPath": {"path": str(tmp_path / "file")}}]
    path = kfrun.write("manifest.yaml", manifest(container("true", mount("/usr")), volumes=volumes))
    done = kfrun("run", "-q", "-f", str(path))
    assert done.returncode == 128
    assert "at /usr a file would hide a folder, or the reverse" in done.stderr


def test_a_host_path_that_cannot_be_made_is_named(kfrun: Kfrun) -> None:
    volumes = [{"name": "v", "hostPath": {"path": "/proc/none/below", "type": "DirectoryOrCreate"}}]
    kfrun("apply", "-q", "-f", str(kfrun.write("manifest.yaml", manifest(container("true"), volumes=volumes))))
    assert until_event(kfrun, "FailedMount").endswith('volume "v" : /proc/none: No such file or directory')


def test_a_device_is_one_for_the_pod(kfrun: Kfrun) -> None:
    volumes = [{"name": "v", "hostPath": {"path": "/dev/null", "type": "CharDevice"}}]
    text = manifest(container("echo x > /d/none; test -c /d/none; wc -c < /d/none", mount("/d/none")), volumes=volumes)
    assert run(kfrun, text) == "0\n"


def test_a_volume_may_hide_the_folder_of_the_others(kfrun: Kfrun) -> None:
    volumes = [{"name": name, "emptyDir": {}} for name in "vwx"]
    top = f"/{kfrun.home.parts[1]}"
    mounts = [mount(top), mount("/data/deep", "w"), mount(f"{top}/in", "x", subPath="a/b")]
    script = (
        f"for i in {top} /data/deep {top}/in; do echo $i > $i/file; done; cat {top}/file /data/deep/file {top}/in/file"
    )
    said = run(kfrun, manifest(container(script, *mounts, workingDir="/"), volumes=volumes))
    assert said.split() == [top, "/data/deep", f"{top}/in"]


def test_a_part_of_a_volume_may_be_written_by_whoever_may_write_the_volume(kfrun: Kfrun) -> None:
    text = manifest(container("stat -c %a /v /w", mount("/v", subPath="a/b"), mount("/w")), volumes=EMPTY)
    assert run(kfrun, text).split() == ["777", "777"]


def test_what_is_in_memory_is_for_nobody_else_and_goes(kfrun: Kfrun) -> None:
    volumes = [{"name": "v", "emptyDir": {"medium": "Memory"}}]
    script = "for i in /dev/shm/kfrun-*-marked-*; do stat -c %a $i $i/v; done"
    text = manifest(container(script, mount("/v")), volumes=volumes, name="marked")
    assert run(kfrun, text).split() == ["700", "1777"]
    assert not [name for name in os.listdir("/dev/shm") if "-marked-" in name]


def test_what_is_made_in_the_source_folder_for_volumes_to_lie_on_goes_with_the_last_who_uses_it(kfrun: Kfrun) -> None:
    objects = ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "v"}},)
    volumes = [*EMPTY, {"name": "c", "configMap": {"name": "c"}}]
    (kfrun.folder / "there").mkdir()
    here, script = (
        str(kfrun.folder),
        "until test -e go; do sleep 0.05; done; echo x > /workspace/deep/cache/a; cat /workspace/k",
    )
    mounts = [mount("/workspace/deep/cache"), mount("/workspace/k", "c", subPath="k"), mount(f"{here}/there")]
    one = container(script, *mounts)
    for name, end in (("one", "exit 0"), ("two", script)):
        spec = {**one, "command": ["sh", "-ec", end]}
        text = manifest(
            spec, volumes=volumes, objects=objects, name=name, annotations={"kfrun.dev/mount": ".=/workspace"}
        )
        kfrun.ok("apply", "-q", "-f", str(kfrun.write(f"{name}.yaml", text)))
        if name == "one":
            kfrun.ok("wait", name, "--timeout", "20s")
            assert sorted(path.name for path in kfrun.folder.iterdir()) == ["one.yaml", "there"]
    kfrun.ok("wait", "two", "--for=jsonpath={.status.jobsStatus[0].ready}=1", "--timeout", "20s")
    kfrun.ok("rerun", "one")
    assert (kfrun.folder / "deep" / "cache").is_dir(), "removed while another job has a volume on it"
    (kfrun.folder / "go").touch()
    kfrun.ok("wait", "two", "--timeout", "20s")
    assert kfrun.ok("logs", "two") == "v"
    assert sorted(path.name for path in kfrun.folder.iterdir()) == ["go", "one.yaml", "there", "two.yaml"]


def test_a_killed_recorder_leaves_nothing_in_the_source_folder(kfrun: Kfrun) -> None:
    one = container("kill -9 $PPID; sleep 0.3", mount("/workspace/cache"))
    text = manifest(one, volumes=EMPTY, annotations={"kfrun.dev/mount": ".=/workspace"})
    kfrun("run", "-q", "-f", str(kfrun.write("manifest.yaml", text)))
    assert [path.name for path in kfrun.folder.iterdir()] == ["manifest.yaml"]


def tree() -> list[re.Pattern[str]]:
    """The paths that docs/architecture.md names under "On disk"."""
    page = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text()
    block = page.partition("## On disk")[2].partition("```text\n")[2].partition("```")[0]
    job, found = "", []
    for line in block.splitlines():
        for name in re.split(r"  +", line.strip())[0].split(", "):
            inside = f"{job}{name}" if line.startswith("  ") else name
            job = name if name == "jobs/<namespace>/<name>/<uid>/" else job
            pattern = re.sub(r"<n>|<m>", r"\\d+", re.escape(inside).replace(r"\*", "[^/]+"))
            pattern = re.sub(r"<\w+>", "[^/]+", pattern)
            is_open = name.endswith("/") and name != job
            found.append(re.compile(f"{pattern}.+" if is_open else pattern))
    return found


def test_what_lies_on_disk_is_what_the_page_about_it_names(kfrun: Kfrun, tmp_path: Path) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    objects = (
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "config"}, "data": {"k": "v"}},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": spec},
    )
    kinds = {
        "v": {"emptyDir": {"sizeLimit": "1Gi"}},
        "memory": {"emptyDir": {"medium": "Memory"}},
        "config": {"configMap": {"name": "config"}},
        "data": {"persistentVolumeClaim": {"claimName": "data"}},
        "names": {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        "token": {"secret": {"secretName": "token"}},
    }
    text = manifest(
        container(
            "echo said >/dev/termination-log; until [ -e go ]; do sleep 0.05; done",
            *(mount(f"/workspace/{name}", name) for name in (*kinds, "own")),
            readinessProbe={"exec": {"command": ["true"]}},
        ),
        volumes=[{"name": name, **source} for name, source in kinds.items()],
        objects=objects,
        jobset={"volumeClaimPolicies": [{"templates": [{"metadata": {"name": "own"}, "spec": spec}]}]},
    )
    path, given = kfrun.write("manifest.yaml", text), kfrun.write("token", "key=value\n")
    kfrun.ok("apply", "-q", "-f", path, "--secret-env-file", f"token={given}", XDG_RUNTIME_DIR="")
    kfrun.ok("wait", "job", "--for=jsonpath={.status.jobsStatus[0].ready}=1", "--timeout", "30s")
    seen: set[str] = set()
    while "Complete" not in kfrun.ok("get", "tj", "job", "-o", "jsonpath={.status.conditions}"):
        (machine,) = (kfrun.home / "state").iterdir()
        seen |= {str(item.relative_to(machine)) for item in machine.rglob("*") if not item.is_dir()}
        (kfrun.folder / "go").touch()
    patterns = tree()
    assert len(seen) > 10
    assert [name for name in sorted(seen) if not any(one.fullmatch(name) for one in patterns)] == []
