"""Jobs that run while kfrun is replaced by a later one: adopted from the files that the version before wrote."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kfrun.execute.local.process.attempts import record
from kfrun.model.runstate import RunState
from tests.conftest import eventually, manifest

if TYPE_CHECKING:
    from tests.conftest import Kfrun

BEFORE = Path(__file__).parent / "data" / "ea65de9.json"
"""What kfrun wrote at that commit for a job of two nodes of which both run: job.json, the state, the pods."""

SCRIPT = json.loads(BEFORE.read_text())["job"]["workload"]["jobs"][0]["pods"][0]["containers"][0]["command"][2]


def written_before(text: str, **values: Any) -> dict[str, Any]:
    for name, value in values.items():
        text = text.replace(f'"@{name}@"', json.dumps(value)).replace(f"@{name}@", str(value))
    assert "@" not in text
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_job_of_the_version_before_is_adopted_and_retried_and_ends_truly(kfrun: Kfrun) -> None:
    text = manifest("job", ["sh", "-c", SCRIPT], nodes=2, ml="torch", backoff="4")
    kfrun.ok("apply", "-q", "-f", kfrun.write("job.yaml", text), KFRUN_RETRY_DELAY="0.1")
    eventually(lambda: len(_running(kfrun)) == 2)
    _replace_by_what_was_written_before(kfrun)

    def ready() -> list[bool]:
        pods = json.loads(kfrun.ok("get", "pods", "-o", "json"))["items"]
        return [pod["status"]["containerStatuses"][0]["ready"] for pod in pods]

    # The one before may not have come to store that they run.
    eventually(lambda: ready() == [True, True])
    kfrun.write("go", "")
    assert kfrun("wait", "job", "--timeout", "20s").returncode == 0
    pods = json.loads(kfrun.ok("get", "pods", "-o", "json"))["items"]
    assert [pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods] == [1, 1]
    # Each node spoke twice, always of the same address: the retry too was made of the old files.
    lines = kfrun.ok("logs", "job", "--no-prefix", "--all-attempts").splitlines()
    addresses = [line for line in lines if line.startswith("127.0.0.1:")]
    assert (len(addresses), len(set(addresses))) == (4, 1)


def _running(kfrun: Kfrun) -> list[record.Record]:
    found = [record.read(str(path)) for path in kfrun.home.rglob("*.attempt")]
    return [item for item in found if item is not None and item.state == "running"]


def _replace_by_what_was_written_before(kfrun: Kfrun) -> None:
    """As if the supervisor that was killed just now had been one of the version before."""
    recorders = {item.recorder for item in _running(kfrun)}
    for pid, command in kfrun.processes():
        if "nursery import main" in command and pid not in recorders:
            os.kill(pid, signal.SIGKILL)
    with kfrun.store() as store:
        (run,) = store.runs()
        pods = sorted(path.name for path in Path(run.folder, "pods").iterdir())
        (port,) = json.loads(run.state)["ports"].values()
        names = {"POD0": pods[0], "POD1": pods[1], "UID": run.uid, "FOLDER": str(kfrun.folder), "HOME": str(kfrun.home)}
        before = written_before(BEFORE.read_text(), PORT=port, **names)
        store.change_run(run.uid, state=json.dumps(before["state"]))
    Path(run.folder, "job.json").write_text(json.dumps({**before["job"], "back_off": [0.1, 1.0]}))
    for facts in before["pods"]:
        Path(run.folder, "pods", facts["name"], "pod.json").write_text(json.dumps(facts))


def test_a_state_of_the_version_before_is_read_with_what_it_did_not_say_yet() -> None:
    before = written_before(BEFORE.read_text(), PORT=1, POD0="a", POD1="b", UID="uid", FOLDER="/f", HOME="/h")["state"]
    state = RunState.from_json(before)
    assert (state.needs, state.jobs[0].uid, state.pods[1].job_uid) == ("ready", "uid-job-node-0", "uid-job-node-0")
    assert state.pods[0].ready
    assert RunState.from_json({**before, "environment": "building"}).needs == "waiting"
    assert RunState.from_json(state.to_json()) == state


@pytest.mark.parametrize("change", [{"queue": "fast"}, {"jobs": None}, {"pods": [{}]}, {"conditions": [{"type": "A"}]}])
def test_a_state_that_nobody_can_read_is_refused_in_one_sentence(change: dict[str, Any]) -> None:
    state = {**RunState("uid", 0.0).to_json(), **change}
    with pytest.raises(ValueError, match="the state of the job is damaged, or another version of kfrun wrote it"):
        RunState.from_json(state)
