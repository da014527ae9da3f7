"""The files of a run: written whole, read back, and what is left when somebody is killed or the disk is full."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kfrun.execute.local import formerfiles, jobfiles, supervisors
from kfrun.model.runstate import ContainerState, PodState
from kfrun.observe import logfiles
from kfrun.observe.store import Store
from kfrun.plan import support
from tests import workloads
from tests.conftest import eventually
from tests.observe import runs

if TYPE_CHECKING:
    from collections.abc import Iterator


def job(name: str = "tj", pods: int = 1) -> jobfiles.RunFiles:
    workload = workloads.workload(workloads.replicated(nodes=pods), name=name)
    return jobfiles.RunFiles(workload, {"caller": {"A": "b"}}, back_off=(1.0, 2.0))


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "state" / "jobs" / "default" / "tj" / "uid-1")


def test_what_was_written_is_read(folder: str) -> None:
    jobfiles.write(folder, job())
    assert jobfiles.read(folder) == job()
    assert jobfiles.read(folder, "never-written") == job()
    for name in os.listdir(folder):
        assert os.stat(f"{folder}/{name}").st_mode & 0o077 == 0, name


def test_a_replacement_counts_only_for_the_digest_that_the_store_names(folder: str) -> None:
    """Killed between file and store, an ``apply`` must not have changed what an earlier digest stands for."""
    jobfiles.write(folder, job())
    jobfiles.replace(folder, job("other"), "d2")
    assert jobfiles.read(folder, "d1") == job()
    assert jobfiles.read(folder, "d2") == job("other")


def test_a_thousand_nodes_take_no_more_room_than_their_template(folder: str) -> None:
    jobfiles.write(folder, job(pods=1000))
    assert os.stat(f"{folder}/job.json").st_size < 2000
    jobs = [workloads.replicated("node", replicas=1000)]
    assert len(json.dumps(workloads.workload(*jobs).to_json())) < 2000


def test_the_files_of_the_version_before_are_read(folder: str) -> None:
    """A job.json that kfrun wrote at commit ea65de9, and what it writes of the same manifest today."""
    jobfiles.write(folder, job())
    former = json.loads((Path(__file__).parent / "data" / "former_job.json").read_text())
    Path(folder, "job.json").write_text(json.dumps(former))
    found = jobfiles.read(folder)
    jobfiles.replace(folder, found)
    assert jobfiles.read(folder) == found
    workload = found.workload
    assert workload.jobset == former["jobset"]
    assert (workload.backoff_limit, workload.active_deadline, workload.own_images) == (0, 600, True)
    (child,) = workload.jobs
    assert [f"{child.hostname(index)}.{workload.subdomain}" for index in range(child.completions)] == [
        pod["host"] for pod in former["workload"]["jobs"][0]["pods"]
    ]
    assert child.template_metadata(0)["labels"] == former["workload"]["jobs"][0]["labels"]
    policy = ["PET_NNODES", "PET_NPROC_PER_NODE", "PET_NODE_RANK", "PET_MASTER_ADDR", "PET_MASTER_PORT"]
    assert child.job_template.injected == {"node": policy}
    named = support.of("process").not_enforced(workload.jobset, own_images=workload.own_images)
    assert [list(item) for item in named] == former["workload"]["not_enforced"]


@pytest.mark.parametrize(
    ("spec", "limits", "expected"),
    [({}, [6], 6), ({}, [0], 0), ({"backoffLimit": 3}, [3], 0), ({"backoffLimitPerIndex": 1}, [2**31 - 1], 0)],
)
def test_the_retries_of_the_version_before_are_kept(spec: dict[str, int], limits: list[int], expected: int) -> None:
    former = json.loads((Path(__file__).parent / "data" / "former_job.json").read_text())
    for child, limit in zip(former["workload"]["jobs"], limits, strict=True):
        child["backoff_limit"] = limit
    former["jobset"]["spec"]["replicatedJobs"][0]["template"]["spec"].update(spec)
    assert formerfiles.converted(former)["workload"]["backoff_limit"] == expected


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"workload": 1}', '{"workload": {}, "settings": {}}'])
def test_damage_is_told_as_such(folder: str, content: str) -> None:
    jobfiles.write(folder, job())
    with open(f"{folder}/job.json", "w") as file:
        file.write(content)
    with pytest.raises(ValueError):
        jobfiles.read(folder)


def test_a_pod_folder_that_was_left_half_made_is_completed(folder: str) -> None:
    """By its ``pod.json`` its logs are found, whatever runs its containers."""
    jobfiles.write(folder, job())
    pod = PodState("tj-node-0-0-abcde", "tj-node-0", "job-uid", 0, 2, 1.5, [ContainerState("node")])
    path = Path(folder, "pods", pod.name)
    path.mkdir()
    jobfiles.write_pod(folder, job().workload, pod)
    (path / "node.0.log").touch()
    (found,) = logfiles.discover(folder)
    assert (found.label, found.job, found.created) == ("node-0", "tj-node-0", 1.5)
    before = (path / "pod.json").stat()
    jobfiles.write_pod(folder, job().workload, pod)
    assert (path / "pod.json").stat() == before


# The reserve


def state(sequence: int, size: int = 10) -> dict[str, Any]:
    return {"sequence": sequence, "pods": ["x" * size]}


def test_the_reserve_gives_back_the_latest_state_and_never_grows(folder: str) -> None:
    jobfiles.write(folder, job())
    assert jobfiles.read_reserve(folder) is None
    size = os.stat(f"{folder}/reserve").st_size
    for sequence in (7, 8, 9):
        jobfiles.save_in_reserve(folder, state(sequence))
        assert jobfiles.read_reserve(folder) == state(sequence)
    assert os.stat(f"{folder}/reserve").st_size == size


def test_a_write_that_was_cut_short_leaves_the_state_before(folder: str) -> None:
    jobfiles.write(folder, job())
    jobfiles.save_in_reserve(folder, state(7, 5000))
    jobfiles.save_in_reserve(folder, state(8, 5000))
    reserve = Path(folder, "reserve")
    content = bytearray(reserve.read_bytes())
    at = content.index(b'"sequence":8')
    content[at + 100 : at + 400] = b"\0" * 300
    reserve.write_bytes(content)
    assert jobfiles.read_reserve(folder) == state(7, 5000)


def test_a_state_that_is_too_large_is_refused_and_harms_nothing(folder: str) -> None:
    jobfiles.write(folder, job())
    jobfiles.save_in_reserve(folder, state(7))
    with pytest.raises(OSError, match="larger"):
        jobfiles.save_in_reserve(folder, state(9, 1_000_000))
    assert jobfiles.read_reserve(folder) == state(7)


def test_the_reserve_is_large_enough_for_many_pods(folder: str) -> None:
    jobfiles.write(folder, job(pods=1000))
    jobfiles.save_in_reserve(folder, state(1, 1_500_000))
    assert jobfiles.read_reserve(folder) == state(1, 1_500_000)


# Folders that come and go


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "state" / "kfrun.db") as opened:
        yield opened


def test_a_folder_is_swept_when_its_creator_is_gone(folder: str, store: Store) -> None:
    jobfiles.write(folder, job())
    supervisors.sweep(store, "default")
    assert os.path.isdir(folder), "we live, and may record it any moment"
    with open(f"{folder}/creator", "w") as file:
        json.dump([2**22 - 3, "1", "2"], file)
    supervisors.sweep(store, "default", "other")
    assert os.path.isdir(folder)
    supervisors.sweep(store, "default")
    assert not os.path.exists(os.path.dirname(os.path.dirname(folder)))


def test_a_sweep_waits_for_who_makes_a_folder_just_now(folder: str, store: Store) -> None:
    """Between the folder and the name of its creator nobody may look: it would be taken for a left-over."""
    jobfiles.write(folder, job())
    os.unlink(f"{folder}/creator")
    with jobfiles.exclusive(folder):
        sweeper = threading.Thread(target=_sweep, args=(store.path,))
        sweeper.start()
        sweeper.join(0.2)
        assert sweeper.is_alive()
        with open(f"{folder}/creator", "w") as file:
            json.dump(jobfiles.host.identify(os.getpid()), file)
    sweeper.join(10)
    assert os.path.isdir(folder)


def _sweep(path: str) -> None:
    with Store.open(path) as opened:
        supervisors.sweep(opened, "default")


def test_a_folder_vanishes_at_one_stroke(folder: str) -> None:
    """Who removes it may be killed half-way: nobody finds the rest under the name of the job."""
    jobfiles.write(folder, job())
    for number in range(300):
        with open(f"{folder}/pods/{number}", "w") as file:
            file.write("x")
    code = (
        "import os, shutil, sys\nfrom kfrun.execute.local import supervisors\n"
        "shutil.rmtree = lambda *_, **__: os.kill(os.getpid(), 9)\nsupervisors.remove_folder(sys.argv[1])"
    )
    done = subprocess.run([sys.executable, "-c", code, folder])
    assert done.returncode == -signal.SIGKILL
    assert not os.path.exists(folder)
    supervisors.remove_folder(folder)
    assert not os.path.exists(os.path.dirname(folder))


def test_removing_and_making_folders_of_one_name_at_once_loses_none(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom tests.execute.local.test_jobfiles import job\n"
        "from kfrun.execute.local import jobfiles, supervisors\n"
        "for number in range(60):\n"
        "    folder = f'{sys.argv[1]}/state/jobs/default/tj/{sys.argv[2]}-{number}'\n"
        "    jobfiles.write(folder, job())\n"
        "    assert jobfiles.read(folder) == job()\n"
        "    supervisors.remove_folder(folder)"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(number)], stderr=subprocess.PIPE)
        for number in range(3)
    ]
    for process in processes:
        _, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
    assert os.listdir(tmp_path / "state" / "jobs") == []


# Waking supervisors


def test_waking_starts_a_supervisor_when_the_last_one_died_meanwhile(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobfiles.write(folder, job())
    started: list[str] = []
    monkeypatch.setattr(supervisors, "start", started.append)
    supervisors.wake(folder)
    assert started == [folder], "nobody listens"
    listener = os.open(f"{folder}/wake", os.O_RDONLY | os.O_NONBLOCK)
    supervisors.wake(folder)
    assert (os.read(listener, 10), len(started)) == (b"!", 1)
    with monkeypatch.context() as patch:
        write = os.write
        patch.setattr(os, "write", lambda *args: (os.close(listener), write(*args))[1])
        supervisors.wake(folder)
    assert len(started) == 2, "it died between open and write"


def test_those_who_ask_do_not_take_each_other_for_a_supervisor(folder: str) -> None:
    import fcntl

    jobfiles.write(folder, job())
    assert not supervisors.is_supervised(folder)
    lock = os.open(f"{folder}/supervisor.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_SH)
    assert not supervisors.is_supervised(folder)
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert supervisors.is_supervised(folder)
    os.close(lock)


def test_a_job_whose_folder_was_removed_by_hand_is_forgotten_and_ended(tmp_path: Path, store: Store) -> None:
    runs.add(store, runs.trainjob("tj"), tmp_path / "state/jobs/default/tj/uid-default-tj", ended=False)
    process = subprocess.Popen(["sleep", "60"], env={**os.environ, "KFRUN_JOB_UID": "uid-default-tj"})
    supervisors.revive(store)
    supervisors.dismiss()
    assert eventually(lambda: process.poll() == -signal.SIGTERM)
    assert eventually(lambda: store.runs() == [])
    assert eventually(lambda: not list((tmp_path / "state").glob("*-tj.lock")))
