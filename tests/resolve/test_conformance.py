"""The JobSets that the real controller builds, and those that kfrun builds of the same objects."""

from __future__ import annotations

import pytest
import yaml

from kfrun.resolve.catalogue import Catalogue
from kfrun.resolve.expand import expand
from kfrun.resolve.resolver import resolve
from tests.resolve.reading import DATA, documents

CASES = sorted(path.name for path in (DATA / "conformance").iterdir())


def _jobs(case: str):
    """Each TrainJob of a case with what was applied before it and what the controller made of it."""
    folder = DATA / "conformance" / case
    applied = documents((folder / "input.yaml").read_text(), "input.yaml")
    expected = yaml.safe_load((folder / "expected.yaml").read_text())
    assert len(applied) == len(expected)
    for index, (document, answer) in enumerate(zip(applied, expected, strict=True)):
        if document.key.kind == "TrainJob":
            yield document, Catalogue(applied[:index]), answer


@pytest.mark.parametrize("case", CASES)
def test_resolves_to_the_jobset_that_the_controller_applies(case):
    for job, catalogue, answer in _jobs(case):
        resolution = resolve(job, catalogue, version="head")
        jobsets = [item for item in answer.get("appliedObjects", []) if item["kind"] == "JobSet"]
        if jobsets:
            assert resolution.jobset == jobsets[0]
            assert not resolution.findings
        elif "buildError" in answer or "webhookErrors" in answer or "note" in answer:
            assert resolution.jobset is None
            assert resolution.findings
        else:
            pytest.fail(f"nothing to compare for {job.key.name}")


@pytest.mark.parametrize("case", CASES)
def test_every_jobset_of_the_controller_has_its_fields_traced(case):
    for job, catalogue, _ in _jobs(case):
        resolution = resolve(job, catalogue, version="head")
        for path in resolution.origins:
            node = resolution.jobset
            for part in path:
                node = node[part]


@pytest.mark.parametrize("case", CASES)
def test_no_two_places_of_a_jobset_share_an_object(case):
    for job, catalogue, _ in _jobs(case):
        seen = set()
        waiting = [resolve(job, catalogue, version="head").jobset]
        while waiting:
            node = waiting.pop()
            if isinstance(node, dict | list):
                assert id(node) not in seen
                seen.add(id(node))
                waiting += node.values() if isinstance(node, dict) else node


@pytest.mark.parametrize("case", ["init-dataset-and-model", "metadata-propagation"])
def test_expands_to_the_jobs_that_jobset_creates(case):
    ((job, catalogue, answer),) = _jobs(case)
    uid = "99999999-0000-0000-0000-000000000000"
    workload = expand(resolve(job, catalogue, version="head"), uid=uid)
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
