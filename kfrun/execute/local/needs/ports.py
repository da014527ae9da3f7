"""Local ports of a job: leased in the store, outside the kernel's ephemeral range, probed before use."""

from __future__ import annotations

import socket
import zlib
from typing import TYPE_CHECKING

from kfrun.errors import KfrunError, StoreFailed, Unavailable
from kfrun.execute.local.needs.need import Denied, Met, Unmet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kfrun.execute.local.needs.need import Answer
    from kfrun.observe.store import Store

FIRST, LAST = 20000, 29999
_LOOPBACK = "127.0.0.1"


class PortsNeed:
    """The local ports of one job.

    Args:
        needed: every ``host:port`` of the cluster that needs one.
        ports: where they are put, by ``host:port``: part of the job's state, stored before anything starts.
    """

    descriptor: int | None = None

    def __init__(self, store: Store, uid: str, needed: Sequence[str], ports: dict[str, int]) -> None:
        self._store = store
        self._uid = uid
        self._needed = needed
        self._ports = ports

    def advance(self) -> Answer:
        """See `Need.advance`: while nothing of the job runs, a port that somebody else took meanwhile is replaced."""
        try:
            found = lease(self._store, self._uid, self._needed, self._ports)
        except StoreFailed:
            # A full disk, or a busy one: no reason to fail.
            return Unmet("StoreFailed")
        except KfrunError as error:
            return Denied("EnvironmentFailed", error.message)
        self._ports.clear()
        self._ports.update(found)
        return Met()

    def stop(self) -> None:
        """Nothing is ever under way."""

    def release(self) -> None:
        """Let others have the ports."""
        self._store.release_ports(self._uid)


def lease(store: Store, uid: str, needed: Sequence[str], present: dict[str, int]) -> dict[str, int]:
    """Ports for every ``host:port`` of ``needed``; those of ``present`` are kept while they are free.

    Raises:
        Unavailable: no port is left.
        StoreFailed: the store takes no lease.
    """
    ports = {}
    candidates = _candidates(uid)
    for address in needed:
        port = present.get(address)
        if port is None or not is_free(port):
            port = _next(store, uid, candidates)
        ports[address] = port
    return ports


def _next(store: Store, uid: str, candidates: Iterator[int]) -> int:
    for candidate in candidates:
        if is_free(candidate) and store.lease_port(uid, [candidate]) is not None:
            return candidate
    raise Unavailable(f"no free local port between {FIRST} and {LAST}")


def _candidates(uid: str) -> Iterator[int]:
    """Every port once, beginning at a place of the job's own, so that jobs do not queue for the same ones."""
    size = LAST - FIRST + 1
    start = zlib.crc32(uid.encode()) % size
    return (FIRST + (start + step) % size for step in range(size))


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As a training framework's server does: a connection in TIME_WAIT does not make a port busy.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return False
    return True
