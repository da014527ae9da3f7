"""What a shell offers when Tab is pressed; loaded only then. Nothing here starts anything, and nothing fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

from kfrun.cli import console, kinds
from kfrun.errors import KfrunError
from kfrun.execute import choice
from kfrun.flow.objects.shipped import around
from kfrun.model.kinds import TRAIN_JOB, TRAINER_KINDS
from kfrun.observe.outcome import node_of
from kfrun.observe.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import click

    from kfrun.execute.backend import Backend
    from kfrun.settings import Settings

MANIFEST = "manifest"
"""Type of an item that stands for files, manifests before others: the scripts of `kfrun.cli.shells` list them."""

_FORMATS = ("table", "wide", "yaml", "json", "name", "jsonpath=", "custom-columns=")
_AWAITED = ("condition=Complete", "condition=Failed", "condition=Suspended", "delete", "create", "jsonpath=")


def files(_: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Files, manifests first."""
    return [CompletionItem(incomplete, type=MANIFEST)]


def any_files(_: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Files of any kind."""
    return [CompletionItem(incomplete, type="file")]


def trainjobs(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of stored TrainJobs, with their type where one is written: ``trainjob NAME``, ``trainjob/NAME``."""
    given = _given(ctx, parameter)
    if given[:1] and kinds.KINDS.get(given[0].lower()) == (TRAIN_JOB,):
        return _names(ctx, (TRAIN_JOB,), incomplete)
    return _names(ctx, (TRAIN_JOB,), incomplete) + _typed(ctx, incomplete)


def targets(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Types for the first argument, then names of that type; names of a type behind ``TYPE/``."""
    given = _given(ctx, parameter)
    if "/" in incomplete:
        return _typed(ctx, incomplete)
    if given:
        return _names(ctx, _kinds(given[0]), incomplete)
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{word}" for word in _types() if word.startswith(last)]


def jobs_or_types(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """As `targets`, where the type may be left out: names of TrainJobs, too."""
    names = [] if "/" in incomplete or _given(ctx, parameter) else _names(ctx, (TRAIN_JOB,), incomplete)
    return [*names, *targets(ctx, parameter, incomplete)]


def labels(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Labels of stored TrainJobs, as the last term of a selector."""
    before, comma, last = incomplete.rpartition(",")

    def ask(backend: Backend, settings: Settings) -> Iterable[str]:
        jobs = backend.objects(Selection(TRAIN_JOB, settings.namespace))
        found = [item.data["metadata"].get("labels") or {} for item in jobs]
        return [f"{before}{comma}{key}={value}" for one in found for key, value in one.items()]

    return _beginning(_ask(ask, ctx), f"{before}{comma}{last}")


def namespaces(_: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Namespaces in which something is stored."""
    found = _ask(lambda backend, _: {item.key.namespace for item in backend.objects(Selection(TRAIN_JOB, None))})
    return _beginning({"default", *found}, incomplete)


def nodes(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The nodes of the job that is named."""

    def ask(backend: Backend, settings: Settings) -> Iterable[str]:
        names = (word.rpartition("/")[2] for word in _words(ctx))
        found = (backend.find(TRAIN_JOB, settings.namespace, name) for name in names)
        job = next(filter(None, found), None)
        pods = [] if job is None else backend.objects(Selection("Pod", settings.namespace, owner=job.uid))
        return [node_of(pod.data) for pod in pods]

    return _beginning(_ask(ask, ctx), incomplete)


def runtimes(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The runtimes that jobs can refer to."""
    from kfrun.resolve.runtimes.catalogue import Catalogue
    from kfrun.resolve.runtimes.shipped import shipped

    def ask(_: Backend, settings: Settings) -> Iterable[str]:
        catalogue = Catalogue((), choice.observe(settings, ()).runtimes, shipped())
        return [item.key.name for item in catalogue.runtimes() if item.key.namespace in ("", settings.namespace)]

    return _beginning(_ask(ask, ctx), incomplete)


def policies(_: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The codes of lint's policies."""
    from kfrun.validate.lint.table import CODES

    found = [CompletionItem(code, help=CODES[code]) for code in CODES if code.startswith(incomplete.upper())]
    return [*found, *([CompletionItem("all")] if "all".startswith(incomplete) else [])]


def output_formats(_: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """What ``get`` and ``events`` print."""
    return [word for word in _FORMATS if word.startswith(incomplete)]


def awaited(_: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """What ``wait --for`` knows."""
    return [word for word in _AWAITED if word.startswith(incomplete)]


def shipped_examples(_: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The examples that ``init --example`` copies."""
    from kfrun.flow.scripts import examples

    return [CompletionItem(one, help=examples.about(one)) for one in examples.names() if one.startswith(incomplete)]


def options_of_script(words: tuple[str, ...], incomplete: str, *, is_module: bool) -> list[CompletionItem]:
    """The options that a script declares, as far as they are written out in it."""
    from kfrun.load import script
    from kfrun.load.script import interface
    from kfrun.model.script import ScriptCall

    try:
        found = script.read(ScriptCall(words, is_module), console.current_folder(), is_thorough=True)
    except KfrunError:
        return []
    _, parameters = interface.of(found.modules)
    named = {one.words[0].partition("=")[0]: one.about for one in parameters}
    return [CompletionItem(name, help=about) for name, about in named.items() if name.startswith(incomplete)]


def releases(_: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Releases of Kubeflow Trainer."""
    from kfrun.validate.schema.schemas import FOLDERS

    return [word for word in FOLDERS if word.startswith(incomplete)]


def trainer_kinds(_: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Kinds of Kubeflow Trainer."""
    return _beginning((kind.lower() for kind in TRAINER_KINDS), incomplete)


def event_types(_: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Types of events."""
    return [word for word in ("Normal", "Warning") if word.startswith(incomplete)]


def _given(ctx: click.Context, parameter: click.Parameter) -> Sequence[str]:
    found = ctx.params.get(parameter.name or "") or ()
    return (found,) if isinstance(found, str) else found


def _words(ctx: click.Context) -> Sequence[str]:
    """The command line: where an option still lacks its value, click has read nothing of it."""
    found: Sequence[str] = ctx.obj or ()
    return found


def _namespace(ctx: click.Context) -> str | None:
    words = _words(ctx)
    named = (words[at + 1] for at, word in enumerate(words[:-1]) if word in ("-n", "--namespace"))
    return ctx.params.get("namespace") or next(named, None)


def _types() -> list[str]:
    return list({kind: word for word, kind in reversed(kinds.KINDS.items())}.values())[::-1]


def _kinds(words: str) -> tuple[str, ...]:
    return tuple(kind for word in words.split(",") for kind in kinds.KINDS.get(word.lower(), ()))


def _typed(ctx: click.Context, incomplete: str) -> list[str]:
    """``TYPE/NAME`` where the type is written."""
    word, slash, begin = incomplete.partition("/")
    return [f"{word}/{name}" for name in _names(ctx, _kinds(word), begin)] if slash else []


def _names(ctx: click.Context, wanted: Sequence[str], incomplete: str) -> list[str]:
    def ask(backend: Backend, settings: Settings) -> Iterable[str]:
        selections, place = [Selection(kind, settings.namespace) for kind in wanted], around(backend, wanted)
        return [item.key.name for one in selections for item in place.objects(one)]

    return _beginning(_ask(ask, ctx), incomplete)


def _beginning(words: Iterable[str], incomplete: str) -> list[str]:
    return sorted({word for word in words if word.startswith(incomplete)})


def _ask(ask: Callable[[Backend, Settings], Iterable[str]], ctx: click.Context | None = None) -> Iterable[str]:
    try:
        settings = console.load_settings(namespace=_namespace(ctx) if ctx else None)
        # Pressing Tab must not start anything.
        with choice.open_backend(settings, heal=False) as backend:
            return ask(backend, settings)
    except KfrunError:
        return ()
