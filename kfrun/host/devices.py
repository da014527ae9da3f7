"""The accelerators of this machine, counted: by the driver's library where it is there, else as the kernel does."""

from __future__ import annotations

import os
import re
from collections import Counter
from functools import cache
from typing import Any

_NVIDIA, _RENDER = re.compile(r"nvidia\d+"), re.compile(r"renderD\d+")
NVIDIA_GPU, AMD_GPU = "nvidia.com/gpu", "amd.com/gpu"
_MIG = "nvidia.com/mig-"

_AMD_VENDOR = "0x1002"
_AMD_PARTITION = "amdgpu_xcp"
"""The platform device of a part of an accelerator that is divided."""
_GIB, _EIGHTHS = 1 << 30, 8


@cache
def counts() -> dict[str, int]:
    """How many there are of each kind, by the names that Kubernetes has for them; those there are none of left out.

    A GPU that is divided into MIG devices is one all the same; these are counted beside it, by their profiles.
    """
    found = _nvml() or {NVIDIA_GPU: _nodes("/dev", _NVIDIA)}
    return {name: number for name, number in {**found, AMD_GPU: amd()}.items() if number}


def amd(sys: str = "/sys", dev: str = "/dev") -> int:
    """How many GPUs of AMD compute: render nodes of its cards and of their partitions, where its driver is there.

    Source: AMD's device plugin for Kubernetes, which looks for the same devices.
    """
    folder = f"{sys}/class/drm"
    if not os.path.exists(f"{dev}/kfd"):
        return 0
    return sum(_RENDER.fullmatch(name) is not None and _is_amd(f"{folder}/{name}/device") for name in _entries(folder))


def mig_profile(slices: int, compute_slices: int, memory: int, whole: int, *, has_ofa: bool) -> str:
    """How Kubernetes names a MIG device, such as ``1g.10gb``.

    Args:
        slices: of the GPU that it has.
        compute_slices: how many of these compute; fewer where its GPU instance is divided further.
        memory: that it has, in bytes.
        whole: memory of the whole GPU, in bytes.
        has_ofa: the optical flow accelerator is its own, which a part of a GPU has with the media extensions alone.

    Source: NVIDIA's device plugin, which rounds the memory up to eighths of the GPU's.
    """
    eighths = -(-memory * _EIGHTHS // whole)
    size = (2 * eighths * -(-whole // _GIB) + _EIGHTHS) // (2 * _EIGHTHS)
    divided = f"{compute_slices}c." if compute_slices != slices else ""
    return f"{divided}{slices}g.{size}gb{'.me' if has_ofa and eighths < _EIGHTHS else ''}"


def _nvml() -> dict[str, int]:
    try:
        import ctypes

        library = ctypes.CDLL("libnvidia-ml.so.1")
    except (ImportError, OSError):
        return {}
    if library.nvmlInit_v2() != 0:
        return {}
    try:
        return nvidia(library)
    finally:
        library.nvmlShutdown()


def nvidia(library: Any) -> dict[str, int]:
    """The GPUs that NVML counts, and the MIG devices of each; empty where it cannot."""
    import ctypes

    number, found = ctypes.c_uint(), Counter[str]()
    if library.nvmlDeviceGetCount_v2(ctypes.byref(number)) != 0:
        return {}
    for index in range(number.value):
        gpu = ctypes.c_void_p()
        if library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(gpu)) == 0:
            found.update(f"{_MIG}{profile}" for profile in _mig_devices(library, gpu))
    return {NVIDIA_GPU: number.value, **found}


def _mig_devices(library: Any, gpu: Any) -> list[str]:
    """The profiles of the MIG devices of a GPU; none with a driver that knows nothing of them."""
    from ctypes import Structure, byref, c_uint, c_ulonglong, c_void_p

    class Attributes(Structure):
        """Of nvml.h: nvmlDeviceAttributes_t."""

        _fields_ = (
            *((name, c_uint) for name in ("processors", "copy", "decoders", "encoders", "jpeg", "ofa")),
            *((name, c_uint) for name in ("slices", "compute_slices")),
            ("memory_mib", c_ulonglong),
        )

    class MemoryInfo(Structure):
        """Of nvml.h: nvmlMemory_t."""

        _fields_ = (("total", c_ulonglong), ("free", c_ulonglong), ("used", c_ulonglong))

    most, whole, found = c_uint(), MemoryInfo(), []
    try:
        if library.nvmlDeviceGetMaxMigDeviceCount(gpu, byref(most)) or library.nvmlDeviceGetMemoryInfo(
            gpu, byref(whole)
        ):
            return []
        for index in range(most.value):
            one, its = c_void_p(), Attributes()
            if library.nvmlDeviceGetMigDeviceHandleByIndex(gpu, index, byref(one)):
                continue
            if library.nvmlDeviceGetAttributes_v2(one, byref(its)) == 0:
                memory = its.memory_mib << 20
                found.append(mig_profile(its.slices, its.compute_slices, memory, whole.total, has_ofa=its.ofa > 0))
    except AttributeError:
        return []
    return found


def _is_amd(device: str) -> bool:
    if os.path.basename(os.path.realpath(device)).startswith(_AMD_PARTITION):
        return True
    try:
        with open(f"{device}/vendor", encoding="ascii") as file:
            return file.read().strip() == _AMD_VENDOR
    except OSError:
        return False


def _nodes(folder: str, name: re.Pattern[str]) -> int:
    return sum(name.fullmatch(entry) is not None for entry in _entries(folder))


def _entries(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
