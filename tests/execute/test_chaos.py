"""Some twenty rounds of kill -9; ``python -m tests.chaos --rounds 300`` runs many more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos import Round

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_killed_nothing_is_lost_and_nothing_is_left(tmp_path: Path, seed: int) -> None:
    Round(tmp_path, seed).play()
