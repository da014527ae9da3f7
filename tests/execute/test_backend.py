"""What every place where jobs run must do, whichever it is: the contract of `kfrun.execute.backend.Backend`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kfrun.errors import Conflict, InvalidInput, NotFound, Refused, Unsupported
from kfrun.execute.answers import Check
from kfrun.execute.backend import Step
from kfrun.flow import execution
from kfrun.flow.follower import Follower
from kfrun.flow.waits import Waits, conditions
from kfrun.model.change import Unchanged
from kfrun.model.kinds import RUNTIMES, TRAIN_JOB
from kfrun.model.state import is_finished
from kfrun.model.wishes import Wishes
from kfrun.observe import logs
from kfrun.observe.logs import LogOptions, LogReader
from kfrun.observe.selection import Selection, parse_selector
from kfrun.plan import prune
from tests.conftest import manifest
from tests.execute.places import PLACES, Place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kfrun.model.change import Action
    from kfrun.model.state import StoredObject
    from kfrun.observe.outcome import Outcome

SLEEPING = "echo up; sleep 60"
PATCH = """
  runtimePatches:
  - manager: example.com/me
    trainingRuntimeSpec:
      template:
        spec:
          replicatedJobs:
          - name: node
            template: {spec: {template: {spec: {nodeSelector: {disk: fast}}}}}
