"""Environment entries as upstream writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.resolve.podsets import COMPLETION_INDEX, upsert_all

if TYPE_CHECKING:
    from kfrun.resolve.origins import Mark, OriginLog

    Node = dict[str, Any]


def converted(entry: Node) -> Node:
    """An entry of a TrainJob's env as it reaches the pod.

    ``valueFrom`` beats ``value``; fieldRef loses its apiVersion, resourceFieldRef gains its defaults, and fileKeyRef
    is lost altogether. Entries of runtimes and patches are not converted.
    """
    source: Node | None = entry.get("valueFrom")
    if source is None:
        return {"name": entry.get("name", ""), "value": entry.get("value", "")}
    return {"name": entry.get("name", ""), "valueFrom": _source(source)}


def _source(source: Node) -> Node:
    result: Node = {}
    if "fieldRef" in source:
        result["fieldRef"] = {"fieldPath": source["fieldRef"].get("fieldPath", "")}
    if "resourceFieldRef" in source:
        wanted = source["resourceFieldRef"]
        result["resourceFieldRef"] = {
            "containerName": wanted.get("containerName", ""),
            "divisor": wanted.get("divisor", "0"),
            "resource": wanted.get("resource", ""),
        }
    for key in ("configMapKeyRef", "secretKeyRef"):
        if key in source:
            wanted = source[key]
            optional = {"optional": wanted["optional"]} if "optional" in wanted else {}
            result[key] = {"name": wanted.get("name", ""), "key": wanted.get("key", ""), **optional}
    return result


def upsert_user_env(target: list[Node], entries: list[Node], mark: Mark, ledger: OriginLog) -> None:
    """Put a TrainJob's ``entries`` into ``target``, replacing entries of the same name where they stand.

    Args:
        target: the container's entries, changed in place.
        entries: those of the TrainJob.
        mark: where the list of ``entries`` stands in the TrainJob.
        ledger: learns where each comes from.
    """
    placed = [ledger.place(converted(entry), mark.at(index)) for index, entry in enumerate(entries)]
    upsert_all(target, placed, "name")


def literal(name: str, value: str) -> Node:
    """An entry with a value."""
    return {"name": name, "value": value}


def completion_index(name: str) -> Node:
    """An entry that holds the pod's index in its Job."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": f"metadata.annotations['{COMPLETION_INDEX}']"}}}


def upsert_policy_env(target: list[Node], entries: list[Node], mark: Mark, ledger: OriginLog) -> None:
    """Put ``entries`` of an ML policy into ``target``; ``mark`` says which policy."""
    upsert_all(target, [ledger.place(entry, mark) for entry in entries], "name")
