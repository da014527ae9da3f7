"""The Trainer controller's part: suspension, deadline and conditions of the TrainJob (Trainer v2.3).

`step` is the door of the whole state machine. Reasons that only kfrun knows: Cancelled, NodeRestarted,
EnvironmentFailed, RecorderLost, EngineLost, SupervisorFailed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.execute.controller import jobset
from kfrun.execute.controller import pod as pods
from kfrun.execute.controller.context import set_condition
from kfrun.model.kinds import TRAIN_JOB
from kfrun.model.runstate import is_true
from kfrun.model.state import DEADLINE_EXCEEDED, INSTALLING, WAITING, WOULD_HANG

if TYPE_CHECKING:
    from kfrun.execute.controller.context import Pass
    from kfrun.model.runstate import RunState


def step(p: Pass) -> None:
    """Bring the TrainJob as far as it goes now; what is new was noted in the same pass before."""
    _step(p)
    _note_wait(p)


def _step(p: Pass) -> None:
    state = p.state
    if state.request:
        _obey(p)
    if state.finished or state.jobset.deleted:
        jobset.settle(p)
        return
    _note_suspension(p)
    if state.needs not in ("ready", "") and not state.suspend:
        _check_deadline(p)
        return
    if state.jobset.created is None:
        _tell_hangs(p, "start")
    jobset.advance(p, suspend=state.suspend)
    _copy_outcome(p)
    if not state.finished:
        _check_deadline(p)


def note_installation(p: Pass, message: str, reason: str = "") -> None:
    """The condition Installing, which only kfrun has: as long as packages are installed, and never afterwards."""
    if message:
        set_condition(p.state.conditions, INSTALLING, reason, message, p.now)
    else:
        _remove(p.state, INSTALLING)


def _note_wait(p: Pass) -> None:
    """The condition Waiting, which only kfrun has: while nothing runs, because something is not there."""
    containers = [item for pod in p.state.pods if not pod.ended for item in pod.containers]
    held = next((item for item in containers if item.message and item.status in ("waiting", "starting")), None)
    if held is None or p.state.finished or any(item.status == "running" for item in containers):
        _remove(p.state, WAITING)
    else:
        set_condition(p.state.conditions, WAITING, held.reason or "Unschedulable", held.message, p.now)


def _remove(state: RunState, kind: str) -> None:
    state.conditions = [item for item in state.conditions if item.type != kind]


def shift_waits(state: RunState, seconds: float) -> None:
    """The clock was set forward by ``seconds``: grace periods and back-offs last as long as they would have.

    Deadlines are times of the wall clock, as on a cluster.
    """
    for pod in state.pods:
        if pod.kill_at is not None and not pod.ended:
            pod.kill_at += seconds
        for container in pod.containers:
            if container.kill_at is not None:
                container.kill_at += seconds
            if container.not_before:
                container.not_before += seconds
    for job in state.jobs:
        job.next_try = {index: at + seconds for index, at in job.next_try.items()}


def is_over(state: RunState) -> bool:
    """Nothing runs and nothing will: the supervisor may go."""
    ended = all(pod.ended for pod in state.pods)
    return ended and (state.finished or state.is_deleting)


def is_at_rest(state: RunState) -> bool:
    """Nothing runs and nothing will before it is resumed, or something else is asked for: the supervisor may go."""
    ended = all(pod.ended for pod in state.pods)
    return ended and state.suspend and is_true(state.conditions, "Suspended") and not (state.finished or state.request)


def fail(p: Pass, reason: str, message: str) -> None:
    """Fail the TrainJob for a reason that only kfrun knows, and stop what runs."""
    if not p.state.finished:
        set_condition(p.state.conditions, "Failed", reason, message, p.now)
        p.event(TRAIN_JOB, p.workload.jobset_name, reason, message, warning=True)
    jobset.remove(p)


def _obey(p: Pass) -> None:
    if p.state.request in ("cancel", "kill") and not p.state.finished:
        fail(p, "Cancelled", "TrainJob was cancelled by the user")
    if p.state.is_deleting and not p.state.jobset.deleted:
        jobset.remove(p)
    kill_at = p.now if p.state.request in ("kill", "delete now") else p.state.delete_by
    if kill_at is not None:
        for pod in p.state.pods:
            pods.shorten_grace(p, pod, kill_at)


def _note_suspension(p: Pass) -> None:
    conditions = p.state.conditions
    suspended = is_true(conditions, "Suspended")
    if p.state.suspend:
        set_condition(conditions, "Suspended", "Suspended", "TrainJob is suspended", p.now)
    elif suspended:
        set_condition(conditions, "Suspended", "Resumed", "TrainJob is resumed", p.now, status="False")
        p.state.resumed = p.now
        _tell_hangs(p, "resume")


def _tell_hangs(p: Pass, moment: str) -> None:
    """Where a cluster would hang without a word, kfrun goes on, and not in silence."""
    for hang in p.workload.hangs:
        if hang.moment == moment:
            p.event(TRAIN_JOB, p.workload.jobset_name, WOULD_HANG, hang.message, warning=True)


def _copy_outcome(p: Pass) -> None:
    for condition in p.state.jobset.conditions:
        if condition.status == "True" and condition.type in ("Completed", "Failed"):
            kind = "Complete" if condition.type == "Completed" else "Failed"
            set_condition(p.state.conditions, kind, condition.reason, condition.message, condition.since)


def _check_deadline(p: Pass) -> None:
    """The deadline counts from creation, or from the last resume (Trainer 5.2)."""
    if p.workload.active_deadline is None or p.state.suspend:
        return
    due = (p.state.resumed or p.state.created) + p.workload.active_deadline
    if p.now >= due:
        set_condition(p.state.conditions, "Failed", DEADLINE_EXCEEDED, "TrainJob exceeded its active deadline", p.now)
        jobset.remove(p)
    else:
        p.wake(due)
