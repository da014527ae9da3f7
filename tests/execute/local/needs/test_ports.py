"""Ports of jobs: one job each, kept while free, renewed when somebody else took one."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from kfrun.errors import StoreFailed, Unavailable
from kfrun.execute.local.needs import ports
from kfrun.observe.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEEDED = ("a:29500", "a:8080", "b:29500")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "kfrun.db") as opened:
        yield opened


def listener(port: int) -> socket.socket:
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind(("127.0.0.1", port))
    found.listen()
    return found


def test_every_address_gets_a_port_outside_the_ephemeral_range(store: Store) -> None:
    found = ports.lease(store, "uid-1", NEEDED, {})
    assert set(found) == set(NEEDED)
    assert len(set(found.values())) == 3
    assert all(20000 <= port < 30000 for port in found.values())


def test_two_jobs_never_share_a_port(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    # Both begin to look at the same place.
    monkeypatch.setattr(ports, "_candidates", lambda _: iter(range(20000, 20010)))
    first, second = (ports.lease(store, uid, NEEDED, {}) for uid in ("uid-1", "uid-2"))
    assert not set(first.values()) & set(second.values())


def test_a_lease_is_kept_while_its_port_is_free(store: Store) -> None:
    first = ports.lease(store, "uid-1", NEEDED, {})
    assert ports.lease(store, "uid-1", NEEDED, first) == first


def test_a_port_that_somebody_took_is_replaced(store: Store) -> None:
    first = ports.lease(store, "uid-1", NEEDED, {})
    with listener(first["a:8080"]):
        second = ports.lease(store, "uid-1", NEEDED, first)
    assert second["a:8080"] != first["a:8080"]
    assert {**second, "a:8080": 0} == {**first, "a:8080": 0}


def test_released_ports_can_be_leased_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_candidates", lambda _: iter(range(20000, 20003)))
    first = ports.lease(store, "uid-1", NEEDED, {})
    with pytest.raises(Unavailable, match="no free local port"):
        ports.lease(store, "uid-2", NEEDED, {})
    store.release_ports("uid-1")
    assert ports.lease(store, "uid-2", NEEDED, {}) == first


def test_a_store_that_takes_no_lease_is_no_lack_of_ports(store: Store) -> None:
    store._db.execute("PRAGMA query_only=1")
    with pytest.raises(StoreFailed):
        ports.lease(store, "uid-1", NEEDED, {})


def test_a_connection_that_just_ended_does_not_make_a_port_busy(store: Store) -> None:
    (port,) = ports.lease(store, "uid-1", ["a:1"], {}).values()
    with listener(port) as server, socket.create_connection(("127.0.0.1", port)):
        accepted, _ = server.accept()
        accepted.close()
    assert ports.is_free(port)
