from __future__ import annotations

import pytest

from kfrun.errors import InvalidInput
from kfrun.resolve import strategic
from kfrun.resolve.origins import Mark, OriginLog
from tests.resolve.reading import document


def _env(*names):
    return {"env": [{"name": name} for name in names]}


@pytest.mark.parametrize(
    ("original", "patch", "expected"),
    [
        (["S1", "S2", "S3"], ["N2", "N1"], ["N2", "N1", "S1", "S2", "S3"]),
        (["S1", "S2", "S3"], ["S2", "NEW"], ["S1", "S2", "NEW", "S3"]),
        (["S1", "S2", "S3"], ["S3", "N", "S1"], ["S2", "S3", "N", "S1"]),
        (["node", "side"], ["side", "node"], ["side", "node"]),
        ([], ["A", "B"], ["A", "B"]),
        (["A"], ["A"], ["A"]),
    ],
)
def test_lists_merged_by_key_keep_both_orders_as_far_as_they_agree(original, patch, expected):
    target = _env(*original)
    strategic.merge(target, _env(*patch), OriginLog())
    assert [item["name"] for item in target["env"]] == expected


@pytest.mark.parametrize(
    ("original", "patch", "expected"),
    [
        ({"nodeSelector": {"a": "1", "b": "1"}}, {"nodeSelector": {"b": "2"}}, {"nodeSelector": {"a": "1", "b": "2"}}),
        ({"tolerations": [{"key": "a"}]}, {"tolerations": [{"key": "b"}]}, {"tolerations": [{"key": "b"}]}),
        ({"add": ["A"]}, {"add": ["B"]}, {"add": ["B"]}),
        (
            {"volumes": [{"name": "v", "emptyDir": {}}]},
            {"volumes": [{"name": "v", "secret": {"secretName": "s"}}]},
            {"volumes": [{"name": "v", "emptyDir": {}, "secret": {"secretName": "s"}}]},
        ),
        (
            {"volumeMounts": [{"name": "a", "mountPath": "/x"}]},
            {"volumeMounts": [{"name": "b", "mountPath": "/x"}]},
            {"volumeMounts": [{"name": "b", "mountPath": "/x"}]},
        ),
        ({}, {"serviceAccountName": ""}, {"serviceAccountName": ""}),
    ],
)
def test_fields_merge_by_their_kind(original, patch, expected):
    strategic.merge(original, patch, OriginLog())
    assert original == expected


def test_an_item_without_its_key_is_refused_where_it_stands():
    patch = {"containers": [{"env": []}]}
    source = document(patch)
    ledger = OriginLog()
    ledger.place(patch["containers"][0], Mark("patch", source, ("containers", 0)))
    with pytest.raises(InvalidInput) as caught:
        strategic.merge({}, patch, ledger)
    (finding,) = caught.value.findings
    assert (finding.code, finding.path) == ("KF406", ("containers", 0))
