"""The cluster's addresses become local ones, and nothing else does."""

from __future__ import annotations

import pytest

from kfrun.execute.local.process.addresses import Addresses
from kfrun.model.workload import ChildJob, Container, EnvVar, Pod, Workload

HOST = "tj-node-0-0.tj"
PORTS = {f"{HOST}:29500": 20001, f"{HOST}:8080": 20002, "tj-node-0-1.tj:29500": 20003, "tj-node-0-10.tj:1": 20004}


def workload(*env: EnvVar, command: tuple[str, ...] = ()) -> Workload:
    container = Container("node", command=command, env=env)
    pods = tuple(
        Pod(number, f"tj-node-0-{number}", f"tj-node-0-{number}.tj", (), (container,)) for number in (0, 1, 10)
    )
    return Workload("team", "tj", (ChildJob("tj-node-0", "node", 0, pods),), (("node", 1),))


@pytest.mark.parametrize(
    ("text", "local"),
    [
        (f"{HOST}:29500", "127.0.0.1:20001"),
        (f"tcp://{HOST}:29500/x", "tcp://127.0.0.1:20001/x"),
        (f"{HOST}.team:29500", "127.0.0.1:20001"),
        (f"{HOST}.team.svc:29500", "127.0.0.1:20001"),
        (f"{HOST}.team.svc.cluster.local:29500", "127.0.0.1:20001"),
        (f"{HOST}:29500,{HOST}:8080", "127.0.0.1:20001,127.0.0.1:20002"),
        ("tj-node-0-10.tj:1", "127.0.0.1:20004"),
        (HOST, HOST),
        (f"{HOST}.other:29500", f"{HOST}.other:29500"),
        (f"my-{HOST}:29500", f"my-{HOST}:29500"),
        (f"x.{HOST}:29500", f"x.{HOST}:29500"),
        ("localhost:29500", "localhost:29500"),
        (f"{HOST}:295001", f"{HOST}:295001"),
    ],
)
def test_pod_hosts_with_a_port_are_replaced_in_texts(text: str, local: str) -> None:
    assert Addresses.of(workload()).text(text, PORTS) == local


@pytest.mark.parametrize(
    ("variable", "local"),
    [
        (EnvVar("PET_MASTER_ADDR", HOST, injected=True), "127.0.0.1"),
        (EnvVar("PET_MASTER_PORT", "29500", injected=True), "20001"),
        (EnvVar("MY_ADDR", HOST), HOST),
        (EnvVar("MY_PORT", "29500"), "29500"),
        (EnvVar("PET_NNODES", "29500", injected=True), "29500"),
        (EnvVar("URL", f"http://{HOST}:8080"), "http://127.0.0.1:20002"),
        (EnvVar("NOTHING"), None),
    ],
)
def test_of_variables_only_what_the_policy_injected_is_replaced(variable: EnvVar, local: str | None) -> None:
    addresses = Addresses.of(workload(EnvVar("PET_MASTER_ADDR", HOST, injected=True)))
    assert addresses.variable(variable, PORTS) == local


def test_every_address_in_use_needs_one_port() -> None:
    found = workload(
        EnvVar("PET_MASTER_ADDR", HOST, injected=True),
        EnvVar("PET_MASTER_PORT", "29500", injected=True),
        EnvVar("URL", f"http://{HOST}:8080"),
        EnvVar("OTHER_PORT", "1234"),
        command=("serve", f"--peer={HOST}.team.svc:29500", "tj-node-0-1.tj:7"),
    )
    assert set(Addresses.of(found).needed(found)) == {f"{HOST}:29500", f"{HOST}:8080", "tj-node-0-1.tj:7"}


def test_a_workload_without_pods_needs_nothing() -> None:
    empty = Workload("team", "tj", (), ())
    addresses = Addresses.of(empty)
    assert addresses.needed(empty) == ()
    assert addresses.text(f"{HOST}:29500", {}) == f"{HOST}:29500"
