from __future__ import annotations

import pytest

from kfrun.resolve import requests


def _container(policy: str = "", **amounts: str):
    container = {"name": "c", "resources": {"requests": amounts}}
    return {**container, "restartPolicy": policy} if policy else container


_SIDECAR = _container("Always", cpu="2")


def _texts(spec):
    return {name: str(amount) for name, amount in requests.of_pod(spec).items()}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, {}),
        ({"containers": [{"name": "c"}]}, {}),
        (
            {"containers": [_container(cpu="500m"), _container(cpu="1500m", memory="1Gi")]},
            {"cpu": "2", "memory": "1Gi"},
        ),
        # limits do not count
        ({"containers": [{"name": "c", "resources": {"limits": {"cpu": "4"}}}]}, {}),
        # init containers run one after the other, before the others
        (
            {"containers": [_container(cpu="1")], "initContainers": [_container(cpu="3"), _container(cpu="2")]},
            {"cpu": "3"},
        ),
        # a sidecar runs beside those after it and beside all containers
        (
            {"containers": [_container(cpu="1")], "initContainers": [_SIDECAR, _container(cpu="3")]},
            {"cpu": "5"},
        ),
        (
            {"containers": [_container(cpu="4")], "initContainers": [_SIDECAR, _container(cpu="3")]},
            {"cpu": "6"},
        ),
        # one before the sidecar runs alone
        (
            {"containers": [_container(cpu="1")], "initContainers": [_container(cpu="4"), _SIDECAR]},
            {"cpu": "4"},
        ),
        ({"containers": [_container(cpu="1")], "overhead": {"cpu": "250m"}}, {"cpu": "1250m"}),
        # requests of the pod itself replace those of its containers, where a pod can have them
        (
            {"containers": [_container(cpu="1", **{"a/b": "1"})], "resources": {"requests": {"cpu": "8", "a/b": "9"}}},
            {"cpu": "8", "a/b": "1"},
        ),
    ],
)
def test_requests_of_a_pod(spec, expected):
    assert _texts(spec) == expected


def test_the_first_amount_decides_how_the_sum_is_written():
    binary, decimal = _container(memory="512Mi"), _container(memory="536870912")
    assert _texts({"containers": [binary, decimal]}) == {"memory": "1Gi"}
    assert _texts({"containers": [decimal, binary]}) == {"memory": "1073741824"}


def test_no_pods_ask_for_nothing():
    (amount,) = requests.of_pod({"containers": [_container(cpu="2")]}).values()
    assert str(amount.times(0)) == "0"
    assert str(amount.times(3)) == "6"
