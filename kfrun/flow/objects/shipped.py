"""The runtimes that kfrun ships as objects among those of a place: looked at like them, and never stored there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.errors import Refused
from kfrun.model.kinds import RUNTIMES, identity
from kfrun.model.state import StoredObject
from kfrun.observe.selection import matches

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kfrun.execute.backend import Backend
    from kfrun.model.source import ObjectKey
    from kfrun.observe.selection import Selection


class WithShipped:
    """What a place holds, and what kfrun ships: a stored object comes before a shipped one of its name."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def objects(self, selection: Selection) -> list[StoredObject]:
        """Those that are selected, by namespace and name."""
        found = self._backend.objects(selection)
        if selection.kind not in RUNTIMES or selection.owner:
            return found
        found += (item for item in _shipped(selection) if self._backend.find(*item.key[1:]) is None)
        return sorted(found, key=lambda item: item.key[2:])


def around(backend: Backend, kinds: Sequence[str]) -> Backend | WithShipped:
    """Where to look for objects of these kinds: only of runtimes any are shipped."""
    return WithShipped(backend) if set(kinds).intersection(RUNTIMES) else backend


def refusal(key: ObjectKey) -> Refused | None:
    """Why an object that is not stored cannot be deleted, where kfrun ships it."""
    from kfrun.resolve.runtimes.shipped import shipped

    if key.kind not in RUNTIMES or all(identity(item.key) != key for item in shipped()):
        return None
    return Refused(
        f'{key.kind.lower()} "{key.name}" is shipped with kfrun: it cannot be deleted',
        "apply one of its name, and jobs use that one instead",
    )


def _shipped(selection: Selection) -> Iterator[StoredObject]:
    from kfrun.resolve.runtimes.shipped import shipped

    for document in shipped():
        key = identity(document.key)
        item = StoredObject(key, "", 0, "", document.data)
        if (
            key.kind == selection.kind
            and selection.place in (None, key.namespace)
            and selection.name in ("", key.name)
            and matches(item, selection.labels)
        ):
            yield item