"""


def labelled(text: str) -> str:
    """The same TrainJob with a label."""
    head, mark, rest = text.rpartition("metadata: {name: job}")
    assert mark
    return f"{head}metadata: {{name: job, labels: {{a: b}}}}{rest}"


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with PLACES[request.param](tmp_path) as found:
        yield found


def end(place: Place, job: StoredObject) -> Outcome:
    return Waits(place.backend, 60).end(job).outcome


def until(place: Place, kind: str, holds: Any, timeout: float = 30) -> StoredObject:
    """The first object of a kind for which that holds."""
    for _ in place.backend.watch(Selection(kind), timeout=timeout):
        for item in place.backend.objects(Selection(kind)):
            if holds(item.data):
                return item
    raise AssertionError(f"no such {kind} in time")


def is_running(pod: dict[str, Any]) -> bool:
    return bool(pod["status"].get("phase") == "Running")


def settled(place: Place, job: StoredObject) -> None:
    found = place.backend.logs(job)
    while not found.ended():
        place.backend.pause(0.02)


def output(place: Place, job: StoredObject, **options: Any) -> bytes:
    parts: list[bytes] = []
    with LogReader(place.backend.logs(job).run(), LogOptions(**options), parts.append) as reader:
        reader.backlog()
        reader.finish()
    return b"".join(parts)


# Nothing


def test_where_nothing_is_nothing_is_found(place: Place) -> None:
    backend = place.backend
    key = place.ready(manifest("job", ["true"])).keys[0]
    found = backend.observe([key])
    assert (found.runtimes, found.jobs, found.objects, found.child_jobs) == ((), {}, {}, {})
    assert backend.find(TRAIN_JOB, "default", "job") is None
    assert backend.objects(Selection(TRAIN_JOB)) == []
    assert backend.objects(Selection("Event")) == []
    assert backend.events() == []
    assert backend.runs() == {}
    assert backend.wish(key, "delete") is None
    assert backend.wish(key, "suspend") is None
    assert list(backend.watch(Selection(TRAIN_JOB), timeout=0)) == [[]]


# A job


def test_a_job_runs_to_its_end_and_everything_of_it_is_there(place: Place) -> None:
    job = place.run("job", "echo hello")
    assert job.data["metadata"]["generation"] == 1
    found = end(place, job)
    assert (found.succeeded, found.exit_code, found.reason) == (True, 0, "AllJobsCompleted")
    settled(place, job)
    assert output(place, job) == b"hello\n"
    backend = place.backend
    for kind, count in (("JobSet", 1), ("Job", 1), ("Pod", 1), (TRAIN_JOB, 1)):
        assert len(backend.objects(Selection(kind, "default"))) == count, kind
    (pod,) = backend.objects(Selection("Pod", owner=job.uid))
    assert pod.data["spec"]["containers"][0]["command"] == ["sh", "-c", "echo hello"]
    assert pod.data["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 0
    reasons = [event.reason for _, event in backend.events(owner=job.uid)]
    assert {"SuccessfulCreate", "Completed", "AllJobsCompleted"} <= set(reasons)


def test_a_job_with_probes_and_hooks_runs_to_its_end(place: Place) -> None:
    ok, more = "{exec: {command: [sh, -c, exit 0]}}", ""
    for name in ("startup", "readiness", "liveness"):
        more += f"{name}Probe: {ok}\n                  "
    more += f"lifecycle: {{postStart: {ok}, preStop: {ok}}}\n                  command: "
    text = manifest("job", ["sh", "-c", "sleep 0.6; echo hello"]).replace("command: ", more)
    place.apply(text)
    found = end(place, place.job("job"))
    assert (found.succeeded, output(place, place.job("job"))) == (True, b"hello\n")


@pytest.mark.parametrize("command", ["exit 4", "sleep 0.3; exit 4"])
def test_who_waits_for_what_cannot_come_any_more_is_told_at_once(place: Place, command: str) -> None:
    job = place.run("job", command, backoff="0")
    wanted = [conditions.parse("condition=Complete")]
    vain = Waits(place.backend, 60).until([job.key], wanted, lambda *_: pytest.fail("it came"))
    assert vain is not None
    assert (vain.job.uid, vain.outcome.exit_code, vain.what) == (job.uid, 4, wanted[0])


@pytest.mark.parametrize("nodes", [1, 3])
def test_the_code_of_a_job_that_failed_is_that_of_its_first_failure(place: Place, nodes: int) -> None:
    job = place.run("job", "echo oh; exit 7", nodes=nodes, backoff="0")
    found = end(place, job)
    assert (found.succeeded, found.exit_code) == (False, 7)
    assert found.node.startswith("node-")
    settled(place, job)
    run = place.backend.runs([job.uid])[job.uid]
    assert run.ended
    assert place.backend.outcome(place.job("job")) == found


def test_a_failed_container_is_started_again_as_its_job_says(place: Place) -> None:
    job = place.run("job", "echo once; exit 3", backoff="2", policy="OnFailure")
    assert end(place, job).exit_code == 3
    settled(place, job)
    assert output(place, job, attempts="all", prefix=False) == b"once\nonce\n"


def test_each_node_writes_a_log_of_its_own(place: Place) -> None:
    job = place.run("job", "echo here", nodes=2)
    end(place, job)
    settled(place, job)
    assert sorted(output(place, job).splitlines()) == [b"[node-0] here", b"[node-1] here"]
    assert output(place, job, nodes=("1",)) == b"here\n"


def test_following_a_job_tells_all_of_it(place: Place) -> None:
    job = place.run("job", "echo hello; exit 4", backoff="0")
    written: list[bytes] = []
    told: list[str] = []
    follower = Follower(place.backend, job, write=written.append, tell=told.append, options=LogOptions(attempts="all"))
    outcome = follower.follow()
    assert outcome is not None
    follower.tell_end(outcome)
    assert (b"".join(written), outcome.exit_code) == (b"hello\n", 4)
    assert told[-1].startswith("job: Failed after ")


# Again


def test_what_was_applied_is_unchanged(place: Place) -> None:
    text = manifest("job", ["sh", "-c", SLEEPING])
    assert place.apply(text) == [
        "trainingruntime.trainer.kubeflow.org/job created",
        "trainjob.trainer.kubeflow.org/job created",
    ]
    before = place.job("job")
    assert all(isinstance(action, Unchanged) for action in place.ready(text).plan.actions)
    assert place.apply(text) == [
        "trainingruntime.trainer.kubeflow.org/job unchanged",
        "trainjob.trainer.kubeflow.org/job unchanged",
    ]
    assert place.job("job").uid == before.uid
    observed = place.backend.observe([before.key])
    assert observed.jobs[before.key].uid == before.uid
    assert [item.key.kind for item in observed.runtimes] == [RUNTIMES[1]]
    until(place, "Pod", is_running)
    assert list(place.backend.observe([before.key]).child_jobs) == [("default", "job-node-0")]


def test_a_changed_label_reaches_the_object_and_no_pod(place: Place) -> None:
    text = manifest("job", ["sh", "-c", SLEEPING])
    place.apply(text)
    before = place.job("job")
    place.apply(
        text.replace(
            "metadata: {name: job}\nspec:\n  runtimeRef", "metadata: {name: job, labels: {a: b}}\nspec:\n  runtimeRef"
        )
    )
    after = place.job("job")
    assert (after.uid, after.data["metadata"]["labels"]) == (before.uid, {"a": "b"})
    assert [item.uid for item in place.backend.objects(Selection(TRAIN_JOB, labels=parse_selector("a=b")))] == [
        after.uid
    ]
    assert place.backend.objects(Selection(TRAIN_JOB, labels=parse_selector("a!=b"))) == []


OTHERS = """\
metadata:
  name: job
  uid: of-another-cluster
  generation: 7
  resourceVersion: "99"
  creationTimestamp: 2020-01-01T00:00:00Z
  deletionTimestamp: 2020-01-01T00:00:00Z
  managedFields: []
  selfLink: /there
