"""``kfrun version``: the version, also for programs. The plain form is answered by `kfrun.__main__` already."""

from __future__ import annotations

import platform

from kfrun.cli import options
from kfrun.settings import TRAINER_VERSION
from kfrun.terminal import json_text
from kfrun.version import __version__


@options.verb("version")
@options.output("text", "json", default="text")
def command(output: str) -> int:
    """Print the version."""
    data = {"kfrun": __version__, "trainer": TRAINER_VERSION, "python": platform.python_version()}
    options.write(f"kfrun {__version__}\n" if output == "text" else json_text(data))
    return 0
