"""The group of verbs.

A verb's module is imported when the verb is used, not before: help and start-up stay fast. A verb's callback returns
its exit code (None is 0).
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

import click

from kfrun.cli import exits, switches
from kfrun.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("kfrun.cli.verbs.run:command", "Train in the foreground: apply, follow the logs, Ctrl-C cancels."),
    "apply": ("kfrun.cli.verbs.apply:command", "Record jobs and runtimes and start what is new."),
    "plan": ("kfrun.cli.verbs.plan:command", "Show what apply would do, and why."),
    "diff": ("kfrun.cli.verbs.diff:command", "Show how manifests differ from what is stored."),
    "validate": ("kfrun.cli.verbs.validate:command", "Check manifests as a cluster would."),
    "lint": ("kfrun.cli.verbs.lint:command", "Look for what a cluster accepts and then regrets."),
    "render": ("kfrun.cli.verbs.render:command", "Print the objects that the Trainer controller would create."),
    "convert": ("kfrun.cli.verbs.convert:command", "Rewrite older TrainJobs, and jobs of kubeflow.org/v1."),
    "explain": ("kfrun.cli.verbs.explain:command", "Tell what a field or a finding's code means."),
    "get": ("kfrun.cli.verbs.get:command", "List jobs, pods, runtimes, events."),
    "describe": ("kfrun.cli.verbs.describe:command", "Tell everything about one object."),
    "logs": ("kfrun.cli.verbs.logs:command", "Print or follow the output of a job's nodes."),
    "events": ("kfrun.cli.verbs.events:command", "Tell what happened to jobs."),
    "wait": ("kfrun.cli.verbs.wait:command", "Wait until a job ends or a condition holds."),
    "suspend": ("kfrun.cli.verbs.suspend:command", "Stop the pods of a job, keep the job."),
    "resume": ("kfrun.cli.verbs.resume:command", "Start a suspended job."),
    "delete": ("kfrun.cli.verbs.delete:command", "Stop and remove jobs and runtimes."),
    "runtimes": ("kfrun.cli.verbs.runtimes:command", "List and show the runtimes that jobs can refer to."),
    "env": ("kfrun.cli.verbs.env:command", "List and prune Python environments."),
    "doctor": ("kfrun.cli.verbs.doctor:command", "Look for what could keep jobs from running here."),
    "completion": ("kfrun.cli.verbs.completion:command", "Print the completion script of a shell."),
    "config": ("kfrun.cli.verbs.config:command", "Show the settings and where they come from."),
    "version": ("kfrun.cli.verbs.version:command", "Print the version."),
}
"""Name of the verb -> where it is, and its line in ``--help``."""

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class VerbGroup(switches.Family):
    """The verbs of `COMMANDS`, imported one at a time."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the verb."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; a misspelt one gets a suggestion."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f'there is no verb "{args[0]}"{_suggestion(args[0])}', ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the verbs without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the exit codes."""
        with formatter.section("Exit codes"):
            formatter.write_dl(exits.TABLE)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:  # noqa: ARG002
        """Complete a verb without importing any."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(name, help=COMMANDS[name][1]) for name in COMMANDS if name.startswith(incomplete)]


@click.group(cls=VerbGroup, context_settings=_SETTINGS, invoke_without_command=True)
@click.version_option(__version__, message="kfrun %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> int:
    """Run Kubeflow TrainJobs from reviewed YAML, without a cluster.

    kfrun run -f job.yaml is the short way; kfrun VERB --help tells the rest.
    """
    if ctx.invoked_subcommand is not None:
        return exits.SUCCESS
    from kfrun.cli import console

    console.write(ctx.get_help() + "\n", err=True)
    return exits.USAGE


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return the exit code."""
    return exits.guard(lambda: _invoke(list(arguments)))


def _invoke(arguments: list[str]) -> int | None:
    instruction = os.environ.get("_KFRUN_COMPLETE")
    if instruction:
        from click.shell_completion import shell_complete

        return shell_complete(cli, {}, "kfrun", "_KFRUN_COMPLETE", instruction)
    # Not `cli.main`: it would end the process itself, and take a reader that went away for an error.
    try:
        with cli.make_context("kfrun", arguments) as context:
            code: int | None = cli.invoke(context)
            return code
    except click.exceptions.Exit as end:
        return end.exit_code


def _suggestion(verb: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(verb.lower(), COMMANDS, n=1)
    return f'; did you mean "{near[0]}"?' if near else ""
