"""Where the examples keep their environments: shared by all tests and all runs, since PyTorch alone is 5 GB."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def test_cache() -> Path:
    """``KFRUN_TEST_CACHE``, or a folder of the user's own."""
    given = os.environ.get("KFRUN_TEST_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "kfrun-tests"
