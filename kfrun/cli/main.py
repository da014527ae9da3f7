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
from kfrun.errors import UsageProblem
from kfrun.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("kfrun.cli.verbs.run:command", "Train in the foreground: apply, follow the logs, Ctrl-C cancels."),
    "init": ("kfrun.cli.verbs.init:command", "Write a manifest for a script, or copy an example."),
    "apply": ("kfrun.cli.verbs.apply:command", "Record jobs and runtimes and start what is new."),
    "create": ("kfrun.cli.verbs.create:command", "Record jobs and runtimes that must be new, start the jobs."),
    "replace": ("kfrun.cli.verbs.replace:command", "Put manifests in the place of what is stored, start jobs anew."),
    "rerun": ("kfrun.cli.verbs.rerun:command", "Run a finished job once more, with today's code."),
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
    "stop": ("kfrun.cli.verbs.stop:command", "End a job as Cancelled, keep everything of it."),
    "suspend": ("kfrun.cli.verbs.suspend:command", "Stop the pods of a job, keep the job."),
    "resume": ("kfrun.cli.verbs.resume:command", "Start a suspended job."),
    "delete": ("kfrun.cli.verbs.delete:command", "Stop and remove jobs and runtimes."),
    "schema": ("kfrun.cli.verbs.schema:command", "Print the JSON Schemas of manifests, for editors."),
    "runtimes": ("kfrun.cli.verbs.runtimes:command", "List and show the runtimes that jobs can refer to."),
    "env": ("kfrun.cli.verbs.env:command", "List and prune Python environments."),
    "doctor": ("kfrun.cli.verbs.doctor:command", "Look for what could keep jobs from running here."),
    "completion": ("kfrun.cli.verbs.completion:command", "Print the completion script of a shell."),
    "config": ("kfrun.cli.verbs.config:command", "Show the settings and where they come from."),
    "version": ("kfrun.cli.verbs.version:command", "Print the version."),
}
"""Name of the verb -> where it is, and its line in ``--help``."""

GROUPS: dict[str, tuple[str, ...]] = {
    "Start": ("run", "init", "apply", "create", "replace", "rerun", "stop", "suspend", "resume"),
    "Look": ("get", "describe", "logs", "events", "wait"),
    "Check": ("plan", "diff", "validate", "lint", "render", "convert", "explain", "schema", "runtimes"),
    "Tidy": ("delete", "env", "doctor", "config", "completion", "version"),
}
"""Heading in the help -> its verbs; a test says that every verb has one."""

_WELCOME = """\
kfrun runs Kubeflow TrainJobs from reviewed YAML, without a cluster.

{verbs}

Examples:
  kfrun run train.py --lr 1  train a script: make its job, print what it prints, end with its exit code
  kfrun run -f job.yaml      the same for a manifest, which kfrun init train.py writes
  kfrun get trainjobs        what runs, and what has run

kfrun --help says what each verb does, kfrun VERB --help tells the rest.
"""

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
            raise _unknown(args[0], ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the verbs without importing them."""
        for heading, names in GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl([(name, COMMANDS[name][1]) for name in names], col_max=12)

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

    kfrun run train.py or kfrun run -f job.yaml is the short way; kfrun VERB --help tells the rest.
    """
    if ctx.invoked_subcommand is not None:
        return exits.SUCCESS
    from kfrun.cli import console

    lines = [f"{heading + ':':8}{', '.join(names)}" for heading, names in GROUPS.items()]
    console.write(_WELCOME.format(verbs="\n".join(lines)))
    return exits.SUCCESS


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return the exit code."""
    return exits.guard(lambda: _invoke(list(arguments)))


def _invoke(arguments: list[str]) -> int | None:
    line = os.environ.get("_KFRUN_COMPLETE")
    if line:
        from kfrun.cli import console, shells

        console.data(shells.answer(cli, line) + "\n")
        return exits.SUCCESS
    # Not `cli.main`: it would end the process itself, and take a reader that went away for an error.
    try:
        with cli.make_context("kfrun", _verb_first(arguments)) as context:
            code: int | None = cli.invoke(context)
            return code
    except click.exceptions.Exit as end:
        return end.exit_code


def _verb_first(arguments: list[str]) -> list[str]:
    """Kubectl's order, too: ``-n NAME`` may stand before the verb, and ``help VERB`` asks for the help of a verb."""
    if arguments[:1] == ["help"]:
        return [*arguments[1:], "--help"]
    end = 0
    while end < len(arguments) and arguments[end].startswith(("-n", "--namespace")):
        end += 2 if arguments[end] in ("-n", "--namespace") else 1
    verb = end + 1 if arguments[end : end + 1] not in (["runtimes"], ["env"], ["config"]) else end + 2
    return [*arguments[end:verb], *arguments[:end], *arguments[verb:]] if end < len(arguments) else arguments


def _unknown(verb: str, ctx: click.Context) -> Exception:
    """There is no such verb: it is another tool's word for one of ours, or misspelt."""
    from kfrun.cli.synonyms import HINTS

    message, near = f'there is no verb "{verb}"', switches.near(verb, COMMANDS)
    hint = HINTS.get(verb.lower())
    if hint is not None:
        return UsageProblem(message, hint)
    return click.UsageError(f'{message}; did you mean "{near}"?' if near else message, ctx)
