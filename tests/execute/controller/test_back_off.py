"""Waits between attempts, held against the kubelet's and the Job controller's own bookkeeping.

Those are client-go's flowcontrol.Backoff as the kubelet's doBackOff asks it, and the Job controller's backoffRecord.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from kfrun.execute.controller.facts import Ended
from tests.execute.controller.machine import NEVER, Machine, child, workload

_BASE, _LIMIT, _LONGEST = 10.0, 300.0, 600.0


@dataclass
class _Entry:
    """What flowcontrol.Backoff keeps of one container."""

    wait: float
    updated: float


@settings(deadline=None)
@given(st.lists(st.sampled_from((0.0, 1.0, 299.0, 300.0, 600.0, 600.5, 5000.0)), min_size=1, max_size=25))
def test_a_container_waits_as_long_as_the_kubelet_has_it_wait(runs: list[float]) -> None:
    machine = Machine(workload(child(backoffLimit=99)))
    entry: _Entry | None = None
    for run in runs:
        ended = machine.now + run
        machine.at(ended)
        machine.end(0, 1)
        is_known = entry is not None and ended - entry.updated <= 2 * _LIMIT
        due = ended + entry.wait if entry is not None and is_known else ended
        assert (machine.wake_at or machine.now) == due
        machine.at(due)
        entry = _Entry(min(2 * entry.wait, _LIMIT) if entry is not None and is_known else _BASE, due)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from((0.0, 1.0, 700.0)), st.integers(0, 9), st.booleans()), max_size=25))
def test_a_failed_pod_waits_for_the_failures_since_the_last_success(ends: list[tuple[float, int, bool]]) -> None:
    machine = Machine(workload(child(nodes=10, backoffLimit=99, pod=NEVER)))
    failures, last = 0, 0.0
    for after, index, fails in ends:
        machine.at(machine.now + after)
        if index not in _running(machine):
            continue
        machine.end(index, int(fails))
        failures, last = (failures + 1, machine.now) if fails else (0, 0.0)
        due = last + min(_BASE * 2 ** (failures - 1), _LONGEST) if failures else 0.0
        missing = 10 - len(_running(machine)) - len(machine.state.jobs[0].completed_indexes)
        assert bool(missing) is (due > machine.now), "all that is missing waits for the same"
        assert not missing or machine.wake_at == due


def test_failures_of_an_index_with_a_limit_of_its_own_are_not_those_of_others() -> None:
    machine = Machine(workload(child(nodes=3, backoffLimitPerIndex=9, pod=NEVER)))
    machine.end(0, 1)
    machine.at(10)
    machine.end(0, 1)
    machine.end(1, 1)
    machine.end(2, 0)
    machine.at(20)
    assert _running(machine) == {1}
    machine.at(30)
    assert _running(machine) == {0, 1}


def test_a_supervisor_that_comes_late_waits_from_the_end_of_what_failed() -> None:
    machine = Machine(workload(child(backoffLimit=9)))
    machine.end(0, 1)
    machine.now = 100
    machine.tell(Ended(machine.attempt(), 1, "Error", "", 95.0))
    assert machine.wake_at == 105


def _running(machine: Machine) -> set[int]:
    return {pod.index for pod in machine.state.pods if not pod.ended}
