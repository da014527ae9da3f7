"""``kfrun completion``: prints the script that makes a shell complete kfrun's verbs and options."""

from __future__ import annotations

import click

from kfrun.cli import options
from kfrun.cli.shells import SCRIPTS


@options.verb("completion")
@click.argument("shell", type=click.Choice(tuple(SCRIPTS)))
def command(shell: str) -> int:
    """Print the completion script of a shell.

    \b
    bash:  kfrun completion bash > ~/.local/share/bash-completion/completions/kfrun
    zsh:   kfrun completion zsh > "${fpath[1]}/_kfrun"
    fish:  kfrun completion fish > ~/.config/fish/completions/kfrun.fish
    """  # noqa: D301 - click looks for the backspace itself
    options.data(SCRIPTS[shell])
    return 0
