"""How much is in emptyDir volumes that have a ``sizeLimit``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from kfrun.execute.local.supply import limits
from kfrun.execute.local.supply.places import Volumes
from kfrun.model.runstate import PodState
from tests import workloads

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_PERIOD", 0.0)


def watched(folder: Path, **empty_dir: Any) -> tuple[limits.SizeLimits | None, PodState, Path]:
    volumes = [{"name": "v", "emptyDir": empty_dir}, {"name": "other", "emptyDir": {}}]
    workload = workloads.workload(workloads.replicated(pod={"volumes": volumes}))
    made = Volumes(str(folder), "uid", workload)
    place = folder / "pods" / "p" / "volumes" / "v"
    place.mkdir(parents=True)
    return limits.of(workload, made), PodState("p", workload.jobs[0].name, "u", 0, 0, 0.0, []), place


@pytest.mark.parametrize("limit", [{}, {"sizeLimit": "0"}, {"medium": "Memory"}])
def test_nothing_is_watched_where_nothing_is_limited(tmp_path: Path, limit: dict[str, str]) -> None:
    assert watched(tmp_path, **limit)[0] is None


def test_a_pod_with_too_much_in_a_volume_is_named_in_the_words_of_a_kubelet(tmp_path: Path) -> None:
    found, pod, place = watched(tmp_path, sizeLimit="1024Ki")
    assert found is not None
    (place / "below").mkdir()
    (place / "below" / "most").write_bytes(b"x" * 900_000)
    assert found.look([pod]) == []
    (place / "rest").write_bytes(b"x" * 200_000)
    assert found.look([pod]) == [(pod, 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". ')]
    pod.phase = "Failed"
    assert found.look([pod]) == []


def test_what_takes_no_room_does_not_count(tmp_path: Path) -> None:
    found, pod, place = watched(tmp_path, sizeLimit="1Mi")
    assert found is not None
    (place / "one").write_bytes(b"x" * 900_000)
    os.link(place / "one", place / "two")
    with (place / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    (tmp_path / "elsewhere").write_bytes(b"x" * 2_000_000)
    (place / "link").symlink_to(tmp_path / "elsewhere")
    (place / "folder").symlink_to(tmp_path)
    assert found.look([pod]) == []


def test_a_look_takes_in_a_bounded_number_of_entries_and_the_next_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_MOST", 10)
    found, pod, place = watched(tmp_path, sizeLimit="100Ki")
    assert found is not None
    for number in range(35):
        (place / str(number)).write_bytes(b"x" * 4096)
    looks = [len(found.look([pod])) for _ in range(4)]
    assert looks[0] == looks[1] == 0
    assert sum(looks) == 1


def test_it_is_not_looked_before_it_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_PERIOD", 10.0)
    found, pod, place = watched(tmp_path, sizeLimit="1k")
    assert found is not None
    (place / "a").write_bytes(b"x" * 9000)
    assert found.look([pod]) == []
    assert 9 < found.interval() <= 10
