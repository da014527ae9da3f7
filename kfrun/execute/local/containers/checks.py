"""What ``doctor`` says of the engines of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.errors import Unavailable
from kfrun.execute.answers import Check
from kfrun.execute.local.containers import addresses, client, engines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def of(environ: Mapping[str, str]) -> Iterator[Check]:
    """A check for each engine: which one answers and where, or what is there and does not."""
    for engine in addresses.ENGINES:
        yield _check(engine, environ)


def _check(engine: str, environ: Mapping[str, str]) -> Check:
    try:
        found, tried = engines.find(engine, environ)
    except Unavailable as error:
        return Check(engine, "warn", f"there is a socket, but {error}", client.EXTRA)
    if found is not None:
        return Check(engine, "ok", f"{found} ({found.address.source})")
    there = [one for one in tried if one.is_there]
    if not there:
        return Check(engine, "ok", f"no engine found at {len(tried)} places (jobs run as processes)")
    return Check(engine, "warn", engines.told(there).replace("\n", "; "), engines.remedy(there))
