"""Golden plans: each folder of ``cases`` holds an input, what is stored, and the plan that follows as text.

desired.yaml   the input, as for ``kfrun apply -f``
observed.yaml  the stored TrainJobs with their status, and the runtimes they were created with (optional)
options.yaml   fields of Wishes, `strict`, and `delete` as a list of {kind, name} (optional)
plan.txt       the plan; ``pytest tests/plan --update-golden`` writes it anew: review the difference
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from kfrun import settings as settings_module
from kfrun.flow import desired
from kfrun.load import kubeyaml
from kfrun.model.source import ObjectKey
from kfrun.model.state import Observed, ObservedJob
from kfrun.model.wishes import Wishes
from kfrun.plan import planner

CASES = Path(__file__).parent / "cases"


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write the expected plans anew")


@pytest.fixture
def update_golden(request):
    # When the whole suite runs, this file is read after the command line was parsed.
    return request.config.getoption("update_golden", default=False)


def read_documents(path):
    documents, findings = kubeyaml.parse(path.read_text(), path.name, folder="/project")
    assert findings == []
    return [in_namespace(document) for document in documents]


def in_namespace(document):
    metadata = document.data["metadata"]
    if document.key.kind == "ClusterTrainingRuntime" or "namespace" in metadata:
        return document
    return replace(document, data={**document.data, "metadata": {**metadata, "namespace": "default"}})


def observe(documents, settings):
    """The stored state after ``documents`` were applied: jobs carry the status that the documents say."""
    bare = [
        replace(item, data={key: value for key, value in item.data.items() if key != "status"}) for item in documents
    ]
    prepared = desired.prepare(bare, Observed(), settings=settings)
    statuses = {item.key: item.data.get("status", {}) for item in documents}
    jobs = {}
    for job in prepared.jobs:
        key = job.resolution.trainjob
        data = {**prepared.trainjobs[key], "status": statuses[key]}
        ends = [item["type"] for item in statuses[key].get("conditions", []) if item["status"] == "True"]
        jobs[key] = ObservedJob(
            key=key,
            uid="1",
            resource_version=1,
            data=data,
            runtime=job.resolution.runtime.document.data,
            digest=job.digest,
            run_digest=job.run_digest,
            finished=bool({"Complete", "Failed"} & set(ends)),
            suspended=data["spec"]["suspend"],
            deleting="deletionTimestamp" in data["metadata"],
        )
    objects = {item.key: item.data for item in prepared.objects}
    return Observed(runtimes=prepared.objects, jobs=jobs, objects=objects)


@dataclass
class Case:
    """One folder of ``cases``, planned."""

    folder: Path
    settings: settings_module.Settings

    def __post_init__(self):
        self.desired = read_documents(self.folder / "desired.yaml")
        observed = self.folder / "observed.yaml"
        self.known = observe(read_documents(observed), self.settings) if observed.exists() else Observed()
        options = self.folder / "options.yaml"
        given = yaml.safe_load(options.read_text()) if options.exists() else {}
        delete = tuple(
            ObjectKey("trainer.kubeflow.org/v1alpha1", item["kind"], item.get("namespace", ""), item["name"])
            for item in given.pop("delete", ())
        )
        self.delete = delete
        self.strict = given.pop("strict", False)
        self.wishes = Wishes(**given)

    def prepare(self, known):
        return desired.prepare(self.desired, known, settings=self.settings)

    def plan(self, known, prepared):
        limits = planner.Limits(strict=self.strict)
        return planner.plan(prepared.jobs, prepared.objects, known, self.wishes, limits, delete=self.delete)


def make_case(name):
    settings = settings_module.load({}, {"HOME": "/nowhere"}, Path("/nowhere"))
    return Case(CASES / name, settings)
