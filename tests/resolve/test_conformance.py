"""What the JobSets of the conformance cases (tests/conformance compares them) have beside the right fields."""

from __future__ import annotations

from pathlib import Path

import pytest

from kfrun.model.runstate import JobState, RunState
from kfrun.observe import status
from kfrun.resolve.pods.expand import expand
from tests.conformance import comparison

FOLDER = Path(__file__).parents[1] / "conformance" / "cases"
CASES = sorted(path.name for path in FOLDER.iterdir())
WITH_CHILDREN = [case for case in CASES if "\n  childJobs:" in (FOLDER / case / "expected.yaml").read_text()]


def _jobs(case: str):
    """The resolution of each TrainJob of a case, with the real answer."""
    for entry in comparison.entries(FOLDER / case):
        if entry.document.key.kind == "TrainJob":
            yield entry.resolved(), entry.answer


@pytest.mark.parametrize("case", CASES)
def test_every_jobset_of_the_controller_has_its_fields_traced(case):
    for resolution, _ in _jobs(case):
        for path in resolution.origins:
            node = resolution.jobset
            for part in path:
                node = node[part]


@pytest.mark.parametrize("case", CASES)
def test_no_two_places_of_a_jobset_share_an_object(case):
    for resolution, _ in _jobs(case):
        seen = set()
        waiting = [resolution.jobset, *resolution.objects]
        while waiting:
            node = waiting.pop()
            if isinstance(node, dict | list):
                assert id(node) not in seen
                seen.add(id(node))
                waiting += node.values() if isinstance(node, dict) else node


@pytest.mark.parametrize("case", WITH_CHILDREN)
def test_expands_to_the_jobs_that_jobset_creates(case):
    ((resolution, answer),) = _jobs(case)
    workload = expand(resolution, cluster_defaults=True)
    state = RunState("uid", 0.0)
    for child, expected in zip(workload.jobs, answer["childJobs"], strict=True):
        job = JobState(child.name, "uid", child.replicated_job, child.index, 0.0)
        shown = status.job_object(workload, state, job, child)
        assert shown["metadata"]["name"] == expected["metadata"]["name"]
        for key in ("labels", "annotations"):
            assert shown["metadata"][key] == _known_before(expected["metadata"][key])
        metadata = expected["spec"]["template"]["metadata"]
        metadata |= {key: _known_before(metadata[key]) for key in metadata}
        _as_applied(expected["spec"]["template"]["spec"])
        assert shown["spec"] == {**expected["spec"], "backoffLimit": 6}


def _as_applied(pod):
    """Without what admission adds."""
    for port in (port for container in pod["containers"] for port in container.get("ports", ())):
        assert port.pop("protocol") == "TCP"
    for container in pod.get("initContainers", ()):
        assert container.pop("resources") == {}


def _known_before(labels):
    """Without the uid of the JobSet: it gets that when it is created."""
    return {key: value for key, value in labels.items() if key != "jobset.sigs.k8s.io/jobset-uid"}
