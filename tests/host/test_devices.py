"""GPUs are counted by what the kernel and NVIDIA's library tell."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from kfrun.host import devices

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_GIB = 1 << 30


def render_node(tmp_path: Path, name: str, vendor: str = "", device: str = "pci") -> None:
    there = tmp_path / "devices" / f"{device}.{name}"
    there.mkdir(parents=True)
    if vendor:
        (there / "vendor").write_text(f"{vendor}\n")
    node = tmp_path / "class" / "drm" / name
    node.mkdir(parents=True)
    (node / "device").symlink_to(there)


def test_of_render_nodes_only_those_of_amd_are_its_gpus(tmp_path: Path) -> None:
    (tmp_path / "kfd").touch()
    render_node(tmp_path, "renderD128", "0x8086")
    render_node(tmp_path, "renderD129", "0x1002")
    render_node(tmp_path, "renderD130", "0x1002")
    render_node(tmp_path, "renderD131", "0x10de")
    render_node(tmp_path, "renderD132", device="amdgpu_xcp")
    render_node(tmp_path, "renderD133")
    render_node(tmp_path, "card0", "0x1002")
    assert devices.amd(str(tmp_path), str(tmp_path)) == 3


def test_without_the_driver_that_computes_there_is_no_gpu_of_amd(tmp_path: Path) -> None:
    render_node(tmp_path, "renderD128", "0x1002")
    assert devices.amd(str(tmp_path), str(tmp_path)) == 0
    assert devices.amd(str(tmp_path / "nowhere"), str(tmp_path)) == 0


@pytest.mark.parametrize(
    ("slices", "computing", "mib", "whole", "ofa", "name"),
    [
        (1, 1, 4864, 40 * _GIB - 1, False, "1g.5gb"),
        (1, 1, 4864, 40 * _GIB - 1, True, "1g.5gb.me"),
        (2, 2, 9856, 40 * _GIB - 1, False, "2g.10gb"),
        (3, 1, 19968, 40 * _GIB - 1, False, "1c.3g.20gb"),
        (7, 7, 40192, 40 * _GIB - 1, True, "7g.40gb"),
        (1, 1, 9984, 80 * _GIB - 1, False, "1g.10gb"),
        (1, 1, 20096, 80 * _GIB - 1, False, "1g.20gb"),
        (4, 2, 40448, 80 * _GIB - 1, False, "2c.4g.40gb"),
        (1, 1, 5952, 24 * _GIB - 1, False, "1g.6gb"),
    ],
)
def test_mig_devices_have_the_names_of_their_profiles(
    slices: int, computing: int, mib: int, whole: int, ofa: bool, name: str
) -> None:
    """Profiles of the A100, the H100 and the A30, as NVIDIA's user guide lists them."""
    assert devices.mig_profile(slices, computing, mib << 20, whole, has_ofa=ofa) == name


def told(value: int, attribute: str = "value", code: int = 0) -> Callable[..., int]:
    """A function of libnvidia-ml that writes through its last argument, a pointer."""

    def function(*given: Any) -> int:
        setattr(given[-1]._obj, attribute, value)
        return code

    return function


def attributes(*given: Any) -> int:
    its = given[-1]._obj
    its.slices, its.compute_slices, its.memory_mib = 1, 1, 9984
    return 0


COUNTING = {"nvmlDeviceGetCount_v2": told(2), "nvmlDeviceGetHandleByIndex_v2": told(7)}
DIVIDED = {
    "nvmlDeviceGetMaxMigDeviceCount": told(7),
    "nvmlDeviceGetMemoryInfo": told(80 * _GIB - 1, "total"),
    "nvmlDeviceGetMigDeviceHandleByIndex": lambda _gpu, index, one: told(index, code=0 if index in (0, 2) else 6)(one),
    "nvmlDeviceGetAttributes_v2": attributes,
}


def test_mig_devices_are_counted_beside_the_gpus_that_they_are_parts_of() -> None:
    """Two GPUs, and in each two devices with a gap between them."""
    found = devices.nvidia(SimpleNamespace(**COUNTING, **DIVIDED))
    assert found == {"nvidia.com/gpu": 2, "nvidia.com/mig-1g.10gb": 4}


def test_a_driver_that_knows_nothing_of_mig_counts_gpus() -> None:
    assert devices.nvidia(SimpleNamespace(**COUNTING)) == {"nvidia.com/gpu": 2}
