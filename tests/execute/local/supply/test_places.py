"""What admission refuses is refused where volumes are made, too: the files of a run may be an earlier kfrun's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kfrun.execute.local.supply import hostpaths, mounts, places
from kfrun.execute.local.supply.content import VolumeFile

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("path", ["..data", "/etc/passwd", "a/../../b"])
def test_no_file_of_an_object_lies_outside_of_its_volume(tmp_path: Path, path: str) -> None:
    with pytest.raises(OSError, match="leads out of the volume"):
        places._fill(str(tmp_path / "v"), [VolumeFile(path, b"", 0o644)], 0o755)
    assert not (tmp_path / "v").exists()


def test_a_mount_of_a_volume_that_is_not_there_is_told_of() -> None:
    container: dict[str, Any] = {"volumeMounts": [{"name": "none", "mountPath": "/v"}]}
    with pytest.raises(mounts.Unusable, match='there is no volume "none" in its pod that could be mounted at /v'):
        mounts.binds(container, {}, {}, {"volumes": [{"name": "v", "emptyDir": {}}]})


def test_a_host_path_that_climbs_is_none(tmp_path: Path) -> None:
    with pytest.raises(hostpaths.WrongType, match="must not contain"):
        hostpaths.require(f"{tmp_path}/../there", "")
    assert not (tmp_path.parent / "there").exists()
