"""Variables and arguments as Kubernetes defines them, whatever runs the container."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kfrun.execute.local.pods import configs, variables
from kfrun.execute.local.supply import room

if TYPE_CHECKING:
    from collections.abc import Sequence


class Elsewhere:
    """Addresses of a runtime that has some of its own."""

    def variable(self, name: str, value: str, *, injected: bool) -> str:
        return f"here {name}" if injected else self.text(value)

    def text(self, text: str) -> str:
        return text.replace("peer:1", "10.0.0.7:1")


FACTS = variables.PodFacts(
    name="tj-node-0-1-abcde",
    namespace="team",
    uid="u1",
    labels={"team": "a"},
    annotations={"note": "$(B)", "batch.kubernetes.io/job-completion-index": "1", "peer": "peer:1"},
    service_account="default",
    node="machine",
    addresses=("10.0.0.7", "fd00::7"),
    host_addresses=("192.0.2.1",),
)


def field(path: str) -> dict[str, Any]:
    return {"name": "F", "valueFrom": {"fieldRef": {"fieldPath": path}}}


def environment(*entries: dict[str, Any], injected: tuple[str, ...] = ()) -> dict[str, str]:
    return variables.environment({"name": "node", "env": list(entries)}, FACTS, Elsewhere(), injected)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(B)", "x1y2"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(C)", "$(C)"),
        ("$A ${A} $ $", "$A ${A} $ $"),
        ("$()", "$()"),
        ("$(A", "$(A"),
        ("$(A B)", "3"),
        ("", ""),
    ],
)
def test_references_are_expanded_as_on_a_cluster(text: str, expanded: str) -> None:
    assert variables.expand(text, {"A": "1", "B": "2", "A B": "3"}) == expanded


def test_a_variable_sees_only_those_before_it() -> None:
    literals = {"A": "$(B)", "B": "b", "C": "$(B)$(A)"}
    env = environment(*({"name": name, "value": value} for name, value in literals.items()), field("metadata.name"))
    assert env == {"A": "$(B)", "B": "b", "C": "b$(B)", "F": "tj-node-0-1-abcde"}
    container = {"command": ["echo", "$(C)"], "args": ["$(F)", "$(E)", "peer:1"]}
    words = ["echo", "b$(B)", "tj-node-0-1-abcde", "$(E)", "10.0.0.7:1"]
    assert variables.arguments(container, Elsewhere(), env) == words


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "tj-node-0-1-abcde"),
        ("metadata.namespace", "team"),
        ("metadata.uid", "u1"),
        ("metadata.labels['team']", "a"),
        ("metadata.labels['nothing']", ""),
        ("metadata.annotations['batch.kubernetes.io/job-completion-index']", "1"),
        ("metadata.annotations['note']", "$(B)"),
        ("metadata.annotations['peer']", "10.0.0.7:1"),
        ("spec.serviceAccountName", "default"),
        ("spec.nodeName", "machine"),
        ("status.podIP", "10.0.0.7"),
        ("status.podIPs", "10.0.0.7,fd00::7"),
        ("status.hostIP", "192.0.2.1"),
        ("status.hostIPs", "192.0.2.1"),
        ("status.nothing", ""),
    ],
)
def test_the_downward_api_knows_the_pod(path: str, value: str) -> None:
    assert environment({"name": "B", "value": "b"}, field(path))["F"] == value


def test_what_the_policy_injected_is_told_apart_from_what_the_user_wrote() -> None:
    entries = ({"name": "ADDR", "value": "x"}, {"name": "MINE", "value": "x"}, {"name": "EMPTY"})
    assert environment(*entries, injected=("ADDR",)) == {"ADDR": "here ADDR", "MINE": "x", "EMPTY": ""}


def test_what_comes_from_where_nobody_reads_is_left_out() -> None:
    secret = {"name": "S", "valueFrom": {"unknownRef": {"name": "s"}}}
    assert environment(secret, {"name": "A", "value": "$(S)"}) == {"A": "$(S)"}


MAPS = {
    "a": {"kind": "ConfigMap", "data": {"k": "v", "1bad": "x", "no=name": "y"}, "binaryData": {"b": "/w=="}},
    "b": {"kind": "ConfigMap", "data": {"k": "w"}},
}
SECRET = {"kind": "Secret", "data": {"k": "c2VjcmV0"}, "stringData": {"s": "plain"}}
SOURCES = variables.Sources(
    configs.Configs(
        lambda kind, name: MAPS.get(name) if kind == "ConfigMap" else SECRET if name == "s" else None, "ns"
    ),
    {"containers": [{"name": "other", "resources": {"limits": {"memory": "1Gi"}}}]},
    {"cpu": 8, "memory": 2**34},
)


def given(*entries: dict[str, Any], whole: Sequence[dict[str, Any]] = (), **container: Any) -> dict[str, str]:
    own = {"name": "node", "env": list(entries), "envFrom": list(whole), **container}
    return variables.environment(own, FACTS, Elsewhere(), (), SOURCES)


def of(kind: str, name: str, key: str, **more: Any) -> dict[str, Any]:
    return {"name": "X", "valueFrom": {f"{kind}KeyRef": {"name": name, "key": key, **more}}}


def test_whole_objects_come_first_the_later_one_counts_and_variables_win() -> None:
    whole = [
        {"configMapRef": {"name": "a"}},
        {"configMapRef": {"name": "b"}, "prefix": "P_"},
        {"secretRef": {"name": "s"}},
    ]
    found = given({"name": "A", "value": "$(P_k) $(k)"}, {"name": "s", "value": "own"}, whole=whole)
    assert found == {"k": "secret", "1bad": "x", "b": "\udcff", "P_k": "w", "A": "w secret", "s": "own"}


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        (of("configMap", "a", "k"), "v"),
        (of("secret", "s", "k"), "secret"),
        (of("secret", "s", "s"), "plain"),
        (of("configMap", "none", "k", optional=True), None),
        (of("secret", "s", "none", optional=True), None),
    ],
)
def test_a_variable_may_be_the_value_of_a_key(entry: dict[str, Any], value: str | None) -> None:
    assert given(entry).get("X") == value


@pytest.mark.parametrize(
    ("entry", "whole", "message"),
    [
        (of("configMap", "none", "k"), [], 'configmap "none" not found'),
        (of("secret", "none", "k"), [], 'secret "none" not found'),
        (of("configMap", "a", "none"), [], "couldn't find key none in ConfigMap ns/a"),
        ({"name": "A", "value": "b"}, [{"secretRef": {"name": "none"}}], 'secret "none" not found'),
    ],
)
def test_what_is_missing_is_named_as_a_kubelet_does(
    entry: dict[str, Any], whole: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(configs.MissingConfig) as error:
        given(entry, whole=whole)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("ref", "value"),
    [
        ({"resource": "limits.cpu"}, "2"),
        ({"resource": "limits.cpu", "divisor": "1m"}, "1500"),
        ({"resource": "requests.cpu", "divisor": "1m"}, "1500"),
        ({"resource": "requests.memory", "divisor": "1Mi"}, "64"),
        ({"resource": "limits.memory", "divisor": "1Gi"}, "16"),
        ({"resource": "limits.memory", "containerName": "other", "divisor": "1Mi"}, "1024"),
        ({"resource": "limits.cpu", "divisor": "0"}, "2"),
    ],
)
def test_resources_are_told_in_units_of_their_divisor(ref: dict[str, Any], value: str) -> None:
    resources = {"limits": {"cpu": "1500m"}, "requests": {"memory": "64Mi"}}
    assert given({"name": "X", "valueFrom": {"resourceFieldRef": ref}}, resources=resources) == {"X": value}


@pytest.mark.parametrize(
    ("pod", "missing"),
    [
        ({"containers": [{"resources": {"limits": {"cpu": "8"}}}]}, []),
        ({"containers": [{"resources": {"limits": {"cpu": 8}}}, {"resources": {"requests": {"cpu": "1m"}}}]}, ["cpu"]),
        ({"containers": [{"resources": {"limits": {"cpu": 9}, "requests": {"cpu": 1}}}]}, []),
        ({"containers": [{}], "initContainers": [{"resources": {"requests": {"memory": "17Gi"}}}]}, ["memory"]),
        (
            {
                "containers": [{"resources": {"requests": {"cpu": 5}}}],
                "initContainers": [{"restartPolicy": "Always", "resources": {"requests": {"cpu": 4}}}],
            },
            ["cpu"],
        ),
        ({"containers": [{"resources": {"limits": {"nvidia.com/gpu": 1}}}]}, ["nvidia.com/gpu"]),
        ({"containers": [{"resources": {"limits": {"ephemeral-storage": "1Ti"}}}]}, []),
    ],
)
def test_a_whole_machine_must_do_for_what_a_pod_requests(pod: dict[str, Any], missing: list[str]) -> None:
    found = room.lacking(pod, {"cpu": 8, "memory": 2**34}, dict)
    assert [one.name for one in found] == missing
