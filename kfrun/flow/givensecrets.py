"""Secrets that a caller gives to the jobs of one call, by ``--secret-env-file``: read, and held against the input.

They travel beside the plan, in `kfrun.flow.plans.Ready`, and never in what is stored, saved or shown of it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kfrun.errors import UsageProblem
from kfrun.plan import references

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from kfrun.flow.plans import Ready
    from kfrun.model.change import DesiredJob
    from kfrun.model.resolution import Resolution
    from kfrun.model.source import Document, Finding
    from kfrun.model.wishes import Caller

    Secrets = Mapping[str, Mapping[str, str]]

_FLAG = "--secret-env-file"


def read(names: Sequence[str], warn: Callable[[Sequence[Finding]], None]) -> Secrets:
    """The Secrets of ``NAME=FILE``, by name; several files of one name make one Secret.

    Raises:
        InvalidInput, NotFound, Unavailable: see `kfrun.load.envfiles.read`.
        UsageProblem: a name is none, or two files have the same key.
    """
    found: dict[str, dict[str, str]] = {}
    for item in names:
        from kfrun.load import envfiles

        name, path = _split(item)
        variables, warnings = envfiles.read(path, os.environ)
        if warnings:
            warn(warnings)
        earlier = found.setdefault(name, {})
        if earlier.keys() & variables.keys():
            raise UsageProblem(
                f"{_FLAG} {name}={path} has a key that an earlier file of {name} has", "keep one of the two"
            )
        earlier.update(variables)
    return found


def _split(item: str) -> tuple[str, str]:
    from kfrun.validate.admission.causes import is_subdomain

    name, equals, path = item.partition("=")
    if not equals or not path:
        way = "write NAME=FILE, the name by which the manifest refers to it: --secret-env-file hf-token=.env"
        raise UsageProblem(f'{_FLAG} "{item}" does not say which Secret that is', way)
    if not is_subdomain(name):
        raise UsageProblem(f'{_FLAG}: "{name}" is no name of a Secret', "lower-case letters, digits, - and .")
    return name, path


def require_wanted(secrets: Secrets, documents: Sequence[Document], jobs: Iterable[DesiredJob]) -> None:
    """Refuse a Secret that no job refers to, and one that is there otherwise.

    Raises:
        UsageProblem: with its name.
    """
    if not secrets:
        return
    resolutions = [job.resolution for job in jobs]
    wanted = {(one.trainjob.namespace, ref.name) for one in resolutions for ref in _refs(one)}
    made = {(one.trainjob.namespace, name) for one in resolutions for name in _own(one)}
    in_input = {item.key[2:]: item for item in documents if item.key.kind == references.SECRET}
    for name in secrets:
        places = [place for place in sorted(wanted) if place[1] == name]
        if not places:
            others = ", ".join(sorted({other for _, other in wanted}))
            way = f"they refer to {others}" if others else "refer to it: valueFrom.secretKeyRef, envFrom, or a volume"
            raise UsageProblem(f'{_FLAG}: no job refers to a Secret "{name}"', way)
        for place in places:
            if place in in_input:
                where = in_input[place].positions.value(("metadata", "name"))
                raise UsageProblem(f'{_FLAG}: the Secret "{name}" is in the input, too, at {where}', "leave one out")
            if place in made:
                raise UsageProblem(f'{_FLAG}: the Trainer makes a Secret "{name}" itself', "give yours another name")


def of_job(secrets: Secrets, job: DesiredJob | None) -> Secrets:
    """What of them a job refers to: nothing else is kept for it."""
    if not secrets or job is None:
        return {}
    names = {ref.name for ref in _refs(job.resolution)}
    return {name: entries for name, entries in secrets.items() if name in names}


def without(secrets: Secrets, caller: Caller) -> Caller:
    """The caller without variables that are given as secrets: the rest of the environment is kept with the job."""
    taken = {pair for entries in secrets.values() for pair in entries.items()}
    environ = {name: value for name, value in caller.environ.items() if (name, value) not in taken}
    return caller._replace(environ=environ) if taken else caller


def told(ready: Ready) -> list[str]:
    """What there is to say of them beside the plan, in lines."""
    return [
        f"secret/{name}: {len(entries)} key{'' if len(entries) == 1 else 's'}, for this run alone and gone at its end"
        for name, entries in ready.secrets.items()
    ]


def _refs(resolution: Resolution) -> Iterator[references.Reference]:
    found = references.of(resolution.jobset or {"spec": {}})
    return (one for one in found if one.kind == references.SECRET)


def _own(resolution: Resolution) -> set[str]:
    """The Secrets that the controller makes for a job."""
    return {name for kind, name in references.made(resolution) if kind == references.SECRET}
