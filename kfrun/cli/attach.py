"""Watching without owning: Ctrl-C ends the looking, never the job. Called by logs, get, events and wait."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kfrun.observe.store import Store


@contextmanager
def detachable(message: str) -> Iterator[None]:
    """On Ctrl-C say ``message`` on stderr and let the interrupt end the command (exit code 130)."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"\n{message}", err=True)
        raise


def how_to_return(verb: str, name: str, namespace: str) -> str:
    """What to tell somebody who stops looking at a running job."""
    place = "" if namespace == "default" else f" -n {namespace}"
    return (
        f"detached: {name} goes on\n"
        f"  kfrun {verb} {name}{place}   looks again\n"
        f"  kfrun delete {name}{place}   stops and removes it"
    )


def healer(store: Store) -> Callable[[], None]:
    """What a long look calls now and then: supervisors that were killed meanwhile are started again."""
    from kfrun.execute.local import supervisors

    return partial(supervisors.revive, store)
