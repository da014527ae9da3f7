"""Switches take a value, as kubectl's do: ``--wait=false``, ``-w=TRUE``. The commands of all verbs are made of this."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from kfrun.errors import UsageProblem
from kfrun.terminal import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ARGUMENTS: Final = "kfrun.arguments"
"""Where a context keeps the words behind ``--``."""

_VALUES: Final = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}
"""What Go's flags read as true and as false."""

_OFF: Final = range(0xF0000, 0xF0FFF)
"""Characters for private use: as short options they say what has no spelling of its own, the opposite of a switch."""


class Verb(click.Command):
    """A command whose switches take values, behind ``=`` only: ``--wait false`` would be two arguments.

    Its help ends with examples.
    """

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples of the verb."""
        from kfrun.cli.examples import EXAMPLES

        found = EXAMPLES.get(ctx.command_path.partition(" ")[2], ())
        if found:
            with formatter.section("Examples"):
                for purpose, line in found:
                    formatter.write(f"{'':>{formatter.current_indent}}# {purpose}\n")
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")
        super().format_epilog(ctx, formatter)

    def make_parser(self, ctx: click.Context) -> Any:
        """A parser that knows the opposite of every switch, too."""
        parser = super().make_parser(ctx)
        for param, off in _opposites(self, ctx):
            if not param.secondary_opts:
                is_on = param.flag_value is not False
                parser.add_option(param, [off], param.name, action="store_const", const=not is_on)
        return parser

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, with every ``--switch=value`` in a spelling that click knows."""
        if any("=" in arg and arg.startswith("-") for arg in args):
            args = list(Spelling(self, ctx).of(args))
        return super().parse_args(ctx, args)


class WordyVerb(Verb):
    """A verb whose command line may end with words for a job, behind ``--``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse what stands before ``--`` and keep the rest."""
        end = args.index("--") if "--" in args else len(args)
        if args[end:]:
            ctx.meta[ARGUMENTS] = tuple(args[end + 1 :])
        try:
            return super().parse_args(ctx, args[:end])
        except click.NoSuchOption as error:
            raise self.unknown(ctx, error, args) from error

    def unknown(self, ctx: click.Context, error: click.NoSuchOption, args: list[str]) -> UsageProblem:
        """What to say of an option that kfrun has not: it may be the job's, and where these stand."""
        before, words = _taken_out(error.option_name, args)
        if not words:
            return UsageProblem(error.format_message(), f"{ctx.command_path} --help tells more")
        from kfrun import masking

        given = masking.words([*ctx.command_path.split(), *self.with_words(before, words)])
        line = " ".join(map(quoted, given))
        return UsageProblem(
            error.format_message(), f"if it is the job's: {line}; {ctx.command_path} --help lists kfrun's"
        )

    def with_words(self, before: list[str], words: list[str]) -> list[str]:
        """A command line with words for the job at its end."""
        return [*before, *words] if "--" in before else [*before, "--", *words]

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """With the words for the job."""
        return [*super().collect_usage_pieces(ctx), "[-- ARGS...]"]


class Family(Verb, click.Group):
    """A verb with verbs of its own below it."""

    command_class = Verb

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs below, each with its whole first sentence."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        with formatter.section("Verbs"):
            formatter.write_dl([(name, verb.get_short_help_str(1000)) for name, verb in found if verb is not None])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; a misspelt one, or another tool's, gets a suggestion."""
        names = self.list_commands(ctx)
        if args[0] not in names and not args[0].startswith("-"):
            from kfrun.cli.synonyms import SHORT

            word = SHORT.get(args[0].lower())
            other = word if word in names else near(args[0], names)
            suggestion = f'; did you mean "{other}"?' if other else f"; there are {', '.join(names)}"
            raise click.UsageError(f'{ctx.command_path} has no "{args[0]}"{suggestion}', ctx)
        return super().resolve_command(ctx, args)


