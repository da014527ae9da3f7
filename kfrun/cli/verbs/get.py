"""``kfrun get``: list objects, print them, watch them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from kfrun import masking
from kfrun.cli import attach, kinds, options
from kfrun.cli.query import Query
from kfrun.cli.rows import Tables
from kfrun.errors import NotFound
from kfrun.model.kinds import TRAIN_JOB
from kfrun.model.state import INSTALLING
from kfrun.observe import selection
from kfrun.report import columns, objects

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kfrun.execute.backend import Backend
    from kfrun.model.state import StoredObject


@options.verb("get")
@click.argument("targets", nargs=-1, metavar="[TYPE [NAME]...]", shell_complete=options.complete("targets"))
@options.namespace
@options.all_namespaces
@click.option(
    "-o",
    "--output",
    default="table",
    metavar="FORMAT",
    shell_complete=options.complete("output_formats"),
    help="table, wide, yaml, json, name, jsonpath=…, custom-columns=….",
)
@options.selector
@click.option("-w", "--watch", is_flag=True, help="Print what changes afterwards, too.")
@click.option(
    "--output-watch-events", is_flag=True, help="With --watch: say whether it was added, modified or deleted."
)
@click.option("--sort-by", metavar="JSONPATH", help="Order by a field, like .metadata.creationTimestamp.")
@click.option("--no-headers", is_flag=True, help="No header above tables.")
@click.option("--show-secrets", is_flag=True, help="Print what Secrets hold, which is hidden otherwise.")
@click.option("--ignore-not-found", is_flag=True, help="A name that does not exist is no error.")
def command(
    targets: tuple[str, ...],
    namespace: str | None,
    all_namespaces: bool,
    output: str,
    selector: str | None,
    watch: bool,
    output_watch_events: bool,
    sort_by: str | None,
    no_headers: bool,
    show_secrets: bool,
    ignore_not_found: bool,
) -> int:
    """List objects, or print those that are named.

    TYPE is one of trainjobs (tj), runtimes, clustertrainingruntimes, trainingruntimes, jobsets, jobs, pods, events,
    configmaps (cm), secrets, persistentvolumeclaims (pvc) and all; TrainJobs where none is named. Several types:
    jobs,pods. Several objects: TYPE NAME NAME or TYPE/NAME TYPE/NAME.
    """
    settings = options.load_settings(namespace=namespace)
    query = Query(
        tuple(kinds.parse(targets or ("trainjobs",))),
        None if all_namespaces else settings.namespace,
        selection.parse_selector(selector or ""),
        sort_by,
    )
    query.check()
    with options.backend(settings, create=watch) as backend:
        printer = Printer(backend, query, output, headers=not no_headers, marked=watch and output_watch_events)
        printer.with_secrets = show_secrets
        missing = [] if ignore_not_found else query.missing(backend)
        if watch and not missing:
            return follow(backend, query, printer)
        found = query.read(backend)
        printer.write(found, watch=watch)
        if not found and not missing and not watch and not ignore_not_found and printer.is_table:
            options.tell(query.nothing())
        for error in missing:
            options.tell(f"error: {error.message}", *([f"hint: {error.hint}"] if error.hint else []))
    return NotFound.exit_code if missing else 0


class Printer:
    """Writes objects to stdout in one of the output formats.

    Attributes:
        with_secrets: what Secrets hold, too.
    """

    with_secrets = False

    def __init__(self, backend: Backend, query: Query, output: str, *, headers: bool, marked: bool) -> None:
        self.is_table = output in ("table", "wide", "")
        self._wrapped = marked and output in ("yaml", "json")
        # a table is drawn for people, everything else is for programs
        self._put = options.write if output.startswith("custom-columns") else options.data
        self._is_named_only, self._has_told = output == "name", False
        self._several = len(query.kinds) > 1
        self._is_wide, self._states = output == "wide", dict[str, str]()
        self._tables = Tables(
            backend, wide=output == "wide", namespaces=query.namespace is None, headers=headers,
            kinds=self._several, marked=marked,
        )  # fmt: skip
        self._format: Callable[..., str] | None = None
        self._format_one: Callable[..., str] | None = None
        if not self.is_table:
            self._format = objects.formatter(output, single=query.is_single, headers=headers)
            self._format_one = objects.formatter(output, single=True, headers=False)

    def write(self, found: Sequence[StoredObject], *, watch: bool = False) -> None:
        """Write what there is; a watch in a format of objects writes each by itself."""
        if self.is_table:
            self._write_tables(found)
        elif watch:
            for item in found:
                self.write_change("ADDED", item)
        elif self._format is not None:
            self._put(self._format([self._shown(item) for item in found]))

    def _write_tables(self, found: Sequence[StoredObject]) -> None:
        for item in found:
            self._is_known("ADDED", item)
        kinds_found = dict.fromkeys(item.key.kind for item in found)
        for number, kind in enumerate(kinds_found):
            rows = self._tables.render(kind, [item for item in found if item.key.kind == kind], mark="ADDED")
            options.write(("\n" if number else "") + rows)

    def write_change(self, mark: str, item: StoredObject) -> None:
        """Write one object that was added, modified or deleted."""
        if self.is_table:
            if not self._is_known(mark, item):
                options.write(self._tables.render(item.key.kind, [item], mark=mark))
        elif self._format_one is not None:
            data = self._shown(item) if not self._wrapped else {"type": mark, "object": self._shown(item)}
            self._put(self._format_one([data]))

    def _shown(self, item: StoredObject) -> dict[str, Any]:
        if item.key.kind != "Secret" or self.with_secrets or self._is_named_only:
            return item.data
        if not self._has_told:
            options.tell("what Secrets hold is hidden, so this is nothing to apply: --show-secrets prints it")
        self._has_told = True
        hidden: dict[str, Any] = masking.data(item.data)
        return hidden

    def _is_known(self, mark: str, item: StoredObject) -> bool:
        """Whether only how far an installation is has changed, which no column shows."""
        state = columns.trainjob_state(item.data) if item.key.kind == TRAIN_JOB else ""
        before, self._states[item.uid] = self._states.get(item.uid), state
        return mark == "MODIFIED" and not self._is_wide and state == before == INSTALLING


def follow(backend: Backend, query: Query, printer: Printer) -> int:
    """Print what there is, then what changes, until Ctrl-C."""
    news = backend.watch(*query.selections)
    with attach.detachable("stopped watching; everything that runs goes on"):
        stored = [change.object for change in next(news)]
        printer.write(query.ordered([*stored, *(item for item in query.read(backend) if not item.uid)]), watch=True)
        sys.stdout.flush()
        for changes in news:
            for change in changes:
                printer.write_change(change.type, change.object)
            sys.stdout.flush()
    return 0
