"""The accelerators of this machine, counted: by the driver's library where it is there, else by their device nodes."""

from __future__ import annotations

import os
import re
from functools import cache

_NVIDIA, _AMD = re.compile(r"nvidia\d+"), re.compile(r"renderD\d+")
NVIDIA_GPU, AMD_GPU = "nvidia.com/gpu", "amd.com/gpu"


@cache
def counts() -> dict[str, int]:
    """How many there are of each kind, by the names that Kubernetes has for them; those there are none of left out."""
    found = {NVIDIA_GPU: _nvml() or _nodes("/dev", _NVIDIA), AMD_GPU: _amd()}
    return {name: number for name, number in found.items() if number}


def _nvml() -> int:
    try:
        import ctypes

        library = ctypes.CDLL("libnvidia-ml.so.1")
        number = ctypes.c_uint()
        if library.nvmlInit_v2() != 0:
            return 0
        try:
            return number.value if library.nvmlDeviceGetCount_v2(ctypes.byref(number)) == 0 else 0
        finally:
            library.nvmlShutdown()
    except (ImportError, OSError, AttributeError):
        return 0


def _amd() -> int:
    return _nodes("/dev/dri", _AMD) if os.path.exists("/dev/kfd") else 0


def _nodes(folder: str, name: re.Pattern[str]) -> int:
    try:
        return sum(name.fullmatch(entry) is not None for entry in os.listdir(folder))
    except OSError:
        return 0
