"""What a supervisor makes of an engine that pulls, starts slowly and goes away, and of needs that are not met."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from kfrun.execute.controller.facts import Ended, Lost, Started, Waiting
from kfrun.execute.local import runtimes, supervisors, takeover
from kfrun.execute.local.needs.need import Denied, Met, Unmet
from kfrun.observe import logfiles, outcome
from kfrun.observe.store import Store
from tests.execute.local.engine import UID, FakeRuntime, Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "state" / "kfrun.db") as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(runtimes._RUNTIMES, "fake", lambda: FakeRuntime)
    return tmp_path / "state" / "jobs" / "default" / "tj" / UID


def finish(site: Site) -> None:
    """What a supervisor does last."""
    assert site.supervisor._is_over()
    assert site.supervisor._finish()


def test_an_image_that_is_pulled_slowly_is_seen_waiting_and_then_runs(store: Store, folder: Path) -> None:
    site = Site(store, folder)
    assert site.engine.taken() == ["prepare tj-node-0-0", "start tj-node-0-0.0"]
    assert site.engine.stored == ["starting"], "nothing is done that is not written down"
    assert (site.pod()["phase"], site.container()) == ("Pending", {"waiting": {"reason": "ContainerCreating"}})
    for reason in ("ErrImagePull", "ImagePullBackOff"):
        site.turn(Waiting(site.attempt(), reason, "manifest unknown"))
        assert site.container() == {"waiting": {"reason": reason, "message": "manifest unknown"}}
    assert site.conditions() == [("Waiting", "ImagePullBackOff")]
    site.turn(Started(site.attempt(), 5.0))
    assert site.conditions() == []
    assert (site.pod()["phase"], site.container()) == ("Running", {"running": {"startedAt": "1970-01-01T00:00:05Z"}})
    site.turn(Ended(site.attempt(), 0, "Completed", "", 6.0))
    assert site.conditions() == [("Complete", "AllJobsCompleted")]
    assert site.engine.taken() == ["remove tj-node-0-0"]
    finish(site)
    assert site.engine.taken() == [f"clean {UID}"]
    assert site.run().ended


def test_a_job_that_needs_another_one_ready_waits_for_its_image_and_its_probe(store: Store, folder: Path) -> None:
    site = Site(store, folder, "server", "node", dependsOn=[{"name": "server", "status": "Ready"}])
    site.turn(Waiting(site.attempt("server"), "ErrImagePull", "manifest unknown"))
    site.turn(Started(site.attempt("server"), 5.0, ready=False))
    assert site.engine.taken() == ["prepare tj-server-0-0", "start tj-server-0-0.0"]
    assert not site.pod("server")["containerStatuses"][0]["ready"]
    site.turn(Started(site.attempt("server"), 5.0))
    assert site.pod("server")["containerStatuses"][0]["ready"]
    assert site.engine.taken() == ["prepare tj-node-0-0", "start tj-node-0-0.0"]


def test_a_job_that_is_deleted_while_its_image_is_pulled_is_not_started_any_more(store: Store, folder: Path) -> None:
    site = Site(store, folder)
    site.engine.taken()
    site.request("delete")
    assert site.engine.taken() == ["terminate tj-node-0-0", "remove tj-node-0-0"]
    finish(site)
    assert store.runs() == []
    assert not folder.exists()


@pytest.mark.parametrize("succeeds", [True, False])
def test_an_engine_that_goes_away_and_comes_back_has_lost_nothing(store: Store, folder: Path, succeeds: bool) -> None:
    site = Site(store, folder)
    attempt = site.attempt()
    site.turn(Started(attempt, 5.0))
    site.engine.away = True
    site.turn(Lost(attempt, "EngineLost", "it does not answer"))
    lost = {"phase": "Running", "reason": "EngineLost", "message": "it does not answer"}
    assert lost.items() <= site.pod().items()
    assert site.container() == {"running": {"startedAt": "1970-01-01T00:00:05Z"}}
    site.engine.taken()
    site.supervise()
    assert site.engine.taken() == [], "adopted, not started again"
    assert lost.items() <= site.pod().items()
    assert site.events().count("EngineLost") == 1
    site.engine.away = False
    site.turn(Started(attempt, 5.0))
    assert "reason" not in site.pod()
    site.turn(Ended(attempt, 0 if succeeds else 3, "Completed" if succeeds else "Error", "", 6.0))
    assert site.conditions() == [("Complete", "AllJobsCompleted") if succeeds else ("Failed", "FailedJobs")]


def test_a_container_that_is_gone_when_the_engine_is_back_fails_the_job_as_lost(store: Store, folder: Path) -> None:
    site = Site(store, folder, backoffLimit=5)
    site.turn(Started(site.attempt(), 5.0))
    site.turn(Lost(site.attempt(), "EngineLost", "it does not answer"))
    site.turn(Ended(site.attempt(), 137, "EngineLost", "the engine has forgotten it", 6.0))
    assert site.conditions() == [("Failed", "EngineLost")]
    finish(site)
    found = store.find("TrainJob", "default", "tj")
    assert found is not None
    end = outcome.outcome(found.data, [], json.loads(site.run().state)["first_failure"])
    assert end is not None
    assert (end.exit_code, end.reason) == (1, "EngineLost")
    assert end.message.endswith("/node: the engine has forgotten it")


@pytest.mark.parametrize("seen", [True, False])
def test_a_killed_supervisor_is_replaced_in_the_middle_of_a_start(store: Store, folder: Path, seen: bool) -> None:
    """What the engine knows is adopted; what was written down and never asked for is started."""
    site = Site(store, folder)
    attempt = site.attempt()
    if not seen:
        site.engine.containers.clear()
    site.engine.taken()
    site.supervise()
    assert site.engine.taken() == ([] if seen else ["prepare tj-node-0-0", "start tj-node-0-0.0"])
    site.turn(Started(attempt, 5.0))
    site.supervise()
    assert site.engine.taken() == []
    assert site.container() == {"running": {"startedAt": "1970-01-01T00:00:05Z"}}
    site.turn(Ended(attempt, 0, "Completed", "", 6.0))
    assert site.conditions() == [("Complete", "AllJobsCompleted")]


def test_a_pod_that_cannot_be_prepared_is_a_start_error_and_tried_again(store: Store, folder: Path) -> None:
    site = Site(store, folder, backoffLimit=3, broken="no space for a network")
    assert site.engine.taken() == []
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    assert (site.container(), site.pod()["containerStatuses"][0]["restartCount"]) == (waiting, 2)
    assert site.events().count("Failed") == 1, "the same one twice"
    first = json.loads(site.run().state)["first_failure"]
    assert (first["reason"], first["message"]) == ("StartError", "no space for a network")


def test_the_logs_of_an_engine_are_found_as_those_of_processes(store: Store, folder: Path) -> None:
    site = Site(store, folder)
    (folder / "pods" / site.attempt().pod / "node.0.log").write_text("a line\n")
    (found,) = logfiles.discover(str(folder))
    assert (found.label, found.pod) == ("node-0", site.attempt().pod)


def test_a_job_that_is_made_anew_under_its_name_is_another_one(store: Store, folder: Path) -> None:
    """What a restart of the JobSet comes to: nothing of the Job before it is counted, shown or removed with it."""
    site = Site(store, folder, restartPolicy="Never", backoffLimit=5)
    site.turn(Ended(site.attempt(), 1, "Error", "", 6.0))
    site.turn(Started(site.attempt(restarts=1), 6.0))
    state = site.supervisor._state
    (before,) = state.jobs
    before.deleted, state.jobset.restarts = True, 1
    state.pods[0].kill_at = 6.0
    site.turn()
    assert store.objects("Job", "default") == [], "what was before it still runs"
    site.turn(Ended(site.attempt(restarts=1), 143, "Error", "", 7.0))
    (shown,) = [item.data for item in store.objects("Job", "default")]
    assert (shown["metadata"]["uid"], shown["status"]["failed"]) == (f"{before.uid}-r1", 0)
    pods = [item.data for item in store.objects("Pod", "default")]
    owners = [pod["metadata"]["ownerReferences"][0]["uid"] for pod in pods]
    assert sorted(owners) == [before.uid, f"{before.uid}-r1"]
    site.supervise()
    site.turn(Started(site.attempt(), 7.0), Ended(site.attempt(), 0, "Completed", "", 8.0))
    assert site.conditions() == [("Complete", "AllJobsCompleted")]


# Needs


def test_nothing_is_made_before_the_needs_are_met_and_each_wait_is_told_once(store: Store, folder: Path) -> None:
    site = Site(store, folder, need=Unmet("NetworkCreating", "Making the network"))
    site.turn()
    assert (site.engine.taken(), store.objects("JobSet", "default"), site.conditions()) == ([], [], [])
    assert site.events() == ["NetworkCreating"]
    site.supervise()
    site.need.answer = Met("NetworkReady", "The network is there")
    site.turn()
    site.turn()
    told = [event for event in site.events() if event.startswith("Network")]
    assert told == ["NetworkCreating", "NetworkReady"]
    assert site.engine.taken() == ["prepare tj-node-0-0", "start tj-node-0-0.0"]


def test_a_need_that_is_denied_fails_the_job_and_nothing_was_made(store: Store, folder: Path) -> None:
    site = Site(store, folder, need=Denied("EnvironmentFailed", "there is no such device"))
    assert site.conditions() == [("Failed", "EnvironmentFailed")]
    assert (site.engine.taken(), store.objects("Pod", "default")) == ([], [])
    finish(site)
    assert site.need.log == ["advance", "stop", "release"]


def test_a_request_ends_the_wait_for_a_need(store: Store, folder: Path) -> None:
    site = Site(store, folder, need=Unmet("NetworkCreating", "Making the network"))
    site.request("cancel")
    assert site.conditions() == [("Failed", "Cancelled")]
    assert site.need.log[-1] == "stop"


def test_needs_are_asked_again_before_a_retry_when_nothing_runs(store: Store, folder: Path) -> None:
    site = Site(store, folder, "node", "peer", backoffLimit=3)
    assert site.need.log == ["advance"]
    node, peer = site.attempt("node"), site.attempt("peer")
    site.turn(Started(node, 5.0), Started(peer, 5.0))
    site.turn(Ended(node, 1, "Error", "", 6.0))
    assert site.attempt("node", restarts=1)
    assert site.need.log == ["advance"], "what the peer uses must stay as it is"
    site.turn(Ended(peer, 0, "Completed", "", 6.0))
    site.need.answer = Unmet("DevicesTaken", "another job has them")
    site.engine.taken()
    site.turn(Ended(site.attempt("node", restarts=1), 1, "Error", "", time.time()))
    assert site.container() == {"waiting": {"reason": "CrashLoopBackOff"}}, "it is not due yet"
    site.supervisor._state.pods[0].containers[0].not_before = 0.0
    site.turn()
    assert site.container() == {"waiting": {"reason": "DevicesTaken", "message": "another job has them"}}
    assert site.engine.taken() == []
    site.supervise()
    assert site.engine.taken() == ["remove tj-peer-0-0"], "once more, in case that it was killed before"
    site.need.answer = Met()
    site.turn()
    assert site.engine.taken() == ["prepare tj-node-0-0", "start tj-node-0-0.2"]
    site.turn(Started(site.attempt(restarts=2), 7.0), Ended(site.attempt(restarts=2), 0, "Completed", "", 8.0))
    assert site.conditions() == [("Complete", "AllJobsCompleted")]


# What another version wrote


def test_a_backend_of_another_version_is_refused_in_one_sentence_and_nothing_is_touched(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(store, folder)
    site.engine.taken()
    monkeypatch.delitem(runtimes._RUNTIMES, "fake")
    takeover._reconcile(store, site.run())
    assert site.conditions() == [("Failed", "SupervisorFailed")]
    found = store.find("TrainJob", "default", "tj")
    assert found is not None
    assert found.data["status"]["conditions"][0]["message"] == (
        "the job's own files cannot be read (another version of kfrun runs it with the backend "
        '"fake", which this one does not have); its processes were left alone: run its manifest again'
    )


def test_a_state_of_a_later_version_is_refused_in_one_sentence(store: Store, folder: Path) -> None:
    site = Site(store, folder)
    store.change_run(UID, state=json.dumps({**json.loads(site.run().state), "queue": "fast"}))
    takeover._reconcile(store, site.run())
    assert site.conditions() == [("Failed", "SupervisorFailed")]
    assert site.engine.taken()[-1] == f"clean {UID}", "what it left running is stopped"
    (told,) = [event.message for _, event in store.events("default") if event.reason == "SupervisorFailed"]
    assert told.startswith(f"the job's own files cannot be read ({store.path}: the state of the job")
    assert told.endswith("; it was stopped: run its manifest again")


def test_a_job_of_a_runtime_whose_folder_is_gone_is_cleaned_by_its_runtime(store: Store, folder: Path) -> None:
    site = Site(store, folder)
    site.engine.taken()
    supervisors.remove_folder(str(folder))
    takeover._forget(str(folder))
    assert site.engine.taken() == [f"clean {UID}"]
    assert store.runs() == []
