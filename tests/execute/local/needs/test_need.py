"""Several needs of one job, in any order."""

from __future__ import annotations

import pytest

from kfrun.execute.controller.context import Pass
from kfrun.execute.local.needs.need import Met, Needs, Unmet
from kfrun.model.runstate import RunState
from tests.execute.local.engine import FakeNeed, workload


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_end_of_a_wait_is_told_once_whichever_need_it_was(place: int) -> None:
    waiting = FakeNeed(Unmet("ImagePulling", "Pulling the image"))
    needs = [FakeNeed(Met("NetworkReady", "nobody waited for it")) for _ in range(2)]
    needs.insert(place, waiting)
    all_of_them, p = Needs(needs), Pass(workload(), RunState("uid", 0.0), 0.0)
    assert all_of_them.advance(p) == waiting.answer
    assert all_of_them.is_waiting
    waiting.answer = Met("ImagePulled", "The image is there")
    for _ in range(2):
        assert all_of_them.advance(p) == Met()
    assert not all_of_them.is_waiting
    assert [event.reason for event in p.events] == ["ImagePulling", "ImagePulled"]
