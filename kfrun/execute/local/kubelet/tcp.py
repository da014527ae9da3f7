"""Connections in a kubelet's words: places, and what went wrong with them."""

from __future__ import annotations

import errno

_WORDS = {
    errno.ECONNREFUSED: "connection refused",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETUNREACH: "network is unreachable",
    errno.ECONNRESET: "connection reset by peer",
}


def words(error: OSError) -> str:
    """What went wrong."""
    return _WORDS.get(error.errno or 0) or error.strerror or str(error)


def place(host: str, port: int) -> str:
    """A host and a port; an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
