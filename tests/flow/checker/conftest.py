from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.flow.checker.ways import settings_of

if TYPE_CHECKING:
    from pathlib import Path

    from kfrun.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path)
