"""What holds for every input, valid or not, on its whole way: see `tests.fuzzing.way` for the list."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings

from kfrun import settings as settings_module
from kfrun.errors import InvalidInput
from kfrun.flow.checker import stages
from kfrun.flow.checker.stages import Asked
from kfrun.load import kubeyaml
from kfrun.model.source import Stage
from kfrun.model.state import Observed
from tests.conformance.generator import valid, wrong_objects, wrong_texts
from tests.fuzzing import campaign, manifests, way
from tests.validate import reading

if TYPE_CHECKING:
    from kfrun.model.source import Document, Finding
    from tests.conformance.generator import Valid
    from tests.fuzzing.inputs import Input

NOWHERE = Path("/nonexistent")
SETTINGS = settings_module.load({}, {"KFRUN_HOME": str(NOWHERE)}, NOWHERE)
ROOT = Path(__file__).resolve().parents[2]

# the same inputs every time: `python -m tests.fuzz` is for ever new ones
few = settings(derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck), max_examples=60)
many = settings(few, max_examples=200)


def walked(one: Input) -> way.Answer:
    with campaign.time_limit(campaign.LIMIT):
        answer = way.walk(one, SETTINGS)
    assert answer.broken == ()
    return answer


@many
@given(valid())
def test_what_the_schemas_allow_is_never_refused_by_them(one: Valid) -> None:
    answer = walked(one.input)
    assert [document.data for document in answer.documents] == [_in_namespace(item) for item in one.objects]
    assert [found for found in answer.findings if found.stage in (Stage.YAML, Stage.SCHEMA)] == []


def _in_namespace(data: dict) -> dict:
    if data["kind"] == "ClusterTrainingRuntime":
        return data
    return {**data, "metadata": {**data["metadata"], "namespace": data["metadata"].get("namespace", "default")}}


@pytest.mark.parametrize(
    ("policy", "version"),
    [(policy, version) for version in manifests.VERSIONS for policy in manifests.policies(version)],
)
def test_every_policy_of_every_version_goes_the_whole_way(policy: str, version: str) -> None:
    resolved = []

    @settings(few, max_examples=15)
    @given(valid(policy, version))
    def check(one: Valid) -> None:
        answer = walked(one.input)
        resolved.append("JobSet" in answer.written)

    check()
    assert any(resolved)


@many
@given(wrong_objects())
def test_wrong_objects_are_findings(one: Input) -> None:
    walked(one)


@many
@given(wrong_texts())
def test_wrong_texts_are_findings(one: Input) -> None:
    walked(one)


@few
@given(wrong_objects())
def test_the_same_input_has_the_same_answer(one: Input) -> None:
    assert walked(one).written == walked(one).written


def _told(found: list[Finding]) -> list[str]:
    return sorted(repr(one) for one in found)


def _documents(one: Input) -> tuple[Document, ...]:
    try:
        return way.read(one, SETTINGS)
    except InvalidInput:
        return ()


@few
@given(wrong_objects())
def test_the_order_of_documents_does_not_matter(one: Input) -> None:
    documents = _documents(one)
    first = stages.check(documents, Observed(), Asked(SETTINGS))
    if len({document.key[1:] for document in documents}) < len(documents):
        return  # of two objects with one name the first counts
    for order in itertools.islice(itertools.permutations(documents), 6):
        again = stages.check(order, Observed(), Asked(SETTINGS))
        assert _told(list(again.findings)) == _told(list(first.findings))


@few
@given(valid())
def test_the_style_of_a_text_does_not_matter(one: Valid) -> None:
    """But for hints, which quote the text: how a number or a list is written."""
    texts = (one.text, "\n---\n".join(json.dumps(item) for item in one.objects))
    read = [kubeyaml.parse(text, "job.yaml")[0] for text in texts]
    assert [item.data for item in read[0]] == [item.data for item in read[1]]
    found = [
        sorted((item.code, item.field, item.message) for item in reading.checked(documents, one.version))
        for documents in read
    ]
    assert found[0] == found[1]


def test_the_hash_seed_does_not_matter() -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--documents", "40", "--seed", "11"]
    endings = []
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        endings.append(done.stdout.splitlines()[-1].partition(", answers ")[2])
    assert endings[0] == endings[1]
    assert endings[0].endswith(": 0 failures")
