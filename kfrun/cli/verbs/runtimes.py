"""``kfrun runtimes``: lists and shows the runtimes that a TrainJob can refer to without bringing its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kfrun.cli import options
from kfrun.errors import InvalidInput, NotFound
from kfrun.execute import choice
from kfrun.report.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.model.resolution import RuntimeSource
    from kfrun.model.source import Document
    from kfrun.settings import Settings

_FRAMEWORK = "trainer.kubeflow.org/framework"


@options.family("runtimes", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> int:
    """List and show the runtimes that jobs can refer to."""
    return ctx.invoke(list_runtimes) if ctx.invoked_subcommand is None else 0


@command.command("list")
@options.namespace
@options.output("table", "name", "yaml", "json", default="table")
def list_runtimes(namespace: str | None = None, output: str = "table") -> int:
    """List the runtimes, applied ones before shipped ones of the same name."""
    runtimes = _runtimes(options.load_settings(namespace=namespace))
    if output == "name":
        options.data([f"{item.key.resource}\n" for item in runtimes])
    elif output == "table":
        options.write(_table(runtimes))
    else:
        options.data(_objects([item.document.data for item in runtimes], output))
    return 0


@command.command("show")
@click.argument("name", shell_complete=options.complete("runtimes"))
@options.namespace
@options.output("yaml", "json", default="yaml")
def show(name: str, namespace: str | None, output: str) -> int:
    """Print a runtime, ready to be applied."""
    source = _find(name, options.load_settings(namespace=namespace))
    options.data(_objects([source.document.data], output))
    return 0


@command.command("packages")
@click.argument("name", shell_complete=options.complete("runtimes"))
@options.namespace
def show_packages(name: str, namespace: str | None) -> int:
    """Print the Python packages that a runtime brings, one requirement a line."""
    from kfrun.resolve import extensions

    source = _find(name, options.load_settings(namespace=namespace))
    found = extensions.read(source.document, None)
    if found.findings:
        raise InvalidInput(found.findings)
    options.data([f"{item}\n" for item in found.packages.requirements])
    return 0


def _runtimes(settings: Settings) -> list[RuntimeSource]:
    """The runtimes that a job of the settings' namespace could refer to."""
    from kfrun.flow import referred

    catalogue = referred.catalogue((), _stored(settings), settings)
    usable = [item for item in catalogue.runtimes() if item.key.namespace in ("", settings.namespace)]
    return sorted(usable, key=lambda item: (item.key.name, item.key.kind))


def _stored(settings: Settings) -> Sequence[Document]:
    return choice.observe(settings, ()).runtimes


def _find(name: str, settings: Settings) -> RuntimeSource:
    """The runtime of that name; one of the namespace comes before one of the cluster."""
    from difflib import get_close_matches

    runtimes = _runtimes(settings)
    found = [item for item in runtimes if item.key.name == name]
    if found:
        return max(found, key=lambda item: bool(item.key.namespace))
    names = [item.key.name for item in runtimes]
    near = get_close_matches(name, names, n=1) or [other for other in names if name in other]
    listed = f"available: {', '.join(names)}"
    raise NotFound(f'there is no runtime "{name}"', f'did you mean "{near[0]}"? {listed}' if near else listed)


def _table(runtimes: Sequence[RuntimeSource]) -> str:
    rows = [
        (
            item.key.name,
            item.key.kind,
            _label(item.document.data, _FRAMEWORK),
            str(_spec(item.document.data, "mlPolicy").get("numNodes", 1)),
            "applied" if item.found_in == "store" else item.found_in,
        )
        for item in runtimes
    ]
    return Table(("NAME", "KIND", "FRAMEWORK", "NODES", "FROM")).render(rows)


def _label(data: dict[str, Any], label: str) -> str:
    return str((data["metadata"].get("labels") or {}).get(label, "<none>"))


def _spec(data: dict[str, Any], field: str) -> dict[str, Any]:
    value: dict[str, Any] = data.get("spec", {}).get(field) or {}
    return value


def _objects(objects: Sequence[dict[str, Any]], output: str) -> str:
    from kfrun.report import yamljson

    return yamljson.to_yaml(objects) if output == "yaml" else yamljson.to_json(objects)
