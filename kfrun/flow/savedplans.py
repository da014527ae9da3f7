"""Saved plans as files: ``kfrun plan --out`` writes them, ``kfrun apply FILE`` reads and compares them.

What a plan was made of is told by absolute path and digest: manifests, files of values, and the files that the jobs'
commands name, as ``train.py`` in ``python train.py``.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from kfrun.errors import NotFound, Refused, Unavailable, UsageProblem
from kfrun.execute.backend import working_folder
from kfrun.flow import sourcecode
from kfrun.load import content, sources
from kfrun.model.code import is_source
from kfrun.plan import compare, render
from kfrun.plan import saved as plans
from kfrun.plan.saved import SavedPlan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kfrun.flow.plans import Ready
    from kfrun.model.wishes import Values, Wishes

_MAX_CODE_BYTES = 16 * 1024 * 1024
_HEAD = 512
_PLAN = re.compile(rb'\s*\{[^{}]*"kind"\s*:\s*"SavedPlan"')
_MAX_PLAN_BYTES = 64 * 1024 * 1024


def with_absolute_names(wishes: Wishes) -> Wishes:
    """The wishes as they can be had from any folder.

    Raises:
        UsageProblem: a source cannot be read again.
    """
    for name in (*wishes.filenames, *wishes.values.files):
        if name == "-" or content.is_descriptor(name):
            raise UsageProblem("--out: what comes through a pipe cannot be read again", "put the manifest into a file")
    files = tuple(_absolute(name) for name in wishes.values.files)
    names = tuple(_absolute(name) for name in wishes.filenames)
    return wishes._replace(filenames=names, values=wishes.values._replace(files=files))


def saved(made: Ready) -> SavedPlan:
    """What is saved of a plan."""
    values = made.wishes.values
    wishes = made.wishes._replace(values=values._replace(texts=(), strings=()))
    digests = {**{_absolute(name): found for name, found in made.sources.items()}, **dict(_code(made))}
    return SavedPlan(wishes, _set_digest(values), digests, _stored(made), render.to_json(made.plan))


def require_same(plan: SavedPlan, made: Ready) -> None:
    """Refuse a saved plan that is not ``made`` now.

    Raises:
        Refused: with the first difference.
    """
    plans.require_same(plan, saved(made))


def _stored(made: Ready) -> dict[str, str]:
    chosen = made.observed.apply_set
    jobs = {**(chosen.jobs if chosen else {}), **made.observed.jobs}
    uids = chosen.uids if chosen else {}
    return {
        plans.name_of(key): plans.fingerprint(jobs.get(key), made.observed.objects.get(key)) or uids.get(key, "")
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


def is_saved(path: str) -> bool:
    """Whether a file is a plan, and no manifest."""
    try:
        if content.is_descriptor(path) or not os.path.isfile(path):
            return False
        with open(path, "rb") as file:
            return _PLAN.match(file.read(_HEAD)) is not None
    except (OSError, ValueError):
        return False


def read(path: str) -> SavedPlan:
    """Read a saved plan.

    Raises:
        NotFound: there is no such file.
        Unavailable: it cannot be read.
        Refused: it is no plan, or one of another format.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(_MAX_PLAN_BYTES)
    except FileNotFoundError as error:
        raise NotFound(f"there is no plan {path}", "kfrun plan --out FILE makes one; -f names a manifest") from error
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    return SavedPlan.parse(text, path)


def wishes_of(plan: SavedPlan, values: Values) -> Wishes:
    """The wishes of a saved plan; ``values`` are those of this call, of which ``--set`` has to be repeated.

    Raises:
        Refused: they differ.
    """
    if plan.set_digest != _set_digest(values):
        raise Refused(
            "the plan was made with other --set or --set-string flags", "give the same ones: a plan keeps no values"
        )
    return plan.wishes._replace(values=values._replace(files=plan.wishes.values.files))


def _set_digest(values: Values) -> str:
    return compare.digest([values.texts, values.strings]) if values.texts or values.strings else ""


def _absolute(name: str) -> str:
    if name.startswith(sources.MADE):
        from kfrun.load.made import programs

        return programs.absolute(name, os.getcwd())
    return name if "://" in name else os.path.abspath(name)


def _code(made: Ready) -> Iterator[tuple[str, str]]:
    """The sources of the jobs, and the files that their commands name, and their digests."""
    for job in made.plan.jobs:
        folder = working_folder(job.resolution, str(Path.cwd()))
        files = (job.code.files if job.code else {}).items()
        # what is no source may be written by a job that runs meanwhile
        yield from ((str(Path(folder, name)), file.digest) for name, file in files if is_source(name))
        for word in sorted(sourcecode.words(job.resolution)):
            path = Path(folder, word)
            try:
                if path.is_file() and path.stat().st_size <= _MAX_CODE_BYTES:
                    yield str(path), compare.digest(path.read_bytes().hex())
            except (OSError, ValueError):
                continue
