"""Python environments: built by uv, or by venv and pip, once per key, and shared by the jobs that have the same key.

``<cache>/environments/<key>/`` is an ordinary virtual environment, written at its final path under a lock and
marked complete last (``kfrun.json``). The planner and ``apply`` ask for `key`, `location` and `is_ready`; the
supervisor runs ``python -m kfrun.execute.environments REQUEST.json CACHE`` (`main`) as a child; ``kfrun env`` uses
`listing` and `prune`. Every supervisor carries this package, so only what asks (`request`) is loaded with it; what
builds and removes is loaded when it is called for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.execute.environments.request import (
    EnvironmentRequest,
    default_interpreter,
    host_facts,
    is_ready,
    key,
    location,
    mark_used,
    require_installer,
    require_trusted,
)

if TYPE_CHECKING:
    from kfrun.execute.environments.builder import build, main
    from kfrun.execute.environments.guards import guard
    from kfrun.execute.environments.installsettings import fingerprint
    from kfrun.execute.environments.inventory import EnvironmentInfo, listing, prune, remove, remove_all, size

__all__ = [
    "EnvironmentInfo",
    "EnvironmentRequest",
    "build",
    "default_interpreter",
    "fingerprint",
    "guard",
    "host_facts",
    "is_ready",
    "key",
    "listing",
    "location",
    "main",
    "mark_used",
    "prune",
    "remove",
    "remove_all",
    "require_installer",
    "require_trusted",
    "size",
]

_LATER = {
    "build": "builder",
    "main": "builder",
    "fingerprint": "installsettings",
    "guard": "guards",
    "EnvironmentInfo": "inventory",
    "listing": "inventory",
    "prune": "inventory",
    "remove": "inventory",
    "remove_all": "inventory",
    "size": "inventory",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
