"""Digests without OpenSSL, which hashlib would load: 2 ms, and 3.6 MB that every supervisor would carry."""

from __future__ import annotations

try:
    from _blake2 import blake2b
    from _sha1 import sha1 as _sha1  # type: ignore[import-not-found]
except ImportError:
    from hashlib import blake2b
    from hashlib import sha1 as _sha1


def blake2(data: bytes) -> str:
    """32 hexadecimal digits that tell ``data`` from all others."""
    return blake2b(data, digest_size=16).hexdigest()


def sha1(data: bytes) -> str:
    """The SHA-1 of ``data`` in hexadecimal digits, for names that Kubernetes makes with it."""
    return str(_sha1(data, usedforsecurity=False).hexdigest())
