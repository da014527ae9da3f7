"""Options that several verbs share, as decorators, and the settings that they lead to."""

from __future__ import annotations

import os
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kfrun import settings as settings_module
from kfrun.cli import switches
from kfrun.cli.console import colors_stderr, colors_stdout, current_folder, data, load_settings, say, tell, write
from kfrun.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kfrun.execute.backend import Backend
    from kfrun.model.source import Finding
    from kfrun.model.wishes import Caller
    from kfrun.settings import Settings

__all__ = [
    "all_namespaces", "arguments", "backend", "caller", "colors_stderr", "colors_stdout", "complete", "crowd", "data",
    "exclude", "family", "files", "files_if_any", "force", "launching", "listen", "load_settings", "made", "namespace",
    "output", "planning", "pruning", "runtimes", "say", "secrets", "selector", "skip_other_kinds", "stored", "storing",
    "tell", "trainer_version", "values", "verb", "warn", "wishes", "write",
]  # fmt: skip

Function = TypeVar("Function", bound="Callable[..., Any]")


def verb(
    name: str, *, with_arguments: bool = False, made_of: type[click.Command] | None = None
) -> Callable[[Callable[..., Any]], click.Command]:
    """A verb, or one of a `family`; ``with_arguments``, one that has `arguments`."""
    return click.command(name, cls=made_of or (switches.WordyVerb if with_arguments else switches.Verb))


def family(name: str, **settings: Any) -> Callable[[Callable[..., Any]], switches.Family]:
    """A verb that has verbs of its own below it."""
    return click.group(name, cls=switches.Family, **settings)


