"""Which findings are the refusals of a real answer, and which are something else."""

from __future__ import annotations

import pytest

from tests.conformance.refusals import Refusals

JOBSET = 'JobSet.jobset.x-k8s.io "tj" is invalid: '
SUBDOMAIN = (
    'spec.network.subdomain: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of ..., '
    'spec.network.subdomain: Invalid value: "A": a DNS-1035 label must consist of ...'
)
GATE = "<nil>: Internal error: InPlaceRestart restart strategy cannot be set when the gate is disabled"
MANAGER = 'spec.runtimePatches.manager: Invalid value: "{}": a lowercase RFC 1123 subdomain must consist of ...'


@pytest.mark.parametrize(
    ("errors", "found"),
    [
        ([], []),
        (["spec.a: Required value"], ["spec.a"]),
        (["[spec.a: Required value, spec.b[0].c: Too long: x]"], ["spec.b[0].c", "spec.a"]),
        ([f"{JOBSET}[{SUBDOMAIN}, {GATE}]"], ["spec.network.subdomain", "spec.failurePolicy.restartStrategy"]),
        ([JOBSET + GATE], ["spec.anything"]),
        (
            [f"{JOBSET}spec.replicatedJobs: Invalid value: []: no matching volumeMount: a from VolumeClaimPolicies"],
            ["spec.volumeClaimPolicies[0].templates[0].metadata.name"],
        ),
        (
            [f'{JOBSET}spec.volumeClaimPolicies[1].template[2].name: Invalid value: "a": names must be unique'],
            ["spec.volumeClaimPolicies[1].templates[2].metadata.name"],
        ),
        (
            [
                "<nil>: Invalid value: metadata.name must match RFC 1035 DNS label format",
                'metadata.name: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of ...',
            ],
            ["metadata.name"],
        ),
        (['metadata.labels: Invalid value: "a b": a valid label must'], ["metadata.labels.owner"]),
        (["metadata.ownerReferences.uid: Invalid value: "], ["metadata.ownerReferences[1].uid"]),
        (["spec.a[0]: Invalid value: no namespace"], ["spec.a[0].b[0].c", "spec.a[0].b[1].c"]),
        (
            [
                '<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.a',
                'spec.a: Invalid value: "float64": spec.a in body must be of type int32: "float64"',
                'spec.a: Invalid value: "integer": invalid data, expected int, got float64 evaluating rule: at least 1',
            ],
            ["spec.a"],
        ),
        (["spec.RuntimeRef: Invalid value: {}: a", "spec.runtimeRef: Invalid value: {}: b"], ["spec.runtimeRef"] * 2),
        ([MANAGER.format("a"), MANAGER.format("b")], ["spec.runtimePatches.manager"] * 2),
    ],
)
def test_what_is_the_same(errors: list[str], found: list[str]) -> None:
    refusals = Refusals.of(errors)
    assert (refusals.missing(found), refusals.surplus(found)) == ([], [])


@pytest.mark.parametrize(
    ("errors", "found", "missing", "surplus"),
    [
        ([], ["spec.a"], [], ["spec.a"]),
        (["spec.a: Required value"], [], ["spec.a"], []),
        (["spec.a: Required value"], ["spec.ab"], ["spec.a"], ["spec.ab"]),
        (["spec.a.b: Required value"], ["spec.a"], ["spec.a.b"], ["spec.a"]),
        (["spec.a: Invalid value: {}: b", "spec.a: Invalid value: {}: c"], ["spec.a"], ["spec.a"], []),
        (["spec.a: Invalid value: 1: b"], ["spec.a", "spec.a"], [], ["spec.a"]),
        ([JOBSET + GATE], [], ["any field"], []),
        ([f"{JOBSET}[{SUBDOMAIN}, {GATE}]"], ["spec.network.subdomain"], ["any field"], []),
        (
            [MANAGER.format("a"), MANAGER.format("b")],
            ["spec.runtimePatches.manager"],
            ["spec.runtimePatches.manager"],
            [],
        ),
    ],
)
def test_what_is_not(errors: list[str], found: list[str], missing: list[str], surplus: list[str]) -> None:
    refusals = Refusals.of(errors)
    assert (refusals.missing(found), refusals.surplus(found)) == (missing, surplus)
