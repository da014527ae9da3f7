"""What the place in memory keeps: objects with their versions, and events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.model.source import ObjectKey
from kfrun.model.state import StoredObject
from kfrun.model.values import replace
from kfrun.observe import selection

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kfrun.model.state import Event
    from kfrun.observe.selection import Selection

    Place = tuple[str, str, str]


class Shelf:
    """Objects by kind, namespace and name; events by number."""

    def __init__(self) -> None:
        self._objects: dict[Place, StoredObject] = {}
        self._events: dict[int, Event] = {}
        self._version = 0
        self._number = 0

    def __getitem__(self, key: ObjectKey) -> StoredObject:
        return self._objects[key.kind, key.namespace, key.name]

    def get(self, place: Place) -> StoredObject | None:
        """The object there."""
        return self._objects.get(place)

    def of(self, *kinds: str) -> list[StoredObject]:
        """All objects of these kinds, in order."""
        return [item for _, item in sorted(self._objects.items()) if item.key.kind in kinds]

    def select(self, wanted: Selection) -> list[StoredObject]:
        """The objects that are meant, in order; events, too."""
        if wanted.kind == "Event":
            candidates = [selection.event_object(*row) for row in self.events(wanted.namespace)]
        else:
            candidates = self.of(wanted.kind)
        return [
            item
            for item in candidates
            if wanted.place in (None, item.key.namespace)
            and wanted.name in ("", item.key.name)
            and wanted.owner in ("", item.owner)
            and selection.matches(item, wanted.labels)
        ]

    def put(self, data: Mapping[str, Any], owner: str = "") -> None:
        """Keep an object; one that has not changed keeps its version."""
        metadata = data["metadata"]
        key = ObjectKey(data["apiVersion"], data["kind"], metadata.get("namespace", ""), metadata["name"])
        place = (key.kind, key.namespace, key.name)
        before = self._objects.get(place)
        version = {"resourceVersion": str(before.resource_version)} if before else {}
        if before is not None and before.data == {**data, "metadata": {**metadata, **version}}:
            return
        self._version += 1
        kept = {**data, "metadata": {**metadata, "resourceVersion": str(self._version)}}
        self._objects[place] = StoredObject(key, metadata["uid"], self._version, owner, kept)

    def remove(self, place: Place) -> None:
        """Remove an object, if it is there."""
        self._objects.pop(place, None)

    def forget(self, uid: str) -> None:
        """Remove the object with that uid and everything that it owns."""
        self._objects = {place: item for place, item in self._objects.items() if uid not in (item.uid, item.owner)}
        self._events = {number: event for number, event in self._events.items() if event.owner != uid}

    def record(self, events: Iterable[Event]) -> None:
        """Keep events; one that repeats an earlier one raises its count instead."""
        for event in events:
            number = next((number for number, old in self._events.items() if _what(old) == _what(event)), None)
            if number is None:
                self._number += 1
                self._events[self._number] = event
                continue
            old = self._events[number]
            self._events[number] = replace(old, last_time=event.last_time, count=old.count + event.count)

    def events(
        self, namespace: str | None = None, *, owner: str | None = None, after: int = 0
    ) -> list[tuple[int, Event]]:
        """Events with their numbers, of a namespace, of an owner, or all."""
        return [
            (number, event)
            for number, event in self._events.items()
            if number > after and namespace in (None, event.object.namespace) and owner in (None, event.owner)
        ]


def _what(event: Event) -> tuple[object, ...]:
    return (event.owner, event.object, event.reason, event.message)
