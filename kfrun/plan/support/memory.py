"""What the backend in memory honours of a JobSet: whatever the controllers do, and nothing that needs a container."""

from __future__ import annotations

from typing import Final

from kfrun.plan.support.process import SUPPORT as _PROCESS
from kfrun.plan.support.table import Support

_WHY: Final = "containers do not really run"
_HONOURED: Final = {
    **_PROCESS.honoured,
    "Container": frozenset({"name", "restartPolicy"}),
    "EnvVarSource": frozenset[str](),
    "PodSecurityContext": frozenset[str](),
    "SecurityContext": frozenset[str](),
    "Volume": frozenset[str](),
    "VolumeProjection": frozenset[str](),
    "VolumeMount": frozenset[str](),
}
_OF_PODS: Final = (
    *("PodSpec", "Container", "EnvVarSource", "PodSecurityContext", "SecurityContext"),
    *("Volume", "VolumeProjection", "VolumeMount"),
)


def _not_honoured(name: str) -> dict[str, str]:
    """What processes do not honour either, and what they honour because they run."""
    mine = _PROCESS.honoured[name] - _HONOURED[name]
    theirs = _PROCESS.not_honoured[name]
    without = [key for key in theirs if name in _OF_PODS or key == "volumeClaimPolicies"]
    return {**theirs, **dict.fromkeys((*without, *sorted(mine)), _WHY)}


SUPPORT: Final = Support(
    backend="memory",
    honoured=_HONOURED,
    without_effect=_PROCESS.without_effect,
    not_honoured={name: _not_honoured(name) for name in _HONOURED},
    no_environment="nothing is installed",
    refusals=dict.fromkeys(_PROCESS.refusals, f"{_WHY}: there is nothing to reach into"),
)
"""Jobs without processes: for tests, and to try things out."""
