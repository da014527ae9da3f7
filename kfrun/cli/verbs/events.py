"""``kfrun events``: what happened to jobs, as Kubernetes events."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

import click

from kfrun.cli import attach, kinds, options
from kfrun.cli.query import Crowd, chosen_jobs
from kfrun.cli.rows import Tables
from kfrun.model.kinds import TRAIN_JOB
from kfrun.observe.selection import Selection
from kfrun.report import objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from kfrun.execute.backend import Backend
    from kfrun.model.state import StoredObject


@options.verb("events")
@click.argument("names", nargs=-1, metavar="[[TYPE] NAME]", shell_complete=options.complete("trainjobs"))
@options.namespace
@options.all_namespaces
@options.selector
@click.option(
    "--for", "about", metavar="TYPE/NAME", shell_complete=options.complete("targets"),
    help="Only events on this object: pod/NAME, jobset/NAME.",
)  # fmt: skip
@click.option(
    "--types",
    metavar="TYPES",
    shell_complete=options.complete("event_types"),
    help="Only these types: Normal, Warning.",
)
@click.option(
    "-o", "--output", default="table", metavar="FORMAT", shell_complete=options.complete("output_formats"),
    help="table, yaml, json, name, jsonpath=….",
)  # fmt: skip
@click.option("-w", "--watch", is_flag=True, help="Print what happens afterwards, too.")
@click.option("--no-headers", is_flag=True, help="No header above the table.")
def command(
    names: tuple[str, ...],
    namespace: str | None,
    all_namespaces: bool,
    selector: str | None,
    about: str | None,
    types: str | None,
    output: str,
    watch: bool,
    no_headers: bool,
) -> None:
    """Tell what happened, oldest first. With NAME, to that TrainJob and everything that belongs to it.

    With -l LABELS, to the TrainJobs that have them.
    """
    settings = options.load_settings(namespace=namespace)
    place = None if all_namespaces else settings.namespace
    with options.backend(settings, create=watch) as backend:
        owners = None if selector is None else _owners(backend, settings.namespace, names, selector, place)
        if owners == frozenset():
            return
        name, about = _subject(None if owners else kinds.one(names), about)
        owner = kinds.trainjob(backend, settings.namespace, name).uid if name else ""
        wanted = Selection("Event", place, owner=owner)
        only = _Filter(about, types, owners)
        tables = Tables(backend, wide=False, namespaces=all_namespaces, headers=not no_headers)
        if watch:
            _follow(backend, wanted, only, partial(_write, output=output, tables=tables, watch=True))
            return
        found = only.of(backend.objects(wanted))
        _write(found, output=output, tables=tables, watch=False)
        if not found and output == "table":
            options.tell("No events found" + ("." if place is None else f" in {place} namespace."))


def _owners(
    backend: Backend, namespace: str, names: tuple[str, ...], selector: str, place: str | None
) -> frozenset[str]:
    """The uids of the TrainJobs with the labels; says so where there are none."""
    jobs = chosen_jobs(backend, namespace, names, Crowd(selector, everywhere=place is None), "tell")
    return frozenset(job.uid for job in jobs)


def _subject(name: str | None, about: str | None) -> tuple[str | None, str | None]:
    """The job that is meant, and what else: ``--for`` a TrainJob is about everything that belongs to it."""
    is_job = about is not None and "/" in about and kinds.kinds_of(about.partition("/")[0]) == (TRAIN_JOB,)
    return (about, None) if is_job and name is None else (name, about)


class _Filter:
    """Which events to tell."""

    def __init__(self, about: str | None, types: str | None, owners: frozenset[str] | None) -> None:
        self._owners = owners
        self._about = kinds.parse([about])[0] if about else None
        self._types = {part.strip().lower() for part in types.split(",")} if types else None

    def of(self, events: Iterable[StoredObject]) -> list[StoredObject]:
        """Those that are asked for, by the time they were seen last."""
        return sorted((item for item in events if self._wants(item)), key=lambda item: item.data["lastTimestamp"])

    def _wants(self, item: StoredObject) -> bool:
        if self._owners is not None and item.owner not in self._owners:
            return False
        about = item.data["involvedObject"]
        if self._about is not None and (
            about["kind"] not in self._about.kinds or self._about.name not in (None, about["name"])
        ):
            return False
        return self._types is None or item.data["type"].lower() in self._types


def _write(found: Sequence[StoredObject], *, output: str, tables: Tables, watch: bool) -> None:
    if output in ("table", "wide"):
        options.write(tables.render("Event", found))
    elif watch:
        one = objects.formatter(output, single=True, headers=False)
        options.data([one([item.data]) for item in found])
    else:
        options.data(objects.formatter(output, single=False)([item.data for item in found]))


def _follow(
    backend: Backend, wanted: Selection, only: _Filter, write: Callable[[Sequence[StoredObject]], None]
) -> None:
    with attach.detachable("stopped watching; everything that runs goes on"):
        for changes in backend.watch(wanted):
            write(only.of(change.object for change in changes if change.type != "DELETED"))
            sys.stdout.flush()
