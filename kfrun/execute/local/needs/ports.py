"""Local ports of a job: leased in the store, outside the kernel's ephemeral range, probed before use."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from kfrun.errors import Unavailable
from kfrun.execute.local.process.addresses import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kfrun.observe.store import Store

FIRST, LAST = 20000, 29999


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
    import zlib

    size = LAST - FIRST + 1
    start = zlib.crc32(uid.encode()) % size
    return (FIRST + (start + step) % size for step in range(size))


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As a training framework's server does: a connection in TIME_WAIT does not make a port busy.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
