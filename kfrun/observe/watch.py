"""Waiting for something in the store to change.

The store's change number (a pragma that costs microseconds) is asked some 40 times a second; objects are read only
when it moved.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kfrun.model.source import ObjectKey
    from kfrun.model.state import StoredObject
    from kfrun.observe.store import Store

_INTERVAL = 0.025
_HEAL_SECONDS = 2.0

T = TypeVar("T")


def changes(
    store: Store,
    *,
    timeout: float | None = None,
    heal: Callable[[], object] | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Yield at once, and again whenever the store was changed by another process; end after ``timeout`` seconds.

    Args:
        store: read by the caller between two steps.
        timeout: None for never; 0 yields just once.
        heal: called every two seconds: revives supervisors that were killed while somebody waits for their job. What
            it returns is true when something changed that the store does not tell.
        pause: waits so many seconds.
    """
    start = healed = time.monotonic()
    seen: int | None = None
    while True:
        found = store.changes()
        if found != seen:
            seen = found
            yield
        now = time.monotonic()
        if timeout is not None and now - start >= timeout:
            return
        if heal is not None and now - healed >= _HEAL_SECONDS:
            if heal():
                yield
            healed = now
        pause(_INTERVAL if timeout is None else max(0.0, min(_INTERVAL, start + timeout - now)))


def wait(
    store: Store,
    check: Callable[[], T | None],
    *,
    timeout: float | None = None,
    heal: Callable[[], object] | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> T | None:
    """The first answer of ``check`` that is not None, asked whenever the store changed; None when time is up."""
    for _ in changes(store, timeout=timeout, heal=heal, pause=pause):
        answer = check()
        if answer is not None:
            return answer
    # What came in the last interval counts as well.
    return check()


class RunEnd:
    """Tells whether a run is over, cheaply: call it as often as you like.

    Args:
        store: where the run is.
        uid: of its TrainJob.
        heal: called every two seconds, see `changes`.
    """

    def __init__(self, store: Store, uid: str, *, heal: Callable[[], object] | None = None) -> None:
        self._store, self._uid, self._heal = store, uid, heal
        self._seen: int | None = None
        self._ended = False
        self._heal_at = time.monotonic() + _HEAL_SECONDS
        self.deleted = False

    def __call__(self) -> bool:
        """Whether nothing of the run runs any more and its logs are final; also when it was deleted."""
        if self._heal is not None and time.monotonic() >= self._heal_at:
            self._heal()
            self._heal_at = time.monotonic() + _HEAL_SECONDS
        found = self._store.changes()
        if found != self._seen:
            self._seen = found
            run = self._store.run(self._uid)
            self.deleted = run is None
            self._ended = run is None or run.ended
        return self._ended


class Change(NamedTuple):
    """An object that is new, was changed or is gone; ``type`` is that of a Kubernetes watch event."""

    type: str
    object: StoredObject


class ObjectFeed:
    """Tells what changed between two readings of a set of objects."""

    def __init__(self) -> None:
        self._known: dict[ObjectKey, StoredObject] = {}

    def update(self, objects: Iterable[StoredObject]) -> list[Change]:
        """The differences to the reading before; everything is ``ADDED`` the first time."""
        current = {item.key: item for item in objects}
        found = []
        for key, item in current.items():
            before = self._known.get(key)
            if before is not None and before.uid != item.uid:
                found.append(Change("DELETED", before))
                before = None
            if before is None:
                found.append(Change("ADDED", item))
            elif _differs(before, item):
                found.append(Change("MODIFIED", item))
        found += [Change("DELETED", item) for key, item in self._known.items() if key not in current]
        self._known = current
        return found


def _differs(before: StoredObject, after: StoredObject) -> bool:
    """Whether more than the version changed: supervisors store objects anew without changing them."""
    if before.resource_version == after.resource_version:
        return False
    old, new = before.data, after.data
    version = {"resourceVersion": ""}
    return {**old, "metadata": old["metadata"] | version} != {**new, "metadata": new["metadata"] | version}
