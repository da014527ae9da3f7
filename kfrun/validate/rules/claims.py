"""What may change of a claim: it may ask for more, and nothing else of its spec changes.

Source: Kubernetes, pkg/apis/core/validation, ValidatePersistentVolumeClaimUpdate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.validate.admission import quantity
from kfrun.validate.located import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_HINT = "give the claim another name, or delete it first, with what is in it"
_STORAGE = ("spec", "resources", "requests", "storage")
_MAY_CHANGE = ("resources", "volumeAttributesClassName")


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Problem]:
    """Why a claim cannot replace a stored one."""
    before, after = _filled(old), _filled(new)
    for field in sorted({*before, *after} - set(_MAY_CHANGE)):
        if before.get(field) != after.get(field):
            what = f"spec.{field} was {_shown(before.get(field))}, now {_shown(after.get(field))}"
            yield Problem("KF320", ("spec", field), f"field is immutable: {what}", _HINT, "key")
    was, now = _storage(before), _storage(after)
    if (quantity.nanos(now) or 0) < (quantity.nanos(was) or 0):
        message = f"{'.'.join(_STORAGE)} was {was}, now {now or 'none'}: a claim may ask for more, never for less"
        yield Problem("KF320", _STORAGE, message, _HINT)


def _filled(claim: Mapping[str, Any]) -> dict[str, Any]:
    """The spec with what the API server fills in; the order of access modes means nothing."""
    found = claim.get("spec")
    spec = {key: value for key, value in found.items() if value is not None} if isinstance(found, dict) else {}
    modes = spec.get("accessModes")
    return {
        "volumeMode": "Filesystem",
        **spec,
        "accessModes": sorted(map(str, modes)) if isinstance(modes, list) else modes,
    }


def _storage(spec: Mapping[str, Any]) -> str:
    resources = spec.get("resources")
    requests = resources.get("requests") if isinstance(resources, dict) else None
    return str(requests.get("storage") or "") if isinstance(requests, dict) else ""


def _shown(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else "none" if value is None else str(value)
