"""What of the code has changed since a run. Pure.

A job may write beside its script, so what it may have written counts for nothing: of settings and data that git or a
walk found, changes made while the run ran; and new files of that time. Sources are written by people: a change of one
counts whenever it was made, unless the file came during a run and was never written at another time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.model.change import CodeChange
from kfrun.model.code import is_source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kfrun.model.code import CodeFile, SourceCode

_TICK: Final = 0.05
"""Seconds by which the clock of files may be behind: what a job writes first may look older than its start."""


def changes(before: SourceCode | None, now: SourceCode | None, ended: float | None) -> tuple[CodeChange, ...]:
    """What differs between the code of a run and that of now; nothing where one of them is not known.

    ``ended`` is when the run had ended; None while it has not.
    """
    if before is None or now is None:
        return ()
    return tuple(sorted(_changes(before, now, ended), key=lambda one: (one.name.count("/"), one.name)))


def _changes(before: SourceCode, now: SourceCode, ended: float | None) -> Iterator[CodeChange]:
    for name, file in now.files.items():
        old = before.files.get(name)
        if old is None:
            if is_source(name) and not before.is_partial and _is_later(file.changed, ended):
                yield CodeChange("+", name)
        elif old.digest != file.digest and (_is_of_people(name, before) or not _is_of_run(file, before, ended)):
            yield CodeChange("~", name)
    if not now.is_partial:
        yield from (CodeChange("-", name) for name in before.files.keys() - now.files if _is_of_people(name, before))


def following(before: SourceCode | None, now: SourceCode, ended: float | None) -> SourceCode:
    """The code as it is kept with the run that follows: it knows which sources jobs have made so far."""
    if before is None:
        return now
    come = (name for name, file in now.files.items() if name not in before.files and not before.is_partial
            and is_source(name) and file.changed >= before.read and not _is_later(file.changed, ended))  # fmt: skip
    kept = (name for name in before.made & now.files.keys() if not _is_later(now.files[name].written, ended))
    return now._replace(made=frozenset((*come, *kept)))


def said(changed: Sequence[CodeChange]) -> str:
    """``train.py has changed since this run``; empty for nothing."""
    if not changed:
        return ""
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    if more:
        return f"{changed[0].name}{more} have changed since this run"
    verb = {"~": "has changed", "+": "has come", "-": "is gone"}[changed[0].mark]
    return f"{changed[0].name} {verb} since this run"


def _is_of_people(name: str, before: SourceCode) -> bool:
    return is_source(name) and name not in before.made


def _is_later(time: float, ended: float | None) -> bool:
    return ended is not None and time > ended


def _is_of_run(file: CodeFile, before: SourceCode, ended: float | None) -> bool:
    """Whether the file was written while the run ran."""
    return file.written >= before.read - _TICK and not _is_later(file.written, ended)
