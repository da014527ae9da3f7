"""Saved plans as files: ``kfrun plan --out`` writes them, ``kfrun apply FILE`` reads and compares them. Called by both.

What a plan was made of is told by absolute path and digest: manifests, files of values, and the files that the jobs'
commands name, as ``train.py`` in ``python train.py``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kfrun.errors import NotFound, Refused, Unavailable, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kfrun.cli.applying import Ready
    from kfrun.cli.inputs import Inputs, Known
    from kfrun.cli.options import Values
    from kfrun.model.change import Plan
    from kfrun.plan.prune import ApplySet
    from kfrun.plan.saved import SavedPlan
    from kfrun.settings import Settings

_MAX_CODE_BYTES = 16 * 1024 * 1024
_MAX_PLAN_BYTES = 64 * 1024 * 1024


class PlanWishes(NamedTuple):
    """The flags that shape a plan, beside those that are settings."""

    filenames: tuple[str, ...]
    recursive: bool
    values: Values
    cluster_defaults: bool = False
    replace: bool = False
    apply_set: str = ""
    prune: bool = False


class Sources:
    """Digests of what is read for a plan, by absolute name."""

    def __init__(self) -> None:
        self.digests: dict[str, str] = {}

    def note(self, name: str, text: str) -> None:
        """A source was read."""
        from kfrun.plan import compare

        self.digests[_absolute(name)] = compare.digest(text)


def with_absolute_names(wishes: PlanWishes) -> PlanWishes:
    """The wishes as they can be had from any folder.

    Raises:
        UsageProblem: a source cannot be read again.
    """
    from kfrun.load import content

    for name in (*wishes.filenames, *wishes.values.files):
        if name == "-" or content.is_descriptor(name):
            raise UsageProblem("--out: what comes through a pipe cannot be read again", "put the manifest into a file")
    files = tuple(_absolute(name) for name in wishes.values.files)
    names = tuple(_absolute(name) for name in wishes.filenames)
    return wishes._replace(filenames=names, values=wishes.values._replace(files=files))


class Planned(NamedTuple):
    """A plan that is not to be carried out, and what it was made of; `kfrun.cli.applying.Ready` is the other one."""

    plan: Plan
    prepared: Inputs
    known: Known
    apply_set: ApplySet | None


def saved(wishes: PlanWishes, settings: Settings, sources: Sources, made: Planned | Ready) -> SavedPlan:
    """What is saved of a plan."""
    from kfrun.plan import render
    from kfrun.plan import saved as plans

    def flag(name: str) -> Any:
        return getattr(settings, name) if settings.origins[name].layer == "flag" else None

    values = wishes.values
    call = plans.Call(
        wishes.filenames, wishes.recursive, flag("namespace"), flag("trainer_version"), flag("backend"),
        flag("strict"), wishes.cluster_defaults, wishes.replace, values.files, _set_digest(values),
        wishes.apply_set, wishes.prune,
    )  # fmt: skip
    digests = {**sources.digests, **dict(_code(made.prepared))}
    return plans.SavedPlan(call, digests, _stored(made), render.to_json(made.plan))


def require_same(plan: SavedPlan, values: Values, settings: Settings, sources: Sources, made: Planned | Ready) -> None:
    """Refuse a saved plan that is not ``made`` now.

    Raises:
        Refused: with the first difference.
    """
    from kfrun.plan import saved as plans

    plans.require_same(plan, saved(wishes_of(plan, values), settings, sources, made))


def _stored(made: Planned | Ready) -> dict[str, str]:
    from kfrun.plan import saved as plans

    chosen = made.apply_set
    jobs = {**(chosen.jobs if chosen else {}), **made.known.jobs}
    uids = chosen.uids if chosen else {}
    return {
        plans.name_of(key): plans.fingerprint(jobs.get(key), made.known.objects.get(key)) or uids.get(key, "")
        for key in (action.key for action in made.plan.actions)
    }


def write(path: str, plan: SavedPlan) -> None:
    """Write the file, for the user alone, whole or not at all.

    Raises:
        UsageProblem: there is no such folder, or the file is one.
        Unavailable: it cannot be written.
    """
    import tempfile

    target = Path(path)
    try:
        descriptor, part = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogatepass") as file:
                file.write(plan.to_text())
            Path(part).replace(target)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
    except OSError as error:
        reason = f"--out {path} cannot be written: {(error.strerror or str(error)).lower()}"
        if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
            raise UsageProblem(reason, "name a file in a folder that is there") from error
        raise Unavailable(reason) from error


def read(path: str) -> SavedPlan:
    """Read a saved plan.

    Raises:
        NotFound: there is no such file.
        Unavailable: it cannot be read.
        Refused: it is no plan, or one of another format.
    """
    from kfrun.plan.saved import SavedPlan

    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            text = file.read(_MAX_PLAN_BYTES)
    except FileNotFoundError as error:
        raise NotFound(f"there is no plan {path}", "kfrun plan --out FILE makes one; -f names a manifest") from error
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    return SavedPlan.parse(text, path)


def wishes_of(plan: SavedPlan, values: Values) -> PlanWishes:
    """The flags of a saved plan; ``values`` are those of this command line, of which ``--set`` has to be repeated.

    Raises:
        Refused: they differ.
    """
    call = plan.call
    if call.set_digest != _set_digest(values):
        raise Refused(
            "the plan was made with other --set or --set-string flags", "give the same ones: a plan keeps no values"
        )
    given = values._replace(files=call.value_files)
    return PlanWishes(
        call.filenames, call.recursive, given, call.cluster_defaults, call.replace, call.apply_set, prune=call.prune
    )


def _set_digest(values: Values) -> str:
    from kfrun.plan import compare

    return compare.digest([values.texts, values.strings]) if values.texts or values.strings else ""


def _absolute(name: str) -> str:
    return name if "://" in name else os.path.abspath(name)  # noqa: PTH100


def _code(prepared: Inputs) -> Iterator[tuple[str, str]]:
    """The files that the commands of the jobs name, and their digests."""
    from kfrun.execute.local.process import preparation
    from kfrun.plan import compare

    for job in prepared.jobs:
        folder = preparation.working_folder(job.resolution.job, job.resolution.source, str(Path.cwd()))
        for word in sorted(_words(prepared, job.resolution.trainjob)):
            path = Path(folder, word)
            try:
                if path.is_file() and path.stat().st_size <= _MAX_CODE_BYTES:
                    yield str(path), compare.digest(path.read_bytes().hex())
            except (OSError, ValueError):
                continue


def _words(prepared: Inputs, key: object) -> set[str]:
    workload = prepared.workloads[key]  # type: ignore[index]
    return {
        word
        for job in workload.jobs
        for pod in job.pods
        for container in (*pod.init_containers, *pod.containers)
        for word in (*container.command, *container.args)
        if word and not word.startswith("-") and "\0" not in word and "\n" not in word
    }
