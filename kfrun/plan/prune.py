"""Apply sets: what was applied together, so that what left the input can be deleted. Pure.

A set is an inventory: the objects by key and uid, written down when they were applied. Labels decide nothing, and an
object that somebody else created anew under an old name is left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.model.change import DeleteJob, DeleteObject, Unchanged
from kfrun.model.kinds import TRAIN_JOB
from kfrun.model.source import ObjectKey, Stage
from kfrun.model.state import ApplySet, Member
from kfrun.model.values import replace
from kfrun.plan import jobs
from kfrun.validate import located
from kfrun.validate.located import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from kfrun.model.change import Action, Plan
    from kfrun.model.source import Document, Finding
    from kfrun.model.state import ObservedJob, StoredObject

CODES = {"KF507": "the object belongs to another apply set"}

API_VERSION, KIND = "kfrun.dev/v1alpha1", "ApplySet"


def key_of(namespace: str, name: str) -> ObjectKey:
    """The key of a set."""
    return ObjectKey(API_VERSION, KIND, namespace, name)


def members_of(data: Mapping[str, Any]) -> tuple[Member, ...]:
    """The members that the stored form of a set lists."""
    return tuple(
        Member(ObjectKey(item["apiVersion"], item["kind"], item["namespace"], item["name"]), item["uid"])
        for item in data["spec"]["members"]
    )


def to_object(key: ObjectKey, members: Iterable[Member]) -> dict[str, Any]:
    """The stored form of a set, its metadata without what the store fills in."""
    listed = [
        {
            "apiVersion": member.key.api_version,
            "kind": member.key.kind,
            "namespace": member.key.namespace,
            "name": member.key.name,
            "uid": member.uid,
        }
        for member in sorted(members)
    ]
    metadata = {"name": key.name, "namespace": key.namespace}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": {"members": listed}}


def as_seen(
    key: ObjectKey,
    sets: Mapping[ObjectKey, tuple[Member, ...]],
    uids: Mapping[ObjectKey, str],
    jobs: Mapping[ObjectKey, ObservedJob],
) -> ApplySet:
    """The set ``key`` among all ``sets``; ``uids`` and ``jobs`` are of the members of any that are stored."""
    members = sets.get(key, ())
    own = {member.key for member in members}
    others = {
        member.key: other.name
        for other, found in sets.items()
        for member in found
        if other != key and member.uid in ("", uids.get(member.key, ""))
    }
    stored = {item: uid for item, uid in uids.items() if item in own}
    return ApplySet(key, members, stored, {item: job for item, job in jobs.items() if item in own}, others)


def observed(
    key: ObjectKey,
    sets: Iterable[StoredObject],
    find: Callable[[ObjectKey], StoredObject | None],
    observe: Callable[[StoredObject], ObservedJob],
) -> ApplySet:
    """The set ``key`` among all stored ``sets``; ``find`` tells their members, ``observe`` more of TrainJobs."""
    found = {item.key: members_of(item.data) for item in sets}
    keys = {member.key for members in found.values() for member in members}
    stored = {member: item for member in keys if (item := find(member)) is not None}
    uids = {member: item.uid for member, item in stored.items()}
    return as_seen(key, found, uids, {m: observe(item) for m, item in stored.items() if m.kind == TRAIN_JOB})


def with_set(plan: Plan, chosen: ApplySet, documents: Sequence[Document], *, prune: bool) -> Plan:
    """The plan of an input that is applied as a set: what belongs to another set is refused, what left is deleted.

    Deletions come last: jobs first, then what they lean on.
    """
    found = tuple(_claimed(item, chosen.others[item.key]) for item in documents if item.key in chosen.others)
    wanted = {item.key for item in documents}
    actions = _deletions(chosen, wanted) if prune else ()
    return replace(plan, actions=(*plan.actions, *actions), refusals=(*plan.refusals, *found))


def kept(chosen: ApplySet, wanted: Iterable[ObjectKey], *, prune: bool) -> tuple[Member, ...]:
    """The members that a set has besides ``wanted`` after it was applied: without pruning, whoever is still there."""
    gone = set(wanted)
    return () if prune else tuple(item for item in chosen.members if item.key not in gone and _is_there(chosen, item))


def _is_there(chosen: ApplySet, member: Member) -> bool:
    uid = chosen.uids.get(member.key)
    return uid is not None and member.uid in ("", uid)


def _deletions(chosen: ApplySet, wanted: set[ObjectKey]) -> tuple[Action, ...]:
    left = [item for item in chosen.members if item.key not in wanted and item.key in chosen.uids]
    found = [_deletion(chosen, item) for item in sorted(left)]
    return tuple(sorted(found, key=lambda action: not isinstance(action, DeleteJob)))


def _deletion(chosen: ApplySet, member: Member) -> Action:
    key, name = member.key, chosen.key.name
    if not _is_there(chosen, member):
        return Unchanged(key, f'no longer in the input, but not the one that apply set "{name}" applied: left alone')
    cause = f'no longer in the input of apply set "{name}"'
    job = chosen.jobs.get(key)
    if job is None:
        return DeleteObject(key, cause)
    if job.deleting:
        return Unchanged(key, "is being deleted already")
    return DeleteJob(key, f"{cause}; {jobs.state(job)}")


def _claimed(document: Document, other: str) -> Finding:
    message = f'{document.key.resource} belongs to apply set "{other}"'
    hint = f"apply it with --apply-set {other}, or take it out of that set first"
    return located.finding(document, Problem("KF507", ("metadata", "name"), message, hint), Stage.BACKEND)
