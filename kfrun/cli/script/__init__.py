"""Command lines that name a script, a command or a manifest: everything behind a script belongs to the script."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from kfrun.cli import options, switches
from kfrun.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.shell_completion import CompletionItem

    from kfrun.model.script import ScriptCall

Function = TypeVar("Function", bound="Callable[..., Any]")

WORDS: Final = "kfrun.words"
"""Where a context keeps the words of a script, or of a command; the key behind it says that they are a command."""

COMMAND: Final = "kfrun.command"

_MANIFEST_ENDINGS: Final = (".yaml", ".yml", ".json", ".j2")
_FIELDS: Final = ("name", "nodes", "processes", "gpus", "runtime", "requirements", "save")
_FLAGS: Final = {"processes": "--nproc", "is_module": "--module"}


class ScriptVerb(switches.WordyVerb):
    """A verb that takes ``SCRIPT ARGS``, ``-- COMMAND ARGS``, or manifests with ``-- ARGS`` for their job."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options of kfrun, which stand before the script, and keep the words of the script."""
        spelling = switches.Spelling(self, ctx)
        count = spelling.count(args)
        head, rest = args[:count], args[count:]
        try:
            given = self.make_parser(ctx).parse_args(list(spelling.of(head)))[0] if rest else {}
        except click.NoSuchOption as error:
            raise self.unknown(ctx, error, args) from error
        if rest[:1] == ["--"] and not given.get("filenames"):
            ctx.meta.update({WORDS: tuple(rest[1:]), COMMAND: True})
            args = head
        elif rest and rest[0] != "--" and (given.get("is_module") or _is_script(rest[0])):
            ctx.meta[WORDS] = tuple(rest)
            args = head
        return super().parse_args(ctx, args)

    def with_words(self, before: list[str], words: list[str]) -> list[str]:
        """Those of a script stand behind it, those for the job of a manifest behind ``--``."""
        import os

        if any(word in ("-m", "--module") or (os.path.isfile(word) and _is_script(word)) for word in before):
            return [*before, *words]
        if any(word == "-f" or word.endswith(_MANIFEST_ENDINGS) for word in before):
            return super().with_words(before, words)
        return [*before, "train.py", *words]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Behind a script, its own options and not kfrun's."""
        if WORDS not in ctx.meta or not incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        from kfrun.cli import completions

        words, is_module = ctx.meta[WORDS], bool(ctx.params.get("is_module"))
        return completions.options_of_script(words, incomplete, is_module=is_module)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """As the argument's own name for itself says it."""
        return switches.Verb.collect_usage_pieces(self, ctx)


def _is_script(word: str) -> bool:
    """Whether a word names a script, or what is no manifest at any rate."""
    import os

    from kfrun.load import filekinds

    if word == "-" or "://" in word or word.endswith(_MANIFEST_ENDINGS):
        return False
    if os.path.isdir(word):
        return os.path.isfile(os.path.join(word, "__main__.py"))
    if any(character in word for character in "*?[") and not os.path.lexists(word):
        return False
    return filekinds.of_file(word) is not None or not os.path.lexists(word)


def called(function: Function) -> Function:
    """What is said of a script instead of in a manifest: parameter ``script``, None where no script is named."""

    @wraps(function)
    def with_script(*args: Any, is_module: bool, **kwargs: Any) -> Any:
        given: dict[str, Any] = {name: kwargs.pop(name) for name in _FIELDS if name in kwargs}
        return function(*args, script=_call(given, is_module=is_module), **kwargs)

    decorated: Any = with_script
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


def _call(given: dict[str, Any], *, is_module: bool) -> ScriptCall | None:
    from kfrun.model.script import ScriptCall

    meta = click.get_current_context().meta
    call = ScriptCall(meta.get(WORDS, ()), is_module, bool(meta.get(COMMAND)), **given)
    return call if WORDS in meta or call != ScriptCall() else None


def require(call: ScriptCall) -> None:
    """Refuse what is said of a script where none was named.

    Raises:
        UsageProblem: with the way to say it.
    """
    if not call.words and not call.is_command:
        named = next((name for name in (*_FIELDS, "is_module") if getattr(call, name)), "")
        raise UsageProblem(
            f"{_FLAGS.get(named, f'--{named}')} is for a script, and none was named",
            "a script stands behind the options: kfrun run --nodes 2 train.py; fields of a manifest are set by "
            "--set spec.trainer.numNodes=2",
        )


_OPTIONS: Final = (
    click.option("-m", "--module", "is_module", is_flag=True, help="The script is a module, as behind python -m."),
    click.option("--name", metavar="NAME", help="What a script's job is called; else after its folder."),
    click.option("--nodes", type=click.IntRange(min=1), metavar="N", help="Nodes that a script is started on."),
    click.option(
        "--nproc", "processes", type=click.IntRange(min=1), metavar="N", help="Processes that torchrun starts per node."
    ),
    click.option("--gpus", type=click.IntRange(min=1), metavar="N", help="GPUs that each node asks for."),
    click.option(
        "--runtime", metavar="NAME", shell_complete=options.complete("runtimes"),
        help="The runtime of a script; else torch-distributed for PyTorch, and plain-python.",
    ),
    click.option(
        "--requirements", multiple=True, metavar="FILE", shell_complete=options.complete("any_files"),
        help="A file that names a script's packages, in the place of those beside it; none for none.",
    ),
)  # fmt: skip

_MOST_LINES, _WIDTH = 60, 200


def show(shown: str, text: str) -> None:
    """Show the manifest of a script beside its plan: what is very long is in ``kfrun get -o yaml``, and in --save."""
    lines = text.splitlines()
    more = [f"… and {len(lines) - _MOST_LINES} more lines"] if len(lines) > _MOST_LINES else []
    cut = [line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…" for line in (*lines[:_MOST_LINES], *more)]
    options.tell(f"manifest of {shown}:", *(f"  {line}" for line in cut), "")


SAVE: Final = click.option(
    "--save", metavar="FILE", shell_complete=options.complete("files"), help="Write the manifest of a script, too."
)
