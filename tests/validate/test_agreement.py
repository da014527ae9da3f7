"""`keywords` and `jsonschema_rs` must say what `jsonschema` does: on valid, broken and random documents."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kfrun.load import kubeyaml
from kfrun.model.source import Document, Finding
from kfrun.report import findings as reports
from kfrun.validate import documents
from kfrun.validate.rules import cel, update
from kfrun.validate.schema import defaults, keywords, structure
from tests.validate.reading import JOB, RUNTIME, conformance, document, plain, violations_of_rs

KINDS = ("TrainJob", "ClusterTrainingRuntime")
CORPUS = [one for _, one in conformance()]

FULL_JOB = document(
    JOB
    + """\
  suspend: false
  activeDeadlineSeconds: 60
  managedBy: trainer.kubeflow.org/trainjob-controller
  initializer:
    dataset: {storageUri: "hf://a/b", secretRef: {name: a}, env: [{name: A, value: b}]}
  trainer:
    image: x
    command: [python]
    args: [train.py]
    numNodes: 2
    numProcPerNode: 1
    env:
    - {name: A, value: "1"}
    - {name: B, valueFrom: {secretKeyRef: {name: a, key: b, optional: true}}}
    resourcesPerNode: {limits: {cpu: 1, memory: 1Gi}, claims: [{name: a}]}
  runtimePatches:
  - manager: example.com/a
    time: "2026-01-01T00:00:00Z"
    trainingRuntimeSpec:
      template:
        metadata: {labels: {a: b}}
        spec:
          replicatedJobs:
          - name: node
            template:
              spec:
                template:
                  spec:
                    tolerations: [{key: a, operator: Exists, tolerationSeconds: 5}]
                    containers: [{name: node, env: [{name: A}], volumeMounts: [{name: a, mountPath: /a}]}]
                    volumes: [{name: a, emptyDir: {sizeLimit: 1Gi}}]
status:
  conditions:
  - {type: Complete, status: "True", reason: A, message: b, lastTransitionTime: "2026-01-01T00:00:00Z"}
  jobsStatus: [{name: node, ready: 0, succeeded: 0, failed: 0, active: 0, suspended: 0}]
"""
)
FULL_RUNTIME = document(
    RUNTIME.replace("torch: {}", "torch: {envInjection: {targets: [{jobName: node, containerNames: [a, b]}]}}")
    + """\
                  ports: [{containerPort: 80, name: http}]
                  livenessProbe: {httpGet: {port: http}, periodSeconds: 5}
                  resources: {requests: {cpu: 500m}}
                  securityContext: {runAsUser: 0, capabilities: {add: [SYS_PTRACE]}}
                restartPolicy: Never
      failurePolicy: {maxRestarts: 1, rules: [{name: a, action: FailJobSet}]}
      successPolicy: {operator: All}
      volumeClaimPolicies: [{templates: [{metadata: {name: a}, spec: {resources: {requests: {storage: 1Gi}}}}]}]
  podGroupPolicy: {coscheduling: {scheduleTimeoutSeconds: 5}, volcano: {networkTopology: {mode: soft}}}
"""
)
BASES = [FULL_JOB, FULL_RUNTIME, *CORPUS]

SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**31, -(2**31) - 1, 2**63, -(2**63) - 1, 10**40, 0.5, 1.0, 1e300, -0.0]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(
        ["", "1Gi", "1Gi\n", "True", "node", "A", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z\n", "x" * 600]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "spec", "env", "key", "x", ""]) | st.text(max_size=4), inner, max_size=3
        )
    ),
    max_leaves=6,
)


def nodes(data: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path] if path else []
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for part, value in pairs:
        found += nodes(value, (*path, part))
    return found


def parent_of(data: Any, path: tuple[str | int, ...]) -> Any:
    for part in path[:-1]:
        data = data[part]
    return data


@st.composite
def broken(draw: st.DrawFn) -> Document:
    """A valid document with one to three fields replaced, removed, added or repeated."""
    base = draw(st.sampled_from(BASES))
    data = copy.deepcopy(base.data)
    for _ in range(draw(st.integers(1, 3))):
        paths = nodes(data)
        if not paths:
            break
        path = draw(st.sampled_from(paths))
        parent, part = parent_of(data, path), path[-1]
        action = draw(st.sampled_from(["replace", "remove", "add", "repeat"]))
        if action == "replace":
            parent[part] = draw(VALUES)
        elif action == "remove":
            del parent[part]
        elif action == "repeat" and isinstance(parent, list):
            parent.append(copy.deepcopy(parent[0]))
        elif isinstance(parent, dict):
            parent[draw(st.text(max_size=5) | st.sampled_from(["labels", "image", "numNodes"]))] = draw(VALUES)
    return Document(data, base.positions, base.source, base.text)


def agree(one: Document) -> None:
    kind = one.data["kind"]
    root = structure.schemas.schema("v2.3", kind)
    data = defaults.without_nulls(one.data, root)
    reference = structure._reference("v2.3", kind)
    slow = {(plain(error.absolute_path), error.validator) for error in reference.iter_errors(data)}
    assert violations_of_rs(data, kind) == slow
    assert structure._decider("v2.3", kind).is_valid(data) is not bool(slow)
    try:
        own = keywords.broken(data, root)
    except keywords.InDoubt:
        return
    assert by_value(own) == by_value(structure.referred(data, "v2.3", kind))


def by_value(found: list[keywords.Violation]) -> dict[Any, list[tuple[str, int]]]:
    """Path -> the keywords that its value breaks, once each and in their order, and the schemas that hold them."""
    grouped: dict[Any, dict[tuple[str, int], None]] = {}
    for one in found:
        grouped.setdefault(one.path, {})[one.keyword, id(one.schema)] = None
    return {path: list(broken) for path, broken in grouped.items()}


def told_by_the_reference(one: Document) -> list[Finding]:
    """What is told of a document when everything of it is in doubt."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keywords, "broken", doubtful)
        return structure.check(one)


