"""Runs of a name: their numbers, what is kept of them, and jobs that are stopped for the next one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from kfrun import settings as settings_module
from kfrun.errors import InvalidInput, NotFound
from kfrun.execute import choice
from kfrun.execute.memory import MemoryBackend
from kfrun.flow.waits import Waits, settled
from kfrun.model.kinds import TRAIN_JOB
from kfrun.model.state import true_condition
from kfrun.observe.logs import LogOptions, LogReader
from kfrun.observe.selection import Selection
from kfrun.plan.jobs import is_managed_elsewhere
from tests.conftest import Kfrun, eventually, manifest
from tests.execute.places import PLACES, Place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kfrun.model.state import StoredObject

SLEEPING = "echo up; sleep 60"


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with PLACES[request.param](tmp_path) as found:
        yield found


def run_to_end(place: Place, command: str) -> StoredObject:
    job = place.run("job", command, rerun=True)
    Waits(place.backend, 60).end(job)
    settled(place.backend, job.key)
    return place.job("job")


def output(place: Place, number: int) -> bytes:
    parts: list[bytes] = []
    found = place.backend.logs(place.job("job"), number)
    with LogReader(found.run(), LogOptions(), parts.append) as reader:
        reader.backlog()
        reader.finish()
    return b"".join(parts)


def test_every_start_has_a_number_and_its_manifest_end_and_logs_are_kept(place: Place) -> None:
    first = run_to_end(place, "echo first; exit 3")
    run_to_end(place, "echo second")
    third = run_to_end(place, "echo third")
    assert place.backend.runs([third.uid])[third.uid].number == 3
    second_run, first_run = place.backend.history(third)
    assert (second_run.number, second_run.exit_code, first_run.number, first_run.exit_code) == (2, "0", 1, "3")
    assert (first_run.uid, first_run.data["status"]) == (first.uid, first.data["status"])
    assert first_run.runtime is not None
    assert "echo first; exit 3" in str(first_run.runtime)
    assert "echo second" in str(second_run.runtime)
    assert first_run.digest != second_run.digest
    assert first_run.run_digest != second_run.run_digest
    assert first_run.code is not None
    assert [output(place, number) for number in (1, 2, 3)] == [b"first\n", b"second\n", b"third\n"]


def test_a_run_that_is_not_there_is_named_with_those_that_are(place: Place) -> None:
    run_to_end(place, "echo first")
    job = run_to_end(place, "echo second")
    with pytest.raises(NotFound, match="no run 3") as caught:
        place.backend.logs(job, 3)
    assert "there are 2, 1;" in (caught.value.hint or "")


def test_a_deleted_job_is_deleted_with_all_its_runs(place: Place) -> None:
    run_to_end(place, "echo first")
    job = run_to_end(place, "echo second")
    place.backend.wish(job.key, "delete", uid=job.uid)
    assert Waits(place.backend, 30).gone(job.key, job.uid)
    assert list(place.folder.glob("home/state/*/jobs/*/*/*")) == []
    again = run_to_end(place, "echo anew")
    assert place.backend.history(again) == []
    assert place.backend.runs([again.uid])[again.uid].number == 1


def test_a_running_job_that_was_changed_is_stopped_and_replaced_only_by_force(place: Place) -> None:
    first = place.run("job", SLEEPING)
    eventually(lambda: output(place, 1) == b"up\n")
    assert place.run("job", "echo second", replace=True).uid == first.uid
    second = place.run("job", "echo second", force=True)
    Waits(place.backend, 60).end(second)
    settled(place.backend, second.key)
    assert second.uid != first.uid
    (former,) = place.backend.history(second)
    assert (former.uid, former.exit_code) == (first.uid, "130")
    assert former.data["status"]["conditions"][-1]["reason"] == "Cancelled"
    assert [output(place, number) for number in (1, 2)] == [b"up\n", b"second\n"]


def test_force_leaves_alone_what_has_not_changed_and_changes_what_can_be_changed(place: Place) -> None:
    first = place.run("job", SLEEPING)
    assert place.run("job", SLEEPING, force=True).uid == first.uid
    head, _, rest = manifest("job", ["sh", "-c", SLEEPING]).rpartition("{name: job}")
    labelled = head + "{name: job, labels: {a: b}}" + rest
    place.apply(labelled, force=True)
    assert place.job("job").uid == first.uid
    assert place.job("job").data["metadata"]["labels"] == {"a": "b"}


def test_a_field_that_cannot_change_while_a_job_runs_changes_by_force(place: Place) -> None:
    first, nodes = place.run("job", SLEEPING), 2
    with pytest.raises(InvalidInput) as caught:
        place.run("job", SLEEPING, replace=True, nodes=nodes)
    assert "immutable" in caught.value.findings[0].message
    second = place.run("job", SLEEPING, force=True, nodes=nodes)
    assert (second.uid != first.uid, second.data["spec"]["trainer"]["numNodes"]) == (True, 2)


def test_run_takes_the_place_of_a_running_job_only_by_force(place: Place) -> None:
    first = place.run("job", SLEEPING)
    with pytest.raises(InvalidInput) as caught:
        place.run("job", SLEEPING, rerun=True)
    assert "exists and is running" in caught.value.findings[0].message
    assert place.run("job", SLEEPING, rerun=True, force=True).uid != first.uid


def test_a_suspended_job_is_replaced_by_force_too(place: Place) -> None:
    first = place.run("job", SLEEPING)
    place.backend.wish(first.key, "suspend")
    for _ in place.backend.watch(Selection(TRAIN_JOB), timeout=30):
        if true_condition(place.job("job").data, "Suspended"):
            break
    ready = place.ready(manifest("job", ["sh", "-c", "echo second"]), force=True)
    assert ready.plan.refusals == ()
    second = place.run("job", "echo second", force=True)
    assert second.uid != first.uid
    assert place.backend.history(second)[0].exit_code == "130"


def test_only_as_many_runs_are_kept_as_the_settings_say(tmp_path: Path) -> None:
    environ = {"KFRUN_HOME": str(tmp_path / "home"), "HOME": str(tmp_path), "KFRUN_RUNS_KEEP": "2"}
    settings = settings_module.load({}, environ, tmp_path)
    with choice.open_backend(settings, create=True) as backend:
        place = Place(backend, settings, tmp_path)
        folders = []
        for word in ("first", "second", "third"):
            job = run_to_end(place, f"echo {word}")
            folders.append(backend.details(job).folder)
        assert [run.number for run in backend.history(job)] == [2]
        assert [os.path.exists(folder) for folder in folders] == [False, True, True]
        with pytest.raises(NotFound):
            backend.logs(job, 1)
        backend.wish(job.key, "delete", now=True)
        assert Waits(backend, 30).gone(job.key, job.uid)


def test_memory_keeps_as_many_runs_as_it_is_told(tmp_path: Path) -> None:
    settings = settings_module.load({}, {"KFRUN_HOME": str(tmp_path), "KFRUN_BACKEND": "memory"}, tmp_path)
    with MemoryBackend() as backend:
        backend.keep = 1
        place = Place(backend, settings, tmp_path)
        run_to_end(place, "echo first")
        assert backend.history(run_to_end(place, "echo second")) == []


def test_a_job_that_another_controller_runs_from_now_on_keeps_its_history_until_it_is_deleted(place: Place) -> None:
    run_to_end(place, "echo here")
    elsewhere = manifest("job", ["true"], spec="  managedBy: kueue.x-k8s.io/multikueue")
    place.apply(elsewhere, replace=True)
    job = place.job("job")
    assert is_managed_elsewhere(job.data)
    assert output(place, 1) == b"here\n"
    with pytest.raises(NotFound, match="does not run"):
        place.backend.logs(job)
    place.backend.wish(job.key, "delete")
    assert list(place.folder.glob("home/state/*/jobs/*/*/*")) == []


def test_what_an_earlier_kfrun_replaced_and_forgot_is_no_stumbling_block(kfrun: Kfrun) -> None:
    """It forgets a run without a history, removes the one before, and swept the folders that it does not know."""
    for word in ("first", "second"):
        kfrun.write("job.yaml", manifest("job", ["echo", word]))
        kfrun.ok("run", "-q", "-f", "job.yaml")
    with kfrun.store() as store:
        run = next(iter(store.runs()))
        (former,) = store.former_runs()
        store.change_run(run.uid, number=0)
        os.rename(former.folder, f"{former.folder}-elsewhere")
    assert "there are no logs of run 1 of job" in kfrun("logs", "job", "--run", "1").stderr
    kfrun.ok("run", "-q", "-f", "job.yaml")
    assert kfrun.ok("logs", "job", "--run", "2") == "second\n"
    assert "there are 3, 2, 1;" in kfrun("logs", "job", "--run", "4").stderr


def test_folders_of_the_history_are_no_leftovers(kfrun: Kfrun) -> None:
    for _ in range(3):
        kfrun.write("job.yaml", manifest("job", ["echo", "again"]))
        kfrun.ok("run", "-q", "-f", "job.yaml")
    settings = settings_module.load({}, kfrun.env, kfrun.folder)
    with choice.open_backend(settings) as backend:
        backend.tidy("default")
    assert [kfrun.ok("logs", "job", "--run", number) for number in "123"] == ["again\n"] * 3


def test_a_runtime_of_the_input_stays_with_the_run_and_is_left_to_no_other(kfrun: Kfrun) -> None:
    kfrun.write("both.yaml", manifest("job", ["echo", "mine"]))
    kfrun.ok("run", "-q", "-f", "both.yaml")
    assert kfrun("get", "trainingruntimes", "-o", "name").stdout == ""
    assert kfrun.ok("rerun", "-q", "job") == "mine\n"
    kfrun.ok("apply", "-q", "-f", "both.yaml")
    assert kfrun.ok("get", "trainingruntimes", "-o", "name").startswith("trainingruntime")
    kfrun.write("both.yaml", manifest("job", ["echo", "other"]))
    kfrun.ok("run", "-q", "-f", "both.yaml")
    assert "mine" in kfrun.ok("get", "trainingruntime", "job", "-o", "yaml")
