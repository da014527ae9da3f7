"""``kfrun wait``: until jobs end, however they end, or until what ``--for`` names holds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

import click

from kfrun.cli import attach, durations, kinds, options
from kfrun.errors import NotFound, Unavailable, WaitTimeout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kfrun.cli.awaited import Awaited
    from kfrun.model.state import StoredObject
    from kfrun.observe.store import Store


T = TypeVar("T")


@click.command("wait")
@click.argument("names", nargs=-1, required=True, shell_complete=kinds.complete_trainjobs)
@options.namespace
@click.option(
    "--for",
    "awaited",
    multiple=True,
    metavar="WHAT",
    help="condition=A,B (either), delete, create, jsonpath={.path}=value; several: all of them.",
)
@click.option("--timeout", metavar="TIME", help="Give up after 30s, 10m, 1h30m (exit code 124). Default: never.")
def command(names: tuple[str, ...], namespace: str | None, awaited: tuple[str, ...], timeout: str | None) -> int:
    """Wait until the jobs have ended, and exit with the job's own code.

    Without --for: 0 when all jobs are complete, else the exit code of the first job that failed: that of its first
    failing node. With --for: 0 when what was waited for came. Ctrl-C leaves the jobs alone.
    """
    from kfrun.cli import awaited as conditions
    from kfrun.cli import session

    settings = options.load_settings(namespace=namespace)
    wanted = [conditions.parse(text) for text in awaited]
    seconds = None if timeout is None else durations.parse_duration(timeout, "--timeout")
    jobs = _names(names)
    with session.open_store(settings) as store:
        waiting = _Waiting(store, settings.namespace, seconds)
        message = attach.how_to_return("wait", " ".join(jobs), settings.namespace)
        with attach.detachable(message):
            if wanted:
                for name in jobs:
                    for what in wanted:
                        waiting.until(name, what)
                return 0
            return next((code for code in [waiting.end(name) for name in jobs] if code), 0)


def _names(arguments: Sequence[str]) -> list[str]:
    """The jobs of ``NAME…``, ``trainjob/NAME…`` or ``trainjob NAME…``."""
    if len(arguments) > 1 and kinds.KINDS.get(arguments[0].lower()) == ("TrainJob",):
        arguments = arguments[1:]
    return list(dict.fromkeys(kinds.trainjob_name(argument) for argument in arguments))


class _Waiting:
    """Waits in one store; all waits of a call share its time."""

    def __init__(self, store: Store, namespace: str, timeout: float | None) -> None:
        self._store, self._namespace, self._timeout = store, namespace, timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._heal = attach.healer(store)

    def until(self, name: str, what: Awaited) -> None:
        """Wait for one thing of one job and say that it came."""
        from kfrun.observe import selection

        first = self._find(name)
        if first is None and what.kind not in ("delete", "create"):
            raise selection.missing(self._store, "TrainJob", self._namespace, name)

        def check() -> bool | None:
            found = self._find(name)
            if what.kind == "delete" and found is not None and first is not None and found.uid != first.uid:
                # Deleted and made anew in between.
                return True
            if what.holds(None if found is None else found.data):
                return True
            if found is None and what.kind not in ("delete", "create"):
                raise NotFound(f"trainjob {name} was deleted while it was waited for")
            return None

        self._wait(name, check, what.text)
        click.echo(f"trainjob.trainer.kubeflow.org/{name} {_came(what)}")

    def end(self, name: str) -> int:
        """Wait for the end of a job, tell it, and return the exit code."""
        from kfrun.cli import rows
        from kfrun.observe import outcome

        first = kinds.trainjob(self._store, self._namespace, name)
        self._warn(first)

        def check() -> StoredObject | None:
            found = self._find(name)
            if found is None or found.uid != first.uid:
                raise NotFound(
                    f"trainjob {name} was {'deleted' if found is None else 'replaced'} while it was waited for"
                )
            return found if outcome.is_finished(found.data) else None

        job = self._wait(name, check, "its end")
        end = rows.outcome_of(self._store, job, self._store.run(job.uid))
        assert end is not None
        state = "Complete" if end.succeeded else "Failed"
        click.echo(f"trainjob.trainer.kubeflow.org/{name} {state}: {end.message or end.reason}")
        return end.exit_code

    def _warn(self, job: StoredObject) -> None:
        from kfrun.observe import outcome

        if outcome.is_finished(job.data):
            return
        if self._store.run(job.uid) is None:
            manager = job.data["spec"].get("managedBy")
            raise Unavailable(
                f"{job.key.name} does not run on this machine" + (f": it is managed by {manager}" if manager else "")
            )
        if outcome.condition(job.data, "Suspended") is not None:
            click.echo(f"{job.key.name} is suspended: kfrun resume {job.key.name} starts it", err=True)

    def _find(self, name: str) -> StoredObject | None:
        return self._store.find("TrainJob", self._namespace, name)

    def _wait(self, name: str, check: Callable[[], T | None], what: str) -> T:
        from kfrun.observe import watch

        left = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        answer = watch.wait(self._store, check, timeout=left, heal=self._heal)
        if answer is None:
            raise WaitTimeout(f"timed out waiting for {what} of {name}: it is {self._state(name)}")
        return answer

    def _state(self, name: str) -> str:
        from kfrun.report import columns

        found = self._find(name)
        return "not there" if found is None else columns.trainjob_state(found.data)


def _came(what: Awaited) -> str:
    return {"delete": "deleted", "create": "created"}.get(what.kind, "condition met")
