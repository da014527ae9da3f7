"""With ``--cases DIR`` only the cases of that folder are asked for, not what this suite makes up itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_READS_CASES = "test_cases.py"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if config.getoption("--cases") and collection_path.suffix == ".py" and collection_path.name != _READS_CASES:
        return True
    return None
