"""Apply sets: named by wishes, seen by plans, and written down around their execution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.errors import UsageProblem
from kfrun.model.state import Member
from kfrun.patterns import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kfrun.execute.backend import Backend
    from kfrun.model.source import ObjectKey
    from kfrun.model.state import ApplySet
    from kfrun.model.wishes import Wishes
    from kfrun.settings import Settings

_NAME = pattern(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


def key(wishes: Wishes, settings: Settings) -> ObjectKey | None:
    """The set that the input is applied as; None without one.

    Raises:
        UsageProblem: pruning without a set, or a name that is none.
    """
    name = wishes.apply_set
    if wishes.prune and not name:
        raise UsageProblem("--prune needs --apply-set NAME", "only what was applied as a set can be told from the rest")
    if not name:
        return None
    if not _NAME.fullmatch(name):
        raise UsageProblem(
            f'--apply-set "{name}" is no name', "lower-case letters, digits, - and ., like an object's name"
        )
    from kfrun.plan import prune

    return prune.key_of(settings.namespace, name)


def claim(backend: Backend, chosen: ApplySet, keys: Iterable[ObjectKey]) -> None:
    """Write down what is about to be applied beside what was: what dies half-way is in the inventory."""
    members = {member.key: member.uid for member in chosen.members}
    for item in keys:
        members[item] = _uid(backend, item)
    _write(backend, chosen, [Member(item, uid) for item, uid in members.items()])


def settle(backend: Backend, chosen: ApplySet, keys: Iterable[ObjectKey], *, prune: bool) -> None:
    """Write down what was applied, with the uids that it got, and forget what was deleted."""
    from kfrun.plan import prune as sets

    wanted = list(keys)
    applied = [Member(item, _uid(backend, item)) for item in wanted]
    _write(backend, chosen, [*sets.kept(chosen, wanted, prune=prune), *applied])


def _uid(backend: Backend, item: ObjectKey) -> str:
    found = backend.find(item.kind, item.namespace, item.name)
    return found.uid if found else ""


def _write(backend: Backend, chosen: ApplySet, members: Iterable[Member]) -> None:
    from kfrun.plan import prune as sets

    backend.put(sets.to_object(chosen.key, members))
