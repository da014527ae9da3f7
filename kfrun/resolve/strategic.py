"""Strategic merge of runtime patches into a JobSetSpec, as Kubernetes' patch library does it.

Source: k8s.io/apimachinery strategicpatch with the patch tags of JobSetSpec; only what a RuntimePatch can hold.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from kfrun.errors import InvalidInput
from kfrun.resolve.findings import finding

if TYPE_CHECKING:
    from kfrun.model.source import Finding
    from kfrun.resolve.origins import OriginLog

    Node = dict[str, Any]

MERGE_KEYS = {
    "replicatedJobs": "name",
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumeMounts": "mountPath",
    "volumes": "name",
    "imagePullSecrets": "name",
    "schedulingGates": "name",
}
"""Lists that are merged by key; every other list is replaced as a whole."""


def merge(original: Node, patch: Node, ledger: OriginLog) -> None:
    """Merge ``patch`` into ``original``, in place.

    Objects merge field by field, lists of `MERGE_KEYS` item by item, everything else is replaced.

    Raises:
        InvalidInput: an item of a list that is merged by key lacks that key.
    """
    for key, value in patch.items():
        present = original.get(key)
        if isinstance(value, dict) and isinstance(present, dict):
            merge(present, value, ledger)
        elif isinstance(value, list) and key in MERGE_KEYS:
            items = present if isinstance(present, list) else []
            original[key] = _merged_list(items, value, MERGE_KEYS[key], ledger)
        else:
            original[key] = value
            mark = ledger.of(patch, key)
            if mark is not None:
                ledger.mark(original, key, mark)


def _merged_list(original: list[Node], patch: list[Node], key: str, ledger: OriginLog) -> list[Node]:
    merged = list(original)
    named: dict[Any, Node] = {}
    for item in original:
        named.setdefault(item.get(key), item)
    for item in patch:
        if not item.get(key):
            raise InvalidInput(_no_merge_key(item, key, ledger))
        present = named.get(item[key])
        if present is None:
            named[item[key]] = item
            merged.append(item)
        else:
            found_by = ledger.of(present, key)
            merge(present, item, ledger)
            if found_by is not None:  # the key only says which item is meant
                ledger.mark(present, key, found_by)
    return _ordered(original, patch, merged, key)


def _no_merge_key(item: Node, key: str, ledger: OriginLog) -> list[Finding]:
    mark = ledger.of(item, key)
    assert mark is not None
    message = f"has no {key}, by which the item to patch is found"
    return [finding("KF406", message, mark.document, mark.path[:-1])]


def _ordered(original: list[Node], patch: list[Node], merged: list[Node], key: str) -> list[Node]:
    """Put patched items in the patch's order, untouched ones in the original's.

    Where both orders have a say, an untouched item comes first only if it stood before the patched one; so items
    that are new come before the untouched ones that are left.
    """
    wanted = list(dict.fromkeys(item[key] for item in patch))
    rank = {item.get(key): index for index, item in enumerate(original)}
    named = set(wanted)
    untouched = deque(item for item in merged if item.get(key) not in named)
    by_key = {item.get(key): item for item in reversed(merged)}
    patched = deque(by_key[name] for name in wanted)
    ordered: list[Node] = []
    while untouched and patched:
        first, second = untouched[0].get(key), patched[0][key]
        before = second in rank and rank[first] < rank[second]
        ordered.append(untouched.popleft() if before else patched.popleft())
    return [*ordered, *untouched, *patched]