def _taken_out(option: str, args: list[str]) -> tuple[list[str], list[str]]:
    """The arguments without an option that is not known, and this one, with its value as far as one can guess."""
    at = next((at for at, arg in enumerate(args) if arg.partition("=")[0] == option), len(args))
    following = args[at + 1 : at + 2]
    is_value = "=" not in "".join(args[at : at + 1]) and following and not following[0].startswith("-")
    own = args[: args.index("--")] if "--" in args else args
    others = [arg for arg in (*own[:at], *own[at + 2 :]) if not arg.startswith("-")]
    if is_value and not others and not following[0][0].isdigit():
        is_value = False  # rather what the command line is about
    end = at + 1 + bool(is_value)
    return [*args[:at], *args[end:]], args[at:end]


def near(word: str, words: Iterable[str]) -> str | None:
    """The one of the words that was probably meant."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word.lower(), list(words), n=1)), None)


def _opposites(command: click.Command, ctx: click.Context) -> Iterator[tuple[click.Option, str]]:
    """The switches of a command, and how the opposite of each is spelt."""
    switches = (param for param in command.get_params(ctx) if isinstance(param, click.Option) and param.is_bool_flag)
    for param, off in zip(switches, _OFF, strict=False):
        yield param, param.secondary_opts[0] if param.secondary_opts else f"-{chr(off)}"


class Spelling:
    """Goes through arguments as the parser is going to: what belongs to another option is left alone."""

    def __init__(self, command: click.Command, ctx: click.Context) -> None:
        self._ctx = ctx
        self._interspersed = ctx.allow_interspersed_args
        self._on_off: dict[str, tuple[str, str]] = {}
        self._taking: set[str] = set()
        for param, off in _opposites(command, ctx):
            on = param.opts[0]
            self._on_off.update(dict.fromkeys(param.opts, (on, off)))
            self._on_off.update(dict.fromkeys(param.secondary_opts, (off, on)))
        for other in command.get_params(ctx):
            if isinstance(other, click.Option) and not other.is_flag:
                self._taking.update(other.opts)

    def of(self, args: list[str]) -> Iterator[str]:
        """The arguments, with switches as click spells them.

        Raises:
            BadParameter: a value is neither true nor false.
        """
        rest = iter(args)
        for arg in rest:
            if arg == "--" or (not self._is_option(arg) and not self._interspersed):
                yield arg
                break
            if arg.startswith("--"):
                name, equals, value = arg.partition("=")
                yield self._switch(name, value, arg) if equals and name in self._on_off else arg
                takes_next = not equals and name in self._taking
            elif self._is_option(arg):
                yield from self._letters(arg)
                takes_next = self._ends_open(arg)
            else:
                yield arg
                continue
            if takes_next:
                yield from (following for following in (next(rest, None),) if following is not None)
        yield from rest

    def count(self, args: list[str]) -> int:
        """How many arguments stand before the first that is no option and no value of one."""
        at = 0
        while at < len(args) and self._is_option(args[at]) and args[at] != "--":
            is_long = args[at].startswith("--")
            at += 1 + (args[at] in self._taking if is_long else self._ends_open(args[at]))
        return min(at, len(args))

    @staticmethod
    def _is_option(arg: str) -> bool:
        return len(arg) > 1 and arg.startswith("-")

    def _letters(self, arg: str) -> Iterator[str]:
        """``-Aw=false`` is ``-A`` and ``-w=false``."""
        letters, equals, value = arg[1:].partition("=")
        if not equals or not letters or any(f"-{letter}" not in self._on_off for letter in letters):
            yield arg
            return
        if letters[:-1]:
            yield f"-{letters[:-1]}"
        yield self._switch(f"-{letters[-1]}", value, f"-{letters[-1]}={value}")

    def _ends_open(self, arg: str) -> bool:
        """Whether the next argument is the value of the last letter."""
        taking = next((index for index, letter in enumerate(arg) if f"-{letter}" in self._taking), None)
        return taking == len(arg) - 1

    def _switch(self, name: str, value: str, arg: str) -> str:
        if value in _VALUES:
            on, off = self._on_off[name]
            return on if _VALUES[value] else off
        if self._ctx.resilient_parsing:  # a shell wants to know how the line could go on
            return arg
        message = f'{name} is a switch: it takes true or false, found "{value}"'
        raise click.UsageError(message, self._ctx)
