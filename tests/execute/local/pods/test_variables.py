"""Variables and arguments as Kubernetes defines them, whatever runs the container."""

from __future__ import annotations

from typing import Any

import pytest

from kfrun.execute.local.pods import variables


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
    secret = {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    assert environment(secret, {"name": "A", "value": "$(S)"}) == {"A": "$(S)"}
