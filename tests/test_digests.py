"""Digests are those of hashlib, and OpenSSL is not loaded for them."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest

from kfrun import digests


@pytest.mark.parametrize("data", [b"", b"default/training-node-0", "\N{SNOWMAN}".encode()])
def test_digests_are_those_of_hashlib(data):
    assert digests.blake2(data) == hashlib.blake2b(data, digest_size=16).hexdigest()
    assert digests.sha1(data) == hashlib.sha1(data, usedforsecurity=False).hexdigest()


def test_openssl_is_not_loaded():
    code = "import sys, kfrun.digests; print('_hashlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "False\n", done.stderr
