"""The cluster's addresses become local ones, and nothing else does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from kfrun.execute.local.process.addresses import Addresses, LocalAddresses
from tests import workloads

if TYPE_CHECKING:
    from kfrun.model.workload import Workload

HOST = "tj-node-0-0.tj"
PORTS = {f"{HOST}:29500": 20001, f"{HOST}:8080": 20002, "tj-node-0-1.tj:29500": 20003, "tj-node-0-10.tj:1": 20004}
INJECTED = {"node": {"node": ["PET_MASTER_ADDR", "PET_MASTER_PORT", "PET_NNODES"]}}
POLICY = {"PET_MASTER_ADDR": HOST, "PET_MASTER_PORT": "29500"}


def workload(
    env: dict[str, str] | None = None, *, command: tuple[str, ...] = (), nodes: int = 11, **fields: Any
) -> Workload:
    variables = [{"name": name, "value": value} for name, value in (env or {}).items()]
    container = {"name": "node", "command": list(command), "env": variables}
    group = workloads.replicated(nodes=nodes, containers=[container], **fields)
    return workloads.workload(group, namespace="team", injected=INJECTED)


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
        ("tj-node-0-11.tj:1", "tj-node-0-11.tj:1"),
        ("tj-node-1-0.tj:1", "tj-node-1-0.tj:1"),
        ("tj-node-0-00.tj:1", "tj-node-0-00.tj:1"),
        (f"tj-node-0-{'9' * 5000}.tj:1", f"tj-node-0-{'9' * 5000}.tj:1"),
    ],
)
def test_pod_hosts_with_a_port_are_replaced_in_texts(text: str, local: str) -> None:
    assert LocalAddresses(Addresses.of(workload()), PORTS).text(text) == local


def test_a_job_name_that_begins_like_another_is_not_mistaken_for_it() -> None:
    groups = [workloads.replicated(name) for name in ("a", "a-0")]
    addresses = Addresses.of(workloads.workload(*groups, network={"enableDNSHostnames": False}))
    texts = ["tj-a-0-0:1", "tj-a-0-0-0:1", "tj-a-0-0.default.svc:1"]
    assert [addresses.replace(text, {"tj-a-0-0:1": 5, "tj-a-0-0-0:1": 6}) for text in texts] == [
        "127.0.0.1:5",
        "127.0.0.1:6",
        "127.0.0.1:5",
    ]


@pytest.mark.parametrize(
    ("name", "value", "injected", "local"),
    [
        ("PET_MASTER_ADDR", HOST, True, "127.0.0.1"),
        ("PET_MASTER_PORT", "29500", True, "20001"),
        ("MY_ADDR", HOST, False, HOST),
        ("MY_PORT", "29500", False, "29500"),
        ("PET_NNODES", "29500", True, "29500"),
        ("URL", f"http://{HOST}:8080", False, "http://127.0.0.1:20002"),
    ],
)
def test_of_variables_only_what_the_policy_injected_is_replaced(
    name: str, value: str, injected: bool, local: str
) -> None:
    addresses = LocalAddresses(Addresses.of(workload(POLICY)), PORTS)
    assert addresses.variable(name, value, injected=injected) == local


def test_every_address_in_use_needs_one_port() -> None:
    found = workload(
        {**POLICY, "URL": f"http://{HOST}:8080", "OTHER_PORT": "1234"},
        command=("serve", f"--peer={HOST}.team.svc:29500", "tj-node-0-1.tj:7"),
        metadata={"annotations": {"peer": "tj-node-0-2.tj:8"}},
    )
    needed = {f"{HOST}:29500", f"{HOST}:8080", "tj-node-0-1.tj:7", "tj-node-0-2.tj:8"}
    assert set(Addresses.of(found).needed(found)) == needed


def test_an_address_without_a_lease_stays_as_it_is() -> None:
    assert LocalAddresses(Addresses.of(workload()), {}).text(f"{HOST}:29500") == f"{HOST}:29500"


def test_a_workload_without_pods_needs_nothing() -> None:
    empty = workloads.workload(namespace="team")
    addresses = Addresses.of(empty)
    assert addresses.needed(empty) == ()
    assert addresses.replace(f"{HOST}:29500", {f"{HOST}:29500": 1}) == f"{HOST}:29500"


def test_ten_thousand_pods_take_no_longer_than_one() -> None:
    few, many = workload(POLICY, nodes=1), workload(POLICY, nodes=10_000)
    Addresses.of(few).needed(few)
    begin = time.process_time()
    addresses = Addresses.of(many)
    assert addresses.needed(many) == (f"{HOST}:29500",)
    assert time.process_time() - begin < 0.5
