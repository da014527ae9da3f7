"""Apply sets in the store: read before a plan is made, written down around its execution. Called by apply and plan."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kfrun.cli import inputs
from kfrun.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kfrun.cli.inputs import Inputs
    from kfrun.model.change import Plan
    from kfrun.model.source import ObjectKey
    from kfrun.observe.store import Store
    from kfrun.plan.prune import ApplySet, Member
    from kfrun.settings import Settings

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


def look_up(name: str, settings: Settings, *, prune: bool) -> ApplySet | None:
    """The set of that name as this host's store knows it; None without a name.

    Raises:
        UsageProblem: ``prune`` without a name, or a name that is none.
    """
    if not _is_wanted(name, prune=prune):
        return None
    from kfrun.cli import session

    with session.open_store(settings) as store:
        return recall(store, name, settings.namespace, prune=prune)


def recall(store: Store, name: str, namespace: str, *, prune: bool) -> ApplySet | None:
    """As `look_up`, of an open store."""
    if not _is_wanted(name, prune=prune):
        return None
    from kfrun.plan import prune as sets

    key = sets.key_of(namespace, name)
    members: tuple[Member, ...] = ()
    others: dict[ObjectKey, str] = {}
    for item in store.objects(sets.KIND):
        if item.key == key:
            members = sets.members_of(item.data)
            continue
        found = sets.members_of(item.data)
        others |= {member.key: item.key.name for member in found if member.uid in ("", _uid(store, member.key))}
    uids, jobs = {}, {}
    for member in members:
        stored = store.find(member.key.kind, member.key.namespace, member.key.name)
        if stored is None:
            continue
        uids[member.key] = stored.uid
        if member.key.kind == inputs.JOB:
            jobs[member.key] = inputs.observed_job(store, stored)
    return sets.ApplySet(key, members, uids, jobs, others)


def with_set(made: Plan, chosen: ApplySet, prepared: Inputs, *, prune: bool) -> Plan:
    """See `kfrun.plan.prune.with_set`."""
    from kfrun.plan import prune as sets

    documents = [*prepared.objects, *(job.resolution.job for job in prepared.jobs)]
    return sets.with_set(made, chosen, documents, prune=prune)


def claim(store: Store, chosen: ApplySet, keys: Iterable[ObjectKey]) -> None:
    """Write down what is about to be applied beside what was: what dies half-way is in the inventory."""
    from kfrun.plan.prune import Member

    members = {member.key: member.uid for member in chosen.members}
    for key in keys:
        members[key] = _uid(store, key)
    _write(store, chosen, [Member(key, uid) for key, uid in members.items()])


def settle(store: Store, chosen: ApplySet, keys: Iterable[ObjectKey], *, prune: bool) -> None:
    """Write down what was applied, with the uids that it got, and forget what was deleted."""
    from kfrun.plan import prune as sets

    wanted = list(keys)
    _write(
        store,
        chosen,
        [*sets.kept(chosen, wanted, prune=prune), *(sets.Member(key, _uid(store, key)) for key in wanted)],
    )


def _uid(store: Store, key: ObjectKey) -> str:
    found = store.find(key.kind, key.namespace, key.name)
    return found.uid if found else ""


def _write(store: Store, chosen: ApplySet, members: Iterable[Member]) -> None:
    from kfrun.execute.local import creation
    from kfrun.plan import prune as sets

    data, key = sets.to_object(chosen.key, members), chosen.key
    with store.writing():
        found = store.find(key.kind, key.namespace, key.name)
        if found is None:
            store.create({**data, "metadata": {**data["metadata"], "uid": creation.new_uid()}})
        else:
            store.update({**data, "metadata": {**data["metadata"], "uid": found.uid}})


def _is_wanted(name: str, *, prune: bool) -> bool:
    if prune and not name:
        raise UsageProblem("--prune needs --apply-set NAME", "only what was applied as a set can be told from the rest")
    if name and not _NAME.fullmatch(name):
        raise UsageProblem(
            f'--apply-set "{name}" is no name', "lower-case letters, digits, - and ., like an object's name"
        )
    return bool(name)
