"""``kfrun events``: what happened to jobs, as Kubernetes events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kfrun.cli import attach, kinds, options

if TYPE_CHECKING:
    from kfrun.cli.rows import Tables
    from kfrun.model.state import StoredObject
    from kfrun.observe.store import Store


@click.command("events")
@click.argument("name", required=False, shell_complete=kinds.complete_trainjobs)
@options.namespace
@click.option("-A", "--all-namespaces", is_flag=True, help="Events of every namespace.")
@click.option("--for", "about", metavar="TYPE/NAME", help="Only events on this object: pod/NAME, jobset/NAME.")
@click.option("--types", metavar="TYPES", help="Only these types: Normal, Warning.")
@click.option("-o", "--output", default="table", metavar="FORMAT", help="table, yaml, json, name, jsonpath=….")
@click.option("-w", "--watch", is_flag=True, help="Print what happens afterwards, too.")
@click.option("--no-headers", is_flag=True, help="No header above the table.")
def command(
    name: str | None,
    namespace: str | None,
    all_namespaces: bool,
    about: str | None,
    types: str | None,
    output: str,
    watch: bool,
    no_headers: bool,
) -> None:
    """Tell what happened, oldest first. With NAME, to that TrainJob and everything that belongs to it."""
    from kfrun.cli import rows, session

    settings = options.load_settings(namespace=namespace)
    place = None if all_namespaces else settings.namespace
    with session.open_store(settings, create=watch) as store:
        owner = kinds.trainjob(store, settings.namespace, name).uid if name else None
        query = _Query(store, place, owner, about, types)
        tables = rows.Tables(store, wide=False, namespaces=all_namespaces, headers=not no_headers)
        found = query.read()
        _write(found, output, tables, watch=watch)
        if not found and not watch and output == "table":
            click.echo("No events found" + ("." if place is None else f" in {place} namespace."), err=True)
        if watch:
            _follow(query, found, output, tables)


class _Query:
    """Which events to tell."""

    def __init__(
        self, store: Store, namespace: str | None, owner: str | None, about: str | None, types: str | None
    ) -> None:
        self.store, self._namespace, self._owner = store, namespace, owner
        self._about = kinds.parse([about])[0] if about else None
        self._types = {part.strip().lower() for part in types.split(",")} if types else None

    def read(self) -> list[StoredObject]:
        """The events by the time they were seen last."""
        from kfrun.observe import selection

        events = self.store.events(self._namespace, owner=self._owner)
        events.sort(key=lambda row: row[1].last_time)
        found = (selection.event_object(number, event) for number, event in events)
        return [item for item in found if self._wants(item)]

    def _wants(self, item: StoredObject) -> bool:
        about = item.data["involvedObject"]
        if self._about is not None and (
            about["kind"] not in self._about.kinds or self._about.name not in (None, about["name"])
        ):
            return False
        return self._types is None or item.data["type"].lower() in self._types


def _write(found: list[StoredObject], output: str, tables: Tables, *, watch: bool) -> None:
    from kfrun.report import objects

    if output in ("table", "wide"):
        options.write(tables.render("Event", found))
    elif watch:
        one = objects.formatter(output, single=True, headers=False)
        options.write([one([item.data]) for item in found])
    else:
        options.write(objects.formatter(output, single=False)([item.data for item in found]))


def _follow(query: _Query, found: list[StoredObject], output: str, tables: Tables) -> None:
    import sys

    from kfrun.observe import watch

    feed = watch.ObjectFeed()
    feed.update(found)
    with attach.detachable("stopped watching; everything that runs goes on"):
        sys.stdout.flush()
        for _ in watch.changes(query.store, heal=attach.healer(query.store)):
            news = [item.object for item in feed.update(query.read()) if item.type != "DELETED"]
            _write(news, output, tables, watch=True)
            sys.stdout.flush()
