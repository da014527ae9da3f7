"""Applies a TrainJob's runtimePatches to the runtime's template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.errors import InvalidInput
from kfrun.resolve import strategic
from kfrun.resolve.structs.decode import Decoder, complete

if TYPE_CHECKING:
    from kfrun.resolve.origins import Mark, OriginLog

    Node = dict[str, Any]


def apply(template: Node, patches: list[Any], job: Mark, ledger: OriginLog) -> None:
    """Merge ``patches`` in their order into ``template``, a JobSet template, in place.

    Labels and annotations of the template's metadata go to the JobSet object; jobs keep the runtime's order, with
    jobs that the runtime lacks first.

    Args:
        template: ``spec.template`` of the runtime, decoded.
        patches: ``spec.runtimePatches`` of the TrainJob, raw.
        job: the mark of the TrainJob's ``spec``.
        ledger: learns what the patches bring.

    Raises:
        InvalidInput: a patch that cannot be merged.
    """
    spec = template["spec"]
    order = {item.get("name"): index for index, item in enumerate(spec.get("replicatedJobs", []))}
    for index, raw in enumerate(patches):
        manager = raw.get("manager") if isinstance(raw, dict) else None
        mark = job.at("runtimePatches", index)._replace(layer="patch", detail=str(manager or ""))
        patch = _decoded(raw, mark, ledger)
        _merge_metadata(template["metadata"], patch.get("metadata", {}), ledger)
        strategic.merge(spec, patch.get("spec", {}), ledger)
    if order:
        spec["replicatedJobs"].sort(key=lambda item: order.get(item.get("name"), 0))
    complete(template, "JobSetTemplateSpec")


def _decoded(raw: Any, mark: Mark, ledger: OriginLog) -> Node:
    decoder = Decoder(mark, ledger, written=True)
    patch = decoder.struct(raw, "RuntimePatch", mark.path)
    if decoder.findings:
        raise InvalidInput(decoder.findings)
    template: Node = patch.get("trainingRuntimeSpec", {}).get("template", {})
    for job in template.get("spec", {}).get("replicatedJobs", []):
        _strip_metadata(job.get("template", {}))
        _strip_metadata(job.get("template", {}).get("spec", {}).get("template", {}))
    return template


def _strip_metadata(owner: Node) -> None:
    """Names and finalizers of a patch's metadata have no effect."""
    metadata = owner.get("metadata", {})
    for key in set(metadata) - {"labels", "annotations"}:
        del metadata[key]


def _merge_metadata(target: Node, patch: Node, ledger: OriginLog) -> None:
    for key in ("labels", "annotations"):
        if key in patch:
            strategic.merge(target, {key: patch[key]}, ledger)