def complete(what: str) -> Callable[..., Any]:
    """What the shell is offered for a parameter: the function of `kfrun.cli.completions` of that name."""

    def offered(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> Any:
        from kfrun.cli import completions

        return getattr(completions, what)(ctx, parameter, incomplete)

    return offered


def wishes(*options: Callable[[Any], Any]) -> Callable[[Function], Function]:
    """The parameters of ``options`` as one: parameter ``wishes``."""
    from kfrun.model.wishes import Wishes

    def decorate(function: Function) -> Function:
        @wraps(function)
        def with_wishes(*args: Any, **kwargs: Any) -> Any:
            given = {name: kwargs.pop(name) for name in Wishes._fields if name in kwargs}
            return function(*args, wishes=Wishes(**given), **kwargs)

        decorated: Any = with_wishes
        for option in reversed(options):
            decorated = option(decorated)
        return decorated  # type: ignore[no-any-return]

    return decorate


def files(function: Function) -> Function:
    """``-f`` (several), files as arguments, and ``-R``: parameters ``filenames`` and ``recursive``."""
    return _files(function, "[FILE]...", is_required=True)


def files_if_any(metavar: str, offered: str = "files") -> Callable[[Function], Function]:
    """As `files`, for a verb that can do without; ``offered`` is what the shell offers for an argument."""
    return lambda function: _files(function, metavar, offered, is_required=False)


def _files(function: Function, metavar: str, offered: str = "files", *, is_required: bool) -> Function:
    @wraps(function)
    def with_files(*args: Any, filenames: tuple[str, ...], paths: tuple[str, ...], **kwargs: Any) -> Any:
        if is_required and not filenames and not paths:
            message = "no manifest was named: name files, folders or -, as arguments or with -f"
            raise click.UsageError(message, click.get_current_context())
        listen()
        return function(*args, filenames=(*filenames, *paths), **kwargs)

    decorated = click.argument("paths", nargs=-1, metavar=metavar, shell_complete=complete(offered))(with_files)
    decorated = click.option(
        "-f", "--filename", "filenames", multiple=True, metavar="FILE", shell_complete=complete("files"),
        help="A file, folder, glob, https URL, or - for stdin; can be given several times, or as an argument.",
    )(decorated)  # fmt: skip
    decorated = click.option("-R", "--recursive", is_flag=True, help="Read the folders below a folder too.")(decorated)
    return made(skip_other_kinds(exclude(decorated)))  # type: ignore[return-value]


def made(function: Function) -> Function:
    """``-k`` and ``--helm``: what programs make is among the ``filenames``."""

    @wraps(function)
    def with_made(*args: Any, filenames: tuple[str, ...], kustomize: Any, helm: Any, **kwargs: Any) -> Any:
        names = (*(f"kustomize://{one}" for one in kustomize), *(f"helm://{one}" for one in helm))
        return function(*args, filenames=(*filenames, *names), **kwargs)

    decorated = click.option(
        "--helm", multiple=True, metavar="CHART", shell_complete=complete("any_files"),
        help="What helm template makes of a chart.",
    )(with_made)  # fmt: skip
    return click.option(  # type: ignore[return-value]
        "-k", "--kustomize", multiple=True, metavar="DIR", shell_complete=complete("any_files"),
        help="What kustomize build, or else kubectl kustomize, makes of a folder.",
    )(decorated)  # fmt: skip


def listen() -> None:
    """Tell what is passed over in folders."""
    from kfrun.flow import listener

    listener.listen(tell)


def runtimes(function: Function) -> Function:
    """``--runtimes`` and ``--refresh``: parameters ``runtime_sources`` and ``refresh``, None where not given."""
    function = click.option(
        "--refresh", is_flag=True, default=None, help="Ask sources of runtimes again, though they were asked today.",
    )(function)  # fmt: skip
    return click.option(
        "--runtimes", "runtime_sources", multiple=True, metavar="SRC", shell_complete=complete("files"),
        callback=lambda _context, _parameter, value: value or None,
        help="Where runtimes are that jobs refer to: a file, folder, https URL or github://OWNER/REPO[/PATH][@REF]; "
        "#sha256= behind it pins it.",
    )(function)  # fmt: skip


def exclude(function: Function) -> Function:
    """``--exclude``: parameter ``exclude``, None where it is not given."""
    return click.option(
        "--exclude", multiple=True, metavar="GLOB", callback=lambda _context, _parameter, value: value or None,
        help="Leave these files and folders out of a folder, as a line of .gitignore does.",
    )(function)  # fmt: skip


def skip_other_kinds(function: Function) -> Function:
    """``--skip-other-kinds``: parameter ``skip_other_kinds``."""
    return click.option(
        "--skip-other-kinds", is_flag=True, help="Pass over YAML of other kinds, and what is no object at all."
    )(function)


def namespace(function: Function) -> Function:
    """``-n``: parameter ``namespace``."""
    return click.option(
        "-n", "--namespace", metavar="NAME", help="The namespace.", shell_complete=complete("namespaces")
    )(function)


def all_namespaces(function: Function) -> Function:
    """``-A``: parameter ``all_namespaces``."""
    return click.option("-A", "--all-namespaces", is_flag=True, help="Objects of every namespace.")(function)


def selector(function: Function) -> Function:
    """``-l``: parameter ``selector``, None where it is not given."""
    return click.option(
        "-l", "--selector", metavar="LABELS", shell_complete=complete("labels"),
        help="Only objects with these labels: a=b,c!=d,e in (f,g),!h.",
    )(function)  # fmt: skip


def crowd(everything: str) -> Callable[[Function], Function]:
    """``-l``, ``--all`` (which means ``everything``) and ``-A``: parameter ``crowd``, a `Crowd`, instead of names."""

    def decorate(function: Function) -> Function:
        @wraps(function)
        def with_crowd(*args: Any, selector: Any, everything: bool, all_namespaces: bool, **kwargs: Any) -> Any:
            from kfrun.cli.query import Crowd

            return function(*args, crowd=Crowd(selector, everything, all_namespaces), **kwargs)

        decorated = click.option("--all", "everything", is_flag=True, help=everything)(with_crowd)
        return selector(all_namespaces(decorated))  # type: ignore[return-value]

    return decorate


def stored(function: Function) -> Function:
    """``--stored``: parameter ``stored``."""
    return click.option(
        "--stored", is_flag=True, help="Look for runtimes among those that were applied on this machine, too."
    )(function)


def trainer_version(function: Function) -> Function:
    """``--trainer-version``: parameter ``trainer_version``."""
    return click.option(
        "--trainer-version", metavar="VERSION", shell_complete=complete("releases"),
        help="The release of Kubeflow Trainer to go by: v2.0, v2.1, v2.2, v2.3, or head for what comes next.",
    )(function)  # fmt: skip


def planning(function: Function) -> Function:
    """What shapes a plan: parameters ``backend``, ``strict`` and ``cluster_defaults``."""
    function = click.option(
        "--backend", type=click.Choice(settings_module.BACKENDS), help="What runs the jobs; wins over the manifest."
    )(function)
    function = click.option(
        "--strict", is_flag=True, default=None, help="Refuse what the backend cannot honour instead of naming it."
    )(function)
    return click.option(
        "--cluster-defaults", is_flag=True, help="Retry a failed pod as often as a cluster would (backoffLimit 6)."
    )(function)


def storing(function: Function) -> Function:
    """What ``create`` and ``replace`` say: parameters ``dry_run``, ``output`` and ``quiet``."""
    function = click.option(
        "--dry-run", type=click.Choice(["none", "client"]), default="none", help="client: say what would be done only."
    )(function)
    function = click.option(
        "-o", "--output", type=click.Choice(["name", "yaml", "json"]),
        help="Print the names, or the objects as they are stored, instead of what was done.",
    )(function)  # fmt: skip
    return click.option("-q", "--quiet", is_flag=True, help="Do not show the plan.")(function)


def force(function: Function) -> Function:
    """``--force``: parameter ``force``."""
    return click.option(
        "--force", is_flag=True, help="As --replace, and stop jobs first that cannot be changed while they run."
    )(function)


def values(function: Function) -> Function:
    """``--values``, ``--set`` and ``--set-string``: parameter ``values``, a `Values`."""

    @wraps(function)
    def with_values(*args: Any, value_files: Any, value_texts: Any, value_strings: Any, **kwargs: Any) -> Any:
        from kfrun.model.wishes import Values

        return function(*args, values=Values(value_files, value_texts, value_strings), **kwargs)

    decorated = click.option(
        "--set-string", "value_strings", multiple=True, metavar="PATH=TEXT", help="Like --set, always a text."
    )(with_values)
    decorated = click.option(
        "--set", "value_texts", multiple=True, metavar="PATH=VALUE",
        help="A value of templates, or a field of TrainJobs: a.b=1, spec.trainer.numNodes=3; the later wins.",
    )(decorated)  # fmt: skip
    return click.option(  # type: ignore[return-value]
        "--values", "value_files", multiple=True, metavar="FILE", shell_complete=complete("files"),
        help="A YAML file of values: the manifests are Jinja2 templates. *.yaml.j2 always are.",
    )(decorated)  # fmt: skip


def arguments(function: Function) -> Function:
    """``--arg`` and what stands behind ``--``: parameter ``arguments``, for a verb with arguments."""
    return click.option(
        "--arg", "arguments", multiple=True, metavar="WORD", callback=_all_arguments,
        help="A word for the job's command line, as those behind --; --lr 0.05 takes the place of a --lr there.",
    )(function)  # fmt: skip


def _all_arguments(context: click.Context, _parameter: click.Parameter, words: tuple[str, ...]) -> tuple[str, ...]:
    behind: tuple[str, ...] = context.meta.get(switches.ARGUMENTS, ())
    return (*words, *behind)


def pruning(function: Function) -> Function:
    """``--apply-set`` and ``--prune``: parameters ``apply_set`` and ``prune``."""
    function = click.option(
        "--apply-set", metavar="NAME", callback=_set_name,
        help="Write down what is applied, under this name, for --prune.",
    )(function)  # fmt: skip
    return click.option("--prune", is_flag=True, help="Delete what was in the apply set and left the input.")(function)


def _set_name(_context: click.Context, _parameter: click.Parameter, name: str | None) -> str:
    """The name of the set, empty where none was given: a variable that is empty by mistake would lose the inventory."""
    if name == "":
        raise UsageProblem("--apply-set names no set", "give it a name, or leave it out")
    return name or ""


def launching(function: Function) -> Function:
    """What shapes the processes of a job: ``python``, ``clean_env``, ``keep_environment``, and those of `secrets`."""
    function = secrets(function)
    function = click.option(
        "--python",
        metavar="PATH",
        help="The interpreter for jobs that ask for no version of their own.",
        shell_complete=complete("any_files"),
    )(function)
    function = click.option("--clean-env", is_flag=True, help="Keep your environment variables from the job.")(function)
    return click.option(
        "--keep-environment", is_flag=True, help="Keep an isolated Python environment after the job's end."
    )(function)


def secrets(function: Function) -> Function:
    """``--secret-env-file``: parameter ``secret_env_files``."""
    return click.option(
        "--secret-env-file", "secret_env_files", multiple=True, metavar="NAME=FILE",
        shell_complete=complete("any_files"),
        help="A Secret for this run alone, of a file of KEY=VALUE lines: stored nowhere, gone at the job's end.",
    )(function)  # fmt: skip


def output(*choices: str, default: str) -> Callable[[Function], Function]:
    """``-o``: parameter ``output``, one of ``choices``."""
    return click.option(
        "-o", "--output", type=click.Choice(choices), default=default, show_default=True, help="The output's form."
    )


def caller() -> Caller:
    """Whoever calls this command.

    Raises:
        UsageProblem: the current folder is gone.
    """
    from kfrun.model.wishes import Caller

    return Caller(os.environ, current_folder())


def backend(settings: Settings, *, create: bool = False, heal: bool = True) -> Backend:
    """The place that the settings mean, see `kfrun.execute.choice.open_backend`."""
    from kfrun.execute import choice

    return choice.open_backend(settings, create=create, heal=heal)


def warn(settings: Settings) -> Callable[[Sequence[Finding]], None]:
    """Shows findings that refuse nothing on standard error."""

    def show(found: Sequence[Finding]) -> None:
        from kfrun.report import findings

        write(findings.to_text(found, color=colors_stderr(settings)) + "\n", err=True, styled=True)

    return show
