"""What the JobSets of the conformance cases (tests/conformance compares them) have beside the right fields."""

from __future__ import annotations

from pathlib import Path

import pytest

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
    uid = "99999999-0000-0000-0000-000000000000"
    workload = expand(resolution, uid=uid)
    for child, expected in zip(workload.jobs, answer["childJobs"], strict=True):
        template = expected["spec"]["template"]
        assert child.name == expected["metadata"]["name"]
        assert child.labels == template["metadata"]["labels"]
        assert child.annotations == template["metadata"]["annotations"]
        assert len(child.pods) == expected["spec"]["completions"]
        assert child.restart_policy == template["spec"]["restartPolicy"]
        assert child.pods[0].host == f"{child.name}-0.{template['spec']['subdomain']}"
        names = [item["name"] for item in template["spec"]["containers"]]
        assert [container.name for container in child.pods[0].containers] == names