def doubtful(*_: Any) -> None:
    raise keywords.InDoubt


@pytest.mark.parametrize("one", BASES, ids=range(len(BASES)))
def test_both_agree_on_the_corpus(one: Document) -> None:
    agree(one)


def test_the_full_documents_are_valid() -> None:
    assert documents.check(FULL_JOB) == documents.check(FULL_RUNTIME) == []


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(broken())
def test_both_agree_on_broken_documents(one: Document) -> None:
    if one.data.get("kind") in KINDS and isinstance(one.data.get("apiVersion"), str):
        agree(one)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(broken())
def test_broken_documents_are_found_and_nothing_raises(one: Document) -> None:
    found = documents.check(one)
    assert structure.check(one) == told_by_the_reference(one)
    assert all(finding.position and finding.excerpt is not None for finding in found)
    assert len({(finding.code, finding.path, finding.message) for finding in found}) == len(found)
    kind = one.data.get("kind")
    if kind in KINDS and one.data.get("apiVersion") == FULL_JOB.data["apiVersion"]:
        data = defaults.without_nulls(one.data, structure.schemas.schema("v2.3", kind))
        # A status is dropped before anybody looks at it, as it is on a cluster.
        wrong = {one for one in violations_of_rs(data, kind) if one[0][:1] != ("status",)}
        assert not wrong or any(finding.code.startswith("KF2") for finding in found)
        defaults.apply(one.data, kind)
    reports.to_text(found)
    reports.to_json(found)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(broken(), broken())
def test_updates_never_raise(old: Document, new: Document) -> None:
    if new.data.get("kind") in KINDS:
        update.check(old.data, new)
        assert update.check(new.data, new) == []


@settings(max_examples=100, deadline=None)
@given(VALUES, VALUES, st.sampled_from(["TrainJob", "TrainingRuntime", "ConfigMap", "Secret", "x"]))
def test_random_objects_never_raise(spec: Any, metadata: Any, kind: str) -> None:
    data = {"apiVersion": FULL_JOB.data["apiVersion"], "kind": kind, "metadata": metadata, "spec": spec, "data": spec}
    one = Document(data, FULL_JOB.positions, "job.yaml", FULL_JOB.text)
    documents.check(one)
    cel.check(one, version="head")


def test_deep_nesting_is_judged_all_the_same() -> None:
    deep: Any = "x"
    for _ in range(300):
        deep = {"a": deep}
    one = Document({**FULL_JOB.data, "deep": deep}, FULL_JOB.positions, "job.yaml", FULL_JOB.text)
    assert [finding.field for finding in structure.check(one)] == ["deep"]


def test_lone_surrogates_are_judged_all_the_same() -> None:
    data = copy.deepcopy(FULL_JOB.data)
    data["spec"]["trainer"]["image"] = "\ud800"
    one = Document(data, FULL_JOB.positions, "job.yaml", FULL_JOB.text)
    assert structure.check(one) == []
    data["spec"]["wrong"] = 1
    assert [finding.field for finding in structure.check(one)] == ["spec.wrong"]


def test_parsed_texts_reach_the_same_verdict_as_their_data() -> None:
    (one,), _ = kubeyaml.parse(FULL_JOB.text, "again.yaml")
    assert documents.check(one) == []