status:
  conditions:
  - {type: Complete, status: "True", reason: X, message: y, lastTransitionTime: 2020-01-01T00:00:00Z}
"""


def test_status_and_server_owned_metadata_of_a_manifest_mean_nothing(place: Place) -> None:
    text = manifest("job", ["sh", "-c", "sleep 60"])
    assert "metadata: {name: job}\n" in text
    foreign = OTHERS.join(text.rsplit("metadata: {name: job}\n", 1))
    place.apply(foreign)
    metadata = place.job("job").data["metadata"]
    assert not is_finished(place.job("job").data)
    assert (metadata["uid"], metadata["generation"]) != ("of-another-cluster", 7)
    assert not {"deletionTimestamp", "managedFields", "selfLink"} & metadata.keys()
    assert metadata["resourceVersion"] != "99"
    assert not metadata["creationTimestamp"].startswith("2020")
    # nor do they when the object is there already, and nothing else is changed
    assert [type(one) for one in place.ready(text).plan.actions if one.key.kind == TRAIN_JOB] == [Unchanged]
    assert [type(one) for one in place.ready(foreign).plan.actions if one.key.kind == TRAIN_JOB] == [Unchanged]
    place.apply(labelled(text).replace("labels: {a: b}}", "labels: {a: b}, creationTimestamp: null}") + "status: {}\n")
    after = place.job("job").data
    assert (after["metadata"]["uid"], after["metadata"]["labels"]) == (metadata["uid"], {"a": "b"})
    assert after["metadata"]["creationTimestamp"] == metadata["creationTimestamp"]
    assert not is_finished(after)


def test_a_finished_job_is_replaced_and_its_logs_are_kept(place: Place) -> None:
    first = place.run("job", "echo first")
    end(place, first)
    settled(place, first)
    second = place.run("job", "echo second", rerun=True)
    assert second.uid != first.uid
    end(place, second)
    settled(place, second)
    assert output(place, second) == b"second\n"
    source, options = logs.previous(place.backend.logs(second), LogOptions())
    parts: list[bytes] = []
    with LogReader(source, options, parts.append) as reader:
        reader.backlog()
        reader.finish()
    assert b"".join(parts) == b"first\n"


# Two at once


def test_a_job_that_somebody_else_created_meanwhile_is_a_conflict(place: Place) -> None:
    ready = place.ready(manifest("job", ["sh", "-c", SLEEPING]))
    execution.carry_out(ready, place.backend, place.caller)
    uid = place.job("job").uid
    with pytest.raises(Conflict):
        execution.carry_out(ready, place.backend, place.caller)
    assert place.job("job").uid == uid


def test_a_plan_with_refusals_is_not_carried_out(place: Place) -> None:
    text = manifest("job", ["sh", "-c", "exit 0"])
    place.apply(text)
    end(place, place.job("job"))
    before, refused = place.job("job"), place.ready(labelled(text))
    with pytest.raises(InvalidInput) as caught:
        execution.carry_out(refused, place.backend, place.caller)
    assert [finding.code for finding in caught.value.findings] == ["KF501"]
    assert place.job("job").uid == before.uid


def test_a_plan_begins_before_its_first_step(place: Place) -> None:
    order: list[str] = []
    ready = place.ready(manifest("job", ["true"]))
    (action, *_) = ready.plan.actions
    step = Step(action, ready.desired.objects[0].data)
    place.backend.perform(
        [step], ready.wishes, place.caller, lambda _: order.append("emit"), begin=lambda: order.append("begin")
    )
    assert order == ["begin", "emit"]


def test_a_plan_that_was_made_for_another_state_is_refused(place: Place) -> None:
    text = manifest("job", ["sh", "-c", SLEEPING])
    place.apply(text)
    changed = place.ready(labelled(text))
    assert place.backend.wish(place.job("job").key, "suspend") is True
    with pytest.raises(Refused, match="meanwhile"):
        execution.carry_out(changed, place.backend, place.caller)
    assert place.job("job").data["spec"]["suspend"] is True


def test_a_job_that_was_deleted_meanwhile_cannot_be_changed(place: Place) -> None:
    text = manifest("job", ["sh", "-c", SLEEPING])
    place.apply(text)
    job, changed = place.job("job"), place.ready(labelled(text))
    place.backend.wish(job.key, "delete", now=True)
    assert Waits(place.backend, 30).gone(job.key, job.uid)
    with pytest.raises(Conflict, match="deleted"):
        execution.carry_out(changed, place.backend, place.caller)
    assert place.backend.find(TRAIN_JOB, "default", "job") is None


# Wishes


def test_a_job_is_suspended_and_resumed(place: Place) -> None:
    job = place.run("job", SLEEPING)
    until(place, "Pod", is_running)
    backend = place.backend
    assert backend.wish(job.key, "suspend") is True
    assert backend.wish(job.key, "suspend") is False
    until(place, TRAIN_JOB, lambda data: any(c["type"] == "Suspended" for c in data["status"].get("conditions", ())))
    until(place, "JobSet", lambda data: data["status"]["replicatedJobsStatus"][0]["active"] == 0)
    assert place.job("job").data["metadata"]["generation"] == 2
    assert backend.wish(job.key, "resume", uid="another") is None
    assert backend.wish(job.key, "resume") is True
    until(place, "JobSet", lambda data: data["status"]["replicatedJobsStatus"][0]["ready"] == 1)


def test_what_is_changed_while_suspended_runs_when_resumed(place: Place) -> None:
    text = manifest("job", ["sh", "-c", "echo old"], spec="  suspend: true")
    place.apply(text)
    assert place.job("job").data["spec"]["suspend"] is True
    place.apply(text + PATCH)
    job = place.job("job")
    place.backend.wish(job.key, "resume")
    end(place, job)
    settled(place, job)
    (pod,) = place.backend.objects(Selection("Pod"))
    assert pod.data["spec"]["nodeSelector"] == {"disk": "fast"}


@pytest.mark.parametrize("wish", ["cancel", "kill"])
def test_a_cancelled_job_has_failed(place: Place, wish: Any) -> None:
    job = place.run("job", SLEEPING)
    until(place, "Pod", is_running)
    assert place.backend.wish(job.key, wish, uid="another") is None
    assert place.backend.wish(job.key, wish, uid=job.uid) is True
    found = end(place, job)
    assert (found.succeeded, found.exit_code, found.reason) == (False, 130, "Cancelled")
    settled(place, job)


@pytest.mark.parametrize("is_running_still", [True, False])
def test_a_deleted_job_is_gone_with_everything(place: Place, is_running_still: bool) -> None:
    job = place.run("job", SLEEPING if is_running_still else "echo done")
    if is_running_still:
        until(place, "Pod", is_running)
    else:
        end(place, job)
        settled(place, job)
    follower = place.backend.logs(job)
    assert place.backend.wish(job.key, "delete", uid="another") is None
    assert place.backend.wish(job.key, "delete") is True
    assert Waits(place.backend, 60).gone(job.key, job.uid)
    for kind in (TRAIN_JOB, "JobSet", "Job", "Pod"):
        assert place.backend.objects(Selection(kind)) == [], kind
    assert place.backend.events(owner=job.uid) == []
    assert place.backend.runs([job.uid]) == {}
    assert follower.ended()
    assert follower.deleted
    with pytest.raises(NotFound):
        place.backend.logs(job)


def test_a_runtime_is_deleted_and_nothing_else_can_be_asked_of_it(place: Place) -> None:
    place.run("job", "echo a")
    (runtime,) = place.backend.objects(Selection(RUNTIMES[1]))
    assert place.backend.wish(runtime.key, "delete", uid="another") is None
    assert [place.backend.wish(runtime.key, wish) for wish in ("cancel", "kill", "suspend", "resume")] == [False] * 4
    assert place.backend.objects(Selection(RUNTIMES[1])) == [runtime]
    assert place.backend.wish(runtime.key, "delete") is True
    assert place.backend.objects(Selection(RUNTIMES[1])) == []


def test_a_job_of_another_controller_is_kept_and_not_run(place: Place) -> None:
    place.apply(manifest("job", ["true"], spec="  managedBy: kueue.x-k8s.io/multikueue"))
    job = place.job("job")
    assert place.backend.runs([job.uid]) == {}
    assert place.backend.outcome(job) is None
    with pytest.raises(NotFound):
        place.backend.logs(job)
    silent: list[bytes] = []
    follower = Follower(place.backend, job, write=silent.append, tell=print, options=LogOptions())
    assert (follower.follow(), silent) == (None, [])
    assert (place.backend.wish(job.key, "cancel"), place.job("job")) == (False, job)
    assert place.backend.wish(job.key, "delete") is True
    assert place.backend.find(TRAIN_JOB, "default", "job") is None


# Looking


def test_a_watch_ends_in_time_though_the_job_had_a_deadline_that_it_did_not_need(place: Place) -> None:
    text = manifest("job", ["sh", "-c", "exit 0"], backoff="0\n            activeDeadlineSeconds: 500")
    place.apply(text)
    end(place, place.job("job"))
    settled(place, place.job("job"))
    assert len(list(place.backend.watch(Selection(TRAIN_JOB), timeout=0.5))) == 1


def test_a_watch_tells_what_there_is_and_what_becomes_of_it(place: Place) -> None:
    place.run("job", "sleep 0.2; exit 0")
    seen: list[tuple[str, str]] = []
    for changes in place.backend.watch(Selection(TRAIN_JOB, "default", "job"), timeout=30):
        seen += [(change.type, change.object.key.name) for change in changes]
        conditions = [change.object.data.get("status", {}).get("conditions", ()) for change in changes]
        if any(item["type"] == "Complete" for found in conditions for item in found):
            break
    assert seen[0] == ("ADDED", "job")
    assert set(seen[1:]) == {("MODIFIED", "job")}
    place.backend.wish(place.job("job").key, "delete", now=True)
    for changes in place.backend.watch(Selection("JobSet"), Selection(TRAIN_JOB), timeout=30):
        seen += [(change.type, change.object.key.kind) for change in changes]
        if not place.backend.objects(Selection(TRAIN_JOB)):
            break
    assert place.backend.objects(Selection(TRAIN_JOB)) == []


def test_events_are_numbered_and_told_once(place: Place) -> None:
    job = place.run("job", "echo a")
    end(place, job)
    settled(place, job)
    every = place.backend.events("default")
    numbers = [number for number, _ in every]
    assert numbers == sorted(set(numbers))
    assert place.backend.events("default", after=numbers[0]) == every[1:]
    assert place.backend.events("elsewhere") == []
    objects = place.backend.objects(Selection("Event", "default"))
    assert len(objects) == len(every)
    assert place.backend.objects(Selection("Event", "default", objects[0].key.name)) == objects[:1]


def test_how_jobs_run_is_told_of_all_or_some(place: Place) -> None:
    jobs = [place.run(name, "echo a") for name in ("one", "two", "three")]
    for job in jobs:
        end(place, job)
        settled(place, job)
    assert set(place.backend.runs()) == {job.uid for job in jobs}
    some = place.backend.runs([job.uid for job in jobs[:2]])
    assert {job.uid for job in jobs[:2]} <= set(some)
    run = some[jobs[0].uid]
    assert run.runtime is not None
    assert (run.backend, run.ended, run.runtime["metadata"]["name"]) == (place.settings.backend, True, "one")
    brief = place.backend.runs([jobs[0].uid], brief=True)[jobs[0].uid]
    assert brief.runtime == run.runtime


def test_details_tell_of_pods_that_are_gone_and_of_what_is_not_honoured(place: Place) -> None:
    text = manifest("job", ["sh", "-c", "exit 1"], policy="Never", backoff="0")
    place.apply(text.replace("restartPolicy: Never", "restartPolicy: Never\n                priorityClassName: high"))
    job = place.job("job")
    end(place, job)
    settled(place, job)
    found = place.backend.details(job)
    assert [pod["status"]["phase"] for pod in found.pods] == ["Failed"]
    assert any("priorityClassName" in item for item in found.not_enforced)


def test_an_apply_set_is_kept_and_found(place: Place) -> None:
    key = prune.key_of("default", "team")
    assert place.backend.observe([], key).apply_set == prune.as_seen(key, {}, {}, {})
    place.apply(manifest("job", ["sh", "-c", "echo a"]), apply_set="team")
    found = place.backend.observe([], key).apply_set
    assert found is not None
    assert {member.key.kind for member in found.members} == {RUNTIMES[1], TRAIN_JOB}
    assert all(member.uid for member in found.members)
    assert place.backend.observe([], prune.key_of("default", "other")).apply_set.others[found.members[0].key] == "team"  # type: ignore[union-attr]
    end(place, place.job("job"))
    settled(place, place.job("job"))
    other = manifest("next", ["sh", "-c", "echo a"])
    said = place.apply(other, apply_set="team", prune=True)
    assert "trainjob.trainer.kubeflow.org/job deleted" in said
    assert [item.key.name for item in place.backend.objects(Selection(TRAIN_JOB))] == ["next"]


# What a place has none of


def test_what_a_place_has_none_of_is_refused_with_the_reason_that_it_names(place: Place) -> None:
    job = place.run("job", SLEEPING)
    pod = until(place, "Pod", is_running)
    backend = place.backend
    calls = {
        "exec": lambda: backend.execute(pod, "node", ["ls"], stdin=None, terminal=False),
        "copy": lambda: backend.copy(pod, "node", "a", "b", upload=True),
        "forward": lambda: backend.forward(pod, [(8000, 80)]),
        "usage": lambda: backend.usage("default"),
    }
    assert set(backend.support.refusals) <= set(calls)
    for operation, call in calls.items():
        if operation in backend.support.refusals:
            with pytest.raises(Unsupported) as caught:
                call()
            assert caught.value.message.endswith(backend.support.refusals[operation])
        else:
            call()
    backend.wish(job.key, "delete", now=True)


def test_a_place_looks_at_itself(place: Place) -> None:
    found = list(place.backend.checks())
    assert found
    assert all(isinstance(check, Check) and check.name and check.message for check in found)
    assert all(check.fix for check in found if check.status != "ok")


def test_steps_that_ask_for_nothing_change_nothing(place: Place) -> None:
    job = place.run("job", SLEEPING)
    done: list[Action] = []
    place.backend.perform([Step(Unchanged(job.key, "unchanged"))], Wishes(), place.caller, done.append)
    assert [type(action) for action in done] == [Unchanged]
    assert place.job("job").uid == job.uid
